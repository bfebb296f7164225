"""Storages: the host memory of a checkpoint's tensors when it is saved or loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from xptorch._core import device as devices
from xptorch._core import dtype as dtypes
from xptorch._core.device import device
from xptorch._tensor.tensor import Tensor

STORAGE_CLASSES = {  # PyTorch's; other dtypes are saved as UntypedStorage
    **{"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage"},
    **{"int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage"},
    **{"int8": "CharStorage", "uint8": "ByteStorage", "bool": "BoolStorage"},
    **{"complex64": "ComplexFloatStorage", "complex128": "ComplexDoubleStorage"},
    "bfloat16": "BFloat16Storage",
}

_DTYPES = {cls: name for name, cls in STORAGE_CLASSES.items()}
_MOST_EXPANDED = 1 << 30  # bytes

Run = Callable[[Any, Callable[[Any], Any]], Any]  # of a pickle, with what loads persistent ids
Restore = Callable[["Storage", str], "Storage"]  # to the device of a location tag


class Name:
    """A global name of PyTorch, which a pickle contains for an object of XPTorch or by itself."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name


def dtype_of(cls: Name) -> str:
    """The name of the dtype of a class of storages, "" if it is untyped."""
    return _DTYPES.get(cls.name, "")


def itemsize(dtype: str) -> int:
    """The size in bytes of an element of a storage; 1 if it is untyped."""
    found = dtypes.DTYPES.get(dtype)
    return found.itemsize if found else 1


def sizes_of(values: Any) -> tuple[int, ...]:
    """Sizes, strides or an offset, as a file gives them.

    Raises:
        TypeError: they are no list or tuple of integers.
        ValueError: one is negative or does not fit in 63 bits, or there are more than 64.
    """
    if not isinstance(values, list | tuple):
        raise TypeError(f"sizes in a {type(values).__name__}")
    if any(type(n) is not int for n in values):
        raise TypeError("sizes that are no integers")
    if len(values) > 64 or any(not 0 <= n < 1 << 63 for n in values):
        raise ValueError("sizes that no tensor has")
    return tuple(values)


# ---- from a file


def storage_id(key: Any) -> tuple[Any, ...]:
    """The items of a persistent id: storage class, record, location, count, and any others."""
    if not isinstance(key, tuple) or len(key) < 5 or key[0] != "storage":
        raise ValueError("a persistent id that is no storage's")
    _, cls, name, location, count = key[:5]
    if not (isinstance(cls, Name) and isinstance(name, str) and isinstance(location, str)):
        raise ValueError("a persistent id that is no storage's")
    if type(count) is not int or count < 0:
        raise ValueError("a storage without a number of elements")
    return key[1:]


class Storage:
    """The memory of one or more tensors of a file; the argument of a `map_location` function.

    Such a function returns the storage unchanged, or moved by `cpu` or `cuda`.

    Args:
        data: its bytes.
        dtype: the name of its elements' dtype, "" if each tensor specifies it.
        swap: the byte order is not the native one.

    Attributes:
        device: the device on which the tensors will be created.
    """

    def __init__(self, data: Any, dtype: str, swap: bool) -> None:
        self.dtype = dtype
        self.device: device = devices.resolve("cpu")
        self.swap = swap
        self._bytes = np.frombuffer(data, np.uint8)
        self._views: dict[Any, Any] = {}
        self._swapped: dict[int, Any] = {}  # the bytes in the other order, by the width swapped

    def nbytes(self) -> int:
        """Its size in bytes."""
        return int(self._bytes.size)

    def cpu(self) -> Storage:
        """The storage, in host memory."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Storage:
        """The storage, on a GPU."""
        return self.to("cuda" if device is None else devices.device(device))

    def to(self, where: Any) -> Storage:
        """The storage, on any device."""
        self.device = devices.resolve(where)
        return self

    def fill(self, data: Any) -> None:
        """Set its bytes, if they are stored after it in the file."""
        self._bytes[:] = np.frombuffer(data, np.uint8)

    def view(self, dtype: str, offset: Any, size: Any, stride: Any) -> Any:
        """An array over this memory, on the storage's device. Equal views are the same array.

        Raises:
            ValueError: the view exceeds the memory.
            NotImplementedError: xptorch does not have the dtype.
        """
        (start,) = sizes_of((offset,))
        key = (dtype, start, sizes_of(size), sizes_of(stride))
        if key not in self._views:
            host = self._host_view(*key)
            on = self.device
            self._views[key] = host if on.type == "cpu" else on.backend.from_host(host, on.index)
        return self._views[key]

    def _host_view(
        self, dtype: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
    ) -> Any:
        if dtype not in dtypes.DTYPES:
            raise NotImplementedError(f"the file has a tensor of dtype {dtype}: xptorch has none")
        devices.resolve("cpu").raw_dtype(dtypes.DTYPES[dtype])  # registers bfloat16 with NumPy
        dt, memory = np.dtype(dtype), self._native(dtype)
        # In Python's integers: NumPy's own check wraps around at 2⁶⁴.
        end = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
        if 0 not in size and end * dt.itemsize > memory.size:
            raise ValueError(
                f"a view of size {size} and stride {stride} at {offset} needs {end} elements of a "
                f"storage of {memory.size // dt.itemsize}"
            )
        if 0 in size:
            return np.empty(size, dt)
        if math.prod(size) > end - offset and self.device.type != "cpu":
            self._check_expanded(math.prod(size) * dt.itemsize)
        used = memory[offset * dt.itemsize : end * dt.itemsize]
        if dtype == "bool" and used.max() > 1:  # NumPy counts by adding the bytes up
            raise ValueError("a storage of bools with other bytes than 0 and 1")
        return np.ndarray(size, dt, used, 0, [step * dt.itemsize for step in stride])

    def _native(self, dtype: str) -> Any:
        """The bytes, in this machine's order."""
        each = itemsize(dtype) // (2 if dtypes.DTYPES[dtype].is_complex else 1)
        if not self.swap or each == 1:
            return self._bytes
        if each not in self._swapped:
            whole = self._bytes[: self._bytes.size // each * each]
            self._swapped[each] = whole.view(f"u{each}").byteswap().view(np.uint8)
        return self._swapped[each]

    def _check_expanded(self, nbytes: int) -> None:
        """Raise if a view with steps of 0, which becomes a copy on the device, is too large."""
        if nbytes > _MOST_EXPANDED:
            raise ValueError(
                f"an expanded tensor of {nbytes} bytes over a storage of {self.nbytes()}: load it "
                "with map_location='cpu'"
            )


# ---- to a file


class StorageRef:
    """Represents a storage in the pickle; `id` is its persistent id."""

    def __init__(self, span: _Span, location: str, legacy: bool) -> None:
        name = STORAGE_CLASSES.get(span.dtype)
        cls = Name("torch", name) if name else Name("torch.storage", "UntypedStorage")
        view = (None,) if legacy else ()  # there, storages could be views of others
        self.id = ("storage", cls, str(span.key), location, span.count(), *view)


class _Span:
    """A range of host memory that tensors occupy, which becomes a storage."""

    def __init__(self, dtype: str, host: Any, start: int, end: int, key: int) -> None:
        self.dtype = dtype
        self.host = host  # an array that begins at its start
        self.start = start
        self.end = end
        self.key = key
        self.users: set[int] = set()  # the raw arrays, by `id`

    def count(self) -> int:
        """The elements of the storage; its bytes where it is untyped."""
        return (self.end - self.start) // (
            itemsize(self.dtype) if self.dtype in STORAGE_CLASSES else 1
        )

    def memory(self) -> memoryview:
        item = self.host.itemsize
        count = (self.end - self.start) // item
        flat = np.lib.stride_tricks.as_strided(self.host, (count,), (item,), writeable=False)
        return flat.view(np.uint8).data


class StorageLayout:
    """The storage of each tensor of a file, and its offset in it.

    In a first pass over the object every tensor is assigned a storage of exactly its own memory. If
    some overlap, `merge` combines them into one, for another pass. So tensors that share memory
    share it in the file, and memory that no tensor of the file uses is not written.
    """

    def __init__(self, legacy: bool = False) -> None:
        self.legacy = legacy  # the format before zip
        self.spans: dict[tuple[str, int, int], _Span] = {}
        self.hosts: dict[int, Any] = {}  # for each raw array the NumPy array that is written
        self.alive: list[Any] = []  # arrays that must not be freed: their `id` or address is used

    def start_pass(self) -> None:
        """Mark all storages as unused."""
        for span in self.spans.values():
            span.users.clear()

    def add(self, t: Tensor) -> tuple[StorageRef, int, tuple[int, ...]]:
        """The storage of a tensor, and its offset and stride there, in elements."""
        host = self._host(t._data, t._device)
        item, dtype = host.itemsize, t.dtype.name
        start = host.__array_interface__["data"][0]
        end = start + _extent_in_bytes(host)
        key = (dtype, start, end)
        if key not in self.spans:
            self.spans[key] = _Span(dtype, host, start, end, len(self.spans))
        span = self.spans[key]
        span.users.add(id(t._data))
        location = str(t.device) if t.device.type == "cuda" else "cpu"
        reference = StorageRef(span, location, self.legacy)
        stride = tuple(step // item for step in host.strides)
        return reference, (start - span.start) // item, stride

    def _host(self, raw: Any, on: device) -> Any:
        host = self.hosts.get(id(raw))
        if host is None:
            host = on.backend.to_host(raw)
            if any(step < 0 or step % host.itemsize for step in host.strides):
                host = _compact(host)
            self.hosts[id(raw)] = host
            self.alive += [raw, host]
        return host

    def merge(self) -> bool:
        """Merge and compact storages after a pass; returns whether anything has changed."""
        changed = False
        last: tuple[str, _Span] | None = None
        for key, span in sorted(self.spans.items(), key=lambda item: item[0]):
            if span.start == span.end:
                continue
            if last is not None and last[0] == key[0] and span.start < last[1].end:
                if span is not last[1]:
                    last[1].end = max(last[1].end, span.end)
                    last[1].users |= span.users
                    self.spans[key] = last[1]
                    changed = True
            else:
                last = (key[0], span)
        for key, span in list(self.spans.items()):
            if len(span.users) == 1 and span.host.nbytes < span.end - span.start:
                (raw,) = span.users  # a view with gaps whose memory no other tensor uses
                self.hosts[raw] = _compact(self.hosts[raw])
                del self.spans[key]
                changed = True
        return changed

    def used(self) -> Iterator[_Span]:
        """The storages that the last pass used."""
        return (span for span in dict.fromkeys(self.spans.values()) if span.users)


def _extent_in_bytes(host: Any) -> int:
    """The number of bytes from the start of the first to the end of the last element."""
    if not host.size:
        return 0
    steps = zip(host.shape, host.strides, strict=True)
    return int(host.itemsize + sum((n - 1) * step for n, step in steps))


def _compact(host: Any) -> Any:
    return np.array(host, order="C", copy=True)
