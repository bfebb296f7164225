"""Adaptive pooling: the windows follow from the requested output size."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import BOOL, COMPLEX
from xptorch._engine import graph
from xptorch.nn.functional.pool import maxima, means, with_indices
from xptorch.ops._common import need_tensor, refuse, shape_text, to_dtype
from xptorch.ops._numerics import in_float32
from xptorch.ops.layers.resample import Taps, resample
from xptorch.ops.layers.window import Axes, Geometry
from xptorch.ops.shape import views

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

Sizes = int | tuple[int, ...]

__all__ = [
    *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
]


def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """The mean of each of `output_size` windows over one axis."""
    return _adaptive_avg("adaptive_avg_pool1d", input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of `output_size` windows over two axes.

    Window i of o over an axis of size s reaches from ⌊i · s / o⌋ to ⌈(i + 1) · s / o⌉.

    Args:
        input: the images.
        output_size: a number, or one for each axis; None keeps an axis as it is.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, *output_size) or (c, *output_size).
    """
    return _adaptive_avg("adaptive_avg_pool2d", input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """As `adaptive_avg_pool2d`, over three axes."""
    return _adaptive_avg("adaptive_avg_pool3d", input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The maximum of each of `output_size` windows over one axis."""
    return _adaptive_max("adaptive_max_pool1d", input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum of each of `output_size` windows over two axes; windows as in
    `adaptive_avg_pool2d`, indices as in `max_pool2d`."""
    return _adaptive_max("adaptive_max_pool2d", input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """As `adaptive_max_pool2d`, over three axes."""
    return _adaptive_max("adaptive_max_pool3d", input, output_size, return_indices)


adaptive_max_pool1d_with_indices = with_indices(adaptive_max_pool1d)
adaptive_max_pool2d_with_indices = with_indices(adaptive_max_pool2d)
adaptive_max_pool3d_with_indices = with_indices(adaptive_max_pool3d)


def _adaptive_avg(name: str, x: Tensor, output_size: Any) -> Tensor:
    need_tensor(x, name)
    sizes = _output_size(name, x._data.shape, output_size)
    refuse(name, x, BOOL, COMPLEX, dtypes.INTEGER)
    return in_float32(_adapted_means, x, sizes=sizes)


def _adapted_means(x: Tensor, sizes: Axes) -> Tensor:
    how, uneven = _adapted(x._data.shape, sizes)
    for axis, out in uneven:
        size = x._data.shape[axis]
        x = resample(x, axis, _means_of(size, out))
    return _empty_result(x, sizes) if 0 in sizes else means(x, how, math.prod(how.kernel))


def _adaptive_max(name: str, x: Tensor, output_size: Any, with_indices: bool) -> Any:
    need_tensor(x, name)
    sizes = _output_size(name, x._data.shape, output_size)
    refuse(name, x, BOOL, COMPLEX, dtypes.INTEGER)
    if 0 in sizes:
        y = _empty_result(x, sizes)
        return (y, to_dtype(y.detach(), dtypes.int64)) if with_indices else y
    _, uneven = _adapted(x._data.shape, sizes)
    places = {}
    for axis, out in uneven:  # gather windows padded to one length by repetition
        places[axis] = _windows_of(x._data.shape[axis], out)
        x = resample(x, axis, Taps(x._data.shape[axis], (places[axis],)))
    how, _ = _adapted(x._data.shape, sizes)
    found = maxima(x, how, with_indices)
    return (found[0], _original(found[1], how, places, x.ndim)) if with_indices else found


@lru_cache(maxsize=256)
def _adapted(x: Axes, sizes: Axes) -> tuple[Geometry, tuple[tuple[int, int], ...]]:
    """Equal windows over the axes that allow them; the other axes, each with its output size."""
    lead = len(x) - len(sizes)
    uneven = [(lead + i, o) for i, o in enumerate(sizes) if o and x[lead + i] % o]
    left = [o if o and s % o else s for s, o in zip(x[lead:], sizes, strict=True)]
    kernel = tuple(s // o if o else 1 for s, o in zip(left, sizes, strict=True))
    ones = (1,) * len(sizes)
    return Geometry(tuple(left), kernel, kernel, ((0, 0),) * len(sizes), ones), tuple(uneven)


def _bounds(size: int, out: int) -> list[tuple[int, int]]:
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


@lru_cache(maxsize=256)
def _means_of(size: int, out: int) -> Taps:
    bounds = _bounds(size, out)
    most = max(b - a for a, b in bounds)
    index = tuple(tuple(min(a + t, b - 1) for a, b in bounds) for t in range(most))
    weight = tuple(tuple((a + t < b) / (b - a) for a, b in bounds) for t in range(most))
    return Taps(size, index, weight)


@lru_cache(maxsize=256)
def _windows_of(size: int, out: int) -> tuple[int, ...]:
    bounds = _bounds(size, out)
    most = max(b - a for a, b in bounds)
    return tuple(min(a + t, b - 1) for a, b in bounds for t in range(most))


def _original(indices: Tensor, how: Geometry, places: dict[int, Any], ndim: int) -> Tensor:
    """Convert indices into the gathered windows to indices into the input."""
    if not places:
        return indices
    xp, on = indices._device.xp, indices._device
    flat, total, scale = indices._data, 0, 1
    for i in reversed(range(len(how.size))):
        place = flat % how.size[i]
        flat = flat // how.size[i]
        size = how.size[i]
        row = places.get(ndim - len(how.size) + i)
        if row is not None:
            table = xp.asarray(row, dtype=xp.int64, device=on.raw)
            place = xp.reshape(xp.take(table, xp.reshape(place, (-1,)), axis=0), place.shape)
            size = row[-1] + 1
        total = place * scale + total
        scale *= size
    return graph.wrap(total, on)


def _empty_result(x: Tensor, sizes: Axes) -> Tensor:
    """A result without elements, in the output shape of an adaptive pool."""
    empty = x[(..., *(slice(0, 0),) * len(sizes))]
    return views.reshape(empty, (*x._data.shape[: -len(sizes)], *sizes))


def _output_size(name: str, x: Axes, output_size: Any) -> Axes:
    d = int(name[-2])
    values = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * d
    if d == 1 and len(values) != 1:
        raise RuntimeError(
            f"{name}() argument 'output_size' should contain one int (got {len(values)})"
        )
    for i, v in enumerate(values):
        if not hasattr(v, "__index__") and (d == 1 or v is not None):
            raise TypeError(
                f"{name}(): argument 'output_size' (position 2) must be tuple of ints, but found "
                f"element of type {type(v).__name__} at pos {i}"
            )
    if d > 1 and isinstance(output_size, (tuple, list)) and len(x) <= len(values):
        raise ValueError(f"Input dimension should be at least {len(values) + 1}")
    if len(x) not in (d + 1, d + 2):
        raise RuntimeError(
            f"{name}(): Expected {d + 1}D or {d + 2}D tensor, but got {shape_text(x)}"
        )
    if len(values) != d:
        raise RuntimeError(f"{name}: output_size must be {d}")
    for i in range(len(x) - d - (len(x) == d + 1), len(x)):
        if x[i] == 0 and i >= len(x) - d:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"input has sizes {shape_text(x)} with dimension {i} being empty"
            )
    sizes = tuple(s if v is None else int(v) for v, s in zip(values, x[-d:], strict=True))
    if any(s < 0 for s in sizes):
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received "
            f"{{{', '.join(map(str, sizes))}}}"
        )
    return sizes
