"""Linear layers: products on the threads that oneDNN's other kernels keep active."""

from __future__ import annotations

from typing import Any

import numpy as np
from xptorch.backends.numpy import openblas
from xptorch.backends.numpy.onednn import library as dnn
from xptorch.backends.numpy.onednn.layout import turned

from xptorch._core.backend import Array

_PAYS_FROM = 1 << 20  # multiplications
# A transposed weight is read across its rows, which takes up to three times as long. So either the
# result is transposed afterwards or, if it is not much smaller than the weight, the weight before.
# That pays off from _ROWS rows of input and, for the weight, from _FEATURES output features.
_ROWS, _FEATURES, _SMALLER = 16, 128, 8


def _handles(a: Array, weight: Array, *others: Array | None) -> bool:
    return dnn.handles(a.size * weight.shape[0] >= _PAYS_FROM, a, weight, *others)


def _multiply(a: Array, b: Array, out: Array, add: bool = False) -> None:
    lib: Any = dnn.library()
    lib.multiply(_dense(a), _dense(b), out, add)


def _dense(x: Array) -> Array:
    return x if x.flags.c_contiguous or x.flags.f_contiguous else np.ascontiguousarray(x)


def linear_forward(a: Array, weight: Array, bias: Array | None) -> Any:
    if not _handles(a, weight, bias):
        return NotImplemented
    n_out, n_in = weight.shape
    x = a.reshape(-1, n_in)
    y = np.empty((len(x), n_out), np.float32)
    if _ROWS <= len(x) <= n_in // _SMALLER:
        transposed = np.empty((n_out, len(x)), np.float32)
        _multiply(weight, x.T, transposed)
        np.add(transposed.T, 0 if bias is None else bias, out=y)
    else:
        if bias is not None:
            y[...] = bias
        copied = turned(weight, (1, 0)) if len(x) >= _ROWS and n_out >= _FEATURES else None
        _multiply(x, weight.T if copied is None else copied, y, bias is not None)
    return y.reshape(*a.shape[:-1], n_out)


def linear_vjp(g: Array, needs: Any, a: Array, weight: Array) -> Any:
    if not _handles(a, weight, g):
        return NotImplemented
    n_out, n_in = weight.shape
    g, x = _dense(g.reshape(-1, n_out)), a.reshape(-1, n_in)
    to_a = to_weight = to_bias = None
    if needs[0]:
        to_a = np.empty(a.shape, np.float32)
        _multiply(g, weight, to_a.reshape(x.shape))
    if needs[1]:
        to_weight = np.empty(weight.shape, np.float32)
        _multiply(g.T, x, to_weight)
    if needs[2]:
        with openblas.one_thread:
            to_bias = np.ones(len(g), np.float32) @ g
    return to_a, to_weight, to_bias
