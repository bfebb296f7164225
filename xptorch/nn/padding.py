"""Padding of 1, 2 and 3 axes: constants, reflection, replication, wrapping around."""

from __future__ import annotations

from typing import ClassVar

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn._shapes import for_each_axis
from xptorch.nn.module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

Widths = int | tuple[int, ...]


class _PadNd(Module):
    _axes: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: Widths) -> None:
        super().__init__()
        self.padding = for_each_axis(padding, 2 * self._axes)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class _ConstantPadNd(_PadNd):
    _mode = "constant"

    def __init__(self, padding: Widths, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pads the last axis with a constant.

    Args: as `ConstantPad2d`, with 2 widths.

    Shape: (n, c, l) or (c, l) → (n, c, l + left + right).
    """

    _axes = 1


class ConstantPad2d(_ConstantPadNd):
    """Pads the last two axes with a constant.

    Args:
        padding: (left, right, top, bottom), or one number for all; negative widths crop.
        value: the constant.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, h + top + bottom, w + left + right).
    """

    _axes = 2


class ConstantPad3d(_ConstantPadNd):
    """Pads the last three axes with a constant.

    Args: as `ConstantPad2d`, with 6 widths (…, front, back).

    Shape: (n, c, d, h, w) or (c, d, h, w), larger by the widths.
    """

    _axes = 3


class _Zeros:
    """A mixin, placed before a ConstantPad: the constant is 0."""

    padding: tuple[int, ...]

    def __init__(self, padding: Widths) -> None:
        super().__init__(padding, 0.0)  # type: ignore[call-arg]

    def extra_repr(self) -> str:
        return str(self.padding)


class ZeroPad1d(_Zeros, ConstantPad1d):
    """Pads the last axis with zeros.

    Args and shape: as `ConstantPad1d`, without the value.
    """


class ZeroPad2d(_Zeros, ConstantPad2d):
    """Pads the last two axes with zeros.

    Args and shape: as `ConstantPad2d`, without the value.
    """


class ZeroPad3d(_Zeros, ConstantPad3d):
    """Pads the last three axes with zeros.

    Args and shape: as `ConstantPad3d`, without the value.
    """


class ReflectionPad1d(_PadNd):
    """Pads the last axis with its mirror image, the border element not repeated.

    Args and shape: as `ConstantPad1d`, without the value; each width less than the axis.
    """

    _axes, _mode = 1, "reflect"


class ReflectionPad2d(_PadNd):
    """Pads the last two axes with their mirror image, the border elements not repeated.

    Args and shape: as `ConstantPad2d`, without the value; each width less than the axis.
    """

    _axes, _mode = 2, "reflect"


class ReflectionPad3d(_PadNd):
    """Pads the last three axes with their mirror image, the border elements not repeated.

    Args and shape: as `ConstantPad3d`, without the value; each width less than the axis.
    """

    _axes, _mode = 3, "reflect"


class ReplicationPad1d(_PadNd):
    """Pads the last axis by repeating the border elements.

    Args and shape: as `ConstantPad1d`, without the value.
    """

    _axes, _mode = 1, "replicate"


class ReplicationPad2d(_PadNd):
    """Pads the last two axes by repeating the border elements.

    Args and shape: as `ConstantPad2d`, without the value.
    """

    _axes, _mode = 2, "replicate"


class ReplicationPad3d(_PadNd):
    """Pads the last three axes by repeating the border elements.

    Args and shape: as `ConstantPad3d`, without the value.
    """

    _axes, _mode = 3, "replicate"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        n = self._axes
        if input.ndim not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {input.ndim}D input)")
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """Pads the last axis with elements from its other end.

    Args and shape: as `ConstantPad1d`, without the value; each width at most the axis.
    """

    _axes = 1


class CircularPad2d(_CircularPadNd):
    """Pads the last two axes with elements from their other ends.

    Args and shape: as `ConstantPad2d`, without the value; each width at most the axis.
    """

    _axes = 2


class CircularPad3d(_CircularPadNd):
    """Pads the last three axes with elements from their other ends.

    Args and shape: as `ConstantPad3d`, without the value; each width at most the axis.
    """

    _axes = 3
