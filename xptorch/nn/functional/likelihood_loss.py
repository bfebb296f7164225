"""Losses that are negative log-likelihoods of a distribution, or of a sequence."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import FLOAT
from xptorch.nn.functional._reduction import chosen, reduced
from xptorch.ops._common import is_tensor, to_dtype
from xptorch.ops._numerics import need_floating, widened
from xptorch.ops.elementwise.comparison import where
from xptorch.ops.layers.ctc import ctc
from xptorch.ops.shape import creation
from xptorch.ops.special import elementary

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


@widened
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """t (log t − x), for log-probabilities x: the Kullback–Leibler divergence.

    Args:
        reduction: "batchmean", as in the definition, divides by the size of the first axis only.
        log_target: the target also contains log-probabilities.
    """
    batch = size_average is None and reduce is None and reduction == "batchmean"
    reduction = chosen(size_average, reduce, "sum" if batch else reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support "
            "size. 'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition. 'mean' will be changed to behave the same as 'batchmean' in the next "
            "major release.",
            stacklevel=2,
        )
    if input.dtype.category < FLOAT or target.dtype.category < FLOAT:
        raise RuntimeError("kl_div: Integral inputs not supported.")
    if input.is_complex() or target.is_complex():
        raise RuntimeError("kl_div: Complex inputs not supported.")
    if log_target:
        losses = target.exp() * (target - input)
    else:
        losses = elementary.xlogy(target, target) - target * input
    total = reduced(losses, reduction)
    return total / input.shape[0] if batch and input.ndim else total


@widened
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) − t x, for the logarithm x of a Poisson rate; x − t log(x + ε) for the rate itself.

    Args:
        full: add Stirling's approximation of log t!.
    """
    reduction = chosen(size_average, reduce, reduction)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        losses = losses + where(target <= 1, 0.0, stirling)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """½ (log max(σ², ε) + (x − t)² / max(σ², ε)).

    Args:
        var: σ², a number or of the input's shape with one axis of size 1 or the last one missing.
        full: add ½ log 2π.
    """
    if not is_tensor(var):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = float(var) * input.new_ones(input.shape)
    size: Any = var
    if size.shape != input.shape:
        if input.shape[:-1] == size.shape:
            size = size.unsqueeze(-1)
        elif not (
            (input.shape[:-1] == size.shape[:-1] and size.shape[-1:] == (1,))
            or (input.ndim == size.ndim and _one_axis_of_one(input.shape, size.shape))
        ):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    if (size.detach() < 0).any():
        raise ValueError("var has negative entry/entries")
    # Only the value is clamped: the gradient is that of the unclamped variance.
    lift = where(size.detach() < eps, eps - size.detach(), 0.0)
    size = size + lift
    losses = 0.5 * (size.log() + (input - target) ** 2 / size)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)


def _one_axis_of_one(full: Any, other: Any) -> bool:
    """Whether the shapes agree except for one axis of size 1."""
    return [b for a, b in zip(full, other, strict=True) if a != b] == [1]


@widened
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """−log of the probability of the target sequence, summed over all its alignments.

    Args:
        log_probs: (t, n, c) or (t, c), as from `log_softmax`.
        targets: (n, s), or all sequences concatenated; none contains the blank.
        reduction: "mean" divides each loss by its target's length first.
        zero_infinity: losses of targets too long for their input become 0, with no gradient.
    """
    reduction = chosen(None, None, reduction)
    need_floating("ctc_loss_cpu", log_probs)
    batched = log_probs.ndim == 3
    lp = log_probs if batched else log_probs.unsqueeze(1)
    n, classes = lp.shape[1:]
    steps, counts = (_lengths(x, targets) for x in (input_lengths, target_lengths))
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, t in (("input_lengths", steps), ("target_lengths", counts)):
        if t.numel() != n:
            raise RuntimeError(f"{name} must be of size batch_size")
    longest = int(counts.max()) if n else 0
    if n and int(steps.max()) > lp.shape[0]:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {lp.shape[0]}, but got value "
            f"{int(steps.max())} (while checking arguments for ctc_loss_allocate_outputs)"
        )
    labels = to_dtype(targets, dtypes.int64)
    if labels.ndim == 1 and batched:
        labels = _as_rows(labels, counts, longest)
    labels = labels if labels.ndim == 2 else labels.unsqueeze(0)
    if labels.shape[1] < longest:
        raise RuntimeError(
            f"Expected tensor to have size at least {longest} at dimension 1, but got size "
            f"{labels.shape[1]} for argument #2 'targets' (while checking arguments for "
            "ctc_loss_allocate_outputs)"
        )
    losses = ctc(lp, labels[:, :longest], steps, counts, blank, zero_infinity)
    if reduction == "mean":
        return (losses / counts.clamp_min(1)).mean()
    losses = reduced(losses, reduction)
    return losses if batched or reduction == "sum" else losses.squeeze(0)


def _lengths(given: Any, like: Tensor) -> Tensor:
    t = given if is_tensor(given) else like.new_tensor(given, dtype=dtypes.int64)
    return to_dtype(t.reshape(-1), dtypes.int64)


def _as_rows(joined: Tensor, counts: Tensor, longest: int) -> Tensor:
    """Concatenated sequences as padded rows."""
    starts = counts.cumsum(0) - counts
    places = starts.unsqueeze(1) + creation.arange(longest, device=joined._device)
    if not joined.numel():
        return joined.new_zeros(counts.numel(), longest)
    return joined[places.clamp_max(joined.numel() - 1)]
