"""GELU, SiLU, sigmoid and tanh.

oneDNN's derivatives of GELU and SiLU take the input, so that is what forward saves.
"""

from __future__ import annotations

from ctypes import c_float
from typing import Any, NamedTuple

import numpy as np
from xptorch.backends.numpy.kernels.blocking import as_vectors
from xptorch.backends.numpy.onednn import library as dnn

from xptorch._core.backend import Array

_PAYS_FROM = 1 << 13  # elements
_PASSES = 3  # about the cost of one of these functions, in simple passes over the elements
# dnnl_alg_kind_t
_LOGISTIC, _GELU_TANH, _SWISH, _GELU_ERF = 0x29, 0x2B, 0x2C, 0x31
_TANH_OF_RESULT, _LOGISTIC_OF_RESULT = 0x101, 0x104


class _Input(NamedTuple):
    """What oneDNN's forward saves."""

    a: Array


@dnn.kept
def _eltwise(kind: int, size: int, threads: int) -> tuple[dnn.Primitive, dnn.Primitive]:
    """A function's forward and backward; the latter may take the result instead of the input."""
    x, options = dnn.dense((size,)), (c_float(1), c_float(0))
    forward = dnn.describe("eltwise_forward", dnn.FORWARD, kind, x, x, *options)
    backward = dnn.describe("eltwise_backward", kind, x, x, x, *options, forward)
    kept = dnn.SRC if kind < _TANH_OF_RESULT else dnn.DST
    return (
        dnn.Primitive(forward, (dnn.SRC, dnn.DST)),
        dnn.Primitive(backward, (kept, dnn.DIFF_DST, dnn.DIFF_SRC)),
    )


def _forward(kind: int, a: Array) -> Any:
    if not dnn.handles(a.size >= _PAYS_FROM, a):
        return NotImplemented
    built = _eltwise(kind, a.size, dnn.threads(a.size * _PASSES))
    if built is None:
        return NotImplemented
    y = np.empty_like(a)
    out, x = as_vectors(y, a)
    built[0](x, out)
    return y


def _kept(y: Any, a: Array) -> Any:
    return y if y is NotImplemented else (y, _Input(a))


def _backward(kind: int, g: Array, kept: Array) -> Any:
    built = _eltwise(kind, kept.size, dnn.threads(kept.size * _PASSES))
    if built is None:
        return NotImplemented
    to_a = np.empty_like(kept)
    out, x, grad = as_vectors(to_a, kept, g)
    built[1](x, grad, out)
    return to_a


def gelu_forward(a: Array) -> Any:
    return _kept(_forward(_GELU_ERF, a), a)


def gelu_vjp(g: Array, needs: Any, a: Array, aux: Any) -> Any:
    return (_backward(_GELU_ERF, g, a),) if isinstance(aux, _Input) else NotImplemented


def gelu_tanh_forward(a: Array) -> Any:
    return _kept(_forward(_GELU_TANH, a), a)


def gelu_tanh_vjp(g: Array, needs: Any, a: Array, aux: Any) -> Any:
    return (_backward(_GELU_TANH, g, a),) if isinstance(aux, _Input) else NotImplemented


def silu_forward(a: Array) -> Any:
    return _kept(_forward(_SWISH, a), a)


def silu_vjp(g: Array, needs: Any, y: Array, aux: Any) -> Any:
    return (_backward(_SWISH, g, aux.a),) if isinstance(aux, _Input) else NotImplemented


def sigmoid_forward(a: Array) -> Any:
    return _forward(_LOGISTIC, a)


def sigmoid_backward(g: Array, y: Array) -> Any:
    handled = dnn.handles(y.size >= _PAYS_FROM, y, g)
    return _backward(_LOGISTIC_OF_RESULT, g, y) if handled else NotImplemented


def tanh_backward(g: Array, y: Array) -> Any:
    handled = dnn.handles(y.size >= _PAYS_FROM, y, g)
    return _backward(_TANH_OF_RESULT, g, y) if handled else NotImplemented
