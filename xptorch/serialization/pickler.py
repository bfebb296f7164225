"""PyTorch's names for tensors in a pickle: what they refer to, and a pickler that writes them."""

from __future__ import annotations

import functools
import importlib
import pickle
from collections import Counter, OrderedDict
from typing import IO, Any

from xptorch._core import dtype as dtypes
from xptorch._core.device import device
from xptorch._engine import graph
from xptorch._tensor.size import Size
from xptorch._tensor.tensor import Tensor
from xptorch.nn.parameter import Buffer, Parameter
from xptorch.serialization.storage import (
    STORAGE_CLASSES,
    Name,
    Storage,
    StorageLayout,
    StorageRef,
    sizes_of,
)
from xptorch.serialization.unpickler import (
    AllowedGlobal,
    UnpicklingError,
    attributes_of,
    shortened,
)

# ---- what the names in a file refer to


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
    name = dtype if isinstance(dtype, str) else dtype.name
    t = graph.wrap(storage.view(name, offset, size, stride), storage.device)
    for bit in _bits(metadata):
        t = t.conj_physical() if bit == "conj" else -t
    return t.requires_grad_() if requires_grad is True else t


def _bits(metadata: Any) -> list[str]:
    """What is pending on a tensor of PyTorch: "conj", "neg" or both (its values are not changed).

    Raises:
        TypeError: the metadata holds something else.
    """
    if metadata is None:
        return []
    if type(metadata) is not dict or not set(metadata) <= {"conj", "neg"}:
        raise TypeError("a tensor with unknown metadata")
    return [bit for bit in ("conj", "neg") if metadata.get(bit) is True]


def _rebuild_parameter(data: Any, requires_grad: Any, backward_hooks: Any) -> Parameter:
    if not isinstance(data, Tensor):
        raise TypeError(f"a parameter of a {type(data).__name__}")
    return Parameter(data, requires_grad is True)


def _rebuild_parameter_with_state(
    data: Any, requires_grad: Any, backward_hooks: Any, state: Any
) -> Any:
    return _with_attributes(_rebuild_parameter(data, requires_grad, backward_hooks), state)


def _rebuild_from_type_v2(function: Any, cls: Any, args: Any, state: Any) -> Any:
    if function not in _REBUILDERS:
        raise UnpicklingError(f"the pickle rebuilds a tensor by a {type(function).__name__}")
    if type(args) is not tuple:
        raise TypeError(f"arguments in a {type(args).__name__}")
    t = function(*args)
    if isinstance(cls, type) and issubclass(cls, Tensor) and cls is not type(t):
        made = object.__new__(cls)
        made.__dict__.update(t.__dict__)
        t = made
    return _with_attributes(t, state)


def _with_attributes(t: Any, state: Any) -> Any:
    """The tensor with the attributes that were set by the user."""
    attributes = attributes_of(state)
    if attributes.pop("_is_buffer", None) is True:  # PyTorch's mark of an nn.Buffer
        t = Buffer(t, persistent=attributes.pop("persistent", True) is not False)
    for name, value in attributes.items():
        if not isinstance(name, str) or name.startswith("_") or hasattr(type(t), name):
            raise UnpicklingError(f"the pickle sets {type(t).__name__}.{shortened(name)}")
        setattr(t, name, value)
    return t


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise UnpicklingError(f"the pickle encodes text as {shortened(encoding)}")
    return text.encode("latin1")


def _bytearray(data: Any = b"", encoding: str = "latin1") -> bytearray:
    if isinstance(data, int):  # which would only allocate memory
        raise TypeError("bytearray of a number")
    return bytearray(data) if isinstance(data, bytes) else bytearray(_encode(data, encoding))


def _bytes() -> bytes:
    return b""


def _complex(real: float, imag: float) -> complex:
    return complex(real, imag)


def _size(items: Any) -> Size:
    return Size(sizes_of(items))


def _device(*args: Any) -> device:
    return device(*args)


def _layout(name: str) -> Any:
    return importlib.import_module("xptorch").strided


_REBUILDERS = (_rebuild_tensor, _rebuild_tensor_v2, _rebuild_tensor_v3)


@functools.cache
def torch_names() -> dict[str, AllowedGlobal]:
    """PyTorch's names that may occur in a file, with the objects that they refer to here."""
    known = {f"torch.{d.name}": AllowedGlobal(d) for d in dtypes.DTYPES.values()}
    for name in STORAGE_CLASSES.values():
        known[f"torch.{name}"] = AllowedGlobal(Name("torch", name))
    known["torch.storage.UntypedStorage"] = AllowedGlobal(Name("torch.storage", "UntypedStorage"))
    known["torch.Tensor"] = AllowedGlobal(Tensor)
    known["torch.nn.parameter.Parameter"] = AllowedGlobal(Parameter)
    functions: dict[str, Any] = {
        **{f"torch._utils.{f.__name__}": f for f in _REBUILDERS},
        "torch._utils._rebuild_parameter": _rebuild_parameter,
        "torch._utils._rebuild_parameter_with_state": _rebuild_parameter_with_state,
        "torch._tensor._rebuild_from_type_v2": _rebuild_from_type_v2,
        "torch.Size": _size,
        "torch.device": _device,
        "torch.serialization._get_layout": _layout,
        "_codecs.encode": _encode,
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
    }
    for builtins in ("builtins", "__builtin__"):
        for function in (_bytearray, _bytes, _complex):
            functions[f"{builtins}.{function.__name__[1:]}"] = function
        functions[f"{builtins}.set"] = set
    return known | {name: AllowedGlobal(f, callable=True) for name, f in functions.items()}


@functools.cache
def _our_names() -> dict[int, Name]:
    """PyTorch's names of the objects that XPTorch and PyTorch both have, by `id`."""
    names = {id(k.value): n for n, k in torch_names().items() if n.startswith("torch.")}
    names[id(device)], names[id(Size)] = "torch.device", "torch.Size"
    return {i: Name(*name.rsplit(".", 1)) for i, name in names.items()}


# ---- writing


class Pickler(pickle._Pickler):
    """Pickles with PyTorch's names, and tensors as views of storages."""

    def __init__(self, file: IO[bytes], protocol: int, storages: StorageLayout) -> None:
        super().__init__(file, protocol)
        self.storages = storages

    def persistent_id(self, obj: Any) -> Any:
        return obj.id if isinstance(obj, StorageRef) else None

    def reducer_override(self, obj: Any) -> Any:
        if _torch_name(obj) is not None:
            return "a global"  # for `save_global`
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
            args: Any = (t.detach(), t.requires_grad, OrderedDict())
            if not state:
                return _rebuild_parameter, args
            return _rebuild_parameter_with_state, (*args, state)
        reference, offset, stride = self.storages.add(t)
        view: Any = (reference, offset, tuple(t.shape), stride, t.requires_grad, OrderedDict())
        function: Any = _rebuild_tensor_v2
        if t.dtype.name not in STORAGE_CLASSES:
            function, view = _rebuild_tensor_v3, (*view, t.dtype)
        if type(t) is Buffer:
            return _rebuild_from_type_v2, (function, Tensor, view, {"_is_buffer": True, **state})
        if state or type(t) is not Tensor:
            return _rebuild_from_type_v2, (function, type(t), view, state)
        return function, view

    def save_global(self, obj: Any, name: str | None = None) -> None:
        known = _torch_name(obj)
        if known is None:
            super().save_global(obj, name)  # type: ignore[misc]
            return
        line = f"{known.module}\n{known.name}\n".encode()
        self.write(pickle.GLOBAL + line)  # type: ignore[attr-defined]
        self.memoize(obj)  # type: ignore[attr-defined]


def _torch_name(obj: Any) -> Name | None:
    """PyTorch's name of an object that it has, too, or None."""
    return obj if isinstance(obj, Name) else _our_names().get(id(obj))
