"""Normalisation, as functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xptorch.ops.elementwise import arithmetic
from xptorch.ops.layers import batch_norm as channels
from xptorch.ops.layers import normalization as ops
from xptorch.ops.linalg import norms
from xptorch.ops.shape import copy_and_fill

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """(x − μ) / √(σ² + ε) · weight + bias for each channel (axis 1).

    Args:
        training: take μ and σ² (biased) from the batch and move the running statistics towards
            them (the variance unbiased) by `momentum`; else take the running ones.

    Shape: (n, c, *), the same out; the other tensors (c).

    Raises:
        ValueError: in training, if there is only one value per channel.
    """
    if eps < 0 or (training and eps == 0):
        kind = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {kind}, but got {eps}")
    if training:
        size = tuple(input.shape)
        if size[0] * math.prod(size[2:]) == 1:
            raise ValueError(
                "Expected more than 1 value per channel when training, got input size "
                f"{input.shape}"
            )
    return channels.batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """`batch_norm` of each sample separately.

    Shape: (n, c, *), the same out; the other tensors (c).

    Raises:
        ValueError: the input's statistics are used, and it has only one value per channel.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    return channels.instance_norm(
        input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps
    )


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """(x − μ) / √(σ² + ε) · weight + bias, μ and σ² over the last axes.

    Shape: (*, normalized_shape), the same out; weight and bias (normalized_shape).
    """
    return ops.layer_norm(input, normalized_shape, weight, bias, eps)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / √(mean(x²) + ε) · weight, the mean over the last axes; ε defaults to finfo.eps."""
    return ops.rms_norm(input, normalized_shape, weight, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """(x − μ) / √(σ² + ε) · weight + bias, μ and σ² of each sample's groups of channels.

    Shape: (n, c, *), the same out; weight and bias (c).

    Raises:
        RuntimeError: the channels cannot be divided into that many groups.
        ValueError: a group has only one value.
    """
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    values = input.shape[0] * input.shape[1] * math.prod(input.shape[2:])
    if num_groups > 0 and input.shape[0] * num_groups == values and values:
        _refuse_single(input, num_groups)
    return ops.group_norm(input, num_groups, weight, bias, eps)


def _refuse_single(input: Tensor, num_groups: int) -> None:
    size = [input.shape[0] * input.shape[1] // num_groups, num_groups, *input.shape[2:]]
    if size[0] * math.prod(size[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {size}"
        )


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + α · mean of x² over `size` neighbouring channels)^β.

    Shape: (n, c, *), the same out.
    """
    if input.ndim < 3:
        raise ValueError(
            "Expected 3D or higher dimensionality                          "
            f"input (got {input.ndim} dimensions)"
        )
    if input.numel() == 0:
        return input
    shape, count = input.shape, input.shape[1]
    squares = (input * input).reshape(shape[0], count, -1)
    # `size` channels around each one, zero-padded at the ends.
    before, after = size // 2, (size - 1) // 2
    padded = copy_and_fill.constant_pad(squares, ((0, 0), (before, after), (0, 0)), 0.0)
    total = padded[:, :count]
    for i in range(1, size):
        total = total + padded[:, i : i + count]
    total = total.reshape(shape)
    mean = total / size if input.is_floating_point() else total // size
    return input / (mean * alpha + k) ** beta


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """x / max(‖x‖_p, ε), the norm along `dim`."""
    size = norms.norm(input, p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return arithmetic.div(input, size, out=out)
