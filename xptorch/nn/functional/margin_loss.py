"""Margin losses, and losses of embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xptorch._core import dtype as dtypes
from xptorch.nn.functional._reduction import chosen, reduced
from xptorch.ops._common import check_cast, shape_text, to_dtype, type_name
from xptorch.ops._numerics import need_floating, widened
from xptorch.ops.elementwise import arithmetic
from xptorch.ops.elementwise.comparison import where
from xptorch.ops.layers.activation import logsigmoid, relu, softplus
from xptorch.ops.linalg.distance import pairwise_distance
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


@widened
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where the target is 1, max(0, margin − x) where it is −1."""
    reduction = chosen(size_average, reduce, reduction)
    positive = where(target == -1, 0.0, input)
    negative = where(target == 1, 0.0, (margin - input).clamp_min(0))
    return reduced(positive + negative, reduction)


@widened
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, −t (x₁ − x₂) + margin): the first is to rank higher where t is 1, lower for −1."""
    reduction = chosen(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


@widened
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 − cos(x₁, x₂) where the target is 1, max(0, cos(x₁, x₂) − margin) where it is −1.

    Shape: inputs (n, d) and target (n), or (d) and ().
    """
    reduction = chosen(size_average, reduce, reduction)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    wanted = target.ndim + 1
    if input1.ndim != wanted or input2.ndim != wanted:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {wanted}D input tensors, but found inputs with "
            f"sizes {shape_text(input1.shape)} and {shape_text(input2.shape)}."
        )
    eps = 1e-12
    product = (input1 * input2).sum(-1)
    sizes = ((x * x).sum(-1) + eps for x in (input1, input2))
    first, second = sizes
    cos = product / arithmetic.sqrt(first * second)
    positive = where(target == 1, 1 - cos, 0.0)
    negative = where(target == -1, (cos - margin).clamp_min(0), 0.0)
    return reduced(positive + negative, reduction)


# ---- triplets


@widened
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) − d(a, n) + margin), with the distance ‖x − y + ε‖_p.

    Args:
        swap: use d(p, n) in place of d(a, n) where it is smaller.
    """
    reduction = chosen(size_average, reduce, reduction)

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with any distance; by default the Euclidean one."""
    reduction = chosen(None, None, reduction)
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = arithmetic.minimum(far, distance(positive, negative))
    return reduced((margin + near - far).clamp_min(0), reduction)


# ---- several labels


@widened
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(−t x)), for targets of 1 and −1."""
    reduction = chosen(size_average, reduce, reduction)
    z = -target * input
    if z.dtype.category < dtypes.FLOAT:
        check_cast(dtypes.get_default_dtype(), z.dtype)
    return reduced(to_dtype(softplus(z, 1.0, 1e30), input.dtype), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """−t log σ(x) − (1 − t) log σ(−x), averaged over the classes (last axis)."""
    if size_average is not None or reduce is not None:
        reduction = chosen(size_average, reduce, reduction)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    losses = losses.mean(-1)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    return reduced(losses, reduction)


@widened
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Σ_i max(0, margin − x[t] + x[i])^p / c over the classes i ≠ t.

    Shape: input (n, c) or (c), target (n) or ().
    """
    reduction = chosen(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    need_floating("multi_margin_loss", input)
    if target.dtype is not dtypes.int64:
        raise RuntimeError(f"expected scalar type Long but found {type_name(target.dtype)}")
    if input.ndim > 2 or (input.ndim and not input.shape[-1]):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{shape_text(input.shape)}"
        )
    rows = input if input.ndim == 2 else input.reshape(1, -1)
    n, classes = rows._data.shape
    if target.ndim > 1 or target.numel() != n:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input "
            f"samples (batch size). Expected target size [{n}], but got "
            f"{shape_text(target.shape)}. Input has shape {shape_text(input.shape)}."
        )
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(
            f"inconsistent weight size, expected {classes} but got {shape_text(weight.shape)}"
        )
    flat = target.reshape(-1)
    if n and (int(flat.min()) < 0 or int(flat.max()) >= classes):
        raise RuntimeError("target out of range")
    at = flat.unsqueeze(1)
    gap = relu(margin - rows.gather(1, at) + rows)
    if p == 2:
        gap = gap * gap
    if weight is not None:
        gap = gap * weight[flat].unsqueeze(1)
    others = creation.arange(classes, device=input._device) != at
    losses = where(others, gap, 0.0).sum(1) / classes
    if reduction == "none" and target.ndim == 0:
        losses = losses.reshape(())
    return reduced(losses, reduction)


@widened
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Σ_j Σ_i max(0, 1 − x[t_j] + x[i]) / c over the labels t_j and all other classes i.

    Shape: input and target (n, c) or (c); a row's labels end at the first −1.
    """
    reduction = chosen(size_average, reduce, reduction)
    need_floating("multilabel_margin_loss_forward_out", input)
    if target.dtype is not dtypes.int64:
        raise RuntimeError(f"expected scalar type Long but found {type_name(target.dtype)}")
    if input.ndim > 2 or (input.ndim and not input.shape[-1]):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{shape_text(input.shape)}"
        )
    if (
        target.ndim > 2
        or target.numel() != input.numel()
        or (input.ndim == 2 and target.shape != input.shape)
    ):
        raise RuntimeError(
            f"inconsistent target size: {shape_text(target.shape)} for input of size: "
            f"{shape_text(input.shape)}"
        )
    rows = input if input.ndim == 2 else input.reshape(1, -1)
    labels = target.reshape(rows.shape)
    classes = rows._data.shape[1]
    if labels.numel() and (int(labels.min()) < -1 or int(labels.max()) >= classes):
        raise RuntimeError("argument #2 'target' is out of range")
    listed = to_dtype(labels < 0, dtypes.int64).cumsum(1) == 0
    safe = where(listed, labels, 0)
    places = creation.arange(classes, device=input._device)
    hit = (safe.unsqueeze(2) == places) & listed.unsqueeze(2)
    wrong = ~hit.any(1, keepdim=True) & listed.unsqueeze(2)
    gap = relu(1 - rows.gather(1, safe).unsqueeze(2) + rows.unsqueeze(1))
    losses = where(wrong, gap, 0.0).sum((1, 2)) / classes
    return reduced(losses if input.ndim == 2 else losses.reshape(()), reduction)
