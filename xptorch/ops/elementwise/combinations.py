"""Functions of two or three inputs (lerp, addcmul, atan2, gcd, …), angle units and frexp."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import FLOAT
from xptorch._engine.op import op
from xptorch.ops._common import (
    floating,
    is_tensor,
    need_tensor,
    promote,
    refuse,
    returned,
    store_out,
    to_dtype,
)
from xptorch.ops._factories import binary
from xptorch.ops._numerics import in_float32
from xptorch.ops.elementwise import arithmetic, comparison

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


__all__ = [
    "addcdiv", "addcmul", "arctan2", "atan2", "deg2rad", "frexp", "gcd", "heaviside", "hypot",
    "lcm", "ldexp", "lerp", "nextafter", "rad2deg",
]  # fmt: skip

_C_NAMES = {dtypes.float32: "float", dtypes.float64: "double"}

_atan2 = op(
    "atan2",
    lambda xp, a, b: xp.atan2(a, b),
    broadcast=True,
    a=lambda xp, g, a, b: g * (b / (a * a + b * b)),
    b=lambda xp, g, a, b: g * (-a / (a * a + b * b)),
)


_hypot = op(
    "hypot",
    lambda xp, a, b: xp.hypot(a, b),
    broadcast=True,
    a=lambda xp, g, a, y: g * (a / y),
    b=lambda xp, g, b, y: g * (b / y),
)


_nextafter = op(
    "nextafter",
    lambda xp, a, b: xp.nextafter(a, b),
    broadcast=True,
    a=lambda xp, g, a, b: xp.where(a == b, xp.zeros_like(g), g),
    b=lambda xp, g: xp.zeros_like(g),
)


def _gcd_forward(xp: Any, a: Any, b: Any) -> Any:
    a, b = xp.abs(a) + xp.zeros_like(b), xp.abs(b) + xp.zeros_like(a)
    while math.prod(b.shape) and bool(xp.any(b != 0)):
        one = xp.where(b == 0, xp.ones_like(b), b)
        a, b = xp.where(b == 0, a, b), xp.where(b == 0, b, a % one)
    return a


_gcd = op("gcd", _gcd_forward, broadcast=True)


atan2 = arctan2 = binary(
    _atan2, "The angle of the point (other, input).", "atan2", least=FLOAT, tensors=2
)


hypot = binary(_hypot, "√(input² + other²).", tensors=2)


def nextafter(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The next representable number after each element towards `other`."""
    a, b = promote(input, other, 0, 2, "nextafter")
    refuse("nextafter_cpu", a, dtypes.BOOL, dtypes.INTEGER, dtypes.COMPLEX)
    return store_out(_nextafter(a, b), out, "nextafter")


def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 below 0, 1 above it, and `values` at it."""
    need_tensor(input, "heaviside")
    need_tensor(values, "heaviside", "values", 2)
    for t in (input, values):
        if t.dtype.is_complex:
            raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    step = to_dtype(input > 0, input.dtype)
    return store_out(comparison.where(input == 0, values, step), out, "heaviside")


def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input · 2^other."""
    need_tensor(input, "ldexp")
    need_tensor(other, "ldexp", "other", 2)
    return store_out(input * arithmetic.pow(2.0, other), out, "ldexp")


def _integers(name: str, input: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    a, b = promote(input, other, 0, 2, name)
    refuse(f"{name}_cpu", a, dtypes.BOOL, FLOAT, dtypes.COMPLEX)
    return a, b


def gcd(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The greatest common divisors."""
    return store_out(_gcd(*_integers("gcd", input, other)), out, "gcd")


def lcm(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The least common multiples."""
    a, b = _integers("lcm", input, other)
    divisor = _gcd(a, b)
    divisor = comparison.where(divisor == 0, 1, divisor)
    return store_out(arithmetic.abs(a // divisor * b), out, "lcm")


def frexp(input: Tensor, *, out: Any = None) -> Any:
    """(mantissa, exponent): input = mantissa · 2^exponent, ½ ≤ |mantissa| < 1."""
    need_tensor(input, "frexp")
    if not input.is_floating_point():
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    x = to_dtype(input, dtypes.float64)
    plain = comparison.logical_and(comparison.isfinite(x.detach()), x.detach() != 0)
    size = comparison.where(plain, arithmetic.abs(x.detach()), 0.5)
    power = arithmetic.floor(arithmetic.log2(size)) + 1
    ratio = _scaled(size, power)  # the logarithm may round to the next whole number
    power = power + to_dtype(ratio >= 1, power.dtype) - to_dtype(ratio < 0.5, power.dtype)
    exponent = comparison.where(plain, power, 0)
    mantissa = to_dtype(_scaled(x, exponent), input.dtype)
    return returned("frexp", out, mantissa=mantissa, exponent=to_dtype(exponent, dtypes.int32))


def _scaled(x: Tensor, power: Tensor) -> Tensor:
    """x / 2^power in two steps: 2^−power alone might overflow."""
    half = arithmetic.trunc(power / 2)
    return x * arithmetic.exp2(-half) * arithmetic.exp2(half - power)


def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees as radians."""
    return store_out(arithmetic.mul(floating(input), math.pi / 180), out, "deg2rad")


def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians as degrees."""
    return store_out(arithmetic.mul(floating(input), 180 / math.pi), out, "rad2deg")


def addcmul(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None
) -> Tensor:
    """input + value · tensor1 · tensor2."""

    def compute(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return arithmetic.add(x, a * b, alpha=value)

    return store_out(in_float32(compute, input, tensor1, tensor2), out, "addcmul")


def addcdiv(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None
) -> Tensor:
    """input + value · tensor1 / tensor2."""
    if tensor1.dtype.category < FLOAT and tensor2.dtype.category < FLOAT:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future release "
            "addcdiv will perform a true division of tensor1 and tensor2."
        )

    def compute(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return arithmetic.add(x, a / b, alpha=value)

    return store_out(in_float32(compute, input, tensor1, tensor2), out, "addcdiv")


def lerp(input: Tensor, end: Tensor, weight: Any, *, out: Tensor | None = None) -> Tensor:
    """input + weight · (end − input)."""
    for i, (name, t) in enumerate({"input": input, "end": end}.items(), 1):
        need_tensor(t, "lerp", name, i)
    for name, t in (("end", end), ("weight", weight)):
        if is_tensor(t) and t.dtype is not input.dtype:
            raise RuntimeError(
                f"expected dtype {_C_NAMES.get(input.dtype, input.dtype.name)} for `{name}` but "
                f"got dtype {_C_NAMES.get(t.dtype, t.dtype.name)}"
            )
    kernel = "lerp_kernel_tensor" if is_tensor(weight) else "lerp_kernel_scalar"
    refuse(kernel, input, dtypes.BOOL, dtypes.INTEGER)
    return store_out(in_float32(_lerp, input, end, weight), out, "lerp")


def _lerp(a: Tensor, b: Tensor, weight: Any) -> Tensor:
    """Interpolated from the nearer end, so that the result is exact at both ends."""
    gap = b - a
    if not is_tensor(weight):
        return a + gap * weight if abs(weight) < 0.5 else b - gap * (1 - weight)
    near = arithmetic.abs(weight.detach()) < 0.5
    return comparison.where(near, a + weight * gap, b - gap * (1 - weight))
