"""Factories for public functions over declared ops of one and two inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from xptorch.ops._common import floating, need_tensor, promote, store_out, type_name
from xptorch.ops._numerics import in_float32

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

Function = Callable[..., "Tensor"]
F = TypeVar("F", bound=Callable[..., Any])


def in_double(compute: Callable[..., Any]) -> Callable[..., Any]:
    """A forward of one input that is computed in float64 for every dtype, then rounded."""

    def forward(xp: Any, a: Any) -> Any:
        return xp.astype(compute(xp, xp.astype(a, xp.float64)), a.dtype)

    return forward


def need_wide(name: str, t: Tensor) -> None:
    """Raise PyTorch's error for functions not implemented for half precision."""
    if t.dtype.itemsize == 2:
        raise NotImplementedError(f'"{name}_cpu" not implemented for {type_name(t.dtype)!r}')


def named(function: F, name: str, doc: str) -> F:
    """Set the public name and the docstring of a generated function."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def unary(
    core: Function,
    doc: str,
    name: str | None = None,
    *,
    real: bool = False,
    rounds: bool = False,
) -> Function:
    """``f(input, *, out=None)``.

    Args:
        doc: its docstring.
        real: integers are converted to the default dtype.
        rounds: the forward rounds more than once, so half precision is computed in float32.
    """
    label = name or core.__name__
    compute = partial(in_float32, core) if rounds else core

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        try:
            ready = not real or input._data.dtype in input._device.floating
        except AttributeError:
            need_tensor(input, label)
        result = compute(input if ready else floating(input))
        return result if out is None else store_out(result, out, label)

    return named(function, label, doc)


def binary(
    core: Function, doc: str, name: str | None = None, *, least: int = 0, tensors: int = 0
) -> Function:
    """``f(input, other, *, out=None)`` with type promotion.

    Args:
        doc: its docstring.
        least: the lowest category of the result.
        tensors: how many of the two must be Tensors.
    """
    label = name or core.__name__

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        # Most calls need no promotion: two tensors of one dtype on one device.
        kind = other.__class__
        try:
            ready = (
                kind is not float
                and kind is not int
                and input._data.dtype is other._data.dtype
                and input._device is other._device
                and not least
            )
        except AttributeError:
            ready = False
        if not ready:
            input, other = promote(input, other, least, tensors, label)
        result = core(input, other)
        return result if out is None else store_out(result, out, label)

    return named(function, label, doc)
