"""Losses with a margin between what should be close and what should be far.

Their `reduction` is as in `loss`.
"""

from __future__ import annotations

from collections.abc import Callable

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.distance import PairwiseDistance
from xptorch.nn.loss import _Loss, _WeightedLoss
from xptorch.nn.module import Module

__all__ = [
    "CosineEmbeddingLoss",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class _MarginLoss(_Loss):
    """A loss whose settings are a margin and the reduction."""

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class HingeEmbeddingLoss(_MarginLoss):
    r""":math:`x` where :math:`y = 1`, :math:`\max(0, margin - x)` where :math:`y = -1`.

    Args:
        margin: the margin.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (*) twice → () or, with ``"none"``, (*).
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_MarginLoss):
    r""":math:`\max(0, -y (x_1 - x_2) + margin)`, the targets being 1 or −1.

    Args:
        margin: the margin.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (n) three times → () or, with ``"none"``, (n).
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class CosineEmbeddingLoss(_MarginLoss):
    r""":math:`1 - \cos(x_1, x_2)` where y is 1, else :math:`\max(0, \cos(x_1, x_2) - margin)`.

    Args:
        margin: the margin.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (n, d) twice with targets (n), or (d) twice with () → () or, with ``"none"``, (n).
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class MultiLabelMarginLoss(_Loss):
    r""":math:`\sum_{j \in y, i \notin y} \max(0, 1 - (x_j - x_i)) / c`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (c) or (n, c), with targets of classes, ended by −1, in the same shape → () or, with
    ``"none"``, (n).
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    r""":math:`\sum_{i \ne y} w_y \max(0, margin - x_y + x_i)^p / c`.

    Args:
        p: 1 or 2.
        margin: the margin.
        weight: (c), of each class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (n, c) or (c), with targets (n) or () → () or, with ``"none"``, (n).

    Raises:
        ValueError: another `p`, or a weight with other than one dimension.
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.ndim != 1:
            raise ValueError(
                "MultiMarginLoss: expected weight to be None or 1D tensor, "
                f"got {weight.ndim}D instead"
            )
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(
            *(input, target),
            p=self.p,
            margin=self.margin,
            weight=self.weight,
            reduction=self.reduction,
        )


class TripletMarginLoss(_Loss):
    r""":math:`\max(0, \|a - p\| - \|a - n\| + margin)`.

    Args:
        margin: the margin.
        p: the norm's degree.
        eps: keeps the gradient finite where two are equal.
        swap: use the distance of positive and negative where it is the smaller one.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (n, d) or (d) three times → () or, with ``"none"``, (n).

    Raises:
        ValueError: the margin is not positive.
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        _check_margin(self, margin)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            *(anchor, positive, negative),
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    r""":math:`\max(0, d(a, p) - d(a, n) + margin)` with a custom distance.

    Args:
        distance_function: the distance `d`; `PairwiseDistance` by default.
        margin: the margin.
        swap: use the distance of positive and negative where it is the smaller one.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (n, *) three times → () or, with ``"none"``, (n).

    Raises:
        ValueError: the margin is not positive.
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        _check_margin(self, margin)
        default: Callable[[Tensor, Tensor], Tensor] = PairwiseDistance()
        self.distance_function = default if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            *(anchor, positive, negative),
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


def _check_margin(loss: Module, margin: float) -> None:
    if margin <= 0:
        raise ValueError(
            f"{type(loss).__name__}: expected margin to be greater than 0, got {margin} instead"
        )
