"""Stacks of recurrent layers, and single cells: torch.lstm, torch.gru, torch.lstm_cell, …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch.ops._common import FLOAT, need_tensor, to_dtype, type_name
from xptorch.ops._factories import named
from xptorch.ops.layers import dropout as drop
from xptorch.ops.layers.recurrent import gru_layer, lstm_layer, rnn_layer
from xptorch.ops.shape import joining

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh",
    "rnn_tanh_cell",
]  # fmt: skip

Tensors = Sequence["Tensor"]
LAYERS: dict[str, Callable[..., Any]] = {
    "lstm": lstm_layer,
    "gru": gru_layer,
    "rnn_tanh": partial(rnn_layer, relu=False),
    "rnn_relu": partial(rnn_layer, relu=True),
}


def stacked(
    kind: str,
    input: Tensor,
    batch_sizes: Tensor | None,
    states: Tensors,
    params: Tensors,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
) -> tuple[Tensor, ...]:
    """Run stacked layers; returns the last layer's outputs, then the final states of all layers.

    Args:
        kind: a key of `LAYERS`.
        input: (l, n, i); with `batch_sizes` the rows of a packed sequence.
        states: for each kind of state the initial ones, (layers · directions, n, size).
    """
    rest = (states, params, has_biases, num_layers, dropout, train, bidirectional)
    wanted = 3 if batch_sizes is None else 2
    if input.ndim != wanted:
        raise RuntimeError(f"input must have {wanted} dimensions, got {input.ndim}")
    if batch_sizes is not None:
        sizes = tuple(batch_sizes.tolist())
        if sum(sizes) > input.shape[0]:
            raise RuntimeError(
                f"batch_sizes stand for {sum(sizes)} rows, but there are {input.shape[0]}"
            )
        return _layers(kind, input, sizes, *rest)
    x = input.transpose(0, 1) if batch_first else input
    length, n, width = x.shape
    if not length:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    y, *last = _layers(kind, x.reshape(length * n, width), (n,) * length, *rest)
    y = y.view(length, n, y.shape[1])
    return (y.transpose(0, 1) if batch_first else y), *last


def _layers(
    kind: str,
    rows: Tensor,
    sizes: tuple[int, ...],
    states: Tensors,
    params: Tensors,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, ...]:
    directions = 2 if bidirectional else 1
    if states[0].shape[0] != num_layers * directions:
        raise RuntimeError("Expected more hidden states in stacked_rnn")
    first = list(zip(*(s.unbind(0) for s in states), strict=True))
    each = len(params) // len(first)
    if each - (4 if has_biases else 2) not in ((0, 1) if kind == "lstm" else (0,)):
        raise RuntimeError("got an incorrect number of RNN parameters")
    last: list[list[Tensor]] = []
    for layer in range(num_layers):
        outs = []
        for reverse in (False, True)[:directions]:
            place = len(last)
            weights = _weights(params[place * each : (place + 1) * each], has_biases)
            y, *ended = _run(kind, rows, *first[place], *weights, sizes=sizes, reverse=reverse)
            outs.append(y)
            last.append(ended)
        rows = joining.cat(outs, 1) if bidirectional else outs[0]
        if dropout and train and layer < num_layers - 1:
            rows = drop.dropout(rows, dropout, True)
    return rows, *[joining.stack(ends) for ends in zip(*last, strict=True)]


def _weights(given: Tensors, has_biases: bool) -> list[Any]:
    """w_ih, w_hh, b_ih, b_hh, and w_hr of an LSTM with projections."""
    w_ih, w_hh, *rest = given
    biases = rest[:2] if has_biases else [None, None]
    return [w_ih, w_hh, *biases, *rest[2 if has_biases else 0 :]]


def _run(kind: str, x: Tensor, *inputs: Any, **static: Any) -> tuple[Tensor, ...]:
    """One layer in one direction; half precision is computed in float32."""
    if x.dtype.category < FLOAT and kind != "rnn_relu":
        raise RuntimeError(f"{kind} needs floating-point inputs, got {type_name(x.dtype)}")
    count = 2 if kind == "lstm" else 1
    states, (w_ih, w_hh, *rest) = inputs[:count], inputs[count:]
    for a, w in ((x, w_ih), (states[0], w_hh)):
        _check_product(a, w)
    if kind == "lstm":
        rest += [None] * (3 - len(rest))
    every = [x, *states, w_ih, w_hh, *rest]
    if x.dtype is not dtypes.float16:
        return LAYERS[kind](*every, **static)
    wide = [None if t is None else to_dtype(t, dtypes.float32) for t in every]
    return tuple(to_dtype(t, dtypes.float16) for t in LAYERS[kind](*wide, **static))


def _check_product(a: Tensor, w: Tensor) -> None:
    if a.dtype is not w.dtype:
        raise RuntimeError(
            "mat1 and mat2 must have the same dtype, but got "
            f"{type_name(a.dtype)} and {type_name(w.dtype)}"
        )
    if a.shape[1] != w.shape[1]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and "
            f"{w.shape[1]}x{w.shape[0]})"
        )


# ---- the public functions


def _padded(
    input: Tensor,
    hx: Any,
    params: Tensors,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Any, ...]:
    how = (has_biases, num_layers, dropout, train, bidirectional, batch_first)
    return input, None, hx, params, *how


def _packed(
    data: Tensor,
    batch_sizes: Tensor,
    hx: Any,
    params: Tensors,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Any, ...]:
    return data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional


def _public(kind: str) -> Callable[..., tuple[Tensor, ...]]:
    def function(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        packed = "batch_sizes" in kwargs or (len(args) > 3 and not isinstance(args[3], bool))
        arranged = (_packed if packed else _padded)(*args, **kwargs)
        input, batch_sizes, hx, *rest = arranged
        if kind == "lstm" and len(hx) != 2:
            raise RuntimeError("lstm expects two hidden states")
        return stacked(kind, input, batch_sizes, hx if kind == "lstm" else (hx,), *rest)

    doc = (
        "Layers of `nn` run with given weights; see the class.\n\n"
        "Called with (input, hx, params, has_biases, num_layers, dropout, train, bidirectional,\n"
        "batch_first), or with (data, batch_sizes, hx, params, …, bidirectional) of a packed\n"
        "sequence."
    )
    return named(function, kind, doc)


lstm, gru, rnn_tanh, rnn_relu = map(_public, ("lstm", "gru", "rnn_tanh", "rnn_relu"))


def _cell(kind: str, input: Tensor, hx: Tensors, *weights: Tensor | None) -> tuple[Tensor, ...]:
    """One step: the new states."""
    need_tensor(input, f"{kind}_cell")
    width, size = weights[0].shape[1], weights[1].shape[1]  # type: ignore[union-attr]
    if input.shape[1] != width:
        raise RuntimeError(
            f"input has inconsistent input_size: got {input.shape[1]} expected {width}"
        )
    for i, h in enumerate(hx):
        if h.shape[0] != input.shape[0]:
            raise RuntimeError(
                f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {h.shape[0]}"
            )
        if h.shape[1] != size:
            raise RuntimeError(
                f"hidden{i} has inconsistent hidden_size: got {h.shape[1]}, expected {size}"
            )
    n = int(input.shape[0])
    return _run(kind, input, *hx, *weights, sizes=(n,), reverse=False)[1:]


def lstm_cell(
    input: Tensor,
    hx: Tensors,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM, from (h, c) to the next (h, c).

    Shape: input (n, i), h and c (n, s), w_ih (4 s, i), w_hh (4 s, s), biases (4 s).
    """
    if not isinstance(hx, (tuple, list)):
        raise TypeError(
            "lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, "
            f"not {type(hx).__name__}"
        )
    h, c = _cell("lstm", input, hx, w_ih, w_hh, b_ih, b_hh)
    return h, c


def _cell_function(kind: str, doc: str) -> Callable[..., Tensor]:
    def function(
        input: Tensor,
        hx: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None = None,
        b_hh: Tensor | None = None,
    ) -> Tensor:
        return _cell(kind, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]

    return named(function, f"{kind}_cell", doc)


gru_cell = _cell_function("gru", "One step of gated recurrent units: the next h.")
rnn_tanh_cell = _cell_function("rnn_tanh", "tanh(W_ih x + b_ih + W_hh h + b_hh), the next h.")
rnn_relu_cell = _cell_function("rnn_relu", "max(0, W_ih x + b_ih + W_hh h + b_hh), the next h.")
