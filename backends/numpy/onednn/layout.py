"""Arrays in another order of memory, by oneDNN where they are large."""

from __future__ import annotations

import numpy as np
from xptorch.backends.numpy.kernels import layout
from xptorch.backends.numpy.onednn import library as dnn

from xptorch._core.backend import LAST, Array

_PAYS_FROM = 1 << 14  # numbers


@dnn.kept
def _turn(shape: tuple[int, ...], axes: tuple[int, ...], threads: int) -> dnn.Primitive | None:
    plain, turned = dnn.dense(shape), dnn.dense(shape, axes)
    return dnn.reorder(plain.value, turned.value)


def turned(x: Array, axes: tuple[int, ...]) -> Array | None:
    """x with its axes in that order, laid out anew; None where oneDNN is not for it."""
    if not x.flags.c_contiguous:
        return None
    turn = _turn(x.shape, axes, dnn.threads(x.size))
    if turn is None:
        return None
    y = np.empty([x.shape[axis] for axis in axes], np.float32)
    turn(x, y)
    return y


def channels_last(x: Array) -> Array:
    """x (n, c, s…) as (n, s…, c) in one piece: a view where it lies so already."""
    seen = x.transpose(LAST[x.ndim])
    if seen.flags.c_contiguous:
        return seen
    y = turned(x, LAST[x.ndim]) if x.size >= _PAYS_FROM else None
    return layout.channels_last(x) if y is None else y
