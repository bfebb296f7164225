"""Resizing images, and rearranging channels and pixels."""

from __future__ import annotations

import math
import struct
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import FLOAT
from xptorch.nn.functional.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from xptorch.ops._common import need_tensor, shape_text, to_dtype, type_name
from xptorch.ops._numerics import in_float32
from xptorch.ops.elementwise import comparison
from xptorch.ops.layers.resample import Taps, resample
from xptorch.ops.shape import views

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    *("channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle", "upsample"),
    *("upsample_bilinear", "upsample_nearest"),
]

_AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "lanczos": 2, "trilinear": 3}
_MODES = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"


# ---- resizing


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Images (or series, or volumes) resized.

    Args:
        input: (n, c, …) with one to three axes to resize.
        size: the output size: a number, or one for each axis.
        scale_factor: or the factor by which to multiply the size, rounded down.
        mode: ``"nearest"``, ``"nearest-exact"``, ``"area"`` for any number of axes, ``"linear"``
            for one, ``"bilinear"``, ``"bicubic"``, ``"lanczos"`` for two and ``"trilinear"`` for
            three.
        align_corners: for the linear and cubic modes, whether the centres of the corner pixels
            (instead of their outer edges) keep their positions.
        recompute_scale_factor: use the ratio of the rounded sizes instead of the factor given.
        antialias: widen the kernels with the scale when shrinking (bilinear, bicubic, lanczos).

    Raises:
        ValueError: arguments that exclude each other, or are missing, or too few or too many.
        NotImplementedError: a mode that does not support this number of axes.
    """
    need_tensor(input, "interpolate")
    sizes, scales = _target(input, size, scale_factor, recompute_scale_factor)
    _check_mode(input, mode, align_corners, antialias)
    if mode == "area":
        pools = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
        return pools[len(sizes) - 1](input, sizes)
    _check_sizes(input, sizes, mode)
    settings = (mode, bool(align_corners), antialias)
    if input.dtype is dtypes.uint8 and not mode.startswith("nearest"):
        return _resize_bytes(input, sizes, scales, *settings)
    return in_float32(lambda x: _resize(x, sizes, scales, *settings), input)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The deprecated name of `interpolate`."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Deprecated: `interpolate` with ``mode="nearest"``."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Deprecated: `interpolate` with ``mode="bilinear"``, corners aligned."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _deprecated(name: str) -> None:
    text = f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead."
    warnings.warn(text, stacklevel=3)


def _resize(
    x: Tensor,
    sizes: tuple[int, ...],
    scales: tuple[float | None, ...],
    mode: str,
    align: bool,
    antialias: bool,
) -> Tensor:
    single = x.dtype is dtypes.float32  # positions are computed in the precision of the data
    for axis, (size, scale) in enumerate(zip(sizes, scales, strict=True), 2):
        if antialias:
            taps = _wide_taps(mode, x._data.shape[axis], size, scale, align)
        else:
            taps = _taps(mode, x._data.shape[axis], size, scale, align, single)
        x = resample(x, axis, taps)
    return x


def _resize_bytes(
    x: Tensor,
    sizes: tuple[int, ...],
    scales: tuple[float | None, ...],
    mode: str,
    align: bool,
    antialias: bool,
) -> Tensor:
    """Resize uint8 images in the integer arithmetic of PyTorch (which follows Pillow)."""
    x = to_dtype(x, dtypes.int32)
    for axis in reversed(range(2, x._data.ndim)):
        size, out, scale = x._data.shape[axis], sizes[axis - 2], scales[axis - 2]
        if antialias:
            taps = _wide_taps(mode, size, out, scale, align)
        else:
            taps = _taps(mode, size, out, scale, align, False)
        taps, bits = _fixed_point(taps)
        x = resample(x, axis, taps) + (1 << bits - 1)
        x = comparison.bitwise_right_shift(x, bits).clamp(0, 255)
    return to_dtype(x, dtypes.uint8)


@lru_cache(maxsize=256)
def _fixed_point(taps: Taps) -> tuple[Taps, int]:
    """Weights as 16-bit fixed-point integers, and the number of their fractional bits."""
    rows = []
    for o in range(len(taps.source[0])):
        row = [0.0] * len(taps.source)
        sources = [reads[o] for reads in taps.source]
        for source, weights in zip(sources, taps.weight or (), strict=True):
            row[sources.index(source)] += weights[o]  # add the weights of the same element
        rows.append(row)
    most = max(max(row) for row in rows)
    bits = next(b for b in range(23) if b == 22 or int(0.5 + most * 2 ** (b + 1)) >= 1 << 15)
    whole = [[int(w * 2**bits + math.copysign(0.5, w)) for w in row] for row in rows]
    return Taps(taps.size, taps.source, tuple(zip(*whole, strict=True))), bits


def _rounded(x: float) -> float:
    """A number rounded to float32."""
    return struct.unpack("f", struct.pack("f", x))[0]


@lru_cache(maxsize=256)
def _taps(mode: str, size: int, out: int, scale: float | None, align: bool, single: bool) -> Taps:
    """The input elements that each output element reads along one axis, and their weights."""
    fit = _rounded if single else float
    step = fit(_step(size, out, scale, align))
    if mode.startswith("nearest"):
        shift = 0.5 if mode == "nearest-exact" else 0.0
        source = (min(int(fit((o + shift) * step)), size - 1) for o in range(out))
        return Taps(size, (tuple(source),))
    places = [fit(o * step) if align else fit(fit((o + 0.5) * step) - 0.5) for o in range(out)]
    if mode == "bicubic":
        lower = [math.floor(p) for p in places]
        weights = [_cubic(p - i, -0.75) for p, i in zip(places, lower, strict=True)]
        index = tuple(tuple(min(max(i + t, 0), size - 1) for i in lower) for t in range(-1, 3))
        return Taps(size, index, tuple(zip(*weights, strict=True)))
    places = [max(p, 0.0) for p in places]
    lower = [min(int(p), size - 1) for p in places]
    upper = tuple(min(i + 1, size - 1) for i in lower)
    right = tuple(min(p - i, 1.0) for p, i in zip(places, lower, strict=True))
    return Taps(size, (tuple(lower), upper), (tuple(1.0 - r for r in right), right))


def _step(size: int, out: int, scale: float | None, align: bool) -> float:
    """The distance in the input between two neighbouring output elements."""
    if align:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return 1.0 / scale if scale else size / out


def _cubic(t: float, a: float) -> tuple[float, ...]:
    """The cubic convolution kernel at distances 1 + t, t, 1 − t and 2 − t."""
    return tuple(_cubic_kernel(x, a) for x in (1 + t, t, 1 - t, 2 - t))


def _cubic_kernel(x: float, a: float) -> float:
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def _lanczos_kernel(x: float) -> float:
    if x == 0:
        return 1.0
    if abs(x) >= 3:
        return 0.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


_KERNELS: dict[str, tuple[float, Any]] = {
    "bilinear": (1.0, lambda x: max(1 - abs(x), 0.0)),
    "bicubic": (2.0, lambda x: _cubic_kernel(x, -0.5)),
    "lanczos": (3.0, _lanczos_kernel),
}


@lru_cache(maxsize=256)
def _wide_taps(mode: str, size: int, out: int, scale: float | None, align: bool) -> Taps:
    """As `_taps`, with the kernel stretched by the step, if that is more than 1."""
    step = _step(size, out, scale, align)
    reach, kernel = _KERNELS[mode]
    stretch = max(step, 1.0)
    rows = []
    for o in range(out):
        centre = step * (o + 0.5)
        start = max(int(centre - reach * stretch + 0.5), 0)
        stop = max(min(int(centre + reach * stretch + 0.5), size), start + 1)
        weights = [kernel((i - centre + 0.5) / stretch) for i in range(start, stop)]
        total = sum(weights) or 1.0
        rows.append((start, [w / total for w in weights]))
    most = max(len(weights) for _, weights in rows)
    index = tuple(tuple(min(s + t, s + len(w) - 1, size - 1) for s, w in rows) for t in range(most))
    weight = tuple(tuple(w[t] if t < len(w) else 0.0 for _, w in rows) for t in range(most))
    return Taps(size, index, weight)


def _target(
    x: Tensor, size: Any, factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The output sizes, and the scale factors for positions (None: the ratio of the sizes)."""
    d, space = x._data.ndim - 2, tuple(x._data.shape[2:])
    if size is not None and factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        sizes = tuple(size) if isinstance(size, (list, tuple)) else (size,) * d
        _check_count(sizes, size, space, "size")
        if not all(hasattr(s, "__index__") for s in sizes):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, "
                f"int, int], but got size with types {[type(s) for s in sizes]}"
            )
        return tuple(int(s) for s in sizes), (None,) * d
    factors = tuple(factor) if isinstance(factor, (list, tuple)) else (factor,) * d
    _check_count(factors, factor, space, "scale_factor")
    sizes = tuple(math.floor(float(s) * f) for s, f in zip(space, factors, strict=True))
    return sizes, (None,) * d if recompute else tuple(float(f) for f in factors)


def _check_count(values: tuple[Any, ...], given: Any, space: Any, name: str) -> None:
    if len(values) != len(space):
        wanted = "output size" if name == "size" else name
        raise ValueError(
            f"Input and {'output' if name == 'size' else name} must have the same number of "
            f"spatial dimensions, but got input with spatial dimensions of {list(space)} and "
            f"{wanted} of {'' if name == 'size' else 'shape '}{given}. Please provide input tensor "
            "in (N, C, d1, d2, ...,dK) format and one value for each of d1 to dK."
        )


def _check_mode(x: Tensor, mode: str, align: bool | None, antialias: bool) -> None:
    ndim = x._data.ndim
    if align is not None and mode not in ("linear", "bilinear", "bicubic", "trilinear"):
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: "
            "linear | bilinear | bicubic | trilinear"
        )
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            "a 4-D tensor as input"
        )
    if mode == "lanczos" and ndim == 4 and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    known = mode in _AXES or mode in ("nearest", "nearest-exact", "area")
    if known and 3 <= ndim <= 5 and _AXES.get(mode, ndim - 2) == ndim - 2:
        return
    if mode in ("linear", "bilinear", "trilinear") and 3 <= ndim <= 5:
        raise NotImplementedError(
            f"Got {ndim}D input, but {mode} mode needs {_AXES[mode] + 2}D input"
        )
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: "
        f"{_MODES} (got {mode})"
    )


def _check_sizes(x: Tensor, sizes: tuple[int, ...], mode: str) -> None:
    space = x._data.shape[2:]
    if any(s <= 0 for s in (*space, *sizes)):
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"{shape_text(space)} output {shape_text(sizes)}"
        )
    if x._data.shape[1] == 0:
        raise RuntimeError(
            f"Non-empty {x._data.ndim}D data tensor expected but got a tensor with sizes "
            f"{shape_text(x._data.shape)}"
        )
    if x.dtype.category != FLOAT and x.dtype is not dtypes.uint8:
        name = "nearest" if mode.startswith("nearest") else mode
        raise NotImplementedError(
            f'"upsample_{name}{len(sizes)}d" not implemented for {type_name(x.dtype)!r}'
        )


# ---- channels and pixels


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """r² channels become r × r pixels.

    Shape: (*, c · r², h, w) → (*, c, h · r, w · r).

    Raises:
        RuntimeError: the number of channels is not divisible by r².
    """
    need_tensor(input, "pixel_shuffle")
    _check_image("pixel_shuffle", input, "upscale_factor", upscale_factor)
    *lead, c, h, w = input._data.shape
    r = upscale_factor
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    c //= r * r
    x, n = views.reshape(input, (*lead, c, r, r, h, w)), len(lead)
    x = views.permute(x, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    x = views.clone(x) if r == 1 else x
    return views.reshape(x, (*lead, c, h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """r × r pixels become r² channels.

    Shape: (*, c, h · r, w · r) → (*, c · r², h, w).

    Raises:
        RuntimeError: height or width is not divisible by r.
    """
    need_tensor(input, "pixel_unshuffle")
    _check_image("pixel_unshuffle", input, "downscale_factor", downscale_factor)
    *lead, c, h, w = input._data.shape
    r = downscale_factor
    for name, i, size in (("height", -2, h), ("width", -1, w)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but "
                f"input.size({i})={size} is not divisible by {r}"
            )
    x, n = views.reshape(input, (*lead, c, h // r, r, w // r, r)), len(lead)
    x = views.permute(x, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    x = views.clone(x) if r == 1 else x
    return views.reshape(x, (*lead, c * r * r, h // r, w // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels interleaved: those of `groups` groups alternate.

    Shape: (n, c, *) → (n, c, *).

    Raises:
        RuntimeError: the groups do not divide the channels.
    """
    need_tensor(input, "channel_shuffle")
    if not hasattr(groups, "__index__"):
        raise TypeError(
            "channel_shuffle(): argument 'groups' (position 2) must be int, not "
            f"{type(groups).__name__}"
        )
    size = input._data.shape
    if len(size) <= 2:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(size)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    n, c, *rest = size
    if c % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups."
        )
    x = views.transpose(views.reshape(input, (n, groups, c // groups, *rest)), 1, 2)
    return views.reshape(x, size)


def _check_image(name: str, x: Tensor, factor_name: str, factor: Any) -> None:
    if not hasattr(factor, "__index__"):
        raise TypeError(
            f"{name}(): argument '{factor_name}' (position 2) must be int, not "
            f"{type(factor).__name__}"
        )
    if x._data.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with "
            f"{x._data.ndim} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {factor_name}, but got {factor}")
