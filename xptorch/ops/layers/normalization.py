"""Normalisation of the last axes or of groups: layer norm, root-mean-square norm, group norm.

The ops reshape the input to a matrix whose rows are normalised, and save the rows' statistics. Sums
over rows and columns are products with a vector, several times faster than reductions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._engine.graph import column_sums
from xptorch._engine.op import dispatchable, op
from xptorch.ops._common import BOOL, INTEGER, need_tensor, refuse, shape_text
from xptorch.ops._numerics import (
    affine,
    in_float32,
    need_alike,
    need_floating,
    per_channel,
    row_sums,
)
from xptorch.ops.elementwise import arithmetic as e
from xptorch.ops.reduction import reduce

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["group_norm", "layer_norm", "rms_norm"]


def _rows(xp: Any, x: Any, width: int) -> Any:
    return xp.reshape(x, (math.prod(x.shape) // max(width, 1), width))


def _column(xp: Any, v: Any) -> Any:
    return xp.reshape(v, (-1, 1))


def _weighted(xp: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    """x · weight + bias for each row."""
    if weight is not None:
        x = x * xp.reshape(weight, (-1,))
    return x if bias is None else x + xp.reshape(bias, (-1,))


@dispatchable
def _layer_norm_forward(
    xp: Any, a: Any, weight: Any, bias: Any, *, shape: tuple[int, ...], eps: float
) -> Any:
    width = math.prod(shape)
    x = _rows(xp, a, width)
    mean = row_sums(xp, x) / width
    y = x - _column(xp, mean)
    rstd = 1 / xp.sqrt(xp.vecdot(y, y) / width + eps)
    y = _weighted(xp, y * _column(xp, rstd), weight, bias)
    return xp.reshape(y, a.shape), (mean, rstd)


@dispatchable
def _layer_norm_vjp(
    xp: Any,
    g: Any,
    needs: Any,
    a: Any,
    weight: Any,
    aux: Any,
    shape: tuple[int, ...],
) -> Any:
    mean, rstd = aux
    width = math.prod(shape)
    g, x = _rows(xp, g, width), _rows(xp, a, width)
    to_a = to_weight = to_bias = None
    product = g * x
    if needs[1]:
        to_weight = xp.matmul(rstd, product) - xp.matmul(mean * rstd, g)
        to_weight = xp.reshape(to_weight, shape)
    if needs[2]:
        to_bias = xp.reshape(column_sums(xp, g), shape)
    if needs[0]:
        if weight is None:
            total, along = row_sums(xp, g), row_sums(xp, product)
        else:
            v = xp.reshape(weight, (-1,))
            total, along = xp.matmul(g, v), xp.matmul(product, v)
        to_a = _weighted(xp, g, weight) * _column(xp, rstd)
        to_a -= _statistics_gradient(xp, x, mean, rstd, total, along)
        to_a = xp.reshape(to_a, a.shape)
    return to_a, to_weight, to_bias


def _statistics_gradient(xp: Any, x: Any, mean: Any, rstd: Any, total: Any, along: Any) -> Any:
    """The term subtracted from the gradient because mean and variance depend on the rows, too.

    Args:
        total, along: for each row the sum of g · weight, and of g · weight · x.
    """
    width = x.shape[1]
    bend = (along - total * mean) * rstd * rstd * rstd / width
    d = x * _column(xp, bend)
    d += _column(xp, total * rstd / width - bend * mean)
    return d


def _layer_norm_reference(
    a: Tensor, weight: Tensor | None, bias: Tensor | None, *, shape: tuple[int, ...], eps: float
) -> Tensor:
    rows = a.reshape(-1, math.prod(shape))
    centred = rows - reduce.mean(rows, 1, True)
    y = centred * e.rsqrt(reduce.var(rows, 1, correction=0, keepdim=True) + eps)
    return affine(y.reshape(a.shape), weight, bias)


_layer_norm = op(
    "layer_norm",
    _layer_norm_forward,
    vjp=_layer_norm_vjp,
    reference=_layer_norm_reference,
    aux=True,
)


@dispatchable
def _rms_norm_forward(xp: Any, a: Any, weight: Any, *, shape: tuple[int, ...], eps: float) -> Any:
    width = math.prod(shape)
    x = _rows(xp, a, width)
    rstd = 1 / xp.sqrt(xp.vecdot(x, x) / width + eps)
    y = _weighted(xp, x * _column(xp, rstd), weight)
    return xp.reshape(y, a.shape), rstd


@dispatchable
def _rms_norm_vjp(
    xp: Any, g: Any, needs: Any, a: Any, weight: Any, aux: Any, shape: tuple[int, ...]
) -> Any:
    width = math.prod(shape)
    rstd, x, g = aux, _rows(xp, a, width), _rows(xp, g, width)
    product = g * x
    to_a = to_weight = None
    if needs[1]:
        to_weight = xp.reshape(xp.matmul(rstd, product), shape)
    if needs[0]:
        if weight is None:
            along = row_sums(xp, product)
        else:
            along = xp.matmul(product, xp.reshape(weight, (-1,)))
        to_a = _weighted(xp, g, weight) * _column(xp, rstd)
        to_a -= x * _column(xp, along * rstd * rstd * rstd / width)
        to_a = xp.reshape(to_a, a.shape)
    return to_a, to_weight


def _rms_norm_reference(
    a: Tensor, weight: Tensor | None, *, shape: tuple[int, ...], eps: float
) -> Tensor:
    rows = a.reshape(-1, math.prod(shape))
    y = rows * e.rsqrt(reduce.mean(rows * rows, 1, True) + eps)
    return affine(y.reshape(a.shape), weight, None)


_rms_norm = op(
    "rms_norm", _rms_norm_forward, vjp=_rms_norm_vjp, reference=_rms_norm_reference, aux=True
)


@dispatchable
def _group_norm_forward(xp: Any, a: Any, weight: Any, bias: Any, *, groups: int, eps: float) -> Any:
    n, c = a.shape[:2]
    width = math.prod(a.shape) // (n * groups)
    x = _rows(xp, a, width)
    mean = row_sums(xp, x) / width
    y = x - _column(xp, mean)
    rstd = 1 / xp.sqrt(xp.vecdot(y, y) / width + eps)
    y = xp.reshape(y, (n, c, -1))
    y *= xp.expand_dims(_by_channel(xp, rstd, weight, n, c), axis=2)
    if bias is not None:
        y += xp.reshape(bias, (c, 1))
    return xp.reshape(y, a.shape), (mean, rstd)


def _by_channel(xp: Any, rstd: Any, weight: Any, n: int, c: int) -> Any:
    """Each channel's scale, (n, c)."""
    groups = rstd.shape[0]
    scale = xp.broadcast_to(_column(xp, rstd), (groups, n * c // groups))
    scale = xp.reshape(scale, (n, c))
    return scale if weight is None else scale * weight


@dispatchable
def _group_norm_vjp(xp: Any, g: Any, needs: Any, a: Any, weight: Any, aux: Any, groups: int) -> Any:
    mean, rstd = aux
    n, c = a.shape[:2]
    shape, each = a.shape, (n * groups, c // groups)
    g, x = xp.reshape(g, (n * c, -1)), xp.reshape(a, (n * groups, -1))
    sums = xp.reshape(row_sums(xp, g), (n, c))
    products = xp.reshape(xp.vecdot(g, xp.reshape(x, g.shape)), (n, c))
    to_a = to_weight = to_bias = None
    if needs[1]:
        centred = xp.reshape(products, each) - _column(xp, mean) * xp.reshape(sums, each)
        to_weight = xp.sum(xp.reshape(centred * _column(xp, rstd), (n, c)), axis=0)
    if needs[2]:
        to_bias = xp.sum(sums, axis=0)
    if needs[0]:
        if weight is not None:
            sums, products = sums * weight, products * weight
        total = xp.sum(xp.reshape(sums, each), axis=1)
        along = xp.sum(xp.reshape(products, each), axis=1)
        to_a = g * _column(xp, _by_channel(xp, rstd, weight, n, c))
        to_a = xp.reshape(to_a, x.shape)
        to_a -= _statistics_gradient(xp, x, mean, rstd, total, along)
        to_a = xp.reshape(to_a, shape)
    return to_a, to_weight, to_bias


def _group_norm_reference(
    a: Tensor, weight: Tensor | None, bias: Tensor | None, *, groups: int, eps: float
) -> Tensor:
    width = a.numel() // (a.shape[0] * groups)
    y = _layer_norm_reference(a, None, None, shape=(width,), eps=eps)
    return affine(y, per_channel(weight, a.ndim), per_channel(bias, a.ndim))


_group_norm = op(
    "group_norm",
    _group_norm_forward,
    vjp=_group_norm_vjp,
    reference=_group_norm_reference,
    aux=True,
)


# ---- PyTorch's functions


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> Tensor:
    """(x − μ) / √(σ² + ε) · weight + bias over the last axes, those of `normalized_shape`."""
    need_tensor(input, "layer_norm")
    shape = _check_normalized("layer_norm", input, normalized_shape, weight, bias)
    need_floating("LayerNormKernelImpl", input)
    need_alike(input, weight, bias)
    if input.numel() == 0:
        return affine(input * 1.0, weight, bias)
    return in_float32(_layer_norm, input, weight, bias, shape=shape, eps=eps)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / √(mean(x²) + ε) · weight over the last axes, those of `normalized_shape`."""
    need_tensor(input, "rms_norm")
    if input.ndim == 0:
        raise ValueError("Input tensor must have at least 1 dimensions, but got 0")
    shape = _check_normalized("rms_norm", input, normalized_shape, weight, None)
    refuse("rms_norm", input, BOOL, INTEGER)
    if eps is None:
        wide = dtypes.float32 if input.dtype is dtypes.float16 else input.dtype
        eps = dtypes.finfo(wide).eps
    if input.numel() == 0:
        return affine(input * 1.0, weight, None)
    core = _rms_norm_reference if input.dtype.is_complex else _rms_norm
    return in_float32(core, input, weight, shape=shape, eps=eps)


def _check_normalized(
    name: str, input: Tensor, normalized_shape: Any, weight: Any, bias: Any
) -> tuple[int, ...]:
    if isinstance(normalized_shape, int):
        raise TypeError(
            f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, "
            f"not {type(normalized_shape).__name__}"
        )
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least "
            f"one element, but got normalized_shape = {shape_text(shape)}"
        )
    for label, t in (("weight", weight), ("bias", bias)):
        if t is not None and t._data.shape != shape:
            raise RuntimeError(
                f"Expected {label} to be of same shape as normalized_shape, but got {label} of "
                f"shape {shape_text(t.shape)} and normalized_shape = {shape_text(shape)}"
            )
    if input._data.shape[-len(shape) :] != shape:
        expected = "".join(f", {s}" for s in shape)
        raise RuntimeError(
            f"Given normalized_shape={shape_text(shape)}, expected input with shape [*{expected}], "
            f"but got input of size{shape_text(input.shape)}"
        )
    return shape


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enabled: bool = True,
) -> Tensor:
    """(x − μ) / √(σ² + ε) · weight + bias over each sample's groups of channels (axis 1)."""
    need_tensor(input, "group_norm")
    need_floating("GroupNormKernelImpl", input)
    need_alike(input, weight, bias)
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    channels = input._data.shape[1]
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {shape_text(input.shape)} and num_groups={num_groups}"
        )
    for label, t in (("weight", weight), ("bias", bias)):
        if t is not None and t._data.shape != (channels,):
            raise RuntimeError(
                f"Expected {label} to be a vector of size equal to the number of channels in "
                f"input, but got {label} of shape {shape_text(t.shape)} and input of shape "
                f"{shape_text(input.shape)}"
            )
    if input.numel() == 0:
        return input.clone()
    return in_float32(_group_norm, input, weight, bias, groups=num_groups, eps=eps)
