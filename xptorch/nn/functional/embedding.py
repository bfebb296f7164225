"""Embedding look-ups, as functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._engine import inplace
from xptorch._engine.grad_mode import no_grad
from xptorch.ops._common import to_dtype, type_name
from xptorch.ops.elementwise.comparison import where
from xptorch.ops.index.sort import sort
from xptorch.ops.layers import embedding as ops
from xptorch.ops.layers.embedding import one_hot
from xptorch.ops.linalg import norms
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["embedding", "embedding_bag", "one_hot"]


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` at the given indices.

    Args:
        input: indices of any shape.
        weight: (rows, width).
        padding_idx: this row gets no gradient.
        max_norm: rows looked up whose norm exceeds this are rescaled to it, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide gradients by how often the row occurs in the input.
        sparse: not supported.

    Shape: (*) to (*, width).

    Raises:
        IndexError: an index is out of range.
        AssertionError: `padding_idx` is out of range.
    """
    rows = weight._data.shape[0] if weight.ndim else 0
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    return _rows(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)


def _rows(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None,
    max_norm: float | None,
    norm_type: float,
    *more: Any,
) -> Tensor:
    if max_norm is not None and weight.ndim and weight._data.shape[0]:
        ops.check_rows(input, weight._data.shape[0])
        with no_grad():
            renorm_rows(weight, input, max_norm, norm_type)
    return ops.lookup(weight, input, -1 if padding_idx is None else padding_idx, *more)


def renorm_rows(weight: Tensor, indices: Tensor, max_norm: float, p: float) -> None:
    """Rescale the indexed rows whose norm exceeds `max_norm` to it, in place."""
    used = weight.new_zeros(weight.shape[0])
    flat = indices.reshape(-1).long()
    used = used.index_add(0, flat, used.new_ones(flat.shape)) > 0
    size = norms.norm(weight.detach(), p, 1)
    scale = where(used & (size > max_norm), max_norm / (size + 1e-7), 1.0)
    inplace.write(weight.detach(), weight.detach() * scale.unsqueeze(1))


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of rows of `weight`; empty bags give zeros.

    Args:
        input: (bags, indices a bag), or all bags' indices concatenated.
        offsets: where each bag starts in the concatenated indices.
        mode: "sum", "mean" or "max".
        per_sample_weights: of the input's shape; multiplies the rows ("sum" only).
        include_last_offset: the last offset is the end, not a further bag.
        padding_idx: indices left out of the bags.
    """
    _check_bags(input, offsets, mode, per_sample_weights, scale_grad_by_freq)
    rows = weight._data.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise RuntimeError(
                f"padding_idx must be within the number of embeddings, {-rows} through {rows - 1}, "
                f"but got {padding_idx}"
            )
        padding_idx %= rows
    flat = input.reshape(-1).long()
    if offsets is None:
        bags, each = input._data.shape
        bag = (
            creation.arange(bags, device=input._device).unsqueeze(1).expand(bags, each).reshape(-1)
        )
    else:
        if include_last_offset and not offsets.numel():
            raise RuntimeError("include_last_offset: number of offset should be at least 1")
        bags = offsets.numel() - int(include_last_offset)
        if not bags:
            return weight[:0]
        bag = _bags(flat, offsets.long()[:bags])
    try:
        ops.check_rows(flat, rows)
    except IndexError as error:
        raise RuntimeError(f"embedding_bag: {error}") from None
    counted = None
    if scale_grad_by_freq:
        # As PyTorch on the CPU: the gradient of the n-th smallest row that occurs is divided by
        # the count of the row whose index is the n-th in sorted order.
        n = flat.new_zeros(rows).index_fill(0, flat, 1).cumsum(0)[flat] - 1
        counted = sort(flat).values[n]
    table = (weight, padding_idx, max_norm, norm_type)
    found = _rows(flat, *table, scale_grad_by_freq, sparse, counted)
    if per_sample_weights is not None:
        if per_sample_weights.dtype is not weight.dtype:
            raise RuntimeError(
                "embedding_bag: weight and per_sample_weights must have the same dtype, but have "
                f"{weight.dtype} and {per_sample_weights.dtype}"
            )
        found = found * per_sample_weights.reshape(-1, 1)
    real = found.new_ones(flat.shape)
    if padding_idx is not None:
        real = to_dtype(flat != padding_idx, weight.dtype)
        found = where(real.unsqueeze(1) != 0, found, 0.0)
    if mode == "max":
        return _largest(found, real != 0, bag, bags)
    total = weight.new_zeros(bags, weight._data.shape[1]).index_add(0, bag, found)
    if mode == "sum":
        return total
    counts = weight.new_zeros(bags).index_add(0, bag, real)
    return total / counts.clamp_min(1).unsqueeze(1)


def _bags(flat: Tensor, starts: Tensor) -> Tensor:
    """The bag number of each index."""
    n = flat.numel()
    if int(starts[0]) != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {int(starts[0])}"
        )
    if int(starts[-1]) > n:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {n} but got offsets[-1] of "
            f"{int(starts[-1])}"
        )
    marks = starts.new_zeros(n + 1).index_add(0, starts, starts.new_ones(starts.shape))
    return marks.cumsum(0)[:n] - 1


def _largest(found: Tensor, real: Tensor, bag: Tensor, bags: int) -> Tensor:
    """The maximum of each bag, padded to one length; the first of equal elements."""
    width = found._data.shape[1]
    counts = bag.new_zeros(bags).index_add(0, bag, bag.new_ones(bag.shape))
    longest = int(counts.max()) if bags else 0
    if not longest:  # zeros, connected to the graph
        return found.new_zeros(bags, width).index_add(0, bag, found)
    starts = counts.cumsum(0) - counts
    places = starts.unsqueeze(1) + creation.arange(longest, device=bag._device)
    inside = creation.arange(longest, device=bag._device) < counts.unsqueeze(1)
    places = where(inside, places, 0)
    inside = inside & real[places]
    rows = where(inside.unsqueeze(2), found[places], -math.inf)
    return where(inside.any(1, keepdim=True), rows.max(1).values, 0.0)


def _check_bags(
    input: Tensor, offsets: Tensor | None, mode: str, weights: Tensor | None, by_freq: bool
) -> None:
    if weights is not None and weights.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({weights.shape}) is not None, then it must "
            f"have the same shape as the input ({input.shape})"
        )
    if input.ndim not in (1, 2):
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    if input.ndim == 2 and offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
            f"fixed length sequences. However, found offsets of type {type(offsets)}"
        )
    if input.ndim == 1 and (offsets is None or offsets.ndim != 1):
        got = " but got None" if offsets is None else ""
        raise ValueError(f"offsets has to be a 1D Tensor{got}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    for name, t in (("indices", input), ("offsets", offsets)):
        if t is not None and t.dtype not in (dtypes.int64, dtypes.int32):
            raise RuntimeError(
                f"Expected tensor for argument '{name}' to have one of the following scalar "
                f"types: Long, Int; but got {type_name(t.dtype)} (while checking arguments for "
                "embedding_bag)"
            )
    if weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}')."
        )
