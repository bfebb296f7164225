"""Layer norm, root-mean-square norm and group norm.

Where a column is applied to a matrix, NumPy's inner loop is one row long. So what is done to rows
is written as x · A + B with matrices of rank one or two, which come from the BLAS in no more time
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

_NARROW = 16  # rows of fewer numbers are left to the generic functions


def _rank_two(a: Any, v: Any, b: Any, w: Any, out: Array) -> Array:
    """a vᵀ + b wᵀ. (A product with one column alone NumPy does not hand to the BLAS.)"""
    left, right = np.empty((2, out.shape[0]), out.dtype), np.empty((2, out.shape[1]), out.dtype)
    left[0], left[1], right[0], right[1] = a, b, v, w
    return np.matmul(left.T, right, out=out)


def _moments(x: Array, ones: Array, eps: float) -> tuple[Array, Array, bool]:
    """The rows' means and 1 / √(variance + eps), and whether some mean is not small beside it."""
    width = x.shape[1]
    mean = x @ ones / width
    square = np.vecdot(x, x) / width
    variance = square - mean * mean
    far = bool((variance * 5 < square).any())  # the difference has lost digits
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
    sums: dict[int, Array] = {}  # from each part, for weight and bias

    def work(rows: slice) -> None:
        slope, part, r = g[rows], x[rows], rstd[rows]
        product = np.multiply(slope, part, out=scratch(part))
        if needs[1] or needs[2]:
            shift = 0 if mean is None else mean[rows] * r
            found = _pair(shift, 1, r) @ slope
            found[0] = r @ product - found[0]
            sums[rows.start] = found
        if target is None:
            return
        # The rows' mean and variance depend on the rows: what that takes from the gradient.
        along = product @ v
        total = 0 if mean is None else slope @ v
        m = 0 if mean is None else mean[rows]
        bend = (along - total * m) * r * r * r / width
        out = _rank_two(r, v, 0, 0, target[rows])
        out *= slope
        drift = np.multiply(part, bend[:, None], out=product)
        out -= drift
        if mean is not None:
            out -= (total * r / width - bend * m)[:, None]

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
    size = a.size // (n * c)  # numbers of a channel
    if not _handles(a, size, weight, bias):
        return NotImplemented
    each = c // groups  # channels of a group
    result = np.empty(a.shape, a.dtype)
    x, y = a.reshape(n * groups, -1), result.reshape(n * groups, -1)
    mean, rstd = np.empty((2, n * groups), a.dtype)
    ones = np.ones(x.shape[1], a.dtype)
    gains = _by_group(weight, 1, n * groups, each, a.dtype)
    shifts = _by_group(bias, 0, n * groups, each, a.dtype)

    def work(rows: slice) -> None:
        part = x[rows]
        mean[rows], rstd[rows], far = _moments(part, ones, eps)
        scale = rstd[rows, None] * gains[rows]
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
    gains = _by_group(weight, 1, n * groups, each, a.dtype)
    sums, products = np.empty((2, n * groups, each), a.dtype)
    ones = np.ones(size, a.dtype)

    def work(rows: slice) -> None:
        slope, part, v, m, r = g[rows], x[rows], gains[rows], mean[rows], rstd[rows]
        np.matmul(slope, ones, out=sums[rows])
        np.vecdot(slope, part, out=products[rows])
        if target is None:
            return
        out = np.multiply(slope, (r[:, None] * v)[:, :, None], out=target[rows])
        bend, offset = _group_drift(sums[rows], products[rows], v, m, r, width)
        drift = np.multiply(part, bend[:, None, None], out=scratch(part))
        drift += offset[:, None, None]
        out -= drift

    for_row_blocks(work, n * groups, width, 9)
    return to_a, *_group_gradients(needs, sums, products, mean, rstd, c)


def _by_group(v: Array | None, default: float, rows: int, each: int, dtype: Any) -> Array:
    """A number of each channel as (rows, each): for all groups of all images their channels."""
    if v is None:
        return np.full((rows, each), default, dtype)
    return np.tile(v.reshape(-1, each), (rows * each // v.size, 1))


def _group_drift(
    sums: Array, products: Array, gains: Array, mean: Array, rstd: Array, width: int
) -> tuple[Array, Array]:
    """What of each group goes back through its moments: x · the first + the second.

    Args:
        sums, products: of the gradient, and of the gradient times x, by group and channel.
    """
    total, along = np.vecdot(sums, gains), np.vecdot(products, gains)
    bend = (along - total * mean) * rstd * rstd * rstd / width
    return bend, total * rstd / width - bend * mean


def _group_gradients(
    needs: Any, sums: Array, products: Array, mean: Array, rstd: Array, channels: int
) -> tuple[Array | None, Array | None]:
    """The gradients of weight and bias, where they are asked for, from the same."""
    to_weight = to_bias = None
    if needs[1]:
        centred = (products - mean[:, None] * sums) * rstd[:, None]
        to_weight = centred.reshape(-1, channels).sum(axis=0)
    if needs[2]:
        to_bias = sums.reshape(-1, channels).sum(axis=0)
    return to_weight, to_bias
