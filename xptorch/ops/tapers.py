"""Tapers: the window functions of signal processing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch import _dtype
from xptorch.ops import bessel, create
from xptorch.ops._common import to_dtype

if TYPE_CHECKING:
    from xptorch._dtype import dtype
    from xptorch._tensor import Tensor

__all__ = [
    "bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window",
]  # fmt: skip


def _taper(name: str, length: int, periodic: bool, options: dict[str, Any], shape: Any) -> Tensor:
    """`shape` of the places from 0 to 1 along the window, a period of it or all.

    Args:
        options: dtype, device and what all creation functions take.
    """
    dt: dtype = options.pop("dtype", None) or _dtype.get_default_dtype()
    device, requires_grad = options.pop("device", None), options.pop("requires_grad", False)
    create.options(options, name)
    if not dt.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dt!r}")
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    if length < 2:
        window = create.ones(length, dtype=_dtype.float64, device=device)
    else:
        steps = length if periodic else length - 1
        places = create.arange(length, dtype=_dtype.float64, device=device)
        window = shape(places / steps)
    return create.leaf(to_dtype(window, dt), requires_grad)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **options: Any,
) -> Tensor:
    """α − β cos(2πx)."""
    return _taper(
        "hamming_window",
        window_length,
        periodic,
        options,
        lambda x: alpha - beta * (x * (2 * math.pi)).cos(),
    )


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """½ − ½ cos(2πx)."""

    def shape(x: Tensor) -> Tensor:
        return 0.5 - 0.5 * (x * (2 * math.pi)).cos()

    return _taper("hann_window", window_length, periodic, options, shape)


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """0.42 − ½ cos(2πx) + 0.08 cos(4πx)."""

    def shape(x: Tensor) -> Tensor:
        return 0.42 - 0.5 * (x * (2 * math.pi)).cos() + 0.08 * (x * (4 * math.pi)).cos()

    return _taper("blackman_window", window_length, periodic, options, shape)


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """1 − |2x − 1|: a triangle."""
    return _taper(
        "bartlett_window", window_length, periodic, options, lambda x: 1 - (2 * x - 1).abs()
    )


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any
) -> Tensor:
    """I₀(β √(1 − (2x − 1)²)) / I₀(β)."""

    def shape(x: Tensor) -> Tensor:
        inner = (1 - (2 * x - 1).square()).clamp(min=0).sqrt()
        top = bessel.i0(inner * beta)
        return top / bessel.i0(create.full_like(top, beta))

    return _taper("kaiser_window", window_length, periodic, options, shape)
