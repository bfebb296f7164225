"""Linear layers: Identity, Linear, Bilinear."""

from __future__ import annotations

import math
from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn import init
from xptorch.nn.module import Module
from xptorch.nn.parameter import declared, empty_parameter

__all__ = ["Bilinear", "Identity", "Linear"]


class Identity(Module):
    """Returns its input; accepts, and ignores, any arguments.

    Shape: any, the same out.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    r"""An affine map of the last axis: :math:`y = x W^T + b`.

    Args:
        in_features: size of the input's last axis.
        out_features: size of the output's last axis.
        bias: whether there is a `b`.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight: (out_features, in_features), from :math:`\mathcal{U}(-k, k)`,
            :math:`k = 1 / \sqrt{in\_features}`.
        bias: (out_features), from the same distribution; None without.

    Shape: (*, in_features) → (*, out_features).

    >>> import xptorch as torch
    >>> torch.nn.Linear(20, 30)(torch.ones(128, 20)).shape
    xptorch.Size([128, 30])
    """

    weight = declared("_parameters")
    bias = declared("_parameters")

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = empty_parameter(out_features, in_features, device=device, dtype=dtype)
        self.register_parameter(
            "bias", empty_parameter(out_features, device=device, dtype=dtype) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Re-initialise weight and bias."""
        # With this `a` the bound is 1 / √fan_in.
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear; the name is PyTorch's, and appears in the repr of attention."""


class Bilinear(Module):
    r"""A bilinear map of two inputs: :math:`y_k = x_1^T A_k x_2 + b_k`.

    Args:
        in1_features: size of the first input's last axis.
        in2_features: size of the second input's last axis.
        out_features: size of the output's last axis.
        bias: whether there is a `b`.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight: (out_features, in1_features, in2_features), from :math:`\mathcal{U}(-k, k)`,
            :math:`k = 1 / \sqrt{in1\_features}`.
        bias: (out_features), from the same distribution; None without.

    Shape: (*, in1_features), (*, in2_features) → (*, out_features).

    Raises:
        ValueError: in1_features is not positive.
    """

    weight = declared("_parameters")
    bias = declared("_parameters")

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = empty_parameter(*shape, device=device, dtype=dtype)
        self.register_parameter(
            "bias", empty_parameter(out_features, device=device, dtype=dtype) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Re-initialise weight and bias."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
