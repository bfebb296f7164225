"""The `reduction` of a loss (none, mean or sum), and its deprecated arguments."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


def chosen(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction; taken from the deprecated arguments if one of them is given.

    Raises:
        ValueError: there is no such reduction.
    """
    if size_average is not None or reduce is not None:
        averaged, reduced = size_average is not False, reduce is not False
        reduction = "none" if not reduced else "mean" if averaged else "sum"
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The losses, their mean or their sum."""
    if reduction == "mean":
        return losses.mean()
    return losses.sum() if reduction == "sum" else losses
