"""Losses of classification and regression."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import FLOAT
from xptorch.nn.functional._reduction import chosen, reduced
from xptorch.ops._common import (
    check_cast,
    need_tensor,
    promote,
    shape_text,
    to_dtype,
    type_name,
    wrap_dim,
)
from xptorch.ops._numerics import in_float32, need_floating, widened
from xptorch.ops.elementwise.comparison import where
from xptorch.ops.layers import loss as ops
from xptorch.ops.layers.linear import linear
from xptorch.ops.layers.softmax import log_softmax
from xptorch.ops.shape import views

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


# ---- one of several classes


@widened
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−log softmax(input)[target]: the negative log-likelihood of classes given logits.

    Args:
        target: class indices, or a probability for each class.
        weight: one for each class.
        ignore_index: targets of this index do not contribute.
        reduction: "mean" divides by the sum of the targets' weights; "sum", "none".
        label_smoothing: this share of each target is spread over all classes.

    Shape: input (c), (n, c) or (n, c, d1, …); target indices (), (n) or (n, d1, …), or the
        input's shape for probabilities.

    Raises:
        IndexError: a target is not a class index.
    """
    reduction = chosen(size_average, reduce, reduction)
    need_tensor(input, "cross_entropy_loss", "self")
    need_tensor(target, "cross_entropy_loss", "target", 2)
    need_floating("log_softmax_lastdim_kernel_impl", input)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    x = input._data.shape
    if x == target._data.shape and x:
        if not target.is_floating_point():
            raise RuntimeError(
                "Expected floating point type for target with class probabilities, got "
                f"{type_name(target.dtype)}"
            )
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if not x:
        wrap_dim(1, 0)
    if label_smoothing:
        return _smoothed(input, target, weight, ignore_index, reduction, label_smoothing)
    return _by_class(ops.cross_entropy, input, target, weight, ignore_index, reduction)


@widened
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """−input[target] for log-probabilities; arguments and shapes as `cross_entropy`'s."""
    reduction = chosen(size_average, reduce, reduction)
    need_tensor(input, "nll_loss_nd", "self")
    need_tensor(target, "nll_loss_nd", "target", 2)
    need_floating("nll_loss_out_frame", input)
    return _by_class(ops.nll, input, target, weight, ignore_index, reduction)


def _by_class(
    core: Callable[..., Tensor],
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
) -> Tensor:
    """Reshape to (n, c, *) and (n, *), check the shapes, and call the operation."""
    given, ndim = target, input._data.ndim
    if ndim == 0:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if ndim == 1:
        if target.numel() != 1:
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {target.numel()}"
            )
        input, target = input.unsqueeze(0), target.reshape(1)
    sizes = input._data.shape
    _check_classes(sizes, target, weight)
    target = to_dtype(target, dtypes.int64)
    ignore = ops.ignored(target, sizes[1], ignore_index)
    if weight is not None and weight.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {type_name(input.dtype)} but found {type_name(weight.dtype)}"
        )
    if 0 in sizes and reduction == "none":
        return input.sum(1)
    result = in_float32(core, input, target, weight, ignore=ignore, reduction=reduction)
    if reduction == "none" and given.ndim == 0:
        return result.reshape(())
    return result


def _check_classes(x: tuple[int, ...], target: Tensor, weight: Tensor | None) -> None:
    t, dt = target._data.shape, target.dtype
    if not t or x[0] != t[0]:
        batch = t[0] if t else 1
        raise ValueError(
            f"Expected input batch_size ({x[0]}) to match target batch_size ({batch})."
        )
    if t[1:] != x[2:]:
        raise RuntimeError(
            f"Expected target size {shape_text((x[0], *x[2:]))}, got {shape_text(t)}"
        )
    if dt is not dtypes.int64 and dt is not dtypes.uint8:
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {type_name(dt)}")
    if weight is not None and weight._data.shape != x[1:2]:
        raise RuntimeError(
            f"weight tensor should be defined either for all {x[1]} classes or no classes but got "
            f"weight tensor of shape: {shape_text(weight.shape)}"
        )


def _smoothed(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    """(1 − s) times the loss of the target plus s times the mean loss of all classes."""
    axis = 0 if input.ndim == 1 else 1
    log_p = log_softmax(input, axis)
    hard = _by_class(ops.nll, log_p, target, weight, ignore_index, reduction)
    valid = target.reshape(log_p.sum(axis)._data.shape) != ignore_index
    every = -(log_p if weight is None else log_p * _along_channels(weight, input.ndim)).sum(axis)
    every = where(valid, every, 0.0)
    if reduction == "mean":
        if weight is None:
            count = valid.sum()
        else:
            safe = where(valid, target.reshape(valid.shape), 0)
            count = where(valid, weight[safe], 0.0).sum()
        every = every.sum() / count
    else:
        every = reduced(every, reduction)
    share = smoothing / input._data.shape[axis] if input._data.shape[axis] else 0.0
    return hard * (1 - smoothing) + every * share


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    axis = 0 if input.ndim == 1 else 1
    classes = input._data.shape[axis]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            "cross_entropy: weight tensor should be defined either for all "
            f"{classes} classes or no classes but got weight tensor of shape: "
            f"{shape_text(weight.shape)}"
        )
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    log_p = log_softmax(input, axis)
    if weight is not None:
        log_p = log_p * _along_channels(weight, input.ndim)
    losses = -(log_p * target).sum(axis)
    if reduction == "mean":
        rows = math.prod(input._data.shape) // classes if classes else 0
        return losses.sum() / rows if rows else losses.sum() * math.nan
    return reduced(losses, reduction)


def _along_channels(weight: Tensor, ndim: int) -> Tensor:
    return weight.reshape(-1, *[1] * (ndim - 2)) if ndim > 1 else weight


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy` of the logits input · linear_weightᵀ + linear_bias.

    Shape: input (n, in) or (in), linear_weight (c, in) or (c, d1, …, in), target as for
        `cross_entropy` of logits (n, c) or (n, c, d1, …).
    """
    if options is not None:
        raise NotImplementedError("linear_cross_entropy: options (chunking)")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    out = linear_weight.shape[:-1]
    if len(out) > 1 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} "
            f"requires batched input, got unbatched input with shape {tuple(input.shape)}"
        )
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = linear(input, linear_weight.reshape(-1, linear_weight.shape[-1]), bias)
    logits = logits.reshape(*input.shape[:-1], *out)
    settings: dict[str, Any] = {"reduction": reduction, "label_smoothing": label_smoothing}
    if ignore_index is not None:
        settings["ignore_index"] = ignore_index
    return cross_entropy(logits, target, weight, **settings)


# ---- two classes


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """−t log x − (1 − t) log(1 − x), for probabilities x; logarithms are clamped at −100.

    Shape: the same for input and target; weight broadcasts to it.
    """
    reduction = chosen(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        )
    need_floating("binary_cross_entropy", input)
    _need_dtype(target, input)
    if weight is not None:
        _need_constant("binary_cross_entropy", weight=weight)
        weight = weight.expand(_fitting(weight, input))
    if input._device.type == "cpu" and input.numel():
        x = input._data
        if not (x.min() >= 0 and x.max() <= 1):
            raise RuntimeError("all elements of input should be between 0 and 1")
    return in_float32(ops.bce, input, target, weight, reduction=reduction)


@widened
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of σ(input), computed from the logits for numerical stability.

    Args:
        pos_weight: multiplies the loss of positive targets.

    Shape: the same for input and target; the weights broadcast to it.
    """
    reduction = chosen(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    need_floating("log_sigmoid_cpu", input)
    check_cast(input.dtype, target.dtype)
    name = "binary_cross_entropy_with_logits"
    _need_constant(name, weight=weight, pos_weight=pos_weight)
    for t in (weight, pos_weight):
        if t is not None:
            _fitting(t, input)
    inputs = (input, target, weight, pos_weight)
    return in_float32(ops.bce_with_logits, *inputs, reduction=reduction)


def _need_constant(function: str, **weights: Tensor | None) -> None:
    for name, t in weights.items():
        if t is not None and t.requires_grad:
            raise RuntimeError(
                f"The function '{function}' is not differentiable with respect to argument "
                f"'{name}'. This input cannot have requires_grad True."
            )


def _need_dtype(target: Tensor, input: Tensor) -> None:
    if target.dtype is not input.dtype:
        raise RuntimeError(
            f"Found dtype {type_name(target.dtype)} but expected {type_name(input.dtype)}"
        )


def _fitting(weight: Tensor, input: Tensor) -> tuple[int, ...]:
    common = tuple(views.broadcast_shapes(weight.shape, input.shape))
    if common != tuple(input.shape):
        raise RuntimeError(
            f"output with shape {shape_text(input.shape)} doesn't match the broadcast shape "
            f"{shape_text(common)}"
        )
    return common


# ---- regression


def _pair(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in their common dtype and shape, with a warning where they differ in shape."""
    if target._data.shape != input._data.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )
        input, target = views.broadcast_tensors(input, target)
    a, b = promote(input, target)
    return a, b


def _weighted(losses: Tensor, weight: Tensor, reduction: str) -> Tensor:
    if weight.shape != losses.shape:
        raise ValueError("Weights and input must have the same size.")
    losses = losses * weight
    return losses.sum() / weight.sum() if reduction == "mean" else reduced(losses, reduction)


@widened
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(x − t)²; with weights, "mean" is the weighted mean."""
    reduction = chosen(size_average, reduce, reduction)
    a, b = _pair(input, target)
    need_floating("mse_cpu", a)
    if weight is not None:
        return _weighted(in_float32(ops.mse, a, b, reduction="none", bend=0.0), weight, reduction)
    return in_float32(ops.mse, a, b, reduction=reduction, bend=0.0)


@widened
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|x − t|; with weights, "mean" is the weighted mean."""
    reduction = chosen(size_average, reduce, reduction)
    a, b = _pair(input, target)
    if a.dtype.category != FLOAT:
        return reduced((a - b).abs(), reduction)
    if weight is not None:
        return _weighted(in_float32(ops.l1, a, b, reduction="none", bend=0.0), weight, reduction)
    return in_float32(ops.l1, a, b, reduction=reduction, bend=0.0)


@widened
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """(x − t)² / 2β where |x − t| < β, elsewhere |x − t| − β/2."""
    reduction = chosen(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    a, b = _pair(input, target)
    if beta == 0.0:
        return l1_loss(a, b, reduction=reduction)
    need_floating("smooth_l1_cpu", a)
    return in_float32(ops.smooth_l1, a, b, reduction=reduction, bend=float(beta))


@widened
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """(x − t)² / 2 where |x − t| ≤ δ, elsewhere δ (|x − t| − δ/2)."""
    reduction = chosen(None, None, reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    a, b = _pair(input, target)
    need_floating("huber_cpu", a)
    check_cast(a.dtype, input.dtype)
    bend = float(delta)
    if weight is not None:
        losses = in_float32(ops.huber, a, b, reduction="none", bend=bend)
        return _weighted(losses, weight, reduction)
    return to_dtype(in_float32(ops.huber, a, b, reduction=reduction, bend=bend), input.dtype)
