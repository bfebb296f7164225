"""Padding with a constant, or with the input itself reflected, repeated or wrapped around."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import BOOL, FLOAT
from xptorch.ops._common import need_tensor, shape_text, type_name
from xptorch.ops.layers.pad_edges import pad_edges
from xptorch.ops.layers.resample import Taps, resample
from xptorch.ops.shape.copy_and_fill import constant_pad
from xptorch.ops.shape.views import clone

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["pad"]

_MODES = ("reflect", "replicate", "circular")


def pad(
    input: Tensor, pad: list[int] | tuple[int, ...], mode: str = "constant", value: Any = None
) -> Tensor:
    """The tensor with elements added before and after its last axes; negative widths crop.

    Args:
        input: any tensor; other modes than ``"constant"`` pad the last 1, 2 or 3 axes of tensors
            that have one or two axes more.
        pad: (before, after) of the last axis, then of the last but one, …
        mode: ``"constant"``, or ``"reflect"`` (at the edge element, which is not repeated),
            ``"replicate"`` (the edge element) or ``"circular"`` (elements of the other end).
        value: the constant, by default 0.

    Raises:
        RuntimeError: more elements are to be reflected or wrapped around than there are.
        NotImplementedError: an unknown mode, or too many axes for it.
    """
    need_tensor(input, "pad")
    widths = _widths(pad, input._data.ndim)
    if mode == "constant":
        every = ((0, 0),) * (input._data.ndim - len(widths)) + widths
        return constant_pad(input, every, _as_dtype(0 if value is None else value, input))
    if mode not in _MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if not len(widths) + 1 <= input._data.ndim <= len(widths) + 2 or len(widths) > 3:
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input._data.ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    _check(input, widths, mode)
    if min(map(min, widths)) >= 0 and input.numel() and any(map(any, widths)):
        return pad_edges(input, widths=widths, mode=mode)
    for axis, (before, after) in enumerate(widths, input._data.ndim - len(widths)):
        if before or after:
            source = _source(mode, input._data.shape[axis], before, after)
            input = resample(input, axis, Taps(input._data.shape[axis], (source,)))
    return input if any(map(any, widths)) else clone(input)


def _widths(pad: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    """(before, after) of the axes to be padded, in the order of the axes."""
    if not isinstance(pad, (list, tuple)):
        raise TypeError(
            f"pad(): argument 'pad' (position 2) must be tuple of ints, not {type(pad).__name__}"
        )
    for i, p in enumerate(pad):
        if not hasattr(p, "__index__"):
            raise TypeError(
                "pad(): argument 'pad' (position 2) must be tuple of ints, but found element of "
                f"type {type(p).__name__} at pos {i}"
            )
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {ndim}"
        )
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)]
    return tuple(reversed(pairs))


def _as_dtype(value: Any, t: Tensor) -> Any:
    if t.dtype.category == BOOL:
        return bool(value)
    return value if t.dtype.category >= FLOAT else int(value)


def _check(x: Tensor, widths: tuple[tuple[int, int], ...], mode: str) -> None:
    shape, d = x._data.shape, len(widths)
    if mode != "circular":
        if 0 in shape[len(shape) > d + 1 or d == 1 :]:
            raise RuntimeError(
                f"Expected {d + 1}D or {d + 2}D (batch mode) tensor with possibly 0 batch size and "
                f"other non-zero dimensions for input, but got: {shape_text(shape)}"
            )
        if x.dtype.category == BOOL:
            kind = "reflection" if mode == "reflect" else "replication"
            raise NotImplementedError(
                f'"{kind}_pad{d}d" not implemented for {type_name(x.dtype)!r}'
            )
    for axis, (before, after) in enumerate(widths, len(shape) - d):
        size = shape[axis]
        if mode == "reflect" and max(before, after) >= size:
            raise RuntimeError(
                "Padding size should be less than the corresponding input dimension, but got: "
                f"padding ({before}, {after}) at dimension {axis} of input {shape_text(shape)}"
            )
        if mode == "circular" and max(before, after) > size:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if size + before + after < 0:
            raise RuntimeError(
                f"the padding ({before}, {after}) cuts off more than dimension {axis} of input "
                f"{shape_text(shape)} has"
            )


@lru_cache(maxsize=256)
def _source(mode: str, size: int, before: int, after: int) -> tuple[int, ...]:
    """For each index along the padded axis, the index of its source element."""
    positions = range(-before, size + after)
    if mode == "reflect":
        return tuple(abs(i) if i < size else 2 * (size - 1) - i for i in positions)
    if mode == "replicate":
        return tuple(min(max(i, 0), size - 1) for i in positions)
    first, stop = max(-before, 0), size - max(-after, 0)  # after cropping; the rest wraps around
    return tuple(first + (i - first) % (stop - first) for i in positions)
