"""The kinds of dropout. Masks are drawn as in PyTorch: a seed gives the same masks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import FLOAT, get_default_dtype
from xptorch._engine.graph import wrap
from xptorch._engine.op import op
from xptorch.ops._common import check_cast, inplace, need_tensor
from xptorch.ops.random import sampling
from xptorch.ops.shape.memory_order import like_strides

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "alpha_dropout", "alpha_dropout_", "dropout", "dropout_", "feature_alpha_dropout",
    "feature_alpha_dropout_", "feature_dropout", "feature_dropout_",
]  # fmt: skip

# α of SELU, with its scale: the value of dropped units, up to sign.
_ALPHA = 1.7580993408473766

_scaled = op(
    "dropout", lambda xp, a, noise: a * noise, broadcast=True, a=lambda xp, g, noise: g * noise
)


def _prepared(name: str, input: Tensor, p: float) -> None:
    need_tensor(input, name)
    if p < 0 or p > 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")


def _draw_mask(input: Tensor, p: float, features: bool) -> Tensor:
    """Ones with probability 1 − p, else zeros: one per element, or per (sample, channel)."""
    if input.dtype.category < FLOAT:
        check_cast(get_default_dtype(), input.dtype)
    if features:
        if input.ndim < 2:
            raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
        shape = (*input._data.shape[:2], *[1] * (input.ndim - 2))
        return sampling.bernoulli_(input.new_empty(shape), 1 - p)
    on, xp = input._device, input._device.xp
    noise = sampling.ones_and_zeros(
        1 - p, input._data.shape, input.dtype, on, like_strides(input), None
    )
    # Drawn in PyTorch's order, but stored with the input's strides.
    if on.backend.strides(noise) != on.backend.strides(input._data):
        noise = xp.assign(xp.empty_like(input._data), ..., noise)
    return wrap(noise, on)


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """In training each element becomes 0 with probability p, or is divided by 1 − p."""
    return _dropout("dropout", input, p, train, False)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`dropout` of whole channels (axis 1)."""
    return _dropout("feature_dropout", input, p, train, True)


def _dropout(name: str, input: Tensor, p: float, train: bool, features: bool) -> Tensor:
    _prepared(name, input, p)
    if p == 0 or not train or not math.prod(input._data.shape):
        return input
    if p == 1:
        return input * input.new_zeros(())
    noise = _draw_mask(input, p, features)
    data: Any = noise._data
    data /= 1 - p
    return _scaled(input, wrap(data, noise._device))


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout for SELU nets: it preserves mean and variance (Klambauer et al. 2017)."""
    return _alpha("alpha_dropout", input, p, train, False)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`alpha_dropout` of whole channels (axis 1)."""
    return _alpha("feature_alpha_dropout", input, p, train, True)


def _alpha(name: str, input: Tensor, p: float, train: bool, features: bool) -> Tensor:
    _prepared(name, input, p)
    if p == 0 or not train or not math.prod(input._data.shape):
        return input
    if p == 1:
        return input * input.new_zeros(())
    noise = _draw_mask(input, p, features)
    a = 1 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
    shift = (noise - 1) * (_ALPHA * a) + _ALPHA * a * p
    return _scaled(input, noise * a) + shift


dropout_, feature_dropout_ = inplace(dropout), inplace(feature_dropout)
alpha_dropout_, feature_alpha_dropout_ = inplace(alpha_dropout), inplace(feature_alpha_dropout)
