"""Parameter and Buffer: tensors that a Module notices when they become its attributes."""

from __future__ import annotations

from typing import Any, Self

from xptorch._tensor import Tensor
from xptorch.ops import create

__all__ = ["Buffer", "Parameter"]


def _shared(cls: Any, data: Any) -> Any:
    """A leaf of class `cls` over the memory of `data`, of which in-place changes are counted."""
    source = create.empty(0) if data is None else data.detach()
    new = object.__new__(cls)
    new._data, new._device = source._data, source._device
    if source._counter is not None:
        new._counter = source._counter
    return new


class Parameter(Tensor):
    """A tensor to be trained: set as an attribute of a Module, it is one of its `parameters()`.

    Args:
        data: the initial value, whose memory it shares; empty by default.
        requires_grad: whether gradients flow to it.

    >>> import xptorch as torch
    >>> torch.nn.Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Self:
        self: Self = _shared(cls, data)
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
        self: Self = _shared(cls, data)
        self.persistent = persistent
        return self


def empty_parameter(*shape: int, device: Any = None, dtype: Any = None) -> Parameter:
    """A Parameter of that shape whose values are yet to be set."""
    return Parameter(create.empty(shape, device=device, dtype=dtype))
