"""Distances between vectors."""

from __future__ import annotations

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    r""":math:`x_1 · x_2 / (\max(\|x_1\|_2, \epsilon) \max(\|x_2\|_2, \epsilon))` along an axis.

    Args:
        dim: the axis.
        eps: keeps the denominator nonzero.

    Shape: (*, d, *) twice, broadcast → (*, *).
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    r""":math:`\|x_1 - x_2 + \epsilon\|_p` along the last axis.

    Args:
        p: the norm's degree.
        eps: keeps the gradient finite where both are equal.
        keepdim: keep the last axis, with size 1.

    Shape: (n, d) or (d) twice → (n) or ().
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
