"""The memory behind tensors, and methods that make a tensor use other memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._engine import graph
from xptorch.ops._common import as_shape, is_tensor
from xptorch.ops.shape import copy_and_fill, creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["TypedStorage", "UntypedStorage", "is_storage"]


class UntypedStorage:
    """The bytes in which a tensor and all its views are stored."""

    def __init__(self, tensor: Tensor) -> None:
        self._whole = tensor if tensor._base is None else tensor._base
        self.device = self._whole.device

    def untyped(self) -> UntypedStorage:
        """The storage itself."""
        return self

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._whole.numel() * self._whole.element_size()

    size = __len__ = nbytes

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return self._whole.data_ptr() if self._whole.numel() else 0

    @property
    def is_cuda(self) -> bool:
        """Whether it is memory of a CUDA device."""
        return self.device.type == "cuda"

    @staticmethod
    def from_file(filename: Any, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """The first bytes of a file, read into memory.

        Raises:
            NotImplementedError: `shared` is set: changes would have to reach the file.
        """
        if shared:
            raise NotImplementedError("UntypedStorage.from_file(shared=True) is not supported")
        with open(filename, "rb") as file:
            data = bytearray(file.read(nbytes))
        return UntypedStorage(creation.frombuffer(data, dtype=dtypes.uint8))

    def __getitem__(self, index: Any) -> Any:
        found = self._bytes()[index]
        if not isinstance(index, slice):
            return int(found)
        return UntypedStorage(graph.wrap(found, self.device))

    def _bytes(self) -> Any:
        return self._flat()._host().view("uint8")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self._bytes().astype(dtype or "uint8", copy=bool(copy))

    def tolist(self) -> list[int]:
        """The bytes as a list."""
        return list(self._flat()._host().tobytes())

    def _flat(self) -> Any:
        """All elements in memory order, along one axis."""
        whole = self._whole
        xp, n = whole._device.xp, whole.numel()
        return graph.wrap(xp.as_strided(whole._data, (n,), (1,), 0), whole._device)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and (self.data_ptr(), self.nbytes()) == (
            other.data_ptr(),
            other.nbytes(),
        )

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        kind = f"xptorch.storage.{type(self).__name__}(device={self.device}) of size {len(self)}"
        return f"[{kind}]"


class TypedStorage:
    """The elements, of one dtype, in which a tensor and all its views are stored."""

    def __init__(self, tensor: Tensor) -> None:
        self._untyped = UntypedStorage(tensor)
        self.dtype, self.device = tensor.dtype, tensor.device

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return self._untyped

    def __len__(self) -> int:
        return self._untyped.nbytes() // self.dtype.itemsize

    size = __len__

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._untyped.nbytes()

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._untyped.data_ptr()

    @property
    def is_cuda(self) -> bool:
        """Whether it is memory of a CUDA device."""
        return self._untyped.is_cuda

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        return self._untyped._flat().tolist()

    def __getitem__(self, index: Any) -> Any:
        found = self._untyped._flat()[index]
        return TypedStorage(found.clone()) if isinstance(index, slice) else found.item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self._untyped._flat()[index] = value
        graph.bump_version(self._untyped._whole)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self._untyped._flat().__array__(dtype, copy)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __repr__(self) -> str:
        values = "".join(f" {v}\n" for v in self.tolist())
        kind = f"xptorch.storage.TypedStorage(dtype={self.dtype}, device={self.device})"
        return f"{values}[{kind} of size {len(self)}]"


def is_storage(obj: Any) -> bool:
    """Whether an object is a storage."""
    return isinstance(obj, (TypedStorage, UntypedStorage))


def storage_type(self: Tensor) -> type[TypedStorage]:
    """The class of its storage."""
    return TypedStorage


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The tensor's memory as bytes."""
    return UntypedStorage(self)


def storage(self: Tensor) -> TypedStorage:
    """The tensor's memory as elements of its dtype."""
    return TypedStorage(self)


def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """A tensor of this dtype: of given sizes (with unspecified values), or of given data."""
    options = self._like({"device": device})
    if not args:
        return creation.empty(0, **options)
    first = args[0]
    if isinstance(first, int) or type(first).__name__ == "Size":
        return creation.empty(*args, **options)
    if is_tensor(first):
        if first.dtype is not self.dtype:
            raise TypeError(f"expected a tensor of {self.dtype.name}, got one of {first.dtype}")
        return first.detach()
    if not hasattr(first, "__len__"):
        raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")
    return creation.tensor(first, **options)


def resize(self: Tensor, *size: Any) -> Tensor:
    """The elements in another shape of the same size, as by PyTorch's deprecated `resize`."""
    return self.reshape(as_shape(size))


def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """`resize` to another tensor's shape."""
    return resize(self, tensor.shape)


def set_(
    self: Tensor,
    source: Any = None,
    storage_offset: int = 0,
    size: Any = None,
    stride: Any = None,
) -> Tensor:
    """Use another tensor's memory: all of a tensor, or its storage with sizes and strides."""
    if source is None:
        source = self.new_empty(0)
    whole, kind = source, getattr(source, "dtype", self.dtype)
    if is_storage(source):
        whole = (source.untyped() if isinstance(source, TypedStorage) else source)._whole
        size = (whole.numel() - storage_offset,) if size is None else size
    if kind is not self.dtype or whole.dtype is not self.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {whole.dtype.name} to a tensor of type {self.dtype.name}"
        )
    if size is None:
        return copy_and_fill.alias_memory(self, whole)
    shape = as_shape((size,))
    steps = self.new_empty(shape).stride() if stride is None else as_shape((stride,))
    return copy_and_fill.alias_memory(self, whole.as_strided(shape, steps, storage_offset))
