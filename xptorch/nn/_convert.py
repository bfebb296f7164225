"""Conversion of modules: to another device, to another dtype."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Self

from xptorch._core import device as devices
from xptorch._core import dtype as dtypes
from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.nn.parameter import Parameter
from xptorch.ops.shape import creation


class ConvertMixin:
    """`to` and related methods, all based on `_apply`."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    children: Callable[[], Iterator[Any]]

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        """Replace the value of every parameter, gradient and buffer by `fn` of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with no_grad():
            for param in self._parameters.values():
                if param is None:
                    continue
                param.data = fn(param)
                if param.grad is not None:
                    param.grad.data = fn(param.grad)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device, convert floating-point parameters and buffers to a dtype, in place.

        Called as ``to(device)``, ``to(dtype)``, ``to(device, dtype)`` or ``to(tensor)``, which has
        both; `non_blocking` and `memory_format` are accepted but cannot change a result.

        Raises:
            TypeError: the dtype is neither floating-point nor complex.
        """
        device, dtype = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype}"
            )

        def convert(t: Any) -> Any:
            floating = t.is_floating_point() or t.is_complex()
            return t.to(device, dtype if floating else None)

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move to a device without the values, which are undefined afterwards."""
        return self._apply(lambda t: creation.empty_like(t, device=device), recurse=recurse)

    def cuda(self, device: Any = None) -> Self:
        """Move all parameters and buffers to a GPU."""
        return self._apply(lambda t: t.cuda(device))

    def cpu(self) -> Self:
        """Move all parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers to a dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def half(self) -> Self:
        """Convert floating-point parameters and buffers to float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> Self:
        """Convert floating-point parameters and buffers to bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def share_memory(self) -> Self:
        """Apply `Tensor.share_memory_` to all parameters and buffers."""
        return self._apply(lambda t: t.share_memory_())

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: there is no compiler, and it would not change a result."""


def _type_name(value: Any) -> str:
    """The name of a value's type as error messages show it."""
    if isinstance(value, Tensor):
        return str(value.type())
    cls = type(value)
    module = "" if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}."
    return f"{module}{cls.__qualname__}"


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, dtypes.dtype | None]:
    """The device and the dtype that the arguments of `Module.to` specify, or None each."""
    for ignored in ("non_blocking", "memory_format"):
        kwargs.pop(ignored, None)
    if kwargs.pop("copy", False):
        raise RuntimeError(".to() does not accept copy argument")
    names = ["tensor"] if args and isinstance(args[0], Tensor) else ["device", "dtype"]
    if args and isinstance(args[0], dtypes.dtype):
        names = ["dtype"]
    given = dict(itertools.zip_longest(names, args[: len(names)]))
    rest = args[len(names) :]
    unknown = set(kwargs) - {"device", "dtype", "tensor"}
    if unknown or len(rest) > 1 or any(not isinstance(x, bool) for x in rest):
        raise TypeError(
            f"to() received an invalid combination of arguments: {args}, {kwargs}; expected "
            "to(device, dtype), to(dtype) or to(tensor), with non_blocking and memory_format"
        )
    given.update(kwargs)
    if given.get("tensor") is not None:
        return given["tensor"].device, given["tensor"].dtype
    device, dtype = given.get("device"), given.get("dtype")
    if dtype is not None and not isinstance(dtype, dtypes.dtype):
        raise TypeError(f"to(): argument 'dtype' must be xptorch.dtype, not {_type_name(dtype)}")
    return None if device is None else devices.device(device), dtype
