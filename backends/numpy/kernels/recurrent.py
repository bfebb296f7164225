"""Recurrent layers on plain batches: steps that write to preallocated memory.

Within a step the arrays stay in the cache; fresh ones would cost as much as the arithmetic. Gates
are copied to separate arrays first: on slices of rows the arithmetic takes three times as long.
Gradients are rewritten, too, as d σ (1 − σ) = e − e σ with e = d σ: a pass less, and none with a
scalar operand.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from xptorch.backends.numpy.blas import PAYS_FROM, matmul
from xptorch.backends.numpy.kernels.linear import linear_forward
from xptorch.backends.numpy.openblas import one_thread

from xptorch._core.backend import Array

_FEW = 4  # steps up to which the generic functions are as fast

Sizes = tuple[int, ...]


def _handles(sizes: Sizes, *arrays: Any) -> bool:
    dtype = arrays[0].dtype
    plain = len(sizes) > _FEW and sizes[0] == sizes[-1] > 0
    wide = dtype.kind == "f" and dtype.itemsize > 2
    return plain and wide and all(x is None or x.dtype == dtype for x in arrays)


def _given(x: Array, w_ih: Array, bias: Any) -> Array:
    """The products with the inputs of all steps."""
    y = linear_forward(x, w_ih, bias)
    if y is NotImplemented:
        y = matmul(x, w_ih.T)
        if bias is not None:
            y += bias
    return y


def _serial_if_small(n: int, w_hh: Array) -> contextlib.AbstractContextManager[None]:
    """Limit small products to one thread: set once, not in each of them."""
    return one_thread if n * w_hh.size < PAYS_FROM else contextlib.nullcontext()


class _Steps:
    """The steps of a layer, in the order in which they run."""

    def __init__(self, sizes: Sizes, reverse: bool) -> None:
        self.count, self.n, self.reverse = len(sizes), sizes[0], reverse

    def of(self, rows: Array) -> Array:
        """Rows as an array (steps, n, width)."""
        x = rows.reshape(self.count, self.n, -1)
        return x[::-1] if self.reverse else x

    def gates(self, rows: Array, count: int) -> Array:
        """Rows of gates side by side as an array (steps, gates, n, width)."""
        return self.of(rows).reshape(self.count, self.n, count, -1).swapaxes(1, 2)

    def state(self, first: Array) -> tuple[Array, Array]:
        """Memory for a state, as rows before and rows after all steps; the two overlap."""
        space = np.empty(((self.count + 1) * self.n, first.shape[1]), first.dtype)
        before, after = space[: -self.n], space[self.n :]
        if self.reverse:
            before, after = after, before
        self.of(before)[0] = first
        return before, after


def rnn_forward(
    x: Array,
    h: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Any,
    b_hh: Any,
    *,
    sizes: Sizes,
    reverse: bool,
    relu: bool,
) -> Any:
    if relu or not _handles(sizes, x, h, w_ih, w_hh, b_ih, b_hh):
        return NotImplemented
    steps, transposed = _Steps(sizes, reverse), np.ascontiguousarray(w_hh.T)
    given = _given(x, w_ih, None if b_ih is None else b_ih + b_hh)
    before, after = steps.state(h)
    with _serial_if_small(sizes[0], w_hh):
        for old, y, z in zip(*map(steps.of, (before, after, given)), strict=True):
            matmul(old, transposed, out=y)
            np.add(y, z, out=y)
            np.tanh(y, out=y)
    return (after.copy(), y.copy()), (before, after)


def rnn_back(g: Any, w_hh: Array, aux: Any, *, sizes: Sizes, reverse: bool, relu: bool) -> Any:
    if relu or not _handles(sizes, *g, w_hh, *aux):
        return NotImplemented
    steps, dh, u = _Steps(sizes, not reverse), g[1].copy(), np.empty_like(aux[1])
    with _serial_if_small(sizes[0], w_hh):
        for to_y, y, grad in zip(*map(steps.of, (g[0], aux[1], u)), strict=True):
            np.add(dh, to_y, out=dh)
            np.multiply(dh, y, out=grad)
            np.multiply(grad, y, out=grad)
            np.subtract(dh, grad, out=grad)
            matmul(grad, w_hh, out=dh)
    return u, dh


def lstm_forward(
    x: Array,
    h: Array,
    c: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Any,
    b_hh: Any,
    w_hr: Any,
    *,
    sizes: Sizes,
    reverse: bool,
) -> Any:
    if w_hr is not None or not _handles(sizes, x, h, c, w_ih, w_hh, b_ih, b_hh):
        return NotImplemented
    steps, transposed = _Steps(sizes, reverse), np.ascontiguousarray(w_hh.T)
    values = _given(x, w_ih, None if b_ih is None else b_ih + b_hh)
    half = np.tile(np.repeat(np.array([0.5, 0.5, 1, 0.5], c.dtype), c.shape[1]), (len(h), 1))
    rest, product = 1 - half, np.empty_like(half)
    (before, after), (cell, cell_after) = steps.state(h), steps.state(c)
    tanh_cell, gates = np.empty_like(after), np.empty((4, *c.shape), c.dtype)
    i, f, gate, o = gates
    rows = map(steps.of, (before, after, values, cell, cell_after, tanh_cell))
    with _serial_if_small(sizes[0], w_hh):
        for old, y, a, was, now, b, split in zip(*rows, steps.gates(values, 4), strict=True):
            matmul(old, transposed, out=product)
            np.add(a, product, out=a)
            # σ(z) = ½ tanh(½ z) + ½, so that one tanh call serves all four gates.
            np.multiply(a, half, out=a)
            np.tanh(a, out=a)
            np.multiply(a, half, out=a)
            np.add(a, rest, out=a)
            np.copyto(gates, split)
            np.multiply(f, was, out=now)
            np.multiply(i, gate, out=i)
            np.add(now, i, out=now)
            np.tanh(now, out=b)
            np.multiply(o, b, out=y)
    return (after.copy(), y.copy(), now.copy()), (before, cell, values, tanh_cell, after)


def lstm_back(g: Any, w_hh: Array, w_hr: Any, aux: Any, *, sizes: Sizes, reverse: bool) -> Any:
    if w_hr is not None or not _handles(sizes, *g, w_hh, *aux):
        return NotImplemented
    steps, dh, dc = _Steps(sizes, not reverse), g[1].copy(), g[2].copy()
    _, cell, values, tanh_cell, out = aux
    u = np.empty_like(values)
    d, e, *_ = space = np.empty((10, *dh.shape), dh.dtype)
    gates, to_gates = space[2:6], space[6:]
    (i, f, gate, o), (to_i, to_f, to_gate, to_o) = gates, to_gates
    rows = map(steps.of, (g[0], cell, tanh_cell, out, u))
    with _serial_if_small(sizes[0], w_hh):
        for to_y, was, b, y, side, split, a in zip(
            *rows, steps.gates(u, 4), steps.gates(values, 4), strict=True
        ):
            np.copyto(gates, a)
            np.add(dh, to_y, out=dh)
            np.multiply(dh, y, out=d)
            np.multiply(d, o, out=e)
            np.subtract(d, e, out=to_o)
            np.multiply(y, b, out=d)
            np.subtract(o, d, out=d)
            np.multiply(d, dh, out=d)
            np.add(dc, d, out=dc)
            np.multiply(dc, i, out=d)
            np.multiply(d, gate, out=e)
            np.multiply(e, gate, out=to_gate)
            np.subtract(d, to_gate, out=to_gate)
            np.multiply(e, i, out=d)
            np.subtract(e, d, out=to_i)
            np.multiply(dc, f, out=dc)
            np.multiply(dc, was, out=d)
            np.multiply(d, f, out=e)
            np.subtract(d, e, out=to_f)
            np.copyto(split, to_gates)
            matmul(side, w_hh, out=dh)
    return u, None, dh, dc


def gru_forward(
    x: Array,
    h: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Any,
    b_hh: Any,
    *,
    sizes: Sizes,
    reverse: bool,
) -> Any:
    if not _handles(sizes, x, h, w_ih, w_hh, b_ih, b_hh):
        return NotImplemented
    steps, transposed = _Steps(sizes, reverse), np.ascontiguousarray(w_hh.T)
    given, wide = _given(x, w_ih, b_ih), 2 * h.shape[1]
    before, after = steps.state(h)
    values, new, of_h = np.empty((len(given), wide), h.dtype), *np.empty((2, *after.shape), h.dtype)
    side, bias = np.empty((len(h), given.shape[1]), h.dtype), 0 if b_hh is None else b_hh
    reset, keep = gates = np.empty((2, *h.shape), h.dtype)
    rows = map(steps.of, (before, after, given, values, new, of_h))
    with _serial_if_small(sizes[0], w_hh):
        for old, y, z, a, n, own, split in zip(*rows, steps.gates(values, 2), strict=True):
            matmul(old, transposed, out=side)
            np.add(side, bias, out=side)
            np.add(z[:, :wide], side[:, :wide], out=a)
            np.multiply(a, 0.5, out=a)
            np.tanh(a, out=a)
            np.multiply(a, 0.5, out=a)
            np.add(a, 0.5, out=a)
            np.copyto(gates, split)
            np.copyto(own, side[:, wide:])
            np.multiply(reset, own, out=n)
            np.add(n, z[:, wide:], out=n)
            np.tanh(n, out=n)
            np.subtract(old, n, out=y)
            np.multiply(y, keep, out=y)
            np.add(y, n, out=y)
    return (after.copy(), y.copy()), (before, values, new, of_h)


def gru_back(g: Any, w_hh: Array, aux: Any, *, sizes: Sizes, reverse: bool) -> Any:
    if not _handles(sizes, *g, w_hh, *aux):
        return NotImplemented
    steps, dh = _Steps(sizes, not reverse), g[1].copy()
    before, values, new, of_h = aux
    u, own = np.empty((2, len(new), len(w_hh)), dh.dtype)
    d, e, stays, *_ = space = np.empty((9, *dh.shape), dh.dtype)
    (reset, keep), (to_reset, to_keep, to_own, to_new) = gates, to_gates = space[3:5], space[5:]
    rows = map(steps.of, (g[0], before, new, of_h, own))
    split = steps.gates(values, 2), steps.gates(own, 3), steps.gates(u, 3)
    with _serial_if_small(sizes[0], w_hh):
        for to_y, old, n, own_n, side, a, to_h, to_x in zip(*rows, *split, strict=True):
            np.copyto(gates, a)
            np.add(dh, to_y, out=dh)
            np.multiply(dh, keep, out=stays)
            np.subtract(dh, stays, out=d)
            np.multiply(d, n, out=e)
            np.multiply(e, n, out=e)
            np.subtract(d, e, out=to_new)
            np.multiply(to_new, reset, out=to_own)
            np.multiply(to_own, own_n, out=d)
            np.multiply(d, reset, out=e)
            np.subtract(d, e, out=to_reset)
            np.subtract(old, n, out=d)
            np.multiply(d, stays, out=d)
            np.multiply(d, keep, out=e)
            np.subtract(d, e, out=to_keep)
            np.copyto(to_h, to_gates[:3])
            np.copyto(to_x[:2], to_gates[:2])
            np.copyto(to_x[2], to_new)
            matmul(side, w_hh, out=dh)
            np.add(dh, stays, out=dh)
    return u, own, dh
