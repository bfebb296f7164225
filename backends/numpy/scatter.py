"""Scatter-add for NumPy, whose own `np.add.at` adds rows one by one."""

from __future__ import annotations

import math

import numpy as np

from xptorch._core.backend import Array

_NARROW = 32  # columns up to which a bincount per column beats sorting rows
_FEW = 1 << 13  # elements up to which a single call is fastest, even a slow one
_BLOCK = 1 << 17  # elements that fit the cache


def accumulate(out: Array, index: Array, values: Array) -> Array:
    """Add ``values[i]`` to ``out[index[i]]`` in place, for all i; `out` is contiguous."""
    if index.size == 0 or values.size == 0:
        return out
    if index.min() < 0:
        index = np.where(index < 0, index + len(out), index)
    rows, sums = values.reshape(index.size, -1), out.reshape(len(out), -1)
    if values.dtype.kind == "f" and rows.shape[1] <= _NARROW and len(out) <= 4 * index.size:
        if rows.shape[1] > 1 and rows.size <= _FEW:
            places = (index * rows.shape[1])[:, None] + np.arange(rows.shape[1])
            sums += np.bincount(places.ravel(), rows.ravel(), sums.size).reshape(sums.shape)
            return out
        for k in range(rows.shape[1]):
            sums[:, k] += np.bincount(index, rows[:, k], len(out))
        return out
    # 16-bit integers are radix-sorted, several times faster.
    order = np.argsort(index.astype(np.uint16) if len(out) <= 1 << 16 else index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if rows.size <= _FEW:
        sums[ordered[starts]] += np.add.reduceat(rows.take(order, 0), starts, 0, out.dtype)
        return out
    counts = np.diff(starts, append=index.size)
    # A call per frequent index, or one for the k-th rows of all others: about equally many at most.
    often = counts > math.isqrt(index.size) + 16
    for start, count in zip(starts[often].tolist(), counts[often].tolist(), strict=True):
        sums[ordered[start]] += rows.take(order[start : start + count], 0).sum(0, out.dtype)
    starts, counts = starts[~often], counts[~often]
    frequent_first = np.argsort(-counts, kind="stable")
    starts, counts = starts[frequent_first], counts[frequent_first]
    step = max(_BLOCK // rows.shape[1], 1)
    for i in range(0, starts.size, step):
        block = starts[i : i + step]
        sums[ordered[block]] += _by_rounds(rows, order, block, np.bincount(counts[i : i + step]))
    return out


def _by_rounds(rows: Array, order: Array, starts: Array, lengths: Array) -> Array:
    """The sums of ``rows[order[start]], rows[order[start + 1]], …`` for each start.

    Args:
        lengths: how many sums there are of 0, 1, 2 … rows; `starts` has the longest first.
    """
    left = starts.size
    total, more = np.empty((2, left, rows.shape[1]), rows.dtype)
    np.take(rows, order[starts], axis=0, out=total, mode="clip")
    for k, ended in enumerate(lengths[1:-1].tolist(), 1):
        left -= ended
        np.take(rows, order[starts[:left] + k], axis=0, out=more[:left], mode="clip")
        total[:left] += more[:left]
    return total
