"""The numpy backend's chunks of work on libgomp's threads, which oneDNN keeps spinning.

While they wait for oneDNN's next call they compete with any other thread: a product split between
them and one of ours took twice as long. So both use the same threads, which also halves the time to
dispatch work.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np
from xptorch.backends.numpy.parallel import Part

_Body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Team:
    """The threads of a library that is linked with libgomp.

    Args:
        quick: the library, for calls that hold the interpreter lock.
    """

    def __init__(self, library: ctypes.CDLL, quick: ctypes.PyDLL) -> None:
        self.parallel = library.GOMP_parallel  # function, its argument, threads, flags
        self.parallel.argtypes = _Body, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint
        self.number, self.count = quick.omp_get_thread_num, quick.omp_get_num_threads
        self.body = _Body(self._take)
        self.known = threading.local()
        self.work: Any = None

    def run(self, part: Part, bounds: list[int]) -> list[BaseException | None]:
        """Run the chunks between those bounds; returns their errors."""
        errors: list[BaseException | None] = []
        done: list[int] = []
        self.work = part, bounds, errors, done
        try:
            self.parallel(self.body, None, len(bounds) - 1, 0)
        finally:
            self.work = None  # no references are held while waiting
        if not errors and len(done) < len(bounds) - 1:
            raise KeyboardInterrupt  # raised before `_take` could catch it; ctypes drops it
        return errors

    def _take(self, _: None) -> None:
        """The body of each thread: runs its chunks."""
        part, bounds, errors, done = self.work
        try:
            mine = self.number()
            if mine and not hasattr(self.known, "kept"):
                # Otherwise Python would delete its state and thread-local data after the call.
                self.known.kept = ctypes.pythonapi.PyGILState_Ensure()
                np.seterr(all="ignore")
            for i in range(mine, len(bounds) - 1, self.count()):  # there may be fewer threads
                part(bounds[i], bounds[i + 1])
                done.append(i)
        except BaseException as error:
            errors.append(error)
