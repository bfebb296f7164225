"""Convolution on NumPy: im2col over blocks of windows that fit the cache, then a GEMM.

Images are split into groups whose columns take about a MiB. A group is copied into the middle of a
zero-bordered workspace, its windows into the columns, and one matrix product writes the result in
place. Columns are recomputed in backward: saved, they would take k² times the input's memory.
Groups are parallelised over threads, each with its own workspace.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from xptorch.backends.numpy.blas import matmul
from xptorch.backends.numpy.kernels import depthwise
from xptorch.backends.numpy.kernels.blocking import sum_partials
from xptorch.backends.numpy.kernels.layout import channels_last, copy_last, repeated, windows
from xptorch.backends.numpy.parallel import parallel_for, threads
from xptorch.backends.numpy.workspace import workspace

from xptorch._core.backend import FIRST, LAST

Array = Any
Geometry = Any  # of xptorch/ops/layers/convolution.py

_COLUMNS = 5 << 18  # bytes of columns at a time: about the size of a core's L2 cache
_FEW_CHANNELS = 4


# ---- windows as matrices


@dataclass(frozen=True, eq=False)
class _Plan:
    """How the windows over n images of c channels are split into blocks."""

    how: Geometry
    n: int
    c: int
    point: bool  # windows are the elements themselves
    few: bool  # columns run along the windows, not inside them: copied runs are longer then
    bordered: bool  # images are padded with zeros
    cut: tuple[slice, ...] | None  # the slices of (n, s…) that negative padding leaves
    group: int  # images in a block
    rows: int  # of their windows along the first axis, per block
    elements: int  # of all windows

    @property
    def groups(self) -> int:
        return -(-self.n // self.group)

    def time(self, outputs: int) -> float:
        """About how many nanoseconds one thread takes for that many output channels."""
        return self.elements * (outputs / 50 + 0.3)


@lru_cache(maxsize=1024)
def _plan(how: Geometry, n: int, c: int, itemsize: int) -> _Plan:
    width = math.prod(how.kernel) * c
    per_row = math.prod(how.counts[1:]) * width * itemsize
    rows = _even(how.counts[0], _COLUMNS // per_row)
    group = _even(n, _COLUMNS // (per_row * how.counts[0]), threads())
    widths = [p for ends in how.padding for p in ends]
    point = math.prod(how.kernel) == 1 and how.dense and not any(widths)
    few = c <= _FEW_CHANNELS and not point
    cut = None
    if min(widths) < 0:
        ends = zip(how.size, how.padding, strict=True)
        cut = (slice(None), *[slice(max(-a, 0), s - max(-b, 0)) for s, (a, b) in ends])
    elements = n * math.prod(how.counts) * width
    return _Plan(how, n, c, point, few, max(widths) > 0, cut, group, rows, elements)


def _even(count: int, most: int, workers: int = 1) -> int:
    """The size of blocks of at most `most`: about equal, and equally many for each worker."""
    parts = -(-count // max(most, 1))
    if parts > 1:
        parts += -parts % workers
    return -(-count // parts)


def _spaces(plan: _Plan, dtype: Any, direct: bool) -> tuple[Any, ...]:
    """Memory for columns and, unless windows are views of x itself, for a group of padded images:
    that, its middle, and its windows."""
    how, c = plan.how, plan.c
    width = math.prod(how.counts[1:]) * math.prod(how.kernel) * c
    columns = np.empty(plan.group * plan.rows * width, dtype)
    if direct:
        return columns, None, None, None
    if plan.few:
        padded = np.zeros((plan.group, c, *how.padded), dtype)
        padded = padded.transpose(LAST[padded.ndim])
    else:
        padded = np.zeros((plan.group, *how.padded, c), dtype)
    ends = zip(how.padded, how.padding, strict=True)
    middle = tuple([slice(max(a, 0), s - max(b, 0)) for s, (a, b) in ends])
    return (
        columns,
        padded.base,
        padded[(slice(None), *middle)],
        windows(padded, how.kernel, how.stride, how.dilation),
    )


def _blocks(plan: _Plan, x: Array, start: int, stop: int) -> Iterator[tuple[Any, Array]]:
    """For some groups of x (n, s…, c), block by block: the index (images, rows) and the columns."""
    how, few, d = plan.how, plan.few, x.ndim - 2
    if plan.cut is not None:
        x = x[plan.cut]
    direct = not plan.bordered and x.strides[-2 if few else -1] == x.itemsize
    flat, _, middle, padded = workspace((plan, x.dtype, direct), _spaces, plan, x.dtype, direct)
    along = (2 * d + 1, *range(d + 1, 2 * d + 1), *range(d + 1))  # (c, k…, n, counts…)
    for i in range(start * plan.group, min(stop * plan.group, plan.n), plan.group):
        images = slice(i, min(i + plan.group, plan.n))
        if direct:
            here = windows(x[images], how.kernel, how.stride, how.dilation)
        else:
            here = padded[: images.stop - i]
            copy_last(middle[: images.stop - i], x[images])
        for r in range(0, how.counts[0], plan.rows):
            rows = slice(r, min(r + plan.rows, how.counts[0]))
            block = here[:, rows].transpose(along) if few else here[:, rows]
            columns = flat[: block.size].reshape(block.shape)
            columns[...] = block
            width = math.prod(block.shape[: d + 1] if few else block.shape[d + 1 :])
            yield (
                (images, rows),
                columns.reshape(width, -1).T if few else columns.reshape(-1, width),
            )


def _rows(w: Array, few: bool) -> Array:
    """A weight (o, c, k…) as (o, c · k) in the order of the columns."""
    w = w if few else w.transpose(LAST[w.ndim])
    return w.reshape(w.shape[0], -1)


# ---- the three products


def _declined(x: Array, w: Array, how: Geometry) -> bool:
    """Whether these kernels do not handle it: groups, other dtypes, empty arrays."""
    return how.groups > 1 or x.dtype != w.dtype or x.dtype.char not in "fd" or not x.size * w.size


def _correlate(x: Array, w: Array, b: Array | None, how: Geometry) -> Array:
    """The windows of x (n, c, s…) times w (o, c, k…), plus b: (n, counts…, o)."""
    n, c, o = x.shape[0], x.shape[1], w.shape[0]
    plan = _plan(how, n, c, x.itemsize)
    matrix = _rows(w, plan.few).T
    if plan.point:
        y = matmul(channels_last(x).reshape(-1, c), matrix)
        _add(y, b)
        return y.reshape(n, *how.counts, o)
    out = np.empty((n, *how.counts, o), x.dtype)
    last = x.transpose(LAST[x.ndim])

    def part(start: int, stop: int) -> None:
        for where, columns in _blocks(plan, last, start, stop):
            y = out[where].reshape(-1, o)
            matmul(columns, matrix, y)
            _add(y, b)

    parallel_for(part, plan.groups, plan.time(o))
    return out


def _add(y: Array, b: Array | None) -> None:
    """Add a vector to each row of a matrix."""
    if b is not None:
        y, b = repeated(y, b)
        y += b


def convolve(x: Array, w: Array, b: Array | None, *, how: Geometry) -> Array:
    if depthwise.fits(x, w, how):
        return depthwise.correlate(x, w, b, how).transpose(FIRST[x.ndim])
    if _declined(x, w, how):
        return NotImplemented
    return _correlate(x, w, b, how).transpose(FIRST[x.ndim])


def convolve_input(g: Array, w: Array, b: Array | None, *, how: Geometry) -> Array:
    if depthwise.fits(g, w, how):
        x = depthwise.spread(g, w, how)
        return (x if b is None else x + b).transpose(FIRST[g.ndim])
    if _declined(g, w, how):
        return NotImplemented
    w = w.swapaxes(0, 1)
    if how.dense:
        every = (..., *[slice(None, None, -1)] * len(how.kernel))
        return _correlate(g, w[every], b, how.transposed).transpose(FIRST[g.ndim])
    phases = _phases(how)
    if phases is None:
        return NotImplemented
    out = np.empty((g.shape[0], *how.size, w.shape[0]), g.dtype)
    for taps, places, geometry in phases:
        spot = (slice(None), *places)
        if geometry is None:
            out[spot] = 0 if b is None else b
        else:
            out[spot] = _correlate(g, w[(..., *taps)], b, geometry)
    return out.transpose(FIRST[g.ndim])


_Fit = tuple[int, tuple[int, int]]  # a kernel's size and the padding, along one axis


@lru_cache(maxsize=1024)
def _phases(how: Geometry) -> list[tuple[Any, Any, Geometry | None]] | None:
    """A strided convolution's transpose as dense ones, one for each phase of its strides.

    Element s·q + a of the padded input meets only the taps r, r + s, … with r = a modulo s. So the
    elements of a phase are a convolution of g with those taps, flipped, without any scatter.
    Returns (taps, places, geometry) of each phase; no geometry where no tap meets the phase.
    """
    spread = zip(how.stride, how.kernel, how.dilation, strict=True)
    if any(stride > 1 and kernel > 1 and gap > 1 for stride, kernel, gap in spread):
        return None
    found: list[tuple[Any, Any, Geometry | None]] = []
    for phase in product(*[list(_phases_along(how, axis)) for axis in range(len(how.size))]):
        fits = [fit for _, _, fit in phase if fit is not None]
        geometry = None
        if len(fits) == len(phase):
            geometry = replace(
                how,
                size=how.counts,
                kernel=tuple([kernel for kernel, _ in fits]),
                stride=(1,) * len(fits),
                padding=tuple([padding for _, padding in fits]),
            )
        found.append(([taps for taps, _, _ in phase], [places for _, places, _ in phase], geometry))
    return found


def _phases_along(how: Geometry, axis: int) -> Iterator[tuple[slice, slice, _Fit | None]]:
    """For one axis: each phase's taps, its slice of the input, and the kernel size and padding."""
    size, stride, kernel = how.size[axis], how.stride[axis], how.kernel[axis]
    for a in range(min(stride, size)):
        offset, first = divmod(a + how.padding[axis][0], stride)
        taps = range(first, kernel, stride)
        places = slice(a, None, stride)
        if not taps:
            yield slice(0), places, None
            continue
        reach = (len(taps) - 1) * how.dilation[axis]  # (dilation only where the stride is 1)
        after = len(range(a, size, stride)) + offset - how.counts[axis]
        backwards = slice(taps[-1], taps[0] - stride if taps[0] >= stride else None, -stride)
        yield backwards, places, (len(taps), (reach - offset, after))


def convolve_weight(x: Array, g: Array, *, how: Geometry) -> Array:
    if x.shape[1] == how.groups and depthwise.fits(x, g[:, :1], how):
        return depthwise.weight(x, g, how)
    if _declined(x, g, how):
        return NotImplemented
    n, c, o = x.shape[0], x.shape[1], g.shape[1]
    plan = _plan(how, n, c, x.itemsize)
    g = channels_last(g)
    if plan.point:
        w = matmul(channels_last(x).reshape(-1, c).T, g.reshape(-1, o))
        return np.ascontiguousarray(w.T).reshape(o, c, *how.kernel)
    last = x.transpose(LAST[x.ndim])
    sums: dict[int, Array] = {}

    def part(start: int, stop: int) -> None:
        found = None
        for where, columns in _blocks(plan, last, start, stop):
            w = matmul(columns.T, g[where].reshape(-1, o))
            found = w if found is None else np.add(found, w, out=found)
        sums[start] = found

    parallel_for(part, plan.groups, plan.time(o))
    w = sum_partials(sums)
    d = len(how.kernel)
    if plan.few:
        w = w.reshape(c, *how.kernel, o).transpose(d + 1, *range(d + 1))
    else:
        w = w.reshape(*how.kernel, c, o).transpose(d + 1, d, *range(d))
    return np.ascontiguousarray(w)
