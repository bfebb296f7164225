"""Half precision: sums within one op accumulate in float32 and are rounded once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import xptorch as torch
from xptorch.nn import functional as F

SUMS: dict[str, Callable[..., Any]] = {
    "linear": lambda x, y: F.linear(x, y, x[:, 0]),
    "addmm": lambda x, y: torch.addmm(x[0], x, y.T, beta=1.7, alpha=0.3),
    "baddbmm": lambda x, y: torch.baddbmm(x[None], x[None], y[None], beta=0.7),
    "bilinear": lambda x, y: F.bilinear(x, y, torch.stack([x, y]), y[0, :2]),
    "sum": lambda x, y: x.sum(0),
    "prod": lambda x, y: x.prod(1),
    "std": lambda x, y: x.std(0),
    "gradient": lambda x, y: torch.gradient(x)[0],
    "logaddexp": torch.logaddexp,
    "logaddexp2": torch.logaddexp2,
    "lerp": lambda x, y: torch.lerp(x, y, 0.3),
    "avg_pool2d": lambda x, y: F.avg_pool2d(x[None], 3),
    "adaptive_avg_pool1d": lambda x, y: F.adaptive_avg_pool1d(x, 5),
    "reflect": lambda x, y: F.pad(x, (2, 3), "reflect"),
}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", SUMS)
def test_rounds_once(name: str, dtype: Any) -> None:
    if dtype is torch.bfloat16:
        pytest.importorskip("ml_dtypes")
    torch.manual_seed(0)
    x, y = (torch.randn(32, 32, dtype=torch.float64).to(dtype) for _ in range(2))
    got = SUMS[name](x, y)
    assert got.dtype is dtype
    expected = SUMS[name](x.double(), y.double()).to(dtype)
    assert (got != expected).double().mean() < 0.02


def test_sums_of_float16_do_not_end_at_2048() -> None:
    x = torch.ones(5000, 2, dtype=torch.float16)
    assert x.sum(0).tolist() == [5000.0] * 2
    bias = torch.zeros(2, dtype=torch.float16, requires_grad=True)
    (x + bias).sum().backward()
    assert bias.grad.tolist() == [5000.0] * 2


def test_gradients_of_a_float16_linear_are_rounded_once() -> None:
    torch.manual_seed(0)
    x, w = (torch.randn(40, 40).half().requires_grad_() for _ in range(2))
    b = torch.randn(40).half().requires_grad_()
    g = torch.randn(40, 40).half()
    F.linear(x, w, b).backward(g)
    for got, expected in (
        (x.grad, g.double() @ w.double()),
        (w.grad, g.double().T @ x.double()),
        (b.grad, g.double().sum(0)),
    ):
        assert (got != expected.half()).double().mean() < 0.02


def test_maps_with_taps_have_bfloat16_gradients() -> None:
    pytest.importorskip("ml_dtypes")
    x = torch.ones(1, 4, dtype=torch.bfloat16, requires_grad=True)
    F.pad(x, (1, 0), "reflect").sum().backward()
    assert x.grad.tolist() == [[1.0, 2.0, 1.0, 1.0]]


def test_max_pool_tells_places_in_bfloat16() -> None:
    pytest.importorskip("ml_dtypes")
    x = torch.tensor([[[1.0, 3.0, 2.0, torch.nan]]], dtype=torch.bfloat16)
    assert F.max_pool1d(x, 2, return_indices=True)[1].tolist() == [[[1, 3]]]
    assert F.adaptive_max_pool1d(x[..., :3], 1, return_indices=True)[1].tolist() == [[[1]]]


@pytest.mark.parametrize("name", ["lu", "qr", "svd", "inv", "cholesky", "eigh", "det"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_decompositions_refuse_half_precision(name: str, dtype: Any) -> None:
    if dtype is torch.bfloat16:
        pytest.importorskip("ml_dtypes")
    with pytest.raises(RuntimeError, match="Low precision dtypes"):
        getattr(torch.linalg, name)(torch.eye(2, dtype=dtype))
