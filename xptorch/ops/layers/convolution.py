"""Convolutions over any number of axes, as im2col (`unfold`) and a matrix product.

    convolve(x, w)         y  = unfold(x) · W     forward
    convolve_input(g, w)   dx = fold(g · Wᵀ)      input gradient; also the transposed convolution
    convolve_weight(x, g)  dW = unfold(x)ᵀ · g    weight gradient

Each is bilinear, and its two derivatives are the other two ops, so these three are a convolution's
whole backward, to any order. `fold` is the adjoint of `unfold` (col2im), W is w as a matrix,
and `how` is the windows' `Geometry` (window.py).

Internally arrays are channels-last (n, s1 … sd, c): the elements of a window are then adjacent in
memory, and the im2col matrix is filled by long copies. Results are returned as (n, c, s1 … sd)
views; where a library's elementwise functions preserve the memory order (NumPy's do), the next
convolution gets a channels-last array again.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from xptorch._core.backend import FIRST, LAST, window_slices
from xptorch._engine.graph import column_sums
from xptorch._engine.op import dispatchable, op, polymorphic
from xptorch.ops.layers.window import Block, Geometry, Op, pad

_FEW_CHANNELS = 4


@lru_cache(maxsize=1024)
def _blocks(how: Geometry, n: int, c: int, most: int) -> list[tuple[Block, Block]]:
    """Blocks of the work with at most `most` im2col elements, so that they fit the cache: for each
    its index in the padded input (n, s…, c) and its index in the output (n, counts…, o)."""
    first, *others = how.counts
    per_row = max(math.prod(others) * math.prod(how.kernel) * c, 1)
    rows = min(max(most // per_row, 1), first)
    images = max(most // (per_row * first), 1) if rows == first else 1
    stride, reach = how.stride[0], how.dilation[0] * (how.kernel[0] - 1) + 1
    parts = []
    for i in range(0, max(n, 1), images):
        some = slice(i, min(i + images, n))
        for r in range(0, first, rows):
            until = min(r + rows, first)
            end = how.padded[0] if until == first else (until - 1) * stride + reach
            source = slice(r * stride, end)
            parts.append(((some, source, ...), (some, slice(r, until), ...)))
    return parts


def _columns(xp: Any, x: Any, how: Geometry) -> Any:
    """im2col: the windows of padded x (n, s…, c) as rows of a matrix, or of one for each group."""
    c, g, d = x.shape[-1], how.groups, len(how.kernel)
    taps = math.prod(how.kernel)
    pointwise = taps == 1 and how.dense
    windows = x if pointwise else xp.unfold(x, how.kernel, how.stride, how.dilation)
    rows = math.prod(windows.shape[: d + 1])
    if g > 1:
        windows = xp.reshape(windows, (*windows.shape[:-1], g, c // g))
        axes = (windows.ndim - 2, *range(windows.ndim - 2), windows.ndim - 1)
        return xp.reshape(xp.permute_dims(windows, axes), (g, rows, taps * (c // g)))
    if c > _FEW_CHANNELS or pointwise:
        return xp.reshape(windows, (rows, taps * c))
    # With few channels the longest copies run over windows (one tap of all), not inside one.
    axes = (*range(d + 1, 2 * d + 2), *range(d + 1))
    return xp.matrix_transpose(xp.reshape(xp.permute_dims(windows, axes), (taps * c, rows)))


def _padded(xp: Any, x: Any, how: Geometry) -> Any:
    """x (n, c, s…) with its padding, as (n, s…, c)."""
    if x.shape[1] <= _FEW_CHANNELS:
        return xp.permute_dims(pad(xp, x, ((0, 0), (0, 0), *how.padding)), LAST[x.ndim])
    x = xp.permute_dims(x, LAST[x.ndim])
    widths = ((0, 0), *how.padding, (0, 0))
    if xp.strides(x)[-1] != 1 and math.prod(how.kernel) > 1:
        return xp.pad(pad(xp, x, widths), ((0, 0),) * x.ndim)  # makes channels contiguous
    return pad(xp, x, widths)


# ---- the three products, over arrays


@dispatchable
def _convolve(xp: Any, x: Any, w: Any, b: Any, *, how: Geometry) -> Any:
    """unfold(x) · W + b: x (n, c, s…), w (o, c / groups, k…), b (o) or None → (n, o, counts…)."""
    n, c, o = x.shape[0], x.shape[1], w.shape[0]
    x = _padded(xp, x, how)
    matrix = None if how.groups == c > 1 else _matrix(xp, w, how.groups)
    parts = []
    for where, _ in _blocks(how, n, c, xp.block):
        if matrix is None:
            y = _depthwise(xp, x[where], w, how)
        else:
            y = _join_groups(xp, xp.matmul(_columns(xp, x[where], how), matrix))
        parts.append(y if b is None else xp.iadd(y, b))
    y = parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)
    y = xp.reshape(y, (n, *how.counts, o))
    return xp.permute_dims(y, FIRST[y.ndim])


@dispatchable
def _convolve_input(xp: Any, g: Any, w: Any, b: Any, *, how: Geometry) -> Any:
    """fold(g · Wᵀ) + b: g (n, o, counts…), w (o, c / groups, k…), b (c) or None → (n, c, s…)."""
    # With stride 1 the transpose is itself a convolution, with flipped kernels.
    if how.dense and (w.shape[1] > 1 or w.shape[0] == how.groups or how.groups == 1):
        return _convolve(xp, g, _transposed_weight(xp, w, how.groups), b, how=how.transposed)
    c = w.shape[1] * how.groups
    g = xp.permute_dims(g, LAST[g.ndim])
    gradient = _depthwise_input_gradient if how.groups == c > 1 else _input_gradient
    x = gradient(xp, g, w, how)
    inverse = ((0, 0), *[(-a, -b) for a, b in how.padding], (0, 0))
    x = pad(xp, x, inverse)
    if b is not None:
        x = x + b
    return xp.permute_dims(x, FIRST[x.ndim])


def _input_gradient(xp: Any, g: Any, w: Any, how: Geometry) -> Any:
    """fold(g · Wᵀ) for g (n, counts…, o): the gradient of the padded input, (n, s…, c)."""
    n, c = g.shape[0], w.shape[1] * how.groups
    matrix = xp.matrix_transpose(_matrix(xp, w, how.groups))
    blocks = _blocks(how, n, c, xp.block)
    out = None
    for where, part in blocks:
        rows = xp.matmul(_group_rows(xp, g[part], how.groups), matrix)
        if how.groups > 1:
            rows = xp.reshape(rows, (*rows.shape[:2], math.prod(how.kernel), w.shape[1]))
            rows = xp.permute_dims(rows, (1, 2, 0, 3))
        windows = xp.reshape(rows, (*g[part].shape[:-1], *how.kernel, c))
        size = how.padded if len(blocks) == 1 else (where[1].stop - where[1].start, *how.padded[1:])
        piece = xp.fold(windows, size, how.kernel, how.stride, how.dilation)
        if len(blocks) == 1:
            return piece
        if out is None:
            out = xp.zeros((n, *how.padded, c), dtype=g.dtype, device=g.device)
        out = xp.add_to(out, where, piece)
    return out


@dispatchable
def _convolve_weight(xp: Any, x: Any, g: Any, *, how: Geometry) -> Any:
    """unfold(x)ᵀ · g: x (n, c, s…), g (n, o, counts…) → (o, c / groups, k…)."""
    n, o, c, d = x.shape[0], g.shape[1], x.shape[1] // how.groups, len(how.kernel)
    x = _padded(xp, x, how)
    g = xp.permute_dims(g, LAST[g.ndim])
    w = None
    for where, part in _blocks(how, n, x.shape[-1], xp.block):
        if c == 1 < how.groups:
            product = _depthwise_weight(xp, x[where], g[part], how)
        else:
            rows = _group_rows(xp, g[part], how.groups)
            product = xp.matmul(xp.matrix_transpose(_columns(xp, x[where], how)), rows)
        w = product if w is None else xp.iadd(w, product)
    if c == 1 < how.groups:
        w = xp.permute_dims(w, (d, d + 1, *range(d)))
    else:
        w = xp.reshape(w, (how.groups, *how.kernel, c, o // how.groups))
        w = xp.permute_dims(w, (0, d + 2, d + 1, *range(1, d + 1)))
    return xp.reshape(w, (o, c, *how.kernel))


def _sum_channels(xp: Any, g: Any) -> Any:
    """(n, o, …) → (o): a bias's gradient."""
    if xp.strides(g)[1] != 1:  # channels not contiguous: a product would need a copy
        return xp.sum(g, axis=(0, *range(2, g.ndim)))
    return column_sums(xp, _group_rows(xp, xp.permute_dims(g, LAST[g.ndim]), 1))


# ---- the ops and their VJPs: those of `convolve` are Conv2d's backward

convolve = op(
    "convolve",
    _convolve,
    x=lambda xp, g, w, how: convolve_input_(xp, g, w, None, how=how),
    w=lambda xp, g, x, how: convolve_weight_(xp, x, g, how=how),
    b=lambda xp, g: sum_channels_(xp, g),
)
convolve_input = op(
    "convolve_input",
    _convolve_input,
    g=lambda xp, u, w, how: convolve_(xp, u, w, None, how=how),
    w=lambda xp, u, g, how: convolve_weight_(xp, u, g, how=how),
    b=lambda xp, u: sum_channels_(xp, u),
)
convolve_weight = op(
    "convolve_weight",
    _convolve_weight,
    x=lambda xp, v, g, how: convolve_input_(xp, g, v, None, how=how),
    g=lambda xp, v, x, how: convolve_(xp, x, v, None, how=how),
)
sum_channels = op(
    "sum_channels",
    _sum_channels,
    g=lambda xp, v, g_shape: xp.broadcast_to(
        xp.reshape(v, shape=(1, -1) + (1,) * (len(g_shape) - 2)), shape=g_shape
    ),
)
# As VJPs call them: the bare forward over arrays, the recorded op over Tensors (create_graph).
convolve_: Op = polymorphic(convolve)
convolve_input_: Op = polymorphic(convolve_input)
convolve_weight_: Op = polymorphic(convolve_weight)
sum_channels_: Op = polymorphic(sum_channels)


# ---- weights and groups as matrices


def _matrix(xp: Any, w: Any, groups: int) -> Any:
    """w (o, c / groups, k…) as (k · c, o), or (groups, k · c / groups, o / groups)."""
    o, c, *kernel = w.shape
    if groups == 1:
        axes = (*range(2, w.ndim), 1, 0)
        return xp.reshape(xp.permute_dims(w, axes), (math.prod(kernel) * c, o))
    w = xp.reshape(w, (groups, o // groups, c, *kernel))
    w = xp.permute_dims(w, (0, *range(3, w.ndim), 2, 1))
    return xp.reshape(w, (groups, math.prod(kernel) * c, o // groups))


def _transposed_weight(xp: Any, w: Any, groups: int) -> Any:
    """The weight of the transposed convolution: kernels flipped, in and out channels swapped."""
    o, c, *kernel = w.shape
    w = xp.flip(w, axis=tuple(range(2, w.ndim))) if math.prod(kernel) > 1 else w
    w = xp.reshape(w, (groups, o // groups, c, *kernel))
    w = xp.permute_dims(w, (0, 2, 1, *range(3, w.ndim)))
    return xp.reshape(w, (groups * c, o // groups, *kernel))


def _group_rows(xp: Any, x: Any, groups: int) -> Any:
    """x (n, s…, c) as a matrix (n · s…, c), or as (groups, n · s…, c / groups)."""
    *lead, c = x.shape
    rows = math.prod(lead)
    if groups == 1:
        return xp.reshape(x, (rows, c))
    return xp.permute_dims(xp.reshape(x, (rows, groups, c // groups)), (1, 0, 2))


def _join_groups(xp: Any, rows: Any) -> Any:
    """The inverse of `_group_rows`: (groups, n · s…, o / groups) as (n · s…, o)."""
    if rows.ndim == 2:
        return rows
    g, n, c = rows.shape
    return xp.reshape(xp.permute_dims(rows, (1, 0, 2)), (n, g * c))


# ---- depthwise, one channel per group: a matrix product would be all overhead, so tap by tap


def _by_output(xp: Any, w: Any, how: Geometry) -> list[Any]:
    """w (c · m, 1, k…) as m weights (k…, c), one for each output of a channel."""
    c = how.groups
    w = xp.reshape(w, (c, w.shape[0] // c, *how.kernel))
    w = xp.permute_dims(w, (1, *range(2, w.ndim), 0))
    return [w[j, ...] for j in range(w.shape[0])]


def _depthwise(xp: Any, x: Any, w: Any, how: Geometry) -> Any:
    windows = xp.unfold(x, how.kernel, how.stride, how.dilation)
    each = [xp.window_dot(windows, part) for part in _by_output(xp, w, how)]
    y = each[0] if len(each) == 1 else xp.stack(each, axis=-1)
    return xp.reshape(y, (math.prod(windows.shape[: len(how.kernel) + 1]), w.shape[0]))


def _depthwise_input_gradient(xp: Any, g: Any, w: Any, how: Geometry) -> Any:
    n, c, d = g.shape[0], how.groups, len(how.kernel)
    g = xp.reshape(g, (*g.shape[:-1], c, g.shape[-1] // c))
    out = xp.zeros((n, *how.padded, c), dtype=g.dtype, device=g.device)
    keys = window_slices(how.padded, how.kernel, how.stride, how.dilation)
    for j, part in enumerate(_by_output(xp, w, how)):
        taps = xp.reshape(part, (len(keys), *(1,) * (d + 1), c))
        for i, key in enumerate(keys):
            out = xp.add_to(out, key, g[..., j] * taps[i, ...])
    return out


def _depthwise_weight(xp: Any, x: Any, g: Any, how: Geometry) -> Any:
    """The weight gradient (k…, c, m): windows of x times g, summed over the windows."""
    c, m = how.groups, g.shape[-1] // how.groups
    windows = xp.unfold(x, how.kernel, how.stride, how.dilation)
    g = xp.reshape(g, (*g.shape[:-1], c, m))
    return xp.stack([xp.window_dot_grad(windows, g[..., j]) for j in range(m)], axis=-1)
