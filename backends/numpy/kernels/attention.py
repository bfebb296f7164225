"""Attention: a few heads at a time, so that their scores stay in the cache between products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from xptorch.backends.numpy.blas import matmul
from xptorch.backends.numpy.kernels.blocking import for_row_blocks, scratch

from xptorch._core.backend import Array

_MAX_UNSHIFTED = 40.0  # exp of scores up to this magnitude needs no shift by the row maximum
_WORK = 12.0  # the forward's cost in passes over the scores, without its products


def _transposed(x: Array) -> Array:
    return x.swapaxes(-1, -2)


class _Heads:
    """The axis to parallelise over threads, the longest of the batch, and the sizes along it."""

    def __init__(self, q: Array, k: Array) -> None:
        self.batch = q.shape[:-2]
        self.axis = max(range(len(self.batch)), key=self.batch.__getitem__)
        self.count = self.batch[self.axis]
        self.scores = (*self.batch, q.shape[-2], k.shape[-2])
        self.width = math.prod(self.scores) // self.count
        self.depth = q.shape[-1]

    def first(self, *arrays: Any) -> list[Any]:
        """The arrays with that axis in front."""
        return [None if x is None else x.swapaxes(0, self.axis) for x in arrays]


def _handles(q: Array, k: Array, v: Array, *others: Any) -> bool:
    batch = q.shape[:-2]
    alike = all(x is None or x.dtype == q.dtype for x in (k, v, *others))
    numbers = math.prod(batch) * q.shape[-2] * k.shape[-2]
    return alike and bool(batch) and k.shape[:-2] == v.shape[:-2] == batch and numbers > 1 << 14


def _like(x: Array, *last: int) -> Array:
    """An empty array for the heads' results, in memory (n, l, heads, e): as heads are split."""
    if x.ndim != 4:
        return np.empty((*x.shape[:-2], *last), x.dtype)
    n, heads = x.shape[:2]
    return np.empty((n, last[0], heads, last[1]), x.dtype).swapaxes(1, 2)


def _only_hides(bias: Any) -> bool:
    """Whether the mask, shared by all heads, contains only 0 and −∞."""
    return bias is None or (bias.ndim == 2 and bool(((bias == 0) | (bias == -math.inf)).all()))


def attention_forward(q: Array, k: Array, v: Array, bias: Any, noise: Any, *, scale: float) -> Any:
    if not _handles(q, k, v, bias, noise) or (bias is not None and bias.ndim not in (2, q.ndim)):
        return NotImplemented
    heads = _Heads(q, k)
    y, p = _like(q, q.shape[-2], v.shape[-1]), np.empty(heads.scores, q.dtype)
    if bias is not None and bias.ndim > 2:
        bias = np.broadcast_to(bias, heads.scores).swapaxes(0, heads.axis)
    hides = _only_hides(bias)
    ones = np.ones((k.shape[-2], 1), q.dtype)
    qs, ks, vs, ys, ps, noises = heads.first(q, k, v, y, p, noise)

    def work(at: slice) -> None:
        queries, keys = qs[at] * scale, ks[at]
        e = matmul(queries, _transposed(keys), out=ps[at])
        if bias is not None:
            e += bias if bias.ndim == 2 else bias[at]
        # |q · k| is at most the product of the lengths.
        bound = np.vecdot(queries, queries).max() * np.vecdot(keys, keys).max()
        if not (hides and bound < _MAX_UNSHIFTED * _MAX_UNSHIFTED):
            m = e.max(axis=-1, keepdims=True)
            m[m == -math.inf] = 0
            e -= m
        np.exp(e, out=e)
        total = matmul(e, ones)
        if bias is not None:
            total[total == 0] = 1
        e /= total
        weights = e if noise is None else np.multiply(e, noises[at], out=scratch(e))
        matmul(weights, vs[at], out=ys[at])

    for_row_blocks(work, heads.count, heads.width, _WORK + heads.depth / 4)
    return y, p


def attention_vjp(
    g: Array,
    needs: Any,
    q: Array,
    k: Array,
    v: Array,
    noise: Any,
    aux: Array,
    scale: float,
) -> Any:
    if not _handles(q, k, v, g, noise) or needs[3]:
        return NotImplemented
    heads = _Heads(q, k)
    results = [
        _like(x, *x.shape[-2:]) if n else None for x, n in zip((q, k, v), needs, strict=False)
    ]
    gs, qs, ks, vs, ps, noises = heads.first(g, q, k, v, aux, noise)
    to_q, to_k, to_v = heads.first(*results)

    def work(at: slice) -> None:
        p, grad = ps[at], gs[at]
        d = scratch(p)
        if to_v is not None:
            weights = p if noise is None else np.multiply(p, noises[at], out=d)
            matmul(_transposed(weights), grad, out=to_v[at])
        matmul(grad, _transposed(vs[at]), out=d)
        if noise is not None:
            d *= noises[at]
        d -= np.vecdot(d, p)[..., None]
        d *= p
        if to_q is not None:
            out = matmul(d, ks[at], out=to_q[at])
            out *= scale
        if to_k is not None:
            out = matmul(_transposed(d), qs[at], out=to_k[at])
            out *= scale

    for_row_blocks(work, heads.count, heads.width, 6 + heads.depth / 2)
    return *results, None, None
