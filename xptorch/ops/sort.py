"""Order: sort, top-k, medians, quantiles, unique values, search in sorted ones, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xptorch import _dtype, _engine
from xptorch._engine import op
from xptorch.ops import create
from xptorch.ops._common import (
    COMPLEX,
    FLOAT,
    Returned,
    deliver,
    is_tensor,
    need_tensor,
    refuse,
    to_dtype,
    wrap_dim,
)
from xptorch.ops.reduce import along

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

__all__ = [
    "argsort", "bincount", "bucketize", "kthvalue", "median", "mode", "msort", "quantile",
    "searchsorted", "sort", "topk", "unique", "unique_consecutive",
]  # fmt: skip

_argsort = op(
    "argsort",
    lambda xp, a, *, axis, descending: xp.argsort(a, axis=axis, descending=descending, stable=True),
)


def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """The indices that put the input in order along an axis."""
    need_tensor(input, "argsort")
    refuse("sort_cpu", input, COMPLEX)
    axis = wrap_dim(dim, input.ndim)
    if input.ndim == 0:
        return create.zeros_like(input, dtype=_dtype.int64)
    if input.dtype is _dtype.bool_:
        input = to_dtype(input, _dtype.uint8)
    return to_dtype(_argsort(input, axis=axis, descending=descending), _dtype.int64)


def sort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    *,
    stable: bool | None = None,
    out: Any = None,
) -> Any:
    """(values, indices) in order along an axis; NaN counts as the largest."""
    indices = argsort(input, dim, descending)
    return along(input, indices, dim, True, "sort", out)


def msort(input: Tensor, *, out: Any = None) -> Tensor:
    """The values in order along the first axis."""
    return deliver(sort(input, 0)[0], out, "msort")


def topk(
    input: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: Any = None,
) -> Any:
    """(values, indices) of the k largest or smallest along an axis, in order."""
    axis = wrap_dim(dim, input.ndim)
    size = input._data.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError("selected index k out of range")
    indices = argsort(input, dim, largest)
    if input.ndim:
        indices = indices.narrow(axis, 0, k)
    elif k == 0:
        return Returned("topk", values=input.reshape(1)[:0], indices=indices.reshape(1)[:0])
    return along(input, indices, dim, True, "topk", out)


def kthvalue(
    input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None
) -> Any:
    """(value, index) of the k-th smallest along an axis."""
    axis = wrap_dim(dim, input.ndim)
    size = input._data.shape[axis] if input.ndim else 1
    if not 0 < k <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}")
    indices = argsort(input, dim)
    indices = indices.narrow(axis, k - 1, 1) if input.ndim else indices
    return along(input, indices, dim, keepdim, "kthvalue", out)


def median(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The lower median: of all elements, or (values, indices) along an axis; NaN if any is."""
    refuse("median_cpu", input, _dtype.BOOL, COMPLEX)
    if dim is None:
        if not input.numel():
            return input.new_full((), float("nan")) if input.is_floating_point() else _no_median()
        return _median(input.reshape(-1), 0, False)[0]
    return _median(input, dim, keepdim, out)


def _no_median() -> Any:
    raise IndexError("median(): Expected reduction dim 0 to have non-zero size.")


def _median(input: Tensor, dim: int, keepdim: bool, out: Any = None) -> Any:
    axis = wrap_dim(dim, input.ndim)
    size = input._data.shape[axis] if input.ndim else 1
    if not size:
        raise IndexError(f"median(): Expected reduction dim {axis} to have non-zero size.")
    if not input.ndim:
        return along(input, create.zeros_like(input, dtype=_dtype.int64), 0, keepdim, "median", out)
    indices = argsort(input, dim).narrow(axis, (size - 1) // 2, 1)
    if input.is_floating_point():
        nan = input.detach().isnan()
        first = to_dtype(nan, _dtype.uint8).argmax(axis, True)
        indices = nan.any(axis, True).where(first, indices)
    return along(input, indices, dim, keepdim, "median", out)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """(value, last index) of the most frequent value along an axis, the smallest of several."""
    axis = wrap_dim(dim, input.ndim)
    if not input.ndim:
        return along(input, create.zeros_like(input, dtype=_dtype.int64), 0, keepdim, "mode", out)
    ordered, order = sort(input.detach(), axis)
    same = ordered.unsqueeze(axis) == ordered.unsqueeze(axis + 1)
    best = same.sum(axis).argmax(axis, True)
    value = ordered.gather(axis, best)
    place = create.arange(ordered._data.shape[axis], device=input._device)
    place = place.reshape((-1,) + (1,) * (input.ndim - 1 - axis))
    last = ((input.detach() == value) * (place + 1)).argmax(axis, True)
    return along(input, last, dim, keepdim, "mode", out)


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
    refuse("quantile", input, _dtype.BOOL, _dtype.INTEGER, COMPLEX)
    if not is_tensor(q):
        if not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q}")
        q = input.new_tensor(q)
    if not input.numel():
        raise RuntimeError("quantile() input tensor must be non-empty")
    ndim = input.ndim
    flat = input.reshape(-1) if dim is None else input.movedim(dim, -1)
    if dim is None:
        kept = (1,) * ndim
    else:
        axis = wrap_dim(dim, ndim)
        kept = tuple(1 if i == axis else s for i, s in enumerate(input._data.shape))
    ordered = sort(flat, -1)[0] if flat.ndim else flat.reshape(1)
    n = ordered._data.shape[-1]
    picks = [_interpolated(ordered, float(v) * (n - 1), interpolation) for v in q.reshape(-1).tolist()]
    from xptorch.ops.shape import stack

    nan = flat.isnan().any(-1) if flat.ndim else flat.isnan()
    results = [nan.where(float("nan"), p) for p in picks]
    results = [r.reshape(kept) if keepdim else r for r in results]
    return deliver(stack(results) if q.ndim else results[0], out, "quantile")


def _interpolated(ordered: Tensor, rank: float, interpolation: str) -> Tensor:
    low = int(rank)
    high = min(low + 1, ordered._data.shape[-1] - 1)
    a, b = ordered[..., low], ordered[..., high]
    weight = rank - low
    if interpolation == "linear":
        return a.lerp(b, weight)
    if interpolation == "midpoint":
        return a.lerp(b, 0.5) if weight else a
    steps = {"lower": False, "higher": weight > 0}
    if interpolation == "nearest":
        return ordered[..., round(rank)]
    if interpolation not in steps:
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    return b if steps[interpolation] else a


# ---- unique values


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different values in order, on request with each element's place and each one's count."""
    if dim is not None:
        return _unique_slices(input, dim, return_inverse, return_counts)
    on, xp = input._device, input._device.xp
    found = xp.unique_all(input._data)
    parts = [_engine.wrap(found.values, on)]
    if return_inverse:
        inverse = xp.reshape(found.inverse_indices, input._data.shape)
        parts.append(to_dtype(_engine.wrap(inverse, on), _dtype.int64))
    if return_counts:
        parts.append(to_dtype(_engine.wrap(found.counts, on), _dtype.int64))
    return parts[0] if len(parts) == 1 else tuple(parts)


def _unique_slices(input: Tensor, dim: int, inverse: bool, counts: bool) -> Any:
    axis = wrap_dim(dim, input.ndim)
    rows = input.detach().movedim(axis, 0)
    flat = rows.reshape((rows._data.shape[0], -1))
    order = create.arange(flat._data.shape[0], device=input._device)
    for column in range(flat._data.shape[1] - 1, -1, -1):  # last key first: stable sorts compose
        order = order[argsort(flat[order, column])]
    ordered = flat[order]
    new = (ordered[1:] != ordered[:-1]).any(1)
    from xptorch.ops.shape import cat

    starts = cat([new.new_ones(1), new]) if flat._data.shape[0] else new
    group = to_dtype(starts, _dtype.int64).cumsum(0) - 1
    parts = [input.index_select(axis, order[starts])]
    if inverse:
        parts.append(create.zeros_like(group).index_copy(0, order, group))
    if counts:
        parts.append(bincount(group))
    return parts[0] if len(parts) == 1 else tuple(parts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The values with repeats of the one before left out."""
    if dim is not None:
        raise NotImplementedError("unique_consecutive(dim=...)")
    from xptorch.ops.shape import cat

    flat = input.reshape(-1)
    starts = cat([flat[:1] == flat[:1], flat[1:] != flat[:-1]])
    group = to_dtype(starts, _dtype.int64).cumsum(0) - 1
    parts = [flat[starts]]
    if return_inverse:
        parts.append(group.reshape(input._data.shape))
    if return_counts:
        parts.append(bincount(group))
    return parts[0] if len(parts) == 1 else tuple(parts)


# ---- search and counts


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    out: Any = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where values would go into sorted sequences (the last axis) to keep them in order."""
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if right and side == "left":
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True"
        )
    values = input if is_tensor(input) else sorted_sequence.new_tensor(input)
    if sorter is not None:
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    after = right or side == "right"
    target = _dtype.int32 if out_int32 else _dtype.int64
    if sorted_sequence.dtype is not values.dtype:
        raise RuntimeError(
            "torch.searchsorted(): boundary tensor and input value tensor should have same dtype, "
            f"but got boundary tensor dtype {sorted_sequence.dtype.name} and input value tensor "
            f"dtype {values.dtype.name}"
        )
    if sorted_sequence.ndim == 1:
        on, xp = values._device, values._device.xp
        flat = xp.reshape(values._data, (-1,))
        raw = xp.searchsorted(sorted_sequence._data, flat, side="right" if after else "left")
        found = _engine.wrap(xp.reshape(raw, values._data.shape), on)
        return deliver(to_dtype(found, target), out, "searchsorted")
    if sorted_sequence._data.shape[:-1] != values._data.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match"
        )
    bounds, points = sorted_sequence.unsqueeze(-2), values.unsqueeze(-1)
    passed = (bounds <= points) if after else (bounds < points)
    return deliver(to_dtype(passed.sum(-1), target), out, "searchsorted")


def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False, out: Any = None
) -> Tensor:
    """The index of the bucket between boundaries that each value falls into."""
    if boundaries.ndim != 1:
        raise RuntimeError(
            f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each value from 0 occurs, or the sum of its weights."""
    if input.ndim != 1 or input.dtype.category >= FLOAT:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    n = max(int(input.max()) + 1 if input.numel() else 0, minlength)
    if input.numel() and int(input.min()) < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        weights = create.ones_like(input, dtype=_dtype.int64)
    elif weights.dtype is not _dtype.float32:
        weights = to_dtype(weights, _dtype.float64)
    zeros = create.zeros(n, dtype=weights.dtype, device=input._device)
    return zeros.index_add(0, to_dtype(input, _dtype.int64), weights)  # type: ignore[no-any-return]
