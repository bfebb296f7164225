"""Average pooling, and max-pooling of finite values (oneDNN ignores NaN, which PyTorch propagates).

oneDNN saves the position of each window's maximum, as bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from xptorch.backends.numpy.kernels import pooling
from xptorch.backends.numpy.onednn import library as dnn
from xptorch.backends.numpy.onednn.layout import channels_last

from xptorch._core.backend import FIRST, Array

Geometry = Any  # of xptorch/ops/layers/convolution.py

_PAYS_FROM = 1 << 12  # elements
_MAX, _MEAN = 0x1FF, 0x2FF  # dnnl_alg_kind_t


class _Maxima(Sequence[Array]):
    """What the generic function saves, computed lazily, and oneDNN's workspace bytes."""

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
    kind: int, how: Geometry, n: int, c: int, threads: int
) -> tuple[dnn.Primitive, dnn.Primitive, int] | None:
    """Forward, backward, and the workspace size in bytes; None where oneDNN does not support it."""
    axes = zip(how.padding, how.kernel, strict=True)
    if any(a < 0 or b < 0 or max(a, b) >= k for (a, b), k in axes) or math.prod(how.kernel) == 1:
        return None
    x, y = dnn.channels_last((n, c, *how.size)), dnn.channels_last((n, c, *how.counts))
    steps = how.stride, how.kernel, [d - 1 for d in how.dilation], *zip(*how.padding, strict=True)
    options = x, y, *[dnn.dims(v) for v in steps]
    forward = dnn.describe("pooling_forward", dnn.FORWARD, kind, *options)
    backward = dnn.describe("pooling_backward", kind, *options, forward)
    places = (dnn.WORKSPACE,) if kind == _MAX else ()
    return (
        dnn.Primitive(forward, (dnn.SRC, dnn.DST, *places)),
        dnn.Primitive(backward, (dnn.DIFF_DST, dnn.DIFF_SRC, *places)),
        dnn.size(dnn.argument(forward, dnn.WORKSPACE)) if places else 0,
    )


def _through(pool: dnn.Primitive, x: Array, size: tuple[int, ...], *places: Array) -> Array:
    """The result of a primitive for x (n, c, s…): (n, c, size…)."""
    y = np.empty((len(x), *size, x.shape[1]), np.float32)
    pool(channels_last(x), y, *places)
    return y.transpose(FIRST[x.ndim])


def max_pool(x: Array, *, how: Geometry, lowest: float) -> Any:
    if set(how.dilation) != {1} or not dnn.finite(x, _PAYS_FROM):
        return NotImplemented
    built = _built(_MAX, how, *x.shape[:2], dnn.threads(x.size))
    if built is None:
        return NotImplemented
    places = np.empty(built[2], np.uint8)
    return _through(built[0], x, how.counts, places), _Maxima(x, how, lowest, places)


def max_pool_backward(g: Array, x: Array, *, maxima: Any, how: Geometry, lowest: float) -> Any:
    if not isinstance(maxima, _Maxima) or not dnn.handles(True, g):
        return NotImplemented
    built = _built(_MAX, how, *x.shape[:2], dnn.threads(x.size))
    if built is None:
        return NotImplemented
    return _through(built[1], g, how.size, maxima.places)


def _mean(x: Array, how: Geometry, divide: Any) -> Any:
    """The primitives of average pooling for x (n, c, …), if oneDNN supports it and pays off."""
    size = len(x) * x.shape[1] * math.prod(how.size)
    plain = divide == math.prod(how.kernel) and set(how.dilation) == {1}
    if not plain or not dnn.handles(size >= _PAYS_FROM, x):
        return None
    return _built(_MEAN, how, *x.shape[:2], dnn.threads(size))


def avg_pool(x: Array, *, how: Geometry, divide: Any) -> Any:
    if (built := _mean(x, how, divide)) is None:
        return NotImplemented
    return _through(built[0], x, how.counts)


def avg_pool_backward(g: Array, *, how: Geometry, divide: Any) -> Any:
    if (built := _mean(g, how, divide)) is None:
        return NotImplemented
    return _through(built[1], g, how.size)
