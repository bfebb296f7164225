"""Window functions, symmetric by default; with ``sym=False`` one period of a periodic one.

All take the window's length `M`, their own keyword arguments, then `sym`, `dtype` (float32 or
float64), `layout` (strided only), `device` and `requires_grad`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch.ops._common import to_dtype
from xptorch.ops.shape import creation
from xptorch.ops.special.bessel import i0

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine",
    "general_hamming", "hamming", "hann", "kaiser", "nuttall",
]  # fmt: skip


def _window(
    name: str, M: int, sym: bool, options: dict[str, Any], shape: Callable[[Tensor, int], Tensor]
) -> Tensor:
    """`shape` of the indices 0 … M − 1 and of the last index, which is M if periodic.

    Raises:
        ValueError: a negative length, or an unsupported dtype or layout.
    """
    dt = options.pop("dtype", None) or dtypes.get_default_dtype()
    layout = options.pop("layout", None)
    device, requires_grad = options.pop("device", None), options.pop("requires_grad", False)
    creation.options(options, name)
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not None and str(layout).rpartition(".")[2] != "strided":
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dt not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dt}")
    places = creation.arange(M, dtype=dtypes.float64, device=device)
    window = creation.ones_like(places) if M < 2 else shape(places, M - 1 if sym else M)
    return creation.leaf(to_dtype(window, dt), requires_grad)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **options: Any
) -> Tensor:
    """exp(−|n − center| / tau)."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def shape(n: Tensor, last: int) -> Tensor:
        return (-(n - (last / 2 if center is None else center)).abs() / tau).exp()

    return _window("exponential", M, sym, options, shape)


def cosine(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """sin(π (n + ½) / M): half a wave."""

    def shape(n: Tensor, last: int) -> Tensor:
        return ((n + 0.5) * (math.pi / (last + 1))).sin()

    return _window("cosine", M, sym, options, shape)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Tensor:
    """exp(−½ ((n − middle) / std)²)."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _window(
        "gaussian", M, sym, options, lambda n, last: (-0.5 * ((n - last / 2) / std) ** 2).exp()
    )


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Tensor:
    """I₀(β √(1 − x²)) / I₀(β), where x runs from −1 to 1."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")

    def shape(n: Tensor, last: int) -> Tensor:
        inner = (1 - (2 * n / last - 1) ** 2).clamp(min=0).sqrt()
        return i0(inner * beta) / i0(creation.full_like(inner, beta))

    return _window("kaiser", M, sym, options, shape)


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **options: Any) -> Tensor:
    """Σ (−1)ᵏ a[k] cos(2π k n / last)."""
    return _cosines("general_cosine", M, a, sym, options)


def _cosines(name: str, M: int, a: Any, sym: bool, options: dict[str, Any]) -> Tensor:
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    factors = list(a)
    if not factors:
        raise ValueError("Coefficients cannot be empty")

    def shape(n: Tensor, last: int) -> Tensor:
        total = creation.zeros_like(n)
        for k, factor in enumerate(factors):
            total = total + (-1) ** k * factor * (n * (2 * math.pi * k / last)).cos()
        return total

    return _window(name, M, sym, options, shape)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """α − (1 − α) cos(2π n / last)."""
    return _cosines("general_cosine", M, (alpha, 1 - alpha), sym, options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.54 − 0.46 cos(2π n / last)."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """½ − ½ cos(2π n / last)."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.42 − ½ cos(2π n / last) + 0.08 cos(4π n / last)."""
    return _cosines("general_cosine", M, (0.42, 0.5, 0.08), sym, options)


def bartlett(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """1 − |2n / last − 1|: a triangle."""
    return _window("bartlett", M, sym, options, lambda n, last: 1 - (2 * n / last - 1).abs())


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """A sum of four cosines, with side lobes that fall off fast."""
    return _cosines("general_cosine", M, (0.3635819, 0.4891775, 0.1365995, 0.0106411), sym, options)
