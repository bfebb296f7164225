"""log Γ and its derivatives, incomplete gamma functions, the Hurwitz zeta function."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import BOOL, COMPLEX, FLOAT, INTEGER
from xptorch._engine.op import op, polymorphic
from xptorch.ops._common import (
    floating,
    is_tensor,
    need_tensor,
    promote,
    refuse,
    store_out,
    to_dtype,
)
from xptorch.ops._factories import in_double, need_wide, unary

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["digamma", "igamma", "igammac", "lgamma", "mvlgamma", "polygamma"]


BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SHIFT = 10  # from here on the asymptotic series are accurate to the last digit


def _series(xp: Any, square: Any, factors: list[float]) -> Any:
    """Σ factors[k] · square^k."""
    total = xp.full_like(square, factors[-1])
    for f in reversed(factors[:-1]):
        total = total * square + f
    return total


def _shifted(xp: Any, x: Any) -> Any:
    """x, or x + 10 where x is too small for the series."""
    return xp.where(x < _SHIFT, x + _SHIFT, x)


def _log_gamma_right(xp: Any, x: Any) -> Any:
    """log Γ for x ≥ 0.5, by Stirling's series."""
    product = x
    for k in range(1, _SHIFT):
        product = product * xp.where(x < _SHIFT, x + k, xp.ones_like(x))
    z = _shifted(xp, x)
    factors = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI, 1)]
    tail = _series(xp, 1 / (z * z), factors) / z
    stirling = (z - 0.5) * xp.log(z) - z + 0.5 * math.log(2 * math.pi) + tail
    return xp.where(x < _SHIFT, stirling - xp.log(product), stirling)


def log_gamma(xp: Any, x: Any) -> Any:
    left = x < 0.5
    right = _log_gamma_right(xp, xp.where(left, 1 - x, x))
    wave = xp.abs(xp.sin(math.pi * (x - xp.round(x))))
    root = xp.logical_or(x == 1, x == 2)
    right = xp.where(root, xp.zeros_like(x), right)
    whole = xp.logical_or(xp.logical_and(left, x == xp.floor(x)), xp.isinf(x))
    result = xp.where(left, math.log(math.pi) - xp.log(wave) - right, right)
    return xp.where(whole, xp.full_like(x, math.inf), result)


def _digamma_right(xp: Any, x: Any) -> Any:
    """The derivative of log Γ for x ≥ 0.5."""
    below = xp.zeros_like(x)
    for k in range(_SHIFT):
        below = below + 1 / (x + k)
    z = _shifted(xp, x)
    square = 1 / (z * z)
    tail = square * _series(xp, square, [b / (2 * k) for k, b in enumerate(BERNOULLI, 1)])
    asymptotic = xp.log(z) - 0.5 / z - tail
    return xp.where(x < _SHIFT, asymptotic - below, asymptotic)


def digamma_of(xp: Any, x: Any) -> Any:
    left = x < 0.5
    right = _digamma_right(xp, xp.where(left, 1 - x, x))
    result = xp.where(left, right - math.pi / xp.tan(math.pi * (x - xp.round(x))), right)
    pole = xp.where(x == 0, xp.copysign(xp.full_like(x, math.inf), -x), xp.full_like(x, math.nan))
    return xp.where(xp.logical_and(left, x == xp.floor(x)), pole, result)


def zeta_sum(xp: Any, s: Any, q: Any) -> Any:
    """Σ (q + k)^−s over k ≥ 0: the first terms, then the Euler-Maclaurin series."""
    finite = xp.where(xp.isfinite(q), q, xp.ones_like(q))
    low = float(xp.min(finite)) if math.prod(q.shape) else 0.0
    steps = _SHIFT + (math.ceil(-low) if -1e6 < low < 0 else 0)
    total = xp.zeros_like(q)
    for k in range(steps):
        total = total + (q + k) ** -s
    z = q + steps
    square, factor = 1 / (z * z), s
    tail, power = xp.zeros_like(q), xp.ones_like(q)
    for k, b in enumerate(BERNOULLI, 1):
        tail = tail + b / math.factorial(2 * k) * factor * power
        factor, power = factor * (s + 2 * k - 1) * (s + 2 * k), power * square
    return total + z ** (1 - s) / (s - 1) + 0.5 * z**-s + z ** (-s - 1) * tail


def _polygamma_forward(xp: Any, a: Any, *, n: int) -> Any:
    x = xp.astype(a, xp.float64)
    if n == 0:
        return xp.astype(digamma_of(xp, x), a.dtype)
    sign = 1 if n % 2 else -1
    pole = xp.logical_and(x <= 0, x == xp.floor(x))
    zeta = xp.where(pole, xp.full_like(x, math.inf), zeta_sum(xp, float(n + 1), x))
    return xp.astype(sign * math.factorial(n) * zeta, a.dtype)


_polygamma = op(
    "polygamma",
    _polygamma_forward,
    a=lambda xp, g, a, n: g * _polygamma_either(xp, a, n=n + 1),
)
_lgamma = op("lgamma", in_double(log_gamma), a=lambda xp, g, a: g * _polygamma_either(xp, a, n=0))
_polygamma_either: Any = polymorphic(_polygamma)
lgamma_either: Any = polymorphic(_lgamma)


lgamma = unary(_lgamma, "log |Γ(x)|.", real=True)


def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of log Γ."""
    need_tensor(input, "digamma")
    return store_out(_polygamma(floating(input), n=0), out, "digamma")


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The n-th derivative of the digamma function."""
    need_tensor(input, "polygamma", "input", 2)
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return store_out(_polygamma(floating(input), n=int(n)), out, "polygamma")


def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p."""
    need_tensor(input, "mvlgamma")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    x = floating(input)
    result = lgamma(x)
    for j in range(1, p):
        result = result + lgamma(x - j / 2)
    constant = p * (p - 1) / 4 * math.log(math.pi)
    return store_out(to_dtype(result + constant, x.dtype), out, "mvlgamma")


_LARGE = 100.0  # from this a on, the then narrow integral is computed by quadrature
_TERMS = 250  # of the series and the continued fraction: enough below _LARGE


def _power_series(xp: Any, a: Any, x: Any) -> Any:
    """Σ xᵏ / ((a + 1) … (a + k)), for x < a + 1."""
    term = total = xp.ones_like(x)
    for k in range(1, _TERMS):
        term = term * x / (a + k)
        total = total + term
    return total / a


def _fraction(xp: Any, a: Any, x: Any) -> Any:
    """The continued fraction of the upper integral, for x ≥ a + 1, by Lentz's method."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = xp.full_like(x, 1 / tiny), 1 / b
    h = d
    for k in range(1, _TERMS):
        factor = -k * (k - a)
        b = b + 2
        d = factor * d + b
        d = 1 / xp.where(xp.abs(d) < tiny, xp.full_like(d, tiny), d)
        c = b + factor / c
        c = xp.where(xp.abs(c) < tiny, xp.full_like(c, tiny), c)
        h = h * (c * d)
    return h


@functools.cache
def _gauss_legendre(n: int) -> list[tuple[float, float]]:
    """Nodes and weights on [0, 1] of Gauss-Legendre quadrature with n points."""
    found = []
    for i in range(n):
        z = math.cos(math.pi * (i + 0.75) / (n + 0.5))
        for _ in range(20):
            low, here = 1.0, z
            for k in range(2, n + 1):
                low, here = here, ((2 * k - 1) * z * here - (k - 1) * low) / k
            slope = n * (z * here - low) / (z * z - 1)
            z -= here / slope
        found.append(((1 - z) / 2, 1 / ((1 - z * z) * slope * slope)))
    return found


def _by_quadrature(xp: Any, a: Any, x: Any) -> tuple[Any, Any]:
    """The integral of the density from x to where it is negligible; whether that is above x."""
    peak = a - 1
    width = xp.sqrt(peak)
    above = x > peak
    far = xp.where(
        above,
        xp.maximum(peak + 12 * width, x + 8 * width),
        xp.maximum(xp.minimum(peak - 8 * width, x - 6 * width), xp.zeros_like(x)),
    )
    log_peak, total = xp.log(peak), xp.zeros_like(x)
    for node, weight in _gauss_legendre(48):
        t = x + (far - x) * node
        total = total + weight * xp.exp(peak - t + peak * (xp.log(t) - log_peak))
    scale = xp.exp(peak * (log_peak - 1) - log_gamma(xp, a))
    return xp.abs(total * (far - x) * scale), above


def _gamma_parts(xp: Any, a: Any, x: Any) -> tuple[Any, Any]:
    """The regularised lower and upper integrals."""
    one = xp.ones_like(x)
    usual = (a > 0) & (x > 0) & xp.isfinite(a) & xp.isfinite(x)
    large = usual & (a >= _LARGE)
    b, y = xp.where(usual & ~large, a, one), xp.where(usual & ~large, x, one)
    density = xp.exp(b * xp.log(y) - y - log_gamma(xp, b))
    left = y < b + 1
    lower = density * _power_series(xp, b, xp.where(left, y, one))
    upper = density * _fraction(xp, b, xp.where(left, b + 1, y))
    lower, upper = xp.where(left, lower, 1 - upper), xp.where(left, 1 - lower, upper)
    tail, above = _by_quadrature(xp, xp.where(large, a, one * _LARGE), xp.where(large, x, one))
    lower = xp.where(large, xp.where(above, 1 - tail, tail), lower)
    upper = xp.where(large, xp.where(above, tail, 1 - tail), upper)
    return _at_the_ends(xp, a, x, lower, 0.0), _at_the_ends(xp, a, x, upper, 1.0)


def _at_the_ends(xp: Any, a: Any, x: Any, value: Any, none: float) -> Any:
    """The value, or its limit where a or x is 0 or infinite; `none` if all mass is above x."""
    every, none_ = xp.full_like(x, 1 - none), xp.full_like(x, none)
    nan = xp.full_like(x, math.nan)
    ends = xp.where(a == 0, xp.where(x > 0, every, nan), value)
    ends = xp.where((x == 0) & (a > 0), none_, ends)
    ends = xp.where(xp.isinf(a), xp.where(xp.isinf(x), nan, none_), ends)
    ends = xp.where(xp.isinf(x) & ~xp.isinf(a) & (x > 0), every, ends)
    return xp.where((a < 0) | (x < 0) | xp.isnan(a) | xp.isnan(x), nan, ends)


def _forward(part: int) -> Any:
    def forward(xp: Any, a: Any, b: Any) -> Any:
        wide = xp.broadcast_arrays(xp.astype(a, xp.float64), xp.astype(b, xp.float64))
        return xp.astype(_gamma_parts(xp, *wide)[part], a.dtype)

    return forward


def _density(xp: Any, a: Any, b: Any) -> Any:
    return xp.exp((a - 1) * xp.log(b) - b - lgamma_either(xp, a))


def _no_derivative(what: str) -> Any:
    def vjp(xp: Any, g: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{what}' is not implemented.")

    return vjp


_igamma = op(
    "igamma",
    _forward(0),
    broadcast=True,
    a=_no_derivative("igamma: input"),
    b=lambda xp, g, a, b: g * _density(xp, a, b),
)
_igammac = op(
    "igammac",
    _forward(1),
    broadcast=True,
    a=_no_derivative("igammac: input"),
    b=lambda xp, g, a, b: -g * _density(xp, a, b),
)


def _incomplete(core: Any, name: str, input: Tensor, other: Tensor, out: Any) -> Tensor:
    a, b = promote(input, other, 0, 2, name)
    refuse(f"{name}_cpu", a, BOOL, INTEGER, COMPLEX)
    return store_out(core(a, b), out, name)


def igamma(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularised lower incomplete gamma function: ∫₀ˣ tᵃ⁻¹ e⁻ᵗ dt / Γ(a).

    Args:
        input: a, at least 0; it gets no gradient.
        other: x, at least 0.
    """
    return _incomplete(_igamma, "igamma", input, other, out)


def igammac(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularised upper incomplete gamma function, 1 − `igamma`."""
    return _incomplete(_igammac, "igammac", input, other, out)


# ---- zeta


def _zeta_forward(xp: Any, a: Any, b: Any) -> Any:
    s, q = xp.broadcast_arrays(xp.astype(a, xp.float64), xp.astype(b, xp.float64))
    nan, inf = xp.full_like(q, math.nan), xp.full_like(q, math.inf)
    value = zeta_sum(xp, xp.where(s > 1, s, xp.full_like(s, 2.0)), q)
    value = xp.where((q <= 0) & (s != xp.floor(s)), nan, value)
    value = xp.where((q <= 0) & (q == xp.floor(q)), inf, value)
    value = xp.where(xp.isinf(q), nan, value)
    value = xp.where((s < 1) | xp.isnan(s), nan, xp.where(s == 1, inf, value))
    return xp.astype(value, a.dtype)


_zeta = op(
    "zeta",
    _zeta_forward,
    broadcast=True,
    a=_no_derivative("zeta"),
    b=lambda xp, g, a, b: -g * a * _zeta_either(xp, a + 1, b),
)
_zeta_either: Any = polymorphic(_zeta)


def zeta(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """The Hurwitz zeta function Σ (other + k)^−input over k ≥ 0; `input` gets no gradient."""
    a, b = promote(input, other, FLOAT, function="special_zeta")
    a = a if is_tensor(a) else b.new_tensor(a)
    b = b if is_tensor(b) else a.new_tensor(b)
    need_wide("zeta", a)
    return store_out(_zeta(a, b), out, "special_zeta")
