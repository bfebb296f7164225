"""Train ResNet-20 on CIFAR-10's images, on any array library.

    python examples/resnet_cifar.py                               # under a minute on two cores
    python examples/resnet_cifar.py --train 50000 --test 10000 --epochs 30 --data FOLDER
    python examples/resnet_cifar.py --backend cupy --epochs 10    # an NVIDIA GPU

--data is the folder that https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz unpacks to
(pickle files: take them from nowhere else). Without it the program draws images of ten kinds of
shapes, and reports it. It prints loss and accuracy of each epoch and writes resnet_cifar.png (both
curves, and test images with predictions) into --out. Ctrl-C ends the training early and draws.
It needs: pip install "xptorch[examples]"
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _common import launch, missing
from _images import Images, load_images, normalized

import xptorch as torch
import xptorch.nn.functional as F
from xptorch import nn
from xptorch.utils.data import DataLoader, TensorDataset

try:
    from matplotlib.figure import Figure
    from tqdm import tqdm
except ImportError as error:
    missing(error)


class Block(nn.Module):
    """Two convolutions with a residual connection: He et al. (2015)."""

    def __init__(self, channels: int, features: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, features, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(features)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(features)
        self.grown = features - channels
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.grown:  # fewer pixels, more channels (zeros): no weights
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.grown))
        return F.relu(x + y)


def resnet(classes: int, blocks: int, width: int) -> nn.Module:
    """ResNet for images of 32x32: three stages of `blocks`, 6 · blocks + 2 layers."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
    channels = width
    for stage in range(3):
        for i in range(blocks):
            features = width * 2**stage
            layers.append(Block(channels, features, stride=2 if stage and not i else 1))
            channels = features
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
    net = nn.Sequential(*layers, *head)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net


def augmented(images: torch.Tensor) -> torch.Tensor:
    """The batch shifted by up to four pixels, half of it mirrored."""
    y, x = torch.randint(0, 9, (2,)).tolist()
    shifted = F.pad(images, (4, 4, 4, 4))[:, :, y : y + 32, x : x + 32]
    mirror = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirror, shifted.flip(3), shifted)


class Epoch(NamedTuple):
    """The results of an epoch: mean loss, accuracy in training, accuracy on the test set."""

    loss: float
    trained: float
    tested: float


def train(net: nn.Module, data: Images, args: argparse.Namespace, device: Any) -> list[Epoch]:
    """Train, test after each epoch; Ctrl-C returns the epochs so far."""
    images, labels = map(torch.from_numpy, (normalized(data.train_images), data.train_labels))
    batches = DataLoader(
        TensorDataset(images, labels), args.batch_size, shuffle=True, drop_last=True
    )
    optimizer = torch.optim.SGD(
        net.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    steps = args.epochs * len(batches)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=max(1, steps))
    history: list[Epoch] = []
    with tqdm(total=steps, unit="step", disable=None) as bar:
        try:
            for number in range(args.epochs):
                net.train()
                total = torch.zeros(2, device=device)  # loss and hits stay on the device
                for x, y in batches:
                    x, y = augmented(x.to(device)), y.to(device)
                    optimizer.zero_grad()
                    scores = net(x)
                    loss = F.cross_entropy(scores, y)
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    hits = (scores.argmax(1) == y).float().mean()
                    total += torch.stack([loss.detach(), hits])
                    bar.update()
                loss_, hits_ = (total / max(1, len(batches))).tolist()
                tested = float(np.mean(predict(net, data, device) == data.test_labels))
                history.append(Epoch(loss_, hits_, tested))
                tqdm.write(
                    f"epoch {number:2d}  loss {loss_:.4f}  accuracy {hits_:.3f} in training, "
                    f"{tested:.3f} on test images"
                )
        except KeyboardInterrupt:
            print(f"Interrupted after {len(history)} whole epochs: drawing what there is.")
    return history


@torch.no_grad()
def predict(net: nn.Module, data: Images, device: Any) -> np.ndarray:
    """The most likely class of each test image."""
    net.eval()
    batches = torch.from_numpy(normalized(data.test_images)).split(250)
    return np.concatenate([net(x.to(device)).argmax(1).cpu().numpy() for x in batches])


def draw(path: Path, history: list[Epoch], guesses: np.ndarray, data: Images) -> None:
    """Draw loss, accuracy, and test images with the net's predictions."""
    figure: Any = Figure(figsize=(15, 5), layout="constrained")
    figure.suptitle(data.source)
    left, right = figure.subfigures(1, 2, width_ratios=(1.3, 1))
    losses, accuracies = left.subplots(1, 2)
    epochs = range(1, len(history) + 1)
    for axes, names in ((losses, ["loss"]), (accuracies, ["trained", "tested"])):
        for name in names:
            values = [getattr(epoch, name) for epoch in history]
            axes.plot(epochs, values, marker="o", markersize=4, label=name)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    losses.set_title("mean loss in training")
    accuracies.set(title="accuracy", ylim=(0, 1))
    accuracies.legend(["in training", "on test images"], loc="lower right")
    for i, axes in enumerate(right.subplots(3, 6).ravel()):
        axes.axis("off")
        if i < len(guesses):
            hit = guesses[i] == data.test_labels[i]
            axes.imshow(data.test_images[i].transpose(1, 2, 0))
            text = data.classes[guesses[i]]
            text += "" if hit else f",\nis {data.classes[data.test_labels[i]]}"
            axes.set_title(text, fontsize=9, color="tab:green" if hit else "tab:red")
    figure.savefig(path, dpi=120)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train ResNet-20 on CIFAR-10.")
    parser.add_argument("--backend", help="numpy, cupy, array_api_strict, torch, ...")
    parser.add_argument("--data", type=Path, default=Path("cifar-10-batches-py"))
    parser.add_argument("--train", type=int, default=1_500, help="how many training images")
    parser.add_argument("--test", type=int, default=500, help="how many test images")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--lr", type=float, default=0.1, help="the highest learning rate")
    parser.add_argument("--blocks", type=int, default=3, help="in a stage; 3 make ResNet-20")
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage")
    parser.add_argument("--seed", type=int, default=0, help="of weights, shuffle, stand-ins")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture")
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    """Load, train, measure, draw; return the exit status."""
    device = torch.get_default_device()
    args.out.mkdir(parents=True, exist_ok=True)
    data = load_images(args.data, args.train, args.test, args.seed)
    print(data.source)
    if data.source.startswith("STAND-IN"):
        print(f"(no {args.data / 'batches.meta'}: see --data)")
    torch.manual_seed(args.seed)
    net = resnet(len(data.classes), args.blocks, args.width).to(device)
    weights = sum(p.numel() for p in net.parameters())
    print(f"ResNet-{6 * args.blocks + 2}, {weights:,} weights; {args.train:,} images; on {device}")
    start = time.perf_counter()
    history = train(net, data, args, device)
    guesses = predict(net, data, device)
    accuracy = np.mean(guesses == data.test_labels)
    seconds = time.perf_counter() - start
    print(f"accuracy {accuracy:.3f} on {len(guesses):,} test images, {seconds:.1f} s")
    draw(args.out / "resnet_cifar.png", history, guesses, data)
    print(f"saved {args.out / 'resnet_cifar.png'}")
    return 0


if __name__ == "__main__":
    launch(run, parse())
