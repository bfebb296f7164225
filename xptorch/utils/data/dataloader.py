"""DataLoader: batches of a dataset, fetched in the main process or by worker processes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from xptorch._core import device as devices
from xptorch.random import Generator
from xptorch.utils.data.collate import default_collate, default_convert
from xptorch.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from xptorch.utils.data.fetch import fetcher
from xptorch.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    draw_seed,
)
from xptorch.utils.data.worker import BATCH, END, Job, Pool, Worker, get_worker_info

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _InfiniteConstantSampler(Sampler[Any]):
    """Yields None forever: an iterable dataset has no keys."""

    def __iter__(self) -> Iterator[Any]:
        return itertools.repeat(None)


class DataLoader(Generic[T_co]):
    """Iterates over a dataset in batches.

    The order is drawn as in PyTorch: the same seed gives the same batches.

    Args:
        dataset: map-style (``__getitem__`` and ``__len__``) or an `IterableDataset`.
        batch_size: samples per batch; None switches batching off.
        shuffle: draw a new random order in each iteration.
        sampler: an iterable of keys, used instead of `shuffle`.
        batch_sampler: an iterable of lists of keys, used instead of `batch_size`, `shuffle`,
            `sampler` and `drop_last`.
        num_workers: the number of worker processes; with 0 the main process fetches.
        collate_fn: makes a batch of a list of samples; `default_collate` (`default_convert` without
            batching) if None.
        pin_memory: accepted; host arrays need no pinning here.
        drop_last: drop a last batch that is not full.
        timeout: seconds to wait for a worker's batch; 0 means no limit.
        worker_init_fn: called in each worker with its id, before it starts.
        multiprocessing_context: how workers are started: ``"fork"``, ``"spawn"``, ``"forkserver"``
            or a context.
        generator: the source of the random order and of the workers' base seed.
        prefetch_factor: the number of batches that each worker prefetches; 2 if None.
        persistent_workers: keep the workers alive between iterations.
        pin_memory_device: accepted, like `pin_memory`.
        in_order: yield the batches in order; else in the order of completion.

    Raises:
        ValueError: options are out of range or exclude each other.

    Example:
        >>> data = torch.utils.data.TensorDataset(torch.arange(5))
        >>> [x.tolist() for (x,) in torch.utils.data.DataLoader(data, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    dataset: Dataset[T_co]
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Any
    batch_sampler: Any
    prefetch_factor: int | None
    _iterator: _BaseDataLoaderIter | None
    __initialized = False

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        if isinstance(dataset, IterableDataset):
            _check_stream(shuffle, sampler, batch_sampler)
            sampler = _InfiniteConstantSampler()
        elif sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with "
                    "batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        if sampler is None and shuffle:
            sampler = RandomSampler(dataset, generator=generator)  # type: ignore[arg-type]
        elif sampler is None:
            sampler = SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (
            default_collate if self._auto_collation else default_convert
        )
        self.persistent_workers = persistent_workers
        self._iterator = None
        self._counted: int | None = None  # what len() returned for an iterable dataset
        self.__initialized = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__initialized and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """How workers are started; None for the platform's default."""
        return self.__context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        self.__context = _checked_context(context, self.num_workers)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self) -> _BaseDataLoaderIter:
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is None:
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator

    def _get_iterator(self) -> _BaseDataLoaderIter:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        return _MultiProcessingDataLoaderIter(self)

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = self._counted = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)


class _BaseDataLoaderIter:
    """One iteration over a loader's batches."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        self._keys = iter(loader._index_sampler)
        self._base_seed = draw_seed(loader.generator)
        self._yielded = 0

    def _reset(self, loader: DataLoader[Any]) -> None:
        self._keys = iter(loader._index_sampler)
        self._yielded = 0

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __next__(self) -> Any:
        data = self._next_data()
        self._yielded += 1
        counted = self._loader._counted
        if counted is not None and self._yielded > counted:
            warnings.warn(
                f"Length of IterableDataset {self._loader.dataset} was reported to be {counted} "
                f"(when accessing len(dataloader)), but {self._yielded} samples have been fetched.",
                stacklevel=2,
            )
        return data

    def __len__(self) -> int:
        return len(self._loader._index_sampler)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError("timeout is for worker processes: it needs num_workers > 0")
        self._fetch = fetcher(
            loader.dataset,
            isinstance(loader.dataset, IterableDataset),
            loader._auto_collation,
            loader.collate_fn,
            loader.drop_last,
        )

    def _next_data(self) -> Any:
        return self._fetch(next(self._keys))


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Sends keys to the workers in turn, and yields their batches in the order of the keys."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        job = Job(
            dataset=loader.dataset,
            iterable=isinstance(loader.dataset, IterableDataset),
            batched=loader._auto_collation,
            collate_fn=loader.collate_fn,
            drop_last=loader.drop_last,
            base_seed=self._base_seed,
            num_workers=loader.num_workers,
            init_fn=loader.worker_init_fn,
            on_host=devices.resolve().type == "cuda",
        )
        self._epoch = 0
        self._pool = Pool(job, loader.multiprocessing_context)
        self._close = weakref.finalize(self, self._pool.close)
        self._start()

    def _reset(self, loader: DataLoader[Any]) -> None:
        super()._reset(loader)
        self._epoch += 1
        self._start()

    def _start(self) -> None:
        self._active = list(self._pool.workers)
        self._worker_cycle = itertools.cycle(self._pool.workers)
        self._pending: deque[Worker] = deque()  # the worker of each requested batch
        for _ in range((self._loader.prefetch_factor or 0) * self._loader.num_workers):
            self._request_next()

    def _request_next(self) -> None:
        """Send the next keys to the next worker whose dataset is not exhausted."""
        if not self._active:
            return
        try:
            keys = next(self._keys)
        except StopIteration:
            return
        worker = self._next_worker()
        self._pending.append(worker)
        self._pool.send(worker, (self._epoch, keys))

    def _next_worker(self) -> Worker:
        if self._loader.in_order:
            return next(w for w in self._worker_cycle if w in self._active)
        return min(self._active, key=self._pending.count)

    def _next_data(self) -> Any:
        while self._pending:
            worker, kind, value = self._next_answer()
            if kind == END:
                if worker in self._active:
                    self._active.remove(worker)
                    self._request_next()
                continue
            self._request_next()
            if kind != BATCH:
                value.reraise()
            return value
        if not self._loader.persistent_workers:
            self._close()
        raise StopIteration

    def _next_answer(self) -> tuple[Worker, int, Any]:
        """The next answer: the oldest requested one, or without `in_order` any."""
        while True:
            candidates = [self._pending[0]] if self._loader.in_order else list(self._pending)
            for worker in candidates:
                while worker.received:
                    epoch, kind, value = worker.received.popleft()
                    if epoch == self._epoch:  # else it belongs to an earlier iteration
                        self._pending.remove(worker)
                        return worker, kind, value
            self._pool.receive(self._loader.timeout or None)


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing. "
            "Let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores is not None and num_workers > cores:
        warnings.warn(
            f"This DataLoader will create {num_workers} worker processes in total, but only "
            f"{cores} CPU cores are available here: it may run slower than with fewer.",
            stacklevel=3,
        )


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    options = {"sampler": sampler, "batch_sampler": batch_sampler, "shuffle": shuffle or None}
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, "
                f"but got {name}={value}"
            )


def _checked_context(context: Any, num_workers: int) -> Any:
    """A multiprocessing context, from a context or the name of a start method; None for None."""
    if context is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading "
            f"(num_workers > 0), but got num_workers={num_workers}"
        )
    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )
    return context
