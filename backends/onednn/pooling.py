"""Max-pooling of finite numbers: oneDNN passes over NaN, where PyTorch gives it.

Of each window oneDNN keeps in bytes where its maximum was met.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from xptorch.backends.numpy_kernels import pooling
from xptorch.backends.onednn import _library as dnn
from xptorch.backends.onednn._layout import channels_last

from xptorch._backend import FIRST, Array

Geometry = Any  # of xptorch/ops/window.py

_PAYS_FROM = 1 << 12  # numbers
_MAX = 0x1FF  # dnnl_alg_kind_t


class _Maxima(Sequence[Array]):
    """What the generic function saves, made where it is asked for, and oneDNN's bytes."""

    def __init__(self, x: Array, how: Geometry, lowest: float, places: Array) -> None:
        self.args, self.places = (x, how, lowest), places

    @cached_property
    def arrays(self) -> list[Array]:
        x, how, lowest = self.args
        return pooling.max_pool(x, how=how, lowest=lowest)[1]

    def __getitem__(self, index: Any) -> Any:
        return self.arrays[index]

    def __len__(self) -> int:
        return len(self.arrays)


@dnn.kept
def _built(
    how: Geometry, n: int, c: int, threads: int
) -> tuple[dnn.Primitive, dnn.Primitive, int] | None:
    """Forward, backward, and how many bytes to keep; None where oneDNN cannot do it."""
    axes = zip(how.padding, how.kernel, strict=True)
    if any(a < 0 or b < 0 or max(a, b) >= k for (a, b), k in axes) or math.prod(how.kernel) == 1:
        return None
    x, y = dnn.channels_last((n, c, *how.size)), dnn.channels_last((n, c, *how.counts))
    places = how.stride, how.kernel, [d - 1 for d in how.dilation], *zip(*how.padding, strict=True)
    options = x, y, *[dnn.dims(v) for v in places]
    forward = dnn.describe("pooling_forward", dnn.FORWARD, _MAX, *options)
    backward = dnn.describe("pooling_backward", _MAX, *options, forward)
    return (
        dnn.Primitive(forward, (dnn.SRC, dnn.DST, dnn.WORKSPACE)),
        dnn.Primitive(backward, (dnn.DIFF_SRC, dnn.DIFF_DST, dnn.WORKSPACE)),
        dnn.size(dnn.argument(forward, dnn.WORKSPACE)),
    )


def max_pool(x: Array, *, how: Geometry, lowest: float) -> Any:
    if set(how.dilation) != {1} or not dnn.finite(x, _PAYS_FROM):
        return NotImplemented
    built = _built(how, *x.shape[:2], dnn.threads(x.size))
    if built is None:
        return NotImplemented
    y, places = np.empty((len(x), *how.counts, x.shape[1]), x.dtype), np.empty(built[2], np.uint8)
    built[0](channels_last(x), y, places)
    return y.transpose(FIRST[x.ndim]), _Maxima(x, how, lowest, places)


def spread_max(g: Array, x: Array, *, maxima: Any, how: Geometry, lowest: float) -> Any:
    if not isinstance(maxima, _Maxima) or not dnn.handles(True, g):
        return NotImplemented
    built = _built(how, *x.shape[:2], dnn.threads(x.size))
    if built is None:
        return NotImplemented
    out = np.empty((len(x), *how.size, x.shape[1]), x.dtype)
    built[1](out, channels_last(g), maxima.places)
    return out.transpose(FIRST[x.ndim])
