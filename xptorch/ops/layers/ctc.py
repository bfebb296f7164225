"""Connectionist temporal classification (Graves et al. 2006): the sum over all alignments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._engine.op import op
from xptorch.ops.elementwise.comparison import where
from xptorch.ops.layers.softmax import logsumexp
from xptorch.ops.shape import creation
from xptorch.ops.shape.joining import cat, stack

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__: list[str] = []
_NONE = -math.inf


def _log_add(xp: Any, *terms: Any) -> Any:
    """log Σ exp of the terms, −∞ where all are −∞."""
    m = terms[0]
    for t in terms[1:]:
        m = xp.maximum(m, t)
    m = xp.where_or_zero(m, m != _NONE)
    total = xp.exp(terms[0] - m)
    for t in terms[1:]:
        total = total + xp.exp(t - m)
    return xp.log(total) + m


def _shifted(xp: Any, x: Any, by: int) -> Any:
    """Rows shifted right (left if negative) by `by`, filled with −∞."""
    n, width = x.shape
    fill = xp.full((n, min(abs(by), width)), _NONE, dtype=x.dtype, device=x.device)
    if by > 0:
        return xp.concat([fill, x[:, : width - fill.shape[1]]], axis=1)
    return xp.concat([x[:, fill.shape[1] :], fill], axis=1)


def _masked(xp: Any, x: Any, mask: Any) -> Any:
    return xp.where(mask, x, xp.full_like(x, _NONE))


def _forward(
    xp: Any, lp: Any, path: Any, skips: Any, steps: Any, ends: Any, *, zero_infinity: bool
) -> Any:
    """Losses of (t, n, c) log-probabilities along `path`, (n, 2s + 1): labels between blanks.

    `skips` is True where a path may skip a blank, `ends` the index of each path's last blank.
    """
    place = xp.expand_dims(xp.arange(path.shape[1], dtype=path.dtype, device=path.device), axis=0)
    last = xp.expand_dims(ends, axis=1)
    inside = place <= last
    emitted = [xp.take_along_axis(lp[t, ...], path, axis=1) for t in range(lp.shape[0])]
    alpha = _masked(xp, emitted[0], (place <= 1) & inside)
    alphas = [alpha]
    for e in emitted[1:]:
        two = _masked(xp, _shifted(xp, alpha, 2), skips)
        alpha = _masked(xp, _log_add(xp, alpha, _shifted(xp, alpha, 1), two) + e, inside)
        alphas.append(alpha)
    final = xp.where(last == 0, place == 0, (place == last) | (place == last - 1))
    losses = xp.zeros((lp.shape[1],), dtype=lp.dtype, device=lp.device)
    for t, alpha in enumerate(alphas):
        at_end = _masked(xp, alpha, final)
        top = xp.max(at_end, axis=1, keepdims=True)
        top = xp.where_or_zero(top, top != _NONE)
        total = xp.log(xp.sum(xp.exp(at_end - top), axis=1)) + top[:, 0]
        losses = xp.where(steps == t + 1, -total, losses)
    y = xp.where_or_zero(losses, losses != math.inf) if zero_infinity else losses
    return y, (emitted, alphas, final, inside, losses)


def _vjp(
    xp: Any,
    g: Any,
    needs: Any,
    lp: Any,
    path: Any,
    skips: Any,
    steps: Any,
    aux: Any,
    zero_infinity: bool,
) -> Any:
    emitted, alphas, final, inside, losses = aux
    n, classes = lp.shape[1:]
    beta = xp.full_like(alphas[0], _NONE)
    jumps = _shifted(xp, xp.where(skips, xp.zeros_like(beta), beta), -2) == 0
    grads = []
    for t in reversed(range(lp.shape[0])):
        two = _masked(xp, _shifted(xp, beta, -2), jumps)
        beta = _masked(xp, _log_add(xp, beta, _shifted(xp, beta, -1), two) + emitted[t], inside)
        ending = xp.expand_dims(steps == t + 1, axis=1)
        beta = xp.where(ending, _masked(xp, emitted[t], final), beta)
        share = xp.exp(alphas[t] + beta - emitted[t] + xp.expand_dims(losses, axis=1))
        share = xp.where_or_zero(share, (alphas[t] != _NONE) & (beta != _NONE))
        # As in PyTorch, the gradient is that by the logits before a log_softmax.
        d = xp.exp(lp[t, ...]) - xp.add_along_axis(share, path, 1, (n, classes))
        live = xp.broadcast_to(xp.expand_dims(steps > t, axis=1), d.shape)
        grads.append(xp.where_or_zero(d * xp.expand_dims(g, axis=1), live))
    grad = xp.stack(grads[::-1], axis=0)
    if zero_infinity:
        finite = xp.reshape(losses != math.inf, (1, n, 1))
        grad = xp.where_or_zero(grad, xp.broadcast_to(finite, grad.shape))
    return grad, None, None, None, None


def _reference(
    lp: Tensor, path: Tensor, skips: Tensor, steps: Tensor, ends: Tensor, *, zero_infinity: bool
) -> Tensor:
    never = -1e30  # instead of −∞, whose differences are NaN
    place = creation.arange(path.shape[1], device=lp._device)
    last = ends.unsqueeze(1)
    inside = place <= last
    gap = lp.new_full((lp.shape[1], 2), never)
    emitted = [row.gather(1, path) for row in lp.unbind(0)]
    alpha = where((place <= 1) & inside, emitted[0], never)
    losses = lp.new_zeros(lp.shape[1])
    final = (place == last) | (place == last - 1)
    for t, e in enumerate(emitted):
        if t:
            one = cat([gap[:, :1], alpha[:, :-1]], 1)
            two = where(skips, cat([gap, alpha], 1)[:, : path.shape[1]], never)
            alpha = where(inside, logsumexp(stack([alpha, one, two]), 0) + e, never)
        total = logsumexp(where(final, alpha, never), 1)
        losses = where(steps == t + 1, -total, losses)
    # PyTorch's gradient is that by the logits before a log_softmax: this adds its Σ exp term.
    shares = lp.exp().sum(2)
    live = creation.arange(lp.shape[0], device=lp._device).unsqueeze(1) < steps
    losses = losses + where(live, shares - shares.detach(), 0.0).sum(0)
    return where(losses > 1e29, 0.0 if zero_infinity else math.inf, losses)


_ctc = op("ctc", _forward, vjp=_vjp, reference=_reference, aux=True)


def ctc(
    log_probs: Tensor, labels: Tensor, steps: Tensor, counts: Tensor, blank: int, zero: bool
) -> Tensor:
    """Losses of (t, n, c) log-probabilities, the first `counts` (n) of labels (n, s)."""
    n, s = labels._data.shape
    path = labels.new_full((n, 2 * s + 1), blank)
    path[:, 1::2] = labels
    skips = path.new_zeros((n, 2 * s + 1)) != 0
    if s:
        skips[:, 2:] = (path[:, 2:] != path[:, :-2]) & (path[:, 2:] != blank)
    return _ctc(log_probs, path, skips, steps, 2 * counts, zero_infinity=zero)
