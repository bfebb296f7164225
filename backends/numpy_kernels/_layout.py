"""Channels last: the order of memory that the kernels of images work in.

Arrays are (n, c, s1 … sd) to the outside. Inside they are (n, s1 … sd, c): the elements of a window
lie together, and a channel's number applies along rows. Results are views of such memory; NumPy's
elementwise functions keep it, so that from layer to layer nothing is moved.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = Any

LAST = {2: (0, 1), 3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}
FIRST = {2: (0, 1), 3: (0, 2, 1), 4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}


def copy_last(to: Array, x: Array) -> None:
    """Copy between arrays (n, s…, c), where channels lie together in `to` but perhaps not in x."""
    if x.strides[-1] == x.itemsize or x.shape[-1] == 1:
        to[...] = x
        return
    # Assignment would read x along the channels, each in another page, and often in the same set
    # of the cache. A ufunc goes through axes that its operands want otherwise in the order given:
    # along the last s, then the channels.
    axes = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    np.positive(x.transpose(axes), out=to.transpose(axes))


def channels_last(x: Array) -> Array:
    """x (n, c, s…) as (n, s…, c) in one piece: a view where it lies so already."""
    x = x.transpose(LAST[x.ndim])
    if x.flags.c_contiguous:
        return x
    out = np.empty(x.shape, x.dtype)
    copy_last(out, x)
    return out


def repeated(x: Array, v: Array) -> tuple[Array, Array]:
    """A matrix and a vector for its rows, both wider where rows are short: loops run along rows."""
    rows, width = x.shape
    if rows * width < 16384 or width > 512:
        return x, v
    count = math.gcd(rows, 1 << (10 - width.bit_length()))
    return x.reshape(rows // count, width * count), np.concatenate([v] * count)
