"""Linear layers large enough for several threads: one dispatch for all products."""

from __future__ import annotations

from typing import Any

import numpy as np
from xptorch.backends.numpy.blas import EACH, PAYS_FROM
from xptorch.backends.numpy.parallel import parallel_for

from xptorch._core.backend import Array

_UNITS = 64  # into which the work is divided
_FEW_ROWS = 256  # up to which the transposed product takes a quarter less time


def _work(a: Array, weight: Array, *others: Any) -> int:
    """The number of multiplications; 0 for cases left to the generic functions."""
    work = a.size * weight.shape[0]
    if work < PAYS_FROM or a.dtype.kind != "f" or a.dtype.itemsize == 2:
        return 0
    return 0 if any(x is not None and x.dtype != a.dtype for x in (weight, *others)) else work


def _cut(length: int, start: int, stop: int) -> slice:
    return slice(length * start // _UNITS, length * stop // _UNITS)


def linear_forward(a: Array, weight: Array, bias: Any) -> Any:
    work = _work(a, weight, bias)
    if not work:
        return NotImplemented
    n_out, n_in = weight.shape
    result = np.empty((*a.shape[:-1], n_out), a.dtype)
    x, y = a.reshape(-1, n_in), result.reshape(-1, n_out)

    def by_rows(start: int, stop: int) -> None:
        rows = _cut(len(x), start, stop)
        out = np.matmul(x[rows], weight.T, out=y[rows])
        if bias is not None:
            out += bias

    def by_columns(start: int, stop: int) -> None:
        columns = _cut(n_out, start, stop)
        transposed = np.matmul(weight[columns], x.T).T
        if bias is None:
            y[:, columns] = transposed
        else:  # the addition transposes it back
            np.add(transposed, bias[columns], out=y[:, columns])

    few = len(x) <= _FEW_ROWS and 2 * len(x) <= n_out
    parallel_for(by_columns if few else by_rows, _UNITS, work * EACH)
    return result


def linear_vjp(g: Array, needs: Any, a: Array, weight: Array) -> Any:
    work = _work(a, weight, g)
    if not work:
        return NotImplemented
    n_out, n_in = weight.shape
    g, x = g.reshape(-1, n_out), a.reshape(-1, n_in)
    to_a = np.empty(a.shape, a.dtype) if needs[0] else None
    target = None if to_a is None else to_a.reshape(x.shape)
    to_weight = np.empty_like(weight) if needs[1] else None
    to_bias = np.empty(n_out, a.dtype) if needs[2] else None
    ones = np.ones(len(x), a.dtype)

    def part(start: int, stop: int) -> None:
        rows, columns = _cut(len(x), start, stop), _cut(n_out, start, stop)
        if target is not None:
            np.matmul(g[rows], weight, out=target[rows])
        if to_weight is not None:
            np.matmul(g[:, columns].T, x, out=to_weight[columns])
        if to_bias is not None:
            np.matmul(ones, g[:, columns], out=to_bias[columns])

    parallel_for(part, _UNITS, work * EACH * sum(needs[:2]))
    return to_a, to_weight, to_bias
