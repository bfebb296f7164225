"""Gradients of convolutions as functions: for the input, and for the weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xptorch import autograd
from xptorch._engine.grad_mode import enable_grad, is_grad_enabled
from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.ops._factories import named

__all__ = [
    *("conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight"),
    *("conv3d_input", "conv3d_weight"),
]


def _gradient(name: str, input: Tensor, weight: Tensor, of: Tensor, g: Any, how: Any) -> Tensor:
    """The gradient for `input` or `weight` (`of`), which depends on the other and on `g`."""
    record = is_grad_enabled()
    with enable_grad():
        output = getattr(F, name)(input, weight, None, *how)
    return autograd.grad(output, of, g, create_graph=record)[0]


def _of_input(name: str) -> Callable[..., Tensor]:
    def conv_input(
        input_size: Sequence[int],
        weight: Tensor,
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        input = grad_output.new_zeros(input_size).requires_grad_()
        how = (stride, padding, dilation, groups)
        return _gradient(name, input, weight, input, grad_output, how)

    doc = f"The gradient of `{name}` with respect to an input of that size."
    return named(conv_input, f"{name}_input", doc)


def _of_weight(name: str) -> Callable[..., Tensor]:
    def conv_weight(
        input: Tensor,
        weight_size: Sequence[int],
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        weight = grad_output.new_zeros(weight_size).requires_grad_()
        how = (stride, padding, dilation, groups)
        return _gradient(name, input, weight, weight, grad_output, how)

    doc = f"The gradient of `{name}` with respect to a weight of that size."
    return named(conv_weight, f"{name}_weight", doc)


conv1d_input, conv1d_weight = _of_input("conv1d"), _of_weight("conv1d")
conv2d_input, conv2d_weight = _of_input("conv2d"), _of_weight("conv2d")
conv3d_input, conv3d_weight = _of_input("conv3d"), _of_weight("conv3d")
