"""Collate functions: make batches of the samples that a DataLoader has fetched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from xptorch._core import dtype as dtypes
from xptorch._tensor.tensor import Tensor
from xptorch.ops.shape import creation
from xptorch.ops.shape.joining import stack

Convert = Callable[[Any], Any]


def _is_named_tuple(data: Any) -> bool:
    return isinstance(data, tuple) and hasattr(data, "_fields")


def _like_mapping(model: Any, items: dict[Any, Any]) -> Any:
    """`items` as a mapping of the model's type if one can be constructed, else as a dict."""
    try:
        if isinstance(model, MutableMapping):
            same = copy.copy(model)
            same.update(items)
            return same
        return type(model)(items)
    except TypeError:
        return items


def _like_sequence(model: Any, items: list[Any]) -> Any:
    """`items` as a sequence of the model's type if one can be constructed, else as a list."""
    try:
        if isinstance(model, MutableSequence):
            same = copy.copy(model)
            for i, item in enumerate(items):
                same[i] = item
            return same
        return type(model)(items)
    except TypeError:
        return items


def default_convert(data: Any) -> Any:
    """Convert NumPy arrays in nested containers to tensors; leave everything else unchanged.

    Tuples become lists. This is a DataLoader's collate function when batching is off.
    """
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in "SUO" else creation.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if _is_named_tuple(data):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like_sequence(data, [default_convert(d) for d in data])
    return data


def default_collate(batch: Any) -> Any:
    """Combine a list of samples into one batch, with a leading batch dimension.

    Tensors are stacked; NumPy arrays, ints, floats (float64) and bools become tensors; strings and
    bytes stay lists; mappings, named tuples, tuples (as lists) and sequences are collated item by
    item.

    Raises:
        TypeError: the samples are of an unsupported type.
        RuntimeError: the samples are sequences or tensors of different sizes.

    Example:
        >>> from xptorch.utils.data import default_collate
        >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
        {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch, 0)
    if isinstance(first, np.ndarray):
        return _collate_arrays(batch)
    if isinstance(first, np.generic) and first.dtype.kind in "biufc":
        same = all(type(x) is type(first) for x in batch)
        return creation.as_tensor(np.asarray(batch) if same else batch)
    if isinstance(first, float):
        return creation.tensor(batch, dtype=dtypes.float64)
    if isinstance(first, int):
        return creation.tensor(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        columns = {key: default_collate([d[key] for d in batch]) for key in first}
        return _like_mapping(first, columns)
    if isinstance(first, Sequence):
        return _collate_sequences(first, batch)
    raise _unfit(type(first))


def _unfit(what: Any) -> TypeError:
    return TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {what}"
    )


def _collate_arrays(batch: Sequence[Any]) -> Any:
    first = batch[0]
    if first.dtype.kind in "SUO":
        raise _unfit(first.dtype)
    if len({(type(x), getattr(x, "dtype", None), np.shape(x)) for x in batch}) == 1:
        return creation.as_tensor(np.stack(batch))
    return stack([creation.as_tensor(x) for x in batch], 0)


def _collate_sequences(first: Any, batch: Iterable[Any]) -> Any:
    samples = list(batch)
    if any(len(s) != len(first) for s in samples):
        raise RuntimeError("each element in list of batch should be of equal size")
    columns = [default_collate(column) for column in zip(*samples, strict=True)]
    if _is_named_tuple(first):
        return type(first)(*columns)
    if isinstance(first, tuple):
        return columns
    return _like_sequence(first, columns)
