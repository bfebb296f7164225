"""Random tensors: argument checks and samplers of each distribution, and how tensors are filled."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.device import resolve
from xptorch._core.dtype import BOOL, COMPLEX
from xptorch._core.dtype import dtype as Dtype
from xptorch._engine import graph, inplace
from xptorch._engine.op import op
from xptorch.ops._common import need_tensor, shape_text, store_out, type_name
from xptorch.ops.random import generator as streams
from xptorch.ops.shape import creation
from xptorch.ops.shape.memory_order import (
    axis_order,
    dense_in_order,
    inverse,
    like_strides,
    memory_strides,
)

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor
    from xptorch.ops.random.generator import Generator

# A sampler returns n host values of a dtype, flat; the flag: whether they fill contiguous memory.
Sampler = Callable[[int, Dtype, bool], Any]

DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}  # of the significand

# Samples do not depend on the values they replace: the gradient is 0.
drawn = op(
    "random", lambda xp, a, *, value: value, a=lambda xp, g: xp.zeros_like(g), broadcast=True
)


# ---- from the stream to tensors


def stream_of(generator: Generator | None) -> Generator:
    """The generator to draw from: the default one for None."""
    if generator is None:
        return streams.default_generator
    if not isinstance(generator, streams.Generator):
        raise TypeError(
            f"argument 'generator' must be torch.Generator, not {type(generator).__name__}"
        )
    return generator


def sample(
    sampler: Sampler, shape: Sequence[int], dt: Dtype, strides: Sequence[int] | None = None
) -> Any:
    """A host array of that shape, filled in the memory order of those strides."""
    n, axes = math.prod(shape), range(len(shape))
    dense = strides is None or dense_in_order(shape, strides, axes)
    flat = sampler(n, dt, dense)
    if dense or strides is None:
        return flat.reshape(shape)
    order = axis_order(shape, strides)
    return flat.reshape([shape[axis] for axis in order]).transpose(inverse(order))


def new(
    function: str,
    sampler: Sampler,
    size: tuple[int, ...],
    dt: Dtype | None,
    device: Any,
    out: Tensor | None,
    requires_grad: bool,
    rest: dict[str, Any],
) -> Tensor:
    """A tensor of samples, with the arguments that all creation functions share."""
    creation.options(rest, function)
    _check_dtype(function, dt)
    if any(s < 0 for s in size):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(size)}: {shape_text(size)}"
        )
    if out is not None and dt not in (None, out.dtype):
        raise RuntimeError(
            f"dtype {type_name(dt or out.dtype)} does not match dtype of out parameter "
            f"({type_name(out.dtype)})"
        )
    dt = dt or (dtypes.get_default_dtype() if out is None else out.dtype)
    on = resolve(out.device if out is not None and device is None else device)
    on.raw_dtype(dt)
    value = on.backend.from_host(sample(sampler, size, dt), on.index)
    return creation.leaf(store_out(graph.wrap(value, on), out, function), requires_grad)


def _check_dtype(function: str, dt: Any) -> None:
    if dt is not None and not isinstance(dt, Dtype):
        raise TypeError(
            f"{function}(): argument 'dtype' must be torch.dtype, not {type(dt).__name__}"
        )


def like(function: str, sampler: Sampler, input: Tensor, rest: dict[str, Any]) -> Tensor:
    """A tensor of samples in the input's shape and, unless given, dtype, device, memory order."""
    need_tensor(input, function)
    _check_dtype(function, rest.get("dtype"))
    dt = rest.pop("dtype", None) or input.dtype
    device, requires_grad = rest.pop("device", None), rest.pop("requires_grad", False)
    creation.options(rest, function)
    on = input._device if device is None else resolve(device)
    on.raw_dtype(dt)
    strides = like_strides(input, rest.get("memory_format"))
    value = on.backend.from_host(sample(sampler, input._data.shape, dt, strides), on.index)
    return creation.leaf(graph.wrap(value, on), requires_grad)


def fill(input: Tensor, sampler: Sampler) -> Tensor:
    """Overwrite a tensor's memory with samples."""
    on, shape, strides = input._device, input._data.shape, writable_strides(input)
    value = on.backend.from_host(sample(sampler, shape, input.dtype, strides), on.index)
    return overwrite(input, value)


def writable_strides(input: Tensor) -> tuple[int, ...]:
    """The strides of a tensor about to be filled.

    Raises:
        RuntimeError: it is a leaf that requires gradients, or elements share a memory location.
    """
    inplace.check_writable(input)
    strides = memory_strides(input)
    if any(step == 0 and size > 1 for step, size in zip(strides, input._data.shape, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )
    return strides


def overwrite(input: Tensor, value: Any) -> Tensor:
    """Write a raw array of samples to a tensor; no gradient flows to the old values."""
    fresh = drawn(input, value=value) if input._requires_grad else graph.wrap(value, input._device)
    return inplace.write(input, fresh)


def refused(kernel: str, dt: Dtype) -> NotImplementedError:
    """PyTorch's error for a dtype that a distribution does not support."""
    return NotImplementedError(f'"{kernel}" not implemented for {type_name(dt)!r}')


# ---- samplers: the checks of each distribution, and its draw


def uniform_sampler(low: float, high: float, generator: Generator | None) -> Sampler:
    """Numbers uniformly distributed over [low, high)."""
    g = stream_of(generator)

    def draw(n: int, dt: Dtype, dense: bool) -> Any:
        if dt.is_complex:
            return draw(2 * n, dt.to_real(), dense).view(dt.name)
        if not dt.is_floating_point:
            raise refused("check_uniform_bounds", dt)
        limit = dtypes.finfo(dt).max
        for name, bound in (("from", low), ("to", high)):
            if not -limit <= bound <= limit:
                raise RuntimeError(f"{name} is out of bounds for {dt.name}")
        if low > high:
            raise RuntimeError(
                "uniform_ expects to return a [from, to) range, "
                f"but found from={low:g} > to={high:g}"
            )
        if high - low > limit:
            raise RuntimeError(
                f"uniform_ expects to-from <= finfo({dt.name}).max, but found to={high:g} "
                f"and from={low:g} which result in to-from to exceed the limit"
            )
        return g.uniform(n, dt, low, high)

    return draw


def normal_sampler(mean: float, std: float, generator: Generator | None) -> Sampler:
    """Normally distributed numbers; of complex ones both parts have half the variance."""
    g = stream_of(generator)
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")

    def draw(n: int, dt: Dtype, dense: bool) -> Any:
        if dt.is_complex:
            part = std / math.sqrt(2.0)
            return g.normal(2 * n, dt.to_real(), mean, part, dense).view(dt.name)
        if not dt.is_floating_point and n:
            raise refused("normal_kernel_cpu", dt)
        return g.normal(n, dt, mean, std, dense)

    return draw


def continuous_sampler(
    name: str, error: type[Exception], numbers: Callable[[int, Dtype], Any]
) -> Sampler:
    """A sampler drawn number by number, for floating-point dtypes only."""

    def draw(n: int, dt: Dtype, dense: bool) -> Any:
        if not dt.is_floating_point:
            raise error(f"{name}: the dtype must be a floating point but you specified {dt.name}")
        return numbers(n, dt)

    return draw


def integer_sampler(low: int, high: int | None, generator: Generator | None) -> Sampler:
    """Integers from `low` to `high` - 1, or to the dtype's largest if `high` is None."""
    g = stream_of(generator)
    if high is not None and low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )

    def draw(n: int, dt: Dtype, dense: bool) -> Any:
        if high is None and low == -(2**63):
            if n and dt.name not in ("int64", "float64", "float32"):
                raise RuntimeError(f"the full 64 bits do not fit in {dt.name}")
            return g.randint(n, low, 2**63, dt)
        start, end = integer_bounds(low, high, dt)
        return g.randint(n, start, end, dt)

    return draw


def integer_bounds(low: int, high: int | None, dt: Dtype) -> tuple[int, int]:
    """The bounds, rounded inwards to values of the dtype, and checked to be in its range."""
    if dt.category == COMPLEX:
        raise RuntimeError(
            "check_random_bounds handles only integral, floating-point and boolean types"
        )
    if dt.is_floating_point:
        digits = DIGITS[dt.name]
        least, most = int(dtypes.finfo(dt).min), int(dtypes.finfo(dt).max)
        end = 2**digits + 1 if high is None else high
        if _rounded(low + 1, digits) < low:
            low = _rounded(low + 1, digits) + 2 ** (abs(low + 1).bit_length() - digits)
        if high is not None and _rounded(high - 1, digits) >= high:
            end = _rounded(high - 1, digits) - 2 ** (abs(high - 1).bit_length() - digits)
        if low >= end:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={end}"
            )
        if low < -(2**digits) or end - 1 > 2**digits:
            warnings.warn(
                f"random_ is asked for integers from {low} to {end - 1}, but {dt.name} holds all "
                f"integers only from -(2^{digits}) to 2^{digits}",
                stacklevel=2,
            )
    else:
        info = None if dt.category == BOOL else dtypes.iinfo(dt)
        least, most = (0, 1) if info is None else (info.min, info.max)
        end = most + 1 if high is None else high
        most = min(most, 2**63 - 1)
    for name, bound in (("from", low), ("to - 1", end - 1)):
        if not least <= bound <= most:
            raise RuntimeError(f"{name} is out of bounds for {dt.name}")
    return low, end


def _rounded(value: int, digits: int) -> int:
    """The nearest integer with that many significant bits, ties to even."""
    unit = 1 << max(abs(value).bit_length() - digits, 0)
    whole, part = divmod(abs(value), unit)
    whole += 2 * part > unit or (2 * part == unit and whole % 2)
    return whole * unit if value >= 0 else -whole * unit
