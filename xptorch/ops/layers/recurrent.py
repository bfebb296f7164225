"""Recurrent layers: one op runs one layer over all its steps, in one direction.

The rows of all steps are stacked, step after step, and `sizes` holds the number of rows of each
step: constant for a plain batch, decreasing where sequences end (packed sequences).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._engine.graph import setup
from xptorch._engine.op import dispatchable, op
from xptorch.ops.elementwise.arithmetic import sigmoid, tanh
from xptorch.ops.layers.activation import relu as relu_of
from xptorch.ops.layers.linear import _linear_forward, _linear_vjp, linear

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

Sizes = tuple[int, ...]


def _spans(sizes: Sizes, reverse: bool) -> list[slice]:
    """The rows of each step, in the order in which the steps run."""
    spans, start = [], 0
    for n in sizes:
        spans.append(slice(start, start + n))
        start += n
    return spans[::-1] if reverse else spans


class _Running:
    """A hidden state of the sequences active at a step, one row each, longest first.

    The last rows of sequences that end are set aside; sequences that begin get their first rows.
    """

    def __init__(self, xp: Any, first: Any) -> None:
        self.xp, self.first, self.rows = xp, first, first[:0, ...]
        self.ended: list[Any] = []

    def of(self, span: slice) -> Any:
        """The state's rows for the sequences of a step."""
        count, have = span.stop - span.start, self.rows.shape[0]
        if count < have:
            self.ended.append(self.rows[count:, ...])
            self.rows = self.rows[:count, ...]
        elif count > have:
            new = self.first[have:count, ...]
            self.rows = self.xp.concat([self.rows, new], axis=0) if have else new
        return self.rows

    def last(self) -> Any:
        """The final state of each sequence, as a copy."""
        return self.xp.concat([self.rows, *self.ended[::-1]], axis=0)


def _rows(xp: Any, parts: list[Any], reverse: bool) -> Any:
    """The outputs of the steps, stacked as rows, as a copy."""
    return xp.concat(parts[::-1] if reverse else parts, axis=0)


def _transposed(xp: Any, w: Any) -> Any:
    return xp.permute_dims(w, (1, 0))


def _for_steps(xp: Any, w: Any, sizes: Sizes) -> Any:
    """A transposed weight; for many steps a contiguous copy, with which products are faster."""
    transposed = _transposed(xp, w)
    if len(sizes) < 8:
        return transposed
    return xp.reshape(xp.reshape(transposed, (-1,)), transposed.shape)


def _bias_sum(b_ih: Any, b_hh: Any) -> Any:
    return b_ih if b_hh is None else b_ih + b_hh


def _sigmoid(xp: Any, z: Any) -> Any:
    y = xp.tanh(z * 0.5)
    y *= 0.5
    y += 0.5
    return y


def _tape(xp: Any, steps: list[tuple[Any, ...]], reverse: bool) -> tuple[Any, ...]:
    """The outputs and saved arrays of the steps, each kind stacked as rows, as a copy."""
    return tuple([_rows(xp, list(parts), reverse) for parts in zip(*steps, strict=True)])


def _to_weights(
    xp: Any, to_x: bool, needs: Any, u: Any, own: Any, x: Any, before: Any, w_ih: Any, w_hh: Any
) -> tuple[Any, ...]:
    """The gradients of x, w_ih, w_hh, b_ih, b_hh from those of the two products with biases.

    Args:
        needs: for each of the weights and biases, whether its gradient is needed.
        u, own: the gradients of x · w_ihᵀ and of h · w_hhᵀ, which may be the same array.
    """
    shared = own is u and (needs[2] or needs[3])
    to_x, to_w_ih, to_b_ih = _linear_vjp(xp, u, (to_x, needs[0], needs[2] or shared), x, w_ih)
    rest = (False, needs[1], needs[3] and not shared)
    _, to_w_hh, to_b_hh = _linear_vjp(xp, own, rest, before, w_hh)
    return to_x, to_w_ih, to_w_hh, to_b_ih, to_b_ih if shared else to_b_hh


def _reference(
    step: Callable[..., Any], x: Tensor, first: list[Tensor], weights: Any, sizes: Sizes, back: bool
) -> tuple[Tensor, ...]:
    """The layer of plain ops; `step` computes new states from both products and the old states."""
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


@dispatchable
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
    given = _linear_forward(xp, x, w_ih, _bias_sum(b_ih, b_hh))
    activation = xp.relu if relu else xp.tanh
    state, tape = _Running(xp, h), []
    transposed = _for_steps(xp, w_hh, sizes)
    for span in _spans(sizes, reverse):
        before = state.of(span)
        z = xp.matmul(before, transposed)
        z += given[span, :]
        state.rows = activation(z)
        tape.append((state.rows, before, state.rows))
    ys, *kept = _tape(xp, tape, reverse)
    return (ys, state.last()), tuple(kept)


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
    u, dh = _rnn_back(xp, g, w_hh, aux, sizes=sizes, reverse=reverse, relu=relu)
    to_x, *others = _to_weights(xp, needs[0], needs[2:], u, u, x, aux[0], w_ih, w_hh)
    return to_x, dh, *others


@dispatchable
def _rnn_back(
    xp: Any, g: Any, w_hh: Any, aux: Any, *, sizes: Sizes, reverse: bool, relu: bool
) -> Any:
    dh, us = _Running(xp, g[1]), []
    for span in _spans(sizes, not reverse):
        d, y = dh.of(span) + g[0][span, :], aux[1][span, :]
        us.append(xp.where_or_zero(d, y > 0) if relu else d * (1 - y * y))
        dh.rows = xp.matmul(us[-1], w_hh)
    return _rows(xp, us, not reverse), dh.last()


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
    """A row with one value per gate, repeated over the gate's columns."""
    width = like.shape[1] // len(values)
    rows = [xp.full((width,), v, dtype=like.dtype, device=like.device) for v in values]
    return xp.concat(rows, axis=0)


def _parts(x: Any, count: int) -> list[Any]:
    width = x.shape[1] // count
    return [x[:, i * width : (i + 1) * width] for i in range(count)]


@dispatchable
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
    given = _linear_forward(xp, x, w_ih, _bias_sum(b_ih, b_hh))
    half = _by_gate(xp, given, 0.5, 0.5, 1.0, 0.5)
    rest, transposed = 1 - half, _for_steps(xp, w_hh, sizes)
    h, c = _Running(xp, h), _Running(xp, c)
    tape = []
    for span in _spans(sizes, reverse):
        before, cell = h.of(span), c.of(span)
        # σ(z) = ½ tanh(½ z) + ½, so that one tanh computes all four gates.
        a = xp.matmul(before, transposed)
        a += given[span, :]
        a *= half
        a = xp.tanh(a)
        a *= half
        a += rest
        i, f, gate, o = _parts(a, 4)
        c.rows = f * cell
        c.rows += i * gate
        tanh_c = xp.tanh(c.rows)
        out = o * tanh_c
        h.rows = out if w_hr is None else xp.matmul(out, _transposed(xp, w_hr))
        tape.append((h.rows, before, cell, a, tanh_c, out))
    ys, *kept = _tape(xp, tape, reverse)
    return (ys, h.last(), c.last()), tuple(kept)


@dispatchable
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
    u, d, dh, dc = _lstm_back(xp, g, w_hh, w_hr, aux, sizes=sizes, reverse=reverse)
    to_x, *others = _to_weights(xp, needs[0], needs[3:], u, u, x, aux[0], w_ih, w_hh)
    to_w_hr = _linear_vjp(xp, d, (False, True, False), aux[4], w_hr)[1] if needs[7] else None
    return to_x, dh, dc, *others, to_w_hr


@dispatchable
def _lstm_back(
    xp: Any, g: Any, w_hh: Any, w_hr: Any, aux: Any, *, sizes: Sizes, reverse: bool
) -> Any:
    to_y, dh, dc = g[0], _Running(xp, g[1]), _Running(xp, g[2])
    is_tanh = _by_gate(xp, aux[2], 0.0, 0.0, 1.0, 0.0)
    us, ds = [], []
    for span in _spans(sizes, not reverse):
        _, cell, a, tanh_c, _ = [kept[span, :] for kept in aux]
        i, f, gate, o = _parts(a, 4)
        d = dh.of(span) + to_y[span, :]
        if w_hr is not None:
            ds.append(d)
            d = xp.matmul(d, w_hr)
        to_cell = 1 - tanh_c * tanh_c
        to_cell *= o
        to_cell *= d
        to_cell += dc.of(span)
        u = xp.concat([to_cell * gate, to_cell * cell, to_cell * i, d * tanh_c], axis=1)
        # Derivatives from the values: σ' = (1 − σ) σ, tanh' = (1 − tanh) (1 + tanh).
        u *= 1 - a
        u *= a + is_tanh
        us.append(u)
        dc.rows, dh.rows = to_cell * f, xp.matmul(u, w_hh)
    to_projected = _rows(xp, ds, not reverse) if ds else None
    return _rows(xp, us, not reverse), to_projected, dh.last(), dc.last()


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


@dispatchable
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
    given = _linear_forward(xp, x, w_ih, b_ih)
    wide, transposed = 2 * w_hh.shape[1], _for_steps(xp, w_hh, sizes)
    state, tape = _Running(xp, h), []
    for span in _spans(sizes, reverse):
        before = state.of(span)
        own = xp.matmul(before, transposed)
        if b_hh is not None:
            own += b_hh
        gates = _sigmoid(xp, given[span, :wide] + own[:, :wide])
        reset, keep = _parts(gates, 2)
        new = xp.tanh(given[span, wide:] + reset * own[:, wide:])
        state.rows = new + keep * (before - new)
        tape.append((state.rows, before, gates, new, own[:, wide:]))
    ys, *kept = _tape(xp, tape, reverse)
    return (ys, state.last()), tuple(kept)


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
    u, own, dh = _gru_back(xp, g, w_hh, aux, sizes=sizes, reverse=reverse)
    to_x, *others = _to_weights(xp, needs[0], needs[2:], u, own, x, aux[0], w_ih, w_hh)
    return to_x, dh, *others


@dispatchable
def _gru_back(xp: Any, g: Any, w_hh: Any, aux: Any, *, sizes: Sizes, reverse: bool) -> Any:
    dh, us, owns = _Running(xp, g[1]), [], []
    for span in _spans(sizes, not reverse):
        before, gates, new, own = [kept[span, :] for kept in aux]
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
    return _rows(xp, us, not reverse), _rows(xp, owns, not reverse), dh.last()


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
