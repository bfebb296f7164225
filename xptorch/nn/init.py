"""Initial values of parameters: functions that fill a tensor in place and return it.

They draw from the default generator exactly as PyTorch does on the CPU, so the same seed gives the
same weights.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

from xptorch._engine import graph
from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.ops.elementwise import comparison
from xptorch.ops.random import sampling

_LINEAR = (
    *("linear", "conv1d", "conv2d", "conv3d", "sigmoid"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
)
_GAINS = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    r"""The factor by which weights compensate for a nonlinearity's effect on the variance.

    Args:
        nonlinearity: ``"linear"``, ``"conv2d"`` …, ``"sigmoid"``: 1; ``"tanh"``: 5/3; ``"relu"``:
            √2; ``"leaky_relu"``: :math:`\sqrt{2 / (1 + s^2)}`; ``"selu"``: 3/4.
        param: for ``"leaky_relu"`` its negative slope `s`, 0.01 by default.

    >>> calculate_gain("leaky_relu", 1)
    1.0
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity in _GAINS:
        return _GAINS[nonlinearity]
    if nonlinearity != "leaky_relu":
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    slope = 0.01 if param is None else param
    if isinstance(slope, bool) or not isinstance(slope, (int, float)):
        raise ValueError(f"negative_slope {param} not a valid number")
    return math.sqrt(2.0 / (1 + slope**2))


# ---- plain distributions


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    r"""Draw from the uniform distribution :math:`\mathcal{U}(a, b)`."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    r"""Draw from the normal distribution of that mean and standard deviation."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    r"""Draw from the normal distribution of that mean and standard deviation, truncated to [a, b].

    Values outside are drawn again. Where that would take long, the draws are uniform in [a, b] and
    accepted with a probability proportional to the density.
    """
    if not a - 2 * std <= mean <= b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of "
            "values may be incorrect.",
            stacklevel=3,
        )

    def cdf(x: float) -> float:
        return (1.0 + math.erf((x - mean) / std / math.sqrt(2.0))) / 2.0

    if cdf(b) - cdf(a) > 0.3:
        return _redraw_outside(tensor, mean, std, a, b, generator)
    return _redraw_by_density(tensor, mean, std, a, b, generator)


def _redraw_outside(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any
) -> Tensor:
    low, high = (tensor.new_full((), x).item() for x in (a, b))  # rounded to the dtype
    drawn = tensor.normal_(mean, std, generator=generator)
    while bool((outside := (drawn < low) | (drawn > high)).any()):
        again = drawn.new_empty(drawn.shape).normal_(mean, std, generator=generator)
        drawn = comparison.where(outside, again, drawn)
    return tensor if drawn is tensor else tensor.copy_(drawn)


def _redraw_by_density(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any
) -> Tensor:
    nearest = min(max(mean, a), b)
    peak = -0.5 * ((nearest - mean) / std) ** 2  # of the logarithm of the density within [a, b]

    def too_unlikely(x: Tensor) -> Tensor:
        relative = ((x - mean) / std) ** 2 * -0.5 - peak
        return x.new_empty(x.shape).uniform_(generator=generator).log_() > relative

    drawn = tensor.uniform_(a, b, generator=generator)
    rejected = too_unlikely(drawn)
    while bool(rejected.any()):
        again = drawn.new_empty(drawn.shape).uniform_(a, b, generator=generator)
        drawn = comparison.where(rejected, again, drawn)
        rejected = too_unlikely(drawn) & rejected
    return tensor if drawn is tensor else tensor.copy_(drawn)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return tensor.fill_(val)


@no_grad()
def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return tensor.fill_(1.0)


@no_grad()
def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return tensor.zero_()


# ---- structured values


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity (padded or cut if not square), so that a layer keeps its input.

    Raises:
        ValueError: the tensor does not have 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    tensor.zero_()
    for i in range(min(tensor.shape)):
        tensor[i, i] = 1.0
    return tensor


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make a convolution's weight (out, in, …) keep its input channels, in each group.

    Raises:
        ValueError: the tensor does not have 3 to 5 dimensions, or `groups` does not divide `out`.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    out = tensor.shape[0]
    if out % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    middle = tuple(s // 2 for s in tensor.shape[2:])
    tensor.zero_()
    for start in range(0, out, max(out // groups, 1)):
        for i in range(min(out // groups, tensor.shape[1])):
            tensor[(start + i, i, *middle)] = 1.0
    return tensor


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    r"""Make a (semi-)orthogonal matrix, trailing axes flattened: :math:`W W^T = gain^2 I`.

    Source: Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks (2013).

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    flat = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
    tall = flat.t() if rows < columns else flat
    on, xp = flat._device, flat._device.xp
    q, r = xp.linalg.qr(tall._data)
    # With the signs of R's diagonal the result is uniform over all orthogonal matrices.
    signs = xp.sign(xp.linalg.diagonal(r))
    q = graph.wrap(q * signs, on)
    tensor.copy_((q.t() if rows < columns else q).reshape(tensor.shape))
    return tensor.mul_(gain)


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    r"""Draw a matrix from :math:`\mathcal{N}(0, std^2)` and zero a fraction of each column.

    Args:
        sparsity: the fraction of zeros, rounded up.

    Raises:
        ValueError: the tensor does not have 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        tensor[sampling.randperm(rows)[:zeros].to(tensor.device), column] = 0
    return tensor


# ---- scaled by fan in and fan out


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs feed one output of a weight (out, in, …), and vice versa."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    r"""Draw from :math:`\mathcal{U}(-a, a)`, :math:`a = gain \sqrt{6 / (fan_{in} + fan_{out})}`.

    Source: Glorot & Bengio, Understanding the difficulty of training deep feedforward neural
    networks (2010).
    """
    a = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -a, a, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    r"""Draw from the normal distribution with :math:`std = gain \sqrt{2 / (fan_{in} + fan_{out})}`.

    Source: as `xavier_uniform_`.
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    """The standard deviation, or None for a tensor without elements."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    r"""Draw from :math:`\mathcal{U}(-b, b)`, :math:`b = gain \sqrt{3 / fan}`.

    Args:
        tensor: a weight (out, in, …).
        a: the negative slope, for ``"leaky_relu"``.
        mode: ``"fan_in"`` keeps the variance in the forward, ``"fan_out"`` in the backward pass.
        nonlinearity: what follows the layer, see `calculate_gain`.
        generator: draws from it in place of the default generator.

    Source: He et al., Delving deep into rectifiers (2015).
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    r"""Draw from the normal distribution with :math:`std = gain / \sqrt{fan}`.

    Args and source: as `kaiming_uniform_`.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


# ---- the names used before PyTorch 0.4


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    new = function.__name__
    old = new[:-1]

    @functools.wraps(function)
    def renamed(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    renamed.__name__ = renamed.__qualname__ = old
    renamed.__doc__ = f"The deprecated name of `{new}`."
    return renamed


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
