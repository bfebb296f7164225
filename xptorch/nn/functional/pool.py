"""Pooling over one, two and three axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch import _dtype, _engine
from xptorch.ops import shape
from xptorch.ops._common import need_tensor, refuse, shape_text
from xptorch.ops.pooling import Pool, max_indices, max_pool, sum_pool, window_sizes

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

Sizes = int | tuple[int, ...]

__all__ = [
    *("max_pool1d", "max_pool2d", "max_pool3d"),
    *("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices"),
    *("max_unpool1d", "max_unpool2d", "max_unpool3d"),
    *("avg_pool1d", "avg_pool2d", "avg_pool3d"),
    *("lp_pool1d", "lp_pool2d", "lp_pool3d"),
    *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
]


def _each(value: Any, d: int, name: str) -> tuple[int, ...]:
    """One number for each of d axes."""
    if isinstance(value, int):
        return (value,) * d
    values = tuple(int(v) for v in value)
    if len(values) == 1:
        return values * d
    if len(values) != d:
        raise RuntimeError(f"{name} must either be a single int, or a tuple of {d} ints")
    return values


def _geometry(
    input: Tensor,
    d: int,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    name: str,
) -> Pool:
    need_tensor(input, name)
    if input.ndim not in (d + 1, d + 2):
        raise RuntimeError(
            f"{name}: expected {d + 1}D or {d + 2}D tensor for input, but got {input.ndim}D with "
            f"shape {shape_text(input.shape)}"
        )
    size = input._data.shape[-d:]
    if any(n == 0 for n in input._data.shape[-d - 1 :]):
        raise RuntimeError(
            f"{name}: Expected {d + 1}D or {d + 2}D (batch mode) tensor with optional 0 dim batch "
            f"size for input, but got: {shape_text(input.shape)}"
        )
    kernel = _each(kernel_size, d, "kernel_size")
    step = _each(stride, d, "stride") if stride is not None and stride != [] else kernel
    pad, gap = _each(padding, d, "padding"), _each(dilation, d, "dilation")
    if min(kernel) <= 0:
        raise RuntimeError(f"{name}: kernel size should be greater than zero, but got {kernel}")
    if min(step) <= 0:
        raise RuntimeError(f"{name}: stride should not be zero, but got {step}")
    if min(gap) <= 0:
        raise RuntimeError(f"{name}: dilation should be greater than zero, but got {gap}")
    for p, k, g in zip(pad, kernel, gap, strict=True):
        if p < 0:
            raise RuntimeError(f"{name}: pad must be non-negative, but got pad: {p}")
        if p > ((k - 1) * g + 1) // 2:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k} and dilation={g}"
            )
    axes = zip(size, kernel, step, pad, gap, strict=True)
    counts = tuple(_count(*axis, ceil_mode) for axis in axes)
    if min(counts) < 1:
        raise RuntimeError(
            f"Given input size: {tuple(input.shape[-d - 1 :])}. Calculated output size: "
            f"{(input.shape[-d - 1], *counts)}. Output size is too small"
        )
    return Pool(tuple(size), kernel, step, pad, gap, counts)


def _count(size: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    free = size + 2 * p - d * (k - 1) - 1
    count = (-(-free // s) if ceil_mode else free // s) + 1
    if ceil_mode and (count - 1) * s >= size + p:
        count -= 1  # a window that starts in the padding behind is none
    return count


# ---- the largest


def _max_pool(d: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    name = f"max_pool{d}d"

    def with_indices(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = True,
    ) -> tuple[Tensor, Tensor]:
        how = _geometry(input, d, kernel_size, stride, padding, dilation, ceil_mode, name)
        on = input._device
        index = _engine.wrap(max_indices(on.xp, input._data, how), on)
        flat = shape.flatten(input, -d).gather(-1, shape.flatten(index, -d))
        return flat.reshape(index.shape), index

    def function(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        if return_indices:
            return with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
        how = _geometry(input, d, kernel_size, stride, padding, dilation, ceil_mode, name)
        refuse(name, input, _dtype.BOOL, _dtype.COMPLEX)
        return max_pool(input, how=how)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The largest element of each window along the last {d} axes."
    with_indices.__name__ = with_indices.__qualname__ = f"{name}_with_indices"
    with_indices.__doc__ = "(maxima, their places in the flattened last axes)."
    return function, with_indices


max_pool1d, max_pool1d_with_indices = _max_pool(1)
max_pool2d, max_pool2d_with_indices = _max_pool(2)
max_pool3d, max_pool3d_with_indices = _max_pool(3)


def _max_unpool(d: int) -> Callable[..., Tensor]:
    name = f"max_unpool{d}d"

    def function(
        input: Tensor,
        indices: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        output_size: Any = None,
    ) -> Tensor:
        kernel = _each(kernel_size, d, "kernel_size")
        step = kernel if stride is None else _each(stride, d, "stride")
        pad = _each(padding, d, "padding")
        axes = zip(input._data.shape[-d:], kernel, step, pad, strict=True)
        size = [(n - 1) * s - 2 * p + k for n, k, s, p in axes]
        if output_size is not None:
            wanted = list(output_size)[-d:]
            for n, m, s in zip(wanted, size, step, strict=True):
                if not m - s < n < m + s:
                    raise ValueError(
                        f"invalid output_size {wanted} (dim must be between {m - s} and {m + s})"
                    )
            size = wanted
        if indices.dtype is not _dtype.int64:
            raise RuntimeError("elements in indices should be type int64")
        if indices.shape != input.shape:
            raise RuntimeError(
                f"Expected shape of indices to be same as that of the input tensor "
                f"({shape_text(input.shape)}) but got indices tensor with shape: "
                f"{shape_text(indices.shape)}"
            )
        lead = input._data.shape[:-d]
        zeros = input.new_zeros((*lead, math.prod(size)))
        flat = zeros.scatter(-1, shape.flatten(indices, -d), shape.flatten(input, -d))
        return flat.reshape((*lead, *size))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Zeros with the maxima of a pool at the places they came from."
    return function


max_unpool1d, max_unpool2d, max_unpool3d = _max_unpool(1), _max_unpool(2), _max_unpool(3)


# ---- averages


def _avg_pool(d: int) -> Callable[..., Tensor]:
    name = f"avg_pool{d}d"

    def function(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        how = _geometry(input, d, kernel_size, stride, padding, 1, ceil_mode, name)
        refuse(name, input, _dtype.BOOL, _dtype.COMPLEX)
        if divisor_override == 0:
            raise RuntimeError("divisor must be not zero")
        total = sum_pool(input, how=how)
        if divisor_override is not None:
            return total / divisor_override
        sizes = window_sizes(how, count_include_pad)
        if all(len(set(s)) == 1 for s in sizes):
            return total / math.prod(s[0] for s in sizes)
        for i, s in enumerate(sizes):
            total = total / input.new_tensor(s).reshape((-1,) + (1,) * (d - 1 - i))
        return total

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The mean of each window along the last {d} axes."
    return function


_avg1d, avg_pool2d, avg_pool3d = _avg_pool(1), _avg_pool(2), _avg_pool(3)


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window along the last axis."""
    return _avg1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def _lp_pool(d: int) -> Callable[..., Tensor]:
    average = (_avg1d, avg_pool2d, avg_pool3d)[d - 1]

    def function(
        input: Tensor,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> Tensor:
        count = math.prod(_each(kernel_size, d, "kernel_size"))
        mean = average(input**norm_type, kernel_size, stride, 0, ceil_mode)
        return ((mean.sign() * mean.abs().relu()) * count) ** (1.0 / norm_type)

    function.__name__ = function.__qualname__ = f"lp_pool{d}d"
    function.__doc__ = "(Σ xᵖ)^(1/p) over each window."
    return function


lp_pool1d, lp_pool2d, lp_pool3d = _lp_pool(1), _lp_pool(2), _lp_pool(3)


# ---- to a given size


def _output_size(input: Tensor, output_size: Any, d: int, name: str) -> tuple[int, ...]:
    need_tensor(input, name)
    if input.ndim not in (d + 1, d + 2):
        raise RuntimeError(
            f"{name}(): Expected {d + 1}D or {d + 2}D tensor, but got {shape_text(input.shape)}"
        )
    if any(n == 0 for n in input._data.shape[-d - 1 :][1:]):
        raise RuntimeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input "
            f"has sizes {shape_text(input.shape)}"
        )
    sizes = (output_size,) * d if isinstance(output_size, int) else tuple(output_size)
    if len(sizes) == 1:
        sizes = sizes * d
    if len(sizes) != d:
        raise RuntimeError(f"{name}: output_size must be {d}")
    known = input._data.shape[-d:]
    wanted = tuple(n if s is None else int(s) for s, n in zip(sizes, known, strict=True))
    if min(wanted) < 0:
        raise RuntimeError(f"{name}: elements of output_size must be greater than or equal to 0")
    return wanted


def _windows(size: int, count: int) -> list[tuple[int, int]]:
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _even(input: Tensor, wanted: tuple[int, ...]) -> tuple[int, ...] | None:
    """The kernel of the plain pool that gives this size, if there is one."""
    sizes = input._data.shape[-len(wanted) :]
    if any(w == 0 or n % w for n, w in zip(sizes, wanted, strict=True)):
        return None
    return tuple(n // w for n, w in zip(sizes, wanted, strict=True))


def _adaptive_avg_pool(d: int) -> Callable[..., Tensor]:
    name = f"adaptive_avg_pool{d}d"
    average = (_avg1d, avg_pool2d, avg_pool3d)[d - 1]

    def function(input: Tensor, output_size: Any) -> Tensor:
        wanted = _output_size(input, output_size, d, name)
        refuse(name, input, _dtype.BOOL, _dtype.INTEGER, _dtype.COMPLEX)
        kernel = _even(input, wanted)
        if kernel is not None:
            return average(input, kernel)
        for i, count in enumerate(wanted):  # along each axis a product with the windows' weights
            axis = input.ndim - d + i
            size = input._data.shape[axis]
            rows = [
                [1 / (b - a) if a <= j < b else 0.0 for j in range(size)]
                for a, b in _windows(size, count)
            ]
            weights = input.new_tensor(rows).reshape(count, size)
            input = (input.transpose(axis, -1) @ weights.t()).transpose(axis, -1)
        return input

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Means over windows so laid that the last {d} axes get the size asked for."
    return function


adaptive_avg_pool1d = _adaptive_avg_pool(1)
adaptive_avg_pool2d, adaptive_avg_pool3d = _adaptive_avg_pool(2), _adaptive_avg_pool(3)


def _adaptive_max_pool(d: int) -> Callable[..., Any]:
    name = f"adaptive_max_pool{d}d"
    plain, with_indices = (
        (max_pool1d, max_pool1d_with_indices),
        (max_pool2d, max_pool2d_with_indices),
        (max_pool3d, max_pool3d_with_indices),
    )[d - 1]

    def function(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        wanted = _output_size(input, output_size, d, name)
        refuse(name, input, _dtype.BOOL, _dtype.INTEGER, _dtype.COMPLEX)
        kernel = _even(input, wanted)
        if kernel is not None:
            return (with_indices if return_indices else plain)(input, kernel)
        index = _adaptive_indices(input, wanted)
        flat = shape.flatten(input, -d).gather(-1, shape.flatten(index, -d))
        values = flat.reshape(index.shape)
        return (values, index) if return_indices else values

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Maxima over windows so laid that the last {d} axes get the size asked for."
    return function


def _adaptive_indices(input: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """Axis by axis, the last first: the places of the maxima in the flattened last axes."""
    d = len(wanted)
    size = input._data.shape[-d:]
    values = input.detach()
    place = values.new_tensor(range(math.prod(size)), dtype=_dtype.int64)
    place = place.reshape(size).expand(values.shape)
    for i in reversed(range(d)):
        axis = input.ndim - d + i
        parts = []
        for a, b in _windows(size[i], wanted[i]):
            part = values.narrow(axis, a, b - a)
            best = part.argmax(axis, True)
            parts.append((part.gather(axis, best), place.narrow(axis, a, b - a).gather(axis, best)))
        if not parts:
            return place.narrow(axis, 0, 0)
        values = shape.cat([v for v, _ in parts], axis)
        place = shape.cat([p for _, p in parts], axis)
    return place


adaptive_max_pool1d = _adaptive_max_pool(1)
adaptive_max_pool2d, adaptive_max_pool3d = _adaptive_max_pool(2), _adaptive_max_pool(3)
