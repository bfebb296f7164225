"""Channels last, by oneDNN where arrays are large."""

from __future__ import annotations

import numpy as np
from xptorch.backends.numpy_kernels import _layout
from xptorch.backends.onednn import _library as dnn

from xptorch._backend import LAST, Array

_PAYS_FROM = 1 << 14  # numbers


@dnn.kept
def _turned(shape: tuple[int, ...], threads: int) -> dnn.Primitive | None:
    plain, turned = dnn.dense(shape), dnn.channels_last(shape)
    return dnn.reorder(plain.value, turned.value)


def channels_last(x: Array) -> Array:
    """x (n, c, s…) as (n, s…, c) in one piece: a view where it lies so already."""
    seen = x.transpose(LAST[x.ndim])
    if seen.flags.c_contiguous:
        return seen
    if x.size >= _PAYS_FROM and x.flags.c_contiguous:
        turned = _turned(x.shape, dnn.threads(x.size))
        if turned is not None:
            y = np.empty(seen.shape, np.float32)
            turned(x, y)
            return y
    return _layout.channels_last(x)
