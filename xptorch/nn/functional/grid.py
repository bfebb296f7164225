"""Sampling images at the positions of a grid, and the grids of affine maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import FLOAT
from xptorch.ops._common import need_tensor, shape_text, to_dtype, type_name
from xptorch.ops.elementwise import arithmetic
from xptorch.ops.index import scatter
from xptorch.ops.linalg import products
from xptorch.ops.shape import creation, joining, views

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["affine_grid", "grid_sample"]


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Images (or volumes) sampled at the positions of a grid.

    Args:
        input: the images.
        grid: for each output element the position (x, y) or (x, y, z) to read; −1 and 1 are
            the image's ends.
        mode: ``"bilinear"``, ``"nearest"`` or, for images, ``"bicubic"``.
        padding_mode: values outside: ``"zeros"``, the ``"border"``, or its ``"reflection"``.
        align_corners: whether −1 and 1 are the centres of the corner pixels, not their edges.

    Shape: input (n, c, h, w), grid (n, h', w', 2) → (n, c, h', w'); likewise with a depth before h.

    Raises:
        ValueError: an unknown mode.
        RuntimeError: shapes that do not fit together.
    """
    need_tensor(input, "grid_sample")
    need_tensor(grid, "grid_sample", "grid", 2)
    _check(input, grid, mode, padding_mode)
    return _sample(input, grid, mode, padding_mode, bool(align_corners))


def _sample(input: Tensor, grid: Tensor, mode: str, padding_mode: str, align: bool) -> Tensor:
    size = tuple(input._data.shape[2:])
    n, *out = grid._data.shape[:-1]
    points = views.reshape(grid, (n, math.prod(out), len(size)))
    places = []  # the positions to read along each image axis: (n, points)
    for axis, s in enumerate(size):
        x = points[..., len(size) - 1 - axis]
        places.append(((x + 1) * (s - 1) if align else (x + 1) * s - 1) / 2)
    if mode != "bicubic":
        places = [
            _apply_padding(p, s, padding_mode, align) for p, s in zip(places, size, strict=True)
        ]
    axes = [_reads(p, mode) for p in places]
    flat = views.reshape(input, (*input._data.shape[:2], math.prod(size)))
    y = None
    for taps in _products(axes):
        where = [p for p, _ in taps]
        if mode == "bicubic":
            where = [
                _apply_padding(p, s, padding_mode, align) for p, s in zip(where, size, strict=True)
            ]
        part = _read(flat, where, size)
        for _, weight in taps:
            part = part if weight is None else part * views.unsqueeze(weight, 1)
        y = part if y is None else y + part
    assert y is not None
    if mode == "nearest":
        y = y + views.unsqueeze(sum(p * 0 for p in places), 1)  # a gradient of 0 for the grid
    return views.reshape(y, (*input._data.shape[:2], *out))


Reads = list[tuple["Tensor", "Tensor | None"]]


def _reads(place: Tensor, mode: str) -> Reads:
    """The positions read along one axis, and their weights."""
    if mode == "nearest":
        return [(arithmetic.round(place.detach()), None)]
    lower = arithmetic.floor(place.detach())
    t = place - lower
    if mode == "bilinear":
        return [(lower, 1 - t), (lower + 1, t)]
    weights = [_far(1 + t), _near(t), _near(1 - t), _far(2 - t)]
    return [(lower + i, w) for i, w in enumerate(weights, -1)]


def _near(x: Tensor) -> Tensor:
    """The cubic convolution kernel with a = −0.75 for distances up to 1."""
    return (1.25 * x - 2.25) * x * x + 1


def _far(x: Tensor) -> Tensor:
    """The same for distances from 1 to 2."""
    return (((x - 5) * x + 8) * x - 4) * -0.75


def _products(axes: list[Reads]) -> list[list[tuple[Tensor, Tensor | None]]]:
    found: list[list[tuple[Tensor, Tensor | None]]] = [[]]
    for reads in axes:
        found = [[*taps, read] for taps in found for read in reads]
    return found


def _read(flat: Tensor, where: list[Tensor], size: tuple[int, ...]) -> Tensor:
    """flat (n, c, pixels) at integer positions (n, points) along each axis, 0 outside."""
    from xptorch._core import dtype as dtypes

    n, c = flat._data.shape[:2]
    inside: Any = None
    offset: Any = 0
    for place, s in zip(where, size, strict=True):
        place = place.detach()
        here = (place >= 0) & (place <= s - 1)
        inside = here if inside is None else inside & here
        # NaN becomes a position, too, as in PyTorch.
        place = to_dtype(arithmetic.where_or_zero(place.clamp(0, s - 1), here), dtypes.int64)
        offset = offset * s + place
    points = offset._data.shape[1]
    offset = views.expand(views.unsqueeze(offset, 1), (n, c, points))
    inside = views.expand(views.unsqueeze(inside, 1), (n, c, points))
    return arithmetic.where_or_zero(scatter.gather(flat, 2, offset), inside)


def _apply_padding(x: Tensor, size: int, padding_mode: str, align: bool) -> Tensor:
    """Positions outside the image replaced by those whose values `padding_mode` uses."""
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
        span = high - low
        if span == 0:
            return x * 0
        away = (x - low).abs()
        turns = arithmetic.floor((away / span).detach())
        rest = away - turns * span
        odd = arithmetic.remainder(turns, 2.0)
        x = (1 - 2 * odd) * rest + odd * span + low
    here = ((x > 0) & (x < size - 1)).detach()
    clamped = x.detach().clamp(0, size - 1)
    moved = clamped - arithmetic.where_or_zero(clamped, here)  # no gradient flows from outside
    return arithmetic.where_or_zero(x, here) + moved


def _check(x: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    a, b = x._data.shape, grid._data.shape
    both = f"input with sizes {shape_text(a)} and grid with sizes {shape_text(b)}"
    if a[:1] != b[:1]:
        raise RuntimeError(
            f"grid_sampler(): expected grid and input to have same batch size, but got {both}"
        )
    if len(a) not in (4, 5) or len(a) != len(b):
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            f"got {both}"
        )
    if b[-1] != len(a) - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {len(a) - 2} in last dimension, but got "
            f"grid with sizes {shape_text(b)}"
        )
    if 0 in a[2:]:
        raise RuntimeError(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has "
            f"sizes {shape_text(a)} with dimension {2 + a[2:].index(0)} being empty"
        )
    if mode == "bicubic" and len(a) != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if x.dtype is not grid.dtype:
        raise RuntimeError(
            f"expected scalar type {type_name(x.dtype)} but found {type_name(grid.dtype)}"
        )
    if x.dtype.category != FLOAT:
        raise NotImplementedError(f'"grid_sampler" not implemented for {type_name(x.dtype)!r}')


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grids, for `grid_sample`, of affine maps.

    Args:
        theta: the maps.
        size: of the images to be read: (n, c, h, w) or (n, c, d, h, w).
        align_corners: whether −1 and 1 are the centres of the corner pixels, not their edges.

    Shape: theta (n, 2, 3) → (n, h, w, 2), or (n, 3, 4) → (n, d, h, w, 3).

    Raises:
        ValueError: invalid maps or sizes.
        NotImplementedError: neither two nor three axes.
    """
    need_tensor(theta, "affine_grid", "theta")
    size = tuple(size)
    if theta.dtype.category != FLOAT:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    d = len(size) - 2
    if d not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    if theta.ndim != 3 or tuple(theta.shape[-2:]) != (d, d + 1):
        raise ValueError(
            f"Expected a batch of {d}D affine matrices of shape Nx{d}x{d + 1} for size {size}. "
            f"Got {theta.shape}."
        )
    if any(s <= 0 for s in size):
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    if theta.shape[0] != size[0]:
        raise RuntimeError(
            f"Expected {size[0]} affine matrices for size {size}, but got {theta.shape[0]}"
        )
    axes = []
    for i, s in enumerate(size[2:]):
        line = creation.linspace(-1, 1, s, dtype=theta.dtype, device=theta.device)
        line = line * 0 if s == 1 else line if align_corners else line * ((s - 1) / s)
        axes.append(views.expand(views.reshape(line, (-1,) + (1,) * (d - 1 - i)), size[2:]))
    ones = creation.ones(size[2:], dtype=theta.dtype, device=theta.device)
    points = views.reshape(joining.stack([*reversed(axes), ones], -1), (-1, d + 1))
    grid = products.matmul(points, views.transpose(theta, 1, 2))
    return views.reshape(grid, (size[0], *size[2:], d))
