"""Comparing values in tests, and creating tensors for them."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as _dtype
from xptorch._core.dtype import BOOL, COMPLEX, FLOAT, INTEGER
from xptorch.ops._common import is_tensor, to_dtype
from xptorch.ops.elementwise import comparison
from xptorch.ops.random import sampling
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["assert_close", "make_tensor"]

# rtol and atol of values that were computed; all others must be equal
_TOLERANCES = {
    **{"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)},
    **{"complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7)},
}
_OF_NUMBER = {float: _dtype.float64, complex: _dtype.complex128}


@dataclass
class _Rules:
    """The arguments of `assert_close` that hold for every pair of values."""

    allow_subclasses: bool
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_stride: bool

    def tolerances(self, *dtypes: Any) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        pairs = [_TOLERANCES.get(getattr(d, "name", ""), (0.0, 0.0)) for d in dtypes]
        return max(r for r, _ in pairs), max(a for _, a in pairs)


class _Mismatch(Exception):
    """What differs, and where in the nested values."""

    def __init__(self, text: str, where: tuple[Any, ...]) -> None:
        place = "".join(f"[{key!r}]" for key in where)
        super().__init__(text + (f"\n\nThe failure occurred for item {place}" if where else ""))


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise unless ``|actual − expected| ≤ atol + rtol · |expected|`` for every element.

    Args:
        actual: a tensor, a number, an array, or nested sequences and mappings of them.
        expected: the same.
        allow_subclasses: whether tensors of related classes compare.
        rtol: relative tolerance; by default, with `atol`, depending on the dtype: float16 1e-3,
            float32 1.3e-6, float64 1e-7, others 0.
        atol: absolute tolerance; by default 1e-5, for float64 1e-7, for integers 0.
        equal_nan: whether NaN equals NaN.
        check_device: require the same device.
        check_dtype: require the same dtype.
        check_layout: no effect: every tensor is strided.
        check_stride: require the same strides.
        msg: the error message, or a function of the default message.

    Raises:
        AssertionError: they differ; the message reports where and by how much.
        TypeError: there is no way to compare them.
        ValueError: only one of `rtol` and `atol` was given.
    """
    if (rtol is None) != (atol is None):
        given = "atol" if rtol is not None else "rtol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {given}."
        )
    rules = _Rules(allow_subclasses, rtol, atol, equal_nan, check_device, check_dtype, check_stride)
    try:
        for check in _pairs(actual, expected, rules, ()):
            check()
    except _Mismatch as mismatch:
        text = str(mismatch)
        if msg is not None:
            text = msg if isinstance(msg, str) else msg(text)
        raise AssertionError(text) from None


def _pairs(
    actual: Any, expected: Any, rules: _Rules, where: tuple[Any, ...]
) -> list[Callable[[], None]]:
    """The comparisons to make, after the structure was found to be the same."""
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            raise _Mismatch(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", where
            )
        items = [(i, a, b) for i, (a, b) in enumerate(zip(actual, expected, strict=True))]
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        _check_keys(actual, expected, where)
        items = [(k, actual[k], expected[k]) for k in _in_order(actual)]
    else:
        return [_leaf_pair(actual, expected, rules, where)]
    return [c for key, a, b in items for c in _pairs(a, b, rules, (*where, key))]


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, str | bytes)


def _in_order(mapping: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)


def _check_keys(actual: Any, expected: Any, where: tuple[Any, ...]) -> None:
    missing, extra = set(expected) - set(actual), set(actual) - set(expected)
    if missing or extra:
        text = "The keys of the mappings do not match:"
        if missing:
            text += f"\nMissing keys in the actual mapping: {_in_order(dict.fromkeys(missing))}"
        if extra:
            text += f"\nAdditional keys in the actual mapping: {_in_order(dict.fromkeys(extra))}"
        raise _Mismatch(text, where)


def _leaf_pair(
    actual: Any, expected: Any, rules: _Rules, where: tuple[Any, ...]
) -> Callable[[], None]:
    if actual is None or expected is None:
        return lambda: _same_none(actual, expected, where)
    if isinstance(actual, bool) and isinstance(expected, bool):
        return lambda: _same_bool(actual, expected, where)
    numbers = int | float | complex
    if isinstance(actual, numbers) and isinstance(expected, numbers):
        return lambda: _close_numbers(actual, expected, rules, where)
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if (related and rules.allow_subclasses) or type(actual) is type(expected):
        pair = _as_tensors(actual, expected)
        if pair is not None:
            return lambda: _close_tensors(*pair, rules, where)
    raise TypeError(
        f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}."
    )


def _as_tensors(*values: Any) -> tuple[Tensor, Tensor] | None:
    if not all(is_tensor(v) or hasattr(v, "__array__") for v in values):
        return None
    a, b = (v.detach() if is_tensor(v) else creation.as_tensor(v) for v in values)
    return a, b


def _same_none(actual: Any, expected: Any, where: tuple[Any, ...]) -> None:
    if actual is not expected:
        raise _Mismatch(f"None mismatch: {actual} is not {expected}", where)


def _same_bool(actual: bool, expected: bool, where: tuple[Any, ...]) -> None:
    if actual is not expected:
        raise _Mismatch(f"Booleans mismatch: {actual} is not {expected}", where)


# ---- numbers


def _close_numbers(actual: Any, expected: Any, rules: _Rules, where: tuple[Any, ...]) -> None:
    kinds = [
        next(k for k in (bool, int, float, complex) if isinstance(v, k)) for v in (actual, expected)
    ]
    if rules.check_dtype and kinds[0] is not kinds[1]:
        raise _Mismatch(f"The (d)types do not match: {kinds[0]} != {kinds[1]}.", where)
    rtol, atol = rules.tolerances(*(_OF_NUMBER.get(k) for k in kinds))
    _compare_scalars(actual, expected, rtol, atol, rules.equal_nan, where)


def _compare_scalars(
    actual: Any, expected: Any, rtol: float, atol: float, equal_nan: bool, where: tuple[Any, ...]
) -> None:
    gap = abs(actual - expected)
    both_nan = cmath.isnan(actual) and cmath.isnan(expected)
    close = cmath.isfinite(gap) and gap <= atol + rtol * abs(expected)
    if actual == expected or (equal_nan and both_nan) or close:
        return
    relative = gap / abs(expected) if expected else math.inf
    equality = rtol == 0 and atol == 0
    raise _Mismatch(
        f"Scalars are not {'equal' if equality else 'close'}!\n\n"
        f"Expected {expected} but got {actual}.\n"
        f"Absolute difference: {gap}{_allowed(atol, equality)}\n"
        f"Relative difference: {relative}{_allowed(rtol, equality)}",
        where,
    )


def _allowed(tolerance: float, equality: bool) -> str:
    return "" if equality else f" (up to {tolerance} allowed)"


# ---- tensors


def _close_tensors(a: Tensor, b: Tensor, rules: _Rules, where: tuple[Any, ...]) -> None:
    _check_attributes(a, b, rules, where)
    rtol, atol = rules.tolerances(a.dtype, b.dtype)
    if a._device is not b._device:
        a, b = a.cpu(), b.cpu()
    if a.dtype is not b.dtype:
        common = _dtype.promote_types(a.dtype, b.dtype)
        a, b = to_dtype(a, common), to_dtype(b, common)
    if a.dtype.category <= INTEGER:
        a, b = to_dtype(a, _dtype.int64), to_dtype(b, _dtype.int64)
    matches = comparison.isclose(a, b, rtol=rtol, atol=atol, equal_nan=rules.equal_nan)
    if bool(matches.all()):
        return
    if a.ndim == 0:
        _compare_scalars(a.item(), b.item(), rtol, atol, rules.equal_nan, where)
    raise _Mismatch(_tensor_text(a, b, matches, rtol, atol), where)


def _check_attributes(a: Tensor, b: Tensor, rules: _Rules, where: tuple[Any, ...]) -> None:
    checks = [
        ("shape", a.shape, b.shape, True),
        ("stride()", a.stride(), b.stride(), rules.check_stride),
        ("device", a.device, b.device, rules.check_device),
        ("dtype", a.dtype, b.dtype, rules.check_dtype),
    ]
    for name, x, y, wanted in checks:
        if wanted and x != y:
            shown = (f"{x}", f"{y}") if name != "device" else (f"{x!s}", f"{y!s}")
            raise _Mismatch(
                f"The values for attribute {name!r} do not match: {shown[0]} != {shown[1]}.", where
            )


def _tensor_text(a: Tensor, b: Tensor, matches: Tensor, rtol: float, atol: float) -> str:
    count = a.numel()
    wrong = count - int(matches.sum())
    gap = (a - b).abs().masked_fill(matches, 0)
    relative = (gap / b.abs()).masked_fill(matches, 0)
    equality = rtol == 0 and atol == 0
    return (
        f"Tensor-likes are not {'equal' if equality else 'close'}!\n\n"
        f"Mismatched elements: {wrong} / {count} ({wrong / count:.1%})\n"
        f"Greatest absolute difference: {_greatest(gap)}{_allowed(atol, equality)}\n"
        f"Greatest relative difference: {_greatest(relative)}{_allowed(rtol, equality)}"
    )


def _greatest(t: Tensor) -> str:
    flat = t.flatten()
    at = int(flat.argmax())
    index = []
    for size in reversed(t.shape):
        index.append(at % size)
        at //= size
    position = tuple(reversed(index))
    return f"{t[position].item()} at index {position}"


# ---- tensors for tests


def make_tensor(
    *shape: Any,
    dtype: _dtype.dtype,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of random values, uniformly distributed over [low, high).

    Args:
        shape: its sizes.
        dtype: its dtype.
        device: its device.
        low: by default −9, for bool and uint8 0.
        high: by default 9 for floating-point and complex dtypes, 10 for integers, 2 for bool.
        requires_grad: whether gradients flow to it.
        noncontiguous: leave gaps between its elements in memory.
        exclude_zero: replace 0 by the smallest number of the dtype.
        memory_format: no effect; not together with `noncontiguous`.
    """
    size = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"noncontiguous={noncontiguous!r} and memory_format={memory_format!r}"
        )
    if requires_grad and dtype.category < FLOAT:
        raise ValueError(
            "`requires_grad=True` is only supported for floating and complex dtypes, but got "
            f"dtype={dtype!r}"
        )
    low, high = _bounds(dtype, low, high)
    gaps = noncontiguous and math.prod(size) > 1
    if gaps:
        size = (*size[:-1], 2 * size[-1])
    if dtype.category >= FLOAT:
        t = _uniform(size, dtype, low, high, device)
    else:
        t = sampling.randint(math.ceil(low), math.ceil(high), size, dtype=dtype, device=device)
    if gaps:
        t = t[..., 1::2]
    if exclude_zero:
        least = _dtype.finfo(dtype.to_real()).tiny if dtype.category >= FLOAT else 1
        t = t.masked_fill(t == 0, least)
    return t.requires_grad_(requires_grad)


def _bounds(dtype: _dtype.dtype, low: Any, high: Any) -> tuple[float, float]:
    """The range, by default the dtype's usual one, clamped to the dtype's limits."""
    usual = {
        BOOL: (0, 2),
        INTEGER: (-9 if dtype.is_signed else 0, 10),
        FLOAT: (-9, 9),
        COMPLEX: (-9, 9),
    }
    low = usual[dtype.category][0] if low is None else low
    high = usual[dtype.category][1] if high is None else high
    for name, value in (("low", low), ("high", high)):
        if value != value:
            raise ValueError(f"`low` and `high` cannot be NaN, but got {name}={value!r}")
    if low > high or (low == high and dtype.category < FLOAT):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    if dtype.category < FLOAT:
        limits = (0.0, 2.0) if dtype.category == BOOL else _integer_limits(dtype)
    else:
        info = _dtype.finfo(dtype.to_real())
        limits = (info.min, info.max)
    return max(low, limits[0]), min(high, limits[1])


def _integer_limits(dtype: _dtype.dtype) -> tuple[float, float]:
    info = _dtype.iinfo(dtype)
    return info.min, info.max + 1


def _uniform(size: Any, dtype: _dtype.dtype, low: float, high: float, device: Any) -> Tensor:
    if dtype.category == FLOAT:
        return creation.empty(size, dtype=dtype, device=device).uniform_(low, high)
    parts = creation.empty((*size, 2), dtype=dtype.to_real(), device=device).uniform_(low, high)
    return parts[..., 0] + 1j * parts[..., 1]
