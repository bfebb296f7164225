"""Depthwise convolutions on NumPy: tap by tap, where a matrix product would be overhead.

Each tap is one multiplication of whole rows (s, c). So that a strided convolution's rows are
contiguous too, the workspace stores the elements along the last axis by phase: those at positions
0, 1, … modulo the stride are adjacent, and every tap meets neighbours of one phase.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import numpy as np
from xptorch.backends.numpy.kernels.blocking import sum_partials
from xptorch.backends.numpy.kernels.layout import channels_last, copy_last
from xptorch.backends.numpy.parallel import parallel_for
from xptorch.backends.numpy.workspace import workspace

from xptorch._core.backend import LAST

Array = Any
Geometry = Any  # of xptorch/ops/layers/convolution.py

_BLOCK = 1 << 16  # elements of the output at a time


@dataclass(frozen=True, eq=False)
class _Plan:
    """The layout by phases of n images of c channels in the workspace, and each tap's elements."""

    how: Geometry
    n: int
    c: int

    @cached_property
    def group(self) -> int:
        """Images in a block."""
        return min(max(_BLOCK // (math.prod(self.how.counts) * self.c), 1), self.n)

    @property
    def groups(self) -> int:
        return -(-self.n // self.group)

    def images(self, start: int, stop: int) -> Iterator[slice]:
        """The images of some groups."""
        for i in range(start * self.group, min(stop * self.group, self.n), self.group):
            yield slice(i, min(i + self.group, self.n))

    @cached_property
    def time(self) -> float:
        """About how many nanoseconds one thread takes."""
        taps = math.prod(self.how.kernel)
        return 0.3 * self.n * self.c * math.prod(self.how.counts) * taps

    @cached_property
    def keys(self) -> list[tuple[Any, ...]]:
        """For each tap its index into the workspace (n, s1 …, phases, sd / stride, c)."""
        how = self.how
        found = []
        for taps in product(*map(range, how.kernel)):
            at = [t * gap for t, gap in zip(taps, how.dilation, strict=True)]
            rows = [
                slice(first, first + (count - 1) * step + 1, step)
                for first, count, step in zip(at[:-1], how.counts, how.stride, strict=False)
            ]
            offset, phase = divmod(at[-1], how.stride[-1])
            found.append((slice(None), *rows, phase, slice(offset, offset + how.counts[-1])))
        return found

    @cached_property
    def phases(self) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """For each phase its index into the workspace, and into the images."""
        how = self.how
        before, step = how.padding[-1][0], how.stride[-1]
        rows = [slice(a, a + s) for s, (a, _) in zip(how.size[:-1], how.padding, strict=False)]
        found = []
        for a in range(min(step, how.size[-1])):
            offset, phase = divmod(a + before, step)
            places = slice(offset, offset + len(range(a, how.size[-1], step)))
            found.append(
                ((slice(None), *rows, phase, places), (..., slice(a, None, step), slice(None)))
            )
        return found

    def spaces(self, dtype: Any) -> tuple[Array, Array]:
        """For a group: a zero-padded workspace by phases, and a buffer for one product."""
        how = self.how
        step = how.stride[-1]
        padded = (*how.padded[:-1], step, -(-how.padded[-1] // step))
        return (
            np.zeros((self.group, *padded, self.c), dtype),
            np.empty((self.group, *how.counts, self.c), dtype),
        )

    def filled(self, x: Array) -> tuple[Array, Array]:
        """This thread's workspace filled with images x (n, s…, c), and a buffer for a product."""
        space, buffer = workspace((self, x.dtype), self.spaces, x.dtype)
        space, buffer = space[: len(x)], buffer[: len(x)]
        for to, of in self.phases:
            copy_last(space[to], x[of])
        return space, buffer


@lru_cache(maxsize=1024)
def _plan(how: Geometry, n: int, c: int) -> _Plan:
    return _Plan(how, n, c)


def fits(x: Array, w: Array, how: Geometry) -> bool:
    """Whether these functions handle it: as many groups as channels, no negative padding."""
    alone = w.shape[1] == 1 and how.groups > 1
    return alone and min(map(min, how.padding)) >= 0 and x.dtype == w.dtype and x.dtype.char in "fd"


def _taps(w: Array, how: Geometry) -> Array:
    """w (c · m, 1, k…) as (k, m, sd, c): row factors for each tap and output of a channel."""
    c = how.groups
    taps = w.reshape(c, w.shape[0] // c, -1).transpose(2, 1, 0)
    rows = (*taps.shape[:2], how.counts[-1], c)
    return np.ascontiguousarray(np.broadcast_to(taps[:, :, None], rows))


def correlate(x: Array, w: Array, b: Array | None, how: Geometry) -> Array:
    """x (n, c, s…) correlated with each channel's own kernels: (n, counts…, o)."""
    plan, taps = _plan(how, *x.shape[:2]), _taps(w, how)
    outputs = taps.shape[1]
    out = np.empty((plan.n, *how.counts, plan.c, outputs), x.dtype)
    last = x.transpose(LAST[x.ndim])

    def part(start: int, stop: int) -> None:
        for images in plan.images(start, stop):
            space, buffer = plan.filled(last[images])
            for j in range(outputs):
                y = out[images, ..., j]
                np.multiply(space[plan.keys[0]], taps[0, j], out=y)
                for key, tap in zip(plan.keys[1:], taps[1:, j], strict=True):
                    y += np.multiply(space[key], tap, out=buffer)
            if b is not None:
                out[images] += b.reshape(plan.c, outputs)

    parallel_for(part, plan.groups, plan.time * outputs)
    return out.reshape(*out.shape[:-2], plan.c * outputs)


def spread(g: Array, w: Array, how: Geometry) -> Array:
    """The gradient of the input from g (n, o, counts…): (n, s…, c)."""
    plan, taps = _plan(how, g.shape[0], how.groups), _taps(w, how)
    outputs = taps.shape[1]
    out = np.empty((plan.n, *how.size, plan.c), g.dtype)
    g = channels_last(g)
    g = g.reshape(*g.shape[:-1], plan.c, outputs)

    def part(start: int, stop: int) -> None:
        space, buffer = workspace((plan, g.dtype, "spread"), plan.spaces, g.dtype)
        for images in plan.images(start, stop):
            count = images.stop - images.start
            space[...] = 0
            for j in range(outputs):
                for key, tap in zip(plan.keys, taps[:, j], strict=True):
                    space[:count][key] += np.multiply(g[images, ..., j], tap, out=buffer[:count])
            for to, of in plan.phases:
                out[images][of] = space[:count][to]

    parallel_for(part, plan.groups, plan.time * outputs)
    return out


def weight(x: Array, g: Array, how: Geometry) -> Array:
    """The gradient of the weight from x (n, c, s…) and g (n, o, counts…): (o, 1, k…)."""
    plan = _plan(how, *x.shape[:2])
    g = channels_last(g)
    g = g.reshape(*g.shape[:-1], plan.c, -1)
    outputs, width = g.shape[-1], how.counts[-1] * plan.c
    last = x.transpose(LAST[x.ndim])
    sums: dict[int, Array] = {}

    def part(start: int, stop: int) -> None:
        found = np.zeros((plan.c, outputs, len(plan.keys)), x.dtype)
        for images in plan.images(start, stop):
            space, buffer = plan.filled(last[images])
            rows = buffer.reshape(-1, width)
            ones = np.ones(len(rows), x.dtype)
            for j in range(outputs):
                for i, key in enumerate(plan.keys):
                    np.multiply(space[key], g[images, ..., j], out=buffer)
                    found[:, j, i] += (ones @ rows).reshape(-1, plan.c).sum(0)
        sums[start] = found

    parallel_for(part, plan.groups, plan.time * outputs)
    return sum_partials(sums).reshape(plan.c * outputs, 1, *how.kernel)
