"""Histograms in one dimension or several."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import BOOL, COMPLEX, INTEGER
from xptorch.ops._common import (
    Returned,
    is_tensor,
    need_tensor,
    refuse,
    returned,
    shape_text,
)
from xptorch.ops.elementwise import comparison
from xptorch.ops.index import scatter
from xptorch.ops.index.sort import searchsorted
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["histogram", "histogramdd"]


def histogram(
    input: Tensor,
    bins: Any = 100,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
    out: Any = None,
) -> Any:
    """(hist, bin_edges) of all elements; the last bin includes its upper edge.

    Args:
        bins: the number of bins of equal width, or their edges in ascending order.
        range: the lowest and the highest edge; those of the elements if None.
        weight: the weight of each element; 1 if None.
        density: divide by the total and by the widths, so that the integral is 1.
    """
    need_tensor(input, "histogram")
    if not is_tensor(bins) and bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    if weight is not None and weight._data.shape != input._data.shape:
        raise _wrong_weight((*input._data.shape, 1), weight)
    flat = _flat(weight, input)
    bins = bins.clone() if is_tensor(bins) else bins
    hist, edges = _histogram(input.reshape(-1, 1), [bins], range, flat, density)
    return returned("histogram", out, hist=hist, bin_edges=edges[0])


def histogramdd(
    input: Tensor,
    bins: Any,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """(hist, bin_edges) of points whose coordinates are along the last axis.

    Args:
        bins: the number along each coordinate, or one for all of them, or the edges along each.
        range: the lowest and highest edge along each coordinate, one after the other.
        weight, density: as in `histogram`.
    """
    need_tensor(input, "histogramdd")
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    axes = input._data.shape[-1]
    every = [bins] * axes if isinstance(bins, int) else list(bins)
    if len(every) != axes:
        raise RuntimeError(
            "histogramdd: The size of bins must be equal to the innermost dimension of the input."
        )
    if weight is not None and weight._data.shape != input._data.shape[:-1]:
        raise _wrong_weight(input._data.shape, weight)
    points = input.reshape(-1, axes) if input.numel() else input.reshape(0, axes)
    hist, edges = _histogram(points, every, range, _flat(weight, input), density)
    return Returned("histogramdd", hist=hist, bin_edges=tuple(edges))


def _flat(weight: Tensor | None, input: Tensor) -> Tensor | None:
    if weight is None:
        return None
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor "
            f"should have the same dtype, but got input({input.dtype.name}), and "
            f"weight({weight.dtype.name})"
        )
    return weight.reshape(-1)


def _wrong_weight(shape: Any, weight: Tensor) -> RuntimeError:
    return RuntimeError(
        "torch.histogramdd: if weight tensor is provided it should have the same shape as the "
        f"input tensor excluding its innermost dimension, but got input with shape "
        f"{shape_text(shape)} and weight with shape {shape_text(weight.shape)}"
    )


def _histogram(
    points: Tensor, bins: list[Any], limits: Any, weight: Tensor | None, density: bool
) -> tuple[Tensor, list[Tensor]]:
    """The histogram of points (n, d), and the edges along each coordinate."""
    refuse("histogramdd", points, BOOL, INTEGER, COMPLEX)
    points = points.detach()
    edges = _edges(points, bins, limits)
    inside: Any = creation.ones(points._data.shape[0], dtype=dtypes.bool_, device=points._device)
    place: Any = creation.zeros(points._data.shape[0], dtype=dtypes.int64, device=points._device)
    for axis, edge in enumerate(edges):
        x, last = points[:, axis].contiguous(), edge.numel() - 1
        if last < 1:
            inside, last = inside & False, 0
            place = place * 0
            continue
        bin_ = searchsorted(edge, x, right=True) - 1
        inside = inside & (x >= edge[0]) & (x <= edge[-1])
        place = place * last + comparison.clamp(bin_, 0, last - 1)
    shape = tuple(max(e.numel() - 1, 0) for e in edges)
    each = creation.ones_like(points[:, 0]) if weight is None else weight
    each = comparison.where(inside, each.detach(), 0)
    total = creation.zeros(math.prod(shape), dtype=points.dtype, device=points._device)
    hist = scatter.index_add(total, 0, place, each) if total.numel() else total
    hist = hist.reshape(shape)
    if density:
        hist = hist / hist.sum()
        for axis, edge in enumerate(edges):
            hist = hist / (edge[1:] - edge[:-1]).reshape(-1, *[1] * (len(edges) - 1 - axis))
    return hist, edges


def _edges(points: Tensor, bins: list[Any], limits: Any) -> list[Tensor]:
    if any(is_tensor(b) for b in bins):
        if limits is not None:
            raise TypeError("histogram(): a range goes with a number of bins, not with their edges")
        return [_given(b, points, i) for i, b in enumerate(bins)]
    ends = _outer(points, limits)
    for i, ((low, high), n) in enumerate(zip(ends, bins, strict=True)):
        if n <= 0:
            raise RuntimeError(
                f"torch.histogram(): bins must be > 0, but got {n} for dimension {i}"
            )
        if low > high:
            raise RuntimeError(
                f"torch.histogramdd: min should not exceed max, but got min {low:g} max {high:g} "
                f"for dimension {i}"
            )
    options: dict[str, Any] = {"dtype": points.dtype, "device": points._device}
    return [
        creation.linspace(low, high, n + 1, **options)
        for (low, high), n in zip(ends, bins, strict=True)
    ]


def _given(edges: Tensor, points: Tensor, axis: int) -> Tensor:
    if edges.ndim != 1:
        raise RuntimeError(
            f"torch.histogramdd: bins tensor should have one dimension, but got {edges.ndim} "
            f"dimensions in the bins tensor for dimension {axis}"
        )
    if not edges.numel():
        raise RuntimeError(
            "torch.histogramdd: bins tensor should have at least 1 element, but got 0 elements in "
            f"the bins tensor for dimension {axis}"
        )
    if edges.dtype is not points.dtype:
        raise RuntimeError(
            "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got "
            f"input with dtype {points.dtype.name} and bins for dimension {axis} with dtype "
            f"{edges.dtype.name}"
        )
    return edges.detach()


def _outer(points: Tensor, limits: Any) -> list[tuple[float, float]]:
    """The outer edges along each axis."""
    axes = points._data.shape[1]
    if limits is not None:
        if len(limits) != 2 * axes:
            raise RuntimeError(
                f"torch.histogramdd: for a {axes}-dimensional histogram range should have "
                f"{2 * axes} elements, but got {len(limits)}"
            )
        ends = [(float(limits[2 * i]), float(limits[2 * i + 1])) for i in range(axes)]
    elif points.numel():
        ends = list(zip(points.amin(0).tolist(), points.amax(0).tolist(), strict=True))
    else:
        ends = [(0.0, 1.0)] * axes
    for low, high in ends:
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RuntimeError(f"torch.histogramdd: range [{low}, {high}] is not finite")
    return [(a - 0.5, b + 0.5) if a == b else (a, b) for a, b in ends]
