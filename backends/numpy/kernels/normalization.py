"""Layer norm, root-mean-square norm and group norm.

Where a column is broadcast over a matrix, NumPy's inner loop is one row long. So operations on rows
are computed as x · A + B with matrices of rank one or two, which the BLAS computes in no more time
than one multiplication of arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from xptorch.backends.numpy.kernels.blocking import (
    for_row_blocks,
    is_eligible,
    scratch,
    sum_partials,
)

from xptorch._core.backend import Array

_NARROW = 16  # shorter rows are left to the generic functions


def _rank_two(a: Any, v: Any, b: Any, w: Any, out: Array) -> Array:
    """a vᵀ + b wᵀ. (NumPy does not call the BLAS for a product with a single column.)"""
    left, right = np.empty((2, out.shape[0]), out.dtype), np.empty((2, out.shape[1]), out.dtype)
    left[0], left[1], right[0], right[1] = a, b, v, w
    return np.matmul(left.T, right, out=out)


def _moments(x: Array, ones: Array, eps: float) -> tuple[Array, Array, bool]:
    """The rows' means and 1 / √(variance + eps), and whether some |mean| exceeds 2 √variance."""
    width = x.shape[1]
    mean = x @ ones / width
    square = np.vecdot(x, x) / width
    variance = square - mean * mean
    far = bool((variance * 5 < square).any())  # cancellation in the difference
    if far:
        centred = x - mean[:, None]
        variance = np.vecdot(centred, centred) / width
    return mean, 1 / np.sqrt(variance + eps), far


def _handles(a: Array, width: int, *vectors: Any) -> bool:
    return (
        is_eligible(a)
        and width >= _NARROW
        and all(v is None or v.dtype == a.dtype for v in vectors)
    )


def layer_norm_forward(
    a: Array, weight: Any, bias: Any, *, shape: tuple[int, ...], eps: float
) -> Any:
    width = math.prod(shape)
    if not _handles(a, width, weight, bias):
        return NotImplemented
    x = a.reshape(-1, width)
    result = np.empty(a.shape, a.dtype)
    y = result.reshape(x.shape)
    mean, rstd = np.empty((2, len(x)), a.dtype)
    ones = np.ones(width, a.dtype)
    v = ones if weight is None else weight.reshape(-1)
    constant = 0 if bias is None else bias.reshape(-1)

    def work(rows: slice) -> None:
        part, out = x[rows], y[rows]
        mean[rows], rstd[rows], far = _moments(part, ones, eps)
        _rank_two(rstd[rows], v, 0, 0, out)
        if far:
            out *= part - mean[rows, None]
            out += constant
            return
        out *= part
        out += _rank_two(mean[rows] * -rstd[rows], v, 1, constant, scratch(out))

    for_row_blocks(work, *x.shape, 7)
    return result, (mean, rstd)


def rms_norm_forward(a: Array, weight: Any, *, shape: tuple[int, ...], eps: float) -> Any:
    width = math.prod(shape)
    if not _handles(a, width, weight):
        return NotImplemented
    x = a.reshape(-1, width)
    result = np.empty(a.shape, a.dtype)
    y = result.reshape(x.shape)
    rstd = np.empty(len(x), a.dtype)
    v = 1 if weight is None else weight.reshape(-1)

    def work(rows: slice) -> None:
        part = x[rows]
        rstd[rows] = 1 / np.sqrt(np.vecdot(part, part) / width + eps)
        out = _rank_two(rstd[rows], v, 0, 0, y[rows])
        out *= part

    for_row_blocks(work, *x.shape, 3)
    return result, rstd


def layer_norm_vjp(
    g: Array, needs: Any, a: Array, weight: Any, aux: Any, shape: tuple[int, ...]
) -> Any:
    mean, rstd = aux
    if not _handles(a, math.prod(shape), g, weight):
        return NotImplemented
    to_a, to_weight, to_bias = _backward(g, needs, a, weight, mean, rstd, math.prod(shape))
    return (
        to_a,
        to_weight.reshape(shape) if needs[1] else None,
        to_bias.reshape(shape) if needs[2] else None,
    )


def rms_norm_vjp(
    g: Array, needs: Any, a: Array, weight: Any, aux: Any, shape: tuple[int, ...]
) -> Any:
    if not _handles(a, math.prod(shape), g, weight):
        return NotImplemented
    to_a, to_weight, _ = _backward(g, (*needs, False), a, weight, None, aux, math.prod(shape))
    return to_a, to_weight.reshape(shape) if needs[1] else None


def _backward(
    g: Array, needs: Any, a: Array, weight: Any, mean: Any, rstd: Array, width: int
) -> tuple[Any, Any, Any]:
    """The gradients of rows, weight and bias; without `mean`, of the root-mean-square norm."""
    g, x = g.reshape(-1, width), a.reshape(-1, width)
    v = np.ones(width, a.dtype) if weight is None else weight.reshape(-1)
    to_a = np.empty(a.shape, a.dtype) if needs[0] else None
    target = None if to_a is None else to_a.reshape(x.shape)
    sums: dict[int, Array] = {}  # from each block, for weight and bias

    def work(rows: slice) -> None:
        grad, part, r = g[rows], x[rows], rstd[rows]
        product = np.multiply(grad, part, out=scratch(part))
        if needs[1] or needs[2]:
            shift = 0 if mean is None else mean[rows] * r
            found = _pair(shift, 1, r) @ grad
            found[0] = r @ product - found[0]
            sums[rows.start] = found
        if target is None:
            return
        # The terms of the gradient through the rows' mean and variance.
        along = product @ v
        total = 0 if mean is None else grad @ v
        m = 0 if mean is None else mean[rows]
        factor = (along - total * m) * r * r * r / width
        out = _rank_two(r, v, 0, 0, target[rows])
        out *= grad
        correction = np.multiply(part, factor[:, None], out=product)
        out -= correction
        if mean is not None:
            out -= (total * r / width - factor * m)[:, None]

    for_row_blocks(work, *x.shape, 12)
    if not sums:
        return to_a, None, None
    return to_a, *sum_partials(sums)


def _pair(a: Any, b: Any, like: Array) -> Array:
    both = np.empty((2, len(like)), like.dtype)
    both[0], both[1] = a, b
    return both


def group_norm_forward(a: Array, weight: Any, bias: Any, *, groups: int, eps: float) -> Any:
    n, c = a.shape[:2]
    size = a.size // (n * c)  # elements per channel
    if not _handles(a, size, weight, bias):
        return NotImplemented
    each = c // groups  # channels per group
    result = np.empty(a.shape, a.dtype)
    x, y = a.reshape(n * groups, -1), result.reshape(n * groups, -1)
    mean, rstd = np.empty((2, n * groups), a.dtype)
    ones = np.ones(x.shape[1], a.dtype)
    weights = _by_group(weight, 1, n * groups, each, a.dtype)
    shifts = _by_group(bias, 0, n * groups, each, a.dtype)

    def work(rows: slice) -> None:
        part = x[rows]
        mean[rows], rstd[rows], far = _moments(part, ones, eps)
        scale = rstd[rows, None] * weights[rows]
        channels, out = part.reshape(-1, each, size), y[rows].reshape(-1, each, size)
        if far:
            np.subtract(channels, mean[rows, None, None], out=out)
            out *= scale[:, :, None]
            constant = shifts[rows]
        else:
            np.multiply(channels, scale[:, :, None], out=out)
            constant = shifts[rows] - mean[rows, None] * scale
        out += constant[:, :, None]

    for_row_blocks(work, *x.shape, 7)
    return result, (mean, rstd)


def group_norm_vjp(g: Array, needs: Any, a: Array, weight: Any, aux: Any, groups: int) -> Any:
    mean, rstd = aux
    n, c = a.shape[:2]
    size = a.size // (n * c)
    if not _handles(a, size, g, weight):
        return NotImplemented
    each, width = c // groups, a.size // (n * groups)
    g, x = g.reshape(n * groups, each, size), a.reshape(n * groups, each, size)
    to_a = np.empty(a.shape, a.dtype) if needs[0] else None
    target = None if to_a is None else to_a.reshape(x.shape)
    weights = _by_group(weight, 1, n * groups, each, a.dtype)
    sums, products = np.empty((2, n * groups, each), a.dtype)
    ones = np.ones(size, a.dtype)

    def work(rows: slice) -> None:
        grad, part, v, m, r = g[rows], x[rows], weights[rows], mean[rows], rstd[rows]
        np.matmul(grad, ones, out=sums[rows])
        np.vecdot(grad, part, out=products[rows])
        if target is None:
            return
        out = np.multiply(grad, (r[:, None] * v)[:, :, None], out=target[rows])
        factor, offset = _group_correction(sums[rows], products[rows], v, m, r, width)
        correction = np.multiply(part, factor[:, None, None], out=scratch(part))
        correction += offset[:, None, None]
        out -= correction

    for_row_blocks(work, n * groups, width, 9)
    return to_a, *_group_gradients(needs, sums, products, mean, rstd, c)


def _by_group(v: Array | None, default: float, rows: int, each: int, dtype: Any) -> Array:
    """A vector of channels as (rows, each): the channels of each group, for all images."""
    if v is None:
        return np.full((rows, each), default, dtype)
    return np.tile(v.reshape(-1, each), (rows * each // v.size, 1))


def _group_correction(
    sums: Array, products: Array, weights: Array, mean: Array, rstd: Array, width: int
) -> tuple[Array, Array]:
    """Each group's gradient through its moments, to subtract: x · the first + the second.

    Args:
        sums, products: of the gradient, and of the gradient times x, by group and channel.
    """
    total, along = np.vecdot(sums, weights), np.vecdot(products, weights)
    factor = (along - total * mean) * rstd * rstd * rstd / width
    return factor, total * rstd / width - factor * mean


def _group_gradients(
    needs: Any, sums: Array, products: Array, mean: Array, rstd: Array, channels: int
) -> tuple[Array | None, Array | None]:
    """The gradients of weight and bias, where requested, from the same sums."""
    to_weight = to_bias = None
    if needs[1]:
        centred = (products - mean[:, None] * sums) * rstd[:, None]
        to_weight = centred.reshape(-1, channels).sum(axis=0)
    if needs[2]:
        to_bias = sums.reshape(-1, channels).sum(axis=0)
    return to_weight, to_bias
