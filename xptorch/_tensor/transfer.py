"""To other devices and dtypes: the arguments of `Tensor.to`, and copies recorded by autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.device import device as Device
from xptorch._core.mode import local
from xptorch._engine import graph
from xptorch.ops._common import is_tensor, type_name

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


def destination(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool]:
    """The (dtype, device, copy) that the arguments of `Tensor.to` request; None: unchanged."""
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    copy = kwargs.pop("copy", False)
    flags = ["copy"] if kwargs.pop("non_blocking", None) is not None else ["non_blocking", "copy"]
    if "other" in kwargs:
        args = (kwargs.pop("other"), *args)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument {next(iter(kwargs))!r}")
    for a in args:
        if isinstance(a, dtypes.dtype):
            dtype = a
        elif is_tensor(a):
            dtype, device = a.dtype, a.device
        elif isinstance(a, bool) and flags:
            copy = a if flags.pop(0) == "copy" else copy
        elif isinstance(a, (str, Device, int)) and not isinstance(a, bool):
            device = Device(a)
        elif a is not None:
            raise TypeError(f"to() received an invalid argument of type {type(a).__name__}")
    return dtype, device, copy


class _Moved(graph.Node):
    """A copy on another device: its gradient is copied back to the source's device."""

    __slots__ = ("origin",)

    def __init__(self, source: Tensor, target: Device) -> None:
        super().__init__("ToCopyBackward0", (source,), target)
        self.origin = source.device

    def gradients(self, g: Any, create_graph: bool) -> Any:
        back = copy_to_device(g if create_graph else graph.wrap(g, self.device), self.origin)
        return (back,) if create_graph else (back._data,)


def copy_to_device(t: Tensor, on: Device) -> Tensor:
    """A copy of the tensor on a device."""
    on.raw_dtype(t.dtype)
    copy = graph.wrap(on.backend.from_host(t._host(), on.index), on)
    if t.requires_grad and local.mode.enabled:
        copy._node, copy._requires_grad = _Moved(t, on), True
    return copy


def by_type_name(name: str) -> dtypes.dtype:
    """The dtype that a type name such as "torch.FloatTensor" specifies."""
    short = name.rpartition(".")[2].removesuffix("Tensor")
    for d in dtypes.DTYPES.values():
        if type_name(d) == short:
            return d
    raise ValueError(f"invalid type: {name!r}")
