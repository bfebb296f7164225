"""Special functions composed of logarithms, exponentials and sines."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import FLOAT
from xptorch._engine.op import op
from xptorch.ops._common import (
    floating,
    is_tensor,
    need_tensor,
    promote,
    store_out,
)
from xptorch.ops._factories import Function, binary, named, unary
from xptorch.ops._numerics import in_float32
from xptorch.ops.elementwise import arithmetic, comparison

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["logaddexp", "logaddexp2", "logit", "sinc", "xlogy"]

_LN2 = math.log(2)


def logaddexp_of(xp: Any, a: Any, b: Any) -> Any:
    if not xp.isdtype(a.dtype, "complex floating"):
        return xp.logaddexp(a, b)
    larger = xp.real(a) >= xp.real(b)
    high, low = xp.where(larger, a, b), xp.where(larger, b, a)
    gap = xp.where(xp.isfinite(xp.real(high)), low - high, low)
    return high + xp.log1p(xp.exp(gap))


_logaddexp = op(
    "logaddexp",
    logaddexp_of,
    broadcast=True,
    a=lambda xp, g, a, b: g * arithmetic.sigmoid_of(xp, a - b),
    b=lambda xp, g, a, b: g * arithmetic.sigmoid_of(xp, b - a),
)


def _xlogy_forward(xp: Any, a: Any, b: Any) -> Any:
    product = a * xp.log(b)
    return xp.where(xp.logical_and(a == 0, ~xp.isnan(b)), xp.zeros_like(product), product)


def _xlogy_back(xp: Any, g: Any, a: Any, b: Any) -> Any:
    return xp.where(xp.logical_and(a == 0, b <= 0), xp.zeros_like(g), g * xp.log(b))


_xlogy = op(
    "xlogy",
    _xlogy_forward,
    broadcast=True,
    a=_xlogy_back,
    b=lambda xp, g, a, b: g * (a / b),
)


def _logaddexp2_forward(xp: Any, a: Any, b: Any) -> Any:
    top = xp.maximum(a, b)
    gap = xp.where(xp.isinf(top), xp.zeros_like(top), xp.abs(a - b))
    more = xp.log1p(2.0**-gap) / _LN2
    return xp.where(xp.isinf(top), top, top + more)


_logaddexp2 = op(
    "logaddexp2",
    _logaddexp2_forward,
    broadcast=True,
    a=lambda xp, g, a, b: g * arithmetic.sigmoid_of(xp, (a - b) * _LN2),
    b=lambda xp, g, a, b: g * arithmetic.sigmoid_of(xp, (b - a) * _LN2),
)


def _xlog1py_back(xp: Any, g: Any, a: Any, b: Any) -> Any:
    return xp.where(xp.logical_and(a == 0, b <= -1), xp.zeros_like(g), g * xp.log1p(b))


def _xlog1py_forward(xp: Any, a: Any, b: Any) -> Any:
    product = a * xp.log1p(b)
    return xp.where(xp.logical_and(a == 0, ~xp.isnan(b)), xp.zeros_like(product), product)


_xlog1py = op(
    "xlog1py",
    _xlog1py_forward,
    broadcast=True,
    a=_xlog1py_back,
    b=lambda xp, g, a, b: g * (a / (b + 1)),
)


def _sinc_forward(xp: Any, a: Any) -> Any:
    x = math.pi * xp.where(a == 0, xp.ones_like(a), a)
    return xp.where(a == 0, xp.ones_like(a), xp.sin(x) / x)


def _sinc_back(xp: Any, g: Any, a: Any) -> Any:
    zero = a == 0
    x = math.pi * xp.where(zero, xp.ones_like(a), a)
    slope = (xp.cos(x) - xp.sin(x) / x) * math.pi / x
    return g * xp.where(zero, xp.zeros_like(a), slope)


_sinc = op("sinc", _sinc_forward, a=_sinc_back)
sinc = unary(_sinc, "sin(πx) / (πx), 1 at 0.", real=True, rounds=True)
logaddexp = binary(
    partial(in_float32, _logaddexp), "log(exp(input) + exp(other)).", "logaddexp", tensors=2
)
logaddexp2 = binary(
    partial(in_float32, _logaddexp2), "log₂(2^input + 2^other).", "logaddexp2", tensors=2
)


def _x_log(core: Function, name: str, doc: str) -> Function:
    """x times a logarithm, 0 where x is 0; one of the two may be a number."""

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        a, b = promote(input, other, FLOAT)
        a = a if is_tensor(a) else b.new_tensor(a)
        b = b if is_tensor(b) else a.new_tensor(b)
        return store_out(in_float32(core, a, b), out, name)

    return named(function, name, doc)


xlogy = _x_log(_xlogy, "xlogy", "input · log(other), 0 where input is 0.")
xlog1py = _x_log(_xlog1py, "special_xlog1py", "input · log(1 + other), 0 where input is 0.")


def entr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """−x log(x), 0 at 0 and −∞ below."""
    need_tensor(input, "special_entr")
    x = floating(input)
    result = comparison.where(x < 0, -math.inf, -xlogy(x, x))
    return store_out(result, out, "special_entr")


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(x / (1 − x)), of x clamped to [eps, 1 − eps] where eps is given."""
    need_tensor(input, "logit")
    return store_out(in_float32(_logit, floating(input), eps=eps), out, "logit")


def _logit(x: Tensor, eps: float | None) -> Tensor:
    if eps is not None:
        x = comparison.clamp(x, eps, 1 - eps)
    return arithmetic.log(x / (1 - x))
