"""Orthogonal polynomials of an order given for each element, by their recurrences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import FLOAT
from xptorch._engine.op import op
from xptorch.ops._common import is_tensor, promote, store_out
from xptorch.ops._factories import named, need_wide

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

# The polynomial of order k from x, k and those of orders k − 1 and k − 2.
Step = Callable[[Any, int, Any, Any], Any]


def _recurrence(xp: Any, x: Any, n: Any, first: Any, step: Step) -> Any:
    """The polynomial of order n (truncated to an integer; 0 for negative n) at x.

    Args:
        first: the polynomial of order 1.
    """
    x, n, first = xp.broadcast_arrays(x, xp.trunc(n), first)
    low, here = xp.ones_like(x), first
    result = xp.where(n == 0, low, xp.where(n == 1, here, xp.zeros_like(x)))
    finite = xp.where(xp.isnan(n), xp.zeros_like(n), n)
    top = int(xp.max(finite)) if math.prod(n.shape) else 0
    for k in range(2, top + 1):
        low, here = here, step(x, k, here, low)
        result = xp.where(n == k, here, result)
    return result


def _chebyshev(first: Callable[[Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """One of the four kinds: they differ in the polynomial of order 1."""

    def compute(xp: Any, x: Any, n: Any) -> Any:
        return _recurrence(xp, x, n, first(x), lambda x, k, p, q: 2 * x * p - q)

    return compute


_t, _u = _chebyshev(lambda x: x), _chebyshev(lambda x: 2 * x)
_v, _w = _chebyshev(lambda x: 2 * x - 1), _chebyshev(lambda x: 2 * x + 1)


def _hermite_h(xp: Any, x: Any, n: Any) -> Any:
    return _recurrence(xp, x, n, 2 * x, lambda x, k, p, q: 2 * x * p - 2 * (k - 1) * q)


def _hermite_he(xp: Any, x: Any, n: Any) -> Any:
    return _recurrence(xp, x, n, x, lambda x, k, p, q: x * p - (k - 1) * q)


def _laguerre(xp: Any, x: Any, n: Any) -> Any:
    return _recurrence(xp, x, n, 1 - x, lambda x, k, p, q: ((2 * k - 1 - x) * p - (k - 1) * q) / k)


def _legendre(xp: Any, x: Any, n: Any) -> Any:
    return _recurrence(xp, x, n, x, lambda x, k, p, q: ((2 * k - 1) * x * p - (k - 1) * q) / k)


def _function(name: str, compute: Callable[[Any, Any, Any], Any], doc: str) -> Callable[..., Any]:
    def forward(xp: Any, a: Any, b: Any) -> Any:
        x = xp.astype(a, xp.float64)
        x = 2 * x - 1 if name.startswith("shifted") else x
        return xp.astype(compute(xp, x, xp.astype(b, xp.float64)), a.dtype)

    core = op(name, forward, broadcast=True)

    def function(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
        x, order = promote(input, n, FLOAT, function=name)
        if not is_tensor(x):
            x = order.new_tensor(x)
        if not is_tensor(order):
            order = x.new_tensor(order)
        need_wide(name, x)
        return store_out(core(x, order), out, name)

    return named(function, name, doc)


chebyshev_polynomial_t = _function(
    "chebyshev_polynomial_t", _t, "Tₙ(x) = cos(n arccos x): T₁ = x, Tₙ = 2x Tₙ₋₁ − Tₙ₋₂."
)
chebyshev_polynomial_u = _function("chebyshev_polynomial_u", _u, "The second kind: U₁ = 2x.")
chebyshev_polynomial_v = _function("chebyshev_polynomial_v", _v, "The third kind: V₁ = 2x − 1.")
chebyshev_polynomial_w = _function("chebyshev_polynomial_w", _w, "The fourth kind: W₁ = 2x + 1.")
shifted_chebyshev_polynomial_t = _function("shifted_chebyshev_polynomial_t", _t, "Tₙ(2x − 1).")
shifted_chebyshev_polynomial_u = _function("shifted_chebyshev_polynomial_u", _u, "Uₙ(2x − 1).")
shifted_chebyshev_polynomial_v = _function("shifted_chebyshev_polynomial_v", _v, "Vₙ(2x − 1).")
shifted_chebyshev_polynomial_w = _function("shifted_chebyshev_polynomial_w", _w, "Wₙ(2x − 1).")
hermite_polynomial_h = _function(
    "hermite_polynomial_h", _hermite_h, "The physicists' Hₙ(x) = 2x Hₙ₋₁ − 2(n − 1) Hₙ₋₂."
)
hermite_polynomial_he = _function(
    "hermite_polynomial_he", _hermite_he, "The probabilists' Heₙ(x) = x Heₙ₋₁ − (n − 1) Heₙ₋₂."
)
laguerre_polynomial_l = _function(
    "laguerre_polynomial_l", _laguerre, "n Lₙ(x) = (2n − 1 − x) Lₙ₋₁ − (n − 1) Lₙ₋₂."
)
legendre_polynomial_p = _function(
    "legendre_polynomial_p", _legendre, "n Pₙ(x) = (2n − 1) x Pₙ₋₁ − (n − 1) Pₙ₋₂."
)
