"""Storages: the host memory under the tensors of a checkpoint, on its way to or from a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from xptorch._core import device as devices
from xptorch._core import dtype as dtypes
from xptorch._core.device import device
from xptorch._tensor.tensor import Tensor

STORAGE_CLASSES = {  # PyTorch's; other dtypes go as UntypedStorage
    **{"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage"},
    **{"int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage"},
    **{"int8": "CharStorage", "uint8": "ByteStorage", "bool": "BoolStorage"},
    **{"complex64": "ComplexFloatStorage", "complex128": "ComplexDoubleStorage"},
    "bfloat16": "BFloat16Storage",
}


class Name:
    """A name in PyTorch: the pickle's word for one of our objects, or one that stands alone."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name


def itemsize(dtype: str) -> int:
    """Bytes of an element of a storage; 1 where it is untyped."""
    found = dtypes.DTYPES.get(dtype)
    return found.itemsize if found else 1


# ---- from a file


class Storage:
    """The memory under one or more tensors of a file; what a `map_location` function gets.

    Such a function returns the storage as it is, or moved by `cpu` or `cuda`.

    Args:
        data: its bytes.
        dtype: the name of its elements' dtype, "" if each tensor says so itself.
        swap: the bytes are in the order that this machine does not use.

    Attributes:
        device: where the tensors will be made.
    """

    def __init__(self, data: Any, dtype: str, swap: bool) -> None:
        self.dtype = dtype
        self.device: device = devices.resolve("cpu")
        self.swap = swap
        self._bytes = np.frombuffer(data, np.uint8)
        self._views: dict[Any, Any] = {}

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
        """Give it its bytes, where they come after it in the file."""
        self._bytes[:] = np.frombuffer(data, np.uint8)

    def view(self, dtype: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Any:
        """An array over this memory, on the storage's device. The same view twice is one array.

        Raises:
            ValueError: the view reaches beyond the memory.
            NotImplementedError: the dtype is one that xptorch does not have.
        """
        key = (dtype, offset, size, stride)
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
        devices.resolve("cpu").raw_dtype(dtypes.DTYPES[dtype])  # NumPy learns bfloat16 late
        if len(size) != len(stride) or min((offset, *size, *stride)) < 0:
            raise ValueError(f"a view of size {size} and stride {stride} at {offset}")
        dt = np.dtype(dtype).newbyteorder("S" if self.swap else "=")
        steps = [s * dt.itemsize for s in stride]
        # NumPy checks that the view lies inside the buffer.
        array = np.ndarray(size, dt, self._bytes, offset * dt.itemsize, steps)
        return array.astype(dt.newbyteorder("=")) if self.swap else array


# ---- to a file


class StorageRef:
    """Stands in the pickle for a storage; `id` is its persistent id."""

    def __init__(self, key: int, dtype: str, location: str, nbytes: int) -> None:
        name = STORAGE_CLASSES.get(dtype)
        cls = Name("torch", name) if name else Name("torch.storage", "UntypedStorage")
        count = nbytes // itemsize(dtype) if name else nbytes
        self.id = ("storage", cls, str(key), location, count)


class _Span:
    """A stretch of host memory that tensors cover: a storage to be."""

    def __init__(self, host: Any, start: int, end: int, key: int) -> None:
        self.host = host  # an array that begins at its start
        self.start = start
        self.end = end
        self.key = key
        self.users: set[int] = set()  # the raw arrays, by `id`

    def memory(self) -> memoryview:
        item = self.host.itemsize
        count = (self.end - self.start) // item
        flat = np.lib.stride_tricks.as_strided(self.host, (count,), (item,), writeable=False)
        return flat.view(np.uint8).data


class StorageLayout:
    """Where the tensors of a file lie: which storage, and where in it.

    In a first pass over the object every tensor gets a storage of just its own memory. If some then
    overlap, `merge` makes one of them, for another pass. So tensors that share memory share it in
    the file, and memory that no tensor of the file shows is not written.
    """

    def __init__(self) -> None:
        self.spans: dict[tuple[str, int, int], _Span] = {}
        self.hosts: dict[int, Any] = {}  # of each raw array the NumPy array that is written
        self.alive: list[Any] = []  # whose `id` or address is in use here

    def start_pass(self) -> None:
        """Forget which storages are in use."""
        for span in self.spans.values():
            span.users.clear()

    def add(self, t: Tensor) -> tuple[StorageRef, int, tuple[int, ...]]:
        """The storage of a tensor, its offset there and its stride, in elements."""
        host = self._host(t._data, t._device)
        item, dtype = host.itemsize, t.dtype.name
        start = host.__array_interface__["data"][0]
        end = start + _extent_in_bytes(host)
        key = (dtype, start, end)
        if key not in self.spans:
            self.spans[key] = _Span(host, start, end, len(self.spans))
        span = self.spans[key]
        span.users.add(id(t._data))
        location = str(t.device) if t.device.type == "cuda" else "cpu"
        reference = StorageRef(span.key, dtype, location, span.end - span.start)
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
        """Improve the storages after a pass; False if nothing was left to improve."""
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
                (raw,) = span.users  # a view with gaps, of which nobody else sees anything
                self.hosts[raw] = _compact(self.hosts[raw])
                del self.spans[key]
                changed = True
        return changed

    def records(self) -> Iterator[tuple[str, memoryview]]:
        """The storages that the last pass used, by the names of their records."""
        for span in dict.fromkeys(self.spans.values()):
            if span.users:
                yield f"data/{span.key}", span.memory()


def _extent_in_bytes(host: Any) -> int:
    """Bytes from the first to behind the last element."""
    if not host.size:
        return 0
    steps = zip(host.shape, host.strides, strict=True)
    return int(host.itemsize + sum((n - 1) * step for n, step in steps))


def _compact(host: Any) -> Any:
    return np.array(host, order="C", copy=True)
