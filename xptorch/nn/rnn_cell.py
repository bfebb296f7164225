"""Recurrent cells: one step of RNN, LSTM, GRU."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.nn.module import Module
from xptorch.nn.parameter import empty_parameter
from xptorch.nn.rnn import draw_weights
from xptorch.ops.layers import recurrent_stack
from xptorch.ops.shape import creation

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    r"""What the cells share: the weights of one step.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether there are biases.
        num_chunks: the number of gates.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight_ih: (gates · hidden_size, input_size), from :math:`\mathcal{U}(-k, k)`,
            :math:`k = 1 / \sqrt{hidden\_size}`, like the others.
        weight_hh: (gates · hidden_size, hidden_size).
        bias_ih, bias_hh: (gates · hidden_size).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        self.weight_ih = empty_parameter(gates, input_size, device=device, dtype=dtype)
        self.weight_hh = empty_parameter(gates, hidden_size, device=device, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            new = empty_parameter(gates, device=device, dtype=dtype) if bias else None
            self.register_parameter(name, new)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Re-initialise all weights."""
        draw_weights(self, self.hidden_size)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"

    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _check(self, t: Tensor, what: str) -> None:
        if t.ndim not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected {what} to be 1D or 2D, got {t.ndim}D instead"
            )

    def _one_state(self, function: Any, input: Tensor, hx: Tensor | None) -> Tensor:
        """A step of a cell whose state is one tensor."""
        self._check(input, "input")
        if hx is not None:
            self._check(hx, "hidden")
        batched = input.ndim == 2
        rows = input if batched else input.unsqueeze(0)
        if hx is None:
            hx = self._zeros(rows)
        elif not batched:
            hx = hx.unsqueeze(0)
        new: Tensor = function(rows, hx, *self._weights())
        return new if batched else new.squeeze(0)

    def _zeros(self, input: Tensor) -> Tensor:
        shape = (input.shape[0], self.hidden_size)
        return creation.zeros(shape, dtype=input.dtype, device=input._device)


class RNNCell(RNNCellBase):
    r"""One step of an `RNN`: :math:`h' = \tanh(W_{ih} x + b_{ih} + W_{hh} h + b_{hh})`.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether there are biases.
        nonlinearity: "tanh" or "relu".
        device: where the parameters live.
        dtype: of the parameters.

    Shape: input (n, i) or (i), state (n, h) or (h), zeros by default → the next state.

    Raises:
        RuntimeError: when called, if the nonlinearity is unknown or sizes do not match.

    >>> import xptorch as torch
    >>> torch.nn.RNNCell(10, 20)(torch.ones(3, 10)).shape
    xptorch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        tanh = self.nonlinearity == "tanh"
        step = recurrent_stack.rnn_tanh_cell if tanh else recurrent_stack.rnn_relu_cell
        return self._one_state(step, input, hx)


class GRUCell(RNNCellBase):
    r"""One step of a `GRU`: :math:`h' = (1 - z) n + z h`.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether there are biases.
        device: where the parameters live.
        dtype: of the parameters.

    Shape: input (n, i) or (i), state (n, h) or (h), zeros by default → the next state.

    >>> import xptorch as torch
    >>> torch.nn.GRUCell(10, 20)(torch.ones(3, 10)).shape
    xptorch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._one_state(recurrent_stack.gru_cell, input, hx)


class LSTMCell(RNNCellBase):
    r"""One step of an `LSTM`: :math:`c' = f c + i g`, :math:`h' = o \tanh(c')`.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether there are biases.
        device: where the parameters live.
        dtype: of the parameters.

    Shape: input (n, i) or (i), states a pair (n, h) or (h), zeros by default → the next pair.

    >>> import xptorch as torch
    >>> h, c = torch.nn.LSTMCell(10, 20)(torch.ones(3, 10))
    >>> h.shape, c.shape
    (xptorch.Size([3, 20]), xptorch.Size([3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        self._check(input, "input")
        for i, t in enumerate(() if hx is None else hx):
            self._check(t, f"hx[{i}]")
        batched = input.ndim == 2
        rows = input if batched else input.unsqueeze(0)
        if hx is None:
            hx = (self._zeros(rows),) * 2
        elif not batched:
            hx = (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        h, c = recurrent_stack.lstm_cell(rows, hx, *self._weights())
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))
