"""Gradients of convolutions by themselves: of the input, and of the weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xptorch import autograd
from xptorch._grad_mode import enable_grad
from xptorch._tensor import Tensor
from xptorch.nn import functional as F

__all__ = [
    *("conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight"),
    *("conv3d_input", "conv3d_weight"),
]


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
        settings = (stride, padding, dilation, groups)
        with enable_grad():
            output = getattr(F, name)(input, weight, None, *settings)
        return autograd.grad(output, input, grad_output)[0]

    conv_input.__name__ = conv_input.__qualname__ = f"{name}_input"
    conv_input.__doc__ = f"The gradient of `{name}` with respect to an input of that size."
    return conv_input


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
        settings = (stride, padding, dilation, groups)
        with enable_grad():
            output = getattr(F, name)(input, weight, None, *settings)
        return autograd.grad(output, weight, grad_output)[0]

    conv_weight.__name__ = conv_weight.__qualname__ = f"{name}_weight"
    conv_weight.__doc__ = f"The gradient of `{name}` with respect to a weight of that size."
    return conv_weight


conv1d_input, conv1d_weight = _of_input("conv1d"), _of_weight("conv1d")
conv2d_input, conv2d_weight = _of_input("conv2d"), _of_weight("conv2d")
conv3d_input, conv3d_weight = _of_input("conv3d"), _of_weight("conv3d")
