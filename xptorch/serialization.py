"""Checkpoints: PyTorch's .pt files, written and read without PyTorch.

A file is a zip archive without compression. ``data.pkl`` is the pickle of the object, in which a
tensor is a view (offset, size, stride) of a storage; ``data/0``, ``data/1``, … are the storages'
bytes. The names in the pickle are PyTorch's, so that PyTorch reads the file, too.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import pickle
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, TypeAlias

import numpy as np

from xptorch import _backend, _dtype, _engine
from xptorch._archive import CheckpointError, Reader, Writer, read_exactly, replaced
from xptorch._backend import device
from xptorch._tensor import Size, Tensor
from xptorch._unpickler import Known, Machine, Refused
from xptorch.nn.parameter import Parameter

FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
MapLocation: TypeAlias = Callable[["Storage", str], Any] | device | str | Mapping[str, str] | None

_STORAGE_CLASSES = {  # PyTorch's; other dtypes go as UntypedStorage
    **{"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage"},
    **{"int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage"},
    **{"int8": "CharStorage", "uint8": "ByteStorage", "bool": "BoolStorage"},
    **{"complex64": "ComplexFloatStorage", "complex128": "ComplexDoubleStorage"},
    "bfloat16": "BFloat16Storage",
}
_DTYPE_NAMES = {v: k for k, v in _STORAGE_CLASSES.items()}
_MAGIC = 0x1950A86A20F9469CFC6C  # what a file of the format before zip starts with
_LEGACY_VERSION = 1001


class _Name:
    """A name in PyTorch: the pickle's word for one of our objects, or one that stands alone."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


# ---- storages


class Storage:
    """The memory under one or more tensors of a file; what a `map_location` function gets.

    Such a function returns the storage as it is, or moved by `cpu` or `cuda`.

    Attributes:
        device: where the tensors will be made.
    """

    def __init__(self, data: Any, dtype: str, on: device, swap: bool) -> None:
        self.dtype = dtype  # of its elements, "" if each tensor says so itself
        self.device = on
        self._bytes = data  # a NumPy array of uint8
        self._swap = swap
        self._views: dict[Any, Any] = {}

    def nbytes(self) -> int:
        """Its size in bytes."""
        return int(self._bytes.size)

    def cpu(self) -> Storage:
        """The storage, in host memory."""
        return self._moved("cpu")

    def cuda(self, device: Any = None) -> Storage:
        """The storage, on a GPU."""
        return self._moved("cuda" if device is None else _backend.device(device))

    def _moved(self, where: Any) -> Storage:
        self.device = _backend.resolve(where)
        return self

    def fill(self, data: Any) -> None:
        """Give it its bytes, where they come after it in the file."""
        self._bytes[:] = np.frombuffer(data, np.uint8)

    def view(self, dtype: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Any:
        """An array over this memory, on the storage's device. The same view twice is one array."""
        key = (dtype, offset, size, stride)
        if key not in self._views:
            host = self._host_view(*key)
            on = self.device
            is_host = on.type == "cpu"
            self._views[key] = host if is_host else on.backend.from_host(host, on.index)
        return self._views[key]

    def _host_view(
        self, dtype: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
    ) -> Any:
        if not hasattr(_dtype, dtype + "_" * (dtype == "bool")):
            raise NotImplementedError(f"the file has tensors of dtype {dtype}, which xptorch lacks")
        dt = np.dtype(dtype)
        if self._swap:
            dt = dt.newbyteorder()
        if len(size) != len(stride) or min((offset, *size, *stride)) < 0:
            raise ValueError(f"a view of size {size} and stride {stride} at {offset}")
        # NumPy checks that the view lies inside the buffer.
        steps = [s * dt.itemsize for s in stride]
        array = np.ndarray(size, dt, self._bytes, offset * dt.itemsize, steps)
        return array.astype(dt.newbyteorder("=")) if self._swap else array


# ---- what the names in a file stand for


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
    return _rebuild_tensor_v2(storage, offset, size, stride, False, None)


def _rebuild_tensor_v2(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    backward_hooks: Any,
    metadata: Any = None,
) -> Tensor:
    return _rebuild_tensor_v3(
        storage, offset, size, stride, requires_grad, backward_hooks, storage.dtype, metadata
    )


def _rebuild_tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    backward_hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    if not isinstance(storage, Storage):
        raise TypeError(f"a tensor over a {type(storage).__name__}")
    name = dtype.name if isinstance(dtype, _dtype.dtype | _Name) else dtype
    t = _engine.wrap(storage.view(name, offset, tuple(size), tuple(stride)), storage.device)
    return t.requires_grad_() if requires_grad else t


def _rebuild_parameter(data: Any, requires_grad: Any, backward_hooks: Any) -> Parameter:
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    data: Any, requires_grad: Any, backward_hooks: Any, state: Any
) -> Parameter:
    return _with_attributes(Parameter(data, requires_grad), state)  # type: ignore[no-any-return]


def _rebuild_from_type_v2(function: Any, cls: Any, args: Any, state: Any) -> Tensor:
    if function not in _REBUILDERS:
        raise Refused(f"the pickle rebuilds a tensor by {function!r}")
    t = function(*args)
    if cls is not type(t) and isinstance(cls, type) and issubclass(cls, Tensor):
        t = t.as_subclass(cls)
    return _with_attributes(t, state)  # type: ignore[no-any-return]


def _with_attributes(t: Any, state: Any) -> Any:
    """The tensor with the attributes that its owner gave it."""
    if isinstance(state, tuple):
        state = {**(state[0] or {}), **(state[1] or {})}
    for name, value in (state or {}).items():
        if name.startswith("_") or hasattr(type(t), name):
            raise Refused(f"the pickle sets {type(t).__name__}.{name}")
        setattr(t, name, value)
    return t


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise Refused(f"the pickle encodes text as {encoding}")
    return text.encode("latin1")


def _bytearray(data: Any = b"", encoding: str = "latin1") -> bytearray:
    if isinstance(data, int):  # which would only ask for memory
        raise TypeError("bytearray of a number")
    return bytearray(data) if isinstance(data, bytes) else bytearray(_encode(data, encoding))


def _set(items: list[Any]) -> set[Any]:
    return set(items)


def _complex(real: float, imag: float) -> complex:
    return complex(real, imag)


def _size(items: Any) -> Size:
    return Size(items)


def _device(*args: Any) -> device:
    return device(*args)


def _layout(name: str) -> Any:
    return importlib.import_module("xptorch").strided


_REBUILDERS = (_rebuild_tensor, _rebuild_tensor_v2, _rebuild_tensor_v3)


@functools.cache
def _torch_names() -> dict[str, Known]:
    """PyTorch's names that may stand in a file, with what they mean here."""
    known = {f"torch.{d.name}": Known(d) for d in _dtype.DTYPES.values()}
    for dtype in ("bfloat16", *(f"float8_{k}" for k in ("e4m3fn", "e5m2", "e8m0fnu"))):
        known.setdefault(f"torch.{dtype}", Known(_Name("torch", dtype)))
    for name in _DTYPE_NAMES:
        known[f"torch.{name}"] = Known(_Name("torch", name))
    known["torch.storage.UntypedStorage"] = Known(_Name("torch.storage", "UntypedStorage"))
    known["torch.Tensor"] = Known(Tensor)
    known["torch.nn.parameter.Parameter"] = Known(Parameter)
    functions: dict[str, Any] = {
        **{f"torch._utils.{f.__name__}": f for f in _REBUILDERS},
        "torch._utils._rebuild_parameter": _rebuild_parameter,
        "torch._utils._rebuild_parameter_with_state": _rebuild_parameter_with_state,
        "torch._tensor._rebuild_from_type_v2": _rebuild_from_type_v2,
        "torch.Size": _size,
        "torch.device": _device,
        "torch.serialization._get_layout": _layout,
        "_codecs.encode": _encode,
        **{f"{b}.bytearray": _bytearray for b in ("builtins", "__builtin__")},
        **{f"{b}.set": _set for b in ("builtins", "__builtin__")},
        **{f"{b}.complex": _complex for b in ("builtins", "__builtin__")},
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
    }
    return known | {name: Known(f, callable=True) for name, f in functions.items()}


@functools.cache
def _our_names() -> dict[int, _Name]:
    """Of our objects that PyTorch has, too, the names there, by `id`."""
    names = {id(k.value): n for n, k in _torch_names().items() if n.startswith("torch.")}
    names[id(device)], names[id(Size)] = "torch.device", "torch.Size"
    return {i: _Name(*name.rsplit(".", 1)) for i, name in names.items()}


_safe: dict[str, Any] = {}


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let ``load(weights_only=True)`` make objects of these classes and call these functions.

    Args:
        safe_globals: classes, functions, or tuples of one and the name that files have for it.
    """
    _safe.update(map(_named, safe_globals))


def _named(item: Any) -> tuple[str, Any]:
    if isinstance(item, tuple):
        return item[1], item[0]
    return f"{item.__module__}.{item.__qualname__}", item


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` has allowed so far."""
    return [
        value if name == _named(value)[0] else (value, name) for name, value in _safe.items()
    ]


def clear_safe_globals() -> None:
    """Allow only what is always allowed again."""
    _safe.clear()


class safe_globals:
    """A block in which `add_safe_globals` holds for some more.

    Args:
        safe_globals: as in `add_safe_globals`.
    """

    def __init__(self, safe_globals: list[Any]) -> None:
        self.added = safe_globals

    def __enter__(self) -> None:
        self.before = dict(_safe)
        add_safe_globals(self.added)

    def __exit__(self, *exc: object) -> None:
        _safe.clear()
        _safe.update(self.before)


def _find_known(module: str, name: str) -> Known:
    """What a global of a file stands for, if it is one of those allowed."""
    full = f"{module}.{name}"
    known = _torch_names().get(full)
    if known is not None:
        return known
    if full in _safe:
        return Known(_safe[full], callable=True, buildable=isinstance(_safe[full], type))
    raise Refused(
        f"the file asks for {full}, which weights_only=True does not allow. If you trust it, "
        f"allow it with serialization.add_safe_globals([{name}]); if you trust the whole file, load "
        "it with weights_only=False, which lets the file run any code"
    )


# ---- writing


class _Pickler(pickle._Pickler):
    """Pickles with PyTorch's names, and tensors as views of storages."""

    def __init__(self, file: IO[bytes], protocol: int, storages: _Placement) -> None:
        super().__init__(file, protocol)
        self.storages = storages

    def persistent_id(self, obj: Any) -> Any:
        return obj.id if isinstance(obj, _Reference) else None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, _dtype.dtype | _Name):
            return obj.name
        if isinstance(obj, Tensor):
            return self._reduce_tensor(obj)
        if isinstance(obj, Size):
            return Size, (tuple(obj),)
        if isinstance(obj, device):
            return device, (obj.type,) if obj.index is None else (obj.type, obj.index)
        return NotImplemented

    def _reduce_tensor(self, t: Tensor) -> Any:
        state = {k: v for k, v in t.__dict__.items() if not k.startswith("_")}
        if isinstance(t, Parameter):
            args = (t.detach(), t.requires_grad, OrderedDict())
            if not state:
                return _rebuild_parameter, args
            return _rebuild_parameter_with_state, (*args, state)
        reference, offset, stride = self.storages.place(t)
        view = (reference, offset, tuple(t.shape), stride, t.requires_grad, OrderedDict())
        function: Any = _rebuild_tensor_v2
        if t.dtype.name not in _STORAGE_CLASSES:
            function, view = _rebuild_tensor_v3, (*view, t.dtype)  # type: ignore[assignment]
        if state or type(t) is not Tensor:
            return _rebuild_from_type_v2, (function, type(t), view, state)
        return function, view

    def save_global(self, obj: Any, name: str | None = None) -> None:
        known = obj if isinstance(obj, _Name) else _our_names().get(id(obj))
        if known is None:
            super().save_global(obj, name)
            return
        line = f"{known.module}\n{known.name}\n".encode()
        self.write(pickle.GLOBAL + line)  # type: ignore[attr-defined]
        self.memoize(obj)


class _Reference:
    """Stands in the pickle for a storage."""

    def __init__(self, key: int, dtype: str, location: str, count: int) -> None:
        name = _STORAGE_CLASSES.get(dtype)
        cls = _Name("torch", name) if name else _Name("torch.storage", "UntypedStorage")
        self.id = ("storage", cls, str(key), location, count)


class _Extent:
    """A stretch of host memory that tensors cover: a storage to be."""

    def __init__(self, host: Any, start: int, end: int, key: int) -> None:
        self.host = host  # an array that begins at its start
        self.start = start
        self.end = end
        self.key = key
        self.users = 0

    def bytes(self) -> memoryview:
        """Its memory."""
        item = self.host.dtype.itemsize
        count = (self.end - self.start) // item
        flat = np.lib.stride_tricks.as_strided(self.host, (count,), (item,), writeable=False)
        return flat.view(np.uint8).data


class _Placement:
    """Where the tensors of a file lie: which storage, and where in it.

    In a first pass every tensor gets a storage of its own memory. If then some overlap, `merge`
    makes them one, for a second pass over the object; so tensors that share memory share it in the
    file, and memory that no tensor of the file shows is never written.
    """

    def __init__(self) -> None:
        self.extents: dict[tuple[str, int, int], _Extent] = {}
        self.hosts: dict[int, Any] = {}  # of each raw array on a device its copy on the host
        self.alive: list[Any] = []  # whose `id` or address is in use here

    def place(self, t: Tensor) -> tuple[_Reference, int, tuple[int, ...]]:
        """The storage of a tensor, its offset there and its stride, in elements."""
        host = self._host(t)
        item = host.itemsize
        start = host.__array_interface__["data"][0]
        span = item + sum((n - 1) * step for n, step in zip(host.shape, host.strides, strict=True))
        end = start + (span if host.size else 0)
        key = (t.dtype.name, start, end)
        if key not in self.extents:
            self.extents[key] = _Extent(host, start, end, len(self.extents))
        extent = self.extents[key]
        extent.users += 1
        stride = tuple(step // item for step in host.strides)
        size = extent.end - extent.start
        typed = t.dtype.name in _STORAGE_CLASSES
        location = str(t.device) if t.device.type == "cuda" else "cpu"
        reference = _Reference(
            extent.key, t.dtype.name, location, size // item if typed else size
        )
        return reference, (start - extent.start) // item, stride

    def _host(self, t: Tensor) -> Any:
        """The tensor as a NumPy array that a storage can be laid over."""
        raw = t._data
        host = self.hosts.get(id(raw))
        if host is None:
            host = t._device.backend.to_host(raw)
            if any(step < 0 or step % host.itemsize for step in host.strides):
                host = np.ascontiguousarray(host).reshape(host.shape)
            self.hosts[id(raw)] = host
            self.alive += [raw, host]
        return host

    def merge(self) -> bool:
        """Join extents that overlap; False if none do."""
        joined = False
        last: _Extent | None = None
        by_place = sorted(self.extents.items(), key=lambda item: item[0])
        for i, (key, extent) in enumerate(by_place):
            same = last is not None and by_place[i - 1][0][0] == key[0]
            if same and last is not None and extent.start < last.end and extent.end > extent.start:
                last.end = max(last.end, extent.end)
                self.extents[key] = last
                joined = True
            else:
                last = extent
        for number, extent in enumerate(dict.fromkeys(self.extents.values())):
            extent.key = number
        return joined

    def records(self) -> Iterator[tuple[str, memoryview]]:
        """The storages, by the names of their records."""
        for extent in dict.fromkeys(self.extents.values()):
            yield f"data/{extent.key}", extent.bytes()


def _pickled(obj: Any, protocol: int) -> tuple[bytes, _Placement]:
    storages = _Placement()
    for _ in range(2):
        buffer = io.BytesIO()
        _Pickler(buffer, protocol, storages).dump(obj)
        if not storages.merge():
            break
    return buffer.getvalue(), storages


def save(
    obj: object,
    f: FileLike,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object to a file that `load`, and PyTorch, can read.

    A file named by a path appears whole or not at all: it is written beside its place, put on the
    disk and then renamed.

    Args:
        obj: tensors, state dicts, containers, plain values; other objects as pickle can.
        f: a path, or a file to write to.
        pickle_module: only the standard `pickle`.
        pickle_protocol: pickle's; PyTorch's ``weights_only=True`` reads 2.

    Raises:
        RuntimeError: the folder of the path does not exist.
        AttributeError: `f` is neither a path nor has ``write``.

    Example:
        >>> import io
        >>> f = io.BytesIO()
        >>> torch.save({"x": torch.arange(3)}, f)
        >>> torch.load(f)
        {'x': tensor([0, 1, 2])}
    """
    if pickle_module is not pickle:
        raise NotImplementedError("save: only the standard pickle module is supported")
    if not _use_new_zipfile_serialization:
        raise NotImplementedError("save: the format before zip is only read, not written")
    is_path = isinstance(f, str | os.PathLike)
    if not is_path and not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )
    data, storages = _pickled(obj, pickle_protocol)
    if is_path:
        path = os.fspath(f)  # type: ignore[arg-type]
        stem = os.path.splitext(os.path.basename(path))[0]
        prefix = stem if stem.isascii() and stem else "archive"
        with replaced(path) as file:
            _write(file, prefix, data, storages, _disable_byteorder_record)
        return
    file = f  # type: ignore[assignment]
    if getattr(file, "seekable", lambda: False)():
        _write(file, "archive", data, storages, _disable_byteorder_record)
    else:
        buffer = io.BytesIO()
        _write(buffer, "archive", data, storages, _disable_byteorder_record)
        file.write(buffer.getvalue())


def _write(
    file: IO[bytes], prefix: str, data: bytes, storages: _Placement, no_byteorder: bool
) -> None:
    archive = Writer(file, prefix)
    archive.write("data.pkl", data)
    archive.write(".format_version", b"1")
    archive.write(".storage_alignment", b"64")
    if not no_byteorder:
        archive.write("byteorder", sys.byteorder.encode())
    for name, memory in storages.records():
        archive.write(name, memory)
    archive.write("version", b"3\n")
    archive.close()


# ---- reading


def load(
    f: FileLike,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `save` or PyTorch's ``torch.save`` wrote.

    Args:
        f: a path, or a seekable file.
        map_location: where the tensors go: a device, a dict from the devices they were saved on, or
            a function of a `Storage` and the name of its device. If None, where they were.
        pickle_module: for ``weights_only=False`` only: whose `Unpickler` to use.
        weights_only: build tensors, containers, plain values and what `add_safe_globals` allows, and
            nothing else; the default. False runs whatever code the file holds.
        mmap: map the file into memory rather than read it: for a path only. Changes of the tensors
            do not reach the file.
        **pickle_load_args: for ``weights_only=False`` only: passed to the unpickler.

    Raises:
        pickle.UnpicklingError: the file is no checkpoint, is damaged, or asks for what
            ``weights_only=True`` does not allow.
        RuntimeError: tensors were saved on a device that does not work here.
    """
    if weights_only is None:
        weights_only = pickle_module is None
    elif weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    run = _machine if weights_only else _unpickler(pickle_module or pickle, pickle_load_args)
    restore = _restorer(map_location)
    if isinstance(f, str | os.PathLike):
        path = os.fspath(f)
        with open(path, "rb") as file:
            return _load(file, repr(path), run, restore, path if mmap else None)
    if mmap:
        raise ValueError("f must be a path in order to use the mmap argument")
    for name in ("seek", "tell", "read"):
        if not hasattr(f, name):
            raise AttributeError(
                f"{type(f).__name__!r} object has no attribute {name!r}. You can only load from a "
                "file that is seekable: read the data into an io.BytesIO and load from that"
            )
    start = f.tell()
    f.seek(0, os.SEEK_END)
    if f.tell() == start:  # just written: what a reader can only want is its beginning
        start = 0
    f.seek(start)
    return _load(f, "the file", run, restore, None)


Run = Callable[[Any, Callable[[Any], Any]], Any]
Restore = Callable[[Storage, str], Storage]


def _load(file: IO[bytes], label: str, run: Run, restore: Restore, mapped: str | None) -> Any:
    start = file.tell()
    magic = file.read(4)
    file.seek(start)
    try:
        if magic == b"PK\3\4":
            return _load_zip(Reader(file, label), run, restore, mapped)
        if mapped is not None:
            raise RuntimeError("mmap needs a file of PyTorch's zip format")
        return _load_legacy(file, label, run, restore)
    except Refused as e:
        raise pickle.UnpicklingError(f"Cannot load {label}: {e}.") from None
    except CheckpointError:
        raise
    except (pickle.UnpicklingError, EOFError) as e:
        raise CheckpointError(f"{label} is a damaged checkpoint: {e}") from e


def _load_zip(archive: Reader, run: Run, restore: Restore, mapped: str | None) -> Any:
    if "constants.pkl" in archive:
        raise RuntimeError(f"{archive.label} is a TorchScript archive, which xptorch cannot run")
    order = archive.read("byteorder").decode() if "byteorder" in archive else "little"
    memory = None if mapped is None else np.memmap(mapped, mode="c")
    storages: dict[str, Storage] = {}

    def load_persistent(key: Any) -> Storage:
        cls, name, location, count = _storage_id(key)[:4]
        if name not in storages:
            dtype = _DTYPE_NAMES.get(cls.name, "")
            if memory is None:
                data = np.frombuffer(archive.read(f"data/{name}"), np.uint8)
            else:
                begin, info = archive.locate(f"data/{name}")
                data = memory[begin : begin + info.file_size].view(np.ndarray)
            if data.size < count * _itemsize(dtype):
                raise CheckpointError(
                    f"{archive.label} is damaged: the record 'data/{name}' has {data.size} bytes"
                )
            found = Storage(data, dtype, _backend.resolve("cpu"), order != sys.byteorder)
            storages[name] = restore(found, location)
        return storages[name]

    return run(io.BytesIO(archive.read("data.pkl")), load_persistent)


def _storage_id(key: Any) -> tuple[Any, ...]:
    """The parts of a persistent id: storage class, record, location, count, and what follows."""
    if not isinstance(key, tuple) or len(key) < 5 or key[0] != "storage":
        raise ValueError(f"the persistent id {key!r}")
    _, cls, name, location, count = key[:5]
    if not (isinstance(cls, _Name) and isinstance(name, str) and isinstance(location, str)):
        raise ValueError(f"the persistent id {key!r}")
    if not isinstance(count, int) or count < 0:
        raise ValueError(f"a storage of {count!r} elements")
    return key[1:]


def _itemsize(dtype: str) -> int:
    found = _dtype.DTYPES.get(dtype)
    return found.itemsize if found else 2 if dtype == "bfloat16" else 1


def _load_legacy(file: IO[bytes], label: str, run: Run, restore: Restore) -> Any:
    """The format before zip: four pickles one behind the other, then the storages."""

    def nothing(*_: Any) -> Any:
        raise Refused("the file does not start as a checkpoint does")

    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    try:
        magic = Machine(nothing, nothing).run(file)
    except pickle.UnpicklingError:
        magic = None
    if magic != _MAGIC:
        raise CheckpointError(f"{label} is no checkpoint, or it is damaged or truncated")
    if Machine(nothing, nothing).run(file) != _LEGACY_VERSION:
        raise CheckpointError(f"{label} has an unknown version of the format before zip")
    little = Machine(nothing, nothing).run(file).get("little_endian", True)
    storages: dict[str, Storage] = {}
    raw: dict[str, Storage] = {}

    def load_persistent(key: Any) -> Storage:
        cls, name, location, count, *view = _storage_id(key)
        if view and view[0] is not None:
            raise NotImplementedError("storages that are views of storages, of old PyTorch files")
        if name not in storages:
            dtype = _DTYPE_NAMES.get(cls.name, "")
            length = count * _itemsize(dtype)
            if length > size:
                raise CheckpointError(f"{label} is damaged or truncated")
            swap = little != (sys.byteorder == "little")
            raw[name] = Storage(np.empty(length, np.uint8), dtype, _backend.resolve("cpu"), swap)
            storages[name] = restore(raw[name], location)
        return storages[name]

    # Storages come after the tensors, so tensors are made on the host and moved at the end.
    result = run(file, load_persistent)
    for name in Machine(nothing, nothing).run(file):
        storage = raw[name]
        int.from_bytes(read_exactly(file, 8, label), "little")
        storage.fill(read_exactly(file, storage.nbytes(), label))
    return result


def _machine(file: Any, load_persistent: Callable[[Any], Any]) -> Any:
    return Machine(_find_known, load_persistent).run(file)


def _unpickler(pickle_module: Any, options: dict[str, Any]) -> Run:
    """Runs a pickle without restrictions."""

    def run(file: Any, load: Callable[[Any], Any]) -> Any:
        class Unpickler(pickle_module.Unpickler):  # type: ignore[misc, name-defined]
            def find_class(self, module: str, name: str) -> Any:
                known = _torch_names().get(f"{module}.{name}")
                if known is not None:
                    return known.value
                if module.split(".")[0] == "torch":
                    return _counterpart(module, name)
                return super().find_class(module, name)

            def persistent_load(self, key: Any) -> Any:
                return load(key)

        return Unpickler(file, **options).load()

    return run


def _counterpart(module: str, name: str) -> Any:
    """Our object in the place of one of PyTorch's."""
    places = ["xptorch" + module.removeprefix("torch")]
    places += [p for p in ("xptorch.nn", "xptorch.optim") if places[0].startswith(p + ".")]
    for place in places:
        with contextlib.suppress(ImportError, AttributeError):
            return functools.reduce(getattr, name.split("."), importlib.import_module(place))
    raise pickle.UnpicklingError(f"the file asks for {module}.{name}, which xptorch does not have")


# ---- where to


def _restorer(map_location: MapLocation) -> Restore:
    if map_location is None:
        return _restore
    if isinstance(map_location, Mapping):
        return lambda storage, location: _restore(storage, map_location.get(location, location))
    if isinstance(map_location, str | device):
        on = _backend.resolve(map_location)
        return lambda storage, location: storage._moved(on)
    return lambda storage, location: _mapped(storage, location, map_location)


def _mapped(storage: Storage, location: str, map_location: Any) -> Storage:
    result = map_location(storage, location)
    if result is None:
        return _restore(storage, location)
    if not isinstance(result, Storage):
        raise TypeError(
            f"map_location must return the storage or None, but got {type(result).__name__}"
        )
    return result


def _restore(storage: Storage, location: str) -> Storage:
    """The storage on the device that it was saved on."""
    if location == "cpu":
        default = _backend.resolve()
        # A backend that computes on the host under its own name takes the CPU's part.
        return storage._moved("cpu" if default.type == "cuda" else default)
    if location.partition(":")[0] != "cuda":
        raise RuntimeError(
            f"don't know how to restore data location of a storage (tagged with {location})"
        )
    try:
        return storage._moved(location)
    except RuntimeError as e:
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
            f"False or there is no such device ({e}). Load it with map_location='cpu' to have its "
            "tensors in host memory."
        ) from e
