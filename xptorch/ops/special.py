"""Special functions, and combinations of two or three inputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch import _dtype
from xptorch._engine import op
from xptorch.ops import comparison, elementwise
from xptorch.ops._common import FLOAT, deliver, floating, is_tensor, need_tensor, promote, type_name
from xptorch.ops._fused import in_float32
from xptorch.ops._makers import binary

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

__all__ = [
    "addcdiv", "addcmul", "arctan2", "atan2", "deg2rad", "hypot", "lerp", "logaddexp", "logit",
    "rad2deg", "xlogy",
]  # fmt: skip

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
_logaddexp = op(
    "logaddexp",
    lambda xp, a, b: xp.logaddexp(a, b),
    broadcast=True,
    a=lambda xp, g, a, b: g / (1 + xp.exp(b - a)),
    b=lambda xp, g, a, b: g / (1 + xp.exp(a - b)),
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
atan2 = arctan2 = binary(_atan2, "atan2", least=FLOAT, tensors=2)
hypot, logaddexp = binary(_hypot, tensors=2), binary(_logaddexp, tensors=2)


def xlogy(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """input · log(other), 0 where input is 0."""
    a, b = promote(input, other, FLOAT)
    a = a if is_tensor(a) else b.new_tensor(a)
    b = b if is_tensor(b) else a.new_tensor(b)
    return deliver(_xlogy(a, b), out, "xlogy")


def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees as radians."""
    return deliver(elementwise.mul(floating(input), math.pi / 180), out, "deg2rad")


def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians as degrees."""
    return deliver(elementwise.mul(floating(input), 180 / math.pi), out, "rad2deg")


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(x / (1 − x)), of x clamped to [eps, 1 − eps] where eps is given."""
    need_tensor(input, "logit")
    return deliver(in_float32(_logit, floating(input), eps=eps), out, "logit")


def _logit(x: Tensor, eps: float | None) -> Tensor:
    if eps is not None:
        x = comparison.clamp(x, eps, 1 - eps)
    return elementwise.log(x / (1 - x))


# ---- three inputs


def addcmul(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None
) -> Tensor:
    """input + value · tensor1 · tensor2."""

    def compute(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return elementwise.add(x, a * b, alpha=value)

    return deliver(in_float32(compute, input, tensor1, tensor2), out, "addcmul")


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
        return elementwise.add(x, a / b, alpha=value)

    return deliver(in_float32(compute, input, tensor1, tensor2), out, "addcdiv")


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
    return deliver(in_float32(_lerp, input, end, weight), out, "lerp")


_C_NAMES = {_dtype.float32: "float", _dtype.float64: "double"}


def _lerp(a: Tensor, b: Tensor, weight: Any) -> Tensor:
    """From the nearer end, so that both ends are met exactly."""
    gap = b - a
    if not is_tensor(weight):
        return a + gap * weight if abs(weight) < 0.5 else b - gap * (1 - weight)
    near = elementwise.abs(weight.detach()) < 0.5
    return comparison.where(near, a + weight * gap, b - gap * (1 - weight))
