"""Group norm: sums by NumPy, elementwise operations by oneDNN."""

from __future__ import annotations

from typing import Any

import numpy as np
from xptorch.backends.numpy import openblas
from xptorch.backends.numpy.kernels import normalization
from xptorch.backends.numpy.onednn import library as dnn

from xptorch._core.backend import Array

_PAYS_FROM = 1 << 16  # elements


@dnn.kept
def _built(rows: int, width: int, threads: int) -> tuple[dnn.Primitive, dnn.Primitive] | None:
    """x · column + column, and x · column − matrix."""
    x, column = dnn.dense((1, rows, width)), dnn.dense((1, rows, 1))
    return dnn.chain("mul", x, column, ("add", column)), dnn.chain("mul", x, column, ("sub", x))


def _found(a: Array, groups: int, *others: Array | None) -> Any:
    """The primitives for a (n, c, s…), and its shape (n · groups, channels per group, elements)."""
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
    grad = np.ascontiguousarray(g)
    with openblas.one_thread:
        sums = grad.reshape(shape) @ np.ones(shape[2], np.float32)
        products = np.vecdot(grad.reshape(shape), a.reshape(shape))
    to_a = None
    if needs[0]:
        weights = normalization._by_group(weight, 1, *shape[:2], np.float32)
        correction = normalization._group_correction(
            sums, products, weights, mean, rstd, shape[1] * shape[2]
        )
        factor, offset = (np.repeat(v, shape[1]) for v in correction)
        to_a = np.empty(a.shape, np.float32)
        affine(a, factor, to_a, offset)
        less(grad, rstd[:, None] * weights, to_a, to_a)
    return to_a, *normalization._group_gradients(needs, sums, products, mean, rstd, a.shape[1])
