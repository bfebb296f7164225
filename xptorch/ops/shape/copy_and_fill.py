"""Changes of a tensor's memory: copies into it, fills, resizing; constant padding."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core.mode import local
from xptorch._engine import graph, inplace
from xptorch._engine.op import op
from xptorch.ops._common import (
    as_shape,
    fitting,
    is_tensor,
    need_tensor,
    shape_text,
    to_dtype,
    write,
)
from xptorch.ops.shape.memory_order import axes_of

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


__all__ = ["fill", "fill_", "resize_as_", "zero_"]

_overwrite = op(
    "overwrite",
    lambda xp, a, b: b,
    a=lambda xp, g: xp.zeros_like(g),
    b=lambda xp, g: g,
)
_fill = op(
    "fill",
    lambda xp, a, *, value: xp.full_like(a, value),
    a=lambda xp, g: xp.zeros_like(g),
)


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Copy `src` into this tensor, broadcast and converted to its dtype and device."""
    inplace.check_writable(self)
    if not is_tensor(src):
        src = self.new_tensor(src)
    if src._device is not self._device:
        src = src.to(self._device)
    value = to_dtype(src, self.dtype)
    if value._data.shape != self._data.shape:
        value = value.expand(self._data.shape)
    if local.mode.enabled and self._requires_grad:
        value = _overwrite(self, value)
    return write(self, value)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to one value."""
    if is_tensor(value):
        if value.ndim:
            raise RuntimeError(
                "fill_ only supports 0-dimension value tensor but got tensor with "
                f"{value.ndim} dimensions."
            )
        return copy_(self, value)
    inplace.check_writable(self)
    if self._base is not None and (once := _unexpanded(self)) is not None:
        fill_(once, value)
        return self
    return write(self, _fill(self, value=fitting(value, self.dtype)))


def _unexpanded(t: Tensor) -> Any:
    """The slice of an expanded tensor with each memory location once; None if not expanded."""
    steps = zip(t._data.shape, t._device.xp.strides(t._data), strict=True)
    once = [n > 1 and not step for n, step in steps]
    return t[tuple(slice(0, 1) if o else slice(None) for o in once)] if any(once) else None


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the input's shape and dtype, filled with one value."""
    need_tensor(input, "fill")
    return fill_(input.clone(), value)


def zero_(self: Tensor) -> Tensor:
    """Set every element to 0."""
    return fill_(self, 0)


def resize_(self: Tensor, *size: Any, memory_format: Any = None) -> Tensor:
    """Give the tensor another shape; elements keep their order, new ones are unspecified."""
    if local.mode.enabled and self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    shape = as_shape(size)
    if axes_of(memory_format, len(shape)) != tuple(range(len(shape))):
        raise NotImplementedError(f"resize_: memory_format {memory_format}")
    xp, on = self._device.xp, self._device
    flat = xp.reshape(self._data, (-1,)) if self.numel() else xp.reshape(self._data, (0,))
    need = math.prod(shape)
    if need > flat.shape[0]:
        extra = xp.zeros((need - flat.shape[0],), dtype=flat.dtype, device=on.raw)
        flat = xp.concat([flat, extra])
    self._data = xp.reshape(flat[:need], shape)
    graph.bump_version(self)
    return self


def resize_as_(self: Tensor, the_template: Tensor) -> Tensor:
    """`resize_` to another tensor's shape."""
    return resize_(self, the_template.shape)


def alias_memory(self: Tensor, source: Tensor) -> Tensor:
    """Make a tensor alias another's memory."""
    self._data, self._device = source._data, source._device
    return self


_pad = op(
    "pad",
    lambda xp, a, *, widths, value: xp.pad(a, widths, value),
    a=lambda xp, g, widths: g[
        tuple(slice(before, g.shape[i] - after) for i, (before, after) in enumerate(widths))
    ],
)


def constant_pad(input: Tensor, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
    """The tensor padded with `value`, (before, after) along each axis; negative widths crop."""
    cut = tuple(
        slice(max(-a, 0), s - max(-b, 0))
        for s, (a, b) in zip(input._data.shape, widths, strict=True)
    )
    if any(c.stop < c.start for c in cut):
        raise RuntimeError(f"the padding {widths} cuts off more than {shape_text(input.shape)} has")
    grown = tuple((max(a, 0), max(b, 0)) for a, b in widths)
    inner = input[cut] if any(a < 0 or b < 0 for a, b in widths) else input
    return _pad(inner, widths=grown, value=value)
