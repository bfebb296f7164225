"""The error function, computed with the array API's functions.

Source: W. J. Cody, Rational Chebyshev approximations for the error function, 1969.
"""

from __future__ import annotations

from typing import Any

# Coefficients of numerator and denominator, highest power first.
Coefficients = tuple[float, ...]
_NEAR_P: Coefficients = (1.85777706184603153e-1, 3.16112374387056560, 113.864154151050156)
_NEAR_P += (377.485237685302021, 3209.37758913846947)
_NEAR_Q: Coefficients = (1.0, 23.6012909523441209, 244.024637934444173, 1282.61652607737228)
_NEAR_Q += (2844.23683343917062,)
_TAIL_P: Coefficients = (2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594)
_TAIL_P += (66.1191906371416295, 298.635138197400131, 881.95222124176909, 1712.04761263407058)
_TAIL_P += (2051.07837782607147, 1230.33935479799725)
_TAIL_Q: Coefficients = (1.0, 15.7449261107098347, 117.693950891312499, 537.181101862009858)
_TAIL_Q += (1621.38957456669019, 3290.79923573345963, 4362.61909014324716, 3439.36767414372164)
_TAIL_Q += (1230.33935480374942,)
_FAR_P: Coefficients = (1.63153871373020978e-2, 0.305326634961232344, 0.360344899949804439)
_FAR_P += (0.125781726111229246, 1.60837851487422766e-2, 6.58749161529837803e-4)
_FAR_Q: Coefficients = (1.0, 2.56852019228982242, 1.87295284992346047, 0.527905102951428412)
_FAR_Q += (6.05183413124413191e-2, 2.33520497626869185e-3)
_ONE_OVER_SQRT_PI = 0.56418958354775628695


def erf(xp: Any, x: Any) -> Any:
    """The error function, accurate to the last digits of the dtype."""
    square = xp.minimum(x * x, xp.full_like(x, 0.25))
    inner = x * _ratio(_NEAR_P, _NEAR_Q, square)
    outer = xp.sign(x) * (1.0 - _tail(xp, xp.abs(x)))
    return xp.where(xp.abs(x) < 0.5, inner, outer)


def erfc(xp: Any, x: Any) -> Any:
    """1 − erf(x), without the cancellation for large x."""
    tail = _tail(xp, xp.abs(x))
    return xp.where(x < 0.5, xp.where(x < -0.5, 2.0 - tail, 1.0 - erf(xp, x)), tail)


def _tail(xp: Any, x: Any) -> Any:
    """erfc for x ≥ 0.5."""
    near = xp.minimum(xp.maximum(x, xp.full_like(x, 0.5)), xp.full_like(x, 4.0))
    small = _ratio(_TAIL_P, _TAIL_Q, near)
    far = xp.maximum(x, xp.full_like(x, 4.0))
    u = 1.0 / (far * far)
    large = (_ONE_OVER_SQRT_PI - u * _ratio(_FAR_P, _FAR_Q, u)) / far
    return xp.exp(-x * x) * xp.where(x <= 4.0, small, large)


def _ratio(p: Coefficients, q: Coefficients, x: Any) -> Any:
    top, bottom = p[0] * x + p[1], q[0] * x + q[1]
    for a in p[2:]:
        top = top * x + a
    for b in q[2:]:
        bottom = bottom * x + b
    return top / bottom
