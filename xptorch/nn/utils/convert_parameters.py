"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from xptorch._tensor.tensor import Tensor
from xptorch.ops.shape import joining


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters, one parameter after the other."""
    return joining.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Set parameters to the values in a vector: the inverse of `parameters_to_vector`.

    Raises:
        TypeError: `vec` is not a tensor.
        RuntimeError: it is too short.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected xptorch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for param in parameters:
        end = start + param.numel()
        param.data = vec[start:end].view_as(param).detach()
        start = end
