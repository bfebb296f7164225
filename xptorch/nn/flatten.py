"""Axes merged and split, windows as columns and back: Flatten, Unflatten, Unfold, Fold."""

from __future__ import annotations

from collections.abc import Sequence

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.module import Module

__all__ = ["Flatten", "Fold", "Unflatten", "Unfold"]

Axes = int | tuple[int, int]


class Flatten(Module):
    """Merges a range of axes into one.

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
    """Splits one axis into several.

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


class Unfold(Module):
    r"""All windows of an image, each as a column (im2col).

    Args:
        kernel_size: size of the window; here and below a number, or one for each axis.
        dilation: steps between the elements of a window.
        padding: zeros added on both sides.
        stride: steps from window to window.

    Shape: (n, c, h, w) or (c, h, w) → (n, c · kh · kw, L) or (c · kh · kw, L), with `L` the number
    of windows.
    """

    def __init__(
        self, kernel_size: Axes, dilation: Axes = 1, padding: Axes = 0, stride: Axes = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """The sum of windows, each a column, at their positions in an image: the adjoint of `Unfold`.

    Args:
        output_size: (h, w) of the image.
        kernel_size: size of the window; here and below a number, or one for each axis.
        dilation: steps between the elements of a window.
        padding: rows and columns left out on both sides of the image.
        stride: steps from window to window.

    Shape: (n, c · kh · kw, L) or (c · kh · kw, L) → (n, c, h, w) or (c, h, w).
    """

    def __init__(
        self,
        output_size: Axes,
        kernel_size: Axes,
        dilation: Axes = 1,
        padding: Axes = 0,
        stride: Axes = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(
            *(input, self.output_size, self.kernel_size),
            *(self.dilation, self.padding, self.stride),
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
