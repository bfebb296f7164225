"""Copies of arrays in another memory layout, by oneDNN where they are large."""

from __future__ import annotations

import numpy as np
from xptorch.backends.numpy.kernels import layout
from xptorch.backends.numpy.onednn import library as dnn

from xptorch._core.backend import LAST, Array

_PAYS_FROM = 1 << 14  # elements


@dnn.kept
def _permute(shape: tuple[int, ...], axes: tuple[int, ...], threads: int) -> dnn.Primitive | None:
    plain, turned = dnn.dense(shape), dnn.dense(shape, axes)
    return dnn.reorder(plain.value, turned.value)


def turned(x: Array, axes: tuple[int, ...]) -> Array | None:
    """x with its axes permuted, as a contiguous copy; None where oneDNN does not support it."""
    if not x.flags.c_contiguous:
        return None
    permute = _permute(x.shape, axes, dnn.threads(x.size))
    if permute is None:
        return None
    y = np.empty([x.shape[axis] for axis in axes], np.float32)
    permute(x, y)
    return y


def channels_last(x: Array) -> Array:
    """x (n, c, s…) as contiguous (n, s…, c): a view where it is stored so already."""
    view = x.transpose(LAST[x.ndim])
    if view.flags.c_contiguous:
        return view
    y = turned(x, LAST[x.ndim]) if x.size >= _PAYS_FROM else None
    return layout.channels_last(x) if y is None else y
