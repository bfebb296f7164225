"""Pooling over any number of axes, one axis after the other.

The maximum of a window is the maximum of its rows' maxima, and its sum the sum of their sums, so
k1 + k2 steps do the work of k1 · k2. Each step of a running maximum leaves a mask: where it was
replaced. The gradient goes back through the masks; their use is linear, and so the two directions,
`spread_max` and `pick_max`, are each other's derivatives, as `avg_pool` and `spread_avg` are.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from xptorch._engine import op
from xptorch.ops.window import FIRST, LAST, Geometry, Op, either, pad

Key = tuple[Any, ...]


@lru_cache(maxsize=1024)
def _keys(how: Geometry) -> tuple[tuple[Key, ...], ...]:
    """For each axis of (n, s…, c), what each tap meets of the padded input."""
    keys = []
    for i, (kernel, stride, gap) in enumerate(
        zip(how.kernel, how.stride, how.dilation, strict=True)
    ):
        reach = (how.counts[i] - 1) * stride + 1
        lead = (slice(None),) * (i + 1)
        keys.append(
            tuple([(*lead, slice(t * gap, t * gap + reach, stride), ...) for t in range(kernel)])
        )
    return tuple(keys)


def _last(xp: Any, x: Any, how: Geometry, value: float) -> Any:
    """x (n, c, s…) as (n, s…, c), padded."""
    return pad(xp, xp.permute_dims(x, LAST[x.ndim]), ((0, 0), *how.padding, (0, 0)), value)


def _first(xp: Any, x: Any) -> Any:
    return xp.permute_dims(x, FIRST[x.ndim])


def _unpadded(xp: Any, x: Any, how: Geometry) -> Any:
    """(n, s…, c) as (n, c, s…), without the padding."""
    return _first(xp, pad(xp, x, ((0, 0), *[(-a, -b) for a, b in how.padding], (0, 0))))


# ---- maxima


def _max_pool(xp: Any, x: Any, *, how: Geometry, lowest: float) -> Any:
    """x (n, c, s…) → (n, c, counts…), and for each axis the masks of its steps."""
    floating = xp.isdtype(x.dtype, "real floating")
    y = _last(xp, x, how, lowest)
    masks: list[list[Any]] = []
    for axis in reversed(range(len(how.kernel))):
        first, *others = _keys(how)[axis]
        rest, steps = y, []
        y = y[first]
        for tap, key in enumerate(others, 1):
            candidate = rest[key]
            taken = candidate > y
            if floating:  # as PyTorch does: the last NaN wins
                taken = taken | xp.isnan(candidate)
            steps.append(_off_padding(xp, taken, how, axis, tap))
            y = xp.maximum(y, candidate)
        masks.append(steps)
    if math.prod(how.kernel) == 1:
        y = xp.asarray(y, copy=True)
    return _first(xp, y), masks


def _off_padding(xp: Any, taken: Any, how: Geometry, axis: int, tap: int) -> Any:
    """Windows of nothing but the lowest value: the maximum must still lie inside the input."""
    before, stride, gap = how.padding[axis][0], how.stride[axis], how.dilation[axis]
    start = max(-(-(before - tap * gap) // stride), 0)
    stop = min(-(-(before - (tap - 1) * gap) // stride), how.counts[axis])
    if start >= stop:
        return taken
    return xp.assign(taken, (*(slice(None),) * (axis + 1), slice(start, stop), ...), True)


def _spread_max(xp: Any, g: Any, *, masks: Any, how: Geometry) -> Any:
    """g (n, c, counts…) at the places of the maxima in (n, c, s…)."""
    g = xp.permute_dims(g, LAST[g.ndim])
    sizes, apart = how.padded, _apart(how)
    for axis, steps in enumerate(reversed(masks)):
        first, *others = _keys(how)[axis]
        parts = []
        for taken in reversed(steps):
            parts.append(xp.keep(g, taken))
            g = xp.keep(g, xp.logical_not(taken))
        shape = (*g.shape[: axis + 1], sizes[axis], *g.shape[axis + 2 :])
        out = xp.place(g, shape, first)
        for key, part in zip(reversed(others), parts, strict=True):
            out = (xp.assign if apart[axis] else xp.add_to)(out, key, part)
        g = out
    return _unpadded(xp, g, how)


def _pick_max(xp: Any, x: Any, *, masks: Any, how: Geometry) -> Any:
    """x (n, c, s…) at the places of some maxima, as (n, c, counts…)."""
    y = _last(xp, x, how, 0)
    for i, steps in enumerate(masks):
        first, *others = _keys(how)[len(masks) - 1 - i]
        rest, y = y, y[first]
        for key, taken in zip(others, steps, strict=True):
            y = xp.where(taken, rest[key], y)
    return _first(xp, y)


def _apart(how: Geometry) -> list[bool]:
    """Along each axis, whether windows do not overlap."""
    axes = zip(how.kernel, how.stride, how.dilation, strict=True)
    return [s >= d * (k - 1) + 1 for k, s, d in axes]


max_pool = op(
    "max_pool",
    _max_pool,
    aux=True,
    x=lambda xp, g, aux, how: spread_max_(xp, g, masks=aux, how=how),
)
spread_max = op(
    "spread_max",
    _spread_max,
    g=lambda xp, u, masks, how: pick_max_(xp, u, masks=masks, how=how),
)
pick_max = op(
    "pick_max",
    _pick_max,
    x=lambda xp, g, masks, how: spread_max_(xp, g, masks=masks, how=how),
)
spread_max_: Op = either(spread_max)
pick_max_: Op = either(pick_max)


def max_places(xp: Any, x: Any, how: Geometry, lowest: float) -> Any:
    """Of arrays: where in the flattened axes s… of x (n, c, s…) each window's maximum lies."""
    masks = _max_pool(xp, x, how=how, lowest=lowest)[1]
    places = xp.arange(math.prod(how.size), dtype=xp.int64, device=x.device)
    places = xp.reshape(places, (1, 1, *how.size))
    places = _pick_max(xp, xp.broadcast_to(places, x.shape), masks=masks, how=how)
    return xp.asarray(places, copy=True) if math.prod(how.kernel) == 1 else places


# ---- sums and means


def _sum_windows(xp: Any, x: Any, *, how: Geometry) -> Any:
    """x (n, c, s…) → (n, c, counts…)."""
    y = _last(xp, x, how, 0)
    for axis in reversed(range(len(how.kernel))):
        first, *others = _keys(how)[axis]
        rest, y = y, y[first]
        for i, key in enumerate(others):
            y = y + rest[key] if i == 0 else xp.iadd(y, rest[key])
    return _first(xp, y)


def _spread_sum(xp: Any, g: Any, *, how: Geometry) -> Any:
    """g (n, c, counts…) on all elements of its windows: (n, c, s…)."""
    g = xp.permute_dims(g, LAST[g.ndim])
    sizes, apart = how.padded, _apart(how)
    for axis in range(len(how.kernel)):
        first, *others = _keys(how)[axis]
        out = xp.place(g, (*g.shape[: axis + 1], sizes[axis], *g.shape[axis + 2 :]), first)
        for key in others:
            out = (xp.assign if apart[axis] else xp.add_to)(out, key, g)
        g = out
    return _unpadded(xp, g, how)


def _divisor(xp: Any, x: Any, divide: Any) -> Any:
    """What to divide by: a number, or the product of one number for each place on each axis."""
    if not isinstance(divide, tuple):
        return divide
    total = 1
    for i, counts in enumerate(divide):
        along = xp.asarray(counts, dtype=x.dtype, device=x.device)
        total = xp.reshape(along, (-1,) + (1,) * (len(divide) - 1 - i)) * total
    return total


def _avg_pool(xp: Any, x: Any, *, how: Geometry, divide: Any) -> Any:
    """x (n, c, s…) → (n, c, counts…), the sums over windows divided."""
    return _sum_windows(xp, x, how=how) / _divisor(xp, x, divide)


def _spread_avg(xp: Any, g: Any, *, how: Geometry, divide: Any) -> Any:
    return _spread_sum(xp, g / _divisor(xp, g, divide), how=how)


avg_pool = op(
    "avg_pool",
    _avg_pool,
    x=lambda xp, g, how, divide: spread_avg_(xp, g, how=how, divide=divide),
)
spread_avg = op(
    "spread_avg",
    _spread_avg,
    g=lambda xp, u, how, divide: avg_pool_(xp, u, how=how, divide=divide),
)
avg_pool_: Op = either(avg_pool)
spread_avg_: Op = either(spread_avg)
