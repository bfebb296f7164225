"""Pooling over 1 to 3 axes: max, average, power average, adaptive, fractional, max unpooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn._shapes import for_each_axis
from xptorch.nn.module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

Axes = int | tuple[int, ...]
Ratios = float | tuple[float, ...]


class _MaxPoolNd(Module):
    _function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: Axes = 0,
        dilation: Axes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        settings = (self.stride, self.padding, self.dilation, self.ceil_mode)
        return type(self)._function(input, self.kernel_size, *settings, self.return_indices)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest element of each window over one axis.

    Args: as `MaxPool2d`.

    Shape: (n, c, l) or (c, l) → (n, c, l') or (c, l').
    """

    _function = F.max_pool1d


class MaxPool2d(_MaxPoolNd):
    r"""The largest element of each window: :math:`y = \max_{i, j} x[stride·h + i, stride·w + j]`.

    Args:
        kernel_size: size of the window; here and below a number, or one for each axis.
        stride: steps from window to window; the kernel's size by default.
        padding: −∞ added on both sides, at most half the kernel.
        dilation: steps between the elements of a window.
        return_indices: also return the indices of the largest elements, for `MaxUnpool2d`.
        ceil_mode: let the last window extend beyond the padded input.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, h', w') or (c, h', w'), where
    :math:`h' = \lfloor (h + 2·padding - dilation·(kh - 1) - 1) / stride \rfloor + 1` (⌈⌉ in
    ceil_mode).

    >>> import xptorch as torch
    >>> torch.nn.MaxPool2d(3, stride=2)(torch.ones(1, 8, 14, 14)).shape
    xptorch.Size([1, 8, 6, 6])
    """

    _function = F.max_pool2d


class MaxPool3d(_MaxPoolNd):
    """The largest element of each window over three axes.

    Args: as `MaxPool2d`.

    Shape: (n, c, d, h, w) or (c, d, h, w) → (n, c, d', h', w') or (c, d', h', w').
    """

    _function = F.max_pool3d


class AvgPool1d(Module):
    """The mean of each window over one axis.

    Args: as `AvgPool2d`, without `divisor_override`.

    Shape: (n, c, l) or (c, l) → (n, c, l') or (c, l').
    """

    def __init__(
        self,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: Axes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = for_each_axis(kernel_size, 1)
        self.stride = for_each_axis(kernel_size if stride is None else stride, 1)
        self.padding = for_each_axis(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            *(input, self.kernel_size, self.stride, self.padding),
            *(self.ceil_mode, self.count_include_pad),
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPoolNd(Module):
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        kernel_size: Axes,
        stride: Axes | None = None,
        padding: Axes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(
            *(input, self.kernel_size, self.stride, self.padding),
            *(self.ceil_mode, self.count_include_pad, self.divisor_override),
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPoolNd):
    r"""The mean of each window: :math:`y = \frac{1}{kh·kw} \sum_{i, j} x[stride·h + i, …]`.

    Args:
        kernel_size: size of the window; here and below a number, or one for each axis.
        stride: steps from window to window; the kernel's size by default.
        padding: zeros added on both sides, at most half the kernel.
        ceil_mode: let the last window extend beyond the padded input.
        count_include_pad: count the padding's zeros in the mean.
        divisor_override: divide by this in place of the number of elements.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, h', w') or (c, h', w'), where
    :math:`h' = \lfloor (h + 2·padding - kh) / stride \rfloor + 1` (⌈⌉ in ceil_mode).
    """

    _function = F.avg_pool2d


class AvgPool3d(_AvgPoolNd):
    """The mean of each window over three axes.

    Args: as `AvgPool2d`.

    Shape: (n, c, d, h, w) or (c, d, h, w) → (n, c, d', h', w') or (c, d', h', w').
    """

    _function = F.avg_pool3d


class _AdaptiveAvgPoolNd(Module):
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The mean of each window, the windows chosen for a given output size.

    Args:
        output_size: the output's length.

    Shape: (n, c, l) or (c, l) → (n, c, output_size) or (c, output_size).
    """

    _function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The mean of each window, the windows chosen for a given output size.

    Args:
        output_size: (h', w'), or one number for both; None keeps an axis' size.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, h', w') or (c, h', w').
    """

    _function = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The mean of each window, the windows chosen for a given output size.

    Args: as `AdaptiveAvgPool2d`, with three axes.

    Shape: (n, c, d, h, w) or (c, d, h, w) → (n, c, d', h', w') or (c, d', h', w').
    """

    _function = F.adaptive_avg_pool3d


class _AdaptiveMaxPoolNd(Module):
    _function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self)._function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest element of each window, the windows chosen for a given output size.

    Args:
        output_size: the output's length.
        return_indices: also return the indices of the largest elements.

    Shape: (n, c, l) or (c, l) → (n, c, output_size) or (c, output_size).
    """

    _function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest element of each window, the windows chosen for a given output size.

    Args:
        output_size: (h', w'), or one number for both; None keeps an axis' size.
        return_indices: also return the indices of the largest elements.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, h', w') or (c, h', w').
    """

    _function = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest element of each window, the windows chosen for a given output size.

    Args: as `AdaptiveMaxPool2d`, with three axes.

    Shape: (n, c, d, h, w) or (c, d, h, w) → (n, c, d', h', w') or (c, d', h', w').
    """

    _function = F.adaptive_max_pool3d


class _LPPoolNd(Module):
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Axes,
        stride: Axes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    r"""The power average of each window: :math:`y = (\sum_k x_k^p)^{1/p}`.

    Args: as `LPPool2d`.

    Shape: (n, c, l) or (c, l) → (n, c, l') or (c, l').
    """

    _function = F.lp_pool1d


class LPPool2d(_LPPoolNd):
    r"""The power average of each window: :math:`y = (\sum_{i, j} x_{ij}^p)^{1/p}`.

    Args:
        norm_type: the exponent `p`; 1 gives the sum, ∞ the maximum.
        kernel_size: size of the window; here and below a number, or one for each axis.
        stride: steps from window to window; the kernel's size by default.
        ceil_mode: let the last window extend beyond the input.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, h', w') or (c, h', w').
    """

    _function = F.lp_pool2d


class LPPool3d(_LPPoolNd):
    """The power average of each window over three axes.

    Args: as `LPPool2d`.

    Shape: (n, c, d, h, w) or (c, d, h, w) → (n, c, d', h', w') or (c, d', h', w').
    """

    _function = F.lp_pool3d


class _MaxUnpoolNd(Module):
    _axes: ClassVar[int]
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(self, kernel_size: Axes, stride: Axes | None = None, padding: Axes = 0) -> None:
        super().__init__()
        self.kernel_size = for_each_axis(kernel_size, self._axes)
        self.stride = for_each_axis(kernel_size if stride is None else stride, self._axes)
        self.padding = for_each_axis(padding, self._axes)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        return type(self)._function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts the maxima of `MaxPool1d` back at their positions, zeros elsewhere.

    Args: as `MaxUnpool2d`.

    Shape: (n, c, l) or (c, l), with indices of the same shape → (n, c, l') or (c, l').
    """

    _axes, _function = 1, F.max_unpool1d


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts the maxima of `MaxPool2d` back at their positions, zeros elsewhere.

    Args:
        kernel_size: the pool's; here and below a number, or one for each axis.
        stride: the pool's; the kernel's size by default.
        padding: the pool's.

    Shape: (n, c, h, w) or (c, h, w), with indices of the same shape → (n, c, h', w') or
    (c, h', w'), where :math:`h' = (h - 1)·stride - 2·padding + kh`; the call takes `output_size` to
    choose another.
    """

    _axes, _function = 2, F.max_unpool2d


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts the maxima of `MaxPool3d` back at their positions, zeros elsewhere.

    Args: as `MaxUnpool2d`.

    Shape: (n, c, d, h, w) or (c, d, h, w) → (n, c, d', h', w') or (c, d', h', w').
    """

    _axes, _function = 3, F.max_unpool3d


class _FractionalMaxPool(Module):
    _axes: int

    def __init__(
        self,
        kernel_size: Axes,
        output_size: Axes | None = None,
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
    r"""The maximum of each of `output_size` windows, whose spacing is random.

    Args:
        kernel_size: size of the window; here and below a number, or one for each axis.
        output_size: size of the output, or
        output_ratio: the output's size over the input's, between 0 and 1.
        return_indices: also return the index of each maximum in the image.

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
