"""Elementwise mathematics: ops with their derivatives, and PyTorch's functions over them."""

from __future__ import annotations

import builtins
import cmath
import math
import operator
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as _dtype
from xptorch._core.dtype import COMPLEX, FLOAT, INTEGER
from xptorch._engine import graph
from xptorch._engine.op import dispatchable, op, polymorphic
from xptorch.ops._common import (
    inplace,
    is_tensor,
    need_tensor,
    promote,
    refuse,
    result_type,
    store_out,
    to_dtype,
    type_name,
)
from xptorch.ops._factories import Function, binary, named, unary
from xptorch.ops.elementwise import comparison
from xptorch.ops.elementwise import complex as numbers

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan",
    "arctanh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "div", "divide", "erf",
    "erfc", "exp", "exp2", "expm1", "fix", "float_power", "floor", "floor_divide", "fmod", "frac",
    "log", "log10", "log1p", "log2", "maximum", "minimum", "mul", "multiply", "neg", "negative",
    "positive", "pow", "reciprocal", "remainder", "round", "rsqrt", "rsub", "sgn", "sigmoid",
    "sign", "sin", "sinh", "sqrt", "square", "sub", "subtract", "tan", "tanh", "true_divide",
    "trunc",
]  # fmt: skip

_TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)
_LN2, _LN10 = math.log(2), math.log(10)


@dispatchable
def _tanh_backward(xp: Any, g: Any, y: Any) -> Any:
    return g * (1 - y * y)


@dispatchable
def _sigmoid_forward(xp: Any, a: Any) -> Any:
    return 1 / (1 + xp.exp(-a))


@dispatchable
def _sigmoid_backward(xp: Any, g: Any, y: Any) -> Any:
    return g * (y * (1 - y))


# ---- one input

_neg = op("negative", lambda xp, a: -a, a=lambda xp, g: -g)
_abs = op("abs", lambda xp, a: xp.abs(a), a=lambda xp, g, a: g * xp.sign(a))
_sign = op("sign", lambda xp, a: xp.sign(a), a=lambda xp, g: xp.zeros_like(g))
_floor = op("floor", lambda xp, a: xp.floor(a), a=lambda xp, g: xp.zeros_like(g))
_ceil = op("ceil", lambda xp, a: xp.ceil(a), a=lambda xp, g: xp.zeros_like(g))
_trunc = op("trunc", lambda xp, a: xp.trunc(a), a=lambda xp, g: xp.zeros_like(g))
_round = op("round", lambda xp, a: xp.round(a), a=lambda xp, g: xp.zeros_like(g))
_exp = op("exp", lambda xp, a: xp.exp(a), a=lambda xp, g, y: g * y)
_exp2 = op("exp2", lambda xp, a: 2.0**a, a=lambda xp, g, y: g * y * _LN2)
_expm1 = op("expm1", lambda xp, a: xp.expm1(a), a=lambda xp, g, y: g * (y + 1))
_log = op("log", lambda xp, a: xp.log(a), a=lambda xp, g, a: g / a)
_log2 = op("log2", lambda xp, a: xp.log2(a), a=lambda xp, g, a: g / (a * _LN2))
_log10 = op("log10", lambda xp, a: xp.log10(a), a=lambda xp, g, a: g / (a * _LN10))
_log1p = op("log1p", lambda xp, a: xp.log1p(a), a=lambda xp, g, a: g / (a + 1))
_sqrt = op("sqrt", lambda xp, a: xp.sqrt(a), a=lambda xp, g, y: g / (2 * y))
_rsqrt = op("rsqrt", lambda xp, a: 1 / xp.sqrt(a), a=lambda xp, g, y: -0.5 * g * y * y * y)


def _square_back(xp: Any, g: Any, a: Any) -> Any:
    # Under create_graph the derivative is a power, as in PyTorch: however often it is
    # differentiated, the result stays in the graph.
    return g * (2 * (a**1.0 if xp is graph.setup.namespace else a))


_square = op("square", lambda xp, a: a * a, a=_square_back)
_reciprocal = op("reciprocal", lambda xp, a: 1 / a, a=lambda xp, g, y: -g * (y * y))
_sin = op("sin", lambda xp, a: xp.sin(a), a=lambda xp, g, a: g * xp.cos(a))
_cos = op("cos", lambda xp, a: xp.cos(a), a=lambda xp, g, a: -g * xp.sin(a))
_tan = op("tan", lambda xp, a: xp.tan(a), a=lambda xp, g, y: g * (1 + y * y))
_asin = op("asin", lambda xp, a: xp.asin(a), a=lambda xp, g, a: g / xp.sqrt(1 - a * a))
_acos = op("acos", lambda xp, a: xp.acos(a), a=lambda xp, g, a: -g / xp.sqrt(1 - a * a))
_atan = op("atan", lambda xp, a: xp.atan(a), a=lambda xp, g, a: g / (1 + a * a))
_sinh = op("sinh", lambda xp, a: xp.sinh(a), a=lambda xp, g, a: g * xp.cosh(a))
_cosh = op("cosh", lambda xp, a: xp.cosh(a), a=lambda xp, g, a: g * xp.sinh(a))
_tanh = op("tanh", lambda xp, a: xp.tanh(a), a=_tanh_backward)
_asinh = op("asinh", lambda xp, a: xp.asinh(a), a=lambda xp, g, a: g / xp.sqrt(a * a + 1))
_acosh = op("acosh", lambda xp, a: xp.acosh(a), a=lambda xp, g, a: g / xp.sqrt(a * a - 1))
_atanh = op("atanh", lambda xp, a: xp.atanh(a), a=lambda xp, g, a: g / (1 - a * a))
_erf = op(
    "erf",
    lambda xp, a: xp.erf(a),
    a=lambda xp, g, a: g * (_TWO_OVER_SQRT_PI * xp.exp(-a * a)),
)
_erfc = op(
    "erfc",
    lambda xp, a: xp.erfc(a),
    a=lambda xp, g, a: g * (-_TWO_OVER_SQRT_PI * xp.exp(-a * a)),
)
_sigmoid = op("sigmoid", _sigmoid_forward, a=_sigmoid_backward)
sigmoid_of = polymorphic(_sigmoid)  # for the VJPs of other ops
where_or_zero = op(
    "where_or_zero",
    lambda xp, a, mask: xp.where_or_zero(a, mask),
    a=lambda xp, g, mask: xp.where_or_zero(g, mask),
)

exp = unary(_exp, "eˣ.", real=True)
exp2 = unary(_exp2, "2ˣ.", real=True, rounds=True)
expm1 = unary(_expm1, "eˣ − 1, exact near 0.", real=True)
log = unary(_log, "The natural logarithm.", real=True)
log2 = unary(_log2, "The logarithm to base 2.", real=True)
log10 = unary(_log10, "The logarithm to base 10.", real=True)
log1p = unary(_log1p, "log(1 + x), exact near 0.", real=True)
sqrt = unary(_sqrt, "√x.", real=True)
rsqrt = unary(_rsqrt, "1 / √x.", real=True, rounds=True)
reciprocal = unary(_reciprocal, "1 / x.", real=True)
sin = unary(_sin, "The sine.", real=True)
cos = unary(_cos, "The cosine.", real=True)
tan = unary(_tan, "The tangent.", real=True)
asin = arcsin = unary(_asin, "The inverse sine, between −π/2 and π/2.", real=True)
acos = arccos = unary(_acos, "The inverse cosine, between 0 and π.", real=True)
atan = arctan = unary(_atan, "The inverse tangent, between −π/2 and π/2.", real=True)
sinh = unary(_sinh, "The hyperbolic sine.", real=True)
cosh = unary(_cosh, "The hyperbolic cosine.", real=True)
tanh = unary(_tanh, "The hyperbolic tangent.", real=True)
asinh = arcsinh = unary(_asinh, "The inverse hyperbolic sine.", real=True)
acosh = arccosh = unary(_acosh, "The inverse hyperbolic cosine.", real=True)
atanh = arctanh = unary(_atanh, "The inverse hyperbolic tangent.", real=True)
erf = unary(_erf, "The error function: 2/√π ∫₀ˣ exp(−t²) dt.", real=True, rounds=True)
erfc = unary(_erfc, "1 − erf(x), exact where that is small.", real=True, rounds=True)
sigmoid = unary(_sigmoid, "1 / (1 + e⁻ˣ).", real=True, rounds=True)


def _rounding(core: Function, doc: str) -> Function:
    """floor, ceil, trunc; integers are copied unchanged."""

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        need_tensor(input, core.__name__)
        refuse(f"{core.__name__}_vml_cpu", input, _dtype.BOOL, COMPLEX)
        result = input.clone() if input.dtype.category == INTEGER else core(input)
        return store_out(result, out, core.__name__)

    return named(function, core.__name__, doc)


floor = _rounding(_floor, "The next whole number below.")
ceil = _rounding(_ceil, "The next whole number above.")
trunc = fix = _rounding(_trunc, "The whole part: the next whole number towards 0.")


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """The nearest multiple of ``10 ** -decimals``, halves to even."""
    need_tensor(input, "round")
    refuse("round_vml_cpu", input, _dtype.BOOL, COMPLEX)
    if input.dtype.category == INTEGER:
        if decimals:
            refuse("round_decimals_cpu", input, INTEGER)
        return store_out(input.clone(), out, "round")
    scale = 10.0 ** builtins.abs(decimals)
    if decimals > 0:
        result = _round(input * scale) / scale
    elif decimals < 0:
        result = _round(input / scale) * scale
    else:
        result = _round(input)
    return store_out(result, out, "round")


def positive(input: Tensor) -> Tensor:
    """The input itself."""
    if input.dtype is _dtype.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """−input."""
    need_tensor(input, "neg")
    if input.dtype is _dtype.bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return store_out(_neg(input), out, "neg")


negative = neg


def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """|input|; the magnitude of complex numbers."""
    need_tensor(input, "abs")
    refuse("abs_cpu", input, _dtype.BOOL)
    core = numbers.magnitude if input.dtype.is_complex else _abs
    return store_out(core(input), out, "abs")


absolute = abs


def abs_(self: Tensor) -> Tensor:
    """`abs` in place, for real tensors only."""
    if self.dtype.is_complex:
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return inplace(abs)(self)


absolute_ = abs_


def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """−1, 0 or 1 by the sign of each element."""
    need_tensor(input, "sign")
    if input.dtype.is_complex:
        raise NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. "
            "Please use torch.sgn instead."
        )
    return sgn(input, out=out)


def sgn(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sign of real numbers, z / |z| of complex ones."""
    need_tensor(input, "sgn")
    if input.dtype is _dtype.bool_:
        return store_out(input.clone(), out, "sgn")
    return store_out((numbers.sgn if input.dtype.is_complex else _sign)(input), out, "sgn")


def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input²."""
    need_tensor(input, "square")
    if input.dtype is _dtype.bool_:
        input = to_dtype(input, _dtype.int64)
    return store_out(_square(input), out, "square")


def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The fractional part, with the input's sign."""
    refuse("frac_cpu", input, _dtype.BOOL, INTEGER, COMPLEX)
    return store_out(sub(input, trunc(input)), out, "frac")


# ---- two inputs


def _add_forward(xp: Any, a: Any, b: Any) -> Any:
    try:
        return a + b
    except TypeError:  # the array API has no arithmetic on bools
        return xp.logical_or(a, b)


def _mul_forward(xp: Any, a: Any, b: Any) -> Any:
    try:
        return a * b
    except TypeError:
        return xp.logical_and(a, b)


_add = op(
    "add",
    _add_forward,
    operator=operator.add,
    broadcast=True,
    a=lambda xp, g: g,
    b=lambda xp, g: g,
)
_sub = op(
    "subtract",
    lambda xp, a, b: a - b,
    operator=operator.sub,
    broadcast=True,
    a=lambda xp, g: g,
    b=lambda xp, g: -g,
)
_mul = op(
    "multiply",
    _mul_forward,
    operator=operator.mul,
    broadcast=True,
    a=lambda xp, g, b: g * b,
    b=lambda xp, g, a: g * a,
)
_div = op(
    "divide",
    lambda xp, a, b: a / b,
    operator=operator.truediv,
    broadcast=True,
    a=lambda xp, g, b: g / b,
    b=lambda xp, g, b, y: -g * (y / b),
)


def _pow_base(xp: Any, g: Any, a: Any, b: Any) -> Any:
    if not hasattr(b, "shape"):
        return g * (b * a ** (b - 1.0)) if b else xp.zeros_like(g)
    slope = b * a ** (b - 1.0)
    return g * xp.where(b == 0, xp.zeros_like(slope), slope)


def _real_part(xp: Any, b: Any) -> Any:
    try:
        return xp.real(b)
    except TypeError:  # the array API defines it for complex arrays only
        return b


def _pow_exponent(xp: Any, g: Any, a: Any, b: Any, y: Any) -> Any:
    if isinstance(a, complex):
        return g * (y * cmath.log(a)) if a else g * xp.where_or_zero(y, xp.real(b) < 0)
    if not hasattr(a, "shape"):
        return g * (y * math.log(a)) if a > 0 else g * xp.where_or_zero(y, b < 0)
    # 0 ** b has gradient 0 for b >= 0, which log(0) would turn into NaN.
    flat = xp.logical_and(a == 0, _real_part(xp, b) >= 0)
    return g * xp.where(flat, xp.zeros_like(y), y * xp.log(xp.where(flat, xp.ones_like(y), a)))


_pow = op("pow", lambda xp, a, b: a**b, broadcast=True, a=_pow_base, b=_pow_exponent)


def _share(xp: Any, g: Any, a: Any, b: Any, loses: Any) -> Any:
    """The gradient of the selected operand; half of it to each where they are equal."""
    return xp.where(a == b, g * 0.5, xp.where(loses, xp.zeros_like(g), g))


_maximum = op(
    "maximum",
    lambda xp, a, b: xp.maximum(a, b),
    broadcast=True,
    a=lambda xp, g, a, b: _share(xp, g, a, b, a < b),
    b=lambda xp, g, a, b: _share(xp, g, a, b, b < a),
)
_minimum = op(
    "minimum",
    lambda xp, a, b: xp.minimum(a, b),
    broadcast=True,
    a=lambda xp, g, a, b: _share(xp, g, a, b, a > b),
    b=lambda xp, g, a, b: _share(xp, g, a, b, b > a),
)


def _floor_divide_forward(xp: Any, a: Any, b: Any) -> Any:
    whole = a // b
    if not xp.isdtype(whole.dtype, "real floating"):
        return whole
    return xp.where(b == 0, a / b, whole) if hasattr(b, "shape") else whole if b else a / b


def _fmod_forward(xp: Any, a: Any, b: Any) -> Any:
    if not xp.isdtype(a.dtype, "real floating"):
        rest = a % b
        other_sign = xp.logical_and(rest != 0, (a < 0) != (b < 0))
        return xp.where(other_sign, rest - b, rest)
    return xp.copysign(xp.abs(a) % builtins.abs(b), a)


_floor_divide = op(
    "floor_divide",
    _floor_divide_forward,
    broadcast=True,
    a=lambda xp, g: xp.zeros_like(g),
    b=lambda xp, g: xp.zeros_like(g),
)
_remainder = op(
    "remainder",
    lambda xp, a, b: a % b,
    broadcast=True,
    a=lambda xp, g: g,
    b=lambda xp, g, a, b: -g * xp.floor(a / b),
)
_fmod = op(
    "fmod",
    _fmod_forward,
    broadcast=True,
    a=lambda xp, g: g,
    b=lambda xp, g, a, b: -g * xp.trunc(a / b),
)


def _of_bools(core: Function, truth: Function, doc: str) -> Function:
    """maximum and minimum, also of bools, for which the array libraries lack them."""

    def function(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        a, b = promote(input, other, 0, 2, core.__name__)
        if a.dtype.is_complex:
            raise RuntimeError(f"{core.__name__} not implemented for complex tensors.")
        result = truth(a, b) if a.dtype is _dtype.bool_ else core(a, b)
        return result if out is None else store_out(result, out, core.__name__)

    return named(function, core.__name__, doc)


maximum = _of_bools(_maximum, comparison.logical_or, "The larger of two; NaN if one is.")
minimum = _of_bools(_minimum, comparison.logical_and, "The smaller of two; NaN if one is.")


def _no_bool_minus(a: Any, b: Any) -> None:
    for x, y in ((a, b), (b, a)):
        if is_tensor(x) and x.dtype is _dtype.bool_:
            if isinstance(y, bool) or (is_tensor(y) and y.dtype is _dtype.bool_):
                raise RuntimeError(
                    "Subtraction, the `-` operator, with two bool tensors is not supported. "
                    "Use the `^` or `logical_xor()` operator instead."
                )
            raise RuntimeError(
                "Subtraction, the `-` operator, with a bool tensor is not supported. If you are "
                "trying to invert a mask, use the `~` or `logical_not()` operator instead."
            )


def _scaled(other: Any, alpha: Any, input: Any) -> Any:
    if alpha == 1:
        return other
    if all(is_tensor(x) and x.dtype is _dtype.bool_ for x in (input, other)):
        return other * bool(alpha)
    if isinstance(alpha, bool) or (isinstance(alpha, float) and _is_integral(input, other)):
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    dt = result_type(input, other)
    if is_tensor(other) and dt is _dtype.bool_:
        return other if alpha else other ^ other
    return to_dtype(other, dt) * alpha if is_tensor(other) else other * alpha


def _is_integral(*operands: Any) -> bool:
    dtypes = (x.dtype if is_tensor(x) else _dtype.of_scalar(x) for x in operands)
    return all(dt.category < FLOAT for dt in dtypes)


def add(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """input + alpha · other, broadcast."""
    if alpha != 1:
        other = _scaled(other, alpha, input)
    a, b = promote(input, other)
    result = _add(a, b)
    return result if out is None else store_out(result, out, "add")


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """input − alpha · other, broadcast."""
    if alpha != 1:
        other = _scaled(other, alpha, input)
    a, b = promote(input, other)
    if is_tensor(a) and a._data.dtype == a._device.xp.bool:
        _no_bool_minus(input, other)
    result = _sub(a, b)
    return result if out is None else store_out(result, out, "sub")


subtract = sub


def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """other − alpha · input."""
    need_tensor(input, "rsub")
    _no_bool_minus(input, other)
    return sub(other, input, alpha=alpha)


mul = multiply = binary(_mul, "input · other, broadcast.", "mul")


def div(
    input: Any, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """input / other; rounded toward −∞ ("floor") or 0 ("trunc") on request."""
    if rounding_mode is None:
        a, b = promote(input, other, FLOAT)
        result = _div(a, b)
        return result if out is None else store_out(result, out, "div")
    if rounding_mode == "floor":
        return floor_divide(input, other, out=out)
    if rounding_mode != "trunc":
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' "
            f"but found '{rounding_mode}'"
        )
    a, b = promote(input, other)
    if not _is_integral(a, b):
        return store_out(_trunc(_div(a, b)), out, "div")
    _refuse_zero(b)
    whole = _floor_divide(a, b)
    short = (mul(whole, b) != a) & (whole < 0)
    return store_out(add(whole, to_dtype(short, whole.dtype)), out, "div")


divide = true_divide = div


def _refuse_zero(b: Any) -> None:
    zero = b == 0 if not is_tensor(b) else b._device.type == "cpu" and bool((b == 0).any())
    if zero:
        raise RuntimeError("ZeroDivisionError")


def floor_divide(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """input / other, rounded toward −∞."""
    a, b = promote(input, other)
    refuse("div_floor_cpu", a if is_tensor(a) else b, _dtype.BOOL, COMPLEX)
    if _is_integral(a, b):
        _refuse_zero(b)
    return store_out(_floor_divide(a, b), out, "floor_divide")


def remainder(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """``input − other · floor(input / other)``: the remainder with the divisor's sign."""
    a, b = promote(input, other)
    refuse("remainder_cpu", a if is_tensor(a) else b, _dtype.BOOL)
    if _is_integral(a, b):
        _refuse_zero(b)
    return store_out(_remainder(a, b), out, "remainder")


def fmod(input: Tensor, other: Any, *, out: Tensor | None = None) -> Tensor:
    """``input − other · trunc(input / other)``: the remainder with the dividend's sign."""
    a, b = promote(input, other, 0, 1, "fmod")
    refuse("fmod_cpu", a, _dtype.BOOL, COMPLEX)
    if _is_integral(a, b):
        _refuse_zero(b)
    return store_out(_fmod(a, b), out, "fmod")


def pow(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """input to the power of exponent."""
    a, b = promote(input, exponent)
    if not is_tensor(a):
        integral = b.dtype.category == INTEGER
        return store_out(_integer_pow(b.new_tensor(a), b) if integral else _pow(a, b), out, "pow")
    if is_tensor(b):
        return store_out((_integer_pow if a.dtype.category == INTEGER else _pow)(a, b), out, "pow")
    if a.dtype.category == INTEGER and b < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if b == 2:
        return store_out(square(a), out, "pow")
    if b == 0.5 and a.dtype.is_floating_point:
        return store_out(_sqrt(a), out, "pow")
    return store_out(_pow(a, b), out, "pow")


def _integer_pow(a: Tensor, b: Tensor) -> Tensor:
    """Powers of integers; for a negative exponent 0 unless the base is ±1."""
    if not b.dtype.is_signed:
        return _pow(a, b)
    negative = b < 0
    power = _pow(a, comparison.where(negative, 0, b))
    odd = comparison.where(b % 2 == 1, a, 1)
    return comparison.where(negative, comparison.where(abs(a) == 1, odd, 0), power)


def float_power(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """`pow` in double precision."""
    if not is_tensor(input):
        need_tensor(exponent, "float_power", "exponent", 2)
    wide = _dtype.complex128 if result_type(input, exponent).is_complex else _dtype.float64
    number = complex if wide.is_complex else float
    a, b = (to_dtype(x, wide) if is_tensor(x) else number(x) for x in (input, exponent))
    return store_out(pow(a, b), out, "float_power")


def float_power_(self: Tensor, exponent: Any) -> Tensor:
    """`float_power` in place, for double precision only."""
    wide = result_type(self, exponent).is_complex
    if self.dtype is not (_dtype.complex128 if wide else _dtype.float64):
        raise RuntimeError(
            f"the base given to float_power_ has dtype {type_name(self.dtype)} but the "
            f"operation's result requires dtype {'ComplexDouble' if wide else 'Double'}"
        )
    return self.pow_(exponent)
