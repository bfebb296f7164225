"""Host data: lists, NumPy arrays and other objects that users pass, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from xptorch._core import dtype as dtypes
from xptorch._engine import graph

_KINDS = {"b": dtypes.bool_, "i": dtypes.int64, "u": dtypes.int64}
_LONG = (-(2**63), 2**63 - 1)


def host_array(data: Any, target: dtypes.dtype | None) -> tuple[np.ndarray, dtypes.dtype]:
    """`data` as a NumPy array, and the dtype of a tensor of it: `target`, or the inferred one.

    Raises:
        ValueError: nested sequences of unequal lengths.
        TypeError: objects that are no numbers.
        RuntimeError: something has no dtype, or does not fit into the target.
    """
    if hasattr(data, "__array__") and not isinstance(data, (list, tuple)):
        array = np.asarray(data)
        if any(s < 0 for s in array.strides):
            raise ValueError(
                "At least one stride in the given numpy array is negative, and tensors with "
                "negative strides are not currently supported. (You can probably work around this "
                "by making a copy of your array  with array.copy().)"
            )
        return array, target or numpy_dtype(array.dtype)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type {type(data).__name__!r}")
    found = _at_once(data)
    if found is None:
        if not isinstance(data, (Sequence, int)):
            raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
        data = _plain(data)
        found = _numbers(data)
    if target is not None:
        _check_fits(found, target)
    return found, target or _inferred_dtype(found, data)


def _first(data: Any) -> Any:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data


def _at_once(data: Any) -> np.ndarray | None:
    """The array of plain Python numbers in rows of equal length; None for all other data."""
    if _first(data).__class__ not in (int, float, bool, complex):
        return None
    try:
        array = np.array(data)
    except Exception:
        return None
    return array if array.dtype.kind in "bifc" else None


def _numbers(data: Any) -> np.ndarray:
    _check_lengths(data, 0)
    array = np.array(data)
    if array.dtype == object or array.dtype.kind in "USu":
        if array.size and all(isinstance(v, int) for v in array.flat):
            if not all(_LONG[0] <= v <= _LONG[1] for v in array.flat):
                raise ValueError("Overflow when unpacking long long")
            return array
        odd = next((v for v in _leaves(data) if not isinstance(v, (int, float, complex))), None)
        if isinstance(odd, str):
            if odd is _first(data):
                raise ValueError("too many dimensions 'str'")
            raise TypeError("new(): invalid data type 'str'")
        if odd is not None and not isinstance(odd, np.generic):
            raise RuntimeError(f"Could not infer dtype of {type(odd).__name__}")
        if array.dtype == object:
            raise RuntimeError("Could not infer dtype of NoneType")
    return array


def _check_fits(array: np.ndarray, target: dtypes.dtype) -> None:
    """Raise for numbers that do not fit an integer dtype; in unsigned ones negatives wrap."""
    if target.category != dtypes.INTEGER or not array.size or array.dtype.kind == "c":
        return
    low, high = array.min(), array.max()
    info = dtypes.iinfo(target)
    if not (high <= info.max and low >= (info.min if target.is_signed else -info.max)):
        raise RuntimeError(f"value cannot be converted to type {target.name} without overflow")


def _inferred_dtype(array: np.ndarray, data: Any) -> dtypes.dtype:
    if isinstance(_first(data), np.generic):
        return numpy_dtype(array.dtype)
    if array.dtype.kind == "c":
        return dtypes.get_default_dtype().to_complex()
    return _KINDS.get(array.dtype.kind, dtypes.get_default_dtype())


def _leaves(data: Any) -> Iterator[Any]:
    if isinstance(data, (list, tuple)):
        for d in data:
            yield from _leaves(d)
    else:
        yield data


def _plain(data: Any) -> Any:
    """Sequences as lists; tensors inside them, of one element each, as NumPy's numbers."""
    if isinstance(data, graph.setup.tensor):
        if data.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return data._host().reshape(())[()]
    if isinstance(data, np.ndarray):
        return list(data) if data.ndim else data[()]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        if (
            data
            and data[0].__class__ in (int, float)
            and all(d.__class__ in (int, float) for d in data)
        ):
            return list(data)
        return [_plain(d) for d in data]
    return data


def _check_lengths(data: Any, dim: int) -> None:
    if not isinstance(data, list) or not data:
        return
    if not isinstance(data[0], (list, np.ndarray)):
        for item in data:
            if isinstance(item, (list, np.ndarray)):
                raise TypeError(
                    f"{type(item).__name__!r} object cannot be interpreted as an integer"
                )
        return
    for item in data:
        if not isinstance(item, (list, np.ndarray)):
            raise TypeError("not a sequence")
        if len(item) != len(data[0]):
            raise ValueError(
                f"expected sequence of length {len(data[0])} at dim {dim + 1} (got {len(item)})"
            )
        _check_lengths(item, dim + 1)


def numpy_dtype(dt: Any) -> dtypes.dtype:
    """The dtype of a tensor that shares memory with a NumPy array.

    Raises:
        TypeError: no tensor dtype corresponds to the array's.
    """
    try:
        return dtypes.DTYPES[np.dtype(dt).newbyteorder("=").name]
    except KeyError:
        names = ", ".join(n for n in dtypes.DTYPES)
        raise TypeError(
            f"can't convert np.ndarray of type {dt}. The only supported types are: {names}."
        ) from None


def as_host(dt: dtypes.dtype) -> Any:
    """The NumPy dtype of a dtype."""
    return np.dtype(dt.name)


def from_buffer(buffer: Any, dtype: dtypes.dtype, count: int, offset: int) -> np.ndarray:
    """The memory of a Python buffer as a NumPy array."""
    array = np.frombuffer(buffer, as_host(dtype), count, offset)
    return array


def contiguous(array: Any) -> Any:
    """The NumPy array in C order."""
    return np.asarray(array, order="C")
