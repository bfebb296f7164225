"""Independent calls on several threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xptorch.backends.numpy.parallel import parallel_for


def run_all(calls: Sequence[Callable[[], None]], nanoseconds: float) -> None:
    def part(start: int, stop: int) -> None:
        for call in calls[start:stop]:
            call()

    parallel_for(part, len(calls), nanoseconds)
