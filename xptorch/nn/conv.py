"""Convolutions and their transposes over 1, 2 and 3 axes: one base class, small subclasses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn import init
from xptorch.nn._shapes import for_each_axis
from xptorch.nn.module import Module, unusual
from xptorch.nn.parameter import declared, empty_parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

Axes = int | tuple[int, ...]


class _ConvNd(Module):
    """What convolutions and transposed convolutions share: settings, parameters, repr."""

    _axes: ClassVar[int]
    _function: ClassVar[Callable[..., Tensor]]
    transposed: ClassVar[bool] = False

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str

    weight = declared("_parameters")
    bias = declared("_parameters")

    def _set_up(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Axes,
        stride: Axes,
        padding: Axes | str,
        dilation: Axes,
        output_padding: Axes,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        n = self._axes
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = for_each_axis(kernel_size, n)
        self.stride = for_each_axis(stride, n)
        self.padding = padding if isinstance(padding, str) else for_each_axis(padding, n)
        self.dilation = for_each_axis(dilation, n)
        self.output_padding = for_each_axis(output_padding, n)
        self.groups = groups
        self.padding_mode = padding_mode
        self._check_settings()
        self._reversed_padding_repeated_twice = self._padding_for_pad()
        first, second = out_channels, in_channels
        if self.transposed:
            first, second = second, first
        shape = (first, second // groups, *self.kernel_size)
        self.weight = empty_parameter(*shape, device=device, dtype=dtype)
        self.register_parameter(
            "bias", empty_parameter(out_channels, device=device, dtype=dtype) if bias else None
        )
        self.reset_parameters()

    def _check_settings(self) -> None:
        if self.groups <= 0:
            raise ValueError("groups must be a positive integer")
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if self.out_channels % self.groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {self.padding!r}, should be one of {{'same', 'valid'}}"
                )
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        modes = ("zeros", "reflect", "replicate", "circular")
        if self.padding_mode not in modes:
            raise ValueError(
                f"padding_mode must be one of {modes}, but got padding_mode={self.padding_mode!r}"
            )

    def _padding_for_pad(self) -> tuple[int, ...]:
        """The padding as `F.pad` expects it: before and after, the last axis first."""
        if isinstance(self.padding, tuple):
            return tuple(p for p in reversed(self.padding) for _ in range(2))
        widths: list[int] = []
        for k, d in zip(reversed(self.kernel_size), reversed(self.dilation), strict=True):
            total = d * (k - 1) if self.padding == "same" else 0
            widths += (total // 2, total - total // 2)
        return tuple(widths)

    def reset_parameters(self) -> None:
        """Re-initialise weight and bias."""
        # With this `a` the bound is 1 / √fan_in.
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        ones, zeros = (1,) * len(self.stride), (0,) * len(self.output_padding)
        usual = {"padding": zeros, "dilation": ones, "output_padding": zeros, "groups": 1}
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}{unusual(self, usual)}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Convolution(_ConvNd):
    """Conv1d, Conv2d and Conv3d, which differ in `_axes` and `_function`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Axes,
        stride: Axes = 1,
        padding: Axes | str = 0,
        dilation: Axes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._set_up(
            *(in_channels, out_channels, kernel_size, stride, padding, dilation, 0),
            *(groups, bias, padding_mode, device, dtype),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self._axes
        settings = (self.stride, padding, self.dilation, self.groups)
        return type(self)._function(input, weight, bias, *settings)


class Conv1d(_Convolution):
    r"""Cross-correlation over one axis.

    .. math:: y[n, o, t] = b[o] + \sum_{c, k} w[o, c, k] \; x[n, c, stride·t + dilation·k - padding]

    Args: as `Conv2d`.

    Shape: (n, c, l) or (c, l) → (n, out, l') or (out, l'), with `l'` as in `Conv2d`.
    """

    _axes, _function = 1, F.conv1d


class Conv2d(_Convolution):
    r"""Cross-correlation over two axes: each output is a weighted sum of a window of the input.

    .. math:: y[n, o] = b[o] + \sum_c w[o, c] \star x[n, c]

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: size of the window; here and below a number, or one for each axis.
        stride: steps from window to window.
        padding: zeros added on both sides; or ``"same"`` (as many as keep the size), ``"valid"``
            (none).
        dilation: steps between the elements of a window.
        groups: the number of groups of channels, which are convolved separately.
        bias: whether there is a `b`.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight: (out, in / groups, kh, kw), from :math:`\mathcal{U}(-k, k)`, where
            :math:`k = 1 / \sqrt{(in / groups) · kh · kw}`.
        bias: (out), from the same distribution; None without.

    Shape: (n, c, h, w) or (c, h, w) → (n, out, h', w') or (out, h', w'), where
    :math:`h' = \lfloor (h + 2·padding - dilation·(kh - 1) - 1) / stride \rfloor + 1`.

    Raises:
        ValueError: `groups` does not divide the channels; a padding or mode that does not exist.

    >>> import xptorch as torch
    >>> torch.nn.Conv2d(16, 33, 3, stride=2)(torch.ones(20, 16, 50, 100)).shape
    xptorch.Size([20, 33, 24, 49])
    """

    _axes, _function = 2, F.conv2d


class Conv3d(_Convolution):
    """Cross-correlation over three axes.

    Args: as `Conv2d`.

    Shape: (n, c, d, h, w) or (c, d, h, w) → (n, out, d', h', w') or (out, d', h', w').
    """

    _axes, _function = 3, F.conv3d


class _ConvTransposeNd(_ConvNd):
    """The transposes, which differ in `_axes` and `_function`."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Axes,
        stride: Axes = 1,
        padding: Axes = 0,
        output_padding: Axes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Axes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        self._set_up(
            *(in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding),
            *(groups, bias, padding_mode, device, dtype),
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self.output_padding
        if output_size is not None:
            extra = self._extra_for(input, list(output_size))
        return type(self)._function(
            *(input, self.weight, self.bias, self.stride, self.padding),
            *(extra, self.groups, self.dilation),
        )

    def _extra_for(self, input: Tensor, wanted: list[int]) -> tuple[int, ...]:
        """The output padding for which the output has the requested size."""
        n = self._axes
        leading = input.ndim - n
        if len(wanted) == leading + n:
            wanted = wanted[leading:]
        if len(wanted) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.ndim}D input, output_size must have {n} or "
                f"{leading + n} elements (got {len(wanted)})"
            )
        sizes = tuple(input.shape[leading:])
        padding: Any = self.padding
        least = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1
            for size, s, p, d, k in zip(
                sizes, self.stride, padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        most = [m + s - 1 for m, s in zip(least, self.stride, strict=True)]
        if any(not lo <= w <= hi for lo, w, hi in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {tuple(wanted)}, but valid sizes range from {least} "
                f"to {most} (for an input of {input.shape[leading:]})"
            )
        return tuple(w - lo for w, lo in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of `Conv1d`, also called a deconvolution.

    Args: as `ConvTranspose2d`.

    Shape: (n, c, l) or (c, l) → (n, out, l') or (out, l').
    """

    _axes, _function = 1, F.conv_transpose1d


class ConvTranspose2d(_ConvTransposeNd):
    r"""The transpose of `Conv2d`, also called a deconvolution: the gradient of its input.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: size of the window; here and below a number, or one for each axis.
        stride: steps from window to window in the output.
        padding: rows and columns left out on both sides of the output.
        output_padding: rows and columns added to one side of the output; several sizes lead to the
            same one under `Conv2d`, and this selects among them.
        groups: the number of groups of channels, which are convolved separately.
        bias: whether there is a bias.
        dilation: steps between the elements of a window.
        padding_mode: only ``"zeros"``.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight: (in, out / groups, kh, kw), from :math:`\mathcal{U}(-k, k)`, where
            :math:`k = 1 / \sqrt{(out / groups) · kh · kw}`.
        bias: (out), from the same distribution; None without.

    Shape: (n, c, h, w) or (c, h, w) → (n, out, h', w') or (out, h', w'), where
    :math:`h' = (h - 1)·stride - 2·padding + dilation·(kh - 1) + output\_padding + 1`. The call
    takes `output_size` to choose among the sizes possible.
    """

    _axes, _function = 2, F.conv_transpose2d


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of `Conv3d`, also called a deconvolution.

    Args: as `ConvTranspose2d`.

    Shape: (n, c, d, h, w) or (c, d, h, w) → (n, out, d', h', w') or (out, d', h', w').
    """

    _axes, _function = 3, F.conv_transpose3d
