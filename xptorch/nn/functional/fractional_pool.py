"""Max pooling over windows at random positions, for outputs of any size."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.nn.functional.pool import with_indices
from xptorch.ops.random import sampling
from xptorch.ops.shape import creation

__all__ = [
    *("fractional_max_pool2d", "fractional_max_pool2d_with_indices"),
    *("fractional_max_pool3d", "fractional_max_pool3d_with_indices"),
]

Sizes = int | tuple[int, ...]
Ratios = float | tuple[float, ...]


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    r"""The maximum of each of `output_size` windows, whose spacing is random.

    With one draw `u` for each channel and axis and :math:`\alpha = (size - kernel) / (output - 1)`
    window `i` starts at :math:`\lfloor (i + u) \alpha \rfloor - \lfloor u \alpha \rfloor`, the last
    one at the end.

    Args:
        input: the images.
        kernel_size: size of the window; here and below a number, or one for each axis.
        output_size: size of the output, or
        output_ratio: its ratio to the size of the input.
        return_indices: also return the index of each maximum in the flattened image.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, *output_size) or (c, *output_size).

    Raises:
        ValueError: neither `output_size` nor `output_ratio` is given.
        RuntimeError: the windows do not fit.

    Source: Graham, Fractional max-pooling (2014).
    """
    pair = _pool(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return pair if return_indices else pair[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """As `fractional_max_pool2d`, over three axes."""
    pair = _pool(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return pair if return_indices else pair[0]


fractional_max_pool2d_with_indices = with_indices(fractional_max_pool2d)
fractional_max_pool3d_with_indices = with_indices(fractional_max_pool3d)


def _pool(
    axes: int,
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None,
    output_ratio: Ratios | None,
    samples: Tensor | None,
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{axes}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if input.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"{name}: Expected {axes + 1}D or {axes + 2}D tensor, but got: {tuple(input.shape)}"
        )
    sizes = tuple(input.shape[-axes:])
    kernel = _each(axes, kernel_size)
    if output_size is None:
        ratios = _each(axes, output_ratio)
        output = tuple(int(s * r) for s, r in zip(sizes, ratios, strict=True))
    else:
        output = _each(axes, output_size)
    for size, k, out in zip(sizes, kernel, output, strict=True):
        if out + k - 1 > size:
            raise RuntimeError(
                f"{name}: pool size {k} and output size {out} are too large for input size {size}"
            )
    x = input if input.ndim == axes + 2 else input.unsqueeze(0)
    if samples is None:
        samples = sampling.rand(*x.shape[:2], axes, dtype=x.dtype, device=x.device)
    samples = samples[: x.shape[0], : x.shape[1]]  # a layer's may be for larger inputs
    # In two dimensions, unlike three, the first of the draws is for the last axis.
    draws = list(reversed(samples.unbind(-1)) if axes == 2 else samples.unbind(-1))
    places = _places(draws, sizes, kernel, output)
    windows = x.flatten(2).gather(-1, places.flatten(2)).reshape(places.shape)
    values, chosen = windows.max(-1)
    found = places.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
    return (values, found) if input.ndim == axes + 2 else (values.squeeze(0), found.squeeze(0))


def _each(axes: int, value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


def _places(draws: list[Tensor], sizes: Any, kernel: Any, output: Any) -> Tensor:
    """Indices of all windows' elements in the flattened image: (n, c, *output, taps)."""
    axes = len(sizes)
    places: Any = None
    for d, (u, size, k, out) in enumerate(zip(draws, sizes, kernel, output, strict=True)):
        taps = creation.arange(k, device=u.device)
        along = (_starts(u, size, k, out).unsqueeze(-1) + taps).clamp(0, size - 1)
        ones = [1] * axes
        shape = [*u.shape, *ones[:d], out, *ones[d + 1 :], *ones[:d], k, *ones[d + 1 :]]
        along = along.reshape(shape)
        places = along if places is None else places * size + along
    return places.flatten(2 + axes)


def _starts(u: Tensor, size: int, k: int, out: int) -> Tensor:
    """The start of each window along one axis: (n, c, out)."""
    last = creation.full_like(u, size - k).long().unsqueeze(-1)
    if out == 1:
        return last
    alpha = creation.full_like(u, size - k) / creation.full_like(u, out - 1)
    steps = creation.arange(out, device=u.device)
    starts = ((steps + u.unsqueeze(-1)) * alpha.unsqueeze(-1)).long()
    starts = starts - (u * alpha).long().unsqueeze(-1)
    return starts.where(steps < out - 1, last)
