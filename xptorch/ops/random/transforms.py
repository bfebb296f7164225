"""Transforms of uniform numbers, rounded as in PyTorch's CPU kernels.

Sources: Box & Muller 1958 (normal); Moshier's Cephes library (single-precision log, sin and cos).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any


f32, f64 = np.float32, np.float64

BLOCK = 65536  # samples per pass of a transform: its temporaries stay in the cache


def cast(x: Array, name: str) -> Array:
    """Convert as C++ does: to half precision via single precision, out-of-range wraps."""
    if x.dtype == name:
        return x
    if name in ("float16", "bfloat16") and x.dtype != f32:
        x = x.astype(f32)
    if x.dtype.kind == "f" and name[0] in "iu":
        with np.errstate(invalid="ignore"):
            x = x.astype(np.int64)
    with np.errstate(over="ignore"):
        return x.astype(name)


def libm(function: Callable[[float], float], x: Array, exact: bool) -> Array:
    """`function` of `math` elementwise.

    NumPy's own loops differ from the C library, which PyTorch calls, in the last bit of some
    results. Where that bit is not rounded away (`exact`) the C library is called, at 70 ns a value.
    """
    if exact:
        return np.fromiter(map(function, x.tolist()), f64, len(x))
    return getattr(np, function.__name__)(x)


def fma64(x: Array, factor: float, term: float) -> Array:
    """``x * factor + term`` rounded once: the errors of both operations are added back."""
    if term == 0.0:
        return x * factor
    product = x * factor
    a, b = _halves(x), _halves(f64(factor))
    lost = a[1] * b[1] - (((product - a[0] * b[0]) - a[1] * b[0]) - a[0] * b[1])
    total = product + term
    part = total - product
    return total + (((product - (total - part)) + (term - part)) + lost)


def _halves(x: Any) -> tuple[Any, Any]:
    """Two numbers of 26 bits whose sum is `x` (Veltkamp)."""
    big = x * 134217729.0
    high = big - (big - x)
    return high, x - high


# ---- Box-Muller in single precision, as vector units with fused multiply-add compute it: an array
# of doubles holds the single-precision values, and `_r` rounds after each fused operation.


def _r(x: Array) -> Array:
    return x.astype(f32).astype(f64)


def singles(*values: float) -> tuple[float, ...]:
    return tuple(float(f32(v)) for v in values)


_LOG = singles(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1)
_LOG += singles(1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1)
_LOG += singles(3.3333331174e-1)
_LN2_LOW, _LN2_HIGH, _SQRT_HALF = singles(-2.12194440e-4, 0.693359375, 0.707106781186547524)
_SIN = singles(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS = singles(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_QUARTER_PI = singles(0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)
_FOUR_OVER_PI, _TWO_PI = singles(4.0 / math.pi, 2.0 * math.pi)


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    y = _r(x * coefficients[0] + coefficients[1])
    for c in coefficients[2:]:
        y = _r(y * x + c)
    return y


def _log32(x: Array) -> Array:
    bits = x.view(np.int32)
    m = (bits & 0x7FFFFF | 0x3F000000).view(f32).astype(f64)
    small = m < _SQRT_HALF
    exponent = ((bits >> 23) - 126 - small).astype(f64)
    m = np.where(small, m + m, m) - 1.0
    square = _r(m * m)
    y = _r(_polynomial(m, _LOG) * m)
    y = _r(y * square + _r(exponent * _LN2_LOW))
    y = _r(y - 0.5 * square)
    return _r(_r(m + y) + exponent * _LN2_HIGH)


def _sincos32(angle: Array) -> tuple[Array, Array]:
    octant = _r(angle * _FOUR_OVER_PI).astype(np.int32) + 1 & ~1
    turns, x = octant.astype(f64), angle
    for part in _QUARTER_PI:
        x = _r(x - turns * part)
    square = _r(x * x)
    cos = _r(_polynomial(square, _COS) * square)
    cos = _r(_r(cos * square - 0.5 * square) + 1.0)
    sin = _r(_polynomial(square, _SIN) * square)
    sin = _r(sin * x + x)
    swap = octant & 2 != 0
    s: Array = np.where(swap, cos, sin)
    c: Array = np.where(swap, sin, cos)
    return np.where(octant & 4, -s, s), np.where(octant - 2 & 4, c, -c)


def box_muller32(uniform: Array, mean: float, std: float) -> Array:
    """16 normal numbers from each block of 8 + 8 uniform ones."""
    mean, std = singles(mean, std)
    out = np.empty_like(uniform).reshape(-1, 2, 8)
    for start in range(0, len(out), BLOCK // 16):
        part = slice(start, start + BLOCK // 16)
        u = uniform.reshape(-1, 2, 8)[part]
        radius = _r(np.sqrt((-2.0 * _log32(f32(1.0) - u[:, 0])).astype(f32)))
        sin, cos = _sincos32(_r(u[:, 1].astype(f64) * _TWO_PI))
        out[part, 0] = _r(radius * cos) * std + mean
        out[part, 1] = _r(radius * sin) * std + mean
    return out.reshape(-1)


def box_muller64(uniform: Array, mean: float, std: float) -> Array:
    u = uniform.reshape(-1, 2, 8)
    log = libm(math.log, (1.0 - u[:, 0]).ravel(), exact=True)
    radius = np.sqrt(-2.0 * log)
    angle = (2.0 * math.pi * u[:, 1]).ravel()
    x = np.empty_like(u)
    x[:, 0] = (radius * libm(math.cos, angle, exact=True)).reshape(-1, 8)
    x[:, 1] = (radius * libm(math.sin, angle, exact=True)).reshape(-1, 8)
    return (x if (mean, std) == (0.0, 1.0) else fma64(x, std, mean)).reshape(-1)
