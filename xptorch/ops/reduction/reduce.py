"""Reductions along axes: sums, means, variances, products, extremes, all and any."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import COMPLEX, FLOAT
from xptorch._engine.op import OPS, op
from xptorch.ops._common import (
    Dim,
    Returned,
    at_axis,
    is_tensor,
    need_tensor,
    numpy_names,
    refuse,
    returned,
    store_out,
    to_dtype,
    type_name,
    wrap_dim,
    wrap_dims,
)
from xptorch.ops._factories import named
from xptorch.ops._numerics import in_float32
from xptorch.ops.elementwise import comparison

if TYPE_CHECKING:
    from xptorch._core.dtype import dtype
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "all", "amax", "amin", "aminmax", "any", "argmax", "argmin", "count_nonzero", "max", "mean",
    "min", "nanmean", "nansum", "prod", "std", "std_mean", "sum", "var", "var_mean",
]  # fmt: skip

Axes = tuple[int, ...]


def spread(xp: Any, g: Any, shape: Axes, axis: Axes, keepdims: bool) -> Any:
    """A reduction's gradient or result, broadcast back over the axes that were reduced."""
    if not keepdims:
        g = xp.reshape(g, shape=tuple(1 if i in axis else s for i, s in enumerate(shape)))
    return xp.broadcast_to(g, shape=shape)


def _count(shape: Axes, axis: Axes) -> int:
    return math.prod(shape[i] for i in axis)


def _mean_back(xp: Any, g: Any, a_shape: Axes, axis: Axes, keepdims: bool) -> Any:
    return spread(xp, g / (_count(a_shape, axis) or 1), a_shape, axis, keepdims)


def _average(xp: Any, a: Any, axis: Axes, keepdims: bool) -> Any:
    # The libraries' own mean computes the same with much more dispatch overhead.
    return xp.sum(a, axis=axis, keepdims=keepdims, dtype=a.dtype) / _count(a.shape, axis)


def _var_forward(xp: Any, a: Any, *, axis: Axes, keepdims: bool, correction: float) -> Any:
    gap = a - _average(xp, a, axis, True)
    total = xp.sum(gap * gap, axis=axis, keepdims=keepdims)
    n = _count(a.shape, axis) - correction
    return total / n if n > 0 else total / 0.0


def _var_back(
    xp: Any, g: Any, a: Any, a_shape: Axes, axis: Axes, keepdims: bool, correction: float
) -> Any:
    n = _count(a_shape, axis) - correction
    gap = a - xp.mean(a, axis=axis, keepdims=True)
    return spread(xp, g * (2 / n if n > 0 else math.inf), a_shape, axis, keepdims) * gap


def _extreme_back(
    xp: Any, g: Any, a: Any, y: Any, a_shape: Axes, axis: Axes, keepdims: bool
) -> Any:
    """The gradient, divided equally among all elements that equal the extreme."""
    hit = a == spread(xp, y, a_shape, axis, keepdims)
    share = xp.sum(xp.astype(hit, dtype=g.dtype), axis=axis, keepdims=True)
    if not keepdims:
        share = xp.reshape(share, shape=g.shape)
    return xp.where_or_zero(spread(xp, g / share, a_shape, axis, keepdims), hit)


_sum = op(
    "sum",
    lambda xp, a, *, axis, keepdims: xp.sum(a, axis=axis, keepdims=keepdims, dtype=a.dtype),
    a=lambda xp, g, a_shape, axis, keepdims: spread(xp, g, a_shape, axis, keepdims),
)
_mean = op(
    "mean",
    lambda xp, a, *, axis, keepdims: _average(xp, a, axis, keepdims),
    a=_mean_back,
)
_var = op("var", _var_forward, a=_var_back)
_amax = op(
    "max", lambda xp, a, *, axis, keepdims: xp.max(a, axis=axis, keepdims=keepdims), a=_extreme_back
)
_amin = op(
    "min", lambda xp, a, *, axis, keepdims: xp.min(a, axis=axis, keepdims=keepdims), a=_extreme_back
)
_argmax = op("argmax", lambda xp, a, *, axis, keepdims: xp.argmax(a, axis=axis, keepdims=keepdims))
_argmin = op("argmin", lambda xp, a, *, axis, keepdims: xp.argmin(a, axis=axis, keepdims=keepdims))
_all = op("all", lambda xp, a, *, axis, keepdims: xp.all(a, axis=axis, keepdims=keepdims))
_any = op("any", lambda xp, a, *, axis, keepdims: xp.any(a, axis=axis, keepdims=keepdims))


# ---- sums and moments


def widened(input: Tensor, dtype: dtype | None, out: Tensor | None, name: str) -> Tensor:
    """The input of a sum or product in the dtype of its result: int64 for integers."""
    need_tensor(input, name)
    if dtype is None and out is not None:
        dtype = out.dtype
    if dtype is None and input.dtype.category < FLOAT:
        dtype = dtypes.int64
    return input if dtype is None else to_dtype(input, dtype)


@numpy_names
def sum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum over all axes, or over those named."""
    input = widened(input, dtype, out, "sum")
    axes = wrap_dims(None if dim == () else dim, input.ndim)
    result = _sum(input, axis=axes, keepdims=keepdim)
    return result if out is None else store_out(result, out, "sum")


@numpy_names
def nansum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum with NaN taken as 0."""
    need_tensor(input, "nansum")
    if input.dtype.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    if input.dtype.is_floating_point:
        input = comparison.where(comparison.isnan(input), 0.0, input)
    return sum(input, dim, keepdim, dtype=dtype, out=out)


@numpy_names
def mean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean over all axes, or over those named."""
    need_tensor(input, "mean")
    if dtype is None and out is not None:
        dtype = out.dtype
    if dtype is not None:
        input = to_dtype(input, dtype)
    if input.dtype.category < FLOAT:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {type_name(input.dtype)}"
        )
    axes = wrap_dims(None if dim == () else dim, input.ndim)
    if _count(input._data.shape, axes) == 0:
        result = _sum(input, axis=axes, keepdims=keepdim) / 0
    else:
        result = in_float32(_mean, input, axis=axes, keepdims=keepdim)
    return result if out is None else store_out(result, out, "mean")


@numpy_names
def nanmean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of the elements that are not NaN."""
    need_tensor(input, "nanmean")
    if input.dtype.category < FLOAT:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{type_name(input.dtype)}"
        )
    counts = sum(comparison.isnan(input).logical_not(), dim, keepdim)
    return store_out(nansum(input, dim, keepdim, dtype=dtype) / counts, out, "nanmean")


@numpy_names
def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The variance; the divisor is the count minus `correction` (default 1)."""
    need_tensor(input, "var")
    if isinstance(dim, bool):  # var(input, unbiased)
        dim, unbiased = None, dim
    if input.dtype.category < FLOAT:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    axes = wrap_dims(None if dim == () else dim, input.ndim)
    n = _count(input._data.shape, axes)
    if input.dtype.is_complex:
        parts = [
            var(x, dim, correction=correction, keepdim=keepdim) for x in (input.real, input.imag)
        ]
        return store_out(parts[0] + parts[1], out, "var")
    if n == 0:
        return store_out(_sum(input, axis=axes, keepdims=keepdim) + math.nan, out, "var")
    result = in_float32(_var, input, axis=axes, keepdims=keepdim, correction=correction)
    return store_out(result, out, "var")


@numpy_names
def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The standard deviation: the square root of `var`."""
    need_tensor(input, "std")

    def root(x: Tensor) -> Tensor:
        return _root(var(x, dim, unbiased, keepdim, correction=correction))

    return store_out(in_float32(root, input), out, "std")


# A constant input has the smallest variance, 0: its gradient is 0, not infinite.
_root = op(
    "root_of_variance",
    lambda xp, a: xp.sqrt(a),
    a=lambda xp, g, y: xp.where(y == 0, xp.zeros_like(g), g / (2 * y)),
)


def var_mean(input: Tensor, dim: Any = None, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """(`var`, `mean`) over the same axes."""
    return var(input, dim, *args, **kwargs), _mean_like(input, dim, args, kwargs)


def std_mean(input: Tensor, dim: Any = None, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """(`std`, `mean`) over the same axes."""
    return std(input, dim, *args, **kwargs), _mean_like(input, dim, args, kwargs)


def _mean_like(input: Tensor, dim: Any, args: Any, kwargs: Any) -> Tensor:
    keepdim = args[1] if len(args) > 1 else kwargs.get("keepdim", False)
    return mean(input, None if isinstance(dim, bool) else dim, keepdim)


@numpy_names
def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The product of all elements, or along one axis."""
    input = widened(input, dtype, out, "prod")
    if dim is None and input.ndim:
        input, axis, keepdim = input.reshape(-1), 0, False
    else:
        axis = wrap_dim(dim or 0, input.ndim)
    if input.ndim == 0:
        return store_out(input.clone(), out, "prod")
    result = in_float32(_prod, input, axis=(axis,), keepdims=keepdim)
    return store_out(result, out, "prod")


def _prod_back(xp: Any, g: Any, a: Any, y: Any, a_shape: Axes, axis: Axes, keepdims: bool) -> Any:
    g = spread(xp, g, a_shape, axis, keepdims)
    if not bool(xp.any(a == 0, axis=None, keepdims=False)):
        return g * spread(xp, y, a_shape, axis, keepdims) / a
    return g * _products_of_others(xp, a, axis[0])


def _products_of_others(xp: Any, a: Any, axis: int) -> Any:
    one = xp.ones_like(a[at_axis(axis, slice(0, 1))])
    before = xp.concat([one, a[at_axis(axis, slice(0, -1))]], axis=axis)
    back = xp.flip(a, axis=axis)
    after = xp.concat([one, back[at_axis(axis, slice(0, -1))]], axis=axis)
    left = xp.cumulative_prod(before, axis=axis)
    return left * xp.flip(xp.cumulative_prod(after, axis=axis), axis=axis)


_prod = op(
    "prod",
    lambda xp, a, *, axis, keepdims: xp.prod(a, axis=axis, keepdims=keepdims, dtype=a.dtype),
    a=_prod_back,
)


# ---- extremes


def _check_not_empty(input: Tensor, axes: Axes, name: str, all_axes: bool) -> None:
    if input.numel() == 0 and (all_axes or _count(input._data.shape, axes) == 0):
        if all_axes:
            error = IndexError if name.startswith("arg") else RuntimeError
            raise error(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                "Specify the reduction dim with the 'dim' argument."
            )
        raise IndexError(f"{name}(): Expected reduction dim to have non-zero size.")


def _extreme(core: Callable[..., Tensor], name: str, doc: str) -> Callable[..., Tensor]:
    @numpy_names
    def function(
        input: Tensor, dim: Dim = (), keepdim: bool = False, *, out: Tensor | None = None
    ) -> Tensor:
        need_tensor(input, name)
        refuse(f"{name}_cpu", input, COMPLEX)
        every = dim is None or dim == ()
        axes = wrap_dims(None if every else dim, input.ndim)
        _check_not_empty(input, axes, name, every)
        if input.dtype is dtypes.bool_:
            wide = to_dtype(input, dtypes.uint8)
            return store_out(core(wide, axis=axes, keepdims=keepdim) != 0, out, name, True)
        return store_out(core(input, axis=axes, keepdims=keepdim), out, name, True)

    return named(function, name, doc)


amax = _extreme(_amax, "amax", "The largest elements over all axes, or over those named.")
amin = _extreme(_amin, "amin", "The smallest elements over all axes, or over those named.")


def aminmax(
    input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: Any = None
) -> Any:
    """(`amin`, `amax`)."""
    axis: Dim = () if dim is None else dim
    low, high = amin(input, axis, keepdim), amax(input, axis, keepdim)
    if out is not None:
        low, high = (
            store_out(low, out[0], "aminmax", True),
            store_out(high, out[1], "aminmax", True),
        )
    return Returned("aminmax", min=low, max=high)


def _arg(core: Callable[..., Tensor], name: str, doc: str) -> Callable[..., Tensor]:
    @numpy_names
    def function(
        input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None
    ) -> Tensor:
        need_tensor(input, name)
        if input.dtype.category in (dtypes.BOOL, COMPLEX):
            raise RuntimeError(f"{name}(): does not support {input.dtype.name} input")
        axis = None if dim is None else wrap_dim(dim, input.ndim)
        axes = tuple(range(input.ndim)) if axis is None else (axis,)[: input.ndim]
        _check_not_empty(input, axes, name, dim is None)
        if input.ndim == 0:
            result = to_dtype(input * 0, dtypes.int64)
        elif axis is None:
            result = core(input.reshape(-1), axis=0, keepdims=False)
            result = result.reshape((1,) * input.ndim) if keepdim else result
        else:
            result = core(input, axis=axis, keepdims=keepdim)
        return store_out(result, out, name, True)

    return named(function, name, doc)


argmax = _arg(_argmax, "argmax", "Where the largest element is: in all, or along an axis.")
argmin = _arg(_argmin, "argmin", "Where the smallest element is: in all, or along an axis.")


def _max_or_min(name: str, doc: str) -> Callable[..., Any]:
    whole = {"max": amax, "min": amin}[name]
    pairwise = {"max": "maximum", "min": "minimum"}[name]
    where = {"max": argmax, "min": argmin}[name]

    @numpy_names
    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        need_tensor(input, name)
        out = kwargs.pop("out", None)
        other = kwargs.pop("other", args[0] if args and is_tensor(args[0]) else None)
        if other is not None:
            return getattr(input, pairwise)(other)
        dim = kwargs.pop("dim", args[0] if args else None)
        keepdim = kwargs.pop("keepdim", args[1] if len(args) > 1 else False)
        if kwargs or len(args) > 2:
            raise TypeError(f"{name}() received an invalid combination of arguments")
        if dim is None:
            if input.numel() == 0:
                _check_not_empty(input, (), name, True)
            return store_out(whole(input), out, name)
        refuse(f"{name}_values_cpu", input, COMPLEX)
        source = to_dtype(input, dtypes.uint8) if input.dtype is dtypes.bool_ else input
        _check_not_empty(source, (wrap_dim(dim, input.ndim),)[: input.ndim], name, False)
        indices = where(source, dim, True)
        return along(input, indices, dim, keepdim, name, out)

    return named(function, name, doc)


def along(
    input: Tensor, indices: Tensor, dim: int, keepdim: bool, name: str, out: Any = None
) -> Any:
    """(values, indices): the values at `indices`, which have all axes of the input."""
    if input.ndim:
        axis = wrap_dim(dim, input.ndim)
        values = OPS["take_along_axis"](input, indices, axis=axis)
        if not keepdim:
            values, indices = values.squeeze(axis), indices.squeeze(axis)
    else:
        values = input.clone()
    return returned(name, out, values=values, indices=indices)


max = _max_or_min(
    "max", "The largest of all; (values, indices) along an axis; or of two tensors the larger."
)
min = _max_or_min(
    "min", "The smallest of all; (values, indices) along an axis; or of two tensors the smaller."
)


# ---- all and any


def _truth(core: Callable[..., Tensor], name: str, doc: str) -> Callable[..., Tensor]:
    @numpy_names
    def function(
        input: Tensor, dim: Dim = None, keepdim: bool = False, *, out: Tensor | None = None
    ) -> Tensor:
        need_tensor(input, name)
        truths = input if input.dtype is dtypes.bool_ else input != 0
        result = core(truths, axis=wrap_dims(dim, input.ndim), keepdims=keepdim)
        if input.dtype is dtypes.uint8:
            result = to_dtype(result, dtypes.uint8)
        if out is not None and out.dtype not in (dtypes.bool_, dtypes.uint8):
            raise RuntimeError(
                f"{name} only supports bool tensor for result, got: {type_name(out.dtype)}"
            )
        return store_out(result, out, name)

    return named(function, name, doc)


all = _truth(_all, "all", "Whether no element is 0, over all axes or over those named.")
any = _truth(_any, "any", "Whether an element is not 0, over all axes or over those named.")


@numpy_names
def count_nonzero(input: Tensor, dim: Dim = None) -> Tensor:
    """How many elements are not 0."""
    need_tensor(input, "count_nonzero")
    return sum(input != 0, dim)
