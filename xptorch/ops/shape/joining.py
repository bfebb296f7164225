"""Joining tensors along an axis: cat and stack. (hstack and related functions: arrangement.py.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xptorch._engine.op import op
from xptorch.ops._common import (
    at_axis,
    common_dtype,
    is_tensor,
    numpy_names,
    shape_text,
    store_out,
    wrap_dim,
)

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


__all__ = ["cat", "concat", "concatenate", "stack"]


def _pieces(xp: Any, g: Any, needs: Any, shapes: Any, axis: int) -> tuple[Any, ...]:
    grads, start = [], 0
    for shape, needed in zip(shapes, needs, strict=True):
        stop = start + shape[axis]
        grads.append(g[at_axis(axis, slice(start, stop))] if needed else None)
        start = stop
    return tuple(grads)


_concat = op("concat", lambda xp, *arrays, axis: xp.concat(arrays, axis=axis), vjp=_pieces)


_stack = op(
    "stack",
    lambda xp, *arrays, axis: xp.stack(arrays, axis=axis),
    vjp=lambda xp, g, needs, axis: tuple(
        g[at_axis(axis, i)] if needed else None for i, needed in enumerate(needs)
    ),
)


@numpy_names
def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors joined along an existing axis."""
    items = _sequence(tensors, "cat")
    if not items:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    if any(t.ndim == 0 for t in items):
        raise RuntimeError("zero-dimensional tensor cannot be concatenated")
    items = common_dtype(items)
    kept = [t for t in items if t._data.shape != (0,)] or items[:1]  # PyTorch skips (0,)
    axis = wrap_dim(dim, kept[0].ndim)
    for i, t in enumerate(kept[1:], 1):
        if t.ndim != kept[0].ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {kept[0].ndim} and {t.ndim}"
            )
        for d, (a, b) in enumerate(zip(kept[0]._data.shape, t._data.shape, strict=True)):
            if a != b and d != axis:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {axis}. Expected size {a} "
                    f"but got size {b} for tensor number {i} in the list."
                )
    return store_out(_concat(*kept, axis=axis), out, "cat")


concat = concatenate = cat


def _sequence(tensors: Any, function: str) -> list[Tensor]:
    if is_tensor(tensors):
        raise TypeError(
            f"{function}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor"
        )
    items = list(tensors)
    for i, t in enumerate(items):
        if not is_tensor(t):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}"
            )
    return items


def some_tensors(tensors: Any, function: str) -> list[Tensor]:
    """The tensors of a sequence, which must not be empty."""
    items = _sequence(tensors, function)
    if not items:
        raise RuntimeError(f"{function} expects a non-empty TensorList")
    return items


@numpy_names
def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape joined along a new axis."""
    items = some_tensors(tensors, "stack")
    for i, t in enumerate(items):
        if t._data.shape != items[0]._data.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got "
                f"{shape_text(items[0].shape)} at entry 0 and {shape_text(t.shape)} at entry {i}"
            )
    axis = wrap_dim(dim, items[0].ndim + 1)
    return store_out(_stack(*common_dtype(items), axis=axis), out, "stack")
