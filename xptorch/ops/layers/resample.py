"""Resampling along an axis: each output element is a weighted sum of a few input elements.

Interpolation, uneven average pooling and padding by reflection are such linear maps. The transpose
of one is another, so one op covers them all, and is its own derivative with the transposed map.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from xptorch._engine.op import op, polymorphic
from xptorch.ops.layers.window import Op

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


class Taps(NamedTuple):
    """``y[o] = Σ_t weight[t][o] · x[source[t][o]]``; without weights, all are 1."""

    size: int
    source: tuple[tuple[int, ...], ...]
    weight: tuple[tuple[float, ...], ...] | None = None


@lru_cache(maxsize=256)
def transposed(taps: Taps) -> Taps:
    """The map whose matrix is the transpose."""
    readers: list[list[tuple[int, float]]] = [[] for _ in range(taps.size)]
    for t, row in enumerate(taps.source):
        for o, i in enumerate(row):
            w = 1.0 if taps.weight is None else taps.weight[t][o]
            if w:
                readers[i].append((o, w))
    most = max(map(len, readers), default=0)
    size = len(taps.source[0])
    even = taps.weight is None and all(len(r) == most for r in readers)
    for r in readers:
        r += [(r[-1][0] if r else 0, 0.0)] * (most - len(r))
    source = tuple(tuple(r[t][0] for r in readers) for t in range(most))
    weight = tuple(tuple(r[t][1] for r in readers) for t in range(most))
    return Taps(size, source, None if even else weight)


def _resample(xp: Any, x: Any, *, axis: int, taps: Taps) -> Any:
    if x.shape[axis] == 0 or not taps.source:
        shape = (*x.shape[:axis], len(taps.source[0]) if taps.source else 0, *x.shape[axis + 1 :])
        return xp.zeros(shape, dtype=x.dtype, device=x.device)
    total = None
    for t, row in enumerate(taps.source):
        part = xp.take(x, xp.asarray(row, dtype=xp.int64, device=x.device), axis=axis)
        if taps.weight is not None:
            weight = xp.asarray(taps.weight[t], dtype=x.dtype, device=x.device)
            part = part * xp.reshape(weight, (-1,) + (1,) * (x.ndim - axis - 1))
        total = part if total is None else xp.iadd(total, part)
    return total


_op = op(
    "resample",
    _resample,
    x=lambda xp, g, axis, taps: _either(xp, g, axis=axis, taps=transposed(taps)),
)
_either: Op = polymorphic(_op)


def resample(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """`taps` applied along an axis of `x`."""
    return _op(x, axis=axis, taps=taps)
