"""Flatten and Unflatten: several axes as one, and back."""

from __future__ import annotations

from collections.abc import Sequence

from xptorch._tensor import Tensor
from xptorch.nn.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Makes a range of axes one.

    Args:
        start_dim: the first of them.
        end_dim: the last of them.

    Shape: (n, *) → (n, product of *) with the defaults.

    >>> import xptorch as torch
    >>> torch.nn.Flatten()(torch.ones(32, 1, 5, 5)).shape
    xptorch.Size([32, 25])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Makes one axis several.

    Args:
        dim: the axis.
        unflattened_size: their sizes; one may be −1.

    Shape: (…, product of sizes, …) → (…, *sizes, …).

    Raises:
        TypeError: the sizes are not a tuple of ints, or `dim` is a name.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError(f"Unflatten: dim must be an int (axes have no names), not {dim!r}")
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                "unflattened_size must be a tuple of ints, but found type "
                f"{type(unflattened_size).__name__}"
            )
        for i, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, but found element of type "
                    f"{type(size).__name__} at pos {i}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
