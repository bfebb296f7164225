"""Inverse and scaled error functions, and the normal distribution's integral and quantiles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._engine.op import op
from xptorch.ops._common import floating, need_tensor, store_out
from xptorch.ops._factories import in_double, unary
from xptorch.ops._numerics import in_float32
from xptorch.ops.elementwise import arithmetic, comparison

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["erfinv"]

_HALF_SQRT_PI = math.sqrt(math.pi) / 2
_SQRT2 = math.sqrt(2)


def _erfc_inverse(xp: Any, q: Any) -> Any:
    """x ≥ 0 with erfc(x) = q for 0 < q ≤ 1: Winitzki's estimate, refined by Halley steps."""
    logs, c = xp.log(q * (2 - q)), 2 / (math.pi * 0.147)
    half = c + logs / 2
    x = xp.sqrt(xp.maximum(xp.sqrt(half * half - logs / 0.147) - half, xp.zeros_like(q)))
    for _ in range(4):
        gap = (xp.erfc(x) - q) * _HALF_SQRT_PI * xp.exp(x * x)
        x = x + gap / (1 - x * gap)
    return x


def _erfinv_forward(xp: Any, y: Any) -> Any:
    size = xp.abs(y)
    inner = size < 1
    x = _erfc_inverse(xp, xp.where(inner, 1 - size, xp.ones_like(y)))
    edge = xp.where(size == 1, xp.full_like(y, math.inf), xp.full_like(y, math.nan))
    # A Newton step with erf itself: near 0, erfc has lost the last digits.
    small = size < 0.5
    x = xp.where(small, x - (xp.erf(x) - size) * _HALF_SQRT_PI * xp.exp(x * x), x)
    return xp.copysign(xp.where(inner, x, edge), y)


def _ndtri_forward(xp: Any, p: Any) -> Any:
    low = p < 0.5
    q = 2 * xp.where(low, p, 1 - p)
    inner = xp.logical_and(q > 0, q <= 1)
    x = _SQRT2 * _erfc_inverse(xp, xp.where(inner, q, xp.ones_like(q)))
    edge = xp.where(q == 0, xp.full_like(p, math.inf), xp.full_like(p, math.nan))
    x = xp.where(inner, x, edge)
    return xp.where(low, -x, x)


def _erfcx_forward(xp: Any, x: Any) -> Any:
    near = xp.minimum(x, xp.full_like(x, 6.0))
    small = xp.exp(near * near) * xp.erfc(near)
    far = xp.maximum(x, xp.full_like(x, 6.0))
    step = 1 / (2 * far * far)
    series = xp.ones_like(x)
    for k in range(24, 0, -1):
        series = 1 - (2 * k - 1) * step * series
    return xp.where(x < 6, small, series / (far * math.sqrt(math.pi)))


_erfinv = op(
    "erfinv",
    in_double(_erfinv_forward),
    a=lambda xp, g, y: g * (_HALF_SQRT_PI * xp.exp(y * y)),
)
_ndtri = op(
    "ndtri",
    in_double(_ndtri_forward),
    a=lambda xp, g, y: g * (math.sqrt(2 * math.pi) * xp.exp(0.5 * y * y)),
)
_erfcx = op(
    "erfcx",
    in_double(_erfcx_forward),
    a=lambda xp, g, a, y: g * (2 * a * y - 1 / _HALF_SQRT_PI),
)
erfinv = unary(_erfinv, "The inverse of erf, on [−1, 1].", real=True)
ndtri = unary(_ndtri, "The inverse of `ndtr`: quantiles of the normal distribution.", real=True)
erfcx = unary(_erfcx, "exp(x²) erfc(x).", real=True)


def ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The integral of the standard normal density up to each element."""
    need_tensor(input, "special_ndtr")
    x = floating(input)
    return store_out(arithmetic.erfc(x / -_SQRT2) * 0.5, out, "special_ndtr")


def log_ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of `ndtr`, without its underflow."""
    need_tensor(input, "special_log_ndtr")
    return store_out(in_float32(_log_ndtr, floating(input)), out, "special_log_ndtr")


def _log_ndtr(x: Tensor) -> Tensor:
    left = x < -1
    t = comparison.where(left, x, -1.0)
    low = (_erfcx(t / -_SQRT2) * 0.5).log() - t * t / 2
    high = (arithmetic.erfc(comparison.where(left, 0.0, x) / _SQRT2) * -0.5).log1p()
    return comparison.where(left, low, high)
