"""Scatter-add for NumPy, whose own `np.add.at` takes rows one by one."""

from __future__ import annotations

import numpy as np

from xptorch._backend import Array

_NARROW = 64  # columns up to which counting column by column beats sorting rows
_LONG = 4096  # numbers for one row that are worth a call
_MANY = 1 << 15  # numbers from which rounds beat `add.reduceat`
_ROUNDS = 8


def accumulate(out: Array, index: Array, values: Array) -> Array:
    """Add ``values[i]`` to ``out[index[i]]`` in place, for all i."""
    if index.size == 0 or values.size == 0:
        return out
    if index.min() < 0:
        index = np.where(index < 0, index + len(out), index)
    width = values.size // index.size
    if values.dtype.kind == "f" and width <= _NARROW and len(out) <= 4 * index.size:
        columns, sums = values.reshape(index.size, width), out.reshape(len(out), width)
        for k in range(width):
            sums[:, k] += np.bincount(index, columns[:, k], len(out))
        return out
    # Short integers are sorted by radix, several times faster.
    order = np.argsort(index.astype(np.uint16) if len(out) <= 1 << 16 else index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    rows = values.take(order, axis=0)
    if rows.size < _MANY:
        out[ordered[starts]] += np.add.reduceat(rows, starts, axis=0, dtype=out.dtype)
        return out
    counts = np.diff(starts, append=index.size)
    if rows.size > _LONG * starts.size:
        for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
            out[ordered[start]] += np.add.reduce(rows[start : start + count], axis=0)
        return out
    # Round k adds the k-th of the values of each row: no row comes twice in a round.
    for k in range(_ROUNDS):
        places = starts[counts > k] + k
        if not places.size:
            return out
        out[ordered[places]] += rows[places]
    left = np.flatnonzero(np.arange(index.size) - np.repeat(starts, counts) >= _ROUNDS)
    if left.size:
        return accumulate(out, ordered[left], rows[left])
    return out
