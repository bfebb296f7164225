"""Ordering: sort, top-k, unique values, search in sorted sequences, counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import COMPLEX, FLOAT
from xptorch._engine import graph
from xptorch._engine.op import op
from xptorch.ops._common import (
    is_tensor,
    need_tensor,
    numpy_names,
    refuse,
    returned,
    store_out,
    to_dtype,
    wrap_dim,
)
from xptorch.ops.reduction.reduce import along
from xptorch.ops.shape import creation
from xptorch.ops.shape.joining import cat

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "argsort", "bincount", "bucketize", "msort", "searchsorted", "sort", "topk", "unique",
    "unique_consecutive",
]  # fmt: skip

_argsort = op(
    "argsort",
    lambda xp, a, *, axis, descending: xp.argsort(a, axis=axis, descending=descending, stable=True),
)


@numpy_names
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """The indices that sort the input along an axis."""
    need_tensor(input, "argsort")
    refuse("sort_cpu", input, COMPLEX)
    axis = wrap_dim(dim, input.ndim)
    if input.ndim == 0:
        return creation.zeros_like(input, dtype=dtypes.int64)
    if input.dtype is dtypes.bool_:
        input = to_dtype(input, dtypes.uint8)
    return to_dtype(_argsort(input.detach(), axis=axis, descending=descending), dtypes.int64)


@numpy_names
def sort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    *,
    stable: bool | None = None,
    out: Any = None,
) -> Any:
    """(values, indices) sorted along an axis; NaN counts as the largest."""
    indices = argsort(input, dim, descending)
    return along(input, indices, dim, True, "sort", out)


def msort(input: Tensor, *, out: Any = None) -> Tensor:
    """The values sorted along the first axis."""
    return store_out(sort(input, 0)[0], out, "msort", True)


@numpy_names
def topk(
    input: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: Any = None,
) -> Any:
    """(values, indices) of the k largest or smallest along an axis, sorted."""
    need_tensor(input, "topk")
    refuse("topk_impl_loop", input, dtypes.BOOL)
    axis = wrap_dim(dim, input.ndim)
    size = input._data.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError("selected index k out of range")
    indices = argsort(input, dim, largest)
    if input.ndim:
        indices = indices.narrow(axis, 0, k)
    elif k == 0:
        return returned("topk", out, values=input.reshape(1)[:0], indices=indices.reshape(1)[:0])
    return along(input, indices, dim, True, "topk", out)


# ---- unique values


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct values, sorted; on request with each element's index among them, and counts."""
    if dim is not None:
        return _unique_slices(input, dim, return_inverse, return_counts)
    on, xp = input._device, input._device.xp
    found = xp.unique_all(input._data)
    parts = [graph.wrap(found.values, on)]
    if return_inverse:
        inverse = xp.reshape(found.inverse_indices, input._data.shape)
        parts.append(to_dtype(graph.wrap(inverse, on), dtypes.int64))
    if return_counts:
        parts.append(to_dtype(graph.wrap(found.counts, on), dtypes.int64))
    return parts[0] if len(parts) == 1 else tuple(parts)


def _unique_slices(input: Tensor, dim: int, inverse: bool, counts: bool) -> Any:
    axis = wrap_dim(dim, input.ndim)
    rows = input.detach().movedim(axis, 0)
    flat = rows.reshape((rows._data.shape[0], math.prod(rows._data.shape[1:])))
    order = creation.arange(flat._data.shape[0], device=input._device)
    for column in range(flat._data.shape[1] - 1, -1, -1):  # last key first: stable sorts compose
        order = order[argsort(flat[order, column])]
    starts = _starts(flat[order])
    group = to_dtype(starts, dtypes.int64).cumsum(0) - 1
    parts = [input.index_select(axis, order[starts])]
    if inverse:
        parts.append(creation.zeros_like(group).index_copy(0, order, group))
    if counts:
        parts.append(bincount(group))
    return parts[0] if len(parts) == 1 else tuple(parts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The values, or slices along an axis, without consecutive repeats."""
    axis = 0 if dim is None else wrap_dim(dim, input.ndim)
    source = input.reshape(-1) if dim is None or not input.ndim else input
    rows = source.detach().movedim(axis, 0)
    n = rows._data.shape[0]
    starts = _starts(rows.reshape((n, math.prod(rows._data.shape[1:]))))
    group = to_dtype(starts, dtypes.int64).cumsum(0) - 1
    parts = [source.index_select(axis, starts.nonzero().reshape(-1))]
    if return_inverse:
        parts.append(group.reshape(input._data.shape) if dim is None else group)
    if return_counts:
        parts.append(bincount(group))
    return parts[0] if len(parts) == 1 else tuple(parts)


def _starts(rows: Tensor) -> Tensor:
    """Whether each row differs from the one before."""
    first = creation.ones(min(1, rows._data.shape[0]), dtype=dtypes.bool_, device=rows._device)
    return cat([first, (rows[1:] != rows[:-1]).any(1)])


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
    """The indices at which values fit into sorted sequences (the last axis), keeping the order."""
    if side not in (None, "left", "right"):
        raise RuntimeError(
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if right and side == "left":
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True"
        )
    values = input if is_tensor(input) else sorted_sequence.new_tensor(input)
    if sorter is not None:
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    after = right or side == "right"
    target = dtypes.int32 if out_int32 else dtypes.int64
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
        found = graph.wrap(xp.reshape(raw, values._data.shape), on)
        return store_out(to_dtype(found, target), out, "searchsorted", True)
    if sorted_sequence._data.shape[:-1] != values._data.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match"
        )
    bounds, points = sorted_sequence.unsqueeze(-2), values.unsqueeze(-1)
    passed = (bounds <= points) if after else (bounds < points)
    return store_out(to_dtype(passed.sum(-1), target), out, "searchsorted", True)


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
        weights = creation.ones_like(input, dtype=dtypes.int64)
    elif weights.dtype is not dtypes.float32:
        weights = to_dtype(weights, dtypes.float64)
    zeros = creation.zeros(n, dtype=weights.dtype, device=input._device)
    return zeros.index_add(0, to_dtype(input, dtypes.int64), weights)
