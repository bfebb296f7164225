"""Dropout: random zeros in training, the identity in evaluation."""

from __future__ import annotations

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    r"""Zeroes each element with probability `p` and scales the rest by :math:`1 / (1 - p)`.

    In evaluation it returns its input.

    Args:
        p: the probability of a zero.
        inplace: overwrite the input.

    Shape: any, the same out.

    Raises:
        ValueError: `p` is not between 0 and 1.

    Source: Hinton et al., Improving neural networks by preventing co-adaptation of feature
    detectors (2012).
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Zeroes whole channels with probability `p`.

    Args: as `Dropout`.

    Shape: (n, c, l) or (c, l), the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Zeroes whole channels with probability `p`.

    Args: as `Dropout`.

    Shape: (n, c, h, w) or (n, c, l), the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Zeroes whole channels with probability `p`.

    Args: as `Dropout`.

    Shape: (n, c, d, h, w) or (c, d, h, w), the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout for SELU networks: drops to SELU's limit and keeps mean 0 and variance 1.

    Args: as `Dropout`.

    Shape: any, the same out.

    Source: Klambauer et al., Self-normalizing neural networks (2017).
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels.

    Args: as `Dropout`.

    Shape: (n, c, d, h, w) or (c, d, h, w), the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)
