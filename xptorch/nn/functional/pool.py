"""Pooling over windows of fixed size: maximum, mean and Lp norm; and max unpooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import BOOL, COMPLEX, FLOAT
from xptorch._core.mode import local
from xptorch._engine import graph
from xptorch.ops._common import need_tensor, refuse, shape_text, to_dtype, type_name
from xptorch.ops._factories import named
from xptorch.ops._numerics import in_float32
from xptorch.ops.elementwise import arithmetic
from xptorch.ops.layers.pooling import avg_pool, max_indices, max_pool
from xptorch.ops.layers.window import Axes, Geometry
from xptorch.ops.shape import views

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

Sizes = int | tuple[int, ...]

__all__ = [
    *("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
    *("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices"),
    *("lp_pool1d", "lp_pool2d", "lp_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d"),
]


# ---- maxima


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window over one axis; arguments as for `max_pool2d`."""
    settings = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool1d", input, settings, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window over two axes.

    Args:
        input: the images.
        kernel_size: size of the window; here and below a number, or one for each axis.
        stride: step from window to window; the kernel's size by default.
        padding: −∞ added on both sides, at most half the kernel.
        dilation: step between the elements of a window.
        ceil_mode: let the last window reach beyond the padded input.
        return_indices: also return the maxima's indices in h · w; of equal ones the first.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, h', w') or (c, h', w').

    Raises:
        RuntimeError: shapes or settings that do not fit together.
    """
    settings = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool2d", input, settings, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window over three axes; arguments as for `max_pool2d`."""
    settings = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool3d", input, settings, return_indices)


def with_indices(pool: Callable[..., Any]) -> Callable[..., tuple[Tensor, Tensor]]:
    """A pool that also returns indices, whatever `return_indices` is."""
    place = pool.__code__.co_varnames.index("return_indices")

    @wraps(pool)
    def function(*args: Any, **kwargs: Any) -> Any:
        if len(args) > place:
            return pool(*args[:place], True, *args[place + 1 :], **kwargs)
        return pool(*args, **{**kwargs, "return_indices": True})

    doc = f"`{pool.__name__}` with indices, whatever `return_indices` says."
    return named(function, f"{pool.__name__}_with_indices", doc)


max_pool1d_with_indices = with_indices(max_pool1d)
max_pool2d_with_indices = with_indices(max_pool2d)
max_pool3d_with_indices = with_indices(max_pool3d)


def _max_pool(name: str, x: Tensor, settings: tuple[Any, ...], with_indices: bool) -> Any:
    need_tensor(x, name)
    how = _plan(name, x._data.shape, *_hashable(settings))
    refused = (BOOL, COMPLEX) if len(how.size) > 1 else (BOOL, COMPLEX, dtypes.INTEGER)
    refuse(name, x, *refused)
    return maxima(x, how, with_indices)


def maxima(x: Tensor, how: Geometry, with_indices: bool) -> Any:
    lowest = -math.inf if x.dtype.category == FLOAT else dtypes.iinfo(x.dtype).min
    batched = x._data.ndim == len(how.size) + 2
    x = x if batched else views.unsqueeze(x, 0)
    y = max_pool(x, how=how, lowest=lowest)
    y = y if batched else views.squeeze(y, 0)
    if not with_indices:
        return y
    places = local.mode.run(max_indices, x._device.xp, x._data, how, lowest)
    indices = graph.wrap(places, x._device)
    return y, indices if batched else views.squeeze(indices, 0)


# ---- means


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window over one axis; arguments as for `avg_pool2d`."""
    settings = (kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool("avg_pool1d", input, settings, count_include_pad, None)


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window over two axes.

    Args:
        input: the images.
        kernel_size: size of the window; here and below a number, or one for each axis.
        stride: step from window to window; the kernel's size by default.
        padding: zeros added on both sides, at most half the kernel.
        ceil_mode: let the last window reach beyond the padded input.
        count_include_pad: whether the zeros added count as elements.
        divisor_override: divide by this instead of the number of elements.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, h', w') or (c, h', w').

    Raises:
        RuntimeError: shapes or settings that do not fit together.
    """
    settings = (kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool("avg_pool2d", input, settings, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window over three axes; arguments as for `avg_pool2d`."""
    settings = (kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool("avg_pool3d", input, settings, count_include_pad, divisor_override)


def _avg_pool(
    name: str, x: Tensor, settings: tuple[Any, ...], include_pad: bool, divisor: int | None
) -> Tensor:
    need_tensor(x, name)
    settings = _hashable(settings)
    how = _plan(name, x._data.shape, *settings)
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    if x.dtype is not dtypes.int64:
        refuse(name, x, BOOL, COMPLEX, dtypes.INTEGER)
    divide = divisor or _counts(how, settings[2], bool(include_pad))
    return means(x, how, divide)


def means(x: Tensor, how: Geometry, divide: Any) -> Tensor:
    if x.dtype.category != FLOAT:
        exact = means(to_dtype(x, dtypes.float64), how, divide)
        return to_dtype(exact, x.dtype)
    if x._data.ndim == len(how.size) + 2:
        return in_float32(avg_pool, x, how=how, divide=divide)
    return views.squeeze(means(views.unsqueeze(x, 0), how, divide), 0)


@lru_cache(maxsize=1024)
def _counts(how: Geometry, padding: Any, include_pad: bool) -> Any:
    """The number of elements counted in each window: one int if it is the same for all."""
    each = padding if isinstance(padding, tuple) else (padding,)
    pads = tuple(each) * (len(how.size) // len(each))
    if not any(map(any, how.padding)):
        return math.prod(how.kernel)
    found = []
    for i, p in enumerate(pads):
        least, most = (-p, how.size[i] + p) if include_pad else (0, how.size[i])
        starts = [o * how.stride[i] - p for o in range(how.counts[i])]
        ends = [min(s + how.kernel[i], most) for s in starts]
        found.append(tuple(e - max(s, least) for s, e in zip(starts, ends, strict=True)))
    if all(len(set(counts)) == 1 for counts in found):
        return math.prod(counts[0] for counts in found)
    return tuple(found)


# ---- Lp norms


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(Σ xᵖ)^(1/p) over each window of one axis."""
    return _lp_pool(avg_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(Σ xᵖ)^(1/p) over each window of two axes."""
    return _lp_pool(avg_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(Σ xᵖ)^(1/p) over each window of three axes."""
    return _lp_pool(avg_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    mean: Any, d: int, x: Tensor, p: float, kernel: Sizes, stride: Any, ceil: bool
) -> Tensor:
    if math.isinf(p):
        settings = (kernel, stride, 0, 1, ceil)
        magnitudes = x.abs() if p > 0 else -x.abs()
        extremes: Tensor = _max_pool(f"max_pool{d}d", magnitudes, settings, False)
        return extremes if p > 0 else -extremes
    powers = mean(arithmetic.pow(x, p), kernel, stride, 0, ceil)
    count = math.prod(kernel) if isinstance(kernel, (tuple, list)) else kernel**d
    return arithmetic.pow(powers * count, 1.0 / p)


# ---- max unpooling


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Any = None,
) -> Tensor:
    """Maxima over one axis put back at their indices; arguments as for `max_unpool2d`."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Any = None,
) -> Tensor:
    """The maxima of `max_pool2d` put back at their indices, zeros elsewhere.

    Args:
        input: the maxima.
        indices: their indices, as `max_pool2d` returns them.
        kernel_size: size of the window; here and below as it was for `max_pool2d`.
        stride: step from window to window; the kernel's size by default.
        padding: what was added on both sides.
        output_size: which of several possible sizes the result is to have.

    Shape: (n, c, h, w) or (c, h, w) → (n, c, h', w') or (c, h', w') with
        h' = (h − 1)·stride − 2·padding + kernel_size unless `output_size` is given.

    Raises:
        RuntimeError: indices out of range, or of another shape than the input.
        ValueError: an output size that pooling cannot reduce to the input's.
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Any = None,
) -> Tensor:
    """Maxima over three axes put back at their indices; arguments as for `max_unpool2d`."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _unpool(d: int, x: Tensor, indices: Tensor, *settings: Any) -> Tensor:
    from xptorch.ops.index import scatter

    name = f"max_unpool{d}d"
    kernel_size, stride, padding, output_size = settings
    kernel = _each(name, "kernel_size", kernel_size, d)
    steps = kernel if stride is None or stride == [] else _each(name, "stride", stride, d)
    pads = _each(name, "padding", padding, d)
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {type_name(indices.dtype)}"
        )
    if indices._data.shape != x._data.shape:
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor "
            f"({shape_text(x.shape)}) but got indices tensor with shape: "
            f"{shape_text(indices.shape)}"
        )
    if x._data.ndim not in (d + 1, d + 2):
        raise RuntimeError(
            f"Input to {name} should be a {d + 1}d or {d + 2}d Tensor, but got a tensor with dim: "
            f"{x._data.ndim}"
        )
    size = _unpooled_size(x._data.shape[-d:], kernel, steps, pads, output_size)
    lead = x._data.shape[:-d]
    places = views.reshape(indices, (*lead, math.prod(x._data.shape[-d:])))
    low, high = (int(places.min()), int(places.max())) if places.numel() else (0, 0)
    if low < 0 or high >= math.prod(size):
        worst = low if low < 0 else high
        raise RuntimeError(
            f"Found an invalid max index: {worst} (output volumes are of size "
            f"{'x'.join(map(str, size))}"
        )
    zeros = x.new_zeros((*lead, math.prod(size)))
    out = scatter.scatter(zeros, -1, places, views.reshape(x, places.shape))
    return views.reshape(out, (*lead, *size))


def _unpooled_size(x: Axes, kernel: Axes, steps: Axes, pads: Axes, wanted: Any) -> Axes:
    axes = zip(x, kernel, steps, pads, strict=True)
    default = tuple((n - 1) * s + k - 2 * p for n, k, s, p in axes)
    if wanted is None:
        return default
    d = len(x)
    wanted = tuple(wanted)
    if len(wanted) == d + 2:
        wanted = wanted[2:]
    if len(wanted) != d:
        raise ValueError(
            f"output_size should be a sequence containing {d} or {d + 2} elements, but it has a "
            f"length of '{len(wanted)}'"
        )
    for i, (w, n, s) in enumerate(zip(wanted, default, steps, strict=True)):
        if not n - s < w < n + s:
            raise ValueError(
                f'invalid output_size "{wanted}" (dim {i} must be between {n - s} and {n + s})'
            )
    return wanted


# ---- from arguments to a geometry


def _hashable(settings: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([tuple(s) if isinstance(s, list) else s for s in settings])


@lru_cache(maxsize=1024, typed=True)
def _plan(
    name: str,
    x: Axes,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> Geometry:
    """The geometry of a pool's windows, after all checks of shapes and settings."""
    d = int(name[-2])
    kernel = _each(name, "kernel_size", kernel_size, d)
    steps = kernel if stride is None or stride == () else _each(name, "stride", stride, d)
    pads = _each(name, "padding", padding, d)
    gaps = _each(name, "dilation", dilation, d)
    _check_shape(name, x, d)
    _check_settings(name, kernel, steps, pads, gaps)
    counts = []
    widths = []
    for n, k, s, p, g in zip(x[-d:], kernel, steps, pads, gaps, strict=True):
        reach = g * (k - 1) + 1
        count = (n + 2 * p - reach + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1  # the last window would start in the padding
        counts.append(count)
        widths.append((p, max((count - 1) * s + reach - n - p, p)))
    if any(c < 1 for c in counts):
        raise RuntimeError(
            f"Given input size: ({_by(x[-d - 1 :])}). Calculated output size: "
            f"({_by((x[-d - 1], *counts))}). Output size is too small"
        )
    return Geometry(x[-d:], kernel, steps, tuple(widths), gaps)


def _check_shape(name: str, x: Axes, d: int) -> None:
    if len(x) < d + 1 and name == "avg_pool2d":
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-{len(x)}, {len(x) - 1}], but "
            "got -3)"
        )
    if len(x) not in (d + 1, d + 2) or 0 in x[-d - 1 :]:
        raise RuntimeError(
            f"{name}: Expected {d + 1}D or {d + 2}D (batch mode) tensor with optional 0 dim batch "
            f"size for input, but got: {shape_text(x)}"
        )


def _check_settings(name: str, kernel: Axes, steps: Axes, pads: Axes, gaps: Axes) -> None:
    if any(s <= 0 for s in steps):
        raise RuntimeError(f"{name}: stride should be greater than zero, but got {steps}")
    if any(k <= 0 for k in kernel):
        raise RuntimeError(f"{name}: kernel size should be greater than zero, but got {kernel}")
    if any(g <= 0 for g in gaps):
        raise RuntimeError(f"{name}: dilation should be greater than zero, but got {gaps}")
    for k, p, g in zip(kernel, pads, gaps, strict=True):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (g * (k - 1) + 1) // 2:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k} and dilation={g}"
            )


def _each(function: str, name: str, value: Any, d: int) -> Axes:
    """A setting for each of d axes."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    for v in values:
        if not hasattr(v, "__index__"):
            raise TypeError(
                f"{function}(): argument '{name}' must be tuple of ints, not {type(v).__name__}"
            )
    if len(values) not in (1, d):
        words = {1: "one int", 2: "two ints", 3: "three ints"}
        raise RuntimeError(
            f"{function}: {name} must either be a single int, or a tuple of {words[d]}"
        )
    return tuple(int(v) for v in values) * (d if len(values) == 1 else 1)


def _by(sizes: Any) -> str:
    return "x".join(map(str, sizes))
