"""The number of host threads that operations use."""

from __future__ import annotations

from xptorch._core import registry

__all__ = [
    "get_num_interop_threads",
    "get_num_threads",
    "set_num_interop_threads",
    "set_num_threads",
]


def get_num_threads() -> int:
    """The number of threads that a large operation on the CPU uses.

    Initially OMP_NUM_THREADS, or the number of processors available to the program.
    """
    return registry.load("numpy").threads()


def set_num_threads(count: int) -> None:
    """Parallelise large operations on the CPU, matrix products included, over that many threads.

    Raises:
        TypeError: `count` is not an int.
        RuntimeError: it is not positive.
    """
    registry.load("numpy").threads(_positive("set_num_threads", count))


def get_num_interop_threads() -> int:
    """How many operations run at once: one, in program order."""
    return 1


def set_num_interop_threads(count: int) -> None:
    """Changes nothing, as operations run one at a time whatever the number.

    Raises:
        TypeError: `count` is not an int.
        RuntimeError: it is not positive.
    """
    _positive("set_num_interop_threads", count)


def _positive(name: str, count: int) -> int:
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(f"{name} expects an int, but got {type(count).__name__}")
    if count <= 0:
        raise RuntimeError(f"{name} expects a positive integer, but got {count}")
    return count
