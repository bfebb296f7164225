"""Linear maps and look-ups in a table: linear, bilinear, embedding, one_hot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.mode import local
from xptorch._engine import graph
from xptorch._engine.graph import column_sums
from xptorch._engine.op import hot, op
from xptorch.ops._common import extremes, need_tensor, shape_text, to_dtype, type_name
from xptorch.ops._numerics import in_float32
from xptorch.ops.elementwise.comparison import where
from xptorch.ops.linalg import products

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["bilinear", "embedding"]


def _matrix(xp: Any, x: Any) -> Any:
    return x if x.ndim == 2 else xp.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


@hot
def _linear_forward(xp: Any, a: Any, weight: Any, bias: Any) -> Any:
    y = xp.matmul(_matrix(xp, a), xp.permute_dims(weight, (1, 0)))
    if bias is not None:
        y += bias
    return y if a.ndim == 2 else xp.reshape(y, (*a.shape[:-1], weight.shape[0]))


@hot
def _linear_vjp(xp: Any, g: Any, needs: Any, a: Any, weight: Any) -> Any:
    g = _matrix(xp, g)
    to_a = to_weight = to_bias = None
    if needs[0]:
        to_a = xp.matmul(g, weight)
        if a.ndim != 2:
            to_a = xp.reshape(to_a, a.shape)
    if needs[1]:
        to_weight = xp.matmul(xp.permute_dims(g, (1, 0)), _matrix(xp, a))
    if needs[2]:
        to_bias = column_sums(xp, g)
    return to_a, to_weight, to_bias


def _linear_reference(a: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y = products.matmul(a, weight.transpose(0, 1))
    return y if bias is None else y + bias


_linear = op("linear", _linear_forward, vjp=_linear_vjp, reference=_linear_reference)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input · weightᵀ + bias over the last axis.

    Shape: input (*, in), weight (out, in) or (in), bias (out) or (); out (*, out) or (*).
    """
    if local.mode.casting is not None:
        input, weight, bias = local.mode.casting(input, weight, bias)
    x, w = input._data, weight._data
    dt, shape = w.dtype, w.shape
    if x.dtype != dt or (bias is not None and bias._data.dtype != dt):
        other = weight if x.dtype != dt else bias
        raise RuntimeError(
            "expected mat1 and mat2 to have the same dtype, but got: "
            f"{type_name(input.dtype)} != {type_name(other.dtype)}"  # type: ignore[union-attr]
        )
    if len(shape) != 2 or x.ndim == 0:
        return _odd_linear(input, weight, bias)
    if x.shape[-1] != shape[1]:
        rows = math.prod(x.shape[:-1])
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and "
            f"{shape[1]}x{shape[0]})"
        )
    if bias is not None and bias._data.shape != shape[:1]:
        return _odd_linear(input, weight, bias)
    if input._device.dtype_of[dt] is dtypes.float16:
        return in_float32(_linear, input, weight, bias)
    return _linear(input, weight, bias)


def _odd_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if weight.ndim == 1:
        y = products.matmul(input, weight)
    elif weight.ndim == 2:
        y = products.matmul(input, weight.transpose(0, 1))
    else:
        raise RuntimeError("t() expects a tensor with <= 2 dimensions, but self is 3D")
    if bias is None:
        return y
    if bias.ndim == 1 and weight.ndim == 2 and bias.shape[0] not in (1, y.shape[-1]):
        raise RuntimeError(
            f"The expanded size of the tensor ({y.shape[-1]}) must match the existing size "
            f"({bias.shape[0]}) at non-singleton dimension {y.ndim - 1}. Target sizes: "
            f"{shape_text(y.shape)}.  Tensor sizes: {shape_text(bias.shape)}"
        )
    return y + bias


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_k = x₁ᵀ A_k x₂ + b_k over the last axes.

    Shape: (*, in1), (*, in2), weight (out, in1, in2), bias (out); out (*, out).
    """
    for t, name in ((input1, "input1"), (input2, "input2"), (weight, "weight")):
        need_tensor(t, "bilinear", name)
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            "bilinear(): input batch dimensions do not match: got "
            f"{shape_text(input1.shape)} and {shape_text(input2.shape)}"
        )
    n1, n2 = weight._data.shape[1:]
    if input1.shape[-1] != n1 or input2.shape[-1] != n2:
        raise RuntimeError(
            f"bilinear(): the inputs have {input1.shape[-1]} and {input2.shape[-1]} features, "
            f"but weight has shape {shape_text(weight.shape)}"
        )
    return in_float32(_bilinear, input1, input2, weight, bias)


def _bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    n_out, n1, n2 = weight._data.shape
    rows = input1.reshape(-1, n1) if n1 else input1.new_zeros(math.prod(input1.shape[:-1]), 0)
    through = linear(rows, weight.transpose(1, 2).reshape(n_out * n2, n1))
    through = through.reshape(*input1.shape[:-1], n_out, n2)
    y = (through * input2.unsqueeze(-2)).sum(-1, dtype=through.dtype)
    return y if bias is None else y + bias


# ---- tables


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
        g = xp.keep(g, xp.broadcast_to(real, g.shape))
    return xp.add_rows(g, index, count), None, None


def _embedding_reference(
    weight: Tensor, index: Tensor, shares: Tensor | None, *, padding: int | None
) -> Tensor:
    flat = index.reshape(-1)
    rows = weight[flat]
    if padding is not None:
        rows = where((flat == padding).unsqueeze(1), rows.detach(), rows)
    if shares is not None:  # the value stays, only its gradient is divided
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
    return look_up(weight, indices, padding_idx, scale_grad_by_freq, sparse)


def look_up(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int,
    by_freq: bool,
    sparse: bool,
    counted: Tensor | None = None,
) -> Tensor:
    """`embedding`; `by_freq` may go by other indices than those looked up."""
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
    """Raise for an index of no row; only on the CPU, elsewhere the look would cost a wait."""
    raw, on = indices._data, indices._device
    if on.type != "cpu" or 0 in raw.shape:
        return
    low, high = extremes(on.xp, raw)
    if low < 0 or high >= count:
        raise IndexError("index out of range in self")


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Each index as a vector of zeros with a 1 at its place.

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
    places = on.xp.arange(num_classes, dtype=tensor._data.dtype, device=tensor._data.device)
    hot = on.xp.expand_dims(tensor._data, axis=-1) == places
    return to_dtype(graph.wrap(hot, on), dtypes.int64)
