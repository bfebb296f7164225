"""Fold and Unfold: the windows of an image as columns, and the sum of columns as an image."""

from __future__ import annotations

from xptorch._tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.module import Module

__all__ = ["Fold", "Unfold"]

Axes = int | tuple[int, int]


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
    """The sum of windows, each a column, at their places in an image: the adjoint of `Unfold`.

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
