"""Distances and similarities of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import FLOAT
from xptorch.ops._common import need_tensor, promote, type_name, wrap_dim
from xptorch.ops.linalg import norms
from xptorch.ops.shape import creation
from xptorch.ops.shape.views import broadcast_tensors

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x₁ · x₂ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along `dim`, the inputs broadcast."""
    need_tensor(x1, "cosine_similarity", "x1")
    need_tensor(x2, "cosine_similarity", "x2", 2)
    a, b = promote(x1, x2)
    if a.dtype.category != FLOAT:
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {type_name(a.dtype)}"
        )
    a, b = broadcast_tensors(a, b)
    axis = wrap_dim(dim, a.ndim)
    sizes = (norms.vector_norm(x, 2, axis, True).clamp_min(eps) for x in (a, b))
    first, second = sizes
    return ((a / first) * (b / second)).sum(axis)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """‖x₁ − x₂ + ε‖_p over the last axis, the inputs broadcast."""
    need_tensor(x1, "pairwise_distance", "x1")
    need_tensor(x2, "pairwise_distance", "x2", 2)
    return norms.norm(x1 - x2 + eps, p, max(x1.ndim, x2.ndim) - 1, keepdim)


def pdist(input: Tensor, p: float = 2) -> Tensor:
    """‖xᵢ − xⱼ‖_p of all pairs of rows i < j."""
    need_tensor(input, "pdist")
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    n = input._data.shape[0]
    later = creation.ones(n, n, dtype=dtypes.bool_, device=input._device).triu(1)
    first, second = later.nonzero(as_tuple=True)
    return norms.vector_norm(input[first] - input[second], p, 1)
