"""Queries about tensors (dtype, size, device, memory), and methods that have no function form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import COMPLEX, FLOAT
from xptorch._engine import graph
from xptorch.ops._common import is_tensor, need_tensor
from xptorch.ops.shape.memory_order import axis_order

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "get_device", "is_complex", "is_conj", "is_distributed", "is_floating_point", "is_neg",
    "is_nonzero", "is_same_size", "is_signed", "numel", "to_dlpack", "typename",
]  # fmt: skip


def is_floating_point(input: Tensor) -> bool:
    """Whether its dtype is a floating-point one."""
    need_tensor(input, "is_floating_point")
    return input.dtype.category == FLOAT


def is_complex(input: Tensor) -> bool:
    """Whether its dtype is complex."""
    need_tensor(input, "is_complex")
    return input.dtype.category == COMPLEX


def is_signed(input: Tensor) -> bool:
    """Whether its dtype has negative values."""
    need_tensor(input, "is_signed")
    return input.dtype.is_signed


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not 0.

    Raises:
        RuntimeError: there is not exactly one.
    """
    need_tensor(input, "is_nonzero")
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape."""
    need_tensor(input, "is_same_size")
    need_tensor(other, "is_same_size", "other", 2)
    return bool(input._data.shape == other._data.shape)


def is_conj(input: Tensor) -> bool:
    """False: conjugation is never lazy."""
    need_tensor(input, "is_conj")
    return False


def is_neg(input: Tensor) -> bool:
    """False: negation is never lazy."""
    need_tensor(input, "is_neg")
    return False


def is_distributed(input: Tensor) -> bool:
    """False: no tensor is distributed over processes."""
    need_tensor(input, "is_distributed")
    return False


def numel(input: Tensor) -> int:
    """How many elements the tensor has."""
    need_tensor(input, "numel")
    return input.numel()


def get_device(input: Tensor) -> int:
    """The index of its CUDA device, −1 on others."""
    need_tensor(input, "get_device")
    return input.get_device()


def typename(obj: Any) -> str:
    """The name of an object's type: of a tensor with its dtype, of others with its module."""
    if is_tensor(obj):
        return obj.type()
    kind = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", "")
    prefix = f"{module}." if module and module != "builtins" else ""
    return f"{prefix}{kind.__qualname__}"


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor, to be consumed once by another library."""
    return tensor.__dlpack__()


# ---- methods only


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both view the same memory with the same shape and strides."""
    mine, theirs = ((t._data.shape, t.stride()) for t in (self, tensor))
    return mine == theirs and self.data_ptr() == tensor.data_ptr()


def is_shared(self: Tensor) -> bool:
    """Whether its memory is shared with other processes: always on CUDA, as in PyTorch."""
    return self.is_cuda


def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The axes in memory order, the outermost first."""
    if ambiguity_check is not False:
        raise NotImplementedError("dim_order: ambiguity_check")
    return tuple(axis_order(self._data.shape, self.stride()))


def apply_(self: Tensor, callable: Any) -> Tensor:
    """Replace each element x by ``callable(x)`` (on the CPU only)."""
    if not hasattr(callable, "__call__"):  # noqa: B004 (the name hides the builtin)
        raise TypeError(f"{type(callable).__name__!r} object is not callable")
    return _mapped("apply_", self, self, lambda x, _: callable(x))


def map_(self: Tensor, tensor: Tensor, callable: Any) -> Tensor:
    """Replace each element x by ``callable(x, y)``, y from another tensor (on the CPU only)."""
    need_tensor(tensor, "map_", "tensor")
    return _mapped("map_", self, tensor, callable)


def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Any) -> Tensor:
    """Replace each element by ``callable(element, a, b)``, a and b from two other tensors."""
    others = iter(y.expand(self._data.shape).reshape(-1).tolist())
    return _mapped("map2_", self, x, lambda a, b: callable(a, b, next(others)))


def _mapped(name: str, t: Tensor, other: Tensor, function: Any) -> Tensor:
    if t._device.type != "cpu":
        raise TypeError(f"{name} is only implemented on CPU tensors")
    if t.requires_grad or other.requires_grad:
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. Use "
            f"var.detach().{name}() instead."
        )
    others = other.expand(t._data.shape).reshape(-1).tolist()
    pairs = zip(t.reshape(-1).tolist(), others, strict=True)
    return t.copy_(t.new_tensor([function(x, y) for x, y in pairs]).reshape(t._data.shape))


def record_stream(self: Tensor, stream: Any) -> None:
    """Does nothing: memory is freed only when the array library releases it."""


def as_subclass(self: Tensor, cls: type) -> Any:
    """The same memory and gradient edge, as an instance of a subclass of Tensor."""
    if not (isinstance(cls, type) and issubclass(cls, graph.setup.tensor)):
        raise TypeError(
            "Creating a Tensor subclass from a class that does not inherit from Tensor is not "
            "possible. Make sure your class inherits from Tensor."
        )
    alias = self.view_as(self)
    t: Any = object.__new__(cls)
    t.__dict__.update(alias.__dict__)
    return t
