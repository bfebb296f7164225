"""Group norm: the sums by NumPy, what is done to each number by oneDNN."""

from __future__ import annotations

from typing import Any

import numpy as np
from xptorch.backends.numpy import openblas
from xptorch.backends.numpy.kernels import normalization
from xptorch.backends.numpy.onednn import library as dnn

from xptorch._core.backend import Array

_PAYS_FROM = 1 << 16  # numbers


@dnn.kept
def _built(rows: int, width: int, threads: int) -> tuple[dnn.Primitive, dnn.Primitive] | None:
    """x · column + column, and x · column − matrix."""
    x, column = dnn.dense((1, rows, width)), dnn.dense((1, rows, 1))
    return dnn.chain("mul", x, column, ("add", column)), dnn.chain("mul", x, column, ("sub", x))


def _found(a: Array, groups: int, *others: Array | None) -> Any:
    """The primitives for a (n, c, s…), and how its groups, channels and numbers lie."""
    if not dnn.handles(a.size >= _PAYS_FROM, a, *others) or not a.flags.c_contiguous:
        return None
    n, c = a.shape[:2]
    built = _built(n * c, a.size // (n * c), dnn.threads(a.size))
    return built and (built, (n * groups, c // groups, a.size // (n * c)))


def group_norm_forward(
    a: Array, weight: Array | None, bias: Array | None, *, groups: int, eps: float
) -> Any:
    if (found := _found(a, groups, weight, bias)) is None:
        return NotImplemented
    (affine, _), shape = found
    x = a.reshape(shape[0], -1)
    with openblas.one_thread:
        mean, rstd, far = normalization._moments(x, np.ones(x.shape[1], np.float32), eps)
    if far:
        return NotImplemented
    scale = rstd[:, None] * normalization._by_group(weight, 1, *shape[:2], np.float32)
    constant = normalization._by_group(bias, 0, *shape[:2], np.float32) - mean[:, None] * scale
    y = np.empty(a.shape, np.float32)
    affine(a, scale, y, constant)
    return y, (mean, rstd)


def group_norm_vjp(
    g: Array, needs: Any, a: Array, weight: Array | None, aux: tuple[Array, Array], groups: int
) -> Any:
    if (found := _found(a, groups, g, weight, *aux)) is None:
        return NotImplemented
    (affine, less), shape = found
    mean, rstd = aux
    slope = np.ascontiguousarray(g)
    with openblas.one_thread:
        sums = slope.reshape(shape) @ np.ones(shape[2], np.float32)
        products = np.vecdot(slope.reshape(shape), a.reshape(shape))
    to_a = None
    if needs[0]:
        gains = normalization._by_group(weight, 1, *shape[:2], np.float32)
        drift = normalization._group_drift(sums, products, gains, mean, rstd, shape[1] * shape[2])
        bend, offset = (np.repeat(v, shape[1]) for v in drift)
        to_a = np.empty(a.shape, np.float32)
        affine(a, bend, to_a, offset)
        less(slope, rstd[:, None] * gains, to_a, to_a)
    return to_a, *normalization._group_gradients(needs, sums, products, mean, rstd, a.shape[1])
