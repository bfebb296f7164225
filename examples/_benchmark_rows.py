"""The rows of benchmark.py: what is timed, defined once for XPTorch and PyTorch.

A row is a function that takes the library (`torch` or `xptorch`) and returns what to time, on the
default device. To add one, add it to ROWS, or a layer and its inputs to LAYERS
(names without commas: --rows splits there).
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from _common import build_net

OPS = 100


class Timed(NamedTuple):
    """What to time: `step` minus `baseline`, divided by the number of ops in it."""

    step: Callable[[], Any]
    baseline: Callable[[], Any] | None = None
    ops: int = 1


# ---- rows: whole training steps


def training_step(
    torch: Any, net: Any, inputs: Any, reduction: str, optimizer: Any = None
) -> Timed:
    """A step of AdamW, or of another optimizer, on a classifier of ten classes.

    Labels change from step to step. Fixed labels would soon be memorised, and gradients become so
    small that processors take ten times as long to multiply them.
    """
    labels = itertools.cycle(torch.randint(0, 10, (16, len(inputs))).unbind())
    criterion = torch.nn.CrossEntropyLoss(reduction=reduction)
    optimizer = optimizer or torch.optim.AdamW(net.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        criterion(net(inputs), next(labels)).backward()
        optimizer.step()

    return Timed(step)


def seed_net(torch: Any, batch: int) -> Timed:
    """The digit classifier of mnist.py."""
    return training_step(torch, build_net(torch), torch.randn(batch, 1, 28, 28), "sum")


def mlp(torch: Any) -> Timed:
    """Linear layers and ReLU."""
    nn = torch.nn
    hidden = (nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU())
    net = nn.Sequential(*hidden, nn.Linear(512, 10))
    return training_step(torch, net, torch.randn(128, 784), "mean")


def char_gpt(torch: Any) -> Timed:
    """A character-level language model: 4 layers, 4 heads, 128 wide, context 64, batch 16."""
    nn = torch.nn
    functional = nn.functional
    letters, context, width, heads, batch = 65, 64, 128, 4, 16

    class Attention(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(width, 3 * width)
            self.out = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            n, t, c = x.shape
            q, k, v = self.project(x).split(width, dim=2)
            q, k, v = (y.view(n, t, heads, c // heads).transpose(1, 2) for y in (q, k, v))
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out(y.transpose(1, 2).contiguous().view(n, t, c))

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.attention = nn.LayerNorm(width), Attention()
            self.norm2 = nn.LayerNorm(width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            )

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(letters, width), nn.Embedding(context, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(4)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, letters)

        def forward(self, index: Any) -> Any:
            x = self.token(index) + self.place(torch.arange(index.shape[1], device=index.device))
            return self.head(self.norm(self.blocks(x)))

    net = GPT()
    text = labels(torch, letters, batch, context + 1)
    inputs, targets = text[:, :-1], text[:, 1:]
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        logits = net(inputs)
        functional.cross_entropy(logits.reshape(-1, letters), targets.reshape(-1)).backward()
        optimizer.step()

    return Timed(step)


def residual_block(torch: Any, channels: int, features: int) -> Any:
    """Two convolutions and a shortcut without parameters: every other pixel, channels of zeros."""
    nn = torch.nn
    grows = features != channels

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            stride = 2 if grows else 1
            self.conv1 = nn.Conv2d(channels, features, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(features)
            self.conv2 = nn.Conv2d(features, features, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(features)
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            if grows:
                more = (features - channels) // 2
                x = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, more, more))
            return self.relu(y + x)

    return Block()


def resnet20(torch: Any) -> Any:
    """ResNet-20 for 32x32 images (He and others, 2015): 270 k parameters in 59 tensors."""
    nn = torch.nn
    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for channels, features in ((16, 16), (16, 32), (32, 64)):
        layers.append(residual_block(torch, channels, features))
        layers += [residual_block(torch, features, features) for _ in range(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def resnet_step(torch: Any, batch: int) -> Timed:
    """A step of SGD with momentum on ResNet-20."""
    net = resnet20(torch)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    return training_step(torch, net, torch.randn(batch, 3, 32, 32), "mean", optimizer)


def lstm(torch: Any) -> Timed:
    """A step on sequences of 50 by an LSTM and a linear layer on its last output."""
    nn = torch.nn

    class Net(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(64, 128, batch_first=True), nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    return training_step(torch, Net(), torch.randn(32, 50, 64), "mean")


def optimizer_step(torch: Any, name: str, **options: Any) -> Timed:
    """A step of an optimizer alone, on the parameters of ResNet-20."""
    params = list(resnet20(torch).parameters())
    for p in params:
        p.grad = torch.randn(*p.shape)
    return Timed(getattr(torch.optim, name)(params, **options).step)


# ---- rows: data


def epoch(torch: Any) -> Timed:
    """All batches of 60,000 small samples in memory, in random order."""
    data = importlib.import_module(f"{torch.__name__}.utils.data")
    images, digits = torch.randn(60_000, 1, 28, 28), torch.randint(0, 10, (60_000,))
    loader = data.DataLoader(data.TensorDataset(images, digits), batch_size=64, shuffle=True)
    return Timed(lambda: sum(1 for _ in loader))


# ---- rows: single layers; each returns the layer and its inputs


def leaf(torch: Any, *shape: int) -> Any:
    """A random tensor that requires a gradient."""
    return torch.randn(*shape, requires_grad=True)


def labels(torch: Any, high: int, *shape: int) -> Any:
    """Random integers below `high`."""
    return torch.randint(0, high, shape)


def Function(torch: Any, function: Callable[..., Any], **settings: Any) -> Any:
    """A layer that calls a function."""

    class Layer(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, *inputs: Any) -> Any:
            return function(*inputs, **settings)

    return Layer()


LAYERS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "conv 3x3 64->64 32x32 N=32": lambda torch: (
        torch.nn.Conv2d(64, 64, 3, padding=1),
        leaf(torch, 32, 64, 32, 32),
    ),
    "seed conv 3x3/2 1->32 28x28 N=64": lambda torch: (
        torch.nn.Conv2d(1, 32, 3, stride=2, padding=1),
        torch.randn(64, 1, 28, 28),
    ),
    "depthwise conv 3x3/2 64 32x32 N=32": lambda torch: (
        torch.nn.Conv2d(64, 64, 3, stride=2, padding=1, groups=64),
        leaf(torch, 32, 64, 32, 32),
    ),
    "max-pool 3/2 32x14x14 N=64": lambda torch: (
        torch.nn.MaxPool2d(3, stride=2),
        leaf(torch, 64, 32, 14, 14),
    ),
    "batch norm 64x32x32 N=32": lambda torch: (
        torch.nn.BatchNorm2d(64),
        leaf(torch, 32, 64, 32, 32),
    ),
    "layer norm 256 4096 rows": lambda torch: (torch.nn.LayerNorm(256), leaf(torch, 4096, 256)),
    "RMS norm 256 4096 rows": lambda torch: (torch.nn.RMSNorm(256), leaf(torch, 4096, 256)),
    "group norm 8 of 64x16x16 N=32": lambda torch: (
        torch.nn.GroupNorm(8, 64),
        leaf(torch, 32, 64, 16, 16),
    ),
    "attention 4x8 heads 256x64": lambda torch: (
        Function(torch, torch.nn.functional.scaled_dot_product_attention),
        *[leaf(torch, 4, 8, 256, 64) for _ in range(3)],
    ),
    "causal attention 4x8 heads 256x64": lambda torch: (
        Function(torch, torch.nn.functional.scaled_dot_product_attention, is_causal=True),
        *[leaf(torch, 4, 8, 256, 64) for _ in range(3)],
    ),
    "linear 512->512 N=128": lambda torch: (torch.nn.Linear(512, 512), leaf(torch, 128, 512)),
    "cross-entropy 256x1000": lambda torch: (
        torch.nn.CrossEntropyLoss(),
        leaf(torch, 256, 1000),
        labels(torch, 1000, 256),
    ),
    "GELU 1 Mi elements": lambda torch: (torch.nn.GELU(), leaf(torch, 1024, 1024)),
    "GELU tanh 1 Mi elements": lambda torch: (
        torch.nn.GELU(approximate="tanh"),
        leaf(torch, 1024, 1024),
    ),
    "SiLU 1 Mi elements": lambda torch: (torch.nn.SiLU(), leaf(torch, 1024, 1024)),
    "sigmoid 1 Mi elements": lambda torch: (torch.nn.Sigmoid(), leaf(torch, 1024, 1024)),
    "tanh 1 Mi elements": lambda torch: (torch.nn.Tanh(), leaf(torch, 1024, 1024)),
    "dropout 1 Mi elements": lambda torch: (torch.nn.Dropout(0.1), leaf(torch, 1024, 1024)),
    "softmax 256x1000": lambda torch: (torch.nn.Softmax(-1), leaf(torch, 256, 1000)),
    "log-softmax 256x1000": lambda torch: (torch.nn.LogSoftmax(-1), leaf(torch, 256, 1000)),
    "BCE with logits 256x1000": lambda torch: (
        torch.nn.BCEWithLogitsLoss(),
        leaf(torch, 256, 1000),
        torch.rand(256, 1000),
    ),
    "x + row 4096x64": lambda torch: (
        Function(torch, torch.add),
        leaf(torch, 4096, 64),
        leaf(torch, 64),
    ),
    "embedding 1000x128 4096 indices": lambda torch: (
        torch.nn.Embedding(1000, 128),
        labels(torch, 1000, 4096),
    ),
}


def layer(torch: Any, name: str, backward: bool) -> Timed:
    """A layer's forward pass, or forward and backward with all gradients."""
    module, *inputs = LAYERS[name](torch)
    if not backward:
        return Timed(lambda: module(*inputs))
    gradient = torch.ones_like(module(*inputs)).detach()

    def step() -> None:
        module.zero_grad()
        for x in inputs:
            x.grad = None
        module(*inputs).backward(gradient)

    return Timed(step)


# ---- rows: the overhead of autograd


def tiny_op(torch: Any, backward: bool) -> Timed:
    """A recorded multiplication of 4 elements, minus the time of the array library alone."""
    device = torch.get_default_device().type
    xp = importlib.import_module({"cpu": "numpy", "cuda": "cupy"}.get(device, device))
    x, ones = torch.ones(4, requires_grad=True), torch.ones(4)
    raw = xp.ones((4,), dtype=xp.float32)

    def step() -> None:
        y = x
        for _ in range(OPS):
            y = y * ones
        if backward:
            y.backward(ones)

    def baseline() -> None:
        y = raw
        for _ in range(OPS * (1 + backward)):
            y = y * raw

    return Timed(step, baseline, OPS)


ROWS: dict[str, Callable[[Any], Timed]] = {
    **{f"seed net step batch {n}": partial(seed_net, batch=n) for n in (10, 64, 256)},
    "MLP 784-512-512-10 step batch 128": mlp,
    **{f"ResNet-20 step batch {n}": partial(resnet_step, batch=n) for n in (32, 128)},
    "char GPT 4 layers 128 wide step 16x64": char_gpt,
    "LSTM 64->128 50 steps step batch 32": lstm,
    "AdamW step alone 270 k parameters": partial(optimizer_step, name="AdamW"),
    "SGD step alone 270 k parameters": partial(optimizer_step, name="SGD", momentum=0.9),
    "DataLoader epoch 60000 samples batch 64": epoch,
    **{
        f"{name} {'forward+backward' if backward else 'forward'}": partial(
            layer, name=name, backward=backward
        )
        for name in LAYERS
        for backward in (False, True)
    },
    "overhead of a recorded op forward": partial(tiny_op, backward=False),
    "overhead of a recorded op forward+backward": partial(tiny_op, backward=True),
}
