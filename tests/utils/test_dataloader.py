"""The DataLoader: its order and options against PyTorch's, and its worker processes."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import xptorch
from tests.nn._twins import both, said
from xptorch.utils import data
from xptorch.utils.data import fetch, worker


class Made(data.Dataset[Any]):
    """Sample `i` is ``make(i)``."""

    def __init__(self, make: Callable[[int], Any], size: int = 4) -> None:
        self.make, self.size = make, size

    def __getitem__(self, index: int) -> Any:
        return self.make(index)

    def __len__(self) -> int:
        return self.size


class Numbers(data.IterableDataset[int]):
    """Worker `w` yields `w + 2` numbers from 10 w on."""

    def __iter__(self) -> Iterator[int]:
        info = data.get_worker_info()
        w = info.id if info else 0
        return iter(range(10 * w, 11 * w + 2))


def same(value: Any) -> Any:
    return value


def plain(batches: Any) -> Any:
    """Batches as lists of numbers."""
    return [b.tolist() if hasattr(b, "tolist") else b for b in batches]


# ---- order and options, as PyTorch's


@both
def test_batches_and_their_order(torch: Any) -> Any:
    loader = torch.utils.data.DataLoader
    options: list[dict[str, Any]] = [
        {},
        {"batch_size": 3},
        {"batch_size": 3, "drop_last": True},
        {"shuffle": True},
        {"shuffle": True, "batch_size": 4},
        {"shuffle": True, "batch_size": None},
        {"batch_size": None},
        {"sampler": [3, 1]},
        {"batch_sampler": [[3, 1], [2]]},
    ]
    seen: list[Any] = []
    torch.manual_seed(4)
    for kwargs in options:
        batches = loader(list(range(10)), **kwargs)
        seen += [len(batches), *[plain(batches) for _ in range(3)]]
    torch.manual_seed(4)
    for kwargs in options:
        batches = loader(list(range(10)), **kwargs, generator=torch.Generator().manual_seed(8))
        seen += [plain(batches) for _ in range(3)]
    return [*seen, torch.get_rng_state().tolist()]


@both
def test_option_errors(torch: Any) -> Any:
    def loader(**kwargs: Any) -> Any:
        return lambda: len(torch.utils.data.DataLoader([1, 2, 3], **kwargs))

    return [
        said(loader(num_workers=-1)),
        said(loader(timeout=-1)),
        said(loader(num_workers=1, prefetch_factor=-1)),
        said(loader(persistent_workers=True)),
        said(loader(sampler=[1], shuffle=True)),
        said(loader(batch_sampler=[[1]], batch_size=2)),
        said(loader(batch_sampler=[[1]], drop_last=True)),
        said(loader(batch_size=None, drop_last=True)),
        said(loader(batch_size=0)),
        said(loader(batch_size=2.0)),
        said(loader(drop_last=3)),
        said(loader(multiprocessing_context="fork")),
        said(loader(num_workers=1, multiprocessing_context="foo")),
        said(loader(num_workers=1, multiprocessing_context=3)),
        said(loader(num_workers=1)),
        said(loader(num_workers=0, prefetch_factor=2))[0],
    ]


@both
def test_stream_options(torch: Any) -> Any:
    class Stream(torch.utils.data.IterableDataset):  # type: ignore[misc]
        def __iter__(self) -> Iterator[int]:
            return iter(range(5))

    class Sized(Stream):
        def __len__(self) -> int:
            return 3

        def __repr__(self) -> str:
            return "Sized()"

    loader = torch.utils.data.DataLoader
    counted = loader(Sized())
    return [
        plain(loader(Stream(), batch_size=2)),
        plain(loader(Stream(), batch_size=2, drop_last=True)),
        plain(loader(Stream(), batch_size=None)),
        len(loader(Sized(), batch_size=2)),
        len(loader(Sized(), batch_size=2, drop_last=True)),
        [len(counted), str(said(lambda: plain(counted)))[:60]],
        said(lambda: loader(Stream(), shuffle=True)),
        said(lambda: loader(Stream(), sampler=[1])),
        said(lambda: loader(Stream(), batch_sampler=[[1]])),
        type(said(lambda: len(loader(Stream())))).__name__,
    ]


@both
def test_attributes(torch: Any) -> Any:
    loader = torch.utils.data.DataLoader([1, 2, 3], batch_size=2, num_workers=1)

    def set_to_one(name: str) -> Any:
        return said(lambda: setattr(loader, name, 1))

    names = ["batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "num_workers", "foo"]
    return [
        [loader.batch_size, loader.num_workers, loader.prefetch_factor, loader.drop_last],
        [type(loader.sampler).__name__, type(loader.batch_sampler).__name__],
        [loader.pin_memory, loader.timeout, loader.persistent_workers, loader.generator],
        [set_to_one(name) for name in [*names, "persistent_workers"]],
        type(torch.utils.data.DataLoader([1], shuffle=True).sampler).__name__,
        len(iter(torch.utils.data.DataLoader([1, 2, 3]))),
    ]


@both
def test_a_batch_at_once(torch: Any) -> Any:
    class Squares(torch.utils.data.Dataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 5

        def __getitems__(self, indices: list[int]) -> list[int]:
            return [i * i for i in indices]

    return plain(torch.utils.data.DataLoader(Squares(), batch_size=2))


def test_whole_batches_are_those_made_sample_by_sample(device: Any) -> None:
    x, y = xptorch.arange(24.0, device=device).reshape(6, 2, 2), xptorch.arange(6, device=device)
    whole = data.TensorDataset(x, y)
    parts = [whole, data.Subset(whole, [5, 0, 3, -1]), data.Subset(data.Subset(whole, [4, 2]), [1])]
    for part in parts:
        keys = [*range(len(part)), 0, -1]  # type: ignore[arg-type]
        fast = fetch.whole_batch(part, keys)
        slow = data.default_collate([part[k] for k in keys])
        assert fast is not None
        for a, b in zip(fast, slow, strict=True):
            assert (a.device, a.dtype, a.tolist()) == (device, b.dtype, b.tolist())


def test_a_whole_batch_is_a_copy() -> None:
    x = xptorch.arange(4.0)
    (batch,) = next(iter(data.DataLoader(data.TensorDataset(x), batch_size=4)))
    batch += 1
    assert x.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("keys", [[0, 9], ["a"], [], [True], [slice(2)]])
def test_odd_keys_are_left_to_the_dataset(keys: list[Any]) -> None:
    assert fetch.whole_batch(data.TensorDataset(xptorch.arange(4.0)), keys) is None


def test_tensors_that_record_keep_recording() -> None:
    x = xptorch.arange(3.0, requires_grad=True)
    (batch,) = next(iter(data.DataLoader(data.TensorDataset(x), batch_size=3)))
    batch.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1, 1, 1]


def test_subclasses_keep_their_samples() -> None:
    class Doubled(data.TensorDataset):
        def __getitem__(self, index: int) -> Any:
            return tuple(2 * t for t in super().__getitem__(index))

    assert plain(next(iter(data.DataLoader(Doubled(xptorch.arange(3)), batch_size=3)))) == [
        [0, 2, 4]
    ]


# ---- workers


def test_workers_give_the_same_batches() -> None:
    x = data.TensorDataset(xptorch.arange(10.0), xptorch.arange(10))
    for kwargs in ({"batch_size": 3, "shuffle": True}, {"batch_size": None}):
        seen = []
        for workers in (0, 2):
            xptorch.manual_seed(1)
            loader = data.DataLoader(x, num_workers=workers, **kwargs)  # type: ignore[arg-type]
            seen.append([plain(batch) for _ in range(2) for batch in loader])
        assert seen[0] == seen[1]


@both
def test_seeds_of_workers(torch: Any) -> Any:
    """The seeds of the library's generator, `random` and NumPy in each worker."""

    class Seeds(torch.utils.data.Dataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            w = torch.utils.data.get_worker_info()
            numpy_state = np.random.get_state()[1][:4].tolist()  # type: ignore[index]  # noqa: NPY002
            drawn = torch.randint(1000, (3,)).tolist()
            return w.id, w.num_workers, w.seed, drawn, random.random(), numpy_state

    torch.manual_seed(5)
    loader = torch.utils.data.DataLoader(Seeds(), num_workers=2, collate_fn=same)
    return [loader_batch for _ in range(2) for loader_batch in loader]


def test_worker_info_is_none_in_the_main_process() -> None:
    assert data.get_worker_info() is None


def test_streams_in_workers() -> None:
    loader = data.DataLoader(Numbers(), num_workers=2, batch_size=2, persistent_workers=True)
    for _ in range(2):
        assert plain(loader) == [[0, 1], [10, 11], [12]]
    full = data.DataLoader(Numbers(), num_workers=2, batch_size=2, drop_last=True)
    assert plain(full) == [[0, 1], [10, 11]]
    assert plain(data.DataLoader(Numbers(), num_workers=2, batch_size=None)) == [0, 10, 1, 11, 12]


def test_persistent_workers_stay() -> None:
    loader = data.DataLoader(
        Made(lambda i: os.getpid()), num_workers=1, batch_size=None, persistent_workers=True
    )
    first = next(iter(loader))  # leaves three batches unread
    assert set(loader) == {first}
    assert len(list(loader)) == 4


def test_batches_as_they_come() -> None:
    go = multiprocessing.Event()

    def make(i: int) -> int:
        if i == 0:
            go.wait()
        return i

    loader = data.DataLoader(Made(make), num_workers=2, batch_size=None, in_order=False)
    batches = iter(loader)
    assert next(batches) == 1
    go.set()
    assert sorted(batches) == [0, 2, 3]


def test_large_batches_and_many_keys() -> None:
    big = data.DataLoader(Made(lambda i: np.full((500, 400), i)), num_workers=2, batch_size=2)
    assert [b.shape for b in big] == [(2, 500, 400)] * 2
    long = Made(lambda i: 1, size=200_000)
    loader = data.DataLoader(long, num_workers=1, batch_size=100_000, collate_fn=len)
    assert list(loader) == [100_000, 100_000]


def test_tensors_from_workers_may_be_written_to() -> None:
    (batch,) = next(iter(data.DataLoader(data.TensorDataset(xptorch.arange(3)), num_workers=1)))
    batch += 1
    assert batch.tolist() == [1]


def raises_key_error(i: int) -> None:
    raise KeyError("no such key")


class TwoArguments(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)


def raises_two_arguments(i: int) -> None:
    raise TwoArguments(1, 2)


def raises_local_error(i: int) -> None:
    class Local(Exception):
        pass

    raise Local("here")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (raises_key_error, KeyError),
        (raises_two_arguments, RuntimeError),
        (raises_local_error, RuntimeError),
        (lambda i: lambda: i, AttributeError),  # cannot be pickled
    ],
)
def test_errors_keep_their_type_and_traceback(make: Any, kind: type[Exception]) -> None:
    loader = data.DataLoader(Made(make), num_workers=1, collate_fn=same)
    with pytest.raises(kind) as caught:
        list(loader)
    text = str(caught.value)
    assert "in DataLoader worker process 0.\nOriginal Traceback (most recent call last):" in text
    assert make.__name__ in text or "pickle" in text


def test_errors_of_worker_init_fn() -> None:
    def fails(worker_id: int) -> None:
        raise ValueError(f"worker {worker_id}")

    with pytest.raises(ValueError, match="worker 1"):
        list(
            data.DataLoader(
                [1, 2], num_workers=2, batch_sampler=None, worker_init_fn=only(1, fails)
            )
        )


def only(wanted: int, function: Callable[[int], None]) -> Callable[[int], None]:
    return lambda worker_id: function(worker_id) if worker_id == wanted else None


def test_iteration_goes_on_after_an_error() -> None:
    def make(i: int) -> int:
        if i == 1:
            raise ValueError("one")
        return i

    batches = iter(data.DataLoader(Made(make), num_workers=1, batch_size=None))
    assert next(batches) == 0
    with pytest.raises(ValueError, match="one"):
        next(batches)
    assert list(batches) == [2, 3]


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (lambda i: os._exit(3), "exit code 3"),
        (lambda i: os.kill(os.getpid(), signal.SIGKILL), "killed by signal 9"),
    ],
)
def test_a_dead_worker_is_noticed(end: Any, how: str) -> None:
    with pytest.raises(RuntimeError, match=rf"DataLoader worker \(pid\(s\) \d+\) exited.*{how}"):
        list(data.DataLoader(Made(end), num_workers=1))


def test_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_PATIENCE", 0.0)  # for the worker, which will never be ready
    loader = data.DataLoader(Made(lambda i: threading.Event().wait()), num_workers=1, timeout=0.1)
    with pytest.raises(RuntimeError, match=r"timed out after 0\.1 seconds"):
        list(loader)


def test_timeout_is_for_workers() -> None:
    with pytest.raises(AssertionError):
        list(data.DataLoader([1], timeout=1))


def test_workers_end_with_the_iterator() -> None:
    batches: Any = iter(data.DataLoader(Made(same, 100), num_workers=2))
    next(batches)
    processes = [w.process for w in batches._pool.workers]
    pids = [p.pid for p in processes]
    del batches
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_spawned_workers() -> None:
    loader = data.DataLoader([5, 6], num_workers=1, multiprocessing_context="spawn")
    assert plain(loader) == [[5], [6]]


def test_more_workers_than_cores_warn() -> None:
    with pytest.warns(UserWarning, match="worker processes"):
        data.DataLoader([1], num_workers=10_000)
