"""Scatter-add for NumPy, whose own `np.add.at` takes rows one by one."""

from __future__ import annotations

import numpy as np

from xptorch._backend import Array

_ROUNDS = 8  # repeats of a row that are added one after the other before the rest are summed first


def accumulate(out: Array, index: Array, values: Array) -> Array:
    """Add ``values[i]`` to ``out[index[i]]`` in place, for all i."""
    if index.size == 0 or values.size == 0:
        return out
    # Short integers are sorted by radix, several times faster.
    order = np.argsort(index.astype(np.uint16) if len(out) <= 1 << 16 else index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(starts, append=index.size)
    if index.size > 12 * starts.size:
        rows = values.take(order, axis=0)
        for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
            out[ordered[start]] += np.add.reduce(rows[start : start + count], axis=0)
        return out
    # Round k adds the k-th of the values of each row: no row comes twice in a round.
    for k in range(_ROUNDS):
        places = starts[counts > k] + k
        if not places.size:
            return out
        out[ordered[places]] += values.take(order[places], axis=0)
    rank = np.arange(index.size) - np.repeat(starts, counts)
    places = np.flatnonzero(rank >= _ROUNDS)
    if places.size:
        left = ordered[places]
        firsts = np.flatnonzero(np.concatenate(([True], left[1:] != left[:-1])))
        rest = values.take(order[places], axis=0)
        out[left[firsts]] += np.add.reduceat(rest, firsts, axis=0, dtype=out.dtype)
    return out
