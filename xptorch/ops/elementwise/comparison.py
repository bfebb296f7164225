"""Comparisons, logical and bitwise functions, and selection by condition."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import FLOAT
from xptorch._engine.op import op
from xptorch.ops._common import (
    check_cast,
    fitting,
    is_tensor,
    need_tensor,
    promote,
    refuse,
    store_out,
    to_dtype,
    type_name,
)
from xptorch.ops._factories import Function, binary, named

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "clamp", "clamp_max", "clamp_min", "clip", "copysign",
    "eq", "equal", "fmax", "fmin", "ge", "greater", "greater_equal", "gt", "isclose",
    "isfinite", "isinf", "isnan", "isneginf", "isposinf", "le", "less", "less_equal",
    "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "masked_fill",
    "nan_to_num", "ne", "not_equal", "signbit", "where",
]  # fmt: skip

_pairs = partial(op, broadcast=True)


def _bools_as_ints(xp: Any, *operands: Any) -> Any:
    """Bools as 0 and 1: the array API does not order bools."""
    return [xp.astype(x, xp.uint8) if hasattr(x, "shape") else int(x) for x in operands]


def _ordered(compare: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def forward(xp: Any, a: Any, b: Any) -> Any:
        try:
            return compare(a, b)
        except TypeError:
            return compare(*_bools_as_ints(xp, a, b))

    return forward


_equal = _pairs("equal", lambda xp, a, b: a == b)
_not_equal = _pairs("not_equal", lambda xp, a, b: a != b)
_less = _pairs("less", _ordered(operator.lt))
_less_equal = _pairs("less_equal", _ordered(operator.le))
_greater = _pairs("greater", _ordered(operator.gt))
_greater_equal = _pairs("greater_equal", _ordered(operator.ge))
_logical_and = _pairs("logical_and", lambda xp, a, b: xp.logical_and(a, b))
_logical_or = _pairs("logical_or", lambda xp, a, b: xp.logical_or(a, b))
_logical_xor = _pairs("logical_xor", lambda xp, a, b: xp.logical_xor(a, b))
_logical_not = op("logical_not", lambda xp, a: xp.logical_not(a))
_bitwise_and = _pairs("bitwise_and", lambda xp, a, b: a & b)
_bitwise_or = _pairs("bitwise_or", lambda xp, a, b: a | b)
_bitwise_xor = _pairs("bitwise_xor", lambda xp, a, b: a ^ b)
_bitwise_not = op("bitwise_not", lambda xp, a: ~a)
_left_shift = _pairs("bitwise_left_shift", lambda xp, a, b: a << b)
_right_shift = _pairs("bitwise_right_shift", lambda xp, a, b: a >> b)
_isnan = op("isnan", lambda xp, a: xp.isnan(a))
_isinf = op("isinf", lambda xp, a: xp.isinf(a))
_isfinite = op("isfinite", lambda xp, a: xp.isfinite(a))
_signbit = op("signbit", lambda xp, a: xp.signbit(a))
_where = op(
    "where",
    lambda xp, condition, a, b: xp.where(condition, a, b),
    broadcast=True,
    a=lambda xp, g, condition: xp.where_or_zero(g, xp.broadcast_to(condition, shape=g.shape)),
    b=lambda xp, g, condition: xp.where_or_zero(
        g, xp.logical_not(xp.broadcast_to(condition, shape=g.shape))
    ),
)


def _comparison(core: Function, name: str, doc: str, ordered: bool = True) -> Function:
    def function(input: Tensor, other: Any, *, out: Tensor | None = None) -> Tensor:
        a, b = promote(input, other, 0, 1, name)
        if ordered and a.dtype.is_complex:
            refuse(f"compare_{name}", a, dtypes.COMPLEX)
        result = core(a, b)
        return result if out is None else store_out(result, out, name)

    return named(function, name, doc)


eq = _comparison(_equal, "eq", "Whether input = other.", ordered=False)
ne = not_equal = _comparison(_not_equal, "ne", "Whether input ≠ other.", ordered=False)
lt = less = _comparison(_less, "lt", "Whether input < other.")
le = less_equal = _comparison(_less_equal, "le", "Whether input ≤ other.")
gt = greater = _comparison(_greater, "gt", "Whether input > other.")
ge = greater_equal = _comparison(_greater_equal, "ge", "Whether input ≥ other.")


def _logical(core: Function, name: str, doc: str) -> Function:
    def function(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        need_tensor(input, name)
        need_tensor(other, name, "other", 2)
        a, b = (x if x.dtype is dtypes.bool_ else x != 0 for x in (input, other))
        return store_out(core(a, b), out, name)

    return named(function, name, doc)


logical_and = _logical(_logical_and, "logical_and", "Whether both are not 0.")
logical_or = _logical(_logical_or, "logical_or", "Whether one or both are not 0.")
logical_xor = _logical(_logical_xor, "logical_xor", "Whether exactly one is not 0.")


def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where the input is 0 or False."""
    need_tensor(input, "logical_not")
    result = _logical_not(input) if input.dtype is dtypes.bool_ else input == 0
    return store_out(result, out, "logical_not")


def _bitwise(core: Function, name: str, doc: str) -> Function:
    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        a, b = promote(input, other)
        refuse(f"{name}_cpu", a if is_tensor(a) else b, FLOAT, dtypes.COMPLEX)
        return store_out(core(a, b), out, name)

    return named(function, name, doc)


bitwise_and = _bitwise(_bitwise_and, "bitwise_and", "The bits set in both.")
bitwise_or = _bitwise(_bitwise_or, "bitwise_or", "The bits set in one or both.")
bitwise_xor = _bitwise(_bitwise_xor, "bitwise_xor", "The bits set in exactly one.")
bitwise_left_shift = _bitwise(_left_shift, "bitwise_left_shift", "The bits moved up.")
bitwise_right_shift = _bitwise(_right_shift, "bitwise_right_shift", "The bits moved down.")


def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Every bit inverted; logical not for bools."""
    need_tensor(input, "bitwise_not")
    refuse("bitwise_not_cpu", input, FLOAT, dtypes.COMPLEX)
    return store_out(_bitwise_not(input), out, "bitwise_not")


def _check_float(core: Function, name: str, doc: str, exact: bool = False) -> Function:
    def function(input: Tensor) -> Tensor:
        need_tensor(input, name)
        if input.dtype.category >= FLOAT:
            return core(input)
        return (input == input) if exact else (input != input)

    return named(function, name, doc)


isnan = _check_float(_isnan, "isnan", "Whether each element is NaN.")
isinf = _check_float(_isinf, "isinf", "Whether each element is +∞ or −∞.")
isfinite = _check_float(_isfinite, "isfinite", "Whether each element is finite.", exact=True)


def _need_real(input: Tensor, name: str) -> None:
    need_tensor(input, name)
    if input.dtype.is_complex:
        raise RuntimeError(f"{name} does not support complex inputs.")


def isposinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is +∞."""
    _need_real(input, "isposinf")
    return store_out(eq(input, math.inf), out, "isposinf")


def isneginf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is −∞."""
    _need_real(input, "isneginf")
    return store_out(eq(input, -math.inf), out, "isneginf")


def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element has its sign bit set (−0.0 too)."""
    need_tensor(input, "signbit")
    result = _signbit(input) if input.dtype.category == FLOAT else input < 0
    return store_out(result, out, "signbit")


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Whether |input − other| ≤ atol + rtol · |other|."""
    need_tensor(input, "isclose")
    need_tensor(other, "isclose", "other", 2)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{type_name(input.dtype)} did not match {type_name(other.dtype)}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not value >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    same = input == other
    if equal_nan and input.dtype.category >= FLOAT:
        same = same | (isnan(input) & isnan(other))
    if input.dtype.category < FLOAT:
        if not rtol and not atol:
            return same
        input, other = to_dtype(input, dtypes.float64), to_dtype(other, dtypes.float64)
    gap = (input - other).abs()
    return same | (isfinite(gap) & (gap <= atol + rtol * other.abs()))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close (see `isclose`)."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same elements."""
    return input.shape == other.shape and bool((input == other).all())


# ---- selection by condition


def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """`input` where `condition` is True, else `other`; alone, the indices where it is True."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if not is_tensor(condition):
        raise TypeError("where(): argument 'condition' (position 1) must be Tensor")
    dt = condition.dtype
    if dt is not dtypes.bool_:
        if dt is not dtypes.uint8:
            raise RuntimeError(
                "where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{dt.name}"
            )
        condition = condition != 0
    if not is_tensor(input) and not is_tensor(other):
        dt = dtypes.promote_types(dtypes.of_scalar(input), dtypes.of_scalar(other))
        input = condition.new_tensor(input, dtype=dt)
    a, b = promote(input, other)
    result = _where(condition, a, b)
    return result if out is None else store_out(result, out, "where")


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the mask is True."""
    need_tensor(mask, "masked_fill", "mask", 2)
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype.name}"
        )
    if is_tensor(value):
        if value.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.ndim} dimension(s)."
            )
        if value.dtype.is_complex:
            check_cast(value.dtype, input.dtype)
        value = to_dtype(value, input.dtype)
    else:
        value = fitting(value, input.dtype)
    return _where(mask, value, input)


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Elements limited to [min, max]; either may be a number, a tensor or None."""
    need_tensor(input, "clamp")
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if not is_tensor(min) and not is_tensor(max):
        return store_out(_clamp_numbers(input, min, max), out, "clamp")
    refuse("clamp_cpu", input, dtypes.COMPLEX)
    result = input
    for bound, larger in ((min, True), (max, False)):
        if bound is not None:
            result = _clamp_tensor(result, bound, larger)
    return store_out(result, out, "clamp")


clip = clamp


def _clamp_numbers(x: Tensor, low: Any, high: Any) -> Tensor:
    if low is not None:
        x, low = promote(x, low)
    if high is not None:
        x, high = promote(x, high)
        if low is not None:
            low = promote(x, low)[1]
    refuse("clamp_cpu", x, dtypes.BOOL, dtypes.COMPLEX)
    return _clip(x, low=low, high=high)


def _clip_inside(xp: Any, g: Any, a: Any, low: Any, high: Any) -> Any:
    if low is None:
        return xp.where_or_zero(g, a <= high)
    inside = a >= low
    return xp.where_or_zero(g, inside if high is None else xp.logical_and(inside, a <= high))


_clip = op("clip", lambda xp, a, *, low, high: xp.clip(a, low, high), a=_clip_inside)


def _clamp_tensor(x: Tensor, bound: Any, larger: bool) -> Tensor:
    a, b = promote(x, bound)
    if not is_tensor(b):
        return _clamp_numbers(a, b if larger else None, None if larger else b)
    inside = (a >= b) if larger else (a <= b)
    return _where(inside | isnan(a), a, b)


def clamp_min(input: Tensor, min: Any, *, out: Tensor | None = None) -> Tensor:
    """Elements raised to at least `min`."""
    return clamp(input, min=min, out=out)


def clamp_max(input: Tensor, max: Any, *, out: Tensor | None = None) -> Tensor:
    """Elements lowered to at most `max`."""
    return clamp(input, max=max, out=out)


def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """NaN and infinities replaced, by default with 0 and the dtype's limits."""
    if not input.dtype.is_floating_point:
        return store_out(input.clone(), out, "nan_to_num")
    limits = dtypes.finfo(input.dtype)
    result = where(isnan(input), 0.0 if nan is None else nan, input)
    result = where(isposinf(input), limits.max if posinf is None else posinf, result)
    result = where(isneginf(input), limits.min if neginf is None else neginf, result)
    return store_out(result, out, "nan_to_num")


def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of two; if one is NaN, the other."""
    a, b = promote(input, other, 0, 2, "fmax")
    return store_out(_where(logical_or(a >= b, isnan(b)), a, b), out, "fmax")


def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of two; if one is NaN, the other."""
    a, b = promote(input, other, 0, 2, "fmin")
    return store_out(_where(logical_or(a <= b, isnan(b)), a, b), out, "fmin")


_copysign = op(
    "copysign",
    lambda xp, a, b: xp.copysign(a, b),
    broadcast=True,
    a=lambda xp, g, a, y: xp.where(a == 0, xp.zeros_like(g), g * (xp.sign(a) * xp.sign(y))),
    b=lambda xp, g: xp.zeros_like(g),
)
copysign = binary(
    _copysign, "The size of input with the sign of other.", "copysign", least=FLOAT, tensors=1
)
