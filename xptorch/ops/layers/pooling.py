"""Pooling over any number of axes, one axis after the other.

The maximum of a window is the maximum of its rows' maxima, and its sum the sum of their sums, so
k1 + k2 steps do the work of k1 · k2. A maximum's gradient goes to the first element that equals
it; that index depends on x alone, so `max_pool_backward`, which scatters a gradient to the indices,
is linear; it and `pick_max` are each other's derivatives, as are `avg_pool` and
`avg_pool_backward`.
"""

from __future__ import annotations

import math
from typing import Any

from xptorch._core.backend import FIRST, LAST
from xptorch._engine.op import dispatchable, op, polymorphic
from xptorch.ops._common import at_axis
from xptorch.ops.layers.window import Geometry, Op, pad

Key = tuple[Any, ...]


def _channels_last(xp: Any, x: Any, how: Geometry, value: float) -> Any:
    """x (n, c, s…) as (n, s…, c), padded."""
    return pad(xp, xp.permute_dims(x, LAST[x.ndim]), ((0, 0), *how.padding, (0, 0)), value)


def _channels_first(xp: Any, x: Any) -> Any:
    return xp.permute_dims(x, FIRST[x.ndim])


def _unpadded(xp: Any, x: Any, how: Geometry) -> Any:
    """(n, s…, c) as (n, c, s…), without the padding."""
    return _channels_first(xp, pad(xp, x, ((0, 0), *[(-a, -b) for a, b in how.padding], (0, 0))))


# ---- maxima


def _maximum(xp: Any, x: Any, keys: tuple[Key, ...]) -> Any:
    """The maximum over the taps along one axis."""
    y = x[keys[0]]
    for key in keys[1:]:
        y = xp.maximum(y, x[key])
    return y


@dispatchable
def _max_pool(xp: Any, x: Any, *, how: Geometry, lowest: float) -> Any:
    """x (n, c, s…) → (n, c, counts…), and the maxima along the last axis, the last two, …"""
    y = _channels_last(xp, x, how, lowest)
    maxima = []
    for keys in reversed(how.taps):
        y = _maximum(xp, y, keys)
        maxima.append(y)
    if math.prod(how.kernel) == 1:
        y = xp.asarray(y, copy=True)
    # Without the last of the maxima: it is the output, which the user may change in place.
    return _channels_first(xp, y), maxima[:-1]


def _argmax_masks(xp: Any, x: Any, maxima: list[Any], how: Geometry, lowest: float) -> Any:
    """For each of the axes s…, a mask per tap: whether the maximum along the axis is from that tap.

    The last axis was reduced first, so that of equal elements the first in row-major order counts.
    """
    found: list[Any] = []
    for i, before in enumerate([_channels_last(xp, x, how, lowest), *maxima]):
        axis = len(how.kernel) - 1 - i
        keys = how.taps[axis]
        most = maxima[i] if i < len(maxima) else _maximum(xp, before, keys)
        masks, left = [], None
        for tap, key in enumerate(keys[:-1]):
            same = _off_padding(xp, before[key] == most, how, axis, tap)
            masks.append(same if left is None else same & left)
            other = xp.logical_not(same)
            left = other if left is None else left & other
        found.insert(0, [*masks, left])  # the last tap: all that no other took, NaN included
    return found


def _off_padding(xp: Any, mask: Any, how: Geometry, axis: int, tap: int) -> Any:
    """False where a tap is in the padding, which in a window of only −∞ would be the first."""
    outside = how.on_padding(axis, tap)
    return xp.assign(mask, at_axis(axis + 1, slice(outside)), False) if outside else mask


def _scatter_taps(xp: Any, parts: list[Any], how: Geometry, axis: int) -> Any:
    """The sum of arrays, each scattered to the positions of one tap along an axis."""
    keys, step = how.taps[axis], how.stride[axis]
    shape = list(parts[0].shape)
    shape[axis + 1] = how.padded[axis]
    out = xp.zeros_with(parts[0], tuple(shape), keys[0])
    met = {0}
    for tap, part in enumerate(parts[1:], 1):
        residue = tap * how.dilation[axis] % step
        put = xp.add_to if residue in met else xp.assign  # else these elements are still 0
        out = put(out, keys[tap], part)
        met.add(residue)
    return out


@dispatchable
def _max_pool_backward(
    xp: Any, g: Any, x: Any, *, maxima: Any, how: Geometry, lowest: float
) -> Any:
    """g (n, c, counts…) scattered to the indices of the maxima of x (n, c, s…)."""
    g = xp.permute_dims(g, LAST[g.ndim])
    for axis, masks in enumerate(_argmax_masks(xp, x, maxima, how, lowest)):
        parts = [g if mask is None else xp.where_or_zero(g, mask) for mask in masks]
        g = _scatter_taps(xp, parts, how, axis)
    return _unpadded(xp, g, how)


def _pick_max(xp: Any, u: Any, x: Any, *, maxima: Any, how: Geometry, lowest: float) -> Any:
    """u (n, c, s…) gathered at the indices of the maxima of x: (n, c, counts…)."""
    y = _channels_last(xp, u, how, 0)
    choices = _argmax_masks(xp, x, maxima, how, lowest)
    for keys, masks in zip(reversed(how.taps), reversed(choices), strict=True):
        rest, y = y, y[keys[-1]]
        for key, mask in zip(keys[:-1], masks[:-1], strict=True):
            y = xp.where(mask, rest[key], y)
    return _channels_first(xp, y)


max_pool = op(
    "max_pool",
    _max_pool,
    aux=True,
    x=lambda xp, g, x, aux, how, lowest: spread_max_(xp, g, x, maxima=aux, how=how, lowest=lowest),
)
max_pool_backward = op(
    "max_pool_backward",
    _max_pool_backward,
    g=lambda xp, u, x, maxima, how, lowest: pick_max_(
        xp, u, x, maxima=maxima, how=how, lowest=lowest
    ),
)
pick_max = op(
    "pick_max",
    _pick_max,
    u=lambda xp, g, x, maxima, how, lowest: spread_max_(
        xp, g, x, maxima=maxima, how=how, lowest=lowest
    ),
)
spread_max_: Op = polymorphic(max_pool_backward)
pick_max_: Op = polymorphic(pick_max)


def max_indices(xp: Any, x: Any, how: Geometry, lowest: float) -> Any:
    """Over arrays: each window's argmax, an index into the flattened axes s… of x (n, c, s…).

    Of equal maxima the first, but of NaNs the last, as in PyTorch.
    """
    floating = lowest == -math.inf
    y = _channels_last(xp, x, how, lowest)
    positions = xp.arange(math.prod(how.size), dtype=xp.int64, device=x.device)
    positions = _channels_last(xp, xp.reshape(positions, (1, 1, *how.size)), how, -1)  # −1: padding
    for first, *others in reversed(how.taps):
        rest, numbers = y, positions
        y, positions = rest[first], numbers[first]
        for key in others:
            candidate, number = rest[key], numbers[key]
            better = (candidate > y) | ((positions < 0) & (number >= 0))
            if floating:
                better = better | xp.isnan(candidate)
            positions = xp.where(better, number, positions)
            y = xp.maximum(y, candidate)
    return _channels_first(xp, xp.asarray(xp.broadcast_to(positions, y.shape), copy=True))


# ---- sums and means


def _sum_windows(xp: Any, x: Any, *, how: Geometry) -> Any:
    """x (n, c, s…) → (n, c, counts…)."""
    y = _channels_last(xp, x, how, 0)
    if how.kernel == how.size == how.padded:
        return _channels_first(xp, _total(xp, y))
    for axis in reversed(range(len(how.kernel))):
        first, *others = how.taps[axis]
        rest, y = y, y[first]
        for i, key in enumerate(others):
            y = y + rest[key] if i == 0 else xp.iadd(y, rest[key])
    return _channels_first(xp, y)


def _total(xp: Any, x: Any) -> Any:
    """x (n, s…, c) summed over s…: (n, 1…, c)."""
    n, *size, c = x.shape
    if xp.strides(x)[-1] != 1:
        return xp.sum(x, axis=tuple(range(1, x.ndim - 1)), keepdims=True)
    # With contiguous channels a matrix product is the fastest sum over the other axes.
    ones = xp.ones((1, math.prod(size)), dtype=x.dtype, device=x.device)
    total = xp.matmul(ones, xp.reshape(x, (n, math.prod(size), c)))
    return xp.reshape(total, (n, *(1,) * len(size), c))


def _spread_sum(xp: Any, g: Any, *, how: Geometry) -> Any:
    """g (n, c, counts…) added to all elements of its windows: (n, c, s…)."""
    g = xp.permute_dims(g, LAST[g.ndim])
    if how.kernel == how.size == how.padded:
        return _channels_first(xp, xp.broadcast_to(g, (g.shape[0], *how.size, g.shape[-1])))
    for axis, kernel in enumerate(how.kernel):
        g = _scatter_taps(xp, [g] * kernel, how, axis)
    return _unpadded(xp, g, how)


def _divisor(xp: Any, x: Any, divide: Any) -> Any:
    """The divisor: a number, or the product of one factor per position along each axis."""
    if not isinstance(divide, tuple):
        return divide
    total = 1
    for i, counts in enumerate(divide):
        along = xp.asarray(counts, dtype=x.dtype, device=x.device)
        total = xp.reshape(along, (-1,) + (1,) * (len(divide) - 1 - i)) * total
    return total


@dispatchable
def _avg_pool(xp: Any, x: Any, *, how: Geometry, divide: Any) -> Any:
    """x (n, c, s…) → (n, c, counts…), the sums over windows divided."""
    return _sum_windows(xp, x, how=how) / _divisor(xp, x, divide)


@dispatchable
def _avg_pool_backward(xp: Any, g: Any, *, how: Geometry, divide: Any) -> Any:
    return _spread_sum(xp, g / _divisor(xp, g, divide), how=how)


avg_pool = op(
    "avg_pool",
    _avg_pool,
    x=lambda xp, g, how, divide: spread_avg_(xp, g, how=how, divide=divide),
)
avg_pool_backward = op(
    "avg_pool_backward",
    _avg_pool_backward,
    g=lambda xp, u, how, divide: avg_pool_(xp, u, how=how, divide=divide),
)
avg_pool_: Op = polymorphic(avg_pool)
spread_avg_: Op = polymorphic(avg_pool_backward)
