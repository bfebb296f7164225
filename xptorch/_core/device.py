"""Devices: where a tensor is stored, and where new tensors are created by default.

Each backend is a device type: numpy is ``cpu``, cupy ``cuda``, any other has its own name.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from xptorch._core import dtype as dtypes
from xptorch._core.backend import Backend, Namespace
from xptorch._core.registry import backend_names, is_known, load

_DEVICE_OF = {"numpy": "cpu", "cupy": "cuda"}
_BACKEND_OF = {d: b for b, d in _DEVICE_OF.items()}
_NAMED_ONLY = ("meta", "mps", "xpu", "hpu", "xla", "mtia")  # in PyTorch, but without a backend
_default: list[device] = []  # the global default, then those of `with device(...)`


class device:
    """Where a tensor is stored: ``device("cpu")``, ``device("cuda", 1)``, ``device("torch")``.

    As a context manager it is the default device within the block.

    Raises:
        RuntimeError: the string specifies no device.
    """

    __slots__ = ("backend", "dtype_of", "floating", "index", "ndarray", "raw", "type", "xp")
    _interned: ClassVar[dict[tuple[str, int | None], device]] = {}
    type: str
    index: int | None
    backend: Backend
    xp: Namespace
    ndarray: Any
    dtype_of: dict[Any, dtypes.dtype]
    floating: frozenset[Any]  # the library's floating-point dtypes
    raw: Any

    def __new__(cls, type: Any = None, index: int | None = None) -> device:
        if isinstance(type, device):
            return type
        if isinstance(type, int) and not isinstance(type, bool):
            type, index = "cuda", type
        if not isinstance(type, str):
            raise TypeError(f"device(): argument 'type' must be str, not {_type_name(type)}")
        name, colon, number = type.partition(":")
        if colon:
            if index is not None:
                raise RuntimeError(f"type (string) must not include an index: {type!r}")
            if not number.isdigit() or (len(number) > 1 and number[0] == "0"):
                raise RuntimeError(f"Invalid device string: {type!r}")
            index = int(number)
        if index is not None and index < 0:
            raise RuntimeError("Device index must not be negative")
        key = (name, index)
        found = cls._interned.get(key)
        if found is not None:
            return found
        taken = name in _BACKEND_OF or name in _NAMED_ONLY  # PyTorch's own device types
        if not taken and (name in _DEVICE_OF or not is_known(name)):
            known = ", ".join(_DEVICE_OF.get(b, b) for b in backend_names())
            raise RuntimeError(f"Expected one of {known} device type: {name!r}")
        found = cls._interned[key] = object.__new__(cls)
        found.type, found.index = key
        return found

    def raw_dtype(self, dtype: dtypes.dtype) -> Any:
        """The array library's object for a dtype."""
        if dtype is dtypes.bfloat16:
            from xptorch._core.bfloat16 import activate

            return activate(self)
        try:
            return getattr(self.xp, dtype.name)
        except AttributeError:
            raise TypeError(f"{self.backend.name} has no dtype {dtype.name}") from None

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (self.type, self.index)

    def __deepcopy__(self, memo: Any) -> device:
        return self

    def __enter__(self) -> device:
        _default.append(resolve(self))
        return self

    def __exit__(self, *exc: object) -> None:
        _default.pop()


def _type_name(value: object) -> str:
    return type(value).__name__


def resolve(spec: Any = None) -> device:
    """The device for `spec` (None, a name, an index, a device), with its backend loaded."""
    if spec is None:
        return _default[-1] if _default else _initial_default()
    d = spec if isinstance(spec, device) else device(spec)
    if hasattr(d, "xp"):
        return d
    if d.type in _NAMED_ONLY:
        raise NotImplementedError(f"no backend of xptorch drives the device type {d.type!r}")
    backend = load(_BACKEND_OF.get(d.type, d.type))
    index = d.index if d.index is not None else backend.current_index()
    if index is not None and backend.current_index() is None:
        index = None  # a library with one device: "cpu:0" is "cpu"
    count = backend.device_count()
    if index is not None and index >= count:
        raise RuntimeError(f"device {d} does not exist: {backend.name} sees {count} device(s)")
    canonical = device(d.type, index)
    if not hasattr(canonical, "xp"):
        _equip(canonical, backend)
    return canonical


def _equip(d: device, backend: Backend) -> None:
    d.backend, d.raw = backend, backend.raw_device(d.index)
    sample = backend.xp.zeros((1,), dtype=backend.xp.float32, device=d.raw)
    d.ndarray, d.dtype_of = type(sample), {}
    for name, dt in dtypes.DTYPES.items():
        raw = getattr(backend.xp, name, None)
        if raw is not None and dt is not dtypes.bfloat16:
            d.dtype_of[backend.xp.zeros((1,), dtype=raw, device=d.raw).dtype] = dt
    d.floating = frozenset(r for r, dt in d.dtype_of.items() if dt.is_floating_point)
    d.xp = backend.xp  # last: its presence marks the device as ready


def _initial_default() -> device:
    name = os.environ.get("XPTORCH_BACKEND", "") or "numpy"
    load(name)
    set_default_device(_DEVICE_OF.get(name, name))
    return _default[-1]


def set_default_device(d: Any) -> None:
    """Create new tensors on this device by default; None resets the default to ``cpu``."""
    _default[:1] = [resolve("cpu" if d is None else d)]


def get_default_device() -> device:
    """The device on which new tensors are created by default."""
    return resolve()
