"""bfloat16 on NumPy: PyTorch's dtypes, roundings, gradients and files."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xptorch
from xptorch.nn import functional as F

pytest.importorskip("ml_dtypes")
torch = pytest.importorskip("torch")


def both(compute: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The results of a function of the module `torch`, here and in PyTorch."""
    return compute(xptorch), compute(torch)


def same(compute: Callable[[Any], Any]) -> None:
    mine, theirs = both(compute)
    assert repr(mine).replace("xptorch", "torch") == repr(theirs)


VALUES: list[Callable[[Any, Any, Any], Any]] = [
    lambda t, x, a: x + x,
    lambda t, x, a: x + 0.1,
    lambda t, x, a: 1 / x,
    lambda t, x, a: x * t.ones(3),
    lambda t, x, a: x + x.half(),
    lambda t, x, a: x + t.tensor([1, 2, 3]),
    lambda t, x, a: x.exp(),
    lambda t, x, a: x**2,
    lambda t, x, a: (x // 2, x % 2, x.floor(), x.round(), -x),
    lambda t, x, a: (x.sum(), x.mean(), a.std(), a.norm(), a.prod()),
    lambda t, x, a: (x.max(0), x.argmax(), x.sort(descending=True), x.topk(2)),
    lambda t, x, a: (x > 2, x == x.float(), t.where(x > 2, x, 0.0)),
    lambda t, x, a: (x[1], x[t.tensor([0, 2])], x.tolist(), x[2].item(), x.long(), x.float()),
    lambda t, x, a: x.clone().add_(1).mul_(1.7),
    lambda t, x, a: a @ a.T,
    lambda t, x, a: t.softmax(a, -1),
    lambda t, x, a: t.nn.functional.layer_norm(a, (3,)),
    lambda t, x, a: (t.cat([a, a]), t.stack([x, x]), a.cumsum(0), a.T + 1, a.view(3, 2)),
    lambda t, x, a: a.masked_fill(a > 2, float("-inf")),
    lambda t, x, a: t.nn.functional.cross_entropy(a, t.tensor([0, 1])),
    lambda t, x, a: t.nn.functional.scaled_dot_product_attention(a[None], a[None], a[None]),
    lambda t, x, a: t.nn.functional.conv1d(a[None], t.ones(1, 2, 2, dtype=t.bfloat16)),
    lambda t, x, a: (t.zeros(2, dtype=t.bfloat16), t.full((2,), 0.1, dtype=t.bfloat16)),
    lambda t, x, a: (t.finfo(t.bfloat16), t.bfloat16.itemsize, x.type(), x.element_size()),
    lambda t, x, a: t.promote_types(t.bfloat16, t.float16),
]


@pytest.mark.parametrize("compute", VALUES, ids=range(len(VALUES)))
def test_values(compute: Callable[[Any, Any, Any], Any]) -> None:
    def run(t: Any) -> Any:
        x = t.tensor([1.0, 2.0, 3.14159], dtype=t.bfloat16)
        return compute(t, x, t.arange(6.0).reshape(2, 3).to(t.bfloat16))

    same(run)


DRAWS: list[Callable[[Any, Any], Any]] = [
    lambda t, d: t.rand(5, dtype=d),
    lambda t, d: t.rand(20, dtype=d),
    lambda t, d: t.randn(5, dtype=d),
    lambda t, d: t.randn(37, dtype=d),
    lambda t, d: t.empty(5, dtype=d).uniform_(-1, 1),
    lambda t, d: t.bernoulli(t.full((5,), 0.5, dtype=d)),
    lambda t, d: t.nn.functional.dropout(t.ones(6, dtype=d)),
    lambda t, d: t.randint(0, 5, (5,), dtype=d),
    lambda t, d: t.nn.Linear(2, 2, dtype=d).weight,
]


@pytest.mark.parametrize("draw", DRAWS, ids=range(len(DRAWS)))
def test_random_numbers(draw: Callable[[Any, Any], Any]) -> None:
    def run(t: Any) -> Any:
        t.manual_seed(0)
        return draw(t, t.bfloat16), t.rand(1)

    same(run)


def test_gradients() -> None:
    def run(t: Any) -> Any:
        t.manual_seed(0)
        net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 2)).to(t.bfloat16)
        x = t.arange(6.0).reshape(2, 3).to(t.bfloat16) / 4
        t.nn.functional.mse_loss(net(x), t.ones(2, 2, dtype=t.bfloat16)).backward()
        return [p.grad.float().tolist() for p in net.parameters()]

    for mine, theirs in zip(*both(run), strict=True):
        torch.testing.assert_close(torch.tensor(mine), torch.tensor(theirs), rtol=2e-2, atol=1e-3)


def test_casts_give_gradients_in_the_dtype_of_their_input() -> None:
    def run(t: Any) -> Any:
        w = t.ones(3, 3, requires_grad=True)
        (w.to(t.bfloat16) @ w.to(t.bfloat16)).sum().backward()
        p = t.ones(3, dtype=t.bfloat16, requires_grad=True)
        (p.float() * 2).sum().backward()
        (y,) = t.autograd.grad((p**3).sum(), p, create_graph=True)
        return w.grad, p.grad, t.autograd.grad(y.sum(), p)

    same(run)


def test_optimizers_step() -> None:
    def run(t: Any) -> Any:
        p = t.nn.Parameter(t.tensor([1.0, 2.0], dtype=t.bfloat16))
        optimizer = t.optim.AdamW([p], lr=0.1)
        (p * p).sum().backward()
        optimizer.step()
        return p

    same(run)


def test_files_are_pytorchs(tmp_path: Path) -> None:
    def state(t: Any) -> Any:
        a = t.arange(6.0).reshape(2, 3).to(t.bfloat16)
        return {"a": a, "part": a[:, 1:], "net": t.nn.Linear(1, 1).bfloat16().bias.detach().zero_()}

    torch.save(state(torch), tmp_path / "theirs.pt")
    xptorch.save(state(xptorch), tmp_path / "mine.pt")
    assert repr(xptorch.load(tmp_path / "theirs.pt")) == repr(state(xptorch))
    assert repr(torch.load(tmp_path / "mine.pt")) == repr(state(torch))
    file = io.BytesIO()
    xptorch.save(state(xptorch), file)
    file.seek(0)
    assert repr(xptorch.load(file)) == repr(state(xptorch))


def test_no_numpy_and_other_devices() -> None:
    x = xptorch.ones(2, dtype=xptorch.bfloat16)
    with pytest.raises(TypeError, match="Got unsupported ScalarType BFloat16"):
        x.numpy()
    pytest.importorskip("array_api_strict")
    with pytest.raises(NotImplementedError, match="bfloat16 is not supported on the device"):
        x.to("array_api_strict")


def test_sums_are_rounded_once() -> None:
    x = xptorch.full((1000,), 0.1, dtype=xptorch.bfloat16)
    assert x.sum().item() == torch.full((1000,), 0.1, dtype=torch.bfloat16).sum().item()


def test_in_another_thread() -> None:
    found = []

    def work() -> None:
        x = xptorch.full((1000,), 0.1, dtype=xptorch.bfloat16)
        found.append(F.gelu(x).sum().item())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [F.gelu(xptorch.full((1000,), 0.1, dtype=xptorch.bfloat16)).sum().item()]
