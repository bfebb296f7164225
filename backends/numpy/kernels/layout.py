"""Channels last: the memory layout that the image kernels work in.

Arrays are (n, c, s1 … sd) to the outside. Inside they are (n, s1 … sd, c): the elements of a window
are contiguous, and values per channel broadcast along rows. Results are views of such memory;
NumPy's elementwise functions preserve it, so that no data is reordered between layers.
"""

from __future__ import annotations

import math

import numpy as np
from xptorch.backends.numpy.parallel import parallel_for

from xptorch._core.backend import LAST, Array, window_count

_APART = 4096  # bytes: cache lines this far apart map to the same set of the L1 cache
_SHARING = 16  # lines that may share a set: it holds eight, and the L2 cache is near


def windows(
    x: Array, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Array:
    """The windows (n, o…, k…, c) of x (n, s…, c), a read-only view."""
    n, *size, c = x.shape
    sn, *steps, sc = x.strides
    counts = map(window_count, size, kernel, stride, dilation)
    hops = [s * t for s, t in zip(steps, stride, strict=True)]
    gaps = [s * t for s, t in zip(steps, dilation, strict=True)]
    shape, strides = (n, *counts, *kernel, c), (sn, *hops, *gaps, sc)
    if x.flags.c_contiguous:  # the constructor takes a fifth of the time of as_strided
        return np.ndarray(shape, x.dtype, x, 0, strides)
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


def copy_last(to: Array, x: Array) -> None:
    """Copy between arrays (n, s…, c); channels are contiguous in `to`, but perhaps not in x."""
    c, gap = x.shape[-1], x.strides[-1]
    if c == 1 or gap == x.itemsize:
        to[...] = x
    elif c <= 8:  # NumPy's inner loop would run over the few channels of one position
        for channel in range(c):
            to[..., channel] = x[..., channel]
    elif c * math.gcd(gap, _APART) <= _SHARING * _APART:
        to[...] = x
    else:
        # The channels of a position map to the same few cache sets: so copy to where they do not.
        size = x.shape[1:-1]
        space = np.empty((c, math.prod(size) + 16), x.dtype)
        transposed = space[:, :-16].reshape(c, *size)
        for image, out in zip(x, to, strict=True):
            transposed[...] = np.moveaxis(image, -1, 0)
            out[...] = np.moveaxis(transposed, 0, -1)


def channels_last(x: Array) -> Array:
    """x (n, c, s…) as contiguous (n, s…, c): a view where it is stored so already."""
    x = x.transpose(LAST[x.ndim])
    if x.flags.c_contiguous:
        return x
    out = np.empty(x.shape, x.dtype)
    parallel_for(lambda start, stop: copy_last(out[start:stop], x[start:stop]), len(x), x.size)
    return out


def tiling(rows: int, width: int) -> int:
    """How many rows to merge into one where a row vector is broadcast over all of them."""
    if rows * width <= 16384 or width > 512:
        return 1
    return math.gcd(rows, 1 << (10 - width.bit_length()))


def repeated(x: Array, v: Array) -> tuple[Array, Array]:
    """A matrix and a vector for its rows, both widened if rows are short: loops run along rows."""
    rows, width = x.shape
    count = tiling(rows, width)
    if count == 1:
        return x, v
    return x.reshape(rows // count, width * count), np.concatenate([v] * count)
