"""Activation functions: the ops with their derivatives, and PyTorch's functions over them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import BOOL, COMPLEX, FLOAT
from xptorch._engine.graph import wrap
from xptorch._engine.op import dispatchable, op
from xptorch.ops._common import at_axis, floating, inplace, need_tensor, refuse, to_dtype, wrap_dim
from xptorch.ops._numerics import in_float32, log1pexp, need_floating, positive
from xptorch.ops.elementwise import arithmetic as e
from xptorch.ops.random import sampling
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

Function = Callable[..., "Tensor"]

_SQRT_HALF = math.sqrt(0.5)
_NORMAL = 1 / math.sqrt(2 * math.pi)
_SIXTH = 0.16666667163372040  # 1 / 6 in single precision, as in PyTorch's derivative
_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


# ---- rectifiers

_relu = op("relu", lambda xp, a: xp.relu(a), a=lambda xp, g, y: xp.where_or_zero(g, y != 0))


def _leaky_forward(xp: Any, a: Any, *, slope: float) -> Any:
    if 0 <= slope <= 1:
        return xp.maximum(a, a * slope)
    return xp.where(a > 0, a, a * slope)


def _leaky_vjp(xp: Any, g: Any, a: Any, slope: float) -> Any:
    above = a > 0
    return xp.where_or_zero(g, above) + slope * xp.where_or_zero(g, ~above)


_leaky_relu = op("leaky_relu", _leaky_forward, a=_leaky_vjp)
_prelu = op(
    "prelu",
    lambda xp, a, weight: positive(xp, a) + weight * xp.minimum(a, xp.zeros_like(a)),
    broadcast=True,
    a=lambda xp, g, a, weight: xp.where_or_zero(g, a > 0) + weight * xp.where_or_zero(g, ~(a > 0)),
    weight=lambda xp, g, a: g * xp.where_or_zero(a, ~(a > 0)),
)


def _elu_forward(xp: Any, a: Any, *, alpha: float, scale: float, input_scale: float) -> Any:
    below = xp.expm1(input_scale * xp.minimum(a, xp.zeros_like(a)))
    return scale * positive(xp, a) + (scale * alpha) * below


def _elu_vjp(xp: Any, g: Any, a: Any, alpha: float, scale: float, input_scale: float) -> Any:
    above = a > 0
    e = xp.exp(input_scale * xp.where_or_zero(a, ~above))
    return (
        scale * xp.where_or_zero(g, above)
        + (scale * alpha * input_scale) * xp.where_or_zero(g, ~above) * e
    )


_elu = op("elu", _elu_forward, a=_elu_vjp)
_threshold = op(
    "threshold",
    lambda xp, a, *, limit, value: xp.where(a <= limit, xp.full_like(a, value), a),
    a=lambda xp, g, a, limit: xp.where_or_zero(g, ~(a <= limit)),
)
_hardtanh = op(
    "hardtanh",
    lambda xp, a, *, low, high: xp.minimum(
        xp.maximum(a, xp.full_like(a, low)), xp.full_like(a, high)
    ),
    a=lambda xp, g, a, low, high: xp.where_or_zero(g, ~((a <= low) | (a >= high))),
)
_hardshrink = op(
    "hardshrink",
    lambda xp, a, *, lambd: xp.where_or_zero(a, ~((a >= -lambd) & (a <= lambd))),
    a=lambda xp, g, a, lambd: xp.where_or_zero(g, ~((a >= -lambd) & (a <= lambd))),
)
_softshrink = op(
    "softshrink",
    lambda xp, a, *, lambd: (
        a - xp.minimum(xp.maximum(a, xp.full_like(a, -lambd)), xp.full_like(a, lambd))
    ),
    a=lambda xp, g, a, lambd: xp.where_or_zero(g, ~((a >= -lambd) & (a <= lambd))),
)


# ---- smooth ones


@dispatchable
def _gelu_forward(xp: Any, a: Any) -> Any:
    share = 0.5 * xp.erf(a * _SQRT_HALF) + 0.5
    return a * share, share


@dispatchable
def _gelu_vjp(xp: Any, g: Any, needs: Any, a: Any, aux: Any) -> Any:
    slope = xp.exp(-0.5 * a * a)
    slope *= a
    slope *= _NORMAL
    slope += aux
    slope *= g
    return (slope,)


def _gelu_reference(a: Tensor) -> Tensor:
    return a * (0.5 * e.erf(a * _SQRT_HALF) + 0.5)


@dispatchable
def _gelu_tanh_forward(xp: Any, a: Any) -> Any:
    t = xp.tanh(_TANH_SCALE * (a + _TANH_CUBE * (a * a * a)))
    return 0.5 * a * (1 + t), t


@dispatchable
def _gelu_tanh_vjp(xp: Any, g: Any, needs: Any, a: Any, aux: Any) -> Any:
    slope = a * a
    slope *= 1.5 * _TANH_SCALE * _TANH_CUBE
    slope += 0.5 * _TANH_SCALE
    slope *= a
    slope *= 1 - aux * aux
    slope += 0.5 * aux
    slope += 0.5
    slope *= g
    return (slope,)


def _gelu_tanh_reference(a: Tensor) -> Tensor:
    return 0.5 * a * (1 + e.tanh(_TANH_SCALE * (a + _TANH_CUBE * (a * a * a))))


_gelu = op("gelu", _gelu_forward, vjp=_gelu_vjp, reference=_gelu_reference, aux=True)
_gelu_tanh = op(
    "gelu_tanh",
    _gelu_tanh_forward,
    vjp=_gelu_tanh_vjp,
    reference=_gelu_tanh_reference,
    aux=True,
)


@dispatchable
def _silu_forward(xp: Any, a: Any) -> Any:
    s = e.sigmoid_of(xp, a)
    return a * s, s


@dispatchable
def _silu_vjp(xp: Any, g: Any, needs: Any, y: Any, aux: Any) -> Any:
    slope = 1 - aux
    slope *= y
    slope += aux
    slope *= g
    return (slope,)


_silu = op("silu", _silu_forward, vjp=_silu_vjp, reference=lambda a: a * e.sigmoid(a), aux=True)


def _mish_vjp(xp: Any, g: Any, a: Any) -> Any:
    t = xp.tanh(log1pexp(xp, a))
    return g * (t + a * e.sigmoid_of(xp, a) * (1 - t * t))


_mish = op("mish", lambda xp, a: a * xp.tanh(log1pexp(xp, a)), a=_mish_vjp)


def _softplus_forward(xp: Any, a: Any, *, beta: float, threshold: float) -> Any:
    z = a * beta
    return xp.where(z > threshold, a, log1pexp(xp, z) / beta)


_softplus = op(
    "softplus",
    _softplus_forward,
    a=lambda xp, g, a, beta, threshold: (
        g * xp.where(a * beta > threshold, xp.ones_like(a), e.sigmoid_of(xp, a * beta))
    ),
)
_logsigmoid = op(
    "logsigmoid",
    lambda xp, a: xp.minimum(a, xp.zeros_like(a)) - xp.log1p(xp.exp(-xp.abs(a))),
    a=lambda xp, g, a: g * e.sigmoid_of(xp, -a),
)
_hardsigmoid = op(
    "hardsigmoid",
    lambda xp, a: _ramp(xp, a),
    a=lambda xp, g, a: xp.where_or_zero(g, (a > -3) & (a < 3)) * _SIXTH,
)
_hardswish = op(
    "hardswish",
    lambda xp, a: a * _ramp(xp, a),
    a=lambda xp, g, a: (
        xp.where_or_zero(g, a >= 3) + xp.where_or_zero(g, (a > -3) & (a < 3)) * (a * (1 / 3) + 0.5)
    ),
)
_softsign = op(
    "softsign",
    lambda xp, a: a / (xp.abs(a) + 1),
    a=lambda xp, g, a: g / ((xp.abs(a) + 1) * (xp.abs(a) + 1)),
)
_tanhshrink = op("tanhshrink", lambda xp, a: a - xp.tanh(a), a=lambda xp, g, a: g * xp.tanh(a) ** 2)


def _ramp(xp: Any, a: Any) -> Any:
    """0 below −3, 1 above 3, linear between."""
    y = xp.minimum(positive(xp, a + 3), xp.full_like(a, 6))
    return y / 6


def _halves(a: Any, axis: int) -> tuple[Any, Any]:
    half = a.shape[axis] // 2
    return a[at_axis(axis, slice(0, half))], a[at_axis(axis, slice(half, None))]


def _glu_forward(xp: Any, a: Any, *, axis: int) -> Any:
    left, right = _halves(a, axis)
    return left * e.sigmoid_of(xp, right)


def _glu_vjp(xp: Any, g: Any, a: Any, axis: int) -> Any:
    left, right = _halves(a, axis)
    gate = e.sigmoid_of(xp, right)
    open_ = g * gate
    return xp.concat([open_, open_ * left * (1 - gate)], axis=axis)


_glu = op("glu", _glu_forward, a=_glu_vjp)


# ---- PyTorch's functions


_NO_COMPLEX = "clamp is not supported for complex types"


def relu(input: Tensor) -> Tensor:
    """max(0, input)."""
    need_tensor(input, "relu")
    category = input.dtype.category
    if category == BOOL:
        raise RuntimeError("Boolean inputs not supported for relu")
    if category == COMPLEX:
        raise NotImplementedError(_NO_COMPLEX)
    return _relu(input)


def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """The input where it is above the threshold, elsewhere `value`."""
    need_tensor(input, "threshold")
    refuse("threshold_cpu", input, BOOL, COMPLEX)
    if input.dtype.category < FLOAT:
        threshold, value = int(threshold), int(value)
        if min(threshold, value) < 0 and not input.dtype.is_signed:
            raise RuntimeError(
                f"value cannot be converted to type {input.dtype.name} without overflow"
            )
    return _threshold(input, limit=threshold, value=value)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """The input limited to [min_val, max_val]."""
    need_tensor(input, "hardtanh")
    if input.dtype.category == BOOL:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if input.dtype.category == COMPLEX:
        raise NotImplementedError(_NO_COMPLEX)
    if input.dtype.category < FLOAT:
        if not input.dtype.is_signed and (min_val < 0 or max_val < 0):
            raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
        min_val, max_val = int(min_val), int(max_val)
    if min_val > max_val:
        raise RuntimeError("min_val cannot be greater than max_val")
    return _hardtanh(input, low=min_val, high=max_val)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """The input where it is positive, elsewhere negative_slope · input."""
    need_tensor(input, "leaky_relu")
    need_floating("leaky_relu_cpu", input)
    return _leaky_relu(input, slope=negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """max(0, input) + weight · min(0, input), one weight for all or one per channel (axis 1)."""
    need_tensor(input, "prelu")
    need_tensor(weight, "prelu", "weight", 2)
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {input.dtype.name} and {weight.dtype.name}"
        )
    if weight.numel() != 1:
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    shape = [1] * input.ndim
    if input.ndim > 1:
        shape[1] = weight.numel()
    return in_float32(_prelu, input, weight.reshape(shape))


def elu(input: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    """scale · input where positive, elsewhere scale · alpha · (exp(input_scale · input) − 1)."""
    need_tensor(input, "elu")
    need_floating("elu_cpu", input)
    settings = {"alpha": alpha, "scale": scale, "input_scale": input_scale}
    return in_float32(_elu, input, **settings)


def selu(input: Tensor) -> Tensor:
    """The self-normalising ELU: fixed α and scale (Klambauer et al. 2017)."""
    return elu(input, _SELU_ALPHA, _SELU_SCALE)


def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """max(0, x) + min(0, α (exp(x/α) − 1))."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return elu(input, alpha, 1.0, 1 / alpha)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """The input where its magnitude is above `lambd`, elsewhere 0."""
    need_tensor(input, "hardshrink")
    need_floating("hardshrink_cpu", input)
    return _hardshrink(input, lambd=lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """The input shrunk towards 0 by `lambd`, to 0 where its magnitude is less."""
    need_tensor(input, "softshrink")
    need_floating("softshrink_cpu", input)
    if not lambd >= 0:
        raise RuntimeError(f"lambda must not be negative, but found {lambd:g}")
    return _softshrink(input, lambd=lambd)


def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """x Φ(x), Φ the normal distribution function; "tanh" for its usual approximation."""
    need_tensor(input, "gelu")
    need_floating("GeluKernelImpl", input)
    if approximate == "none":
        return in_float32(_gelu, input)
    if approximate == "tanh":
        return in_float32(_gelu_tanh, input)
    raise RuntimeError("approximate argument must be either none or tanh.")


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta · input)) / beta; the input itself where beta · input > threshold."""
    need_tensor(input, "softplus")
    need_floating("softplus_cpu", input)
    return in_float32(_softplus, input, beta=float(beta), threshold=float(threshold))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times the sigmoid of the second."""
    need_tensor(input, "glu")
    if input.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    axis = wrap_dim(dim, input.ndim)
    need_floating("glu_cpu", input)
    if input.shape[axis] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {axis} is size {input.shape[axis]}"
        )
    return in_float32(_glu, input, axis=axis)


def smooth(core: Function, label: str, kernel: str, *others: int) -> Function:
    """A public function without settings, for floating-point inputs and the categories `others`."""

    def function(input: Tensor) -> Tensor:
        need_tensor(input, label)
        if input.dtype.category not in others:
            need_floating(kernel, input)
        return in_float32(core, input)

    function.__name__ = function.__qualname__ = label
    return function


silu = smooth(_silu, "silu", "silu_cpu", COMPLEX)
mish = smooth(_mish, "mish", "mish_cpu")
logsigmoid = smooth(_logsigmoid, "logsigmoid", "log_sigmoid_cpu")
hardsigmoid = smooth(_hardsigmoid, "hardsigmoid", "hardsigmoid_cpu")
hardswish = smooth(_hardswish, "hardswish", "hardswish_cpu")


def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|)."""
    refuse("abs_cpu", input, BOOL)
    x = floating(input)
    return x / (1 + x.abs()) if x.dtype.is_complex else _softsign(x)


def tanhshrink(input: Tensor) -> Tensor:
    """input − tanh(input)."""
    if input.dtype.category == BOOL:
        raise RuntimeError("Subtraction, the `-` operator, with a bool tensor is not supported.")
    return in_float32(_tanhshrink, floating(input))


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Any = None,
) -> Tensor:
    """`leaky_relu`; in training with slopes drawn from [lower, upper], else with their mean."""
    need_tensor(input, "rrelu")
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    need_floating("rrelu_with_noise_out_cpu", input)
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    xp, on = input._device.xp, input._device
    below = input._data <= 0
    # Only elements that are not positive consume a random number.
    order = xp.cumulative_sum(xp.astype(xp.reshape(below, (-1,)), xp.int64), axis=0)
    count = int(order[-1]) if input.numel() else 0
    if not count:
        return input * 1.0
    drawn = creation.empty(count, dtype=dtypes.float64, device=on)
    drawn = to_dtype(sampling.uniform_(drawn, lower, upper, generator=generator), input.dtype)
    slopes = xp.take(drawn._data, xp.maximum(order - 1, xp.zeros_like(order)), axis=0)
    slopes = xp.reshape(slopes, input._data.shape)
    noise = xp.where(below, slopes, xp.ones_like(input._data))
    return input * wrap(noise, on)


relu_, threshold_, rrelu_ = inplace(relu), inplace(threshold), inplace(rrelu)
selu_, celu_ = inplace(selu), inplace(celu)

__all__ = ["celu", "celu_", "hardshrink", "prelu", "relu", "relu_", "rrelu", "rrelu_"]
__all__ += ["selu", "selu_", "threshold", "threshold_"]
