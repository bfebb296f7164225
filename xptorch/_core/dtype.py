"""Data types, the default dtype and PyTorch's rules of type promotion."""

from __future__ import annotations

import math
from typing import Any

BOOL, INTEGER, FLOAT, COMPLEX = range(4)  # the categories of type promotion, in order


class dtype:
    """An element type, such as ``xptorch.float32``. Each exists once: compare with ``is``."""

    __slots__ = ("category", "is_complex", "is_floating_point", "is_signed", "itemsize", "name")

    def __init__(self, name: str, itemsize: int, category: int, signed: bool = True) -> None:
        self.name = name
        self.itemsize = itemsize
        self.category = category
        self.is_signed = signed
        self.is_floating_point = category == FLOAT
        self.is_complex = category == COMPLEX

    def __repr__(self) -> str:
        return f"xptorch.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _named, (self.name,)

    def to_real(self) -> dtype:
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> dtype:
        return complex128 if self in (float64, complex128) else complex64


def _named(name: str) -> dtype:
    return DTYPES[name]


bool_ = dtype("bool", 1, BOOL, signed=False)
uint8 = dtype("uint8", 1, INTEGER, signed=False)
uint16 = dtype("uint16", 2, INTEGER, signed=False)
uint32 = dtype("uint32", 4, INTEGER, signed=False)
uint64 = dtype("uint64", 8, INTEGER, signed=False)
int8 = dtype("int8", 1, INTEGER)
int16 = dtype("int16", 2, INTEGER)
int32 = dtype("int32", 4, INTEGER)
int64 = dtype("int64", 8, INTEGER)
float16 = dtype("float16", 2, FLOAT)
bfloat16 = dtype("bfloat16", 2, FLOAT)
float32 = dtype("float32", 4, FLOAT)
float64 = dtype("float64", 8, FLOAT)
complex64 = dtype("complex64", 8, COMPLEX)
complex128 = dtype("complex128", 16, COMPLEX)

DTYPES = {
    d.name: d
    for d in (
        *(bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64),
        *(float16, bfloat16, float32, float64, complex64, complex128),
    )
}
ALIASES = {
    **{"half": float16, "float": float32, "double": float64, "cfloat": complex64},
    **{"short": int16, "int": int32, "long": int64, "cdouble": complex128},
}

_default = float32


def get_default_dtype() -> dtype:
    """The dtype of new tensors made from Python floats: float32 unless changed."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the dtype of new tensors made from Python floats.

    Raises:
        TypeError: `d` is no floating-point dtype.
    """
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _default = d


def of_scalar(value: complex) -> dtype:
    """The dtype of a tensor made from a Python number alone."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return _default
    if isinstance(value, complex):
        return _default.to_complex()
    if getattr(value, "ndim", 1) == 0 and hasattr(value, "item"):  # a scalar of an array library
        return of_scalar(value.item())
    raise TypeError(f"expected a number, got {type(value).__name__}")


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that can represent the values of both."""
    if type1 is type2:
        return type1
    low, high = sorted((type1, type2), key=lambda d: (d.category, d.itemsize))
    _check_unsigned(low, high)
    if low.category < high.category:
        wide = low is float64 and high is complex64
        return complex128 if wide else high
    if low.category == INTEGER:
        return _promote_integers(low, high)
    return float32 if low.itemsize == high.itemsize else high  # float16 and bfloat16


def _promote_integers(low: dtype, high: dtype) -> dtype:
    if low.itemsize < high.itemsize:
        return high
    return int16  # uint8 and int8: neither holds the other


def _check_unsigned(low: dtype, high: dtype) -> None:
    wide = {"uint16", "uint32", "uint64"}
    mixed = low.name in wide and high.category in (INTEGER, COMPLEX)
    if low.category != BOOL and (mixed or high.name in wide - {low.name}):
        raise RuntimeError(
            "Promotion for uint16, uint32, uint64 types is not supported, "
            f"attempted to promote {low.name} and {high.name}"
        )


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether an in-place operation may store values of `from_` in a tensor of `to`."""
    return from_.category <= to.category


class _TypeInfo:
    """The numeric limits of a dtype."""

    def __init__(self, type: dtype) -> None:
        self.dtype = type.name
        self.bits = type.itemsize * 8


class iinfo(_TypeInfo):
    """Limits of an integer dtype: bits, min, max."""

    def __init__(self, type: dtype) -> None:
        if type.category != INTEGER:
            raise TypeError("torch.iinfo() requires an integer input type")
        super().__init__(type)
        self.min = -(2 ** (self.bits - 1)) if type.is_signed else 0
        self.max = 2 ** (self.bits - type.is_signed) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


class finfo(_TypeInfo):
    """Limits of a floating-point dtype: bits, eps, max, min, tiny, smallest_normal, resolution."""

    _formats = {"bfloat16": (7, 127, 2), "float16": (10, 15, 3), "float32": (23, 127, 6)}
    _formats["float64"] = (52, 1023, 15)

    def __init__(self, type: dtype | None = None) -> None:
        type = (type or _default).to_real()
        if not type.is_floating_point:
            raise TypeError(
                f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                f"'{type!r}'"
            )
        super().__init__(type)
        mantissa, exponent, digits = self._formats[type.name]
        self.eps = 2.0**-mantissa
        self.max = math.ldexp(2.0 - self.eps, exponent)
        self.min = -self.max
        self.tiny = self.smallest_normal = math.ldexp(1.0, 1 - exponent)
        self.resolution = 10.0**-digits

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, "
            f"tiny={self.tiny:g}, dtype={self.dtype})"
        )
