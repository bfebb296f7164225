"""Losses that are single ops: by class index, by difference, and binary cross-entropy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._engine.op import dispatchable, op
from xptorch.ops._common import extremes
from xptorch.ops._numerics import log1pexp, row_sums
from xptorch.ops.elementwise.arithmetic import sigmoid_of
from xptorch.ops.elementwise.comparison import where
from xptorch.ops.index import scatter
from xptorch.ops.layers.softmax import log_softmax

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

REDUCTIONS = ("none", "mean", "sum")


# ---- one class for each row: logits or log-probabilities (n, c, d1 … dk), targets (n, d1 … dk)


def _classes_last(xp: Any, a: Any) -> Any:
    """(n, c, d1 … dk) as (n · d1 … dk, c)."""
    if a.ndim > 2:
        a = xp.permute_dims(a, (0, *range(2, a.ndim), 1))
        a = xp.reshape(a, (-1, a.shape[-1]) if a.shape[-1] else (math.prod(a.shape[:-1]), 0))
    return a


def _classes_second(xp: Any, d: Any, shape: tuple[int, ...]) -> Any:
    """The inverse of `_classes_last`."""
    if len(shape) > 2:
        d = xp.reshape(d, (shape[0], *shape[2:], shape[1]))
        d = xp.permute_dims(d, (0, len(shape) - 1, *range(1, len(shape) - 1)))
    return d


def _target_indices(
    xp: Any, x: Any, target: Any, weight: Any, ignore: int | None
) -> tuple[Any, Any]:
    """The targets' indices in the flattened rows, and their weights (None if all are 1)."""
    target = xp.reshape(target, (-1,))
    rows, step = x.shape[0], max(x.shape[1], 1)
    start = xp.arange(0, rows * step, step, dtype=target.dtype, device=x.device)
    if ignore is None:
        return start + target, None if weight is None else xp.take(weight, target, axis=0)
    valid = target != ignore
    target = xp.where_or_zero(target, valid)
    if weight is None:
        return start + target, xp.astype(valid, x.dtype)
    return start + target, xp.where_or_zero(xp.take(weight, target, axis=0), valid)


def _summed(xp: Any, losses: Any, w: Any, shape: Any, reduction: str) -> tuple[Any, Any]:
    """The reduced loss of rows, and the divisor of its gradient (None for 1)."""
    if reduction == "none":
        return xp.reshape(losses, (shape[0], *shape[2:])), None
    total = xp.sum(losses, dtype=losses.dtype)
    if reduction == "sum":
        return total, None
    count = losses.shape[0] if w is None else xp.sum(w)
    return total / count, count


def _row_gradient(xp: Any, g: Any, w: Any, count: Any) -> Any:
    g = xp.reshape(g, (-1,)) if g.ndim else g
    if count is not None:
        g = g / count
    return g if w is None else w * g


@dispatchable
def _cross_entropy_forward(
    xp: Any, a: Any, target: Any, weight: Any, *, ignore: int | None, reduction: str
) -> Any:
    x = _classes_last(xp, a)
    shifted = x - xp.softmax_shift(x, 1)
    at, w = _target_indices(xp, x, target, weight, ignore)
    exps = xp.exp(shifted)
    total = row_sums(xp, exps)
    losses = xp.log(total) - xp.take(xp.reshape(shifted, (-1,)), at, axis=0)
    if w is not None:
        losses *= w
    y, count = _summed(xp, losses, w, a.shape, reduction)
    return y, (exps, total, at, w, count)


@dispatchable
def _cross_entropy_vjp(xp: Any, g: Any, needs: Any, a_shape: Any, aux: Any) -> Any:
    exps, total, at, w, count = aux
    slope = _row_gradient(xp, g, w, count)
    d = exps * xp.reshape(slope / total, (-1, 1))
    flat = xp.reshape(d, (-1,))
    flat = xp.index_put(flat, at, xp.take(flat, at, axis=0) - slope)
    return _classes_second(xp, xp.reshape(flat, d.shape), a_shape), None, None


def _nll_forward(
    xp: Any, a: Any, target: Any, weight: Any, *, ignore: int | None, reduction: str
) -> Any:
    x = _classes_last(xp, a)
    at, w = _target_indices(xp, x, target, weight, ignore)
    losses = -xp.take(xp.reshape(x, (-1,)), at, axis=0)
    if w is not None:  # an ignored log-probability may be infinite
        losses = xp.where_or_zero(losses * w, w != 0)
    y, count = _summed(xp, losses, w, a.shape, reduction)
    return y, (at, w, count)


def _nll_vjp(xp: Any, g: Any, needs: Any, a: Any, aux: Any) -> Any:
    at, w, count = aux
    slope = _row_gradient(xp, g, w, count)
    flat = xp.zeros((math.prod(a.shape),), dtype=a.dtype, device=a.device)
    flat = xp.index_put(flat, at, xp.broadcast_to(-slope, at.shape))
    d = xp.reshape(flat, (-1, a.shape[1]))
    return _classes_second(xp, d, a.shape), None, None


def _nll_reference(
    a: Tensor, target: Tensor, weight: Tensor | None, *, ignore: int | None, reduction: str
) -> Tensor:
    valid = target == target if ignore is None else target != ignore
    safe = where(valid, target, 0)
    picked = scatter.gather(a, 1, safe.unsqueeze(1)).squeeze(1)
    w = valid.to(a.dtype) if weight is None else where(valid, weight[safe], 0.0)
    losses = where(valid, -w * picked, 0.0)
    if reduction == "none":
        return losses
    return losses.sum() / w.sum() if reduction == "mean" else losses.sum()


def _cross_entropy_reference(
    a: Tensor, target: Tensor, weight: Tensor | None, *, ignore: int | None, reduction: str
) -> Tensor:
    return _nll_reference(log_softmax(a, 1), target, weight, ignore=ignore, reduction=reduction)


cross_entropy = op(
    "cross_entropy",
    _cross_entropy_forward,
    vjp=_cross_entropy_vjp,
    reference=_cross_entropy_reference,
    aux=True,
)
nll = op("nll", _nll_forward, vjp=_nll_vjp, reference=_nll_reference, aux=True)


def ignored(target: Tensor, classes: int, ignore: int) -> int | None:
    """The index to ignore, None where no target has it.

    Checked only on the CPU: elsewhere that would synchronise with the device.

    Raises:
        IndexError: a target is not a class.
    """
    raw, xp = target._data, target._device.xp
    if target._device.type != "cpu" or 0 in raw.shape:
        return ignore
    low, high = extremes(xp, raw)
    if low >= 0 and high < classes:
        return ignore if low <= ignore <= high else None
    bad = raw[((raw < 0) | (raw >= classes)) & (raw != ignore)]
    if math.prod(bad.shape):
        raise IndexError(f"Target {int(xp.reshape(bad, (-1,))[0])} is out of bounds.")
    return ignore


# ---- elementwise on an input and a target of one shape, then reduced


def _reduced(xp: Any, losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    total, count = xp.sum(losses, dtype=losses.dtype), math.prod(losses.shape)
    if reduction == "sum":
        return total
    return total / count if count else total * math.nan


def _element_gradient(g: Any, shape: tuple[int, ...], reduction: str) -> Any:
    """The gradient of each element's loss: one number for all if the loss was reduced."""
    return g / (math.prod(shape) or 1) if reduction == "mean" else g


def _by_difference(
    name: str, value: Callable[..., Any], slope: Callable[..., Any]
) -> Callable[..., Any]:
    """The loss ``value(a − b)``; `slope` returns its derivative times the gradient."""

    def forward(xp: Any, a: Any, b: Any, *, reduction: str, bend: float) -> Any:
        return _reduced(xp, value(xp, a - b, bend), reduction)

    def to_a(xp: Any, g: Any, a: Any, b: Any, a_shape: Any, reduction: str, bend: float) -> Any:
        return slope(xp, a - b, _element_gradient(g, a_shape, reduction), bend)

    def to_b(xp: Any, g: Any, a: Any, b: Any, a_shape: Any, reduction: str, bend: float) -> Any:
        return slope(xp, b - a, _element_gradient(g, a_shape, reduction), bend)

    return op(name, forward, a=to_a, b=to_b)


def _smooth_l1_value(xp: Any, d: Any, beta: float) -> Any:
    size = xp.abs(d)
    return xp.where(size < beta, size * size * (0.5 / beta), size - 0.5 * beta)


def _huber_value(xp: Any, d: Any, delta: float) -> Any:
    size = xp.abs(d)
    return xp.where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta))


def _limited(xp: Any, d: Any, limit: float) -> Any:
    inside = xp.abs(d) < limit
    return xp.where_or_zero(d, inside) + limit * xp.where_or_zero(xp.sign(d), ~inside)


mse = _by_difference("mse", lambda xp, d, _: d * d, lambda xp, d, g, _: d * (2 * g))
l1 = _by_difference("l1", lambda xp, d, _: xp.abs(d), lambda xp, d, g, _: xp.sign(d) * g)
smooth_l1 = _by_difference(
    "smooth_l1",
    _smooth_l1_value,
    lambda xp, d, g, beta: _limited(xp, d, beta) * (g / beta),
)
huber = _by_difference("huber", _huber_value, lambda xp, d, g, delta: _limited(xp, d, delta) * g)


# ---- two classes


@dispatchable
def _bce_losses(xp: Any, a: Any, target: Any) -> Any:
    # −log σ(a) and −log(1 − σ(a)) share log1p(exp(−|a|)).
    return xp.relu(a) - a * target + xp.log1p(xp.exp(-xp.abs(a)))


@dispatchable
def _bce_backward(xp: Any, g: Any, a: Any, target: Any) -> Any:
    return (sigmoid_of(xp, a) - target) * g


def _bce_logits_forward(
    xp: Any, a: Any, target: Any, weight: Any, pos_weight: Any, *, reduction: str
) -> Any:
    if pos_weight is None:
        losses = _bce_losses(xp, a, target)
    else:
        scale = 1 + (pos_weight - 1) * target
        losses = (1 - target) * a + scale * log1pexp(xp, -a)
    if weight is not None:
        losses = losses * weight
    return _reduced(xp, losses, reduction)


def _bce_logits_vjp(
    xp: Any,
    g: Any,
    needs: Any,
    a: Any,
    target: Any,
    weight: Any,
    pos_weight: Any,
    a_shape: Any,
    reduction: str,
) -> Any:
    g = _element_gradient(g, a_shape, reduction)
    if weight is not None:
        g = g * weight
    if pos_weight is None:
        to_a = _bce_backward(xp, g, a, target) if needs[0] else None
        to_target = -a * g if needs[1] else None
        return to_a, to_target, None, None
    scale = 1 + (pos_weight - 1) * target
    to_a = (scale * sigmoid_of(xp, a) - pos_weight * target) * g if needs[0] else None
    to_target = None
    if needs[1]:
        to_target = (-a + (pos_weight - 1) * log1pexp(xp, -a)) * g
    return to_a, to_target, None, None


bce_with_logits = op("bce_with_logits", _bce_logits_forward, vjp=_bce_logits_vjp, broadcast=True)


def _bce_forward(xp: Any, a: Any, target: Any, weight: Any, *, reduction: str) -> Any:
    losses = (target - 1) * _floor_log(xp, 1 - a) - target * _floor_log(xp, a)
    if weight is not None:
        losses = losses * weight
    return _reduced(xp, losses, reduction)


def _floor_log(xp: Any, a: Any) -> Any:
    """log a, not below −100, so that the loss stays finite for probabilities of 0 and 1."""
    y = xp.log(a)
    return xp.maximum(y, xp.full_like(y, -100.0))


def _bce_vjp(
    xp: Any, g: Any, needs: Any, a: Any, target: Any, weight: Any, a_shape: Any, reduction: str
) -> Any:
    g = _element_gradient(g, a_shape, reduction)
    if weight is not None:
        g = g * weight
    to_a = to_target = None
    if needs[0]:
        spread = a * (1 - a)
        to_a = (a - target) / xp.maximum(spread, xp.full_like(spread, 1e-12)) * g
    if needs[1]:
        to_target = (xp.log(1 - a) - xp.log(a)) * g
    return to_a, to_target, None


bce = op("bce", _bce_forward, vjp=_bce_vjp)

__all__ = ["bce", "bce_with_logits", "cross_entropy", "huber", "l1", "mse", "nll", "smooth_l1"]
