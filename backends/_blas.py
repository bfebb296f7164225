"""How many threads OpenBLAS uses, and matrix products on one where a second would cost more.

OpenBLAS, which NumPy's wheels bring, shares even small products among all its threads, and a thread
that has done its part goes on spinning for the next. In a small net's step that gains nothing on an
idle machine, and on a busy one each product waits until the other thread gets its turn.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from xptorch._backend import Array

# Multiplications from which OpenBLAS uses its threads, and from which they pay (about 0.25 ms).
_SHARED_FROM, _PAYS_FROM = 9_216, 25_000_000


def _thread_functions() -> tuple[Callable[[], int], Callable[[int], object]]:
    """What tells and sets the count; where NumPy's BLAS is no OpenBLAS of a wheel it stays 1."""
    home = Path(np.__file__).parent
    for folder in (home.parent / "numpy.libs", home / ".dylibs"):
        for path in folder.glob("*openblas*"):
            library = ctypes.CDLL(str(path))
            for name in ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads"):
                try:
                    functions = [getattr(library, name.format(w)) for w in ("get", "set")]
                except AttributeError:
                    continue
                functions[0].restype, functions[1].argtypes = ctypes.c_int, [ctypes.c_int]
                return functions[0], functions[1]
    return lambda: 1, lambda count: None


get_threads, set_threads = _thread_functions()


@contextmanager
def one_thread() -> Iterator[None]:
    """A block whose matrix products stay on the thread that asks for them."""
    before = get_threads()
    set_threads(1)
    try:
        yield
    finally:
        set_threads(before)


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """The matrix product, on one thread where that is faster."""
    inner = a.shape[-1] * b.shape[-1] if b.ndim > 1 else a.shape[-1]
    work = inner * a.shape[-2] if a.ndim > 1 else inner
    if not _SHARED_FROM < work < _PAYS_FROM:
        return np.matmul(a, b, out)
    before = get_threads()
    if before == 1:
        return np.matmul(a, b, out)
    set_threads(1)
    try:
        return np.matmul(a, b, out)
    finally:
        set_threads(before)
