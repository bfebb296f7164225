"""Order and sample statistics: medians, modes, quantiles, histograms, covariances."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import BOOL, COMPLEX, FLOAT, INTEGER
from xptorch.ops._common import (
    check_apart,
    floating,
    is_tensor,
    need_tensor,
    numpy_names,
    refuse,
    store_out,
    to_dtype,
    wrap_dim,
)
from xptorch.ops.elementwise import comparison
from xptorch.ops.elementwise import complex as numbers
from xptorch.ops.index.sort import argsort, bincount, sort
from xptorch.ops.reduction.cumulative import cummax
from xptorch.ops.reduction.reduce import along
from xptorch.ops.shape import creation
from xptorch.ops.shape.joining import cat

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "corrcoef", "cov", "histc", "kthvalue", "median", "mode", "nanmedian", "nanquantile",
    "quantile",
]  # fmt: skip


# ---- statistics that select an element


@numpy_names
def kthvalue(
    input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None
) -> Any:
    """(value, index) of the k-th smallest along an axis."""
    need_tensor(input, "kthvalue")
    axis = wrap_dim(dim, input.ndim)
    size = input._data.shape[axis] if input.ndim else 1
    if not 0 < k <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}")
    if out is not None:
        check_apart(out[0], input)
    indices = argsort(input, axis)
    indices = indices.narrow(axis, k - 1, 1) if input.ndim else indices
    return along(input, indices, axis, keepdim, "kthvalue", out)


_NO_DIM: Any = object()


@numpy_names
def median(input: Tensor, dim: int = _NO_DIM, keepdim: bool = False, *, out: Any = None) -> Any:
    """The lower median: of all elements, or (values, indices) along an axis; NaN if any is."""
    return _median(input, dim, keepdim, out, "median")


@numpy_names
def nanmedian(input: Tensor, dim: int = _NO_DIM, keepdim: bool = False, *, out: Any = None) -> Any:
    """The lower median of the elements that are not NaN."""
    return _median(input, dim, keepdim, out, "nanmedian")


def _median(input: Tensor, dim: int, keepdim: bool, out: Any, name: str) -> Any:
    need_tensor(input, name)
    refuse("median_cpu", input, BOOL, COMPLEX)
    if dim is _NO_DIM:
        if not input.numel():
            whole = input.is_floating_point()
            return store_out(input.new_full((), math.nan if whole else -(2**63)), out, name)
        return store_out(_median(input.reshape(-1), 0, False, None, name)[0], out, name)
    axis = wrap_dim(dim, input.ndim)
    if not input.ndim:
        place = creation.zeros_like(input, dtype=dtypes.int64)
        return along(input, place, 0, keepdim, name, out)
    size = input._data.shape[axis]
    if not size:
        raise IndexError(f"median(): Expected reduction dim {axis} to have non-zero size.")
    order = argsort(input, axis)
    if not input.is_floating_point():
        return along(input, order.narrow(axis, (size - 1) // 2, 1), axis, keepdim, name, out)
    nan = comparison.isnan(input.detach())
    if name == "nanmedian":
        count = comparison.logical_not(nan).sum(axis, True)
        indices = order.gather(axis, comparison.clamp((count - 1) // 2, min=0))
    else:
        first = to_dtype(nan, dtypes.uint8).argmax(axis, True)
        middle = order.narrow(axis, (size - 1) // 2, 1)
        indices = comparison.where(nan.any(axis, True), first, middle)
    return along(input, indices, axis, keepdim, name, out)


@numpy_names
def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """(value, last index) of the most frequent value along an axis, the smallest in a tie."""
    need_tensor(input, "mode")
    axis = wrap_dim(dim, input.ndim)
    if not input.ndim:
        return along(input, creation.zeros_like(input, dtype=dtypes.int64), 0, keepdim, "mode", out)
    if not input._data.shape[axis]:
        raise IndexError(f"mode(): Expected reduction dim {axis} to have non-zero size.")
    ordered = sort(input.detach(), axis)[0]
    n = ordered._data.shape[axis]
    place = creation.arange(n, device=input._device)
    place = place.reshape((-1,) + (1,) * (input.ndim - 1 - axis))
    new = ordered.narrow(axis, 1, n - 1) != ordered.narrow(axis, 0, n - 1)
    begins = cat([creation.ones_like(ordered.narrow(axis, 0, 1), dtype=dtypes.bool_), new], axis)
    length = place - cummax(begins * place, axis)[0]  # of the current run of equals
    value = ordered.gather(axis, length.argmax(axis, True))
    last = ((input.detach() == value) * (place + 1)).argmax(axis, True)
    return along(input, last, axis, keepdim, "mode", out)


# ---- interpolated statistics


@numpy_names
def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Any = None,
) -> Tensor:
    """Quantiles of all elements or along an axis; several q give a new first axis."""
    return store_out(
        _quantile("quantile", input, q, dim, keepdim, interpolation), out, "quantile", True
    )


@numpy_names
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Any = None,
) -> Tensor:
    """Quantiles of the elements that are not NaN."""
    result = _quantile("nanquantile", input, q, dim, keepdim, interpolation)
    return store_out(result, out, "nanquantile", True)


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str
) -> Tensor:
    q = _checked_q(name, input, q, interpolation)
    axis = None if dim is None else wrap_dim(dim, input.ndim)
    every = axis is None or not input.ndim
    kept = tuple(1 if every or i == axis else n for i, n in enumerate(input._data.shape))
    rows = input.reshape(-1) if every else input.movedim(axis, -1)
    nan = comparison.isnan(rows.detach())
    if name == "quantile":
        last: Any = rows._data.shape[-1] - 1
    else:
        count = comparison.logical_not(nan).sum(-1, True)
        last = to_dtype(comparison.clamp(count - 1, min=0), input.dtype)
    ranks = q.reshape(-1) * last
    ranks = ranks.expand((*rows._data.shape[:-1], q.numel()))
    values = _at_ranks(sort(rows, -1)[0], ranks, interpolation)
    if name == "quantile":
        values = comparison.where(nan.any(-1, True), math.nan, values)
    shape = kept if keepdim else values._data.shape[:-1]
    return values.movedim(-1, 0).reshape((q.numel(), *shape) if q.ndim else shape)


def _checked_q(name: str, input: Tensor, q: Any, interpolation: str) -> Tensor:
    """q as a tensor, after checking all arguments."""
    need_tensor(input, name)
    known = ("linear", "lower", "higher", "midpoint", "nearest")
    if interpolation not in known:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if not input.numel():
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if not is_tensor(q):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        return input.new_tensor(q)
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if q._device is not input._device:
        raise RuntimeError(f"{name}() q tensor must be on the same device as the input tensor")
    if q._device.type == "cpu" and bool(((q < 0) | (q > 1)).any()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return q


def _at_ranks(ordered: Tensor, ranks: Tensor, interpolation: str) -> Tensor:
    """The sorted values at fractional ranks."""
    rounding = {"lower": ranks.floor, "higher": ranks.ceil, "nearest": ranks.round}
    if interpolation in rounding:
        return ordered.gather(-1, to_dtype(rounding[interpolation](), dtypes.int64))
    below, above = (to_dtype(r, dtypes.int64) for r in (ranks.floor(), ranks.ceil()))
    weight = 0.5 if interpolation == "midpoint" else ranks - ranks.floor()
    return ordered.gather(-1, below).lerp(ordered.gather(-1, above), weight)


# ---- samples


def histc(
    input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0, *, out: Tensor | None = None
) -> Tensor:
    """How many elements are in each of `bins` equal intervals of [min, max] (or of their range)."""
    need_tensor(input, "histc")
    refuse("histogram_cpu", input, BOOL, INTEGER, COMPLEX)
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    flat, low, high = input.detach().reshape(-1), float(min), float(max)
    flat = to_dtype(flat, dtypes.float32) if flat.dtype is dtypes.float16 else flat
    if low == high and flat.numel():
        low, high = float(flat.min()), float(flat.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    flat = flat[comparison.logical_and(flat >= low, flat <= high)]
    place = to_dtype((flat - low) * (bins / (high - low)), dtypes.int64)
    counts = bincount(comparison.clamp(place, max=bins - 1), minlength=bins)
    return store_out(to_dtype(counts, input.dtype), out, "histc", True)


def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariances of the rows (variables) over the columns (observations)."""
    need_tensor(input, "cov")
    if input.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = floating(input)
    x = x if x.ndim == 2 else x.reshape(1, -1)
    n = x._data.shape[1]
    weights = _weights(x, fweights, aweights)
    if weights is None:
        total: Any = n
        mean, norm = x.mean(1, keepdim=True), n - correction
    else:
        total = weights.sum()
        mean = (x * weights).sum(1, keepdim=True) / total
        norm = total - correction
        if aweights is not None and correction:
            norm = total - correction * (weights * aweights).sum() / total
    gap = x - mean
    other = gap if weights is None else gap * weights
    norm = comparison.clamp(norm, min=0) if is_tensor(norm) else float(norm if norm > 0 else 0)
    return ((gap @ other.t().conj()) / norm).squeeze()


def _weights(x: Tensor, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if w.ndim > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions")
        if w.numel() != x._data.shape[1]:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations"
            )
        if (w.dtype.category >= FLOAT) == (name == "fweights"):
            kind = "integral" if name == "fweights" else "floating point"
            raise RuntimeError(f"cov(): expected {name} to have {kind} dtype")
        if w.numel() and bool((w < 0).any()):
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is None or aweights is None:
        return aweights if fweights is None else to_dtype(fweights, x.dtype.to_real())
    return fweights * aweights


def corrcoef(input: Tensor) -> Tensor:
    """The correlations of the rows over the columns, within [−1, 1]."""
    c = cov(input)
    if not c.ndim:
        return c / c
    size = c.diagonal().sqrt()
    result = c / size.unsqueeze(1) / size.unsqueeze(0)
    if result.dtype.is_complex:
        return numbers.view_as_complex(numbers.view_as_real(result).clamp(-1, 1))
    return comparison.clamp(result, -1, 1)
