"""Padding of the last axes with the tensor's own elements: one copy, then strip by strip."""

from __future__ import annotations

from typing import Any

from xptorch._engine.op import op, polymorphic
from xptorch.ops._common import at_axis
from xptorch.ops.layers.window import Op

Widths = tuple[tuple[int, int], ...]  # (before, after) of the last axes; none negative


def _strips(mode: str, size: int, before: int, after: int) -> list[tuple[slice, slice]]:
    """The strips added to an axis, each with the slice of the padded axis that it repeats."""
    end = before + size
    first, last = slice(0, before), slice(end, end + after)
    if mode == "reflect":
        sources = slice(before + 1, 2 * before + 1), slice(end - 1 - after, end - 1)
    elif mode == "replicate":
        sources = slice(before, before + 1), slice(end - 1, end)
    else:
        sources = slice(size, end), slice(before, before + after)
    pairs = ((first, sources[0], before), (last, sources[1], after))
    return [(strip, source) for strip, source, width in pairs if width]


def _center(ndim: int, shape: Any, widths: Widths) -> tuple[Any, ...]:
    sizes = shape[ndim - len(widths) :]
    return (..., *(slice(b, b + n) for n, (b, _) in zip(sizes, widths, strict=True)))


def _pad_forward(xp: Any, x: Any, *, widths: Widths, mode: str) -> Any:
    lead = x.ndim - len(widths)
    out = xp.pad(x, ((0, 0),) * lead + widths)
    for axis, (before, after) in enumerate(widths, lead):
        for strip, source in _strips(mode, x.shape[axis], before, after):
            part = out[at_axis(axis, source)]
            part = xp.flip(part, axis=axis) if mode == "reflect" else part
            out = xp.assign(out, at_axis(axis, strip), part)
    return out


def _fold_forward(xp: Any, padded: Any, *, widths: Widths, mode: str) -> Any:
    """The adjoint of the padding: each strip is added to the slice that it repeats."""
    lead = padded.ndim - len(widths)
    g = xp.asarray(padded, copy=True)
    sizes = [n - a - b for n, (a, b) in zip(g.shape[lead:], widths, strict=True)]
    for i in reversed(range(len(widths))):
        axis = lead + i
        for strip, source in _strips(mode, sizes[i], *widths[i]):
            part = g[at_axis(axis, strip)]
            if mode == "reflect":
                part = xp.flip(part, axis=axis)
            elif mode == "replicate":
                part = xp.sum(part, axis=axis, keepdims=True)
            g = xp.add_to(g, at_axis(axis, source), part)
    return g[_center(g.ndim, (*g.shape[:lead], *sizes), widths)]


_pad = op(
    "pad_edges",
    _pad_forward,
    x=lambda xp, g, widths, mode: _fold_either(xp, g, widths=widths, mode=mode),
)
_fold = op(
    "fold_edges",
    _fold_forward,
    padded=lambda xp, g, widths, mode: _pad_either(xp, g, widths=widths, mode=mode),
)
pad_edges = _pad
_pad_either: Op = polymorphic(_pad)
_fold_either: Op = polymorphic(_fold)
