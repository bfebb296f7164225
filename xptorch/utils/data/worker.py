"""Worker processes of a DataLoader, and the pool by which the main process uses them.

A worker has two pipes: it receives tasks from one and sends answers, in the tasks' order, to the
other. In the worker one thread reads and another one writes, so that neither process ever blocks
because the other does not read. Tensors are sent as NumPy arrays and are created on the main
process's default device.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
import random
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from xptorch._core import device as devices
from xptorch._tensor.tensor import Tensor
from xptorch.ops.shape import creation
from xptorch.random import manual_seed
from xptorch.utils.data.fetch import fetcher

_PATIENCE = 5.0  # seconds that a worker has to finish its current task when the loader closes

BATCH, ERROR, END = range(3)  # kinds of answers; END: the worker's iterable dataset is exhausted


@dataclass(frozen=True)
class WorkerInfo:
    """Information about the current worker process; see `get_worker_info`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a DataLoader's worker, its id, num_workers, seed and copy of the dataset; else None."""
    return _info


@dataclass
class Job:
    """The settings with which the workers are started."""

    dataset: Any
    iterable: bool
    batched: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    base_seed: int
    num_workers: int
    init_fn: Callable[[int], None] | None
    on_host: bool  # the main process uses a GPU, which a worker must not use

    def fetcher(self) -> Callable[[Any], Any]:
        return fetcher(self.dataset, self.iterable, self.batched, self.collate_fn, self.drop_last)


# ---- errors


@dataclass
class WorkerError:
    """An exception that is sent from a worker to the main process."""

    kind: type[BaseException]
    text: str
    where: str

    @staticmethod
    def caught(error: BaseException, where: str) -> WorkerError:
        return WorkerError(type(error), "".join(traceback.format_exception(error)), where)

    def reraise(self) -> None:
        """Raise the exception with its own type, if that can be made of a single message."""
        text = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if issubclass(self.kind, KeyError):
            raise self.kind(_Verbatim(text))
        try:
            error = self.kind(text)
        except Exception:  # it needs other arguments
            raise RuntimeError(text) from None
        raise error


class _Verbatim(str):
    """A string whose repr, which KeyError displays, has the original line breaks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


# ---- pickling of answers


class _Packer(ForkingPickler):
    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not Tensor:
            return NotImplemented
        on = obj._device
        host = on.backend.to_host(obj._data)
        if not host.flags.writeable:
            host = host.copy()  # else the received array would be read-only
        place = None if on is devices.resolve() else str(on)
        return _unpack, (host, place, obj.requires_grad)


def _unpack(host: Any, place: str | None, requires_grad: bool) -> Tensor:
    t = creation.from_numpy(host).to(devices.resolve(place))
    return t.requires_grad_() if requires_grad else t


def _dumps(answer: Any) -> Any:
    return _Packer.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)


def _dumps_error(epoch: int, error: WorkerError) -> Any:
    try:
        return _dumps((epoch, ERROR, error))
    except Exception:  # its type cannot be pickled
        return _dumps((epoch, ERROR, replace(error, kind=RuntimeError)))


# ---- in the worker


def _work(worker_id: int, job: Job, tasks: Connection, answers: Connection) -> None:
    """A worker's main loop: answer (epoch, key) tasks until None or the main process's exit."""
    global _info
    seed = job.base_seed + worker_id
    random.seed(seed)
    manual_seed(seed)
    words = np.random.SeedSequence([worker_id, job.base_seed]).generate_state(4)
    np.random.seed(words)  # noqa: NPY002  # the global generator, which datasets may use
    _info = WorkerInfo(worker_id, job.num_workers, seed, job.dataset)
    place = devices.device("cpu") if job.on_host else contextlib.nullcontext()
    inbox = _Inbox(tasks)
    outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_send_all, args=(outbox, answers), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt), place:
        for answer in _answers(worker_id, job, inbox):
            outbox.put(answer)


def _answers(worker_id: int, job: Job, inbox: _Inbox) -> Iterator[Any]:
    """The pickled answer to each task; an exception is an answer, too."""
    where = f"in DataLoader worker process {worker_id}"
    epoch, fetch, broken = -1, None, None
    try:
        if job.init_fn is not None:
            job.init_fn(worker_id)
    except Exception as e:
        broken = WorkerError.caught(e, where)
    for task_epoch, key in inbox:
        if broken is not None:
            yield _dumps_error(task_epoch, broken)
            continue
        try:
            if fetch is None or task_epoch != epoch:
                epoch, fetch = task_epoch, job.fetcher()
            answer = _dumps((task_epoch, BATCH, fetch(key)))
        except Exception as e:
            if isinstance(e, StopIteration) and job.iterable:
                answer = _dumps((task_epoch, END, None))
            else:
                answer = _dumps_error(task_epoch, WorkerError.caught(e, where))
        yield answer


class _Inbox:
    """The tasks of a worker, read from the pipe by a separate thread."""

    def __init__(self, tasks: Connection) -> None:
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.closed = False
        threading.Thread(target=self._read_all, args=(tasks,), daemon=True).start()

    def _read_all(self, tasks: Connection) -> None:
        try:
            with contextlib.suppress(EOFError, OSError):  # then the main process has exited
                while (task := tasks.recv()) is not None:
                    self.queue.put(task)
        finally:
            self.closed = True
            self.queue.put(None)

    def __iter__(self) -> Iterator[Any]:
        while (task := self.queue.get()) is not None and not self.closed:
            yield task


def _send_all(outbox: queue.SimpleQueue[Any], answers: Connection) -> None:
    with contextlib.suppress(OSError):  # then the main process has exited
        while True:
            answers.send_bytes(outbox.get())


# ---- in the main process


@dataclass(eq=False)
class Worker:
    """The main process's handle of a worker process."""

    process: Any
    tasks: Connection
    answers: Connection
    received: deque[Any] = field(default_factory=deque)
    dead: bool = False

    def handles(self) -> tuple[Any, ...]:
        """The objects that become ready when an answer arrives or the process dies."""
        return self.answers, self.process.sentinel

    def read(self) -> None:
        """Receive the available answers, and record whether more can arrive."""
        try:
            dead = not self.process.is_alive()  # checked first: what is then read is complete
            while self.answers.poll():
                self.received.append(pickle.loads(self.answers.recv_bytes()))
            self.dead = dead
        except (EOFError, OSError):
            self.dead = True


class Pool:
    """The workers of a loader; `close` terminates them, and never hangs."""

    def __init__(self, job: Job, context: Any) -> None:
        context = context or multiprocessing.get_context()
        self.owner = os.getpid()
        self.workers: list[Worker] = []
        try:
            for worker_id in range(job.num_workers):
                self.workers.append(_start(worker_id, job, context))
        except BaseException:
            self.close()
            raise

    def send(self, worker: Worker, task: Any) -> None:
        """Send a task to a worker."""
        try:
            worker.tasks.send(task)
        except OSError:
            self._fail([worker])

    def receive(self, timeout: float | None) -> None:
        """Wait for an answer and receive it, with all others that are available.

        Raises:
            RuntimeError: a worker died, or no answer arrived for `timeout` seconds.
        """
        lost = [w for w in self.workers if w.dead and not w.received]
        if lost:
            self._fail(lost)
        handles = {h: w for w in self.workers if not w.dead for h in w.handles()}
        ready = wait(list(handles), timeout)
        if not ready:
            raise RuntimeError(f"DataLoader timed out after {timeout:g} seconds")
        for w in {handles[h] for h in ready}:
            w.read()

    def _fail(self, dead: list[Worker]) -> None:
        for w in dead:
            w.process.join(_PATIENCE)
        pids = ", ".join(str(w.process.pid) for w in dead)
        codes = ", ".join(_how_it_ended(w.process.exitcode) for w in dead)
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly: {codes}")

    def close(self) -> None:
        """Ask all workers to exit, and kill those that do not within a few seconds."""
        if os.getpid() != self.owner:  # a copy of this pool in a forked process
            return
        workers, self.workers = self.workers, []
        for w in workers:
            with contextlib.suppress(OSError):
                w.tasks.send(None)
        deadline = time.monotonic() + _PATIENCE
        for w in workers:
            w.process.join(max(0.0, deadline - time.monotonic()))
            if w.process.is_alive():
                w.process.terminate()
                w.process.join(1.0)
            if w.process.is_alive():
                w.process.kill()
                w.process.join()
            w.tasks.close()
            w.answers.close()
            w.process.close()


def _start(worker_id: int, job: Job, context: Any) -> Worker:
    task_reader, task_writer = context.Pipe(duplex=False)
    answer_reader, answer_writer = context.Pipe(duplex=False)
    args = (worker_id, job, task_reader, answer_writer)
    process = context.Process(target=_work, args=args, daemon=True)
    process.start()
    # Only the worker may hold these ends: then the pipes of a dead worker break at once.
    task_reader.close()
    answer_writer.close()
    return Worker(process, task_writer, answer_reader)


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by signal {-code}"
    return f"exit code {code}"
