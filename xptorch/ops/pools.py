"""Pooling over any number of axes, one axis after the other: the last first, the first last.

A maximum over a window is a maximum over the maxima of its rows, a sum likewise, so a window of
k × k costs 2 (k − 1) steps over whole arrays. In a tie the first element in row-major order wins, as
in PyTorch: a step takes a later one only where it is larger.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from xptorch import _engine, _graph
from xptorch._engine import op

Pairs = tuple[tuple[int, int], ...]
Key = tuple[Any, ...]


class Pool(NamedTuple):
    """How the windows of a pool lie over the last axes of its input."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    counts: tuple[int, ...]  # of the windows, along each axis

    @property
    def widths(self) -> Pairs:
        """Padding before and after each axis, as far as the last window reaches."""
        axes = zip(*self, strict=True)
        ends = [
            max((n - 1) * s + (k - 1) * d + 1 - size - p, 0) for size, k, s, p, d, n in axes
        ]
        return tuple(zip(self.padding, ends, strict=True))

    def taps(self, axis: int) -> list[slice]:
        """For each element of the window along an axis, the positions that it meets."""
        k, s, d, n = self.kernel[axis], self.stride[axis], self.dilation[axis], self.counts[axis]
        return [slice(i * d, i * d + (n - 1) * s + 1, s) for i in range(k)]

    def apart(self, axis: int) -> bool:
        """Whether no two windows share an element along an axis."""
        return self.stride[axis] >= (self.kernel[axis] - 1) * self.dilation[axis] + 1


def _steps(ndim: int, how: Pool) -> list[tuple[int, int]]:
    """(axis of the array, axis of the pool), the last first; pools of 1 do nothing."""
    d = len(how.kernel)
    axes = [(ndim - d + i, i) for i in reversed(range(d))]
    return [(a, i) for a, i in axes if (how.kernel[i], how.stride[i]) != (1, 1) or how.padding[i]]


def _at(axis: int, part: slice) -> Key:
    return (*(slice(None),) * axis, part, Ellipsis)


def _lowest(xp: Any, x: Any) -> Any:
    return -math.inf if xp.isdtype(x.dtype, "real floating") else int(xp.iinfo(x.dtype).min)


def _padded(xp: Any, x: Any, how: Pool, value: Any) -> Any:
    """x with the pool's padding, cut to what its windows reach."""
    d = len(how.kernel)
    if any(a or b for a, b in how.widths):
        x = xp.pad(x, ((0, 0),) * (x.ndim - d) + how.widths, value)
    return x


# ---- the largest


def _max_forward(xp: Any, x: Any, *, how: Pool) -> tuple[Any, list[Any]]:
    """The maxima, and for each step which elements it took."""
    y = _padded(xp, x, how, _lowest(xp, x))
    taken = []
    for axis, i in _steps(x.ndim, how):
        first, *others = how.taps(i)
        size, masks = y.shape[axis], []
        best = y[_at(axis, first)]
        for tap in others:
            candidate = y[_at(axis, tap)]
            masks.append(candidate > best)
            best = xp.maximum(best, candidate)
        taken.append((axis, i, size, masks))
        y = best
    return (y if taken else xp.asarray(y, copy=True)), taken


def _max_back(xp: Any, g: Any, aux: Any, x_shape: Any, how: Pool) -> Any:
    for axis, i, size, masks in reversed(aux):
        first, *others = how.taps(i)
        shape = (*g.shape[:axis], size, *g.shape[axis + 1 :])
        parts = []
        for tap, mask in zip(reversed(others), reversed(masks), strict=True):
            parts.append((tap, xp.keep(g, mask)))
            g = xp.keep(g, xp.logical_not(mask))
        g = _scattered(xp, shape, axis, [*parts, (first, g)], how.apart(i))
    return _cropped(g, x_shape, how)


def _scattered(xp: Any, shape: Any, axis: int, parts: list[Any], apart: bool) -> Any:
    """Zeros of that shape with each part added at its tap."""
    like = parts[0][1]
    out = xp.zeros_like(like) if like.shape == shape else None
    if out is None:  # in the layout of the gradient
        order = xp.memory_order(like)
        sizes = tuple(shape[a] for a in order)
        out = xp.zeros(sizes, dtype=like.dtype, device=like.device)
        out = xp.permute_dims(out, tuple(order.index(a) for a in range(len(order))))
    for tap, part in parts:
        key = _at(axis, tap)
        out = xp.assign(out, key, part) if apart else xp.add_to(out, key, part)
    return out


def _cropped(g: Any, x_shape: Any, how: Pool) -> Any:
    if not any(a or b for a, b in how.widths):
        return g
    d = len(how.kernel)
    inner = [slice(p, p + n) for p, n in zip(how.padding, x_shape[-d:], strict=True)]
    return g[(slice(None),) * (len(x_shape) - d) + tuple(inner)]


def max_indices(xp: Any, x: Any, how: Pool) -> Any:
    """For each window the place of its maximum (of a NaN, if there is one) in the flat last axes."""
    d = len(how.kernel)
    y = _padded(xp, x, how, _lowest(xp, x))
    place = xp.reshape(
        xp.arange(math.prod(how.size), dtype=xp.int64, device=x.device), how.size
    )
    place = xp.pad(place, how.widths, 0)
    place = xp.broadcast_to(place, y.shape)
    floating = xp.isdtype(x.dtype, "real floating")
    for axis, i in _steps(x.ndim, how):
        first, *others = how.taps(i)
        best, index = y[_at(axis, first)], place[_at(axis, first)]
        for j, tap in enumerate(others):
            candidate = y[_at(axis, tap)]
            larger = candidate > best
            if floating:
                larger = xp.logical_or(larger, xp.isnan(candidate))
            # Padding never wins, not even over −∞: take the first element that is inside.
            outside = _outside(xp, x, how, i, j, axis, d)
            if outside is not None:
                larger = xp.logical_or(larger, outside)
            index = xp.where(larger, place[_at(axis, tap)], index)
            best = xp.where(larger, candidate, best)
        y, place = best, index
    return place


def _outside(xp: Any, x: Any, how: Pool, i: int, j: int, axis: int, d: int) -> Any:
    """For tap j + 1: the windows all of whose elements up to tap j lie in the padding before."""
    if not how.padding[i]:
        return None
    start = [n * how.stride[i] - how.padding[i] for n in range(how.counts[i])]
    late = [s + j * how.dilation[i] < 0 for s in start]
    if not any(late):
        return None
    shape = tuple(-1 if a == axis else 1 for a in range(x.ndim))
    return xp.reshape(xp.asarray(late, dtype=xp.bool, device=x.device), shape)


def _max_reference(x: Any, *, how: Pool) -> Any:
    d = len(how.kernel)
    index = _graph.wrap(max_indices(x._device.xp, x._data, how), x._device)
    return x.flatten(-d).gather(-1, index.flatten(-d)).reshape(index.shape)


max_pool = op("max_pool", _max_forward, aux=True, reference=_max_reference, x=_max_back)


# ---- sums and averages


def _sum_forward(xp: Any, x: Any, *, how: Pool) -> Any:
    y = _padded(xp, x, how, 0)
    for axis, i in _steps(x.ndim, how):
        total = None
        for tap in how.taps(i):
            part = y[_at(axis, tap)]
            total = part if total is None else total + part
        y = total
    return y if _steps(x.ndim, how) else xp.asarray(y, copy=True)


def _spread_forward(xp: Any, g: Any, *, how: Pool) -> Any:
    """The adjoint of the sums: each g to all elements of its window."""
    d = len(how.kernel)
    x_shape = (*g.shape[: g.ndim - d], *how.size)
    reach = [n + a + b for n, (a, b) in zip(how.size, how.widths, strict=True)]
    for axis, i in reversed(_steps(g.ndim, how)):
        shape = (*g.shape[:axis], reach[i], *g.shape[axis + 1 :])
        g = _scattered(xp, shape, axis, [(tap, g) for tap in how.taps(i)], how.apart(i))
    return _cropped(g, x_shape, how)


sum_pool = op(
    "sum_pool", _sum_forward, x=lambda xp, g, how: _either(xp, "spread_pool", g, how)
)
spread_pool = op(
    "spread_pool", _spread_forward, g=lambda xp, u, how: _either(xp, "sum_pool", u, how)
)


def _either(xp: Any, name: str, g: Any, how: Pool) -> Any:
    """One of the two as a VJP calls it: recorded over Tensors, bare over arrays."""
    call = _engine.OPS[name]
    if xp is _graph.setup.namespace:
        return call(g, how=how)
    return call.op.forward(xp, g, how=how)  # type: ignore[attr-defined]


def window_sizes(how: Pool, count_include_pad: bool) -> list[list[int]]:
    """Along each axis, how many elements of each window count for an average."""
    sizes = []
    for size, k, s, p, _, n in zip(*how, strict=True):
        low, high = (-p, size + p) if count_include_pad else (0, size)
        starts = [i * s - p for i in range(n)]
        sizes.append([max(min(a + k, high) - max(a, low), 1) for a in starts])
    return sizes
