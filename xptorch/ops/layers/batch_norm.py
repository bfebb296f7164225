"""Normalisation of channels: batch norm and instance norm.

The op saves the statistics, not the normalised input: backward centres the input again. Sums over
channels are products with a vector of ones, several times faster than reductions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from xptorch._engine.graph import column_sums
from xptorch._engine.inplace import store
from xptorch._engine.op import dispatchable, op
from xptorch.ops._common import need_tensor
from xptorch.ops._numerics import (
    affine,
    in_float32,
    need_alike,
    need_floating,
    per_channel,
    row_sums,
)
from xptorch.ops.elementwise import arithmetic as e
from xptorch.ops.reduction import reduce

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["batch_norm", "instance_norm"]


class _Channels(NamedTuple):
    """An array's memory layout: its channels last, or second."""

    last: bool
    channels: int

    def sums(self, xp: Any, x: Any) -> Any:
        """The sum of each channel."""
        if not self.last:
            n, c, length = x.shape
            s = row_sums(xp, xp.reshape(x, (n * c, length)))
            return s if n == 1 else column_sums(xp, xp.reshape(s, (n, c)))
        return column_sums(xp, x)

    def spread(self, xp: Any, v: Any) -> Any:
        """One value per channel, shaped to broadcast against the array."""
        return v if self.last else xp.reshape(v, (self.channels, 1))


def _by_channel(xp: Any, x: Any, like: _Channels | None = None) -> tuple[Any, _Channels]:
    """The array as (rows, c) or (n, c, length), and which; in the layout `like` if given."""
    n, c = x.shape[:2]
    if like is None:
        last = x.ndim == 2 or (c > 1 and xp.strides(x)[1] == 1)
        like = _Channels(last, c)
    if not like.last:
        return xp.reshape(x, (n, c, -1)), like
    if x.ndim > 2:
        x = xp.permute_dims(x, (0, *range(2, x.ndim), 1))
    return xp.reshape(x, (-1, c)), like


def _restore_layout(xp: Any, y: Any, shape: tuple[int, ...], how: _Channels) -> Any:
    if not how.last or len(shape) == 2:
        return xp.reshape(y, shape)
    y = xp.reshape(y, (shape[0], *shape[2:], shape[1]))
    return xp.permute_dims(y, (0, len(shape) - 1, *range(1, len(shape) - 1)))


@dispatchable
def _batch_norm_forward(
    xp: Any, a: Any, weight: Any, bias: Any, *, eps: float, seen: list[Any]
) -> Any:
    x, how = _by_channel(xp, a)
    n = math.prod(a.shape) // a.shape[1]
    mean = how.sums(xp, x) / n
    y = x - how.spread(xp, mean)
    var = how.sums(xp, y * y) / n
    rstd = 1 / xp.sqrt(var + eps)
    y *= how.spread(xp, rstd if weight is None else rstd * weight)
    if bias is not None:
        y += how.spread(xp, bias)
    seen += [mean, var]
    return _restore_layout(xp, y, a.shape, how), (mean, rstd)


@dispatchable
def _batch_norm_vjp(xp: Any, g: Any, needs: Any, a: Any, weight: Any, aux: Any) -> Any:
    mean, rstd = aux
    x, how = _by_channel(xp, a)
    g, _ = _by_channel(xp, g, how)
    n = math.prod(a.shape) // a.shape[1]
    centred = x - how.spread(xp, mean)
    to_bias = how.sums(xp, g)
    product = how.sums(xp, g * centred)
    to_a = None
    if needs[0]:
        scale = rstd if weight is None else rstd * weight
        to_a = g * how.spread(xp, scale)
        centred *= how.spread(xp, scale * rstd * rstd * product / -n)
        to_a += centred
        to_a += how.spread(xp, scale * to_bias / -n)
        to_a = _restore_layout(xp, to_a, a.shape, how)
    return to_a, product * rstd if needs[1] else None, to_bias if needs[2] else None


def _batch_norm_reference(
    a: Tensor, weight: Tensor | None, bias: Tensor | None, *, eps: float, seen: list[Any]
) -> Tensor:
    axes = (0, *range(2, a.ndim))
    mean, var = reduce.mean(a, axes, True), reduce.var(a, axes, correction=0, keepdim=True)
    y = (a - mean) * e.rsqrt(var + eps)
    return affine(y, per_channel(weight, a.ndim), per_channel(bias, a.ndim))


_batch_norm = op(
    "batch_norm",
    _batch_norm_forward,
    vjp=_batch_norm_vjp,
    reference=_batch_norm_reference,
    aux=True,
)


@dispatchable
def _fixed_norm_forward(
    xp: Any, a: Any, mean: Any, var: Any, weight: Any, bias: Any, *, eps: float
) -> Any:
    x, how = _by_channel(xp, a)
    scale = 1 / xp.sqrt(var + eps)
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    y = x * how.spread(xp, scale)
    y += how.spread(xp, shift)
    return _restore_layout(xp, y, a.shape, how)


@dispatchable
def _fixed_norm_vjp(
    xp: Any, g: Any, needs: Any, a: Any, mean: Any, var: Any, weight: Any, eps: float
) -> Any:
    x, how = _by_channel(xp, a)
    g, _ = _by_channel(xp, g, how)
    rstd = 1 / xp.sqrt(var + eps)
    to_a = to_weight = None
    if needs[0]:
        scale = how.spread(xp, rstd if weight is None else rstd * weight)
        to_a = _restore_layout(xp, g * scale, a.shape, how)
    if needs[3]:
        to_weight = how.sums(xp, g * (x - how.spread(xp, mean))) * rstd
    return to_a, None, None, to_weight, how.sums(xp, g) if needs[4] else None


def _fixed_norm_reference(
    a: Tensor, mean: Tensor, var: Tensor, weight: Any, bias: Any, *, eps: float
) -> Tensor:
    mean, var = (per_channel(t.detach(), a.ndim) for t in (mean, var))
    y = (a - mean) * e.rsqrt(var + eps)
    return affine(y, per_channel(weight, a.ndim), per_channel(bias, a.ndim))


_fixed_norm = op(
    "batch_norm_fixed",
    _fixed_norm_forward,
    vjp=_fixed_norm_vjp,
    reference=_fixed_norm_reference,
)


# ---- PyTorch's functions


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """(x − μ) / √(σ² + ε) · weight + bias for each channel (axis 1).

    In training μ and σ² (biased) are the batch's, and the running statistics are updated with them
    (the variance unbiased) by `momentum`; otherwise they are the running ones.

    Shape: (n, c, *), the same out; the other tensors (c).
    """
    need_tensor(input, "batch_norm")
    need_floating("batch_norm", input)
    need_alike(input, weight, bias, running_mean, running_var)
    shape = input._data.shape
    channels = shape[1] if len(shape) > 1 else 0
    statistics = (("running_mean", running_mean), ("running_var", running_var))
    for name, t in (*statistics, ("weight", weight), ("bias", bias)):
        if t is not None and t._data.shape != (channels,) and t.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {t.numel()}")
    if 0 in shape:
        return input.clone()
    if not training:
        for name, t in statistics:
            if t is None:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
        return in_float32(_fixed_norm, input, running_mean, running_var, weight, bias, eps=eps)
    seen: list[Any] = []
    result = in_float32(_batch_norm, input, weight, bias, eps=eps, seen=seen)
    if running_mean is not None:
        _update_running(running_mean, seen[0], momentum, momentum)
    if running_var is not None:
        n = math.prod(shape) // channels
        _update_running(
            running_var, seen[1], momentum, momentum * n / (n - 1) if n > 1 else math.nan
        )
    return result


def _update_running(running: Tensor, value: Any, momentum: float, share: float) -> None:
    """running ← (1 − momentum) · running + share · value"""
    xp, x = running._device.xp, running._data
    if value.shape != x.shape or value.dtype != x.dtype:
        value = xp.astype(xp.reshape(value, x.shape), x.dtype)
    store(running, x * (1 - momentum) + value * share)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`batch_norm` of each sample; running statistics are updated with the mean over samples."""
    need_tensor(input, "instance_norm")
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when use_input_stats is false"
            )
        return batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps)
    n, c = input._data.shape[:2]
    flat = input.reshape(1, n * c, *input._data.shape[2:])
    weight, bias = (None if t is None else t.repeat(n) for t in (weight, bias))
    means, variances = (None if t is None else t.repeat(n) for t in (running_mean, running_var))
    y = batch_norm(flat, weight, bias, means, variances, True, momentum, eps)
    for running, moved in ((running_mean, means), (running_var, variances)):
        if running is not None and moved is not None:
            _update_running(running, moved.reshape(n, c).mean(0)._data, 1.0, 1.0)
    return y.reshape(input._data.shape)
