"""softmax and log_softmax over the last axis, and cross-entropy over rows of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from xptorch.backends.numpy.kernels.blocking import for_row_blocks, is_eligible, scratch

from xptorch._core.backend import Array

# With sums in this range, neither exp of the unshifted values nor its logarithm loses digits.
_LEAST, _MOST = 1e-3, 1e6
_NARROW = 16  # shorter rows are left to the generic functions


def _handles(axis: int, x: Array, *others: Array) -> bool:
    return (
        is_eligible(x)
        and axis == x.ndim - 1
        and x.shape[-1] >= _NARROW
        and all(y.dtype == x.dtype for y in others)
    )


def _exps(x: Array, out: Array, sums: Array) -> Any:
    """exp(x − shift) into `out` and the row sums; returns the rows' shifts, 0 if none is needed.

    The row maxima, a shift that is always safe, take longer than all the rest.
    """
    ones = np.ones(x.shape[1], x.dtype)
    np.matmul(np.exp(x, out=out), ones, out=sums)
    if sums.min() > _LEAST and sums.max() < _MOST:
        return 0.0
    shift = x.max(axis=1)
    np.exp(np.subtract(x, shift[:, None], out=out), out=out)
    np.matmul(out, ones, out=sums)
    return shift


def _matrices(*arrays: Array) -> list[Array]:
    return [x.reshape(-1, x.shape[-1]) for x in arrays]


def softmax_forward(a: Array, *, axis: int) -> Any:
    if not _handles(axis, a):
        return NotImplemented
    result = np.empty(a.shape, a.dtype)
    x, y = _matrices(a, result)
    sums = np.empty(len(x), a.dtype)

    def work(rows: slice) -> None:
        e, total = y[rows], sums[rows]
        _exps(x[rows], e, total)
        e *= (1 / total)[:, None]

    for_row_blocks(work, *x.shape, 9)
    return result


def softmax_backward(g: Array, y: Array, axis: int) -> Any:
    if not _handles(axis, y, g):
        return NotImplemented
    result = np.empty(y.shape, y.dtype)
    grad, p, to_a = _matrices(g, y, result)

    def work(rows: slice) -> None:
        probs, out = p[rows], to_a[rows]
        np.copyto(out, grad[rows])
        out -= np.vecdot(grad[rows], probs)[:, None]
        out *= probs

    for_row_blocks(work, *p.shape, 4)
    return result


def log_softmax_forward(a: Array, *, axis: int) -> Any:
    if not _handles(axis, a):
        return NotImplemented
    result = np.empty(a.shape, a.dtype)
    x, y = _matrices(a, result)
    sums = np.empty(len(x), a.dtype)

    def work(rows: slice) -> None:
        part, out, total = x[rows], y[rows], sums[rows]
        shift = _exps(part, scratch(out), total)
        np.copyto(out, part)
        out -= (np.log(total) + shift)[:, None]

    for_row_blocks(work, *x.shape, 9)
    return result


def log_softmax_backward(g: Array, y: Array, axis: int) -> Any:
    if not _handles(axis, y, g):
        return NotImplemented
    result = np.empty(y.shape, y.dtype)
    grad, logs, to_a = _matrices(g, y, result)
    ones = np.ones((logs.shape[1], 1), y.dtype)

    def work(rows: slice) -> None:
        out = np.exp(logs[rows], out=to_a[rows])
        out *= grad[rows] @ -ones
        out += grad[rows]

    for_row_blocks(work, *logs.shape, 8)
    return result


def cross_entropy_forward(
    a: Array, target: Array, weight: Any, *, ignore: int | None, reduction: str
) -> Any:
    plain = weight is None and ignore is None and a.ndim == 2
    if not plain or not _handles(1, a):
        return NotImplemented
    exps = np.empty(a.shape, a.dtype)
    total, losses = np.empty((2, len(a)), a.dtype)
    places = np.arange(len(a))

    def work(rows: slice) -> None:
        x, loss = a[rows], losses[rows]
        shift = _exps(x, exps[rows], total[rows])
        np.log(total[rows], out=loss)
        loss += shift
        loss -= x[places[: len(x)], target[rows]]

    for_row_blocks(work, *a.shape, 8)
    at = places * a.shape[1] + target
    return _reduced(losses, (exps, total, at, None), reduction)


def _reduced(losses: Array, kept: tuple[Any, ...], reduction: str) -> tuple[Array, Any]:
    """The losses, their sum or mean, and what is saved, with the mean's divisor."""
    if reduction == "none":
        return losses, (*kept, None)
    total = np.add.reduce(losses)
    if reduction == "mean":
        return total / len(losses), (*kept, len(losses))
    return total, (*kept, None)


def cross_entropy_vjp(g: Array, needs: Any, a_shape: tuple[int, ...], aux: Any) -> Any:
    exps, total, at, w, count = aux
    if w is not None or len(a_shape) != 2 or not is_eligible(exps):
        return NotImplemented
    grad = np.asarray(g if count is None else g / count)
    factor = (grad / total)[:, None]
    d = np.empty_like(exps)

    def work(rows: slice) -> None:
        np.multiply(exps[rows], factor[rows], out=d[rows])

    for_row_blocks(work, *exps.shape, 2)
    flat = d.reshape(-1)
    flat[at] -= grad
    return d, None, None
