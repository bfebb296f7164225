"""Python's multiprocessing, with PyTorch's `spawn`. Tensors are sent by pickle, as copies."""

from __future__ import annotations

import multiprocessing as _multiprocessing
import sys as _sys
import traceback as _traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from multiprocessing import get_context as get_context
from typing import Any


class ProcessException(Exception):
    """A process that `spawn` started failed."""

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid


class ProcessRaisedException(ProcessException):
    """A process raised an exception."""


class ProcessExitedException(ProcessException):
    """A process exited with an error code or by a signal."""

    def __init__(self, msg: str, error_index: int, error_pid: int, exit_code: int) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code


class ProcessContext:
    """The processes that `spawn` started."""

    def __init__(self, processes: list[Any], errors: list[Any]) -> None:
        self.processes, self._errors = processes, errors

    def pids(self) -> list[int]:
        """The process IDs."""
        return [int(p.pid) for p in self.processes]

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the processes; the first that fails ends the others and raises here."""
        from multiprocessing.connection import wait

        waiting = {p.sentinel: i for i, p in enumerate(self.processes) if p.is_alive()}
        ready = wait(list(waiting), timeout=timeout) if waiting else []
        failed = [i for i, p in enumerate(self.processes) if p.exitcode not in (0, None)]
        for i in failed[:1]:
            self._raise(i)
        return len(ready) == len(waiting) or all(not p.is_alive() for p in self.processes)

    def _raise(self, index: int) -> None:
        for p in self.processes:
            if p.is_alive():
                p.terminate()
            p.join()
        process = self.processes[index]
        pipe = self._errors[index]
        if pipe.poll():
            text = f"\n\n-- Process {index} terminated with the following error:\n{pipe.recv()}"
            raise ProcessRaisedException(text, index, process.pid)
        raise ProcessExitedException(
            f"process {index} terminated with exit code {process.exitcode}",
            *(index, process.pid, process.exitcode),
        )


def _call(fn: Callable[..., Any], index: int, args: tuple[Any, ...], errors: Any) -> None:
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        errors.send(_traceback.format_exc())
        _sys.exit(1)


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Run ``fn(i, *args)`` in `nprocs` processes.

    Args:
        fn: a function at the top level of a module.
        args: its arguments after the process index.
        nprocs: how many processes.
        join: wait for them; else return their context.
        daemon: whether they end with this process.
        start_method: "spawn", "fork" or "forkserver".

    Raises:
        ProcessRaisedException: one raised an exception, which the message contains.
        ProcessExitedException: one ended otherwise than by returning.
    """
    context: Any = _multiprocessing.get_context(start_method)
    processes, errors = [], []
    for i in range(nprocs):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_call, args=(fn, i, args, there), daemon=daemon)
        process.start()
        processes.append(process)
        errors.append(here)
    started = ProcessContext(processes, errors)
    if not join:
        return started
    while not started.join():
        pass
    return None


def get_all_sharing_strategies() -> set[str]:
    """How tensors can be shared: not at all, they are copied."""
    return {"file_system"}


def get_sharing_strategy() -> str:
    """PyTorch's name for the strategy without open file descriptors."""
    return "file_system"


def set_sharing_strategy(new_strategy: str) -> None:
    """Changes nothing: nothing is shared, so "file_descriptor" and "file_system" are equivalent."""
    if new_strategy not in ("file_descriptor", "file_system"):
        raise AssertionError(f"{new_strategy} is no sharing strategy")
