"""Bessel functions of orders 0 and 1, plain, modified and scaled; the Airy function.

Only the modified ones of the first kind have derivatives, in PyTorch as here. All are computed in
float64.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._engine.op import op, polymorphic
from xptorch.ops._common import floating, need_tensor, store_out
from xptorch.ops._factories import in_double, named, need_wide, unary

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["i0"]


_NEAR = 20.0  # up to here the power series (all terms positive), beyond it the asymptotic one


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
    """I of that order, over float64 arrays."""
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
_i0e_either: Any = polymorphic(_i0e)
_i1e_either: Any = polymorphic(_i1e)
_i0_either: Any = polymorphic(_i0)
_i1_either: Any = polymorphic(_i1)


def _over(xp: Any, y: Any, a: Any) -> Any:
    """I₁(a) / a, scaled or not: ½ at 0."""
    zero = a == 0
    return xp.where(zero, xp.full_like(a, 0.5), y / xp.where(zero, xp.ones_like(a), a))


i0 = unary(_i0, "I₀(x).", real=True)
i0e = unary(_i0e, "exp(−|x|) I₀(x).", real=True)
i1 = unary(_i1, "I₁(x).", real=True)
i1e = unary(_i1e, "exp(−|x|) I₁(x).", real=True)


_EULER = 0.5772156649015329
_FAR = 25.0  # from here on the asymptotic series is used
_TINY = 1e-4  # below it two terms of the power series suffice
_TOP = 80  # the order at which the recurrence starts


# ---- first and second kind


def _recurrence(xp: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """J₀, J₁ and Neumann's sums for Y₀ and Y₁: by downward recurrence, which is stable."""
    above, here = xp.zeros_like(x), xp.full_like(x, 1e-290)
    norm, even, odd = xp.zeros_like(x), xp.zeros_like(x), xp.zeros_like(x)
    for n in range(_TOP, 0, -1):
        k, is_odd = divmod(n, 2)
        sign = -1.0 if k % 2 else 1.0
        if is_odd and k:
            odd = odd + here * (sign * n / (k * (k + 1)))
        elif k:
            norm, even = norm + 2 * here, even + here * (sign / k)
        above, here = here, here * (2 * n / x) - above
    norm = norm + here
    return here / norm, above / norm, even / norm, odd / norm


def _asymptotic(xp: Any, x: Any, order: int) -> tuple[Any, Any]:
    """J and Y by Hankel's series."""
    mu, term = 4 * order * order, xp.ones_like(x)
    p, q = term, xp.zeros_like(x)
    for k in range(1, 21):
        term = term * ((mu - (2 * k - 1) ** 2) / (8 * k)) / x
        if k % 2:
            q = q + (term if k % 4 == 1 else -term)
        else:
            p = p + (term if k % 4 == 0 else -term)
    c, s = xp.cos(x), xp.sin(x)
    cosine, sine = (s - c, -(s + c)) if order else (c + s, s - c)
    size = 1 / xp.sqrt(math.pi * x)
    return size * (p * cosine - q * sine), size * (p * sine + q * cosine)


def _both(xp: Any, x: Any, order: int) -> tuple[Any, Any]:
    """J and Y of positive x."""
    near = xp.where(x < _FAR, xp.maximum(x, xp.full_like(x, _TINY)), xp.ones_like(x))
    j0, j1, even, odd = _recurrence(xp, near)
    small, half = xp.where(x < _TINY, x, xp.full_like(x, _TINY)), 0.5 * near
    if order:
        y = -(j0 / half) / math.pi + 2 / math.pi * ((xp.log(half) + _EULER - 1) * j1 - odd)
        j, first = j1, small / 2 * (1 - small * small / 8)
        below = -2 / (math.pi * small) + 2 / math.pi * first * xp.log(small / 2)
    else:
        y = 2 / math.pi * ((xp.log(half) + _EULER) * j0 - 2 * even)
        j, first = j0, 1 - small * small / 4
        below = 2 / math.pi * (xp.log(small / 2) + _EULER) * first
    far = _asymptotic(xp, xp.where(x < _FAR, xp.full_like(x, _FAR), x), order)
    j = xp.where(x < _TINY, first, xp.where(x < _FAR, j, far[0]))
    return j, xp.where(x < _TINY, below, xp.where(x < _FAR, y, far[1]))


def _first_kind(order: int) -> Callable[[Any, Any], Any]:
    def compute(xp: Any, x: Any) -> Any:
        size = xp.abs(x)
        j = _both(xp, size, order)[0]
        return xp.where(x < 0, -j, j) if order else j

    return compute


def _second_kind(order: int) -> Callable[[Any, Any], Any]:
    def compute(xp: Any, x: Any) -> Any:
        y = _both(xp, xp.where(x > 0, x, xp.ones_like(x)), order)[1]
        return _positive_only(xp, x, y, -math.inf)

    return compute


def _positive_only(xp: Any, x: Any, y: Any, at_zero: float) -> Any:
    """`y` for positive x, a limit at 0, NaN below."""
    y = xp.where(x == 0, xp.full_like(x, at_zero), y)
    return xp.where(xp.logical_or(x < 0, xp.isnan(x)), xp.full_like(x, math.nan), y)


# ---- modified, second kind


def _integral(xp: Any, x: Any, order: float) -> Any:
    """exp(x) K(x) = ∫₀^∞ exp(−x (cosh t − 1)) cosh(order t) dt for x ≥ 1.

    The integrand decays doubly exponentially, so the trapezoidal rule is accurate to rounding.
    """
    step = 2 * xp.asinh(xp.sqrt(20 / x)) / 40
    total = 0.5 * xp.ones_like(x)
    for i in range(1, 41):
        t = i * step
        total = total + xp.exp(-2 * x * xp.sinh(t / 2) ** 2) * xp.cosh(order * t)
    return step * total


def _ascending(xp: Any, x: Any, order: int) -> Any:
    """K(x) for x ≤ 1 by its power series."""
    square, log = x * x / 4, xp.log(x / 2)
    total, first = xp.zeros_like(x), xp.zeros_like(x)
    power, digamma = xp.ones_like(x), -_EULER
    for k in range(14):
        if order:
            total = total + power * (2 * digamma + 1 / (k + 1))
            first = first + power
            power = power * square / ((k + 1) * (k + 2))
        else:
            total, first = total + power * digamma, first + power
            power = power * square / (k + 1) ** 2
        digamma += 1 / (k + 1)
    if order:
        return 1 / x + x / 2 * (log * first - total / 2)
    return total - log * first


def _modified(order: int, scaled: bool) -> Callable[[Any, Any], Any]:
    def compute(xp: Any, x: Any) -> Any:
        one = xp.ones_like(x)
        small, large = xp.where((x > 0) & (x < 1), x, one), xp.where(x > 1, x, one)
        near, far = _ascending(xp, small, order), _integral(xp, large, order)
        near, far = (near * xp.exp(small), far) if scaled else (near, far * xp.exp(-large))
        far = xp.where(xp.isinf(x), xp.zeros_like(x), far)
        return _positive_only(xp, x, xp.where(x < 1, near, far), math.inf)

    return compute


# ---- Airy

# The Taylor series are centered at multiples of _STEP, the _LOW-th to the _HIGH-th.
_STEP, _LOW, _HIGH = 0.5, -22, 3


@functools.cache
def _pieces() -> list[list[float]]:
    """Taylor coefficients of Ai around each center, from its equation y″ = x y."""

    def series(c: float, y: float, slope: float) -> list[float]:
        a = [y, slope, c * y / 2]
        for n in range(1, 22):
            a.append((c * a[n] + a[n - 1]) / ((n + 2) * (n + 1)))
        return a

    zero = series(0.0, 3 ** (-2 / 3) / math.gamma(2 / 3), -(3 ** (-1 / 3)) / math.gamma(1 / 3))
    found = {0: zero}
    for way, end in ((1, _HIGH), (-1, _LOW)):
        a, h = zero, way * _STEP
        for i in range(1, abs(end) + 1):
            y = sum(v * h**k for k, v in enumerate(a))
            slope = sum(k * v * h ** (k - 1) for k, v in enumerate(a) if k)
            a = found[way * i] = series(way * i * _STEP, y, slope)
    return [found[i] for i in range(_LOW, _HIGH + 1)]


def _airy(xp: Any, x: Any) -> Any:
    middle = xp.clip(xp.round(x / _STEP), _LOW, _HIGH)
    middle = xp.where(xp.isnan(middle), xp.zeros_like(x), middle)
    index = xp.reshape(xp.astype(middle - _LOW, xp.int64), (-1,))
    gap = xp.where(xp.abs(x) > 20, xp.zeros_like(x), x - middle * _STEP)
    value = xp.zeros_like(x)
    for row in reversed(list(zip(*_pieces(), strict=True))):
        table = xp.asarray(list(row), dtype=x.dtype, device=x.device)
        value = value * gap + xp.reshape(xp.take(table, index, axis=0), x.shape)
    right = xp.clip(x, 1.5, 200.0)  # where Ai decays
    zeta = 2 / 3 * right * xp.sqrt(right)
    decay = xp.sqrt(right / 3) / math.pi * xp.exp(-zeta) * _integral(xp, zeta, 1 / 3)
    value = xp.where(x > 1.5, decay, value)
    return xp.where(x < -11, _airy_waves(xp, xp.where(x < -11, -x, 11 * xp.ones_like(x))), value)


def _airy_waves(xp: Any, z: Any) -> Any:
    """Ai(−z) for large z by its asymptotic series."""
    zeta = 2 / 3 * z * xp.sqrt(z)
    term = xp.ones_like(z)
    p, q = term, xp.zeros_like(z)
    for k in range(1, 19):
        term = term * ((6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216 * k * (2 * k - 1))) / zeta
        if k % 2:
            q = q + (term if k % 4 == 1 else -term)
        else:
            p = p + (term if k % 4 == 0 else -term)
    c, s = xp.cos(zeta), xp.sin(zeta)
    size = 1 / xp.sqrt(2 * math.pi * xp.sqrt(z))
    return size * (p * (c + s) + q * (s - c))


def _spherical(xp: Any, x: Any) -> Any:
    safe = xp.where((x == 0) | xp.isinf(x), xp.ones_like(x), x)
    value = xp.where(x == 0, xp.ones_like(x), xp.sin(safe) / safe)
    return xp.where(xp.isinf(x), xp.zeros_like(x), value)


# ---- the public functions


def _function(name: str, compute: Callable[[Any, Any], Any], doc: str) -> Callable[..., Any]:
    core = op(name, in_double(compute))

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        need_tensor(input, name)
        x = floating(input)
        need_wide(name, x)
        return store_out(core(x), out, name)

    return named(function, name, doc)


bessel_j0 = _function("bessel_j0", _first_kind(0), "J₀(x).")
bessel_j1 = _function("bessel_j1", _first_kind(1), "J₁(x).")
bessel_y0 = _function("bessel_y0", _second_kind(0), "Y₀(x).")
bessel_y1 = _function("bessel_y1", _second_kind(1), "Y₁(x).")
modified_bessel_i0 = _function("modified_bessel_i0", first_modified(0), "I₀(x).")
modified_bessel_i1 = _function("modified_bessel_i1", first_modified(1), "I₁(x).")
modified_bessel_k0 = _function("modified_bessel_k0", _modified(0, False), "K₀(x).")
modified_bessel_k1 = _function("modified_bessel_k1", _modified(1, False), "K₁(x).")
scaled_modified_bessel_k0 = _function(
    "scaled_modified_bessel_k0", _modified(0, True), "exp(x) K₀(x)."
)
scaled_modified_bessel_k1 = _function(
    "scaled_modified_bessel_k1", _modified(1, True), "exp(x) K₁(x)."
)
spherical_bessel_j0 = _function("spherical_bessel_j0", _spherical, "sin(x) / x.")
airy_ai = _function("airy_ai", _airy, "The Airy function Ai(x), which solves y″ = x y.")
