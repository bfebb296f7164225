"""Matrix products on one thread where a second would cost more than it helps.

OpenBLAS, which NumPy's wheels bring, shares even small products among all its threads, and a thread
that has done its part goes on spinning for the next. In a small net's step that gains nothing on an
idle machine, and on a busy one each product waits until the other thread gets its turn.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np

from xptorch._backend import Array

# Multiplications from which OpenBLAS uses its threads, and from which they pay (about 0.25 ms).
_SHARED_FROM, _PAYS_FROM = 9_216, 25_000_000


def matmul() -> Callable[[Array, Array], Array]:
    """The matrix product for NumPy arrays; NumPy's own where its BLAS is no OpenBLAS of a wheel."""
    found = _thread_functions()
    if found is None:
        return np.matmul
    get, set_to = found

    def product(a: Array, b: Array) -> Array:
        inner = a.shape[-1] * b.shape[-1] if b.ndim > 1 else a.shape[-1]
        work = inner * a.shape[-2] if a.ndim > 1 else inner
        if not _SHARED_FROM < work < _PAYS_FROM:
            return a @ b
        before = get()
        if before == 1:
            return a @ b
        set_to(1)
        try:
            return a @ b
        finally:
            set_to(before)

    return product


def _thread_functions() -> tuple[Callable[[], int], Callable[[int], None]] | None:
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
    return None
