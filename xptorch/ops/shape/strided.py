"""Views by sizes and strides over the whole memory of a tensor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core.backend import element_positions
from xptorch._engine import graph
from xptorch._engine.op import op
from xptorch.ops._common import as_shape, is_tensor, need_tensor, shape_text, store_out
from xptorch.ops.shape import creation, slicing
from xptorch.ops.shape.view_copies import in_order

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "as_strided", "as_strided_copy", "as_strided_scatter", "empty_permuted", "empty_strided",
]  # fmt: skip

Ints = tuple[int, ...]


def _extent(shape: Ints, strides: Ints) -> int:
    """The number of memory elements from the first to the last, both included."""
    if 0 in shape:
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))


def _positions(g: Any, xp: Any, shape: Ints, strides: Ints, offset: int) -> Any:
    """The elements' positions in memory, as an array or a Tensor, whichever `g` is."""
    if is_tensor(g):
        return graph.wrap(_positions(g._data, g._device.xp, shape, strides, offset), g._device)
    return element_positions(xp, shape, strides, offset, g.device)


def _as_strided_forward(
    xp: Any, a: Any, *, shape: Ints, strides: Ints, offset: int, home: Ints, part: Any
) -> Any:
    steps = zip(a.shape, xp.strides(a), home, strict=True)
    if 0 not in a.shape and any(n > 1 and s != h for n, s, h in steps):
        raise NotImplementedError("as_strided of a tensor whose memory has changed its order")
    return xp.as_strided(a, shape, strides, offset)


def _as_strided_back(
    xp: Any,
    g: Any,
    a_shape: Ints,
    shape: Ints,
    strides: Ints,
    offset: int,
    home: Ints,
    part: Any,
) -> Any:
    """Gradients accumulated in memory, then read at the positions of the input's elements."""
    count = _extent(a_shape, home)
    taken = _positions(g, xp, shape, strides, offset)
    memory = xp.segment_sum(xp.reshape(g, shape=(math.prod(shape),)), taken, count=count)
    whole = xp.take(memory, _positions(g, xp, a_shape, home, 0), axis=0)
    if part is not None:  # memory outside the restrided view does not depend on it
        inside = _positions(g, xp, *part)
        kept = xp.take(memory, inside, axis=0)
        memory = xp.index_put(xp.zeros_like(memory), inside, kept)
        whole = xp.take(memory, _positions(g, xp, a_shape, home, 0), axis=0)
    return xp.reshape(whole, shape=a_shape)


_as_strided = op("as_strided", _as_strided_forward, view=True, a=_as_strided_back)


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of a tensor's memory with those sizes and strides (in elements).

    Args:
        storage_offset: where in the memory the view starts; where the input starts if None.

    Raises:
        RuntimeError: the view would exceed the memory, or a stride is negative.
    """
    need_tensor(input, "as_strided")
    shape, strides = as_shape((size,)), as_shape((stride,))
    if len(shape) != len(strides):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in strides):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides: "
            + shape_text(strides)
        )
    base = input if input._base is None else input._base
    xp = input._device.xp
    home = xp.strides(base._data)
    start = input.storage_offset() if storage_offset is None else storage_offset
    part = None
    if base is not input:
        part = (input._data.shape, xp.strides(input._data), input.storage_offset())
        graph.refresh(input)
    need, have = start + _extent(shape, strides), _extent(base._data.shape, home)
    if start < 0 or (0 not in shape and need > have):
        size_of = input.element_size()
        raise RuntimeError(
            f"setStorage: sizes {shape_text(shape)}, strides {shape_text(strides)}, storage offset "
            f"{start}, and itemsize {size_of} requiring a storage size of {need * size_of} are out "
            f"of bounds for storage of size {have * size_of}"
        )
    return _as_strided(base, shape=shape, strides=strides, offset=start, home=home, part=part)


def as_strided_copy(
    input: Tensor,
    size: Any,
    stride: Any,
    storage_offset: int | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`as_strided`, as a copy."""
    result = in_order(as_strided(input, size, stride, storage_offset))
    return store_out(result, out, "as_strided_copy", exact=True)


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """The input with `src` in place of the elements that `as_strided` selects."""
    need_tensor(src, "as_strided_scatter", "src", 2)
    return slicing.replaced(input, src, lambda t: as_strided(t, size, stride, storage_offset))


def empty_strided(size: Any, stride: Any, **kwargs: Any) -> Tensor:
    """A tensor with those strides and unspecified values."""
    shape, strides = as_shape((size,)), as_shape((stride,))
    if len(shape) != len(strides):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides "
            f"({len(strides)})"
        )
    if any(n < 0 for n in shape):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}"
        )
    if any(s < 0 for s in strides):
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(shape)} and "
            f"strides={list(strides)}"
        )
    requires_grad = kwargs.pop("requires_grad", False)
    memory = creation.empty(_extent(shape, strides), **kwargs)
    xp = memory._device.xp
    made = graph.wrap(xp.as_strided(memory._data, shape, strides, 0), memory._device)
    return creation.leaf(made, requires_grad)


def new_empty_strided(self: Tensor, size: Any, stride: Any, **kwargs: Any) -> Tensor:
    """`empty_strided`, with this tensor's dtype and device by default."""
    return empty_strided(size, stride, **self._like(kwargs))


def empty_permuted(size: Any, physical_layout: Any, **kwargs: Any) -> Tensor:
    """A dense tensor with the axes in that order in memory, and unspecified values."""
    shape, order = as_shape((size,)), as_shape((physical_layout,))
    if len(shape) != len(order):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. "
            f"len(size) = {len(shape)} is not equal to len(physical_layout) = {len(order)}"
        )
    if any(not 0 <= d < len(shape) for d in order):
        raise RuntimeError(
            "Dimension out of range (expected to be between 0 and "
            f"{len(shape) - 1}, but got {next(d for d in order if not 0 <= d < len(shape))})"
        )
    if len(set(order)) < len(order):
        raise RuntimeError("Duplicate dim not allowed")
    requires_grad = kwargs.pop("requires_grad", False)
    memory = creation.empty(tuple(shape[d] for d in order), **kwargs)
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    made = graph.wrap(memory._device.xp.permute_dims(memory._data, back), memory._device)
    return creation.leaf(made, requires_grad)
