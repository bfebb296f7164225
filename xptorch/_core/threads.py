"""How many threads of the host operations are shared among."""

from __future__ import annotations

from xptorch._core import registry

__all__ = [
    "get_num_interop_threads",
    "get_num_threads",
    "set_num_interop_threads",
    "set_num_threads",
]


def get_num_threads() -> int:
    """How many threads a large operation on the CPU is shared among.

    At first OMP_NUM_THREADS, or as many as there are processors that the program may use.
    """
    return registry.load("numpy").threads()


def set_num_threads(count: int) -> None:
    """Share large operations on the CPU among that many threads, matrix products included.

    Raises:
        TypeError: `count` is not an int.
        RuntimeError: it is not positive.
    """
    registry.load("numpy").threads(_positive("set_num_threads", count))


def get_num_interop_threads() -> int:
    """How many operations run at once: one, in the order of the program."""
    return 1


def set_num_interop_threads(count: int) -> None:
    """Operations run one at a time whatever the number, which cannot change a result.

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
