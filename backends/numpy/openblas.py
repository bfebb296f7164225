"""The number of threads of OpenBLAS, which NumPy's wheels bundle."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np


def _thread_functions() -> tuple[Callable[[], int], Callable[[int], object]]:
    """The getter and setter of the count; it stays 1 where NumPy's BLAS is no wheel's OpenBLAS."""
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


class _OneThread:
    """A context in which BLAS products run on the calling thread only; several may overlap."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside, self.before = 0, 1

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.before = get_threads()
                if self.before > 1:
                    set_threads(1)
            self.inside += 1

    def __exit__(self, *exc: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside and self.before > 1:
                set_threads(self.before)


one_thread = _OneThread()
