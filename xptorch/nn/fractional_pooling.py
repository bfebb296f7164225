"""Max pooling over windows whose places are drawn at random."""

from __future__ import annotations

from typing import Any

from xptorch._tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn._shapes import for_each_axis
from xptorch.nn.module import Module

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]

Sizes = int | tuple[int, ...]
Ratios = float | tuple[float, ...]


class _FractionalMaxPool(Module):
    _axes: int

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        n, me = self._axes, type(self).__name__
        if kernel_size is None or (isinstance(kernel_size, int) and kernel_size <= 0):
            raise ValueError(f"kernel_size must greater than zero, but got {kernel_size}")
        if isinstance(kernel_size, (tuple, list)) and any(k <= 0 for k in kernel_size):
            raise ValueError(f"kernel_size must greater than zero, but got {kernel_size}")
        self.kernel_size = for_each_axis(kernel_size, n)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else for_each_axis(output_size, n)
        self.output_ratio = None if output_ratio is None else for_each_axis(output_ratio, n)
        if output_size is None and output_ratio is None:
            raise ValueError(f"{me} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        function = F.fractional_max_pool2d if self._axes == 2 else F.fractional_max_pool3d
        return function(
            *(input, self.kernel_size, self.output_size, self.output_ratio),
            *(self.return_indices, self._random_samples),
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    r"""The maximum of each of `output_size` windows, whose distances are drawn at random.

    Args:
        kernel_size: size of the window; here and below a number, or one for each axis.
        output_size: size of the output, or
        output_ratio: what part of the input's it is, between 0 and 1.
        return_indices: give where in the image each maximum stands, too.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, *output_size) or (c, *output_size).

    Raises:
        ValueError: neither or both, or a ratio outside (0, 1).

    Source: Graham, Fractional max-pooling (2014).

    >>> import xptorch as torch
    >>> torch.nn.FractionalMaxPool2d(3, output_ratio=0.5)(torch.ones(1, 2, 10, 12)).shape
    xptorch.Size([1, 2, 5, 6])
    """

    _axes = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """As `FractionalMaxPool2d`, over three axes.

    Shape: (n, c, d, h, w) or (c, d, h, w) → (n, c, *output_size) or (c, *output_size).
    """

    _axes = 3
