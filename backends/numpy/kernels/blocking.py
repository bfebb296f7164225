"""How kernels go through large arrays: in parts that keep to the cache, shared among threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from xptorch.backends.numpy.parallel import parallel_for
from xptorch.backends.numpy.workspace import workspace

from xptorch._core.backend import Array

# Numbers of one NumPy call. One thread alone keeps to its core's own cache. Several would wait for
# each other's turn in Python with so few; that intermediate results leave the cache costs less.
_ALONE, _PART = 1 << 17, 1 << 19
_SCRATCH = 8 * _PART  # bytes
_PASS = 0.1  # nanoseconds for a number in a multiplication of arrays

SMALL = 1 << 15  # numbers below which the generic functions are as fast


def for_row_blocks(work: Callable[[slice], None], rows: int, width: int, passes: float) -> None:
    """Call `work` with slices that together are all rows, on several threads where that pays.

    Args:
        passes: how many multiplications of arrays the work takes as long as.
    """

    def part(start: int, stop: int) -> None:
        step = max((_ALONE if stop - start == rows else _PART) // max(width, 1), 1)
        for first in range(start, stop, step):
            work(slice(first, min(first + step, stop)))

    parallel_for(part, rows, rows * width * passes * _PASS)


def scratch(like: Array) -> Array:
    """An array of that shape, dtype and order, valid until the next one is asked for."""
    if like.nbytes > _SCRATCH:
        return np.empty_like(like)
    (buffer,) = workspace("scratch", lambda: (_aligned(_SCRATCH),))
    return buffer[: like.nbytes].view(like.dtype).reshape(like.shape)


def _aligned(size: int) -> Array:
    """Bytes from the start of a cache line on: elsewhere x · y takes twice as long to write."""
    memory = np.empty(size + 64, np.uint8)
    return memory[-memory.ctypes.data % 64 :][:size]


def sum_partials(found: dict[int, Array]) -> Array:
    """The sum of what the parts from those starts on gave: in one order, so that it repeats."""
    first, *others = sorted(found)
    result = found[first]
    for start in others:
        result += found[start]
    return result


def is_eligible(x: Array) -> bool:
    """Whether a kernel is worth it: an array of float32 or float64 that is not small."""
    return x.size > SMALL and x.dtype.kind == "f" and x.dtype.itemsize > 2


def as_vectors(out: Array, *arrays: Array) -> list[Array]:
    """Arrays of one shape as vectors, all in the order of the first, which is dense."""
    vectors = [out.ravel(order="K")]
    for x in arrays:
        if x.strides != out.strides:
            x, source = np.empty_like(out, dtype=x.dtype), x
            np.copyto(x, source)
        vectors.append(x.ravel(order="K"))
    return vectors
