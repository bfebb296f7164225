"""Host data: what users hand over as lists, NumPy arrays and other objects, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xptorch import _dtype, _graph

_KINDS = {"b": _dtype.bool_, "i": _dtype.int64, "u": _dtype.int64}


def host_array(data: Any) -> tuple[np.ndarray, _dtype.dtype]:
    """`data` as a NumPy array, and the dtype that a tensor of it has by default.

    Raises:
        ValueError: nested sequences of unequal lengths.
        TypeError: objects that are no numbers.
        RuntimeError: a sequence holds something that has no dtype.
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return np.asarray(data), numpy_dtype(data.dtype)
    if hasattr(data, "__array__") and not isinstance(data, (list, tuple)):
        array = np.asarray(data)
        return array, numpy_dtype(array.dtype)
    if isinstance(data, (str, bytes)) or data is None:
        kind = f"{type(data).__name__!r} object" if data is not None else "NoneType"
        raise TypeError(f"new(): invalid data type {kind}")
    if not isinstance(data, (bool, int, float, complex)):
        if not isinstance(data, Sequence):
            raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
        data = _plain(data)
    _check_lengths(data, 0)
    try:
        array = np.array(data) if not _is_empty(data) else np.array(data, np.float32)
    except (ValueError, OverflowError) as e:
        raise type(e)(str(e)) from None
    if array.dtype == object or array.dtype.kind in "US":
        if array.size and all(isinstance(v, int) for v in array.flat):
            raise RuntimeError("Overflow when unpacking long long")
        odd = next(v for v in array.flat if not isinstance(v, (bool, int, float, complex)))
        if isinstance(odd, str):
            raise ValueError(f"too many dimensions {type(odd).__name__!r}")
        raise RuntimeError(f"Could not infer dtype of {type(odd).__name__}")
    return array, _natural(array)


def _natural(array: np.ndarray) -> _dtype.dtype:
    if array.dtype.kind == "c":
        return _dtype.get_default_dtype().to_complex()
    return _KINDS.get(array.dtype.kind, _dtype.get_default_dtype())


def _is_empty(data: Any) -> bool:
    return isinstance(data, (list, tuple)) and all(_is_empty(d) for d in data)


def _plain(data: Any) -> Any:
    """Tensors inside nested sequences as numbers and lists."""
    if isinstance(data, _graph.setup.tensor):
        return data.tolist()
    if isinstance(data, (list, tuple)) or (
        isinstance(data, Sequence) and not isinstance(data, (str, bytes))
    ):
        if data and isinstance(data[0], (int, float)) and not hasattr(data[0], "_data"):
            return [_plain(d) if hasattr(d, "_data") else d for d in data]
        return [_plain(d) for d in data]
    return data


def _check_lengths(data: Any, dim: int) -> None:
    if not isinstance(data, list) or not data or not isinstance(data[0], (list, tuple)):
        return
    for item in data:
        if not isinstance(item, (list, tuple)):
            raise TypeError(f"must be real number, not {type(item).__name__}")
        if len(item) != len(data[0]):
            raise ValueError(
                f"expected sequence of length {len(data[0])} at dim {dim + 1} (got {len(item)})"
            )
        _check_lengths(item, dim + 1)


def numpy_dtype(dt: Any) -> _dtype.dtype:
    """The dtype of a tensor that shares memory with a NumPy array.

    Raises:
        TypeError: the array holds what no tensor can.
    """
    try:
        return _dtype.DTYPES[np.dtype(dt).newbyteorder("=").name]
    except KeyError:
        names = ", ".join(n for n in _dtype.DTYPES)
        raise TypeError(
            f"can't convert np.ndarray of type {dt}. The only supported types are: {names}."
        ) from None


def as_host(dt: _dtype.dtype) -> Any:
    """The NumPy dtype of a dtype."""
    return np.dtype(dt.name)


def contiguous(array: Any) -> Any:
    """The NumPy array, its elements in memory in the order of its axes."""
    return np.asarray(array, order="C")
