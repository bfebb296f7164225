"""Fetching: from a batch of keys to a batch of samples, in the main process or in a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xptorch._engine import graph
from xptorch._tensor.tensor import Tensor
from xptorch.utils.data.collate import default_collate
from xptorch.utils.data.dataset import Subset, TensorDataset

Collate = Callable[[Any], Any]
Fetch = Callable[[Any], Any]


def fetcher(
    dataset: Any, iterable: bool, batched: bool, collate_fn: Collate, drop_last: bool
) -> Fetch:
    """A function from what the index sampler yields to what the loader yields.

    Args:
        dataset: the dataset.
        iterable: whether it is iterable; a key then only requests the next sample.
        batched: whether the function is called with a list of keys, or one key.
        collate_fn: makes a batch of the samples.
        drop_last: for iterable datasets: drop a last batch that is too short.
    """
    if iterable:
        return _stream_fetcher(iter(dataset), batched, collate_fn, drop_last)
    if not batched:
        return lambda key: collate_fn(dataset[key])

    def fetch(keys: Sequence[Any]) -> Any:
        if collate_fn is default_collate:
            batch = whole_batch(dataset, keys)
            if batch is not None:
                return batch
        if getattr(dataset, "__getitems__", None):
            return collate_fn(dataset.__getitems__(keys))
        return collate_fn([dataset[key] for key in keys])

    return fetch


def _stream_fetcher(samples: Any, batched: bool, collate_fn: Collate, drop_last: bool) -> Fetch:
    if not batched:
        return lambda key: collate_fn(next(samples))
    ended = False

    def fetch(keys: Sequence[Any]) -> Any:
        nonlocal ended
        if ended:
            raise StopIteration
        batch = []
        for _ in keys:
            try:
                batch.append(next(samples))
            except StopIteration:
                ended = True
                break
        if not batch or (drop_last and len(batch) < len(keys)):
            raise StopIteration
        return collate_fn(batch)

    return fetch


def whole_batch(dataset: Any, keys: Sequence[Any]) -> list[Tensor] | None:
    """`default_collate` of a TensorDataset's samples, by indexing each tensor only once.

    Returns:
        the batch, or None if it has to be made sample by sample (another kind of dataset, keys
        other than ints in range, tensors that require gradients).
    """
    if type(dataset) is Subset:
        try:
            return whole_batch(dataset.dataset, [dataset.indices[k] for k in keys])
        except (IndexError, TypeError, KeyError):
            return None
    if type(dataset) is not TensorDataset or not set(map(type, keys)) <= {int}:
        return None
    tensors, n = dataset.tensors, len(dataset)
    if any(t.requires_grad or type(t) is not Tensor for t in tensors):
        return None
    if not keys or min(keys) < -n or max(keys) >= n:
        return None
    index = np.asarray(keys, dtype=np.int64)
    return [_rows(t, index + n * (index < 0)) for t in tensors]


def _rows(t: Tensor, index: Any) -> Tensor:
    on = t._device
    at = on.backend.from_host(index, on.index)
    return graph.wrap(on.xp.take(t._data, at, axis=0), on)
