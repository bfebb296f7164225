"""Large work of the numpy backend on several threads.

NumPy releases the interpreter lock while it computes, so Python threads can compute chunks of an
operation: worth it from about 0.3 ms, since dispatching a chunk costs 50 µs. Meanwhile BLAS is
limited to one thread, because its threads and ours would compete for the processor.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np
from xptorch.backends.numpy import openblas

_PAYS_FROM = 300_000  # nanoseconds of work

Part = Callable[[int, int], None]
Run = Callable[[Part, list[int]], list[BaseException | None]]  # like _ThreadPool.run_on_own_threads


def _available() -> int:
    """OMP_NUM_THREADS, or the number of processors that the process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _ThreadPool:
    """The threads that wait for chunks of work; started at the first use."""

    def __init__(self) -> None:
        self.size = _available()
        self.reset()

    def reset(self) -> None:
        """Set up without workers: after a fork there are none."""
        self.workers: list[SimpleQueue[Any]] = []
        self.busy = threading.Lock()
        self.run: Run = self.run_on_own_threads

    def queues(self, count: int) -> list[SimpleQueue[Any]]:
        while len(self.workers) < count:
            queue: SimpleQueue[Any] = SimpleQueue()
            threading.Thread(target=_worker, args=(queue,), daemon=True).start()
            self.workers.append(queue)
        return self.workers[:count]

    def run_on_own_threads(self, part: Part, bounds: list[int]) -> list[BaseException | None]:
        """Run the chunks between the bounds, the caller the first; returns the workers' errors."""
        done: SimpleQueue[Any] = SimpleQueue()
        count = len(bounds) - 2
        for i, queue in enumerate(self.queues(count), 1):
            queue.put((part, bounds[i], bounds[i + 1], done))
        try:
            part(0, bounds[1])
        finally:  # the others write to the caller's arrays until they are done
            errors = [done.get() for _ in range(count)]
        return errors


def _worker(queue: SimpleQueue[Any]) -> None:
    np.seterr(all="ignore")
    while True:
        part, start, stop, done = queue.get()
        try:
            part(start, stop)
        except BaseException as error:
            done.put(error)
        else:
            done.put(None)
        del part, done  # no references are held while waiting


_pool = _ThreadPool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.reset)


def threads(count: int | None = None) -> int:
    """The number of threads for large work; sets it (and BLAS's) where a count is given."""
    if count is not None:
        _pool.size = count
        openblas.set_threads(count)
    return _pool.size


def use_runner(run: Run) -> None:
    """Run chunks on a library's threads, which otherwise would compete with ours while idle."""
    _pool.run = run


def parallel_for(part: Part, count: int, nanoseconds: float) -> None:
    """Call ``part(start, stop)`` for chunks of ``range(count)``, on several threads if it pays off.

    Args:
        nanoseconds: about how long all of it takes on one thread.
    """
    size = min(_pool.size, count)
    if size < 2 or nanoseconds < _PAYS_FROM or not _pool.busy.acquire(blocking=False):
        with openblas.one_thread:
            part(0, count)
        return
    try:
        with openblas.one_thread:
            for error in _pool.run(part, [count * i // size for i in range(size + 1)]):
                if error is not None:
                    raise error
    finally:
        _pool.busy.release()
