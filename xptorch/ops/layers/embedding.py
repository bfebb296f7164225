"""Table look-ups by index: embedding, one_hot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._engine import graph
from xptorch._engine.op import op
from xptorch.ops._common import extremes, need_tensor, to_dtype, type_name
from xptorch.ops.elementwise.comparison import where

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["embedding"]


def _embedding_forward(
    xp: Any, weight: Any, index: Any, shares: Any, *, padding: int | None
) -> Any:
    rows = xp.take(weight, xp.reshape(index, (-1,)), axis=0)
    return xp.reshape(rows, (*index.shape, weight.shape[1]))


def _embedding_vjp(
    xp: Any, g: Any, needs: Any, weight_shape: Any, index: Any, shares: Any, padding: Any
) -> Any:
    count, width = weight_shape
    index = xp.reshape(index, (-1,))
    g = xp.reshape(g, (math.prod(index.shape), width))
    if shares is not None:
        g = g / shares
    if padding is not None:
        real = xp.expand_dims(index != padding, axis=1)
        g = xp.where_or_zero(g, xp.broadcast_to(real, g.shape))
    return xp.segment_sum(g, index, count), None, None


def _embedding_reference(
    weight: Tensor, index: Tensor, shares: Tensor | None, *, padding: int | None
) -> Tensor:
    flat = index.reshape(-1)
    rows = weight[flat]
    if padding is not None:
        rows = where((flat == padding).unsqueeze(1), rows.detach(), rows)
    if shares is not None:  # the value is unchanged, only its gradient is divided
        rows = rows.detach() * (1 - 1 / shares) + rows / shares
    return rows.reshape(*index.shape, weight.shape[1])


_embedding = op("embedding", _embedding_forward, vjp=_embedding_vjp, reference=_embedding_reference)


def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of `weight` by index; the row `padding_idx`, if not negative, gets no gradient."""
    return lookup(weight, indices, padding_idx, scale_grad_by_freq, sparse)


def lookup(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int,
    by_freq: bool,
    sparse: bool,
    counted: Tensor | None = None,
) -> Tensor:
    """`embedding`; `by_freq` may count the indices `counted` instead of those looked up."""
    need_tensor(weight, "embedding", "weight")
    need_tensor(indices, "embedding", "indices", 2)
    if sparse:
        raise NotImplementedError("embedding: sparse gradients")
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if indices.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {indices._device.type}.{type_name(indices.dtype)}Tensor instead "
            "(while checking arguments for embedding)"
        )
    if not weight.shape[0] and indices.numel():
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    check_rows(indices, weight.shape[0])
    padding = padding_idx if padding_idx >= 0 else None
    shares = None
    if by_freq:
        flat = indices.reshape(-1).long()
        counts = flat.new_zeros(weight.shape[0]).index_add(0, flat, flat.new_ones(flat.shape))
        counts = counts[flat if counted is None else counted]
        shares = to_dtype(counts, weight.dtype).unsqueeze(1)
    return _embedding(weight, indices, shares, padding=padding)


def check_rows(indices: Tensor, count: int) -> None:
    """Raise for an index out of range; only on the CPU, elsewhere the check would synchronise."""
    raw, on = indices._data, indices._device
    if on.type != "cpu" or 0 in raw.shape:
        return
    low, high = extremes(on.xp, raw)
    if low < 0 or high >= count:
        raise IndexError("index out of range in self")


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Each index as a vector of zeros with a 1 at that index.

    Args:
        num_classes: the length of the vectors; −1 for the largest index + 1.
    """
    need_tensor(tensor, "one_hot")
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return tensor.new_zeros(*tensor.shape, num_classes)
    if int(tensor.min()) < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(tensor.max()) + 1
    elif num_classes <= int(tensor.max()):
        raise RuntimeError("Class values must be smaller than num_classes.")
    on = tensor._device
    classes = on.xp.arange(num_classes, dtype=tensor._data.dtype, device=tensor._data.device)
    hot = on.xp.expand_dims(tensor._data, axis=-1) == classes
    return to_dtype(graph.wrap(hot, on), dtypes.int64)
