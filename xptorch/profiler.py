"""Measures time: of ops, steps of the backward pass, and ranges named by the user.

Every op's array code passes through one function, where it is timed without help from the array
library; host work between the ops is included in the ranges of `record_function`.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from xptorch import cuda
from xptorch._core.mode import local
from xptorch._engine.graph import Node
from xptorch._engine.op import OPS

__all__ = [
    *("ProfilerAction", "ProfilerActivity", "kineto_available", "profile", "record_function"),
    *("schedule", "supported_activities", "tensorboard_trace_handler"),
]


class ProfilerActivity(Enum):
    """What to profile."""

    CPU = 0
    XPU = 1
    CUDA = 2


class ProfilerAction(Enum):
    """What the profiler does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """The activities that can be profiled, as timed on the host."""
    return {ProfilerActivity.CPU} | ({ProfilerActivity.CUDA} if cuda.is_available() else set())


def kineto_available() -> bool:
    """False: PyTorch's profiling library is not used."""
    return False


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0
) -> Callable[[int], ProfilerAction]:
    """Which steps to record: after `wait` and `warmup` steps `active` ones, repeatedly.

    Args:
        wait: steps to skip.
        warmup: steps whose record is discarded.
        active: steps to record.
        repeat: how often; 0: without end.
        skip_first: steps to skip once, at the beginning.
    """
    cycle = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0 or (repeat and step // cycle >= repeat):
            return ProfilerAction.NONE
        position = step % cycle
        if position < wait:
            return ProfilerAction.NONE
        if position < wait + warmup:
            return ProfilerAction.WARMUP
        last = position == cycle - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


class _Span:
    """One run of an op or range: times in microseconds since the profile began."""

    def __init__(self, name: str, start: float) -> None:
        self.name, self.start, self.inner, self.duration = name, start, 0.0, 0.0


class FunctionEventAvg:
    """All runs of one name: `count`, and microseconds in total and without nested runs."""

    def __init__(self, key: str) -> None:
        self.key, self.count = key, 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0

    @property
    def cpu_time(self) -> float:
        """Average microseconds of a run."""
        return self.cpu_time_total / self.count if self.count else 0.0


class EventList(list[FunctionEventAvg]):
    """Averages by name, which print as a table."""

    @property
    def self_cpu_time_total(self) -> float:
        """Total microseconds."""
        return sum(e.self_cpu_time_total for e in self)

    def total_average(self) -> FunctionEventAvg:
        """The sum of all entries."""
        total = FunctionEventAvg("Total")
        for e in self:
            total.count += e.count
            total.cpu_time_total += e.cpu_time_total
            total.self_cpu_time_total += e.self_cpu_time_total
        return total

    def table(
        self, sort_by: str | None = None, row_limit: int = 100, max_name_column_width: int = 55
    ) -> str:
        """The averages as text.

        Args:
            sort_by: an attribute, such as "self_cpu_time_total", "cpu_time_total" or "count".
            row_limit: the maximal number of rows; negative for all.
            max_name_column_width: longer names are truncated.
        """
        key = (sort_by or "").replace("cuda_time", "cpu_time").replace("device_time", "cpu_time")
        rows = sorted(self, key=lambda e: -getattr(e, key)) if key else list(self)
        rows = rows if row_limit < 0 else rows[:row_limit]
        whole = self.self_cpu_time_total or 1.0
        width = min(max([len(e.key) for e in rows] + [4]), max_name_column_width)
        head = f"{'Name':>{width}}  {'Self CPU %':>10}  {'Self CPU':>10}  {'CPU total':>10}"
        lines = [f"{head}  {'CPU time avg':>12}  {'# of Calls':>10}"]
        lines += [
            f"{e.key[:width]:>{width}}  {100 * e.self_cpu_time_total / whole:>9.2f}%"
            f"  {_text(e.self_cpu_time_total):>10}  {_text(e.cpu_time_total):>10}"
            f"  {_text(e.cpu_time):>12}  {e.count:>10}"
            for e in rows
        ]
        bar = "-" * max(map(len, lines))
        lines = [bar, lines[0], bar, *lines[1:], bar]
        return "\n".join([*lines, f"Self CPU time total: {_text(self.self_cpu_time_total)}", ""])

    __str__ = table


def _text(microseconds: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:.3f}{unit}"
    return f"{microseconds:.3f}us"


_running: list[profile] = []


class profile:
    """A block whose ops are timed.

    Args:
        activities: what to profile; ops are timed on the host, with CUDA synchronised after each.
        schedule: which of the steps, counted by `step`, to record; all by default.
        on_trace_ready: called with the profile when a series of recorded steps ends.
        record_shapes, profile_memory, with_stack, with_flops, with_modules: not supported.

    Example::

        with profile() as p:
            net(x).sum().backward()
        print(p.key_averages().table(sort_by="self_cpu_time_total", row_limit=10))
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        use_cuda: bool | None = None,
    ) -> None:
        options = {
            **{"record_shapes": record_shapes, "profile_memory": profile_memory},
            **{"with_stack": with_stack, "with_flops": with_flops, "with_modules": with_modules},
        }
        for name, requested in options.items():
            if requested:
                raise NotImplementedError(f"profile({name}=True) is not supported")
        chosen = set(activities or ()) or {ProfilerActivity.CPU}
        self.waits = ProfilerActivity.CUDA in chosen and cuda.is_available()
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready, self.step_num = on_trace_ready, 0
        self.spans: list[_Span] = []
        self._open: list[_Span] = []

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start profiling."""
        self.zero = time.perf_counter()
        self.action = self.schedule(self.step_num)
        _running.append(self)
        ops = [call.op for call in OPS.values()]  # type: ignore[attr-defined]
        self._names = {function: o.name for o in ops for function in (o.forward, o.operator)}
        self._before, self._timed = local.mode.run, _timed(local.mode.run, self)
        local.mode.run = self._timed

    def stop(self) -> None:
        """Stop profiling."""
        _running.remove(self)
        if local.mode.run is self._timed:
            local.mode.run = self._before
        if self.on_trace_ready and self.action in _RECORDING:
            self.on_trace_ready(self)

    def step(self) -> None:
        """Go to the next step of the schedule."""
        before = self.action
        self.step_num += 1
        self.action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE and self.on_trace_ready:
            self.on_trace_ready(self)
        if self.action in _RECORDING and before not in _RECORDING:
            self.spans = []

    def begin(self, name: str) -> None:
        """Open a range."""
        self._open.append(_Span(name, (time.perf_counter() - self.zero) * 1e6))

    def end(self) -> None:
        """Close the range opened last."""
        if self.waits:
            cuda.synchronize()
        span = self._open.pop()
        span.duration = (time.perf_counter() - self.zero) * 1e6 - span.start
        if self._open:
            self._open[-1].inner += span.duration
        if self.action in _RECORDING:
            self.spans.append(span)

    def name_of(self, function: Any) -> str:
        """The op, or the step of the backward pass, that a function belongs to."""
        owner = getattr(function, "__self__", None)
        if isinstance(owner, Node):
            return owner.name()
        try:
            return self._names[function]
        except (KeyError, TypeError):
            return str(getattr(function, "__name__", "array code"))

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0
    ) -> EventList:
        """The runs, aggregated by name."""
        if group_by_input_shape or group_by_stack_n:
            raise NotImplementedError("key_averages: grouping by shape or stack is not supported")
        found: dict[str, FunctionEventAvg] = {}
        for span in self.spans:
            e = found.setdefault(span.name, FunctionEventAvg(span.name))
            e.count += 1
            e.cpu_time_total += span.duration
            e.self_cpu_time_total += span.duration - span.inner
        return EventList(found.values())

    def events(self) -> list[_Span]:
        """The individual runs."""
        return self.spans

    def export_chrome_trace(self, path: str) -> None:
        """Write the runs as a trace for chrome://tracing."""
        events = [
            {"name": s.name, "ph": "X", "ts": s.start, "dur": s.duration, "pid": 0, "tid": 0}
            for s in self.spans
        ]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events}, file)


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def _timed(run: Callable[..., Any], by: profile) -> Callable[..., Any]:
    def timed(function: Any, *args: Any, **static: Any) -> Any:
        if by not in _running:
            return run(function, *args, **static)
        by.begin(by.name_of(function))
        try:
            return run(function, *args, **static)
        finally:
            by.end()

    timed.wide = getattr(run, "wide", False)  # type: ignore[attr-defined]
    return timed


class record_function:
    """A block or function that appears in profiles under a name."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name

    def __enter__(self) -> record_function:
        self.profiles = list(_running)
        for p in self.profiles:
            p.begin(self.name)
        return self

    def __exit__(self, *exc: object) -> None:
        for p in self.profiles:
            p.end()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return function(*args, **kwargs)

        return wrapped


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """For `on_trace_ready`: write each trace into a folder."""
    if use_gzip:
        raise NotImplementedError("tensorboard_trace_handler(use_gzip=True) is not supported")

    def write(p: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        name = f"{worker_name or os.getpid()}.{time.time_ns()}.pt.trace.json"
        p.export_chrome_trace(os.path.join(dir_name, name))

    return write
