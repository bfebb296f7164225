"""Upsampling of 1, 2 and 3 axes, and shuffles of channels and pixels."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.module import Module

__all__ = [
    *("ChannelShuffle", "PixelShuffle", "PixelUnshuffle"),
    *("Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"),
]


class Upsample(Module):
    """Resizes the axes after the channels.

    Args:
        size: the output's size, one number or one for each axis; or
        scale_factor: the output's size over the input's.
        mode: ``"nearest"``, ``"linear"``, ``"bilinear"``, ``"bicubic"`` or ``"trilinear"``.
        align_corners: whether the corner elements of input and output coincide.
        recompute_scale_factor: use the factor that follows from the rounded output size.

    Shape: (n, c, *) → (n, c, *), resized.
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor: Any = tuple(float(f) for f in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            *(input, self.size, self.scale_factor, self.mode, self.align_corners),
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        what = "size" if self.scale_factor is None else "scale_factor"
        return f"{what}={getattr(self, what)}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Resizes images by repeating pixels.

    Args and shape: as `Upsample`, for (n, c, h, w).
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Resizes images by bilinear interpolation, with the corners aligned.

    Args and shape: as `Upsample`, for (n, c, h, w).
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """Rearranges groups of r² channels into r × r pixels.

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
    """Rearranges blocks of r × r pixels into r² channels: the inverse of `PixelShuffle`.

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
    """Interleaves the channels of g groups: channel (i, j) of (g, c / g) becomes (j, i).

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
