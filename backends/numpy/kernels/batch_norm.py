"""Batch norm on NumPy: two passes over chunks that fit the cache, parallelised over threads.

The first pass computes each chunk's mean and the sum of squares about it, which are combined as in
Chan, Golub and LeVeque (1983): as exact as two passes over everything. Sums over a chunk are
products with a vector of ones, the fastest way to sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from xptorch.backends.numpy.kernels.layout import copy_last, tiling
from xptorch.backends.numpy.parallel import parallel_for, threads
from xptorch.backends.numpy.workspace import workspace

from xptorch._core.backend import FIRST, LAST

Array = Any

# Elements; with smaller chunks threads wait for each other between calls.
_CHUNK = 1 << 19
_SMALL = 1 << 16  # elements below which the generic code, with fewer calls, is faster
_FAR = 100  # |mean| in standard deviations above which x must be centred before it is summed


@dataclass(frozen=True)
class _Chunks:
    """An array's chunks: rows of channels (`tiled` times side by side), or (n, channels, …)."""

    channels: int
    tiled: int  # 0: channels are the second axis
    shape: tuple[int, ...]  # with chunks along the first axis
    step: int

    def within(self, start: int, stop: int) -> Iterator[tuple[int, slice]]:
        """The indices and slices of some chunks."""
        for i in range(start, stop):
            yield i, slice(i * self.step, min((i + 1) * self.step, self.shape[0]))

    @property
    def count(self) -> int:
        return -(-self.shape[0] // self.step)

    def sums(self, x: Array) -> Array:
        """The sum of each channel of a chunk."""
        if not self.tiled:
            n, c, length = x.shape
            rows = x.reshape(n * c, length) @ np.ones(length, x.dtype)
            return rows if n == 1 else rows.reshape(n, c).sum(0)
        columns = np.ones(len(x), x.dtype) @ x
        return columns if self.tiled == 1 else columns.reshape(self.tiled, self.channels).sum(0)

    def products(self, x: Array, y: Array) -> Array:
        """The sum of each channel of the product of two chunks."""
        if not self.tiled:
            return np.vecdot(x, y).sum(0)
        columns = np.einsum("ij,ij->j", x, y)
        return columns if self.tiled == 1 else columns.reshape(self.tiled, self.channels).sum(0)

    def spread(self, v: Array) -> Array:
        """One value per channel, shaped to broadcast over a chunk."""
        if not self.tiled:
            return v.reshape(self.channels, 1)
        return v if self.tiled == 1 else np.concatenate([v] * self.tiled)


def _chunks(a: Array) -> tuple[Array, _Chunks]:
    """a (n, c, …) in chunk layout, and the chunks; copied only if its memory has neither layout."""
    n, c = a.shape[:2]
    length = math.prod(a.shape[2:])
    if a.ndim > 2 and a.flags.c_contiguous and length > 1:
        shape: tuple[int, ...] = (n, c, length)
        return a.reshape(shape), _Chunks(c, 0, shape, _step(n, c * length))
    rows = n * length
    tiled = tiling(rows, c)
    shape = (rows // tiled, c * tiled)
    return _to_chunk_layout(a, shape), _Chunks(c, tiled, shape, _step(*shape))


def _step(rows: int, width: int) -> int:
    """The number of rows per chunk, so that there is at least one chunk for each thread."""
    most = min(_CHUNK, -(-rows * width // threads()))
    return max(most // width, 1)


def _to_chunk_layout(a: Array, shape: tuple[int, ...]) -> Array:
    """a (n, c, …) as an array of that shape: (n, c, length), or rows of channels."""
    if len(shape) == 3:
        return a.reshape(shape)
    last = a.transpose(LAST[a.ndim])
    if not last.flags.c_contiguous:
        rest, last = last, np.empty(last.shape, a.dtype)
        copy_last(last, rest)
    return last.reshape(shape)


def _from_chunk_layout(y: Array, shape: tuple[int, ...]) -> Array:
    """The inverse of `_to_chunk_layout`: y as (n, c, …)."""
    if y.ndim == 3 or len(shape) == 2:
        return y.reshape(shape)
    return y.reshape(shape[0], *shape[2:], shape[1]).transpose(FIRST[len(shape)])


def _scratch(how: _Chunks, dtype: Any) -> Array:
    shape = (how.step, *how.shape[1:])
    return workspace(("batch norm", shape, dtype), lambda: (np.empty(shape, dtype),))[0]


def _declined(a: Array, *vectors: Array | None) -> bool:
    if a.size < _SMALL or a.dtype.char not in "fd" or a.ndim not in FIRST:
        return True
    return any(v is not None and v.dtype != a.dtype for v in vectors)


def batch_norm_forward(
    a: Array, weight: Array | None, bias: Array | None, *, eps: float, seen: list[Any]
) -> Any:
    if _declined(a, weight, bias):
        return NotImplemented
    x, how = _chunks(a)
    sizes, means, squares = np.empty((3, how.count, how.channels))

    def measure(start: int, stop: int) -> None:
        centred = _scratch(how, x.dtype)
        for i, where in how.within(start, stop):
            part = x[where]
            n = part.size // how.channels
            mean = how.sums(part) / n
            rest = np.subtract(part, how.spread(mean), out=centred[: len(part)])
            sizes[i], means[i], squares[i] = n, mean, how.products(rest, rest)

    parallel_for(measure, how.count, 1.0 * a.size)
    n = a.size // how.channels
    mean = (sizes * means).sum(0) / n
    var = (squares + sizes * (means - mean) ** 2).sum(0) / n
    rstd = 1 / np.sqrt(var + eps)
    seen += [mean.astype(x.dtype), var.astype(x.dtype)]
    y = _affine(x, how, rstd if weight is None else rstd * weight, mean, bias)
    return _from_chunk_layout(y, a.shape), (seen[0], rstd.astype(x.dtype))


def _affine(x: Array, how: _Chunks, scale: Array, mean: Array, bias: Array | None) -> Array:
    """(x − mean) · scale + bias of each channel, from vectors in float64."""
    shift = -mean * scale if bias is None else bias - mean * scale
    return _combined(how, [(x, scale)], shift)


def _combined(how: _Chunks, terms: list[tuple[Array, Array]], shift: Array | None) -> Array:
    """The sum of arrays, each scaled per channel, plus an optional shift per channel."""
    first = terms[0][0]
    y = np.empty(first.shape, first.dtype)
    terms = [(x, how.spread(v.astype(x.dtype))) for x, v in terms]
    constant = None if shift is None else how.spread(shift.astype(first.dtype))

    def apply(start: int, stop: int) -> None:
        for _, where in how.within(start, stop):
            out = y[where]
            for i, (x, v) in enumerate(terms):
                if i == 0:
                    np.multiply(x[where], v, out=out)
                else:
                    space = _scratch(how, x.dtype)[: len(out)]
                    out += np.multiply(x[where], v, out=space)
            if constant is not None:
                out += constant

    parallel_for(apply, how.count, 0.7 * len(terms) * y.size)
    return y


def batch_norm_vjp(
    g: Array, needs: Any, a: Array, weight: Array | None, aux: tuple[Array, Array]
) -> Any:
    if _declined(a, g, weight, aux[0]):
        return NotImplemented
    mean, rstd = (v.astype(np.float64) for v in aux)
    if np.max(np.abs(mean) * rstd) > _FAR:
        return NotImplemented
    x, how = _chunks(a)
    g = _to_chunk_layout(g, how.shape)
    to_bias, product = _grad_sums(g, x, how, mean, rstd)
    to_a = None
    if needs[0]:
        n = a.size // how.channels
        scale = rstd if weight is None else rstd * weight
        slope = scale * rstd * product / -n
        shift = scale * to_bias / -n - mean * slope
        to_a = _from_chunk_layout(_combined(how, [(g, scale), (x, slope)], shift), a.shape)
    to_weight = product.astype(x.dtype) if needs[1] else None
    return to_a, to_weight, to_bias.astype(x.dtype) if needs[2] else None


def _grad_sums(g: Array, x: Array, how: _Chunks, mean: Array, rstd: Array) -> tuple[Array, Array]:
    """The sums per channel of g and of g times the normalised x, in float64."""
    sums, products = np.empty((2, how.count, how.channels))

    def measure(start: int, stop: int) -> None:
        for i, where in how.within(start, stop):
            sums[i], products[i] = how.sums(g[where]), how.products(g[where], x[where])

    parallel_for(measure, how.count, 0.8 * x.size)
    total = sums.sum(0)
    return total, (products.sum(0) - mean * total) * rstd


def fixed_norm_forward(
    a: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, *, eps: float
) -> Any:
    if _declined(a, mean, var, weight, bias):
        return NotImplemented
    x, how = _chunks(a)
    scale = 1 / np.sqrt(var.astype(np.float64) + eps)
    y = _affine(x, how, scale if weight is None else scale * weight, mean, bias)
    return _from_chunk_layout(y, a.shape)


def fixed_norm_vjp(
    g: Array, needs: Any, a: Array, mean: Array, var: Array, weight: Array | None, eps: float
) -> Any:
    if _declined(a, g, mean, var, weight):
        return NotImplemented
    rstd = 1 / np.sqrt(var.astype(np.float64) + eps)
    if np.max(np.abs(mean) * rstd) > _FAR:
        return NotImplemented
    x, how = _chunks(a)
    g = _to_chunk_layout(g, how.shape)
    to_a = to_weight = to_bias = None
    if needs[0]:
        scale = rstd if weight is None else rstd * weight
        to_a = _from_chunk_layout(_combined(how, [(g, scale)], None), a.shape)
    if needs[3] or needs[4]:
        bias, product = (v.astype(x.dtype) for v in _grad_sums(g, x, how, mean, rstd))
        to_weight, to_bias = product if needs[3] else None, bias if needs[4] else None
    return to_a, None, None, to_weight, to_bias
