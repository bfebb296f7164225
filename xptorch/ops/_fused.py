"""What the fused operations share: half precision, stable pieces, sums over rows and columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch import _dtype
from xptorch.ops._common import FLOAT, to_dtype, type_name

if TYPE_CHECKING:
    from xptorch._tensor import Tensor


def in_float32(function: Callable[..., Tensor], *inputs: Any, **static: Any) -> Tensor:
    """Call on tensors of half precision as PyTorch does: computed in float32, rounded once."""
    dt = inputs[0].dtype
    if dt is not _dtype.float16:
        return function(*inputs, **static)
    wide = [to_dtype(t, _dtype.float32) if _is_half(t) else t for t in inputs]
    return to_dtype(function(*wide, **static), dt)


def _is_half(t: Any) -> bool:
    return getattr(t, "dtype", None) is _dtype.float16


def need_floating(kernel: str, *tensors: Any) -> None:
    """Raise PyTorch's error for integers, bools and complex numbers."""
    for t in tensors:
        if t is not None and t.dtype.category != FLOAT:
            raise NotImplementedError(f'"{kernel}" not implemented for {type_name(t.dtype)!r}')


# ---- over arrays or, under create_graph, Tensors


def sigmoid(xp: Any, a: Any) -> Any:
    """1 / (1 + exp(−a)), as half a tanh: no overflow on the way."""
    return 0.5 * xp.tanh(0.5 * a) + 0.5


def positive(xp: Any, a: Any) -> Any:
    """max(a, 0)."""
    return xp.maximum(a, xp.zeros_like(a))


def log1pexp(xp: Any, a: Any) -> Any:
    """log(1 + exp(a)) without overflow."""
    return positive(xp, a) + xp.log1p(xp.exp(-xp.abs(a)))


# ---- over arrays: sums as products with a vector, which every library does fastest


def row_sums(xp: Any, x: Any) -> Any:
    """Of a matrix, the sum of each row."""
    return xp.matmul(x, xp.ones((x.shape[1],), dtype=x.dtype, device=x.device))


def column_sums(xp: Any, x: Any) -> Any:
    """Of a matrix, the sum of each column."""
    return xp.matmul(xp.ones((x.shape[0],), dtype=x.dtype, device=x.device), x)
