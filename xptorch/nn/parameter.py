"""Parameter and Buffer: tensors that a Module registers when set as its attributes."""

from __future__ import annotations

import copy
from typing import Any, Self

from xptorch._engine import graph
from xptorch._tensor.tensor import Tensor
from xptorch.ops.shape import creation

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter"]


class _Declared:
    """A descriptor that returns a layer's parameter or buffer of that name; see `declared`."""

    def __init__(self, members: str) -> None:
        self.members = members

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, owner: type | None = None) -> Any:
        try:
            return module.__dict__[self.members][self.name]
        except KeyError:  # it may be elsewhere: `Module.__getattr__` is next
            raise AttributeError(self.name) from None


def declared(members: str) -> Any:
    """A descriptor for a class body: its modules have a parameter or buffer of this name.

    Looking it up takes a quarter of the time: for all others Python raises an AttributeError, and
    discards it, before it calls `Module.__getattr__`.

    Args:
        members: the dict that holds it, ``"_parameters"`` or ``"_buffers"``.
    """
    return _Declared(members)


def _sharing_memory(cls: Any, data: Any) -> Any:
    """A leaf of class `cls` that shares the memory of `data` and, if any, its version counter."""
    source = creation.empty(0) if data is None else data.detach()
    new = object.__new__(cls)
    new._data, new._device, new._memory_shared = source._data, source._device, True
    if source._version_counter is not None:
        new._version_counter = source._version_counter
    return new


class Parameter(Tensor):
    """A tensor to be trained: set as an attribute of a Module, it is one of its `parameters()`.

    Args:
        data: the initial value, whose memory it shares; empty by default.
        requires_grad: whether gradients are computed for it.

    >>> import xptorch as torch
    >>> torch.nn.Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Self:
        self: Self = _sharing_memory(cls, data)
        self.requires_grad = requires_grad
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = self._rebuilt(self._device.xp.asarray(self._data, copy=True))
        return memo[id(self)]

    def __repr__(self, **kwargs: Any) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + super().__repr__(**kwargs)


class Buffer(Tensor):
    """A tensor that, set as an attribute of a Module, is registered as one of its buffers.

    Args:
        data: the value, whose memory it shares; empty by default.
        persistent: whether it belongs to the module's `state_dict`.
    """

    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Self:
        self: Self = _sharing_memory(cls, data)
        self.persistent = persistent
        return self


def empty_parameter(*shape: int, device: Any = None, dtype: Any = None) -> Parameter:
    """A Parameter of that shape with uninitialised values."""
    return Parameter(creation.empty(shape, device=device, dtype=dtype))


_NOT_YET = (
    "Attempted to use an uninitialized parameter. This error happens when you are using a "
    "`LazyModule` or explicitly manipulating `xptorch.nn.parameter.{}` objects. When using "
    "LazyModules Call `forward` with a dummy batch to initialize the parameters before calling "
    "torch functions"
)


class UninitializedTensorMixin(Tensor):
    """A tensor that has a dtype and a device, but no shape and no values yet."""

    _becomes: type[Tensor]

    @property
    def _data(self) -> Any:  # every op reads this, and gets the error
        raise ValueError(_NOT_YET.format(type(self).__name__))

    @_data.setter
    def _data(self, value: Any) -> None:
        self._empty = value

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    @property
    def data(self) -> Tensor:
        return graph.wrap(self._empty, self._device)

    @data.setter
    def data(self, value: Tensor) -> None:
        self._data, self._device = value.data._data, value._device

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give it a shape, and with it memory with uninitialised values.

        Args:
            shape: the sizes.
            device: where it lives; by default the current one.
            dtype: of its elements; by default the current one.
        """
        made = creation.empty(shape, device=device or self.device, dtype=dtype or self.dtype)
        self.__class__ = self._becomes  # type: ignore[assignment]
        del self.__dict__["_empty"]
        self._data, self._device = made._data, made._device

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return self._stub(self.data.to(*args, **kwargs))

    def _refused(self, *args: Any, **kwargs: Any) -> Any:
        return self._data

    requires_grad_ = type = bfloat16 = is_pinned = pin_memory = _refused  # as in PyTorch

    def _stub(self, converted: Tensor) -> Any:
        new = copy.copy(self)
        new.data = converted
        return new

    def __copy__(self) -> Any:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return memo.setdefault(id(self), copy.copy(self))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self.requires_grad, self.device, self.dtype)

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to "
            "initialize the parameters before calling `module.share_memory()`."
        )

    def __repr__(self, **kwargs: Any) -> str:  # type: ignore[override]
        return f"<{type(self).__name__}>"


for _name in ("cpu", "cuda", "double", "float", "half"):  # used to convert modules
    setattr(
        UninitializedTensorMixin,
        _name,
        lambda self, *args, _name=_name: self._stub(getattr(self.data, _name)(*args)),
    )


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A Parameter of a shape that is not known yet; see `LazyLinear`.

    Args:
        requires_grad: whether gradients are computed for it.
        device: where it is to live.
        dtype: of its elements.
    """

    _becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Self:
        return super().__new__(cls, creation.empty(0, device=device, dtype=dtype), requires_grad)


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A buffer of a shape that is not known yet.

    Args:
        requires_grad: whether gradients are computed for it.
        device: where it is to live.
        dtype: of its elements.
        persistent: whether it belongs to the module's `state_dict`.
    """

    _becomes = Tensor

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> Self:
        empty = creation.empty(0, device=device, dtype=dtype)
        self = super().__new__(cls, empty, persistent=persistent)
        self.requires_grad = requires_grad
        return self


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(param, UninitializedTensorMixin)


_FACTORY = {"device", "dtype", "memory_format"}


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """The `device`, `dtype` and `memory_format` among a layer's arguments.

    Args:
        kwargs: these alone, or in a separate dict named `factory_kwargs`, or both.

    Raises:
        TypeError: there is something else, or one is given twice.
    """
    if kwargs is None:
        return {}
    unexpected = set(kwargs) - _FACTORY - {"factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in _FACTORY & set(kwargs):
        if name in found:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        found[name] = kwargs[name]
    return found
