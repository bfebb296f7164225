"""Activations: layers that apply one function to inputs of any size."""

from __future__ import annotations

import warnings
from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn import init as _init
from xptorch.nn.attention import MultiheadAttention as MultiheadAttention
from xptorch.nn.module import Module
from xptorch.nn.parameter import declared, empty_parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _MayWorkInPlace(Module):
    """An activation whose only setting is whether it overwrites its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


def _and_inplace(module: Any) -> str:
    return ", inplace=True" if module.inplace else ""


# ---- rectifiers


class ReLU(_MayWorkInPlace):
    r""":math:`\mathrm{ReLU}(x) = \max(0, x)`, elementwise.

    Args:
        inplace: overwrite the input.

    Shape: any, the same out.

    >>> import xptorch as torch
    >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, inplace=self.inplace)


class LeakyReLU(Module):
    r""":math:`\max(0, x) + s·\min(0, x)`, elementwise.

    Args:
        negative_slope: the slope `s` below 0.
        inplace: overwrite the input.

    Shape: any, the same out.
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}{_and_inplace(self)}"


class PReLU(Module):
    r""":math:`\max(0, x) + w·\min(0, x)` with a learned slope.

    Args:
        num_parameters: 1, or the number of channels (axis 1) for a slope each.
        init: the initial slope.
        device: where the slopes live.
        dtype: of the slopes.

    Attributes:
        weight: (num_parameters), the slopes.

    Shape: any, the same out.

    Source: He et al., Delving deep into rectifiers (2015).
    """

    weight = declared("_parameters")

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = empty_parameter(num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slopes to their initial value."""
        _init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    r""":math:`\max(0, x) + a·\min(0, x)`, with `a` drawn anew for each element when training.

    Args:
        lower: the least slope.
        upper: the largest slope; in evaluation `a` is the mean of both.
        inplace: overwrite the input.

    Shape: any, the same out.
    """

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}{_and_inplace(self)}"


class Threshold(Module):
    r""":math:`x` where :math:`x > threshold`, else `value`.

    Args:
        threshold: what `x` must exceed.
        value: what replaces the rest.
        inplace: overwrite the input.

    Shape: any, the same out.
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}{_and_inplace(self)}"


class Hardtanh(Module):
    r""":math:`\min(\max(x, min\_val), max\_val)`, elementwise.

    Args:
        min_val: the least output.
        max_val: the largest output.
        inplace: overwrite the input.
        min_value: the deprecated name of `min_val`.
        max_value: the deprecated name of `max_val`.

    Shape: any, the same out.
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        self.min_val = self._renamed("min", min_val, min_value)
        self.max_val = self._renamed("max", max_val, max_value)
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise AssertionError(
                f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})"
            )

    @staticmethod
    def _renamed(what: str, value: float, deprecated: float | None) -> float:
        if deprecated is None:
            return value
        warnings.warn(
            f"keyword argument `{what}_value` is deprecated and renamed to `{what}_val`",
            FutureWarning,
            stacklevel=3,
        )
        return deprecated

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}{_and_inplace(self)}"


class ReLU6(Hardtanh):
    r""":math:`\min(\max(0, x), 6)`, elementwise.

    Args:
        inplace: overwrite the input.

    Shape: any, the same out.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


# ---- exponential units


class ELU(Module):
    r""":math:`x` where positive, else :math:`\alpha (e^x - 1)`.

    Args:
        alpha: minus the limit towards −∞.
        inplace: overwrite the input.

    Shape: any, the same out.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}{_and_inplace(self)}"


class CELU(ELU):
    r""":math:`\max(0, x) + \min(0, \alpha (e^{x / \alpha} - 1))`, elementwise.

    Args:
        alpha: minus the limit towards −∞.
        inplace: overwrite the input.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)


class SELU(_MayWorkInPlace):
    r""":math:`scale·(\max(0, x) + \min(0, \alpha (e^x - 1)))`, which keeps mean 0 and variance 1.

    With scale 1.0507009873554805 and α 1.6732632423543772.

    Args:
        inplace: overwrite the input.

    Shape: any, the same out.

    Source: Klambauer et al., Self-normalizing neural networks (2017).
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)


# ---- sigmoids and their products


class Sigmoid(Module):
    r""":math:`\sigma(x) = 1 / (1 + e^{-x})`, elementwise.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class LogSigmoid(Module):
    r""":math:`\log \sigma(x)`, elementwise, without overflow.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Tanh(Module):
    r""":math:`\tanh(x)`, elementwise.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class SiLU(_MayWorkInPlace):
    r""":math:`x \, \sigma(x)`, elementwise; also called swish.

    Args:
        inplace: overwrite the input.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, inplace=self.inplace)


class Mish(_MayWorkInPlace):
    r""":math:`x \tanh(\log(1 + e^x))`, elementwise.

    Args:
        inplace: overwrite the input.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, inplace=self.inplace)


class GELU(Module):
    r""":math:`x \, \Phi(x)`, with Φ the normal distribution function.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for
            :math:`x/2 \, (1 + \tanh(\sqrt{2/\pi} \, (x + 0.044715 x^3)))`.

    Shape: any, the same out.

    Source: Hendrycks & Gimpel, Gaussian error linear units (2016).
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GLU(Module):
    r""":math:`a \, \sigma(b)`, with `a` and `b` the halves of the input along an axis.

    Args:
        dim: the axis.

    Shape: (…, 2n, …) → (…, n, …).
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Hardsigmoid(_MayWorkInPlace):
    r""":math:`\min(\max(0, x / 6 + 1/2), 1)`, elementwise.

    Args:
        inplace: overwrite the input.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""


class Hardswish(_MayWorkInPlace):
    r""":math:`x \, \min(\max(0, x + 3), 6) / 6`, elementwise.

    Args:
        inplace: overwrite the input.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return ""


# ---- smooth functions and shrinkage


class Softplus(Module):
    r""":math:`\frac{1}{\beta} \log(1 + e^{\beta x})`, a smooth ReLU.

    Args:
        beta: how sharp the bend is.
        threshold: where :math:`\beta x` exceeds this, the output is `x`.

    Shape: any, the same out.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    r""":math:`x / (1 + |x|)`, elementwise.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanhshrink(Module):
    r""":math:`x - \tanh(x)`, elementwise.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class Hardshrink(Module):
    r""":math:`x` where :math:`|x| > \lambda`, else 0.

    Args:
        lambd: the bound λ.

    Shape: any, the same out.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(Hardshrink):
    r""":math:`x - \lambda` above λ, :math:`x + \lambda` below −λ, 0 between.

    Args:
        lambd: the bound λ.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)


# ---- along an axis


class Softmax(Module):
    r""":math:`e^{x_i} / \sum_j e^{x_j}` along an axis: positive numbers that sum to 1.

    Args:
        dim: the axis.

    Shape: any, the same out.

    >>> import xptorch as torch
    >>> torch.nn.Softmax(dim=1)(torch.zeros(2, 4))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500],
            [0.2500, 0.2500, 0.2500, 0.2500]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Softmax):
    r""":math:`e^{-x_i} / \sum_j e^{-x_j}` along an axis.

    Args:
        dim: the axis.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)


class LogSoftmax(Softmax):
    r""":math:`\log(e^{x_i} / \sum_j e^{x_j})` along an axis, without overflow.

    Args:
        dim: the axis.

    Shape: any, the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """Softmax over the channels at each position of an image.

    Shape: (n, c, h, w) or (c, h, w), the same out.

    Raises:
        ValueError: the input does not have 3 or 4 dimensions.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3, _stacklevel=5)
