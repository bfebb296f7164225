"""Recurrent layers: one op runs one layer over all its steps, in one direction.

The rows of all steps lie below each other, step after step, and `sizes` says how many there are in
each: all the same for a plain batch, fewer and fewer where sequences end (packed sequences).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._engine import op
from xptorch._graph import column_sums, setup
from xptorch.ops.activation import relu as relu_of
from xptorch.ops.elementwise import sigmoid, tanh
from xptorch.ops.linear import linear

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

Sizes = tuple[int, ...]


def _spans(sizes: Sizes, reverse: bool) -> list[slice]:
    """The rows of each step, in the order in which the steps run."""
    spans, start = [], 0
    for n in sizes:
        spans.append(slice(start, start + n))
        start += n
    return spans[::-1] if reverse else spans


class _Running:
    """A state of the sequences under way, a row each, longest first.

    Sequences that end leave with their last state; those that begin bring their first.
    """

    def __init__(self, xp: Any, first: Any) -> None:
        self.xp, self.first, self.rows = xp, first, first[:0, ...]
        self.ended: list[Any] = []

    def of(self, span: slice) -> Any:
        """The rows of as many sequences as a step has."""
        count, have = span.stop - span.start, self.rows.shape[0]
        if count < have:
            self.ended.append(self.rows[count:, ...])
            self.rows = self.rows[:count, ...]
        elif count > have:
            new = self.first[have:count, ...]
            self.rows = self.xp.concat([self.rows, new], axis=0) if have else new
        return self.rows

    def last(self) -> Any:
        """The state in which each sequence ended, in memory of its own."""
        return self.xp.concat([self.rows, *self.ended[::-1]], axis=0)


def _rows(xp: Any, parts: list[Any], reverse: bool) -> Any:
    """What each step gave, as rows below each other, in memory of their own."""
    return xp.concat(parts[::-1] if reverse else parts, axis=0)


def _turned(xp: Any, w: Any) -> Any:
    return xp.permute_dims(w, (1, 0))


def _for_steps(xp: Any, w: Any, sizes: Sizes) -> Any:
    """The transpose of a weight; for many steps in memory of its own, where products are faster."""
    turned = _turned(xp, w)
    if len(sizes) < 8:
        return turned
    return xp.reshape(xp.reshape(turned, (-1,)), turned.shape)


def _affine(xp: Any, x: Any, w: Any, *biases: Any) -> Any:
    return _plus(xp.matmul(x, _turned(xp, w)), *biases)


def _plus(y: Any, *biases: Any) -> Any:
    for b in biases:
        if b is not None:
            y += b
    return y


def _sigmoid(xp: Any, z: Any) -> Any:
    y = xp.tanh(z * 0.5)
    y *= 0.5
    y += 0.5
    return y


def _to_weight(xp: Any, wanted: bool, u: Any, x: Any) -> Any:
    """The gradient of w where `u` is that of x · wᵀ."""
    return xp.matmul(_turned(xp, u), x) if wanted else None


def _to_bias(xp: Any, wanted: bool, u: Any) -> Any:
    return column_sums(xp, u) if wanted else None


def _reference(
    step: Callable[..., Any], x: Tensor, first: list[Tensor], weights: Any, sizes: Sizes, back: bool
) -> tuple[Tensor, ...]:
    """The layer of plain ops; `step` makes new states of the two products and the old states."""
    w_ih, w_hh, b_ih, b_hh = weights
    states = [_Running(setup.namespace, s) for s in first]
    ys = []
    for span in _spans(sizes, back):
        old = [s.of(span) for s in states]
        new = step(linear(x[span], w_ih, b_ih), linear(old[0], w_hh, b_hh), *old)
        for state, rows in zip(states, new, strict=True):
            state.rows = rows
        ys.append(new[0])
    return _rows(setup.namespace, ys, back), *[s.last() for s in states]


# ---- tanh or ReLU of one sum


def _rnn_forward(
    xp: Any,
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    *,
    sizes: Sizes,
    reverse: bool,
    relu: bool,
) -> Any:
    given, bend = _affine(xp, x, w_ih, b_ih, b_hh), xp.relu if relu else xp.tanh
    state, befores, ys = _Running(xp, h), [], []
    turned = _for_steps(xp, w_hh, sizes)
    for span in _spans(sizes, reverse):
        befores.append(state.of(span))
        z = xp.matmul(state.rows, turned)
        z += given[span, :]
        state.rows = bend(z)
        ys.append(state.rows)
    return (_rows(xp, ys, reverse), state.last()), (befores, ys)


def _rnn_vjp(
    xp: Any,
    g: Any,
    needs: Any,
    x: Any,
    w_ih: Any,
    w_hh: Any,
    aux: Any,
    sizes: Sizes,
    reverse: bool,
    relu: bool,
) -> Any:
    befores, ys = aux
    dh, us = _Running(xp, g[1]), []
    for span, y in zip(_spans(sizes, not reverse), reversed(ys), strict=True):
        d = dh.of(span) + g[0][span, :]
        us.append(xp.keep(d, y > 0) if relu else d * (1 - y * y))
        dh.rows = xp.matmul(us[-1], w_hh)
    u = _rows(xp, us, not reverse)
    to_b = _to_bias(xp, needs[4] or needs[5], u)
    return (
        xp.matmul(u, w_ih) if needs[0] else None,
        dh.last(),
        _to_weight(xp, needs[2], u, x),
        _to_weight(xp, needs[3], u, _rows(xp, befores, reverse) if needs[3] else None),
        to_b,
        to_b,
    )


def _rnn_reference(
    x: Tensor, h: Tensor, *weights: Any, sizes: Sizes, reverse: bool, relu: bool
) -> tuple[Tensor, ...]:
    def step(given: Tensor, own: Tensor, h: Tensor) -> tuple[Tensor]:
        return (relu_of(given + own) if relu else tanh(given + own),)

    return _reference(step, x, [h], weights, sizes, reverse)


rnn_layer = op(
    "rnn_layer",
    _rnn_forward,
    vjp=_rnn_vjp,
    reference=_rnn_reference,
    aux=True,
    multiple=True,
)


# ---- long short-term memory


def _by_gate(xp: Any, like: Any, *values: float) -> Any:
    """A row with one number for all of each gate."""
    width = like.shape[1] // len(values)
    rows = [xp.full((width,), v, dtype=like.dtype, device=like.device) for v in values]
    return xp.concat(rows, axis=0)


def _parts(x: Any, count: int) -> list[Any]:
    width = x.shape[1] // count
    return [x[:, i * width : (i + 1) * width] for i in range(count)]


def _lstm_forward(
    xp: Any,
    x: Any,
    h: Any,
    c: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    w_hr: Any,
    *,
    sizes: Sizes,
    reverse: bool,
) -> Any:
    given = xp.matmul(x, _turned(xp, w_ih))
    bias = b_ih if b_hh is None else b_ih + b_hh
    half = _by_gate(xp, given, 0.5, 0.5, 1.0, 0.5)
    rest, turned = 1 - half, _for_steps(xp, w_hh, sizes)
    h, c = _Running(xp, h), _Running(xp, c)
    tape, ys = [], []
    for span in _spans(sizes, reverse):
        before, cell = h.of(span), c.of(span)
        # σ(z) = ½ tanh(½ z) + ½, so that one tanh does for all four gates.
        a = xp.matmul(before, turned)
        a = _plus(a, given[span, :], bias)
        a *= half
        a = xp.tanh(a)
        a *= half
        a += rest
        i, f, gate, o = _parts(a, 4)
        c.rows = f * cell
        c.rows += i * gate
        bent = xp.tanh(c.rows)
        out = o * bent
        h.rows = out if w_hr is None else xp.matmul(out, _turned(xp, w_hr))
        ys.append(h.rows)
        tape.append((before, cell, a, bent, out))
    return (_rows(xp, ys, reverse), h.last(), c.last()), tape


def _lstm_vjp(
    xp: Any,
    g: Any,
    needs: Any,
    x: Any,
    w_ih: Any,
    w_hh: Any,
    w_hr: Any,
    aux: Any,
    sizes: Sizes,
    reverse: bool,
) -> Any:
    to_y, dh, dc = g[0], _Running(xp, g[1]), _Running(xp, g[2])
    is_tanh = _by_gate(xp, aux[0][2], 0.0, 0.0, 1.0, 0.0)
    us, ds = [], []
    for span, step in zip(_spans(sizes, not reverse), reversed(aux), strict=True):
        _, cell, a, bent, _ = step
        i, f, gate, o = _parts(a, 4)
        d = dh.of(span) + to_y[span, :]
        if w_hr is not None:
            ds.append(d)
            d = xp.matmul(d, w_hr)
        to_cell = 1 - bent * bent
        to_cell *= o
        to_cell *= d
        to_cell += dc.of(span)
        u = xp.concat([to_cell * gate, to_cell * cell, to_cell * i, d * bent], axis=1)
        # The slopes from the values: σ' = (1 − σ) σ, tanh' = (1 − tanh) (1 + tanh).
        u *= 1 - a
        u *= a + is_tanh
        us.append(u)
        dc.rows, dh.rows = to_cell * f, xp.matmul(u, w_hh)
    u = _rows(xp, us, not reverse)
    to_b = _to_bias(xp, needs[5] or needs[6], u)
    before = _rows(xp, [step[0] for step in aux], reverse) if needs[4] else None
    to_w_hr = None
    if needs[7]:
        out = _rows(xp, [step[4] for step in aux], reverse)
        to_w_hr = _to_weight(xp, True, _rows(xp, ds, not reverse), out)
    to_x = xp.matmul(u, w_ih) if needs[0] else None
    to_w_ih, to_w_hh = _to_weight(xp, needs[3], u, x), _to_weight(xp, needs[4], u, before)
    return to_x, dh.last(), dc.last(), to_w_ih, to_w_hh, to_b, to_b, to_w_hr


def _lstm_reference(
    x: Tensor, h: Tensor, c: Tensor, *weights: Any, sizes: Sizes, reverse: bool
) -> tuple[Tensor, ...]:
    def step(given: Tensor, own: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, gate, o = (given + own).chunk(4, 1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(gate)
        h = sigmoid(o) * tanh(c)
        return (h if weights[4] is None else linear(h, weights[4])), c

    return _reference(step, x, [h, c], weights[:4], sizes, reverse)


lstm_layer = op(
    "lstm_layer",
    _lstm_forward,
    vjp=_lstm_vjp,
    reference=_lstm_reference,
    aux=True,
    multiple=True,
)


# ---- gated recurrent units


def _gru_forward(
    xp: Any,
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    *,
    sizes: Sizes,
    reverse: bool,
) -> Any:
    given, wide = _affine(xp, x, w_ih, b_ih), 2 * w_hh.shape[1]
    turned = _for_steps(xp, w_hh, sizes)
    state, tape, ys = _Running(xp, h), [], []
    for span in _spans(sizes, reverse):
        before = state.of(span)
        own = _plus(xp.matmul(before, turned), b_hh)
        gates = _sigmoid(xp, given[span, :wide] + own[:, :wide])
        reset, keep = _parts(gates, 2)
        new = xp.tanh(given[span, wide:] + reset * own[:, wide:])
        state.rows = new + keep * (before - new)
        ys.append(state.rows)
        tape.append((before, gates, new, own[:, wide:]))
    return (_rows(xp, ys, reverse), state.last()), tape


def _gru_vjp(
    xp: Any,
    g: Any,
    needs: Any,
    x: Any,
    w_ih: Any,
    w_hh: Any,
    aux: Any,
    sizes: Sizes,
    reverse: bool,
) -> Any:
    dh, us, owns = _Running(xp, g[1]), [], []
    for span, step in zip(_spans(sizes, not reverse), reversed(aux), strict=True):
        before, gates, new, own = step
        reset, keep = _parts(gates, 2)
        d = dh.of(span) + g[0][span, :]
        to_new = d * (1 - keep)
        to_new *= 1 - new * new
        to_gates = xp.concat([to_new * own, d * (before - new)], axis=1)
        to_gates *= gates * (1 - gates)
        us.append(xp.concat([to_gates, to_new], axis=1))
        owns.append(xp.concat([to_gates, to_new * reset], axis=1))
        dh.rows = xp.matmul(owns[-1], w_hh)
        dh.rows += d * keep
    u, own = _rows(xp, us, not reverse), _rows(xp, owns, not reverse)
    before = _rows(xp, [step[0] for step in aux], reverse) if needs[3] else None
    return (
        xp.matmul(u, w_ih) if needs[0] else None,
        dh.last(),
        _to_weight(xp, needs[2], u, x),
        _to_weight(xp, needs[3], own, before),
        _to_bias(xp, needs[4], u),
        _to_bias(xp, needs[5], own),
    )


def _gru_reference(
    x: Tensor, h: Tensor, *weights: Any, sizes: Sizes, reverse: bool
) -> tuple[Tensor, ...]:
    def step(given: Tensor, own: Tensor, h: Tensor) -> tuple[Tensor]:
        pairs = zip(given.chunk(3, 1), own.chunk(3, 1), strict=True)
        (r, r_own), (z, z_own), (n, n_own) = pairs
        new = tanh(n + sigmoid(r + r_own) * n_own)
        return (new + sigmoid(z + z_own) * (h - new),)

    return _reference(step, x, [h], weights, sizes, reverse)


gru_layer = op(
    "gru_layer",
    _gru_forward,
    vjp=_gru_vjp,
    reference=_gru_reference,
    aux=True,
    multiple=True,
)
