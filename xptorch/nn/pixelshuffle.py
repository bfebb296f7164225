"""Channels to pixels and back, and channels shuffled between groups."""

from __future__ import annotations

from xptorch._tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.module import Module

__all__ = ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """Spreads groups of r² channels over r × r pixels.

    Args:
        upscale_factor: the factor `r`.

    Shape: (…, c · r², h, w) → (…, c, h · r, w · r).

    Source: Shi et al., Real-time single image and video super-resolution (2016).
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Gathers blocks of r × r pixels into r² channels: the inverse of `PixelShuffle`.

    Args:
        downscale_factor: the factor `r`.

    Shape: (…, c, h · r, w · r) → (…, c · r², h, w).
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Deals the channels of g groups out in turn: channel (i, j) of (g, c / g) becomes (j, i).

    Args:
        groups: the number `g`.

    Shape: (n, c, *), the same out.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
