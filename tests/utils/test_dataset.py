"""Datasets, samplers and collation, against PyTorch's."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import xptorch
import xptorch.utils.data
from tests.nn._twins import both, said

Point = collections.namedtuple("Point", "x y")


class Marked(dict[str, Any]):
    pass


class AtOnce(list[Any]):
    """A dataset that returns batches; it counts them."""

    batches = 0

    def __getitems__(self, indices: list[int]) -> list[Any]:
        self.batches += 1
        return [self[i] for i in indices]


def stream(torch: Any, n: int, sized: bool = True) -> Any:
    class Stream(torch.utils.data.IterableDataset):  # type: ignore[misc]
        def __iter__(self) -> Iterator[int]:
            return iter(range(n))

    if sized:
        Stream.__len__ = lambda self: n  # type: ignore[attr-defined]
    return Stream()


def kinds(*calls: Callable[[], Any]) -> list[str]:
    """The type of the error of each call."""
    found = []
    for call in calls:
        try:
            call()
            found.append("no error")
        except Exception as e:
            found.append(type(e).__name__)
    return found


# ---- datasets


@both
def test_dataset_base(torch: Any) -> Any:
    data = torch.utils.data
    return [
        said(lambda: data.Dataset()[0]),
        kinds(lambda: len(data.Dataset()), lambda: data.IterableDataset()),
        [type(a + b).__name__ for a, b in [(data.Subset([1], [0]), data.Subset([2], [0]))]],
        type(stream(torch, 2) + stream(torch, 2)).__name__,
        data.Dataset[int] is not None,
    ]


@both
def test_tensor_dataset(torch: Any) -> Any:
    data = torch.utils.data
    both_ = data.TensorDataset(torch.arange(6).reshape(3, 2), torch.tensor([0.5, 1.5, 2.5]))
    return [
        len(both_),
        [t.tolist() for t in both_[1]],
        [t.tolist() for t in both_[-1]],
        [t.tolist() for t in both_[:2]],
        kinds(lambda: both_[3]),
        said(lambda: data.TensorDataset(torch.zeros(2), torch.zeros(3))),
        kinds(lambda: data.TensorDataset(torch.tensor(1.0))),
    ]


@both
def test_stack_dataset(torch: Any) -> Any:
    data = torch.utils.data
    quick = AtOnce("ab")
    return [
        data.StackDataset([1, 2], "ab")[1],
        data.StackDataset(x=[1, 2], y="ab")[1],
        data.StackDataset(x=[1, 2], y=quick).__getitems__([1, 0]),
        quick.batches,
        len(data.StackDataset([1, 2])),
        kinds(
            lambda: data.StackDataset(),
            lambda: data.StackDataset([1], x=[1]),
            lambda: data.StackDataset([1], [1, 2]),
            lambda: data.StackDataset(x=[1], y=[1, 2]),
        ),
    ]


@both
def test_concat_dataset(torch: Any) -> Any:
    data = torch.utils.data
    whole = data.ConcatDataset([[1, 2], [], [3]])
    return [
        [whole[i] for i in range(-3, 3)],
        whole.cumulative_sizes,
        len(whole),
        said(lambda: whole[-4]),
        kinds(lambda: whole[3]),
        said(lambda: data.ConcatDataset([])),
        said(lambda: data.ConcatDataset([stream(torch, 1)])),
        said(lambda: whole.cummulative_sizes),
    ]


@both
def test_chain_dataset(torch: Any) -> Any:
    data = torch.utils.data
    whole = data.ChainDataset([stream(torch, 2), stream(torch, 3)])
    return [
        list(whole),
        len(whole),
        said(lambda: list(data.ChainDataset([[1]]))),
        kinds(lambda: len(data.ChainDataset([stream(torch, 2, sized=False)]))),
    ]


@both
def test_subset(torch: Any) -> Any:
    data = torch.utils.data
    quick = AtOnce("abc")
    part = data.Subset(quick, [2, 0])
    return [
        [part[0], part[1], len(part), part.indices],
        part.__getitems__([1, 0]),
        quick.batches,
        data.Subset([5, 6, 7], [2, 0]).__getitems__([1]),
        data.Subset(torch.arange(4), [3, 1])[[1, 0]].tolist(),
    ]


@both
def test_random_split(torch: Any) -> Any:
    split = torch.utils.data.random_split
    torch.manual_seed(3)
    generator = torch.Generator().manual_seed(2)
    return [
        [s.indices for s in split(range(20), [0.3, 0.3, 0.4])],
        [s.indices for s in split(range(20), [5, 15])],
        [s.indices for s in split(range(20), [5, 15], generator=generator)],
        [len(s) for s in split(range(11), [0.3, 0.3, 0.2, 0.2])],
        said(lambda: len(split(range(1), [0.5, 0.5]))),
        said(lambda: split(range(2), [1, 2])),
        said(lambda: split(range(2), [1.5, -0.5])),
    ]


# ---- samplers


@both
def test_random_samplers_give_the_same_order(torch: Any) -> Any:
    data = torch.utils.data
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(3)
    samplers = [
        data.RandomSampler(range(10)),
        data.RandomSampler(range(10), num_samples=25),
        data.RandomSampler(range(10), replacement=True, num_samples=70),
        data.RandomSampler(range(10), generator=generator),
        data.RandomSampler(range(10), replacement=True, num_samples=64, generator=generator),
        data.SubsetRandomSampler("abcdef"),
        data.SubsetRandomSampler("abcdef", generator=generator),
        data.WeightedRandomSampler([0.1, 0.5, 0.2, 0.9], 10),
        data.WeightedRandomSampler([0.1, 0.5, 0.2, 0.9], 3, replacement=False, generator=generator),
    ]
    return [list(s) for s in samplers for _ in range(2)] + [len(s) for s in samplers]


@both
def test_sampler_attributes_and_errors(torch: Any) -> Any:
    data = torch.utils.data
    random = data.RandomSampler([1, 2, 3])
    return [
        [random.data_source, random.replacement, random.num_samples, random.generator],
        list(data.SequentialSampler("abc")),
        data.SequentialSampler("abc").data_source,
        said(lambda: data.RandomSampler([1], replacement=3)),
        said(lambda: data.RandomSampler([1], num_samples=0)),
        said(lambda: data.RandomSampler([])),
        said(lambda: data.WeightedRandomSampler([0.1], 0)),
        said(lambda: data.WeightedRandomSampler([0.1], 1, replacement=2)),
        said(lambda: data.WeightedRandomSampler([[0.1]], 1)),
        kinds(
            lambda: data.Sampler(None), lambda: len(data.Sampler()), lambda: iter(data.Sampler())
        ),
    ]


@both
def test_batch_sampler(torch: Any) -> Any:
    data = torch.utils.data
    batches = [data.BatchSampler(range(n), 2, drop) for n in (0, 4, 5) for drop in (False, True)]
    return [
        [list(b) for b in batches],
        [len(b) for b in batches],
        list(data.BatchSampler(iter("abc"), 2, False)),
        said(lambda: data.BatchSampler([1], 0, False)),
        said(lambda: data.BatchSampler([1], True, False)),
        said(lambda: data.BatchSampler([1], 1, 3)),
    ]


@both
def test_distributed_sampler(torch: Any) -> Any:
    sampler = torch.utils.data.DistributedSampler
    replicas = [sampler(range(11), 3, r, seed=2) for r in range(3)]
    first = [list(s) for s in replicas]
    for s in replicas:
        s.set_epoch(1)
    return [
        first,
        [list(s) for s in replicas],
        [list(sampler(range(11), 3, r, shuffle=False, drop_last=True)) for r in range(3)],
        [list(sampler(range(2), 5, r)) for r in range(5)],
        [len(s) for s in replicas],
        said(lambda: sampler(range(3), 2, 2)),
    ]


def test_distributed_sampler_needs_a_process_group() -> None:
    with pytest.raises(RuntimeError, match="num_replicas and rank"):
        xptorch.utils.data.DistributedSampler(range(3))  # type: ignore[arg-type]


# ---- collation


def samples() -> list[Any]:
    """Batches that PyTorch collates, or raises an error for."""
    return [
        [np.ones(2), np.zeros(2)],
        [np.ones(2), np.ones(2, "int32")],
        [np.ones(2), np.ones(3)],
        [np.array(3), np.array(4)],
        [np.float32(1), np.float32(2)],
        [np.float64(1), np.float64(2)],
        [np.uint8(1)],
        [np.bool_(True), np.bool_(False)],
        [np.array("a")],
        [np.str_("a"), np.str_("b")],
        [1, 2],
        [True, False],
        [1, 2.5],
        [1.5, 2],
        [1j],
        ["a", "b"],
        [b"a"],
        [None],
        [Point(1, 2), Point(3, 4)],
        [(1, "a"), (3, "b")],
        [[1, 2], [3, 4]],
        [[1, 2], [3]],
        [Marked(a=1, b="x"), Marked(a=2, b="y")],
        [types.MappingProxyType({"a": 1})],
        [collections.OrderedDict(a=1)],
        [{"a": 1, "b": 2}, {"a": 3}],
        [range(3), range(3)],
        [collections.deque([1, 2])],
        [[], []],
        [{1}],
        (1, 2),
        [{"p": (1, [2.0, "s"])}, {"p": (3, [4.0, "t"])}],
    ]


def shown(value: Any) -> Any:
    """A collated value as text: every tensor's values and dtype."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return f"{value.tolist()} {value.dtype}".replace("xptorch", "torch")
    if isinstance(value, dict | types.MappingProxyType):
        return [type(value).__name__, [(k, shown(v)) for k, v in value.items()]]
    if isinstance(value, list | tuple | collections.deque):
        return [type(value).__name__, [shown(v) for v in value]]
    return repr(value)


def outcome(call: Callable[[Any], Any], batch: Any) -> Any:
    try:
        return shown(call(batch))
    except Exception as e:
        return type(e).__name__


@both
def test_default_collate(torch: Any) -> Any:
    return [outcome(torch.utils.data.default_collate, batch) for batch in samples()]


@both
def test_default_convert(torch: Any) -> Any:
    convert = torch.utils.data.default_convert
    return [outcome(convert, batch) for batch in [*samples(), np.arange(2), "a", 3, {"a": [1]}]]


@both
def test_default_collate_of_tensors(torch: Any) -> Any:
    collate = torch.utils.data.default_collate
    a, b = torch.arange(3), torch.arange(3) * 2
    return [
        shown(collate([a, b])),
        shown(collate([{"x": a}, {"x": b}])),
        shown(collate([a.reshape(1, 3), b.reshape(1, 3)]).shape),
        kinds(lambda: collate([a, torch.arange(4)])),
        said(lambda: collate([None])),
        said(lambda: collate([[1], [1, 2]])),
    ]
