"""Steps of Adam and of SGD with momentum: elementwise formulas, fused into one pass or two each.

oneDNN builds a chain of operations per size. The coefficients of a formula may change from step to
step, with schedules, so a chain takes them as arrays of one element.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from xptorch.backends.numpy.kernels.blocking import as_vectors
from xptorch.backends.numpy.onednn import library as dnn

from xptorch._core.backend import Array

_PAYS_FROM = 1 << 15  # elements


@dnn.kept
def _adam(size: int, threads: int) -> tuple[dnn.Primitive, ...]:
    x, one = dnn.dense((1, size)), dnn.dense((1, 1))
    keep, times = ("sum",), ("mul", one)
    return (
        # m: (g - m) (1 - beta1) + m
        dnn.chain("sub", x, x, times, keep),
        # v: (g g (1 - beta2) / beta2 + v) beta2
        dnn.chain("mul", x, x, times, keep, times),
        # p: (m / (sqrt(1 v) + eps) change / shrink + p) shrink
        dnn.chain(
            *("mul", x, one),
            *(("sqrt",), ("add", one), ("inverse",), ("mul", x), times, keep, times),
        ),
    )


def adam_update(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array | None = None,
    *,
    t: float,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> Any:
    shrink = 1 - lr * weight_decay
    plain = largest is None and (decoupled or not weight_decay)
    if not plain or shrink <= 0 or beta1 < 0.5 or beta2 <= 0:
        return NotImplemented
    if (found := _vectors(_adam, g, p, m, v)) is None:
        return NotImplemented
    (averaged, squared, stepped), g, *targets = found
    root = math.sqrt(1 - beta2**t)
    change = -lr * root / (1 - beta1**t)
    w1, w2, b2, e, c, s = _ones(
        1 - beta1, (1 - beta2) / beta2, beta2, eps * root, change / shrink, shrink
    )
    to_p, to_m, to_v = targets
    averaged(g, to_m, to_m, w1)
    squared(g, g, to_v, w2, b2)
    stepped(to_v, _ONE, to_p, e, to_m, c, s)
    return p, m, v


@dnn.kept
def _momentum(size: int, threads: int) -> tuple[dnn.Primitive, ...]:
    x, one = dnn.dense((1, size)), dnn.dense((1, 1))
    keep, times = ("sum",), ("mul", one)
    return (
        # b: ((p decay + g) (1 - dampening) / momentum + b) momentum, or the same of g alone
        dnn.chain("mul", x, one, ("add", x), times, keep, times),
        dnn.chain("mul", x, one, keep, times),
        # p: b (-lr) + p
        dnn.chain("mul", x, one, keep),
    )


def momentum_update(
    p: Array,
    g: Array,
    b: Array,
    *,
    first: bool,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> Any:
    if first or nesterov or (found := _vectors(_momentum, g, p, b)) is None:
        return NotImplemented
    (decayed, averaged, stepped), g, to_p, to_b = found
    decay, weight, keep, change = _ones(weight_decay, (1 - dampening) / momentum, momentum, -lr)
    if weight_decay:
        decayed(to_p, decay, to_b, g, weight, keep)
    else:
        averaged(g, weight, to_b, keep)
    stepped(to_b, change, to_p)
    return p, b


def _vectors(make: Any, g: Array, p: Array, *states: Array) -> list[Any] | None:
    """What `make` builds, then g, p and the states as vectors; None if oneDNN is not used.

    The vectors of p and the states, which are updated, must be views.
    """
    if not dnn.handles(p.size >= _PAYS_FROM, p, g, *states):
        return None
    if not p.flags.forc or any(s.strides != p.strides for s in states):
        return None
    built = make(p.size, dnn.threads(2 * p.size))
    to_p, g, *others = as_vectors(p, g, *states)
    return built and [built, g, to_p, *others]


_ONE = np.ones(1, np.float32)


def _ones(*numbers: float) -> list[Array]:
    """Scalars as arrays of one element."""
    vector = np.array(numbers, np.float32)
    return [vector[i : i + 1] for i in range(len(numbers))]
