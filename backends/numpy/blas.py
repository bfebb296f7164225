"""The matrix product: small ones on one thread, large ones parallelised over our own threads.

OpenBLAS, which NumPy's wheels bundle, splits even small products over all its threads, and a thread
that has finished spins for some 20 ms, waiting for the next product. Meanwhile our threads, and on
a busy machine those of all processes, would compete with it for the processor.
"""

from __future__ import annotations

import math

import numpy as np
from xptorch.backends.numpy import openblas
from xptorch.backends.numpy.parallel import parallel_for

from xptorch._core.backend import Array

# Multiplications above which OpenBLAS uses its threads, and above which a second thread pays off.
_SHARED_FROM, PAYS_FROM = 9_216, 16_000_000
EACH = 0.02  # nanoseconds per multiplication


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """The product ``a @ b``, in `out` if given."""
    inner = a.shape[-1] * b.shape[-1] if b.ndim > 1 else a.shape[-1]
    work = inner * a.shape[-2] if a.ndim > 1 else inner
    if work <= _SHARED_FROM:
        return np.matmul(a, b, out=out)
    if a.dtype.char == "e":  # NumPy's own loop for half precision takes fifty times as long
        return matmul(a.astype("f4"), b.astype("f4"), out).astype("f2", copy=False)
    if openblas.get_threads() == 1:
        return np.matmul(a, b, out=out)
    if a.dtype == b.dtype and a.ndim == b.ndim > 1 and a.shape[:-2] == b.shape[:-2]:
        whole = work * math.prod(a.shape[:-2])
        if whole >= PAYS_FROM:
            return _shared(a, b, out, whole) if a.ndim == 2 else _batch(a, b, out, whole)
    with openblas.one_thread:
        return np.matmul(a, b, out=out)


def _batch(a: Array, b: Array, out: Array | None, work: int) -> Array:
    """The batched matrix product, split along the longest batch axis."""
    y = np.empty((*a.shape[:-1], b.shape[-1]), a.dtype) if out is None else out
    axis = max(range(a.ndim - 2), key=a.shape.__getitem__)
    first, second, result = (x.swapaxes(0, axis) for x in (a, b, y))

    def part(start: int, stop: int) -> None:
        np.matmul(first[start:stop], second[start:stop], out=result[start:stop])

    parallel_for(part, len(first), work * EACH)
    return y


def _shared(a: Array, b: Array, out: Array | None, work: int) -> Array:
    """The product of two matrices in blocks of the result's rows or columns."""
    rows, columns = a.shape[0], b.shape[1]
    if out is None:
        out = np.empty((rows, columns), a.dtype)
    if rows >= min(columns, 128):  # contiguous blocks of the result, if not too thin
        count = rows

        def part(start: int, stop: int) -> None:
            np.matmul(a[start:stop], b, out=out[start:stop])
    else:
        count = columns

        def part(start: int, stop: int) -> None:
            np.matmul(a, b[:, start:stop], out=out[:, start:stop])

    parallel_for(part, count, work * EACH)
    return out
