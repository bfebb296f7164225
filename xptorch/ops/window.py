"""Convolutions over any number of axes, on one core: windows of the input times a matrix.

    convolve(x, w)         y  = windows(x) · W
    convolve_input(g, w)   dx = fold(g · Wᵀ), which is also the transposed convolution
    convolve_weight(x, g)  dW = windows(x)ᵀ · g

Each is linear in both its arguments and each one's derivatives are the other two, so these three
are all of a convolution's backward, to any order. Inside, arrays have their channels last
(n, s1 … sd, c): there a window's rows, and with them the rows of the matrix, are contiguous. The
results are views as (n, c, s1 … sd); where a library's elementwise functions keep the order of
memory (NumPy's do), the next convolution finds its channels last again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from xptorch import _engine
from xptorch._backend import window_count, window_slices
from xptorch._engine import op

Axes = tuple[int, ...]
Widths = tuple[tuple[int, int], ...]

_LAST = {3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}  # of channels-first axes
_FIRST = {3: (0, 2, 1), 4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}  # of channels-last axes
_FEW_CHANNELS = 4
_BLOCK = 1 << 19  # elements of a block of columns: what a processor's cache holds


def either(call: Callable[..., Any]) -> Callable[..., Any]:
    """An op as VJPs call it: its bare forward over arrays, recorded over Tensors."""
    forward = call.op.forward  # type: ignore[attr-defined]

    def function(xp: Any, *inputs: Any, **static: Any) -> Any:
        if xp is _engine.setup.namespace:
            return call(*inputs, **static)
        return forward(xp, *inputs, **static)

    return function


# ---- windows as an op of their own

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


# ---- the three products


class Geometry(NamedTuple):
    """How the windows of a convolution lie over its input; padding below 0 cuts off."""

    size: Axes
    kernel: Axes
    stride: Axes
    padding: Widths
    dilation: Axes
    groups: int

    @property
    def padded(self) -> Axes:
        return tuple(s + a + b for s, (a, b) in zip(self.size, self.padding, strict=True))

    @property
    def counts(self) -> Axes:
        """How many windows there are along each axis."""
        each = zip(self.padded, self.kernel, self.stride, self.dilation, strict=True)
        return tuple(window_count(*axis) for axis in each)

    @property
    def transposed(self) -> Geometry:
        """The convolution that is this one's transpose: its own where every stride is 1."""
        reach = [d * (k - 1) for k, d in zip(self.kernel, self.dilation, strict=True)]
        padding = tuple((r - a, r - b) for r, (a, b) in zip(reach, self.padding, strict=True))
        return self._replace(size=self.counts, padding=padding)


def _convolve(xp: Any, x: Any, w: Any, b: Any, *, how: Geometry) -> Any:
    """x (n, c, s…), w (o, c / groups, k…), b (o) or None → (n, o, counts…)."""
    o = w.shape[0]
    if _is_depthwise(w, how):
        y = _depthwise(xp, _padded(xp, x, how), w, how)
    else:
        matrix = _weight_matrix(xp, w, how.groups)
        rows = [_ungrouped(xp, c @ matrix, o) for c in _columns(xp, x, how)]
        y = rows[0] if len(rows) == 1 else xp.concat(rows, axis=0)
    if b is not None:
        y = y + b
    y = xp.reshape(y, (x.shape[0], *how.counts, o))
    return xp.permute_dims(y, _FIRST[y.ndim])


def _convolve_input(xp: Any, g: Any, w: Any, b: Any, *, how: Geometry) -> Any:
    """g (n, o, counts…), w (o, c / groups, k…), b (c) or None → (n, c, s…)."""
    if not _is_depthwise(w, how) and all(s == 1 for s in how.stride):
        return _convolve(xp, g, _turned(xp, w, how.groups), b, how=how.transposed)
    x = _input_by_fold(xp, xp.permute_dims(g, _LAST[g.ndim]), w, how)
    if b is not None:
        x = x + b
    return xp.permute_dims(x, _FIRST[x.ndim])


def _convolve_weight(xp: Any, x: Any, g: Any, *, how: Geometry) -> Any:
    """x (n, c, s…), g (n, o, counts…) → (o, c / groups, k…)."""
    o, c = g.shape[1], x.shape[1] // how.groups
    if c == 1 and how.groups > 1:
        return _depthwise_weight(xp, _padded(xp, x, how), g, how)
    blocks = _columns(xp, x, how)
    per = -(-x.shape[0] // max(len(blocks), 1))
    g = xp.permute_dims(g, _LAST[g.ndim])
    parts = (
        xp.matrix_transpose(columns) @ _grouped(xp, xp.reshape(part, (-1, o)), how.groups)
        for columns, part in zip(blocks, _split(g, per), strict=True)
    )
    total = next(parts)
    for part in parts:
        total += part
    w = xp.reshape(total, (how.groups, *how.kernel, c, o // how.groups))
    d = len(how.kernel)
    w = xp.permute_dims(w, (0, d + 2, d + 1, *range(1, d + 1)))
    return xp.reshape(w, (o, c, *how.kernel))
