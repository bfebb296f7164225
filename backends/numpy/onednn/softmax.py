"""softmax along the last axis, log_softmax's derivative, and cross-entropy over rows of classes.

oneDNN's log_softmax is less accurate than NumPy's; so cross-entropy takes the logarithm of the
softmax at its targets alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from xptorch.backends.numpy.kernels import softmax
from xptorch.backends.numpy.onednn import library as dnn

from xptorch._core.backend import Array

_PAYS_FROM = 1 << 13  # elements
_PASSES = 3  # about the cost of one of these functions, in simple passes over the elements
_SOFTMAX, _LOG_SOFTMAX = 0x30000, 0x30001  # dnnl_alg_kind_t
_LEAST = 1e-30  # with smaller probabilities digits are lost


@dnn.kept
def _softmax(
    kind: int, rows: int, width: int, threads: int
) -> tuple[dnn.Primitive, dnn.Primitive] | None:
    x = dnn.dense((rows, width))
    forward = dnn.describe("softmax_forward", dnn.FORWARD, kind, x, x, 1)
    backward = dnn.describe("softmax_backward", kind, x, x, x, 1, forward)
    return (
        dnn.Primitive(forward, (dnn.SRC, dnn.DST)),
        dnn.Primitive(backward, (dnn.DST, dnn.DIFF_DST, dnn.DIFF_SRC)),
    )


def _rows(kind: int, which: int, axis: int, *arrays: Array) -> Any:
    """The result of forward or backward for arrays of one shape, along their last axis."""
    x = arrays[0]
    if axis != x.ndim - 1 or not dnn.handles(x.size >= _PAYS_FROM, *arrays):
        return NotImplemented
    width = x.shape[-1]
    built = _softmax(kind, x.size // width, width, dnn.threads(x.size * _PASSES))
    if built is None:
        return NotImplemented
    y = np.empty(x.shape, x.dtype)
    built[which](*map(np.ascontiguousarray, arrays), y)
    return y


def softmax_forward(a: Array, *, axis: int) -> Any:
    # oneDNN ignores NaN and +∞ in a row.
    return _rows(_SOFTMAX, 0, axis, a) if dnn.finite(a, _PAYS_FROM) else NotImplemented


def softmax_backward(g: Array, y: Array, axis: int) -> Any:
    return _rows(_SOFTMAX, 1, axis, y, g)


def log_softmax_backward(g: Array, y: Array, axis: int) -> Any:
    return _rows(_LOG_SOFTMAX, 1, axis, y, g)


def cross_entropy_forward(
    a: Array, target: Array, weight: Any, *, ignore: int | None, reduction: str
) -> Any:
    if weight is not None or ignore is not None or a.ndim != 2:
        return NotImplemented
    shares = softmax_forward(a, axis=1)
    if shares is NotImplemented:
        return NotImplemented
    count, classes = a.shape
    at = np.arange(count) * classes + target
    picked = shares.reshape(-1)[at]
    if picked.min() < _LEAST:
        return NotImplemented
    losses = np.negative(np.log(picked, out=picked), out=picked)
    # As the generic function saves them: exponentials and their row sums.
    return softmax._reduced(losses, (shares, np.ones(count, np.float32), at, None), reduction)
