"""`Timer`: measures the run time of a statement."""

from __future__ import annotations

import statistics
import timeit
from collections.abc import Callable
from typing import Any

__all__ = ["Measurement", "Timer"]


class Measurement:
    """Measured run times of a statement, in seconds."""

    def __init__(self, number_per_run: int, raw_times: list[float], stmt: str) -> None:
        self.number_per_run, self.raw_times, self.stmt = number_per_run, raw_times, stmt

    @property
    def times(self) -> list[float]:
        """Seconds of one run of the statement, for each block of runs."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        """The mean of `times`."""
        return statistics.fmean(self.times)

    @property
    def median(self) -> float:
        """The median of `times`."""
        return statistics.median(self.times)

    @property
    def iqr(self) -> float:
        """The interquartile range of `times`."""
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return high - low

    def __repr__(self) -> str:
        scale, unit = (1e6, "us") if self.median < 1e-3 else (1e3, "ms")
        scale, unit = (1.0, "s") if self.median >= 1 else (scale, unit)
        runs = f"{len(self.times)} measurement{'s' if len(self.times) > 1 else ''}"
        return (
            f"<Measurement of {self.stmt}>\n  {self.median * scale:.2f} {unit}\n"
            f"  {runs}, {self.number_per_run} runs per measurement"
        )


class Timer:
    """Times a statement.

    Args:
        stmt: the statement to time.
        setup: a statement that is run once before.
        global_setup: not supported (it is for C++).
        timer: the clock.
        globals: the names that the statement uses.
        label: a note.
        sub_label: a note.
        description: a note.
        num_threads: only 1 is supported.
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timeit.default_timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        num_threads: int = 1,
    ) -> None:
        if global_setup or num_threads != 1:
            raise NotImplementedError("Timer(global_setup or num_threads) is not supported")
        self.stmt, self.label = stmt, label
        self.sub_label, self.description = sub_label, description
        self._timer = timeit.Timer(stmt, setup, timer, globals)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """Run it `number` times."""
        self._timer.timeit(max(number // 100, 2))  # warm-up
        return Measurement(number, [self._timer.timeit(number)], self.stmt)

    def blocked_autorange(self, callback: Any = None, min_run_time: float = 0.2) -> Measurement:
        """Run it in blocks for at least `min_run_time` seconds."""
        number, taken = 1, 0.0
        while (taken := self._timer.timeit(number)) < min_run_time / 1000:
            number *= 10
        times = [taken]
        while sum(times) < min_run_time:
            times.append(self._timer.timeit(number))
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self.stmt)
