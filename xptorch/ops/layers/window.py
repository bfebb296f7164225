"""Sliding windows: im2col (`unfold`), its adjoint col2im (`fold`), and the windows' geometry.

Shared by convolutions, pools, Unfold and Fold. Arrays are channels-last: (n, s1 … sd, c). A tap is
one element of a window, at the same offset in each window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from xptorch._core.backend import window_count
from xptorch._engine.op import op
from xptorch.ops._common import at_axis

Axes = tuple[int, ...]


Op = Callable[..., Any]
Block = tuple[Any, ...]  # an index: some images, and some positions along one of their axes


unfold = op(
    "unfold",
    lambda xp, a, *, kernel, stride, dilation: xp.unfold(a, kernel, stride, dilation),
    a=lambda xp, g, a_shape, kernel, stride, dilation: xp.fold(
        g, size=a_shape[1:-1], kernel=kernel, stride=stride, dilation=dilation
    ),
)


fold = op(
    "fold",
    lambda xp, a, *, size, kernel, stride, dilation: xp.fold(a, size, kernel, stride, dilation),
    a=lambda xp, g, kernel, stride, dilation: xp.unfold(
        g, kernel=kernel, stride=stride, dilation=dilation
    ),
)


@dataclass(frozen=True, eq=False)
class Geometry:
    """Size, stride, padding, … of a convolution's or pool's windows; negative padding crops.

    Compared by identity: the caller caches it for the next call with the same shapes.
    """

    size: Axes
    kernel: Axes
    stride: Axes
    padding: tuple[tuple[int, int], ...]
    dilation: Axes
    groups: int = 1

    @cached_property
    def padded(self) -> Axes:
        """The input size including padding."""
        return tuple([s + a + b for s, (a, b) in zip(self.size, self.padding, strict=True)])

    @cached_property
    def counts(self) -> Axes:
        """The number of windows along each axis: the output size."""
        axes = zip(self.padded, self.kernel, self.stride, self.dilation, strict=True)
        return tuple([window_count(*axis) for axis in axes])

    @cached_property
    def taps(self) -> tuple[tuple[Block, ...], ...]:
        """For each of the axes s…, the index of each tap's elements in padded (n, s…, c)."""
        return tuple([self._taps_along(axis) for axis in range(len(self.kernel))])

    def _taps_along(self, axis: int) -> tuple[Block, ...]:
        step, gap = self.stride[axis], self.dilation[axis]
        reach = (self.counts[axis] - 1) * step + 1
        starts = [tap * gap for tap in range(self.kernel[axis])]
        return tuple([at_axis(axis + 1, slice(start, start + reach, step)) for start in starts])

    def on_padding(self, axis: int, tap: int) -> int:
        """How many leading windows along an axis have that tap in the padding before the input."""
        reach = self.padding[axis][0] - tap * self.dilation[axis]
        return min(max(-(-reach // self.stride[axis]), 0), self.counts[axis])

    @cached_property
    def dense(self) -> bool:
        """Whether all strides are 1."""
        return set(self.stride) == {1}

    @cached_property
    def transposed(self) -> Geometry:
        """If all strides are 1: the geometry of the convolution that is this one's transpose."""
        reach = [d * (k - 1) for k, d in zip(self.kernel, self.dilation, strict=True)]
        padding = tuple([(r - a, r - b) for r, (a, b) in zip(reach, self.padding, strict=True)])
        return replace(self, size=self.counts, padding=padding)


def pad(xp: Any, x: Any, widths: tuple[tuple[int, int], ...], value: float = 0) -> Any:
    """An array padded with `value`; negative widths crop it."""
    if all(a == b == 0 for a, b in widths):
        return x
    if any(a < 0 or b < 0 for a, b in widths):
        cuts = zip(x.shape, widths, strict=True)
        x = x[tuple([slice(max(-a, 0), s - max(-b, 0)) for s, (a, b) in cuts])]
        widths = tuple([(max(a, 0), max(b, 0)) for a, b in widths])
        if all(a == b == 0 for a, b in widths):
            return x
    return xp.pad(x, widths, value)
