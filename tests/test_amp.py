"""autocast and GradScaler: PyTorch's dtypes, numbers, warnings and errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import xptorch


def without_warnings(compute: Callable[..., Any], *args: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compute(*args)


def same(compute: Callable[[Any], Any], dtype: str = "float16") -> None:
    torch = pytest.importorskip("torch")
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    mine, theirs = (without_warnings(compute, t) for t in (xptorch, torch))
    assert repr(mine).replace("xptorch", "torch") == repr(theirs)


CALLS: list[Callable[..., Any]] = [
    lambda t, F, a, w, half: a @ w,
    lambda t, F, a, w, half: half @ w,
    lambda t, F, a, w, half: a.double() @ w.double(),
    lambda t, F, a, w, half: t.bmm(a[None], w[None]),
    lambda t, F, a, w, half: t.addmm(a, a, w),
    lambda t, F, a, w, half: t.einsum("ij,jk->ik", a, w),
    lambda t, F, a, w, half: F.linear(a, w, w[0]),
    lambda t, F, a, w, half: F.conv1d(a[None], t.ones(1, 2, 2)),
    lambda t, F, a, w, half: F.conv_transpose1d(a[None], t.ones(2, 1, 2)),
    lambda t, F, a, w, half: F.scaled_dot_product_attention(a[None], a[None], a[None]),
    lambda t, F, a, w, half: a + a,
    lambda t, F, a, w, half: a + half,
    lambda t, F, a, w, half: half.exp(),
    lambda t, F, a, w, half: F.softmax(half, 1),
    lambda t, F, a, w, half: F.layer_norm(half, (3,)),
    lambda t, F, a, w, half: F.mse_loss(half, half * 2),
    lambda t, F, a, w, half: F.l1_loss(half, half * 2),
    lambda t, F, a, w, half: F.cross_entropy(half, t.tensor([0, 2])),
    lambda t, F, a, w, half: F.binary_cross_entropy_with_logits(half, half / 8),
    lambda t, F, a, w, half: t.cat([a, half]),
    lambda t, F, a, w, half: (t.is_autocast_enabled(), t.is_autocast_enabled("cpu")),
    lambda t, F, a, w, half: (t.get_autocast_dtype("cpu"), t.get_autocast_gpu_dtype()),
]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_dtypes_and_values(call: Callable[..., Any], dtype: str) -> None:
    def run(t: Any) -> Any:
        a, w = t.arange(6.0).reshape(2, 3) / 4, t.arange(9.0).reshape(3, 3) / 8
        with t.autocast("cpu", dtype=getattr(t, dtype)):
            return call(t, t.nn.functional, a, w, a.to(getattr(t, dtype)))

    same(run, dtype)


def test_training_step() -> None:
    def run(t: Any) -> Any:
        t.manual_seed(0)
        net = t.nn.Sequential(t.nn.Linear(3, 8), t.nn.ReLU(), t.nn.Linear(8, 2))
        optimizer = t.optim.SGD(net.parameters(), lr=0.1)
        losses = []
        for _ in range(5):
            with t.amp.autocast(device_type="cpu", dtype=t.bfloat16):
                loss = t.nn.functional.cross_entropy(net(t.eye(3)), t.tensor([0, 1, 0]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(round(loss.item(), 3))
        return losses, net[0].weight.grad.dtype

    same(run, "bfloat16")


def test_nesting_and_decoration() -> None:
    x, half = xptorch.ones(2, 2), xptorch.float16

    @xptorch.autocast("cpu", dtype=half)
    def product() -> Any:
        return (x @ x).dtype

    assert product() is half
    with xptorch.autocast("cpu", dtype=half):
        with xptorch.autocast("cpu", enabled=False):
            assert (x @ x).dtype is xptorch.float32
        assert (x @ x).dtype is half
    assert (x @ x).dtype is xptorch.float32
    with xptorch.autocast("cpu", enabled=False):
        assert not xptorch.is_autocast_enabled("cpu")


def test_weights_are_cast_once() -> None:
    w = xptorch.ones(2, 2, requires_grad=True)
    with xptorch.autocast("cpu", dtype=xptorch.float16):
        first, second = w @ w, w @ w
    assert first._node.edges[0] is second._node.edges[1]
    (first + second).sum().backward()
    assert w.grad.dtype is xptorch.float32
    assert w.grad.tolist() == [[8, 8], [8, 8]]


@pytest.mark.skipif(xptorch.cuda.is_available(), reason="for machines without a GPU")
def test_without_a_gpu_it_is_disabled() -> None:
    with pytest.warns(UserWarning, match="CUDA is not available"):
        context = xptorch.autocast("cuda")
    with context:
        assert not xptorch.is_autocast_enabled()
    with pytest.warns(UserWarning, match="GradScaler is enabled, but CUDA is not available"):
        scaler = xptorch.amp.GradScaler()
    x = xptorch.ones(1)
    assert scaler.scale(x) is x
    assert (scaler.get_scale(), scaler.state_dict()) == (1.0, {})
    with pytest.warns(FutureWarning, match="deprecated"):
        xptorch.cuda.amp.GradScaler(enabled=False)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="of type `str`"):
        xptorch.autocast(1)
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        xptorch.autocast("quantum")
    with pytest.warns(UserWarning, match="the target dtype is not supported"):
        xptorch.autocast("cpu", dtype=xptorch.float32)
    with pytest.raises(NotImplementedError, match="mps"):
        xptorch.autocast("mps")


@pytest.mark.parametrize("infinite", [False, True])
def test_scaler(infinite: bool) -> None:
    def run(t: Any) -> Any:
        t.manual_seed(0)
        net = t.nn.Linear(2, 1)
        optimizer = t.optim.SGD(net.parameters(), lr=0.1)
        scaler = t.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        seen = []
        for i in range(4):
            optimizer.zero_grad()
            loss = net(t.ones(1, 2)).sum() * (float("inf") if i == 1 and infinite else 1)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            seen.append((scaler.get_scale(), net.weight.tolist()))
        return seen, scaler.state_dict()

    same(run)


def test_the_scaler_keeps_order() -> None:
    p = xptorch.nn.Parameter(xptorch.ones(1))
    optimizer = xptorch.optim.SGD([p], lr=1.0)
    scaler = xptorch.amp.GradScaler("cpu")
    with pytest.raises(AssertionError, match="_scale is None"):
        scaler.update()
    p.grad = scaler.scale(xptorch.ones(1))
    scaler.unscale_(optimizer)
    assert p.grad.item() == 1
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called since"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(optimizer)
    scaler.update()
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()
    with pytest.raises(RuntimeError, match="state dict is empty"):
        scaler.load_state_dict({})


def test_functions_of_ones_own() -> None:
    amp = xptorch.amp

    class Twice(xptorch.autograd.Function):
        @staticmethod
        @amp.custom_fwd(device_type="cpu", cast_inputs=xptorch.float32)
        def forward(ctx: Any, x: Any) -> Any:
            assert not xptorch.is_autocast_enabled("cpu")
            return 2 * x

        @staticmethod
        @amp.custom_bwd(device_type="cpu")
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * g

    x = xptorch.ones(2, requires_grad=True)
    with xptorch.autocast("cpu", dtype=xptorch.float16):
        y = Twice.apply(x.half())
    assert y.dtype is xptorch.float32
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]
