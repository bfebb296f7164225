"""The Tensor: an array, its device, and its gradient edge in the autograd graph."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from xptorch._core import dtype as dtypes
from xptorch._core.backend import Array
from xptorch._core.device import device as Device
from xptorch._core.device import resolve
from xptorch._core.dtype import FLOAT
from xptorch._core.dtype import dtype as Dtype
from xptorch._core.formats import strided
from xptorch._engine import graph, hooks
from xptorch._tensor import interop
from xptorch._tensor.size import Size
from xptorch._tensor.transfer import by_type_name, copy_to_device, destination
from xptorch.ops._common import to_dtype, type_name
from xptorch.ops._namespace import Namespace
from xptorch.ops.shape import creation, views


class Tensor:
    """An n-dimensional array with define-by-run autograd: PyTorch's Tensor."""

    _data: Array
    _device: Device
    _node: Any = None  # the operation that made it; None for leaves
    _requires_grad: bool = False  # whether gradients are to flow to it
    _grad: Tensor | None = None
    _version_counter: list[int] | None = None  # in-place changes, shared by all aliases
    _memory_shared = False  # whether views or the user's arrays alias its memory
    _detached_copy = False  # whether it is a copy where PyTorch has a view: not to be written to
    _base: Any = None  # of a view: the tensor whose memory it aliases
    _view_ops: tuple[Callable[[Any], Any], ...] = ()  # how the view is made from its base
    _version_seen: int = 0
    _hooks: dict[int, Callable[[Any], Any]] | None = None
    _after_hooks: dict[int, Callable[[Any], Any]] | None = None
    _retains_grad: bool = False
    __array_priority__ = 1000  # NumPy arrays defer mixed operators to Tensor
    __hash__ = object.__hash__

    if TYPE_CHECKING:  # the methods that `methods.install` adds

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]

    def __new__(cls, *args: Any, device: Any = None) -> Any:
        """A float32 tensor of given sizes, or of given data; `tensor` is the better choice."""
        if len(args) == 1 and not isinstance(args[0], int):
            given = isinstance(args[0], Tensor)
            made = creation.tensor(args[0], dtype=None if given else dtypes.get_default_dtype())
        elif args:
            made = creation.empty(*args, dtype=dtypes.get_default_dtype(), device=device)
        else:
            made = creation.empty(0, dtype=dtypes.get_default_dtype(), device=device)
        t = object.__new__(cls)
        t._data, t._device = made._data, made._device
        return t

    # ---- what it is

    @property
    def shape(self) -> Size:
        """The sizes of its axes."""
        return Size(self._data.shape)

    @property
    def dtype(self) -> Dtype:
        """The type of its elements."""
        return self._device.dtype_of[self._data.dtype]

    @property
    def device(self) -> Device:
        """The device of its memory."""
        return self._device

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return self._data.ndim

    def dim(self) -> int:
        """How many axes it has."""
        return self._data.ndim

    def size(self, dim: int | None = None) -> Any:
        """Its shape, or the size of one axis."""
        if dim is None:
            return self.shape
        shape_ = self._data.shape
        if not -max(len(shape_), 1) <= dim < max(len(shape_), 1) or not shape_:
            n = max(len(shape_), 1)
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], "
                f"but got {dim})"
            )
        return shape_[dim]

    def numel(self) -> int:
        """How many elements it has."""
        return math.prod(self._data.shape)

    nelement = numel
    ndimension = dim

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self.dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """The strides in elements, or the stride of one axis."""
        steps = self._device.xp.strides(self._data)
        return steps if dim is None else steps[dim]

    def storage_offset(self) -> int:
        """The offset of its first element in its memory, in elements."""
        base = self._base
        if base is None:
            return 0
        xp = self._device.xp
        return (xp.address(self._data) - xp.address(base._data)) // self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of its first element."""
        return self._device.xp.address(self._data)

    @property
    def is_cuda(self) -> bool:
        """Whether it is on a CUDA device."""
        return self._device.type == "cuda"

    @property
    def is_cpu(self) -> bool:
        """Whether it is in host memory, as a NumPy array."""
        return self._device.type == "cpu"

    is_sparse: ClassVar[bool] = False
    is_sparse_csr: ClassVar[bool] = False
    is_quantized: ClassVar[bool] = False
    is_meta: ClassVar[bool] = False
    is_nested: ClassVar[bool] = False
    is_mkldnn: ClassVar[bool] = False
    is_mps: ClassVar[bool] = False
    is_xla: ClassVar[bool] = False
    is_xpu: ClassVar[bool] = False
    is_ipu: ClassVar[bool] = False
    is_maia: ClassVar[bool] = False
    is_mtia: ClassVar[bool] = False
    is_vulkan: ClassVar[bool] = False
    name: ClassVar[None] = None
    layout: ClassVar[Any] = strided

    def get_device(self) -> int:
        """The index of its CUDA device, −1 on others."""
        return self._device.index if self.is_cuda and self._device.index is not None else -1

    # ---- autograd

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        if self._base is not None:
            graph.refresh(self)
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None and not value:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        if value and self.dtype.category < FLOAT:
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients"
            )
        graph.setup.complex = graph.setup.complex or (value and self.dtype.is_complex)
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad`; returns the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self.grad_fn is None

    @property
    def grad_fn(self) -> Any:
        """The recorded operation that made it, None for leaves."""
        if self._base is not None:
            graph.refresh(self)
        node = self._node
        return node.edges[0] if node.__class__ is graph.OutputNode else node

    @property
    def output_nr(self) -> int:
        """Which of the outputs of `grad_fn` it is."""
        node = self._node
        return node.index if node.__class__ is graph.OutputNode else 0

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has accumulated so far."""
        if self._grad is None and self._node is not None and not self._retains_grad:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
                ".grad attribute won't be populated during autograd.backward(). If you indeed want "
                "the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the "
                "non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you "
                "access the leaf Tensor instead.",
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            self._check_grad(value)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def _check_grad(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type {kind}"
            )
        if value._data.shape != self._data.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of "
                f"size '{list(self.shape)}'. Please ensure that the gradient and the tensor are "
                "the same size"
            )
        if value.dtype is not self.dtype:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{value.dtype.name}' to a tensor "
                f"with dtype '{self.dtype.name}'. The gradient must match the tensor's dtype"
            )
        if value._device is not self._device:
            raise RuntimeError(
                f"attempting to assign a gradient with device type '{value._device}' to a tensor "
                f"with device type '{self._device}'. Please ensure that the gradient and the "
                "tensor are on the same device"
            )

    @property
    def data(self) -> Tensor:
        """The same memory outside the graph; autograd does not detect changes through it."""
        same = graph.wrap(self._data, self._device)
        same._memory_shared = self._memory_shared = True
        same._detached_copy = self._detached_copy
        return same

    @data.setter
    def data(self, value: Tensor) -> None:
        self._data, self._device = value._data, value._device
        self._memory_shared = value._memory_shared = True

    @property
    def _version(self) -> int:
        return self._version_counter[0] if self._version_counter else 0

    def _bump_version(self) -> None:
        graph.bump_version(self)

    def detach_(self) -> Tensor:
        """Take the tensor itself out of the graph."""
        if self._base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self._node, self._requires_grad = None, False
        return self

    # ---- to the host

    def numpy(self, *, force: bool = False) -> Any:
        """A NumPy array over the same memory (CPU tensors only, unless forced to copy)."""
        t = self
        if force:
            t = self.detach().cpu()
        elif self.requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead."
            )
        elif self._device.type != "cpu":
            raise TypeError(
                f"can't convert {self._device} device type tensor to numpy. Use Tensor.cpu() to "
                "copy the tensor to host memory first."
            )
        if t.dtype is dtypes.bfloat16:
            raise TypeError("Got unsupported ScalarType BFloat16")
        t._memory_shared = True
        return t._data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        if copy is False and dtype not in (None, array.dtype):
            raise ValueError(f"an array of {dtype} would be a copy of this tensor")
        return array.astype(dtype or array.dtype, copy=bool(copy))

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self._data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self._data.__dlpack_device__()

    def _host(self) -> Any:
        return self._device.backend.to_host(self._data)

    def tolist(self) -> Any:
        """Its values as nested lists of Python numbers, a number for a tensor without axes."""
        return self._host().tolist()

    def item(self) -> Any:
        """Its one value as a Python number."""
        if self.numel() != 1:
            raise RuntimeError(
                f"a Tensor with {self.numel()} elements cannot be converted to Scalar"
            )
        return self._host().item()

    def __bool__(self) -> bool:
        n = self.numel()
        if n != 1:
            which = "no values" if n == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {which} is ambiguous")
        return bool(self._host().item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.category >= FLOAT or self.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self._data.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(views.unbind(self))

    def __contains__(self, element: Any) -> bool:
        if not isinstance(element, (Tensor, bool, int, float, complex)):
            raise RuntimeError(
                "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
                f"{type(element)}."
            )
        return bool((self == element).any())

    def __format__(self, spec: str) -> str:
        if self._data.ndim:
            return object.__format__(self, spec)
        return self.item().__format__(spec)

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        from xptorch._tensor import printing

        return printing.tensor_text(self, tensor_contents)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        if self._node is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment."
            )
        new = self._rebuilt(self._device.xp.asarray(self._data, copy=True))
        memo[id(self)] = new
        if self._grad is not None:
            new._grad = self._grad.__deepcopy__(memo)
        return new

    def _rebuilt(self, data: Array) -> Tensor:
        """A leaf of the same class and settings with other data."""
        new: Tensor = object.__new__(type(self))
        names = {k: v for k, v in self.__dict__.items() if not k.startswith("_")}
        new.__dict__.update(names)
        new._data, new._device, new._requires_grad = data, self._device, self._requires_grad
        return new

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        host = interop.contiguous(self._host())
        state = {k: v for k, v in self.__dict__.items() if not k.startswith("_")}
        return _restored, (type(self), host, str(self._device), self._requires_grad, state)

    # ---- to other devices and dtypes

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """The tensor in another dtype and on another device; itself where nothing changes.

        Takes a dtype, a device, a device and a dtype, or a tensor whose dtype and device to take.
        """
        memory_format = kwargs.pop("memory_format", None)
        dt, where, copy = destination(args, kwargs)
        t = self
        if where is not None:
            on = resolve(where)
            if on is not t._device:
                t = copy_to_device(t, on)
        if dt is not None and dt is not t.dtype:
            t = to_dtype(t, dt)
        t = t.clone() if copy and t is self else t
        if memory_format is None or str(memory_format).endswith("preserve_format"):
            return t
        return t.contiguous(memory_format=memory_format)

    def cpu(self, memory_format: Any = None) -> Tensor:
        """The tensor in host memory, as a NumPy array."""
        return self.to("cpu", memory_format=memory_format)

    def cuda(
        self, device: Any = None, non_blocking: bool = False, memory_format: Any = None
    ) -> Tensor:
        """The tensor on a CUDA device."""
        where = Device("cuda") if device is None else Device(device)
        return self.to(where, memory_format=memory_format)

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The name of its tensor type, or the tensor in another dtype."""
        if dtype is None:
            prefix = "xptorch." if self._device.type == "cpu" else f"xptorch.{self._device.type}."
            return f"{prefix}{type_name(self.dtype)}Tensor"
        if isinstance(dtype, str):
            where = dtype.split(".")[1:-1] or ["cpu"]
            return self.to(where[0], by_type_name(dtype))
        if hasattr(dtype, "where"):  # a type such as FloatTensor
            return self.to(dtype.where, dtype.dtype)
        return self.to(dtype)

    def type_as(self, other: Tensor) -> Tensor:
        """The tensor in another's dtype and on its device."""
        return self.to(other)

    def pin_memory(self, device: Any = None) -> Tensor:
        """The tensor itself: transfers to a device copy it first."""
        return self

    def is_pinned(self) -> bool:
        """False: no tensor is in pinned memory."""
        return False

    def share_memory_(self) -> Tensor:
        """The tensor itself; worker processes get copies."""
        return self

    def new_tensor(self, data: Any, **kwargs: Any) -> Tensor:
        """Like `tensor`, with this tensor's dtype and device by default."""
        return creation.tensor(data, **self._like(kwargs))

    def new_zeros(self, *size: Any, **kwargs: Any) -> Tensor:
        """Like `zeros`, with this tensor's dtype and device by default."""
        return creation.zeros(*size, **self._like(kwargs))

    def new_ones(self, *size: Any, **kwargs: Any) -> Tensor:
        """Like `ones`, with this tensor's dtype and device by default."""
        return creation.ones(*size, **self._like(kwargs))

    def new_empty(self, *size: Any, **kwargs: Any) -> Tensor:
        """Like `empty`, with this tensor's dtype and device by default."""
        return creation.empty(*size, **self._like(kwargs))

    def new_full(self, size: Any, fill_value: Any, **kwargs: Any) -> Tensor:
        """Like `full`, with this tensor's dtype and device by default."""
        return creation.full(size, fill_value, **self._like(kwargs))

    def _like(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        for name, value in (("dtype", self.dtype), ("device", self._device)):
            if kwargs.get(name) is None:
                kwargs[name] = value
        return kwargs

    # ---- hooks (`backward` is in autograd/_backward.py)

    def register_hook(self, hook: Callable[[Any], Any]) -> Any:
        """Call `hook` with the gradient when it is computed; what it returns replaces it."""
        return hooks.register(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], Any]) -> Any:
        """Call `hook` with this leaf after its `.grad` was updated."""
        return hooks.register_after(self, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor in `.grad` though it is no leaf."""
        hooks.retain(self)

    @property
    def retains_grad(self) -> bool:
        """Whether this non-leaf keeps its gradient."""
        return self._retains_grad


def _restored(cls: Any, host: Any, where: str, needs: bool, state: dict[str, Any]) -> Tensor:
    on = resolve(where)
    t: Tensor = object.__new__(cls)
    t.__dict__.update(state)
    t._data, t._device, t._requires_grad = on.backend.from_host(host, on.index), on, needs
    return t


graph.setup.tensor = Tensor
graph.setup.namespace = Namespace()
