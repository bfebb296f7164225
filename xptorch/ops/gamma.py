"""The gamma function's kin: log Γ, its derivatives, the Hurwitz zeta function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._engine import either, op
from xptorch.ops._common import deliver, floating, need_tensor, to_dtype
from xptorch.ops._makers import in_double, unary

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

__all__ = ["digamma", "lgamma", "mvlgamma", "polygamma"]

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SHIFT = 10  # the asymptotic series are good to the last digit from here on


def _series(xp: Any, square: Any, factors: list[float]) -> Any:
    """Σ factors[k] · square^k."""
    total = xp.full_like(square, factors[-1])
    for f in reversed(factors[:-1]):
        total = total * square + f
    return total


def _shifted(xp: Any, x: Any) -> Any:
    """x, or where it is too small for the series x + 10."""
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
    a=lambda xp, g, a, n: g * _slope(xp, a, n + 1),
)
_lgamma = op("lgamma", in_double(log_gamma), a=lambda xp, g, a: g * _slope(xp, a, 0))


_polygamma_either: Any = either(_polygamma)
lgamma_either: Any = either(_lgamma)


def _slope(xp: Any, a: Any, n: int) -> Any:
    return _polygamma_either(xp, a, n=n)


lgamma = unary(_lgamma, "log |Γ(x)|.", real=True)


def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of log Γ."""
    need_tensor(input, "digamma")
    return deliver(_polygamma(floating(input), n=0), out, "digamma")


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The n-th derivative of the digamma function."""
    need_tensor(input, "polygamma", "input", 2)
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return deliver(_polygamma(floating(input), n=int(n)), out, "polygamma")


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
    return deliver(to_dtype(result + constant, x.dtype), out, "mvlgamma")
