"""How kernels process large arrays: in blocks that fit the cache, parallelised over threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from xptorch.backends.numpy.parallel import parallel_for
from xptorch.backends.numpy.workspace import workspace

from xptorch._core.backend import Array

# Elements per NumPy call. A single thread works within its core's own cache. With blocks that small
# several threads would wait for the interpreter lock; leaving the cache in between costs less.
_SINGLE_THREAD, _PART = 1 << 17, 1 << 19
_SCRATCH = 8 * _PART  # bytes
_PASS = 0.1  # nanoseconds per element for a multiplication of arrays

SMALL = 1 << 15  # elements below which the generic functions are as fast


def for_row_blocks(work: Callable[[slice], None], rows: int, width: int, passes: float) -> None:
    """Call `work` with slices that together cover all rows, on several threads if that pays off.

    Args:
        passes: the cost of the work, in elementwise multiplications of arrays.
    """

    def part(start: int, stop: int) -> None:
        step = max((_SINGLE_THREAD if stop - start == rows else _PART) // max(width, 1), 1)
        for first in range(start, stop, step):
            work(slice(first, min(first + step, stop)))

    parallel_for(part, rows, rows * width * passes * _PASS)


def scratch(like: Array) -> Array:
    """An uninitialised array of that shape and dtype, valid until the next call."""
    if like.nbytes > _SCRATCH:
        return np.empty_like(like)
    (buffer,) = workspace("scratch", lambda: (_aligned(_SCRATCH),))
    return buffer[: like.nbytes].view(like.dtype).reshape(like.shape)


def _aligned(size: int) -> Array:
    """Bytes aligned to a cache line: unaligned, x · y takes twice as long to write."""
    memory = np.empty(size + 64, np.uint8)
    return memory[-memory.ctypes.data % 64 :][:size]


def sum_partials(found: dict[int, Array]) -> Array:
    """The sum of the chunks' results, by start: in a fixed order, so that it is reproducible."""
    first, *others = sorted(found)
    result = found[first]
    for start in others:
        result += found[start]
    return result


def is_eligible(x: Array) -> bool:
    """Whether a kernel is worth it: an array of float32 or float64 that is not small."""
    return x.size > SMALL and x.dtype.kind == "f" and x.dtype.itemsize > 2


def as_vectors(out: Array, *arrays: Array) -> list[Array]:
    """Arrays of one shape as vectors, all in the memory order of the first, which is dense."""
    vectors = [out.ravel(order="K")]
    for x in arrays:
        if x.strides != out.strides:
            x, source = np.empty_like(out, dtype=x.dtype), x
            np.copyto(x, source)
        vectors.append(x.ravel(order="K"))
    return vectors
