"""FloatTensor, LongTensor and similar: constructors and types of tensors of one dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xptorch._core import device as devices
from xptorch._core import dtype as dtypes
from xptorch.ops._common import is_tensor, type_name
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor",
    "IntTensor", "LongTensor", "ShortTensor", "set_default_tensor_type",
]  # fmt: skip


class TensorType(type):
    """The class of FloatTensor and similar: ``isinstance(t, FloatTensor)`` tests the dtype."""

    dtype: dtypes.dtype
    where: str  # the device type
    is_cuda: bool

    def __instancecheck__(cls, obj: object) -> bool:
        return is_tensor(obj) and obj.dtype is cls.dtype and obj.device.type == cls.where  # type: ignore[attr-defined]

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        """A tensor of given sizes (uninitialised), or of given data.

        Raises:
            TypeError: neither sizes nor data, or a tensor of another dtype.
        """
        where = cls.where if device is None else device
        if not args:
            args = (0,)
        first = args[0]
        sizes = isinstance(first, int) or type(first).__name__ == "Size"
        if sizes:
            return creation.empty(*args, dtype=cls.dtype, device=where)
        if is_tensor(first):
            if not isinstance(first, cls):
                raise TypeError(
                    f"expected a {cls.dtype.name} tensor on {cls.where}, got one of "
                    f"{first.dtype.name} on {first.device}"
                )
            return first.detach()
        if isinstance(first, str):
            raise TypeError(f"new(): invalid data type {type(first).__name__!r}")
        if not hasattr(first, "__len__"):
            raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")
        return creation.tensor(first, dtype=cls.dtype, device=where)


def tensor_types(where: str, module: str) -> dict[str, TensorType]:
    """The tensor types of a device type, by name."""
    types = {}
    for dtype in dtypes.DTYPES.values():
        if dtype.is_complex or dtype.name in ("uint16", "uint32", "uint64"):
            continue
        name = f"{type_name(dtype)}Tensor"
        marks = {
            **{"__module__": module, "dtype": dtype, "where": where, "is_cuda": where == "cuda"},
            "__doc__": f"Tensors of {dtype.name} on the device type {where}.",
        }
        types[name] = TensorType(name, (), marks)
    return types


_CPU = tensor_types("cpu", "xptorch")
FloatTensor, DoubleTensor, HalfTensor = (_CPU[f"{n}Tensor"] for n in ("Float", "Double", "Half"))
LongTensor, IntTensor, ShortTensor = (_CPU[f"{n}Tensor"] for n in ("Long", "Int", "Short"))
CharTensor, ByteTensor, BoolTensor = (_CPU[f"{n}Tensor"] for n in ("Char", "Byte", "Bool"))


def set_default_tensor_type(t: Any) -> None:
    """Set the default dtype, and the default device, to those of a tensor type.

    Args:
        t: a floating-point tensor type such as `DoubleTensor`, or its name.

    Raises:
        TypeError: it is no tensor type, or none of floating-point numbers.
    """
    if isinstance(t, str):
        where = "cuda" if ".cuda." in t else "cpu"
        found = tensor_types(where, "xptorch").get(t.rpartition(".")[2])
        if found is None:
            raise TypeError(f"invalid type object: {t!r}")
        t = found
    if not isinstance(t, TensorType):
        raise TypeError("invalid type object")
    if t.is_cuda or devices.resolve().type == "cuda":
        devices.set_default_device(t.where)
    dtypes.set_default_dtype(t.dtype)
