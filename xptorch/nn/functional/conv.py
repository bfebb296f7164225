"""Convolutions and transposed convolutions over one, two and three axes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.mode import local
from xptorch.ops._common import need_tensor, shape_text, type_name
from xptorch.ops._numerics import in_float32
from xptorch.ops.layers.convolution import convolve, convolve_input
from xptorch.ops.layers.window import Axes, Geometry
from xptorch.ops.shape import views

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

Sizes = int | tuple[int, ...]

__all__ = [
    *("conv1d", "conv2d", "conv3d"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation over one axis; arguments as for `conv2d`.

    Shape: input (n, c, l) or (c, l), weight (o, c / groups, k); out (n, o, l') or (o, l').
    """
    return _convolution(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    r"""Cross-correlation over two axes: each output is a weighted sum over a window of the input.

    .. math:: y[n, o] = b[o] + \sum_c w[o, c] \star x[n, c]

    Args:
        input: the images.
        weight: the windows' weights.
        bias: what is added to each output channel.
        stride: step from window to window; here and below a number, or one for each axis.
        padding: zeros added on both sides; or ``"same"`` (as many as keep the size), ``"valid"``.
        dilation: step between the elements of a window.
        groups: number of groups of channels; each group of outputs reads only its own inputs.

    Shape: input (n, c, h, w) or (c, h, w), weight (o, c / groups, kh, kw), bias (o);
        out (n, o, h', w') or (o, h', w') with h' = (h + 2·padding − dilation·(kh − 1) − 1) //
        stride + 1.

    Raises:
        RuntimeError: shapes, dtypes or settings that do not fit together.
    """
    return _convolution(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation over three axes; arguments as for `conv2d`.

    Shape: input (n, c, d, h, w) or (c, d, h, w), weight (o, c / groups, kd, kh, kw).
    """
    return _convolution(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv1d`; arguments as for `conv_transpose2d`.

    Shape: input (n, c, l) or (c, l), weight (c, o / groups, k).
    """
    settings = (stride, padding, output_padding, dilation, groups)
    return _transposed(1, input, weight, bias, *settings)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv2d`: each input element adds scaled weights to an output window.

    Args:
        input: the images.
        weight: the windows' weights.
        bias: what is added to each output channel.
        stride: step from window to window in the output.
        padding: rows and columns removed on both sides of the output.
        output_padding: rows and columns added at the end of the output.
        groups: number of groups of channels; each group of outputs reads only its own inputs.
        dilation: step between the elements of a window.

    Shape: input (n, c, h, w) or (c, h, w), weight (c, o / groups, kh, kw), bias (o); out
        (n, o, h', w') or (o, h', w') with h' = (h − 1)·stride − 2·padding + dilation·(kh − 1) +
        output_padding + 1.

    Raises:
        RuntimeError: shapes, dtypes or settings that do not fit together.
    """
    settings = (stride, padding, output_padding, dilation, groups)
    return _transposed(2, input, weight, bias, *settings)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv3d`; arguments as for `conv_transpose2d`.

    Shape: input (n, c, d, h, w) or (c, d, h, w), weight (c, o / groups, kd, kh, kw).
    """
    settings = (stride, padding, output_padding, dilation, groups)
    return _transposed(3, input, weight, bias, *settings)


def _convolution(d: int, x: Tensor, w: Tensor, b: Tensor | None, *settings: Any) -> Tensor:
    name = f"conv{d}d"
    _check_tensors(name, x, w, b)
    if local.mode.casting is not None:
        x, w, b = local.mode.casting(x, w, b)
    bias = None if b is None else b._data.shape
    how = _plan(name, x._data.shape, w._data.shape, bias, *_hashable(settings))
    _check_dtypes(name, x, w, b)
    if x._data.ndim == d + 2:
        return in_float32(convolve, x, w, b, how=how)
    return views.squeeze(in_float32(convolve, views.unsqueeze(x, 0), w, b, how=how), 0)


def _transposed(d: int, x: Tensor, w: Tensor, b: Tensor | None, *settings: Any) -> Tensor:
    name = f"conv_transpose{d}d"
    _check_tensors(name, x, w, b)
    if local.mode.casting is not None:
        x, w, b = local.mode.casting(x, w, b)
    if isinstance(settings[1], str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str")
    bias = None if b is None else b._data.shape
    how = _plan_transposed(name, x._data.shape, w._data.shape, bias, *_hashable(settings))
    _check_dtypes(name, x, w, b)
    if x._data.ndim == d + 2:
        return in_float32(convolve_input, x, w, b, how=how)
    return views.squeeze(in_float32(convolve_input, views.unsqueeze(x, 0), w, b, how=how), 0)


# ---- from arguments to a geometry


def _hashable(settings: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([tuple(s) if isinstance(s, list) else s for s in settings])


@lru_cache(maxsize=1024, typed=True)
def _plan(
    name: str,
    x: Axes,
    w: Axes,
    b: Axes | None,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Geometry:
    """The geometry of a convolution, after all checks that need only shapes."""
    d = _axes_of(name, x)
    word, padding = (padding, 0) if isinstance(padding, str) else ("", padding)
    if word not in ("", "same", "valid"):
        raise RuntimeError(f"Invalid padding string: {word!r}")
    steps, pads, gaps = _settings(name, w, stride, padding, dilation, groups)
    widths = tuple((p, p) for p in pads)
    if word == "same":
        if any(s != 1 for s in steps):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        reach = [g * (k - 1) for g, k in zip(gaps, w[2:], strict=True)]
        widths = tuple((r // 2, r - r // 2) for r in reach)
    size = x[-d:]
    how = Geometry(size, w[2:], steps, widths, gaps, groups)
    _check_weight(w, groups, transposed=False)
    if x[-d - 1] != w[1] * groups:
        raise _wrong_channels(x, w, groups, x[-d - 1], w[1] * groups, transposed=False)
    _check_bias(w, b, w[0], transposed=False)
    reach = [g * (k - 1) + 1 for g, k in zip(gaps, w[2:], strict=True)]
    if any(s < r for s, r in zip(how.padded, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({_times(how.padded)}). Kernel size: "
            f"({_times(reach)}). Kernel size can't be greater than actual input size"
        )
    if 0 in size and x[-d - 1] and (len(x) < d + 2 or x[0]):
        raise RuntimeError(
            "Only zero batch or zero channel inputs are supported, but got input shape: "
            f"{shape_text(x)}"
        )
    return how


@lru_cache(maxsize=1024, typed=True)
def _plan_transposed(
    name: str,
    x: Axes,
    w: Axes,
    b: Axes | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    dilation: Sizes,
    groups: int,
) -> Geometry:
    """The geometry of the convolution whose transpose is requested."""
    d = _axes_of(name, x)
    steps, pads, gaps = _settings(name, w, stride, padding, dilation, groups)
    extra = _each(name, "output_padding", output_padding, d)
    if any(e < 0 for e in extra):
        raise RuntimeError("negative output_padding is not supported")
    if any(e >= max(s, g) for e, s, g in zip(extra, steps, gaps, strict=True)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"output_padding: {extra}, stride: {steps}, dilation: {gaps}"
        )
    _check_weight(w, groups, transposed=True)
    if x[-d - 1] != w[0]:
        raise _wrong_channels(x, w, groups, x[-d - 1], w[0], transposed=True)
    _check_bias(w, b, w[1] * groups, transposed=True)
    axes = zip(x[-d:], w[2:], steps, pads, gaps, extra, strict=True)
    size = tuple((n - 1) * s + g * (k - 1) + 1 - 2 * p + e for n, k, s, p, g, e in axes)
    if any(s < 1 for s in size) or 0 in x[-d:]:
        raise RuntimeError(
            f"Given input size per channel: ({_times(x[-d:])}). Calculated output size per "
            f"channel: ({_times(size)}). Output size is too small"
        )
    widths = tuple((p, p - e) for p, e in zip(pads, extra, strict=True))
    return Geometry(size, w[2:], steps, widths, gaps, groups)


def _axes_of(name: str, x: Axes) -> int:
    d = int(name[-2])
    if len(x) not in (d + 1, d + 2):
        raise RuntimeError(
            f"Expected {d + 1}D (unbatched) or {d + 2}D (batched) input to {name}, but got input "
            f"of size: {shape_text(x)}"
        )
    return d


def _settings(
    name: str, w: Axes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> tuple[Axes, Axes, Axes]:
    d = len(w) - 2
    steps = _each(name, "stride", stride, d)
    pads = _each(name, "padding", padding, d)
    gaps = _each(name, "dilation", dilation, d)
    if d != int(name[-2]):
        raise RuntimeError(
            f"expected a weight of {int(name[-2]) + 2} dimensions for {name}, but got weight of "
            f"size {shape_text(w)}"
        )
    if any(p < 0 for p in pads):
        raise RuntimeError("negative padding is not supported")
    if any(s <= 0 for s in steps):
        raise RuntimeError("non-positive stride is not supported")
    if any(g <= 0 for g in gaps):
        raise RuntimeError("non-positive dilation is not supported")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    return steps, pads, gaps


def _each(function: str, name: str, value: Any, d: int) -> Axes:
    """A setting for each of d axes."""
    values = tuple(value) if isinstance(value, tuple) else (value,)
    for v in values:
        if not hasattr(v, "__index__") or isinstance(v, bool):
            raise TypeError(
                f"{function}(): argument '{name}' must be tuple of ints, not {type(v).__name__}"
            )
    if len(values) not in (1, d):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {d} values to match the "
            f"convolution dimensions, but got {name}={list(values)}"
        )
    return tuple(int(v) for v in values) * (d if len(values) == 1 else 1)


def _times(sizes: Any) -> str:
    return " x ".join(map(str, sizes))


# ---- checks


def _check_tensors(name: str, x: Any, w: Any, b: Any) -> None:
    need_tensor(x, name, "input", 1)
    need_tensor(w, name, "weight", 2)
    if b is not None:
        need_tensor(b, name, "bias", 3)


def _check_dtypes(name: str, x: Tensor, w: Tensor, b: Tensor | None) -> None:
    if x._data.dtype != w._data.dtype:
        raise RuntimeError(
            f"Input type ({type_name(x.dtype)}Tensor) and weight type "
            f"({type_name(w.dtype)}Tensor) should be the same"
        )
    if b is not None and b._data.dtype != x._data.dtype:
        raise RuntimeError(
            f"Input type ({x.dtype.name}) and bias type ({b.dtype.name}) should be the same"
        )
    if x.dtype is dtypes.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")


def _check_weight(w: Axes, groups: int, transposed: bool) -> None:
    if w[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but "
            f"got weight of size {shape_text(w)} instead"
        )
    if w[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{shape_text(w)}] instead"
        )
    if 0 in w[2:]:
        raise RuntimeError(f"kernel size should be greater than zero, but got {_times(w[2:])}")


def _wrong_channels(
    x: Axes, w: Axes, groups: int, got: int, wanted: int, transposed: bool
) -> RuntimeError:
    return RuntimeError(
        f"Given {'transposed=1' if transposed else f'groups={groups}'}, weight of size "
        f"{shape_text(w)}, expected input{shape_text(x)} to have {wanted} channels, but got {got} "
        "channels instead"
    )


def _check_bias(w: Axes, b: Axes | None, channels: int, transposed: bool) -> None:
    if b is not None and b != (channels,):
        given = "transposed=1, " if transposed else ""
        raise RuntimeError(
            f"Given {given}weight of size {shape_text(w)}, expected bias to be 1-dimensional with "
            f"{channels} elements, but got bias of size {shape_text(b)} instead"
        )
