"""Linear maps: linear, bilinear."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.mode import local
from xptorch._engine.graph import column_sums
from xptorch._engine.op import dispatchable, op
from xptorch.ops._common import need_tensor, shape_text, type_name
from xptorch.ops._numerics import in_float32
from xptorch.ops.linalg import products

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["bilinear"]


def _matrix(xp: Any, x: Any) -> Any:
    return x if x.ndim == 2 else xp.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


@dispatchable
def _linear_forward(xp: Any, a: Any, weight: Any, bias: Any) -> Any:
    y = xp.matmul(_matrix(xp, a), xp.permute_dims(weight, (1, 0)))
    if bias is not None:
        y += bias
    return y if a.ndim == 2 else xp.reshape(y, (*a.shape[:-1], weight.shape[0]))


@dispatchable
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
