"""Independent calls on several threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xptorch.backends.numpy.parallel import share


def run_all(calls: Sequence[Callable[[], None]], nanoseconds: float) -> None:
    def part(start: int, stop: int) -> None:
        for call in calls[start:stop]:
            call()

    share(part, len(calls), nanoseconds)
