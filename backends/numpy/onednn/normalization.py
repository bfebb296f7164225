"""Batch norm of images channels last, and layer norm.

For backward the means and 1 / √(variance + ε) are saved, as by the generic functions: the latter is
passed to oneDNN as a variance to which nothing is to be added.
"""

from __future__ import annotations

import math
from ctypes import c_float
from typing import Any

import numpy as np
from xptorch.backends.numpy.onednn import library as dnn
from xptorch.backends.numpy.onednn.layout import channels_last

from xptorch._core.backend import FIRST, LAST, Array

_PAYS_FROM = 1 << 12  # elements
_MOST = 1 << 17  # elements per channel: it sums sequentially in float32, so more lose digits
_FIXED, _AFFINE = 1, 2 | 4  # dnnl_normalization_flags_t
_FORWARD = dnn.SRC, dnn.DST, dnn.MEAN, dnn.VARIANCE, dnn.SCALE, dnn.SHIFT
_BACKWARD = (
    *(dnn.DIFF_DST, dnn.SRC, dnn.DIFF_SRC, dnn.MEAN, dnn.VARIANCE),
    *(dnn.SCALE, dnn.DIFF_SCALE, dnn.DIFF_SHIFT),
)
_UNUSED = {"batch": (), "layer": (dnn.SHIFT,)}  # further arguments that backward requires


@dnn.kept
def _built(
    kind: str, shape: tuple[int, ...], fixed: bool, eps: float, threads: int
) -> tuple[dnn.Primitive, dnn.Primitive] | None:
    """A norm's forward and backward."""
    x = dnn.channels_last(shape) if kind == "batch" else dnn.dense(shape)
    stats = [dnn.dense(shape[:-1])] if kind == "layer" else []
    options = *stats, c_float(eps), _AFFINE | fixed
    name = f"{kind}_normalization"
    forward = dnn.describe(f"{name}_forward", dnn.FORWARD, x, x, *options)
    backward = dnn.describe(f"{name}_backward", dnn.BACKWARD, x, x, x, *options, forward)
    return dnn.Primitive(forward, _FORWARD), dnn.Primitive(backward, _BACKWARD + _UNUSED[kind])


def _forward(
    norm: Any, x: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None
) -> Array:
    y = np.empty(x.shape, np.float32)
    width = x.shape[-1]
    norm[0](x, y, mean, var, _vector(weight, width, 1), _vector(bias, width, 0))
    return y


def _backward(
    norm: Any, g: Array, x: Array, mean: Array, var: Array, weight: Array | None
) -> tuple[Array, Array, Array]:
    """The gradients of x, weight and bias."""
    to_x = np.empty(x.shape, np.float32)
    to_weight, to_bias = np.empty((2, x.shape[-1]), np.float32)
    v = _vector(weight, x.shape[-1], 1)
    unused = [v] * (len(norm[1].values) - len(_BACKWARD))
    norm[1](g, x, to_x, mean, var, v, to_weight, to_bias, *unused)
    return to_x, to_weight, to_bias


def _vector(v: Array | None, width: int, default: float) -> Array:
    return np.full(width, default, np.float32) if v is None else np.ascontiguousarray(v)


def _requested(needs: Any, *found: Array | None) -> tuple[Array | None, ...]:
    return tuple([x if need else None for x, need in zip(found, needs, strict=True)])


# ---- batch norm


def _batch(a: Array, *vectors: Array | None, fixed: bool = False, eps: float = 0.0) -> Any:
    """a (n, c, s…) as (n, s…, c) and its norm; None where oneDNN is not used."""
    if a.ndim not in LAST or not dnn.handles(a.size >= _PAYS_FROM, a, *vectors):
        return None
    x = a.transpose(LAST[a.ndim])
    if not x.flags.c_contiguous or x.size > _MOST * x.shape[-1]:
        return None
    norm = _built("batch", a.shape, fixed, eps, dnn.threads(a.size))
    return norm and (x, norm)


def batch_norm_forward(
    a: Array, weight: Array | None, bias: Array | None, *, eps: float, seen: list[Any]
) -> Any:
    if (found := _batch(a, weight, bias, eps=eps)) is None:
        return NotImplemented
    x, norm = found
    mean, var = np.empty((2, a.shape[1]), np.float32)
    y = _forward(norm, x, mean, var, weight, bias)
    seen += [mean, var]
    return y.transpose(FIRST[a.ndim]), (mean, 1 / np.sqrt(var + eps))


def batch_norm_vjp(
    g: Array, needs: Any, a: Array, weight: Array | None, aux: tuple[Array, Array]
) -> Any:
    if (found := _batch(a, g, weight, *aux)) is None:
        return NotImplemented
    x, norm = found
    to_a, *others = _backward(norm, channels_last(g), x, aux[0], aux[1] ** -2, weight)
    return _requested(needs, to_a.transpose(FIRST[a.ndim]), *others)


def fixed_norm_forward(
    a: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, *, eps: float
) -> Any:
    if (found := _batch(a, mean, var, weight, bias, fixed=True, eps=eps)) is None:
        return NotImplemented
    x, norm = found
    mean, var = map(np.ascontiguousarray, (mean, var))
    y = _forward(norm, x, mean, var, weight, bias)
    return y.transpose(FIRST[a.ndim])


def fixed_norm_vjp(
    g: Array, needs: Any, a: Array, mean: Array, var: Array, weight: Array | None, eps: float
) -> Any:
    if (found := _batch(a, g, mean, var, weight, fixed=True, eps=eps)) is None:
        return NotImplemented
    x, norm = found
    mean, var = map(np.ascontiguousarray, (mean, var))
    to_a, *others = _backward(norm, channels_last(g), x, mean, var, weight)
    return _requested(needs, to_a.transpose(FIRST[a.ndim]), None, None, *others)


# ---- layer norm


def _layer(a: Array, shape: tuple[int, ...], *others: Array | None, eps: float = 0.0) -> Any:
    """a as rows and their norm; None where oneDNN is not used."""
    if not dnn.handles(a.size >= _PAYS_FROM, a, *others):
        return None
    x = np.ascontiguousarray(a.reshape(-1, math.prod(shape)))
    norm = _built("layer", x.shape, False, eps, dnn.threads(x.size))
    return norm and (x, norm)


def layer_norm_forward(
    a: Array, weight: Array | None, bias: Array | None, *, shape: tuple[int, ...], eps: float
) -> Any:
    if (found := _layer(a, shape, weight, bias, eps=eps)) is None:
        return NotImplemented
    x, norm = found
    mean, var = np.empty((2, len(x)), np.float32)
    weight, bias = (None if v is None else v.reshape(-1) for v in (weight, bias))
    y = _forward(norm, x, mean, var, weight, bias)
    return y.reshape(a.shape), (mean, 1 / np.sqrt(var + eps))


def layer_norm_vjp(
    g: Array, needs: Any, a: Array, weight: Array | None, aux: Any, shape: tuple[int, ...]
) -> Any:
    if (found := _layer(a, shape, g, weight, *aux)) is None:
        return NotImplemented
    x, norm = found
    v = None if weight is None else weight.reshape(-1)
    grad = np.ascontiguousarray(g.reshape(x.shape))
    to_a, *others = _backward(norm, grad, x, aux[0], aux[1] ** -2, v)
    return _requested(needs, to_a.reshape(a.shape), *[y.reshape(shape) for y in others])
