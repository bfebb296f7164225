"""Max-pooling on NumPy: axis by axis, like the generic function, but groups of images at a time.

Groups are parallelised over threads, each with its own workspace.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from xptorch.backends.numpy.kernels.layout import copy_last
from xptorch.backends.numpy.parallel import parallel_for, threads
from xptorch.backends.numpy.workspace import workspace

from xptorch._core.backend import FIRST, LAST

Array = Any
Geometry = Any  # of xptorch/ops/layers/convolution.py
Key = tuple[Any, ...]

_GROUP = 1 << 20  # elements: smaller groups lose more to call overhead than the cache saves
_WORDS = {4: np.int32, 8: np.int64}


def _groups(how: Geometry, n: int, c: int) -> int:
    """The number of groups of images: one for each thread, if they are large enough, or more."""
    elements = n * c * math.prod(how.padded)
    return min(max(elements // _GROUP, min(threads(), 2 * elements // _GROUP), 1), n)


def _declined(x: Array, how: Geometry) -> bool:
    negative = min(map(min, how.padding)) < 0
    return x.dtype.char not in "fd" or not x.size or negative or math.prod(how.kernel) == 1


def _padded(x: Array, how: Geometry, lowest: float) -> Array:
    """Images (n, s…, c) with their padding, in this thread's workspace if there is any."""
    if not any(a or b for a, b in how.padding):
        return x
    shape = (len(x), *how.padded, x.shape[-1])
    (space,) = workspace((how, shape, x.dtype), lambda: (np.full(shape, lowest, x.dtype),))
    ends = zip(how.padding, how.size, strict=True)
    copy_last(space[(slice(None), *[slice(a, a + s) for (a, _), s in ends])], x)
    return space


def _maximum(x: Array, keys: tuple[Key, ...], out: Array) -> None:
    """The maximum over the taps along one axis."""
    if len(keys) == 1:
        out[...] = x[keys[0]]
        return
    np.maximum(x[keys[0]], x[keys[1]], out=out)
    for key in keys[2:]:
        np.maximum(out, x[key], out=out)


def max_pool(x: Array, *, how: Geometry, lowest: float) -> Any:
    if _declined(x, how):
        return NotImplemented
    n, c = x.shape[:2]
    last = x.transpose(LAST[x.ndim])
    keys = how.taps
    maxima = []  # along the last axis, the last two, …
    for axis in reversed(range(len(keys))):
        maxima.append(np.empty((n, *how.padded[:axis], *how.counts[axis:], c), x.dtype))
    groups = _groups(how, n, c)

    def part(start: int, stop: int) -> None:
        for i in range(start, stop):
            images = slice(n * i // groups, n * (i + 1) // groups)
            y = _padded(last[images], how, lowest)
            for axis, most in zip(reversed(keys), maxima, strict=True):
                _maximum(y, axis, most[images])
                y = most[images]

    parallel_for(part, groups, 1.2 * n * c * math.prod(how.padded))
    return maxima[-1].transpose(FIRST[x.ndim]), maxima[:-1]


def max_pool_backward(
    g: Array, x: Array, *, maxima: list[Array], how: Geometry, lowest: float
) -> Any:
    if _declined(x, how) or g.dtype != x.dtype:
        return NotImplemented
    n, c = x.shape[:2]
    last, g = x.transpose(LAST[x.ndim]), g.transpose(LAST[x.ndim])
    out = np.empty((n, *how.size, c), x.dtype)
    ends = zip(how.padding, how.size, strict=True)
    middle = (slice(None), *[slice(a, a + s) for (a, _), s in ends])
    groups = _groups(how, n, c)

    def part(start: int, stop: int) -> None:
        for i in range(start, stop):
            images = slice(n * i // groups, n * (i + 1) // groups)
            stages = [_padded(last[images], how, lowest), *[m[images] for m in maxima]]
            back, most = g[images], None
            for axis, keys in enumerate(how.taps):  # in the reverse of the forward's order
                x = stages.pop()
                if most is None:  # the last maximum was the result, which the user may change
                    most = np.empty(back.shape, x.dtype)
                    _maximum(x, keys, most)
                back = _spread_axis(back, x, most, how, axis)
                most = x
            out[images] = back[middle]

    parallel_for(part, groups, 3 * n * c * math.prod(how.padded))
    return out.transpose(FIRST[x.ndim])


def _spread_axis(g: Array, x: Array, most: Array, how: Geometry, axis: int) -> Array:
    """g scattered along one axis of x to the first tap at the maximum (NaN: to the last tap)."""
    keys, step = how.taps[axis], how.stride[axis]
    shapes = x.shape, g.shape
    out, bits, left, mask = workspace((how, axis, shapes, x.dtype), _buffers, *shapes, x.dtype)
    out[...] = 0
    left[...] = g.view(left.dtype)
    met = set()
    for tap, key in enumerate(keys):
        if tap < len(keys) - 1:
            np.equal(x[key], most, out=mask)
            # In a window of only −∞ the padding would come first.
            mask[(*(slice(None),) * (axis + 1), slice(how.on_padding(axis, tap)))] = False
            # All bits of g or none, not a product: the values masked out may be infinite.
            np.negative(mask.view(np.int8), out=bits, dtype=bits.dtype)
            bits &= left
            left ^= bits
        else:
            bits = left
        residue = tap * how.dilation[axis] % step
        if residue in met:
            out[key] += bits.view(x.dtype)
        else:  # nothing has been added there yet
            out[key] = bits.view(x.dtype)
            met.add(residue)
    return out


def _buffers(whole: tuple[int, ...], part: tuple[int, ...], dtype: Any) -> tuple[Array, ...]:
    bits, left = (np.empty(part, _WORDS[dtype.itemsize]) for _ in range(2))
    return np.empty(whole, dtype), bits, left, np.empty(part, bool)
