"""Convolution: images channels last, weights copied to oneDNN's own memory format."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from xptorch.backends.numpy.onednn import library as dnn
from xptorch.backends.numpy.onednn.layout import channels_last

from xptorch._core.backend import FIRST, Array

Geometry = Any  # of xptorch/ops/layers/convolution.py

_DIRECT = 1  # dnnl_alg_kind_t
_PAYS_FROM = 100_000  # multiplications


class _Product:
    """One of a convolution's three products, and the reorder of its weights."""

    def __init__(self, kind: str, how: Geometry, n: int, c: int, o: int, biased: bool) -> None:
        g = how.groups
        shape = (*([g] if g > 1 else []), o // g, c // g, *how.kernel)
        x, y = dnn.channels_last((n, c, *how.size)), dnn.channels_last((n, o, *how.counts))
        w, b = dnn.free(shape), dnn.dense((o,)) if biased else None
        before, after = zip(*how.padding, strict=True)
        steps = [how.stride, [d - 1 for d in how.dilation], before, after]
        places = [dnn.dims(s) for s in steps]
        forward = dnn.describe("convolution_forward", dnn.FORWARD, _DIRECT, x, w, b, y, *places)
        plain = dnn.dense(shape)
        if kind == "forward":
            arguments = [dnn.SRC, dnn.WEIGHTS, dnn.DST, *([dnn.BIAS] if biased else [])]
            described = forward
        elif kind == "input":
            described = dnn.describe(
                "convolution_backward_data", _DIRECT, x, w, y, *places, forward
            )
            arguments = [dnn.DIFF_SRC, dnn.WEIGHTS, dnn.DIFF_DST]
        else:
            described = dnn.describe(
                "convolution_backward_weights", _DIRECT, x, w, None, y, *places, forward
            )
            arguments = [dnn.SRC, dnn.DIFF_WEIGHTS, dnn.DIFF_DST]
        self.run = dnn.Primitive(described, arguments)
        packed = dnn.argument(described, arguments[1])
        self.bytes = dnn.size(packed)
        ends = (packed, plain.value) if kind == "weight" else (plain.value, packed)
        self.copy = dnn.reorder(*ends)

    def packed(self) -> Array:
        """An empty buffer for weights in oneDNN's format."""
        return np.empty(self.bytes, np.uint8)


@dnn.kept
def _product(
    kind: str, how: Geometry, n: int, c: int, o: int, biased: bool, threads: int
) -> _Product | None:
    return _Product(kind, how, n, c, o, biased)


def _found(
    kind: str, how: Geometry, x: Array, c: int, o: int, *others: Array | None
) -> _Product | None:
    """The product, if oneDNN is available, pays off and supports it; else None."""
    n = x.shape[0]
    work = n * math.prod(how.counts) * math.prod(how.kernel) * (c * o // how.groups)
    if not dnn.handles(work >= _PAYS_FROM, x, *others) or min(map(min, how.padding)) < 0:
        return None
    biased = kind == "forward" and others[-1] is not None
    return _product(kind, how, n, c, o, biased, dnn.threads(work // dnn.PRODUCT))


def convolve(x: Array, w: Array, b: Array | None, *, how: Geometry) -> Any:
    product = _found("forward", how, x, x.shape[1], w.shape[0], w, b)
    if product is None:
        return NotImplemented
    packed = product.packed()
    product.copy(np.ascontiguousarray(w), packed)
    y = np.empty((x.shape[0], *how.counts, w.shape[0]), np.float32)
    bias = () if b is None else (np.ascontiguousarray(b),)
    product.run(channels_last(x), packed, y, *bias)
    return y.transpose(FIRST[x.ndim])


def convolve_input(g: Array, w: Array, b: Array | None, *, how: Geometry) -> Any:
    c = w.shape[1] * how.groups
    product = _found("input", how, g, c, w.shape[0], w, b)
    if product is None:
        return NotImplemented
    packed = product.packed()
    product.copy(np.ascontiguousarray(w), packed)
    x = np.empty((g.shape[0], *how.size, c), np.float32)
    product.run(x, packed, channels_last(g))
    return (x if b is None else x + b).transpose(FIRST[g.ndim])


def convolve_weight(x: Array, g: Array, *, how: Geometry) -> Any:
    c, o = x.shape[1], g.shape[1]
    product = _found("weight", how, x, c, o, g)
    if product is None:
        return NotImplemented
    packed = product.packed()
    product.run(channels_last(x), packed, channels_last(g))
    w = np.empty((o, c // how.groups, *how.kernel), np.float32)
    product.copy(packed, w)
    return w
