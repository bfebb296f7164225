"""Reductions and normalisations that exclude masked-out elements: `torch.masked`.

All take ``mask=``, a tensor that broadcasts to the input: True (or not 0) where elements are
included. Where none is, reductions return their identity element, means and softmaxes NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch.ops._common import BOOL, FLOAT, need_tensor, to_dtype, wrap_dims
from xptorch.ops.elementwise import comparison
from xptorch.ops.layers import softmax as softmaxes
from xptorch.ops.linalg import norms
from xptorch.ops.reduction import cumulative, reduce, statistics
from xptorch.ops.special import elementary

if TYPE_CHECKING:
    from xptorch._core.dtype import dtype as Dtype
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp",
    "logsumexp", "mean", "median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum",
    "var",
]  # fmt: skip


def _fill_masked(input: Tensor, mask: Tensor | None, value: float, name: str) -> Tensor:
    """The input with `value` where the mask is False."""
    need_tensor(input, name)
    if mask is None:
        return input
    return comparison.where(_expand_mask(input, mask), input, value)


def _expand_mask(input: Tensor, mask: Tensor) -> Tensor:
    """The mask as bool in the input's shape."""
    if mask.ndim > input.ndim:
        raise IndexError(
            "_input_mask expected broadcastable mask (got mask dimensionality higher than of the "
            "input)"
        )
    return to_dtype(mask.expand(input._data.shape), dtypes.bool_)


def _axes(input: Tensor, dim: Any) -> tuple[int, ...]:
    """All axes for None and for an empty tuple."""
    return wrap_dims(None if dim == () else dim, input.ndim)


def _cast(input: Tensor, dtype: Dtype | None) -> Tensor:
    return input if dtype is None else to_dtype(input, dtype)


def _summed(input: Tensor, dtype: Dtype | None) -> Tensor:
    """The input in the dtype of its sum: int64 for integers and bools."""
    return _cast(input, dtype or (None if input.dtype.category >= FLOAT else dtypes.int64))


def sum(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The sum of the unmasked elements, over some axes or all."""
    x = _fill_masked(_summed(input, dtype), mask, 0, "sum")
    return reduce.sum(x, _axes(x, dim), bool(keepdim)) if x.ndim else x.clone()


def prod(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The product of the unmasked elements."""
    x = _fill_masked(_summed(input, dtype), mask, 1, "prod")
    for axis in sorted(_axes(x, dim), reverse=True):
        x = reduce.prod(x, axis, bool(keepdim))
    return x


def mean(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The mean of the unmasked elements."""
    if dtype is None and input.dtype.category < FLOAT:
        raise ValueError(
            "mean(): Could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {input.dtype}"
        )
    x = _cast(input, dtype)
    return sum(x, dim, keepdim=keepdim, mask=mask) / _count(x, dim, keepdim, mask)


def _count(x: Tensor, dim: Any, keepdim: bool, mask: Tensor | None) -> Tensor:
    ones = x.detach().new_ones(x._data.shape, dtype=dtypes.int64)
    return sum(ones, dim, keepdim=keepdim, mask=mask)


def _identity(dt: Dtype, name: str, top: bool = False) -> Any:
    """The identity element: the dtype's lowest value for a maximum, the highest for a minimum."""
    if dt.category == BOOL:
        raise NotImplementedError(f"identity of {name} on {dt} input")
    if dt.category >= FLOAT:
        return math.inf if top else -math.inf
    return dtypes.iinfo(dt).max if top else dtypes.iinfo(dt).min


def amax(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The maximum of the unmasked elements."""
    x = _cast(input, dtype)
    x = _fill_masked(x, mask, _identity(x.dtype, "amax"), "amax")
    return reduce.amax(x, _axes(x, dim), bool(keepdim))


def amin(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The minimum of the unmasked elements."""
    x = _cast(input, dtype)
    x = _fill_masked(x, mask, _identity(x.dtype, "amin", top=True), "amin")
    return reduce.amin(x, _axes(x, dim), bool(keepdim))


def argmax(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The index of the maximum of the unmasked elements, in the dtype of the input."""
    x = _cast(input, dtype)
    x = _fill_masked(x, mask, _identity(x.dtype, "argmax"), "argmax")
    return _index_of(reduce.argmax, x, dim, keepdim)


def argmin(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The index of the minimum of the unmasked elements, in the dtype of the input."""
    x = _cast(input, dtype)
    x = _fill_masked(x, mask, _identity(x.dtype, "argmin", top=True), "argmin")
    return _index_of(reduce.argmin, x, dim, keepdim)


def _index_of(function: Any, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    shown = x if x.ndim else x.reshape(1)  # a single element has index 0
    found = function(shown, dim, bool(keepdim) if x.ndim else False)
    return to_dtype(found, x.dtype)


def median(
    input: Tensor,
    dim: int = -1,
    *,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The lower median of the unmasked elements."""
    x = _cast(input, dtype)
    whole = x.dtype.category < FLOAT
    if whole and mask is not None and not bool(_expand_mask(x, mask).any(dim).all()):
        raise ValueError(
            "masked median expects no fully masked out rows if dtype is not floating point"
        )
    wide = to_dtype(x, dtypes.get_default_dtype()) if whole else x
    found = statistics.nanmedian(_fill_masked(wide, mask, math.nan, "median"), dim, bool(keepdim))
    return to_dtype(found[0], x.dtype)


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The norm of the unmasked elements."""
    start = math.inf if ord == -math.inf else 0
    x = _fill_masked(_cast(input, dtype), mask, start, "norm")
    power = 2.0 if ord is None else float(ord)
    return norms.vector_norm(x, power, _axes(x, dim), bool(keepdim))


def _variance(
    input: Tensor,
    dim: Any,
    correction: Any,
    keepdim: bool,
    dtype: Dtype | None,
    mask: Tensor | None,
) -> Tensor:
    x = to_dtype(input, dtypes.get_default_dtype()) if input.dtype.category < FLOAT else input
    x = _cast(x, dtype)
    gap = x - mean(x, _axes(x, dim), keepdim=True, mask=mask)
    square = (gap * gap.conj()).real if x.dtype.is_complex else gap * gap
    total = sum(square, dim, keepdim=keepdim, mask=mask)
    count = to_dtype(_count(x, dim, keepdim, mask), square.dtype)
    return to_dtype(total / (count - correction).clamp(min=0), x.dtype)


def _correction(unbiased: bool | None, correction: Any) -> Any:
    if unbiased is not None and correction is not None:
        raise ValueError("Only one of unbiased and correction may be given")
    return int(unbiased) if unbiased is not None else 1 if correction is None else correction


def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The variance of the unmasked elements."""
    return _variance(input, dim, _correction(unbiased, correction), keepdim, dtype, mask)


def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The standard deviation of the unmasked elements."""
    return _variance(input, dim, _correction(unbiased, correction), keepdim, dtype, mask).sqrt()


# ---- functions whose results have the input's shape


def softmax(
    input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """The softmax of the unmasked elements, 0 elsewhere."""
    return softmaxes.softmax(_fill_masked(_cast(input, dtype), mask, -math.inf, "softmax"), dim)


def log_softmax(
    input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """The logarithm of `softmax`."""
    return softmaxes.log_softmax(
        _fill_masked(_cast(input, dtype), mask, -math.inf, "log_softmax"), dim
    )


def softmin(
    input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """The softmax of the negative input."""
    return softmaxes.softmax(-_fill_masked(_cast(input, dtype), mask, math.inf, "softmin"), dim)


def normalize(
    input: Tensor,
    ord: float,
    dim: int,
    *,
    eps: float = 1e-12,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The input divided by its norm along an axis, 0 where the mask is False."""
    x = _cast(input, dtype)
    size = norm(x, ord, dim, keepdim=True, mask=mask)
    return _fill_masked(x, mask, 0, "normalize") / size.clamp(min=eps)


def logsumexp(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The logarithm of the sum of the exponentials of the unmasked elements."""
    x = _cast(input, dtype)
    shown = _fill_masked(x, mask, _identity(x.dtype, "logsumexp"), "logsumexp")
    return to_dtype(softmaxes.logsumexp(shown, _axes(x, dim), bool(keepdim)), x.dtype)


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Dtype | None = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """log(exp(input) + exp(other)), each without its masked-out elements."""
    a = _fill_masked(_cast(input, dtype), input_mask, -math.inf, "logaddexp")
    b = _fill_masked(_cast(other, dtype), other_mask, -math.inf, "logaddexp")
    return elementary.logaddexp(a, b)


def cumsum(
    input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """Cumulative sums of the unmasked elements."""
    return cumulative.cumsum(
        _fill_masked(_cast(input, dtype), mask, 0, "cumsum"), dim, dtype=dtype or input.dtype
    )


def cumprod(
    input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """Cumulative products of the unmasked elements."""
    return cumulative.cumprod(
        _fill_masked(_cast(input, dtype), mask, 1, "cumprod"), dim, dtype=dtype or input.dtype
    )
