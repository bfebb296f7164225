"""Checkpoints: PyTorch's .pt files, written and read without PyTorch.

A file is a zip archive without compression. ``data.pkl`` is the pickle of the object, in which a
tensor is a view (offset, size, stride) of a storage; ``data/0``, ``data/1``, … are the storages'
bytes. The pickle uses PyTorch's global names, so that PyTorch can read the file, too.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import IO, Any, TypeAlias

import numpy as np

from xptorch._core import device as devices
from xptorch._core.device import device
from xptorch.serialization.archive import (
    CheckpointError,
    Reader,
    Writer,
    atomic_write,
)
from xptorch.serialization.legacy import load_legacy, save_legacy
from xptorch.serialization.pickler import Pickler, torch_names
from xptorch.serialization.storage import (
    Restore,
    Run,
    Storage,
    StorageLayout,
    dtype_of,
    itemsize,
    storage_id,
)
from xptorch.serialization.unpickler import (
    AllowedGlobal,
    RestrictedUnpickler,
    UnpicklingError,
    shortened,
)

FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
MapLocation: TypeAlias = Callable[[Storage, str], Any] | device | str | Mapping[str, str] | None

_DEVICE = re.compile(r"cpu|cuda(:\d{1,4})?")  # what a file may name


_safe: dict[str, Any] = {}


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let ``load(weights_only=True)`` create objects of these classes and call these functions.

    Args:
        safe_globals: classes, functions, or tuples of one and its name in files.
    """
    _safe.update(map(_named, safe_globals))


def _named(item: Any) -> tuple[str, Any]:
    if isinstance(item, tuple):
        return item[1], item[0]
    return f"{item.__module__}.{item.__qualname__}", item


def get_safe_globals() -> list[Any]:
    """The globals that `add_safe_globals` has allowed so far."""
    return [value if name == _named(value)[0] else (value, name) for name, value in _safe.items()]


def clear_safe_globals() -> None:
    """Remove all globals that `add_safe_globals` has allowed."""
    _safe.clear()


class safe_globals:
    """A block in which further globals are allowed as by `add_safe_globals`.

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


def _find_allowed(module: str, name: str) -> AllowedGlobal:
    """The object that a global name in a file refers to, if it is allowed."""
    full = f"{module}.{name}"
    shown = shortened(full)
    known = torch_names().get(full)
    if known is not None:
        return known
    if full in _safe:
        return AllowedGlobal(_safe[full], callable=True, buildable=isinstance(_safe[full], type))
    ours = _counterpart(full) if module.split(".")[0] == "torch" else None
    if ours is not None and any(ours is value for value in _safe.values()):
        return AllowedGlobal(ours, callable=True, buildable=isinstance(ours, type))
    if ours is None and module.split(".")[0] == "torch":
        raise UnpicklingError(f"the file asks for {shown}, which xptorch does not have")
    raise UnpicklingError(
        f"the file asks for {shown}, which weights_only=True does not allow. If you trust it, "
        f"allow it with serialization.add_safe_globals([{shortened(name)}]); if you trust the "
        "whole file, load it with weights_only=False, which lets the file run any code"
    )


def _counterpart(name: str) -> Any:
    """XPTorch's counterpart of one of PyTorch's objects, or None."""
    path, _, last = ("xptorch" + name.removeprefix("torch")).rpartition(".")
    places = [path, path.replace(".modules.", ".")]  # nn.modules.linear is nn.linear here
    places += [p for p in ("xptorch.nn", "xptorch.optim") if path.startswith(p + ".")]
    for place in places:
        # Only modules that are already imported: a name in a file must not cause an import.
        found = getattr(sys.modules.get(place), last, None)
        if found is not None:
            return found
    return None


# ---- writing


def _pickled(obj: Any, protocol: int, legacy: bool) -> tuple[bytes, StorageLayout]:
    storages = StorageLayout(legacy)
    for _ in range(4):
        buffer = io.BytesIO()
        storages.start_pass()
        Pickler(buffer, protocol, storages).dump(obj)
        if not storages.merge():
            return buffer.getvalue(), storages
    raise RuntimeError(f"save: {type(obj).__name__} gives other tensors each time it is pickled")


def save(
    obj: object,
    f: FileLike,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object to a file that `load`, and PyTorch, can read.

    A file given by a path is written atomically: to a temporary file in the same folder, which is
    synced to disk and then renamed.

    Args:
        obj: tensors, state dicts, containers, plain values; other objects if pickle supports them.
        f: a path, or a file to write to.
        pickle_module: only the standard `pickle`.
        pickle_protocol: pickle's protocol; PyTorch's ``weights_only=True`` reads 2.
        _use_new_zipfile_serialization: False writes the format before zip, of PyTorch 1.5.

    Raises:
        RuntimeError: the folder of the path does not exist.
        AttributeError: `f` is neither a path nor has ``write``.

    Example:
        >>> import io
        >>> f = io.BytesIO()
        >>> torch.save({"x": torch.arange(3)}, f)
        >>> position = f.seek(0)
        >>> torch.load(f)
        {'x': tensor([0, 1, 2])}
    """
    if pickle_module is not pickle:
        raise NotImplementedError("save: only the standard pickle module is supported")
    is_path = isinstance(f, str | os.PathLike)
    if not is_path and not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )
    zipped = _use_new_zipfile_serialization
    data, storages = _pickled(obj, pickle_protocol, legacy=not zipped)

    def write(file: IO[bytes], prefix: str = "archive") -> None:
        if zipped:
            _write(file, prefix, data, storages, _disable_byteorder_record)
        else:
            save_legacy(file, data, storages, pickle_protocol)

    if is_path:
        path = os.fspath(f)  # type: ignore[arg-type]
        stem = os.path.splitext(os.path.basename(path))[0]
        with atomic_write(path) as file:
            write(file, stem if stem.isascii() and stem else "archive")
    elif getattr(f, "seekable", lambda: False)() or not zipped:
        write(f)  # type: ignore[arg-type]
    else:
        buffer = io.BytesIO()
        write(buffer)
        f.write(buffer.getvalue())  # type: ignore[union-attr]


def _write(
    file: IO[bytes], prefix: str, data: bytes, storages: StorageLayout, no_byteorder: bool
) -> None:
    archive = Writer(file, prefix)
    archive.write("data.pkl", data)
    archive.write(".format_version", b"1")
    archive.write(".storage_alignment", b"64")
    if not no_byteorder:
        archive.write("byteorder", sys.byteorder.encode())
    for span in storages.used():
        archive.write(f"data/{span.key}", span.memory())
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
        map_location: the tensors' device: a device, a dict from the devices they were saved on, or
            a function of a `Storage` and the name of its device. If None, the device they were
            saved on.
        pickle_module: for ``weights_only=False`` only: the module whose `Unpickler` is used.
        weights_only: create only tensors, containers, plain values and what `add_safe_globals`
            allows; the default. False runs whatever code the file contains.
        mmap: map the file into memory rather than read it, for a path only. Changes of the tensors
            are not written to the file.
        **pickle_load_args: for ``weights_only=False`` only: passed to the unpickler.

    Raises:
        pickle.UnpicklingError: the file is not a checkpoint, is damaged, or needs something that
            ``weights_only=True`` does not allow.
        RuntimeError: tensors were saved on a device that is not available here.
    """
    if weights_only is None:
        forced = os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0").lower()
        weights_only = pickle_module is None and forced not in ("1", "y", "yes", "true")
    elif weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if weights_only and pickle_load_args:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    run = (
        _restricted_load if weights_only else _unpickler(pickle_module or pickle, pickle_load_args)
    )
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
    return _load(f, "the file", run, restore, None)


def _load(file: IO[bytes], label: str, run: Run, restore: Restore, mapped: str | None) -> Any:
    start = file.tell()
    magic = file.read(4)
    file.seek(start)
    try:
        if magic == b"PK\3\4":
            return _load_zip(Reader(file, label), run, restore, mapped)
        if mapped is not None:
            raise RuntimeError("mmap needs a file of PyTorch's zip format")
        return load_legacy(file, label, run, restore)
    except _RestoreError as e:
        raise e.error from None
    except UnpicklingError as e:
        raise pickle.UnpicklingError(f"Cannot load {label}: {e}.") from None
    except CheckpointError:
        raise
    except (pickle.UnpicklingError, EOFError) as e:
        raise CheckpointError(f"{label} is a damaged checkpoint: {e}") from e


def _load_zip(archive: Reader, run: Run, restore: Restore, mapped: str | None) -> Any:
    if "constants.pkl" in archive:
        raise RuntimeError(f"{archive.label} is a TorchScript archive, which xptorch cannot run")
    order = bytes(archive.read("byteorder")) if "byteorder" in archive else b"little"
    if order not in (b"little", b"big"):
        raise CheckpointError(f"{archive.label} has an unknown byte order")
    memory = None if mapped is None else np.memmap(mapped, mode="c")
    storages: dict[str, Storage] = {}

    def load_persistent(key: Any) -> Storage:
        cls, name, location, count = storage_id(key)[:4]
        if name not in storages:
            dtype = dtype_of(cls)
            data: Any
            if memory is None:
                data = archive.read(f"data/{name}")
            else:
                begin, info = archive.locate(f"data/{name}")
                if info.compress_type != zipfile.ZIP_STORED:
                    raise CheckpointError(f"{archive.label} is compressed: it cannot be mapped")
                data = memory[begin : begin + info.compress_size]
            if len(data) < count * itemsize(dtype):
                raise CheckpointError(
                    f"{archive.label} is damaged: the record 'data/{name}' has {len(data)} bytes"
                )
            storages[name] = restore(
                Storage(data, dtype, order.decode() != sys.byteorder), location
            )
        return storages[name]

    return run(io.BytesIO(archive.read("data.pkl")), load_persistent)


def _restricted_load(file: Any, load_persistent: Callable[[Any], Any]) -> Any:
    unpickler = RestrictedUnpickler(_find_allowed, load_persistent)
    unpickler.buildable.update(value for value in _safe.values() if isinstance(value, type))
    return unpickler.run(file)


def _unpickler(pickle_module: Any, options: dict[str, Any]) -> Run:
    """Runs a pickle without restrictions."""

    def run(file: Any, load: Callable[[Any], Any]) -> Any:
        class Unpickler(pickle_module.Unpickler):  # type: ignore[misc]
            def find_class(self, module: str, name: str) -> Any:
                known = torch_names().get(f"{module}.{name}")
                if known is not None:
                    return known.value
                if module.split(".")[0] != "torch":
                    return super().find_class(module, name)
                ours = _counterpart(f"{module}.{name}")
                if ours is None:
                    raise UnpicklingError(
                        f"the file asks for {module}.{name}, which xptorch does not have"
                    )
                return ours

            def persistent_load(self, key: Any) -> Any:
                return load(key)

        return Unpickler(file, **options).load()

    return run


# ---- devices


class _RestoreError(Exception):
    """Wraps an error of a `map_location`, so that it is not reported as damage of the file."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _restorer(map_location: MapLocation) -> Restore:
    restore = _unguarded_restorer(map_location)

    def guarded(storage: Storage, location: str) -> Storage:
        try:
            return restore(storage, location)
        except Exception as e:
            raise _RestoreError(e) from e

    return guarded


def _unguarded_restorer(map_location: MapLocation) -> Restore:
    if map_location is None:
        return _restore
    if isinstance(map_location, Mapping):
        return lambda storage, location: (
            _place(storage, map_location[location])
            if location in map_location
            else _restore(storage, location)
        )
    if isinstance(map_location, str | device):
        on = devices.resolve(map_location)
        return lambda storage, location: storage.to(on)
    if not callable(map_location):
        raise TypeError(
            "map_location must be a device, a dict or a function, "
            f"but got {type(map_location).__name__}"
        )
    return lambda storage, location: _call_map_location(storage, location, map_location)


def _call_map_location(storage: Storage, location: str, map_location: Any) -> Storage:
    result = map_location(storage, location)
    if result is None:
        return _restore(storage, location)
    if not isinstance(result, Storage):
        raise TypeError(
            f"map_location must return the storage or None, but got {type(result).__name__}"
        )
    return result


def _restore(storage: Storage, location: str) -> Storage:
    """The storage on the device that it was saved on: the CPU or a GPU, whatever the file says."""
    if _DEVICE.fullmatch(location) is None:
        raise RuntimeError(
            "don't know how to restore data location of a storage (tagged with "
            f"{shortened(location)})"
        )
    default = devices.resolve()
    if location == "cpu" and default.type != "cuda":
        # A backend that computes on the host under its own device name replaces the CPU.
        return storage.to(default)
    return _place(storage, location)


def _place(storage: Storage, location: str) -> Storage:
    """Move the storage to the device of that name."""
    try:
        return storage.to(location)
    except RuntimeError as e:
        if location.partition(":")[0] != "cuda":
            raise RuntimeError(
                f"don't know how to restore data location of a storage (tagged with {location})"
            ) from e
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
            f"False or there is no such device ({e}). Load it with map_location='cpu' to have its "
            "tensors in host memory."
        ) from e
