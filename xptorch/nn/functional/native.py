"""Layer functions of the top-level namespace: integer reductions, statistics also returned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch.nn.functional import (
    conv,
    grid,
    likelihood_loss,
    loss,
    margin_loss,
    norm,
    pool,
    vision,
)
from xptorch.nn.functional.embedding import renorm_rows
from xptorch.ops._common import need_tensor, shape_text, to_dtype, wrap_dim
from xptorch.ops._factories import named
from xptorch.ops.linalg import norms
from xptorch.ops.random import sampling
from xptorch.ops.shape import copy_and_fill, creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "affine_grid_generator", "binary_cross_entropy_with_logits", "constant_pad_nd", "conv_tbc",
    "convolution", "cosine_embedding_loss", "ctc_loss", "embedding_renorm_", "grid_sampler",
    "grid_sampler_2d", "grid_sampler_3d", "hinge_embedding_loss", "kl_div",
    "margin_ranking_loss", "max_pool1d_with_indices", "native_batch_norm",
    "native_channel_shuffle", "native_dropout", "native_group_norm", "native_layer_norm",
    "norm_except_dim", "poisson_nll_loss", "triplet_margin_loss",
]  # fmt: skip

_REDUCTIONS = ("none", "mean", "sum")


def _numbered(function: Callable[..., Any], place: int) -> Callable[..., Any]:
    """A loss whose reduction is 0 (none, the default here), 1 (mean) or 2 (sum).

    Args:
        place: the position of `reduction` among the arguments.
    """

    def numbered(*args: Any, reduction: int = 0, **kwargs: Any) -> Any:
        if len(args) > place:
            reduction, args = args[place], (*args[:place], *args[place + 1 :])
        if reduction not in (0, 1, 2):
            raise ValueError(f"{function.__name__}: {reduction} is no reduction")
        each = function(*args, reduction="none", **kwargs)
        return each if not reduction else each.mean() if reduction == 1 else each.sum()

    return named(numbered, function.__name__, f"`nn.functional.{function.__name__}`.")


cosine_embedding_loss = _numbered(margin_loss.cosine_embedding_loss, 4)
hinge_embedding_loss = _numbered(margin_loss.hinge_embedding_loss, 3)
margin_ranking_loss = _numbered(margin_loss.margin_ranking_loss, 4)
triplet_margin_loss = _numbered(margin_loss.triplet_margin_loss, 7)
kl_div = _numbered(likelihood_loss.kl_div, 2)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:
    """`nn.functional.binary_cross_entropy_with_logits`."""
    return loss.binary_cross_entropy_with_logits(
        input, target, weight, reduction=_REDUCTIONS[reduction], pos_weight=pos_weight
    )


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """`nn.functional.poisson_nll_loss`."""
    return likelihood_loss.poisson_nll_loss(
        input, target, log_input, full, eps=eps, reduction=_REDUCTIONS[reduction]
    )


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 0,
    zero_infinity: bool = False,
) -> Tensor:
    """`nn.functional.ctc_loss`."""
    return likelihood_loss.ctc_loss(
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        blank,
        _REDUCTIONS[reduction],
        zero_infinity,
    )


# ---- norms


def native_layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`layer_norm`, with the means and the reciprocal standard deviations."""
    y = norm.layer_norm(input, tuple(normalized_shape), weight, bias, eps)
    axes = tuple(range(-len(tuple(normalized_shape)), 0))
    return y, *_statistics(input, axes, eps, True)


def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`group_norm` of N samples of C channels, with the groups' statistics, (N, group)."""
    if input.numel() != N * C * HxW:
        raise RuntimeError(f"Expected input of {N}·{C}·{HxW} elements, got {input.numel()}")
    dt = input.dtype
    rows = input.reshape(N, group, C // group * HxW)
    rows = to_dtype(rows, dtypes.float32) if dt.itemsize == 2 else rows
    mean = rows.mean(-1)
    rstd = (rows.var(-1, correction=0) + eps).rsqrt()
    y = (rows - mean.unsqueeze(-1)) * rstd.unsqueeze(-1)
    y = y.reshape(N, C, HxW)
    y = y if weight is None else y * weight.reshape(1, C, 1)
    y = y if bias is None else y + bias.reshape(1, C, 1)
    return to_dtype(y.reshape(input._data.shape), dt), to_dtype(mean, dt), to_dtype(rstd, dt)


def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`batch_norm`, with the channels' batch statistics in training, else empty tensors."""
    y = norm.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return y, input.new_empty(0), input.new_empty(0)
    return y, *_statistics(input, (0, *range(2, input.ndim)), eps, False)


def _statistics(t: Tensor, axes: Any, eps: float, keepdim: bool) -> tuple[Tensor, Tensor]:
    """Means and reciprocal standard deviations, computed in float32 at least."""
    x = t.detach()
    x = to_dtype(x, dtypes.float32) if x.dtype.itemsize == 2 else x
    found = x.mean(axes, keepdim), (x.var(axes, correction=0, keepdim=keepdim) + eps).rsqrt()
    return to_dtype(found[0], t.dtype), to_dtype(found[1], t.dtype)


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norms over all axes but one (−1: over all); reduced axes are kept with size 1."""
    if dim == -1:
        return norms.norm(v, pow)
    kept = wrap_dim(dim, v.ndim)
    # Over an added axis, too, because the list of axes must not be empty.
    axes = tuple(i for i in range(v.ndim + 1) if i != kept)
    return norms.norm(v.unsqueeze(-1), pow, axes, True).squeeze(-1)


# ---- the rest


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """`channel_shuffle`."""
    return vision.channel_shuffle(input, groups)


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Tensor:
    """A convolution of a batch over one to three axes, or a transposed one."""
    if weight.ndim not in (3, 4, 5) or input.ndim != weight.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight "
            f"{shape_text(weight.shape)}, but got {input.ndim}-dimensional input of size "
            f"{shape_text(input.shape)} instead"
        )
    name = f"conv{'_transpose' * transposed}{weight.ndim - 2}d"
    extra = {"output_padding": output_padding} if transposed else {}
    function = getattr(conv, name)
    return function(input, weight, bias, stride, padding, groups=groups, dilation=dilation, **extra)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """A convolution over time of (time, batch, channel), with weights (kernel, in, out)."""
    x, w = input.permute(1, 2, 0), weight.permute(2, 1, 0)
    return conv.conv1d(x, w, bias, padding=pad).permute(2, 0, 1)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """(the maxima of windows, their indices)."""
    return pool.max_pool1d(
        input, kernel_size, stride or None, padding, dilation, ceil_mode, return_indices=True
    )


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """(the input with elements set to 0 and the rest divided by 1 − p, the mask of kept ones).

    Args:
        train: False keeps all elements, unscaled.
    """
    need_tensor(input, "native_dropout")
    if train is False or not input.numel():
        kept = creation.ones_like(input, dtype=dtypes.bool_)
        return input.clone(), kept
    kept = creation.empty_like(input, dtype=dtypes.bool_)
    sampling.bernoulli_(kept, 1 - p)
    return input * kept * (0.0 if p == 1 else 1 / (1 - p)), kept


def constant_pad_nd(input: Tensor, pad: Any, value: Any = 0) -> Tensor:
    """`nn.functional.pad` with a constant."""
    need_tensor(input, "constant_pad_nd")
    pad = tuple(pad)
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. "
            f"Pad length is {len(pad)} while the input has {input.ndim} dimensions."
        )
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    widths = (*[(0, 0)] * (input.ndim - len(pairs)), *reversed(pairs))
    return copy_and_fill.constant_pad(input, widths, value)


_MODES, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`nn.functional.grid_sample`, with its modes as integers."""
    modes = _MODES[interpolation_mode], _PADDINGS[padding_mode]
    return _sample(input, grid, *modes, align_corners)


def _sample(input: Tensor, places: Tensor, mode: str, padding: str, align: bool) -> Tensor:
    return grid.grid_sample(input, places, mode, padding, align)


def _over_axes(name: str, ndim: int) -> Callable[..., Any]:
    def function(
        input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
    ) -> Tensor:
        if input.ndim != ndim:
            raise RuntimeError(f"{name}: expected a tensor of {ndim} axes, got {input.ndim}")
        return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)

    return named(function, name, f"`grid_sampler` of tensors with {ndim} axes.")


grid_sampler_2d = _over_axes("grid_sampler_2d", 4)
grid_sampler_3d = _over_axes("grid_sampler_3d", 5)


def affine_grid_generator(theta: Tensor, size: Any, align_corners: bool) -> Tensor:
    """`nn.functional.affine_grid`."""
    return grid.affine_grid(theta, size, align_corners)


def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Rescale the indexed rows whose norm exceeds `max_norm` to it, in place."""
    if indices.ndim == 0:
        raise RuntimeError(f"indices of no axes for a table of {shape_text(input.shape)}")
    renorm_rows(input, indices, max_norm, norm_type)
    return input
