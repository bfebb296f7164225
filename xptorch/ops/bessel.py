"""Modified Bessel functions of the first kind, of orders 0 and 1."""

from __future__ import annotations

import math
from typing import Any

from xptorch._engine import either, op
from xptorch.ops._makers import in_double, unary

__all__ = ["i0"]

_NEAR = 20.0  # up to here the power series, of positive terms only; beyond it the asymptotic one


def _scaled(xp: Any, x: Any, order: int) -> Any:
    """exp(−|x|) I(|x|)."""
    x = xp.abs(x)
    near = xp.minimum(x, xp.full_like(x, _NEAR))
    quarter = near * near / 4
    series = xp.ones_like(x)
    for k in range(48, 0, -1):
        series = 1 + series * quarter / (k * (k + order))
    series = series * xp.exp(-near) * (near / 2 if order else 1.0)
    far = xp.maximum(x, xp.full_like(x, _NEAR))
    tail = xp.ones_like(x)
    for k in range(24, 0, -1):
        tail = 1 - tail * (4 * order * order - (2 * k - 1) ** 2) / (8 * k * far)
    tail = tail / xp.sqrt(2 * math.pi * far)
    return xp.where(x <= _NEAR, series, tail)


def _signed(xp: Any, x: Any) -> Any:
    return xp.sign(x) * _scaled(xp, x, 1)


def first_modified(order: int) -> Any:
    """I of an order, over float64 arrays."""
    scaled = _signed if order else lambda xp, x: _scaled(xp, x, 0)
    return lambda xp, x: scaled(xp, x) * xp.exp(xp.abs(x))


_i0e = op(
    "i0e",
    in_double(lambda xp, x: _scaled(xp, x, 0)),
    a=lambda xp, g, a, y: g * (_i1e_either(xp, a) - xp.sign(a) * y),
)
_i1e = op(
    "i1e",
    in_double(_signed),
    a=lambda xp, g, a, y: g * (_i0e_either(xp, a) - y * xp.sign(a) - _over(xp, y, a)),
)
_i0 = op(
    "i0",
    in_double(first_modified(0)),
    a=lambda xp, g, a: g * _i1_either(xp, a),
)
_i1 = op(
    "i1",
    in_double(first_modified(1)),
    a=lambda xp, g, a, y: g * (_i0_either(xp, a) - _over(xp, y, a)),
)
_i0e_either: Any = either(_i0e)
_i1e_either: Any = either(_i1e)
_i0_either: Any = either(_i0)
_i1_either: Any = either(_i1)


def _over(xp: Any, y: Any, a: Any) -> Any:
    """I₁(a) / a, scaled or not: ½ at 0."""
    zero = a == 0
    return xp.where(zero, xp.full_like(a, 0.5), y / xp.where(zero, xp.ones_like(a), a))


i0 = unary(_i0, "I₀(x).", real=True)
i0e = unary(_i0e, "exp(−|x|) I₀(x).", real=True)
i1 = unary(_i1, "I₁(x).", real=True)
i1e = unary(_i1e, "exp(−|x|) I₁(x).", real=True)
