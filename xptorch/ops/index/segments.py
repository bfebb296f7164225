"""Reductions over segments: consecutive elements along an axis, of given lengths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import BOOL, COMPLEX, INTEGER
from xptorch.ops._common import need_tensor, refuse, to_dtype
from xptorch.ops.index import scatter
from xptorch.ops.shape import creation, slicing

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["segment_reduce"]

# The initial value of each reduction.
_STARTS = {
    **{"sum": 0.0, "mean": 0.0, "prod": 1.0},
    **{"max": -math.inf, "amax": -math.inf, "min": math.inf, "amin": math.inf},
}


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> Tensor:
    """The sum, mean, prod, max or min of each segment along an axis.

    Args:
        lengths: the segment lengths, along its last axis; its other axes are the data's first.
        offsets: where each segment starts, and the last one ends, instead of lengths.
        axis: the axis of the segments: the last of `lengths`.
        unsafe: do not check the lengths; elements after the last segment are ignored.
        initial: the initial value of each reduction.

    Raises:
        RuntimeError: neither lengths nor offsets, or lengths that do not add up.
    """
    need_tensor(data, "segment_reduce", "data")
    if reduce not in _STARTS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    refuse("segment_reduce_cpu", data, BOOL, INTEGER, COMPLEX)
    lengths = _lengths(data, lengths, offsets, axis, unsafe)
    place = lengths.ndim - 1
    *lead, count = lengths._data.shape
    size = data._data.shape[place]
    rest = data._data.shape[place + 1 :]
    rows, total = math.prod(lead), count * math.prod(lead)
    segment, kept = _segments(lengths.reshape(rows, count), size)
    values = data.reshape((rows * size, *rest))[kept]
    start = _STARTS[reduce] if initial is None else initial
    begin = creation.full_like(data.new_empty((total, *rest)), start)
    if reduce in ("sum", "mean"):
        result = scatter.index_add(begin, 0, segment, values)
    else:
        kind = {"max": "amax", "min": "amin"}.get(reduce, reduce)
        result = scatter.index_reduce(begin, 0, segment, values, kind)
    if reduce == "mean":
        n = to_dtype(lengths.reshape(-1, *[1] * len(rest)), data.dtype)
        # The mean of an empty segment is `initial`, or 0 / 0 without it.
        result = result / (n if initial is None else n.clamp(min=1))
    return result.reshape((*lead, count, *rest))


def _segments(lengths: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """For each element in a segment, the segment's number and the element's flat position."""
    rows, count = lengths._data.shape
    numbers = creation.arange(rows * count, device=lengths._device)
    segment = slicing.repeat_interleave(numbers, lengths.reshape(-1))
    row = segment // max(count, 1)
    used = lengths.sum(1)
    before = used.cumsum(0) - used  # elements in segments of the rows above
    first = creation.arange(segment.numel(), device=lengths._device) - before[row]
    return segment, row * size + first


def _lengths(
    data: Tensor, lengths: Tensor | None, offsets: Tensor | None, axis: int, unsafe: bool
) -> Tensor:
    if (lengths is None) == (offsets is None):
        raise RuntimeError(
            "segment_reduce(): Either lengths or offsets must be defined."
            if lengths is None
            else "segment_reduce(): Expected only one of lengths or offsets to be defined."
        )
    if offsets is not None:
        lengths = offsets[..., 1:] - offsets[..., :-1]
        unsafe = True
    assert lengths is not None
    axis = axis + data.ndim if axis < 0 else axis
    if axis != lengths.ndim - 1:
        raise RuntimeError(
            f"segment_reduce(): Expected axis to be the last dimension of lengths but got {axis}."
        )
    if not unsafe:
        if bool((lengths < 0).any()):
            raise RuntimeError("lengths contains negative value!")
        if bool((lengths.sum(-1) != data._data.shape[axis]).any()):
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to "
                "data.size(lengths.dim()-1) when !unsafe."
            )
    return lengths
