"""Activation functions, softmax and related functions."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from xptorch._engine import graph
from xptorch.ops._common import inplace as _inplace
from xptorch.ops._common import need_tensor, wrap_dim
from xptorch.ops.elementwise import arithmetic
from xptorch.ops.layers import activation as ops
from xptorch.ops.layers import softmax as _softmax
from xptorch.ops.shape import views

if TYPE_CHECKING:
    from xptorch._core.dtype import dtype as Dtype
    from xptorch._tensor.tensor import Tensor

gelu, softplus = ops.gelu, ops.softplus
hardshrink, softshrink, prelu = ops.hardshrink, ops.softshrink, ops.prelu
logsigmoid, softsign, tanhshrink = ops.logsigmoid, ops.softsign, ops.tanhshrink


def _clamped(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    return ops.hardtanh(input, min_val, max_val)


def _elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    return ops.elu(input, alpha)


relu_, selu_, celu_, threshold_ = ops.relu_, ops.selu_, ops.celu_, ops.threshold_
elu_, hardtanh_, leaky_relu_ = (_inplace(f) for f in (_elu, _clamped, ops.leaky_relu))
_silu_, _mish_ = _inplace(ops.silu), _inplace(ops.mish)
_hardswish_, _hardsigmoid_ = _inplace(ops.hardswish), _inplace(ops.hardsigmoid)


# ---- rectifiers


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, x)."""
    return ops.relu_(input) if inplace else ops.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(0, x), 6)."""
    return hardtanh_(input, 0.0, 6.0) if inplace else ops.hardtanh(input, 0.0, 6.0)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, elsewhere `value`."""
    function = ops.threshold_ if inplace else ops.threshold
    return function(input, threshold, value)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x limited to [min_val, max_val]."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    function = hardtanh_ if inplace else ops.hardtanh
    return function(input, min_val, max_val)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """max(0, x) + negative_slope · min(0, x)."""
    function = leaky_relu_ if inplace else ops.leaky_relu
    return function(input, negative_slope)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, elsewhere α (exp(x) − 1)."""
    return elu_(input, alpha) if inplace else ops.elu(input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The ELU whose fixed scale and α keep activations at mean 0 and variance 1."""
    return ops.selu_(input) if inplace else ops.selu(input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, α (exp(x/α) − 1))."""
    return ops.celu_(input, alpha) if inplace else ops.celu(input, alpha)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """`leaky_relu` with slopes drawn from [lower, upper] in training, else with their mean."""
    function = ops.rrelu_ if inplace else ops.rrelu
    return function(input, lower, upper, training)


rrelu_ = ops.rrelu_


# ---- smooth functions


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x σ(x)."""
    return _silu_(input) if inplace else ops.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x))."""
    return _mish_(input) if inplace else ops.mish(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6."""
    return _hardswish_(input) if inplace else ops.hardswish(input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6."""
    return _hardsigmoid_(input) if inplace else ops.hardsigmoid(input)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(−x))."""
    return arithmetic.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """(exp(x) − exp(−x)) / (exp(x) + exp(−x))."""
    return arithmetic.tanh(input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a σ(b), with a and b the halves of the input along `dim`."""
    return ops.glu(input, dim)


# ---- along one axis


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """exp(x) / Σ exp(x) along `dim`; the input is first converted to `dtype` where given."""
    need_tensor(input, "softmax")
    if dim is None:
        dim = _implicit("softmax", input.ndim, _stacklevel)
    return _softmax.softmax(input, dim, dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """`softmax` of −x."""
    need_tensor(input, "softmin")
    if dim is None:
        dim = _implicit("softmin", input.ndim, _stacklevel)
    return _softmax.softmax(-input, dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """x − log Σ exp(x) along `dim`."""
    need_tensor(input, "log_softmax")
    if dim is None:
        dim = _implicit("log_softmax", input.ndim, _stacklevel)
    return _softmax.log_softmax(input, dim, dtype)


def _implicit(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample of the Gumbel-softmax distribution: softmax((logits + Gumbel noise) / τ).

    Args:
        hard: return the one-hot vector of the largest entry, with the gradient of the soft sample.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -graph.wrap(logits._data, logits._device).new_empty(logits.shape).exponential_().log()
    soft = _softmax.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    axis = wrap_dim(dim, soft.ndim)
    one = soft.detach().argmax(axis, keepdim=True)
    hot: Any = views.contiguous(soft.detach()) * 0.0
    return hot.scatter(axis, one, 1.0) - soft.detach() + soft
