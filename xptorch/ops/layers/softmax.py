"""softmax, log_softmax and logsumexp: shifted by the maximum, so that nothing overflows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xptorch._engine.op import dispatchable, op
from xptorch.ops._common import (
    Dim,
    floating,
    need_tensor,
    numpy_names,
    store_out,
    to_dtype,
    wrap_dim,
    wrap_dims,
)
from xptorch.ops._numerics import in_float32, need_floating, total_along
from xptorch.ops.reduction.reduce import spread

if TYPE_CHECKING:
    from xptorch._core.dtype import dtype
    from xptorch._tensor.tensor import Tensor

__all__ = ["log_softmax", "logsumexp", "softmax"]


@dispatchable
def _softmax_forward(xp: Any, a: Any, *, axis: int) -> Any:
    e = xp.exp(a - xp.softmax_shift(a, axis))
    e /= total_along(xp, e, axis)
    return e


@dispatchable
def _softmax_backward(xp: Any, g: Any, y: Any, axis: int) -> Any:
    if axis == y.ndim - 1:
        along = xp.reshape(xp.vecdot(g, y, axis=-1), shape=(*y.shape[:-1], 1))
        return y * (g - along)
    return y * (g - xp.sum(g * y, axis=(axis,), keepdims=True))


@dispatchable
def _log_softmax_forward(xp: Any, a: Any, *, axis: int) -> Any:
    y = a - xp.softmax_shift(a, axis)
    y -= xp.log(total_along(xp, xp.exp(y), axis))
    return y


@dispatchable
def _log_softmax_backward(xp: Any, g: Any, y: Any, axis: int) -> Any:
    return g - xp.exp(y) * xp.sum(g, axis=(axis,), keepdims=True)


_vecdot = op(
    "vecdot",
    lambda xp, a, b, *, axis: xp.vecdot(a, b, axis=axis),
    a=lambda xp, g, b, axis: xp.expand_dims(g, axis=axis) * b,
    b=lambda xp, g, a, axis: xp.expand_dims(g, axis=axis) * a,
)


_softmax = op("softmax", _softmax_forward, a=_softmax_backward)
_log_softmax = op("log_softmax", _log_softmax_forward, a=_log_softmax_backward)


def _logsumexp_forward(xp: Any, a: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    m = xp.max(a, axis=axis, keepdims=True)
    m = xp.where_or_zero(m, xp.isfinite(m))
    y = xp.log(xp.sum(xp.exp(a - m), axis=axis, keepdims=True)) + m
    if keepdims:
        return y
    return xp.reshape(y, tuple(s for i, s in enumerate(a.shape) if i not in axis))


def _logsumexp_slope(
    xp: Any, g: Any, a: Any, y: Any, a_shape: Any, axis: Any, keepdims: bool
) -> Any:
    share = xp.exp(a - spread(xp, y, a_shape, axis, keepdims))
    return spread(xp, g, a_shape, axis, keepdims) * share


_logsumexp = op("logsumexp", _logsumexp_forward, a=_logsumexp_slope)


@numpy_names
def softmax(
    input: Tensor, dim: int, dtype: dtype | None = None, *, out: Tensor | None = None
) -> Tensor:
    """exp(x) / Σ exp(x) along one axis.

    Args:
        dtype: the input is converted to it first.
    """
    return _along("softmax", _softmax, input, dim, dtype, out)


@numpy_names
def log_softmax(
    input: Tensor, dim: int, dtype: dtype | None = None, *, out: Tensor | None = None
) -> Tensor:
    """x − log Σ exp(x) along one axis: the logarithm of `softmax`, numerically stable."""
    return _along("log_softmax", _log_softmax, input, dim, dtype, out)


def _along(name: str, core: Any, input: Tensor, dim: int, dt: Any, out: Any) -> Tensor:
    need_tensor(input, name)
    if dt is not None:
        input = to_dtype(input, dt)
    axis = wrap_dim(dim, input._data.ndim)
    need_floating(f"{name}_lastdim_kernel_impl", input)
    if input._data.ndim == 0:
        result = in_float32(core, input.reshape(1), axis=0).reshape(())
    elif 0 in input._data.shape:
        result = input.clone()
    else:
        result = in_float32(core, input, axis=axis)
    return result if out is None else store_out(result, out, name, True)


@numpy_names
def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False, *, out: Any = None) -> Tensor:
    """log Σ exp(x) over one or several axes."""
    need_tensor(input, "logsumexp")
    x = floating(input)
    axes = wrap_dims(dim, x.ndim)
    if x.numel() == 0:
        result = x.exp().sum(axes, keepdim).log()
    elif x.dtype.is_complex:
        m = x.real.detach().amax(axes, True)
        m = m.masked_fill(m.isinf(), 0.0)
        sums = (x - m).exp().sum(axes, True).log() + m
        result = sums if keepdim else sums.squeeze(axes)
    else:
        result = in_float32(_logsumexp, x, axis=axes, keepdims=keepdim)
    return store_out(result, out, "logsumexp")
