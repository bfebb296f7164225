"""Normalisation: batch, layer, group, instance and root-mean-square norm.

Each op keeps the statistics, not the normalised input: backward centres the input again. Sums over
rows and columns are products with a vector of ones, several times faster than reductions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from xptorch import _dtype, _engine
from xptorch._engine import op
from xptorch.ops import elementwise as e
from xptorch.ops import reduce
from xptorch.ops._common import need_tensor, shape_text
from xptorch.ops._fused import column_sums, in_float32, need_floating, row_sums

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]


def _affine(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


# ---- over channels: the input (n, c, *) as rows of channels, or as (n, c, l)


class _Channels(NamedTuple):
    """How an array lies: its channels last in memory (`tiled` times side by side), or second."""

    last: bool
    count: int
    tiled: int

    def sums(self, xp: Any, x: Any) -> Any:
        """The sum of each channel."""
        if not self.last:
            n, c, length = x.shape
            s = row_sums(xp, xp.reshape(x, (n * c, length)))
            return s if n == 1 else column_sums(xp, xp.reshape(s, (n, c)))
        s = column_sums(xp, x)
        return s if self.tiled == 1 else xp.sum(xp.reshape(s, (self.tiled, self.count)), axis=0)

    def spread(self, xp: Any, v: Any) -> Any:
        """One number a channel, shaped to broadcast against the array."""
        if not self.last:
            return xp.reshape(v, (self.count, 1))
        if self.tiled == 1:
            return v
        return xp.reshape(xp.broadcast_to(v, (self.tiled, self.count)), (-1,))


def _by_channel(xp: Any, x: Any, like: _Channels | None = None) -> tuple[Any, _Channels]:
    """The array with its channels told apart; laid out `like` another one where asked."""
    n, c = x.shape[:2]
    if like is None:
        last = x.ndim == 2 or (c > 1 and xp.strides(x)[1] == 1)
        rows = math.prod(x.shape) // max(c, 1)
        # Narrow rows are laid side by side: broadcasting runs over the last axis.
        tiled = math.gcd(rows, 1 << max(10 - c.bit_length(), 0)) if last else 1
        like = _Channels(last, c, tiled)
    if not like.last:
        return xp.reshape(x, (n, c, math.prod(x.shape[2:]))), like
    if x.ndim > 2:
        x = xp.permute_dims(x, (0, *range(2, x.ndim), 1))
    width = c * like.tiled
    return xp.reshape(x, (math.prod(x.shape) // max(width, 1), width)), like


def _as_given(xp: Any, y: Any, shape: tuple[int, ...], how: _Channels) -> Any:
    if not how.last or len(shape) == 2:
        return xp.reshape(y, shape)
    y = xp.reshape(y, (shape[0], *shape[2:], shape[1]))
    return xp.permute_dims(y, (0, len(shape) - 1, *range(1, len(shape) - 1)))


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
    return _as_given(xp, y, a.shape, how), (mean, rstd)


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
        to_a = _as_given(xp, to_a, a.shape, how)
    return to_a, product * rstd if needs[1] else None, to_bias if needs[2] else None


def _channel_shape(ndim: int) -> tuple[int, ...]:
    return (1, -1, *[1] * (ndim - 2))


def _batch_norm_reference(
    a: Tensor, weight: Tensor | None, bias: Tensor | None, *, eps: float, seen: list[Any]
) -> Tensor:
    axes = (0, *range(2, a.ndim))
    mean, var = reduce.mean(a, axes, True), reduce.var(a, axes, correction=0, keepdim=True)
    shape = _channel_shape(a.ndim)
    weight, bias = (None if t is None else t.reshape(shape) for t in (weight, bias))
    return _affine((a - mean) * e.rsqrt(var + eps), weight, bias)


_batch_norm = op(
    "batch_norm",
    _batch_norm_forward,
    vjp=_batch_norm_vjp,
    reference=_batch_norm_reference,
    aux=True,
)


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
    return _as_given(xp, y, a.shape, how)


def _fixed_norm_vjp(
    xp: Any, g: Any, needs: Any, a: Any, mean: Any, var: Any, weight: Any, eps: float
) -> Any:
    x, how = _by_channel(xp, a)
    g, _ = _by_channel(xp, g, how)
    rstd = 1 / xp.sqrt(var + eps)
    to_a = to_weight = None
    if needs[0]:
        scale = how.spread(xp, rstd if weight is None else rstd * weight)
        to_a = _as_given(xp, g * scale, a.shape, how)
    if needs[3]:
        to_weight = how.sums(xp, g * (x - how.spread(xp, mean))) * rstd
    return to_a, None, None, to_weight, how.sums(xp, g) if needs[4] else None


def _fixed_norm_reference(
    a: Tensor, mean: Tensor, var: Tensor, weight: Any, bias: Any, *, eps: float
) -> Tensor:
    shape = _channel_shape(a.ndim)
    mean, var = mean.detach().reshape(shape), var.detach().reshape(shape)
    weight, bias = (None if t is None else t.reshape(shape) for t in (weight, bias))
    return _affine((a - mean) * e.rsqrt(var + eps), weight, bias)


_fixed_norm = op(
    "batch_norm_fixed",
    _fixed_norm_forward,
    vjp=_fixed_norm_vjp,
    reference=_fixed_norm_reference,
)


# ---- over rows: the input (*, normalized_shape) as a matrix


def _rows(xp: Any, x: Any, width: int) -> Any:
    return xp.reshape(x, (math.prod(x.shape) // max(width, 1), width))


def _column(xp: Any, v: Any) -> Any:
    return xp.reshape(v, (-1, 1))


def _layer_norm_forward(
    xp: Any, a: Any, weight: Any, bias: Any, *, shape: tuple[int, ...], eps: float
) -> Any:
    width = math.prod(shape)
    x = _rows(xp, a, width)
    mean = row_sums(xp, x) / width
    y = x - _column(xp, mean)
    rstd = 1 / xp.sqrt(xp.vecdot(y, y) / width + eps)
    y *= _column(xp, rstd)
    if weight is not None:
        y *= xp.reshape(weight, (-1,))
    if bias is not None:
        y += xp.reshape(bias, (-1,))
    return xp.reshape(y, a.shape), (mean, rstd)


def _layer_norm_vjp(
    xp: Any,
    g: Any,
    needs: Any,
    a: Any,
    weight: Any,
    aux: Any,
    shape: tuple[int, ...],
) -> Any:
    mean, rstd = aux
    width = math.prod(shape)
    g, centred = _rows(xp, g, width), _rows(xp, a, width) - _column(xp, mean)
    to_a = to_weight = to_bias = None
    product = g * centred
    if needs[1]:
        to_weight = xp.reshape(xp.matmul(rstd, product), shape)
    if needs[2]:
        to_bias = xp.reshape(column_sums(xp, g), shape)
    if needs[0]:
        if weight is None:
            total, along, to_a = row_sums(xp, g), row_sums(xp, product), g * _column(xp, rstd)
        else:
            weight = xp.reshape(weight, (-1,))
            total, along, to_a = xp.matmul(g, weight), xp.matmul(product, weight), g * weight
            to_a *= _column(xp, rstd)
        centred *= _column(xp, along * rstd * rstd * rstd / width)
        to_a -= centred
        to_a -= _column(xp, total * rstd / width)
        to_a = xp.reshape(to_a, a.shape)
    return to_a, to_weight, to_bias


def _layer_norm_reference(
    a: Tensor, weight: Tensor | None, bias: Tensor | None, *, shape: tuple[int, ...], eps: float
) -> Tensor:
    rows = a.reshape(-1, math.prod(shape))
    centred = rows - reduce.mean(rows, 1, True)
    y = centred * e.rsqrt(reduce.var(rows, 1, correction=0, keepdim=True) + eps)
    return _affine(y.reshape(a.shape), weight, bias)


_layer_norm = op(
    "layer_norm",
    _layer_norm_forward,
    vjp=_layer_norm_vjp,
    reference=_layer_norm_reference,
    aux=True,
)


def _rms_norm_forward(xp: Any, a: Any, weight: Any, *, shape: tuple[int, ...], eps: float) -> Any:
    width = math.prod(shape)
    x = _rows(xp, a, width)
    rstd = 1 / xp.sqrt(xp.vecdot(x, x) / width + eps)
    y = x * _column(xp, rstd)
    if weight is not None:
        y *= xp.reshape(weight, (-1,))
    return xp.reshape(y, a.shape), rstd


def _rms_norm_vjp(
    xp: Any, g: Any, needs: Any, a: Any, weight: Any, aux: Any, shape: tuple[int, ...]
) -> Any:
    width = math.prod(shape)
    rstd, x, g = aux, _rows(xp, a, width), _rows(xp, g, width)
    product = g * x
    to_a = to_weight = None
    if needs[1]:
        to_weight = xp.reshape(xp.matmul(rstd, product), shape)
    if needs[0]:
        if weight is None:
            along, to_a = row_sums(xp, product), g * _column(xp, rstd)
        else:
            weight = xp.reshape(weight, (-1,))
            along, to_a = xp.matmul(product, weight), g * weight
            to_a *= _column(xp, rstd)
        to_a -= x * _column(xp, along * rstd * rstd * rstd / width)
        to_a = xp.reshape(to_a, a.shape)
    return to_a, to_weight


def _rms_norm_reference(
    a: Tensor, weight: Tensor | None, *, shape: tuple[int, ...], eps: float
) -> Tensor:
    rows = a.reshape(-1, math.prod(shape))
    y = rows * e.rsqrt(reduce.mean(rows * rows, 1, True) + eps)
    return _affine(y.reshape(a.shape), weight, None)


_rms_norm = op(
    "rms_norm", _rms_norm_forward, vjp=_rms_norm_vjp, reference=_rms_norm_reference, aux=True
)


def _group_norm_forward(
    xp: Any, a: Any, weight: Any, bias: Any, *, groups: int, eps: float
) -> Any:
    n, c = a.shape[:2]
    width = math.prod(a.shape) // (n * groups)
    y, (mean, rstd) = _layer_norm_forward(xp, a, None, None, shape=(width,), eps=eps)
    y = xp.reshape(y, (n, c, -1))
    if weight is not None:
        y *= xp.reshape(weight, (c, 1))
    if bias is not None:
        y += xp.reshape(bias, (c, 1))
    return xp.reshape(y, a.shape), (mean, rstd)


def _group_norm_vjp(
    xp: Any, g: Any, needs: Any, a: Any, weight: Any, aux: Any, groups: int
) -> Any:
    mean, rstd = aux
    n, c = a.shape[:2]
    width, shape = math.prod(a.shape) // (n * groups), a.shape
    g = xp.reshape(g, (n * c, -1))
    centred = _rows(xp, a, width) - _column(xp, mean)
    sums = xp.reshape(row_sums(xp, g), (n, c))
    products = xp.reshape(xp.vecdot(g, xp.reshape(centred, g.shape)), (n, c))
    to_a = to_weight = to_bias = None
    if needs[1]:
        by_group = xp.reshape(products, (n * groups, -1)) * _column(xp, rstd)
        to_weight = xp.sum(xp.reshape(by_group, (n, c)), axis=0)
    if needs[2]:
        to_bias = xp.sum(sums, axis=0)
    if needs[0]:
        if weight is not None:
            sums, products = sums * weight, products * weight
        total = xp.sum(xp.reshape(sums, (n * groups, -1)), axis=1)
        along = xp.sum(xp.reshape(products, (n * groups, -1)), axis=1)
        scale = xp.broadcast_to(_column(xp, rstd), (n * groups, c // groups))
        scale = xp.reshape(scale, (n, c))
        to_a = g * _column(xp, scale if weight is None else scale * weight)
        to_a = xp.reshape(to_a, centred.shape)
        centred *= _column(xp, along * rstd * rstd * rstd / width)
        to_a -= centred
        to_a -= _column(xp, total * rstd / width)
        to_a = xp.reshape(to_a, shape)
    return to_a, to_weight, to_bias


def _group_norm_reference(
    a: Tensor, weight: Tensor | None, bias: Tensor | None, *, groups: int, eps: float
) -> Tensor:
    width = a.numel() // (a.shape[0] * groups)
    y = _layer_norm_reference(a, None, None, shape=(width,), eps=eps)
    shape = _channel_shape(a.ndim)
    weight, bias = (None if t is None else t.reshape(shape) for t in (weight, bias))
    return _affine(y, weight, bias)


_group_norm = op(
    "group_norm",
    _group_norm_forward,
    vjp=_group_norm_vjp,
    reference=_group_norm_reference,
    aux=True,
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

    In training μ and σ² (biased) are the batch's, and the running statistics move towards them
    (the variance unbiased) by `momentum`; else they are the running ones.

    Shape: (n, c, *), the same out; the other tensors (c).
    """
    need_tensor(input, "batch_norm")
    need_floating("batch_norm", input)
    channels = input._data.shape[1] if input.ndim > 1 else 0
    named = {"running_mean": running_mean, "running_var": running_var}
    for name, t in {**named, "weight": weight, "bias": bias}.items():
        if t is not None and t.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {t.numel()}")
    if input.numel() == 0:
        return input.clone()
    if not training:
        for name, t in named.items():
            if t is None:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
        return in_float32(_fixed_norm, input, running_mean, running_var, weight, bias, eps=eps)
    seen: list[Any] = []
    result = in_float32(_batch_norm, input, weight, bias, eps=eps, seen=seen)
    n = input.numel() // channels
    _move(running_mean, seen[0], momentum)
    if running_var is not None:
        _move(running_var, seen[1] * (n / (n - 1) if n > 1 else math.nan), momentum)
    return result


def _move(running: Tensor | None, value: Any, momentum: float) -> None:
    """running ← (1 − momentum) · running + momentum · value"""
    if running is None:
        return
    xp, x = running._device.xp, running._data
    value = xp.astype(xp.reshape(value, x.shape), x.dtype)
    running._data = xp.assign(x, ..., x * (1 - momentum) + value * momentum)
    _engine.bump(running)


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
    """`batch_norm` of each sample alone; running statistics follow the mean over the samples."""
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
            _move(running, moved.reshape(n, c).mean(0)._data, 1.0)
    return y.reshape(input._data.shape)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> Tensor:
    """(x − μ) / √(σ² + ε) · weight + bias over the last axes, those of `normalized_shape`."""
    need_tensor(input, "layer_norm")
    shape = _check_normalized("layer_norm", input, normalized_shape, weight, bias)
    need_floating("LayerNormKernelImpl", input)
    if input.numel() == 0:
        return _affine(input * 1.0, weight, bias)
    return in_float32(_layer_norm, input, weight, bias, shape=shape, eps=eps)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / √(mean(x²) + ε) · weight over the last axes, those of `normalized_shape`."""
    need_tensor(input, "rms_norm")
    shape = _check_normalized("rms_norm", input, normalized_shape, weight, None)
    need_floating("rms_norm", input)
    if eps is None:
        wide = _dtype.float32 if input.dtype is _dtype.float16 else input.dtype
        eps = _dtype.finfo(wide).eps
    if input.numel() == 0:
        return _affine(input * 1.0, weight, None)
    return in_float32(_rms_norm, input, weight, shape=shape, eps=eps)


def _check_normalized(
    name: str, input: Tensor, normalized_shape: Any, weight: Any, bias: Any
) -> tuple[int, ...]:
    if isinstance(normalized_shape, int):
        raise TypeError(
            f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, "
            f"not {type(normalized_shape).__name__}"
        )
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least "
            f"one element, but got normalized_shape = {shape_text(shape)}"
        )
    for label, t in (("weight", weight), ("bias", bias)):
        if t is not None and tuple(t.shape) != shape:
            raise RuntimeError(
                f"Expected {label} to be of same shape as normalized_shape, but got {label} of "
                f"shape {shape_text(t.shape)} and normalized_shape = {shape_text(shape)}"
            )
    if tuple(input._data.shape[-len(shape) :]) != shape:
        expected = "".join(f", {s}" for s in shape)
        raise RuntimeError(
            f"Given normalized_shape={shape_text(shape)}, expected input with shape [*{expected}], "
            f"but got input of size{shape_text(input.shape)}"
        )
    return shape


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enabled: bool = True,
) -> Tensor:
    """(x − μ) / √(σ² + ε) · weight + bias over each sample's groups of channels (axis 1)."""
    need_tensor(input, "group_norm")
    need_floating("GroupNormKernelImpl", input)
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    channels = input._data.shape[1]
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {shape_text(input.shape)} and num_groups={num_groups}"
        )
    for label, t in (("weight", weight), ("bias", bias)):
        if t is not None and tuple(t.shape) != (channels,):
            raise RuntimeError(
                f"Expected {label} to be a vector of size equal to the number of channels in "
                f"input, but got {label} of shape {shape_text(t.shape)} and input of shape "
                f"{shape_text(input.shape)}"
            )
    if input.numel() == 0:
        return input.clone()
    return in_float32(_group_norm, input, weight, bias, groups=num_groups, eps=eps)
