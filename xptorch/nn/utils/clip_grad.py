"""Clipping of gradients, by norm or by value, before an optimizer uses them."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable

from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.ops.shape import creation, joining

Tensors = Tensor | Iterable[Tensor]


@no_grad()
def get_total_norm(
    tensors: Tensors,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    r"""The norm of all tensors together, as if they were one vector: :math:`\|(t_1, t_2, …)\|_p`.

    Args:
        tensors: an iterable of tensors, or one.
        norm_type: the degree `p`; ``float("inf")`` gives the largest absolute value.
        error_if_nonfinite: raise if the norm is nan or infinite.
        foreach: how PyTorch computes it; it does not change the result.

    Raises:
        RuntimeError: the norm is not finite, and `error_if_nonfinite` is set.
    """
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not listed:
        return creation.tensor(0.0)
    norm_type = float(norm_type)
    norms = [t.norm(norm_type).to(listed[0].device) for t in listed]
    total = joining.stack(norms).norm(norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensors,
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    r"""Scale gradients in place by :math:`\min(1, max\_norm / (total\_norm + 10^{-6}))`.

    Args:
        parameters: an iterable of tensors with gradients, or one.
        max_norm: the largest norm allowed.
        total_norm: the norm that the gradients have, see `get_total_norm`.
        foreach: how PyTorch computes it; it does not change the result.
    """
    # PyTorch divides a number by a tensor in these two steps: so the last bit agrees.
    factor = ((total_norm + 1e-6).reciprocal() * float(max_norm)).clamp(max=1.0)
    for g in _gradients(parameters):
        g.mul_(factor.to(g.device))


@no_grad()
def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    r"""Scale gradients in place so that their common norm is at most `max_norm`.

    Args:
        parameters: an iterable of tensors with gradients, or one.
        max_norm: the largest norm allowed.
        norm_type: the norm's degree.
        error_if_nonfinite: raise if the norm is nan or infinite.
        foreach: how PyTorch computes it; it does not change the result.

    Returns:
        the norm before clipping.

    >>> import xptorch as torch
    >>> p = torch.nn.Parameter(torch.zeros(2))
    >>> p.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grad_norm_([p], max_norm=1.0)
    tensor(5.)
    """
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not listed and isinstance(parameters, Generator):
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3
        )
    total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(listed, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The deprecated name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    r"""Clip every element of the gradients to :math:`[-clip\_value, clip\_value]`, in place.

    Args:
        parameters: an iterable of tensors with gradients, or one.
        clip_value: the largest absolute value allowed.
        foreach: how PyTorch computes it; it does not change the result.
    """
    bound = float(clip_value)
    for g in _gradients(parameters):
        g.clamp_(-bound, bound)


def _gradients(parameters: Tensors) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in listed if p.grad is not None]
