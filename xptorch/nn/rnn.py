"""Recurrent layers: RNN, LSTM, GRU."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.nn import init
from xptorch.nn.module import Module, unusual
from xptorch.nn.parameter import Parameter, empty_parameter
from xptorch.nn.utils.rnn import PackedSequence
from xptorch.ops.layers import recurrent_stack
from xptorch.ops.shape import creation

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def draw_weights(module: Module, size: int) -> None:
    """Draw all weights from :math:`\\mathcal{U}(-k, k)`, :math:`k = 1 / \\sqrt{size}`."""
    bound = 1 / math.sqrt(size) if size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNBase(Module):
    """What RNN, LSTM and GRU share: weights, layers, directions, packed and unbatched input.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size: features of each step's input.
        hidden_size: features of the state.
        num_layers: the number of stacked layers.
        bias: whether there are biases.
        batch_first: whether batches are (n, l, i) in place of (l, n, i).
        dropout: of the outputs of all layers but the last, in training.
        bidirectional: whether each layer also runs from the last step to the first.
        proj_size: the size to which an LSTM maps its output; 0 for none.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_hr_l0: of layer 0, and so for
            the others; those of the reverse direction end in ``_reverse``. All are drawn from
            :math:`\\mathcal{U}(-k, k)`, :math:`k = 1 / \\sqrt{hidden\\_size}`.

    Raises:
        ValueError: a size is not positive, or dropout is not a probability.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        _check_settings(self, dropout)
        self._register_weights(device, dtype)
        self.reset_parameters()

    def _register_weights(self, device: Any, dtype: Any) -> None:
        gates, out = _GATES[self.mode] * self.hidden_size, self.proj_size or self.hidden_size
        directions = ("", "_reverse") if self.bidirectional else ("",)
        self._all_weights: list[list[str]] = []
        for layer in range(self.num_layers):
            width = out * len(directions) if layer else self.input_size
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, width)}
            shapes["weight_hh"] = (gates, out)
            if self.bias:
                shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
            if self.proj_size:
                shapes["weight_hr"] = (self.proj_size, self.hidden_size)
            for end in directions:
                names = {f"{name}_l{layer}{end}": shape for name, shape in shapes.items()}
                for name, shape in names.items():
                    new = empty_parameter(*shape, device=device, dtype=dtype)
                    self.register_parameter(name, new)
                self._all_weights.append(list(names))

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Does nothing: the weights need no special memory layout here."""

    def reset_parameters(self) -> None:
        """Re-initialise all weights."""
        draw_weights(self, self.hidden_size)

    # ---- checks, under PyTorch's names

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raise if the input does not match the weights."""
        weight = self._flat_weights[0]
        if input.dtype is not weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: "
                f"model.to({input.dtype})"
            )
        wanted = 3 if batch_sizes is None else 2
        if input.ndim != wanted:
            raise RuntimeError(f"input must have {wanted} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.shape[-1]}"
            )

    def get_expected_hidden_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """The shape that the initial state must have."""
        layers = self.num_layers * (2 if self.bidirectional else 1)
        return layers, self._batch(input, batch_sizes), self.proj_size or self.hidden_size

    def _batch(self, input: Tensor, batch_sizes: Tensor | None) -> int:
        if batch_sizes is not None:
            return int(batch_sizes[0])
        return int(input.shape[0 if self.batch_first else 1])

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raise if the state has another shape."""
        if tuple(hx.shape) != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raise if input or state do not match the weights."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with its sequences in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    # ---- running

    def _initial_state(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        """Zeros as the initial state."""
        layers, n, _ = self.get_expected_hidden_size(input, batch_sizes)
        shape = (layers, n, self.hidden_size)
        return creation.zeros(shape, dtype=input.dtype, device=input._device)

    def _check_rank(self, hx: Any, batched: bool) -> None:
        """Raise if the state has a batch axis where the input has none, or vice versa."""
        wanted = 3 if batched else 2
        if hx.ndim != wanted:
            kind = "batched" if batched else "unbatched"
            raise RuntimeError(
                f"For {kind} {wanted}-D input, hx should also be {wanted}-D but got "
                f"{hx.ndim}-D tensor"
            )

    def _with_batch_axis(self, input: Tensor, hx: Any) -> tuple[Tensor, Any, bool]:
        """Input and initial state with a batch axis, and whether there was one."""
        if input.ndim not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.ndim}D instead"
            )
        batched = input.ndim == 3
        if hx is not None:
            self._check_rank(hx, batched)
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
            hx = _each(hx, lambda h: h.unsqueeze(1))
        return input, hx, batched

    def forward(
        self, input: Tensor | PackedSequence, hx: Any = None
    ) -> tuple[Tensor | PackedSequence, Any]:
        packed = input if isinstance(input, PackedSequence) else None
        sizes, order, back = None, None, None
        batched = True
        hx = tuple(hx) if isinstance(hx, list) else hx
        if packed is not None:
            input, sizes, order, back = packed
        else:
            input, hx, batched = self._with_batch_axis(input, hx)  # type: ignore[arg-type]
        if hx is None:
            hx = self._initial_state(input, sizes)
        else:  # the rows of a packed sequence are sorted by length
            hx = self.permute_hidden(hx, order)
        self.check_forward_args(input, hx, sizes)
        output, hidden = self._run(input, hx, sizes)
        if packed is not None:
            return PackedSequence(output, sizes, order, back), self.permute_hidden(hidden, back)
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            hidden = _each(hidden, lambda h: h.squeeze(1))
        return output, hidden

    def _run(self, input: Tensor, hx: Any, batch_sizes: Tensor | None) -> tuple[Tensor, Any]:
        states = hx if isinstance(hx, tuple) else (hx,)
        output, *last = recurrent_stack.stacked(
            *(self.mode.lower(), input, batch_sizes, states, self._flat_weights, self.bias),
            *(self.num_layers, self.dropout, self.training, self.bidirectional, self.batch_first),
        )
        return output, tuple(last) if isinstance(hx, tuple) else last[0]

    def extra_repr(self) -> str:
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False}
        usual |= {"dropout": 0, "bidirectional": False}
        return f"{self.input_size}, {self.hidden_size}{unusual(self, usual)}"


def _each(hx: Any, function: Any) -> Any:
    """`function` of a state, or of each of a pair."""
    if hx is None:
        return None
    return tuple(map(function, hx)) if isinstance(hx, tuple) else function(hx)


def _check_settings(module: RNNBase, dropout: Any) -> None:
    if (
        isinstance(dropout, bool)
        or not isinstance(dropout, numbers.Number)
        or not (0 <= module.dropout <= 1)
    ):
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an "
            "element being zeroed"
        )
    if module.dropout > 0 and module.num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and num_layers=1",
            stacklevel=4,
        )
    types = {"input_size": int, "hidden_size": int, "bias": bool, "batch_first": bool}
    for name, kind in types.items():
        value = getattr(module, name)
        if not isinstance(value, kind):
            raise TypeError(
                f"{name} should be of type {kind.__name__}, got: {type(value).__name__}"
            )
    for name in ("input_size", "hidden_size"):
        if getattr(module, name) <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if module.num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if module.proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if module.proj_size >= module.hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")
    if module.mode not in _GATES:
        raise ValueError(f"Unrecognized RNN mode: {module.mode}")


class RNN(RNNBase):
    r"""Simple (Elman) recurrent layers: :math:`h_t = \tanh(W_{ih} x_t + W_{hh} h_{t-1} + b)`.

    Args:
        input_size, hidden_size, num_layers: as in `RNNBase`, like those after nonlinearity.
        nonlinearity: "tanh" or "relu".

    Shape: input (l, n, i), (n, l, i) with `batch_first`, or (l, i); the initial state
    (layers · directions, n, h) → (l, n, directions · h) and the last states.

    Raises:
        ValueError: the nonlinearity is unknown, or as in `RNNBase`.

    >>> import xptorch as torch
    >>> y, h = torch.nn.RNN(10, 20, 2)(torch.ones(5, 3, 10))
    >>> y.shape, h.shape
    (xptorch.Size([5, 3, 20]), xptorch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_projection(kwargs)
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = (*args[:3], *args[4:])
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{self.nonlinearity.upper()}", *args, **kwargs)


class GRU(RNNBase):
    r"""Gated recurrent units: reset and update gates :math:`r, z`, new state :math:`n`.

    .. math:: h_t = (1 - z_t) n_t + z_t h_{t-1}, \quad
        n_t = \tanh(W_{in} x_t + b_{in} + r_t (W_{hn} h_{t-1} + b_{hn}))

    Args:
        input_size, hidden_size, num_layers: as in `RNNBase`, like all others.

    Shape: input (l, n, i), (n, l, i) with `batch_first`, or (l, i); the initial state
    (layers · directions, n, h) → (l, n, directions · h) and the last states.

    Source: Cho et al., Learning phrase representations using RNN encoder-decoder (2014).

    >>> import xptorch as torch
    >>> y, h = torch.nn.GRU(10, 20, 2)(torch.ones(5, 3, 10))
    >>> y.shape, h.shape
    (xptorch.Size([5, 3, 20]), xptorch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)


def _refuse_projection(settings: dict[str, Any]) -> None:
    if "proj_size" in settings:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class LSTM(RNNBase):
    r"""Long short-term memory: a cell :math:`c`, with input, forget and output gates.

    .. math:: c_t = f_t c_{t-1} + i_t g_t, \quad h_t = o_t \tanh(c_t)

    with :math:`i, f, o` the sigmoid and :math:`g` the tanh of maps of :math:`x_t` and
    :math:`h_{t-1}`.

    Args:
        input_size, hidden_size, num_layers: as in `RNNBase`, like all others.

    Shape: input (l, n, i), (n, l, i) with `batch_first`, or (l, i); the initial states a pair
    (layers · directions, n, h) → (l, n, directions · h) and the pair of last states.

    Source: Hochreiter and Schmidhuber, Long short-term memory (1997).

    >>> import xptorch as torch
    >>> y, (h, c) = torch.nn.LSTM(10, 20, 2)(torch.ones(5, 3, 10))
    >>> y.shape, h.shape, c.shape
    (xptorch.Size([5, 3, 20]), xptorch.Size([2, 3, 20]), xptorch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        if batch_sizes is None:  # the product checks packed rows, as in PyTorch
            super().check_input(input, batch_sizes)

    def get_expected_cell_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """The shape that the initial cell state must have."""
        layers, n, _ = self.get_expected_hidden_size(input, batch_sizes)
        return layers, n, self.hidden_size

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        wanted = self.get_expected_hidden_size(input, batch_sizes)
        self.check_hidden_size(hidden[0], wanted, "Expected hidden[0] size {}, got {}")
        wanted = self.get_expected_cell_size(input, batch_sizes)
        self.check_hidden_size(hidden[1], wanted, "Expected hidden[1] size {}, got {}")

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        if permutation is None:
            return hx
        return tuple(h.index_select(1, permutation) for h in hx)

    def _initial_state(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        wanted = (self.get_expected_hidden_size, self.get_expected_cell_size)
        shapes = [shape(input, batch_sizes) for shape in wanted]
        return tuple(creation.zeros(s, dtype=input.dtype, device=input._device) for s in shapes)

    def _check_rank(self, hx: Any, batched: bool) -> None:
        wanted = 3 if batched else 2
        if hx[0].ndim != wanted or hx[1].ndim != wanted:
            kind = "batched" if batched else "unbatched"
            raise RuntimeError(
                f"For {kind} {wanted}-D input, hx and cx should also be {wanted}-D but got "
                f"({hx[0].ndim}-D, {hx[1].ndim}-D) tensors"
            )
