"""Shared by the fused operations: half precision, stable functions, sums along an axis."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from xptorch._core import dtype as dtypes
from xptorch._core.mode import local
from xptorch.ops._common import BOOL, COMPLEX, INTEGER, refuse, to_dtype

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def in_float32(function: Callable[..., Tensor], *inputs: Any, **static: Any) -> Tensor:
    """Call a function; half precision is computed in float32 and rounded once, as in PyTorch."""
    dt = inputs[0].dtype
    if dt.itemsize != 2 or not dt.is_floating_point:
        return function(*inputs, **static)
    wide = [to_dtype(t, dtypes.float32) if getattr(t, "dtype", None) is dt else t for t in inputs]
    return to_dtype(function(*wide, **static), dt)


def widened(function: F) -> F:
    """Make a loss compute in float32 under autocast."""

    @functools.wraps(function)
    def loss(*args: Any, **kwargs: Any) -> Any:
        if local.mode.casting is not None:
            args = local.mode.casting.wide(args)
            kwargs = dict(zip(kwargs, local.mode.casting.wide(kwargs.values()), strict=True))
        return function(*args, **kwargs)

    return loss  # type: ignore[return-value]


def need_floating(kernel: str, *tensors: Any) -> None:
    """Raise PyTorch's error for integers, bools and complex numbers."""
    for t in tensors:
        if t is not None and t._data.dtype not in t._device.floating:
            refuse(kernel, t, BOOL, INTEGER, COMPLEX)


def need_alike(input: Tensor, *parameters: Tensor | None) -> None:
    """Raise PyTorch's error for a normalization of one dtype with parameters of another.

    Only half-precision inputs may have float32 parameters, and then all must be float32.
    """
    own = input._data.dtype
    for p in parameters:
        if p is not None and p._data.dtype != own:  # a tenth of the time of comparing `p.dtype`
            break
    else:
        return
    if any(p is not None and p.dtype is not dtypes.float32 for p in parameters):
        raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
    if input.dtype.itemsize != 2:
        raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")


# ---- over Tensors, for the reference implementations


def affine(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """y · weight + bias; either may be None."""
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


def per_channel(t: Any, ndim: int) -> Any:
    """A vector shaped to broadcast along axis 1 of `ndim`; None stays None."""
    return None if t is None else t.reshape(1, -1, *[1] * (ndim - 2))


# ---- over arrays or, under create_graph, Tensors


def positive(xp: Any, a: Any) -> Any:
    """max(a, 0)."""
    return xp.maximum(a, xp.zeros_like(a))


def log1pexp(xp: Any, a: Any) -> Any:
    """log(1 + exp(a)) without overflow."""
    return positive(xp, a) + xp.log1p(xp.exp(-xp.abs(a)))


# ---- over arrays: sums as products with a vector, which is fastest in every library


def row_sums(xp: Any, x: Any) -> Any:
    """The sum of each row of a matrix."""
    if x.shape[0] * x.shape[1] < 4096:
        return xp.sum(x, axis=1)
    return xp.matmul(x, xp.ones((x.shape[1],), dtype=x.dtype, device=x.device))


def total_along(xp: Any, x: Any, axis: int) -> Any:
    """The sum along one axis, kept as size 1."""
    if axis != x.ndim - 1 or math.prod(x.shape) < 4096:
        return xp.sum(x, axis=axis, keepdims=True)
    rows = xp.reshape(x, (-1, x.shape[-1]))
    return xp.reshape(row_sums(xp, rows), (*x.shape[:-1], 1))
