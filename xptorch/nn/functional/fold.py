"""Sliding windows of images as columns (im2col), and the adjoint sum (col2im)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.backend import window_count
from xptorch._core.dtype import BOOL, COMPLEX, FLOAT
from xptorch.ops._common import need_tensor, shape_text, to_dtype, type_name
from xptorch.ops.layers.window import Axes
from xptorch.ops.layers.window import fold as fold_windows
from xptorch.ops.layers.window import unfold as unfold_windows
from xptorch.ops.shape import views
from xptorch.ops.shape.copy_and_fill import constant_pad

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

Sizes = int | tuple[int, int]

__all__ = ["fold", "unfold"]


def unfold(
    input: Tensor,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """The windows of images as columns, which a convolution multiplies by its weights.

    Args:
        input: the images.
        kernel_size: size of the window; here and below a number, or one for each axis.
        dilation: step between the elements of a window.
        padding: zeros added on both sides.
        stride: step from window to window.

    Shape: (n, c, h, w) or (c, h, w) → (n, c · kh · kw, windows) or (c · kh · kw, windows).

    Raises:
        RuntimeError: no window fits.
    """
    need_tensor(input, "unfold")
    kernel, gaps, pads, steps = _settings(kernel_size, dilation, padding, stride)
    x = input._data.shape
    if len(x) < 3:
        raise IndexError(f"unfold: expected an image of 3 or 4 dimensions, got {shape_text(x)}")
    if len(x) not in (3, 4) or 0 in x[len(x) == 4 :]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {shape_text(x)}"
        )
    counts = _counts(x[-2:], kernel, gaps, pads, steps)
    if any(c < 1 for c in counts):
        raise RuntimeError(
            f"Given input with spatial size {x[-2:]}, kernel_size={kernel}, dilation={gaps}, "
            f"padding={pads}, calculated shape of the array of sliding blocks as {counts}, but its "
            "components must be at least one."
        )
    _refuse("im2col_out_cpu", input)
    if len(x) == 3:
        return views.squeeze(_unfold(views.unsqueeze(input, 0), kernel, gaps, pads, steps), 0)
    return _unfold(input, kernel, gaps, pads, steps)


def _unfold(x: Tensor, kernel: Axes, gaps: Axes, pads: Axes, steps: Axes) -> Tensor:
    n, c = x._data.shape[:2]
    x = views.permute(x, 0, 2, 3, 1)
    x = constant_pad(x, ((0, 0), *[(p, p) for p in pads], (0, 0)), 0)  # always a copy
    windows = unfold_windows(x, kernel=kernel, stride=steps, dilation=gaps)
    windows = views.permute(windows, 0, 5, 3, 4, 1, 2)
    return views.reshape(windows, (n, c * math.prod(kernel), math.prod(windows._data.shape[4:])))


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Columns put back into images, summed where windows overlap.

    Args:
        input: columns, as `unfold` returns them.
        output_size: the images' height and width.
        kernel_size: size of the window; here and below a number, or one for each axis.
        dilation: step between the elements of a window.
        padding: what `unfold` added on both sides.
        stride: step from window to window.

    Shape: (n, c · kh · kw, windows) or (c · kh · kw, windows) → (n, c, h, w) or (c, h, w).

    Raises:
        RuntimeError: the number or length of the columns does not match the settings.
    """
    need_tensor(input, "fold")
    size = _two(output_size, "output_size")
    kernel, gaps, pads, steps = _settings(kernel_size, dilation, padding, stride)
    x = input._data.shape
    if len(x) not in (2, 3) or 0 in x[len(x) == 3 :]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {shape_text(x)}"
        )
    counts = _counts(size, kernel, gaps, pads, steps)
    if x[-2] % math.prod(kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={x[-2]} and kernel_size={kernel}."
        )
    if x[-1] != math.prod(counts) or any(c < 1 for c in counts) or any(s < 1 for s in size):
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={gaps}, padding={pads}, "
            f"stride={steps}, expected size of input's dimension 2 to match the calculated number "
            f"of sliding blocks {counts[0]} * {counts[1]} = {math.prod(counts)}, but got "
            f"input.size(2)={x[-1]}."
        )
    _refuse("col2im_out_cpu", input)
    if input.dtype.category == BOOL:  # overlapping windows are combined by "or"
        whole = to_dtype(input, dtypes.float32)
        return to_dtype(
            fold(whole, output_size, kernel_size, dilation, padding, stride), input.dtype
        )
    columns = input if len(x) == 3 else views.unsqueeze(input, 0)
    n, c = columns._data.shape[0], x[-2] // math.prod(kernel)
    windows = views.permute(views.reshape(columns, (n, c, *kernel, *counts)), 0, 4, 5, 2, 3, 1)
    padded = (size[0] + 2 * pads[0], size[1] + 2 * pads[1])
    y = fold_windows(windows, size=padded, kernel=kernel, stride=steps, dilation=gaps)
    y = views.permute(y, 0, 3, 1, 2)
    if any(pads):
        y = constant_pad(y, ((0, 0), (0, 0), *[(-p, -p) for p in pads]), 0)
    return y if len(x) == 3 else views.squeeze(y, 0)


def _settings(kernel: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Axes, ...]:
    sizes = _two(kernel, "kernel_size")
    gaps, pads, steps = _two(dilation, "dilation"), _two(padding, "padding"), _two(stride, "stride")
    for name, what, values in (
        ("kernel size", "kernel", sizes),
        ("stride", "stride", steps),
        ("dilation", "dilation", gaps),
    ):
        if any(v <= 0 for v in values):
            raise RuntimeError(
                f"{name} should be greater than zero, but got {what}_height: {values[0]} "
                f"{what}_width: {values[1]}"
            )
    if any(p < 0 for p in pads):
        raise RuntimeError(
            f"padding should be non-negative, but got pad_height: {pads[0]} pad_width: {pads[1]}"
        )
    return sizes, gaps, pads, steps


def _two(value: Any, name: str) -> Axes:
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(value)}")
        return tuple(map(int, value))
    if not hasattr(value, "__index__"):
        raise TypeError(f"argument '{name}' must be tuple of ints, not {type(value).__name__}")
    return (int(value),) * 2


def _counts(size: Axes, kernel: Axes, gaps: Axes, pads: Axes, steps: Axes) -> Axes:
    axes = zip(size, kernel, steps, gaps, pads, strict=True)
    return tuple(window_count(s + 2 * p, k, step, gap) for s, k, step, gap, p in axes)


def _refuse(kernel: str, x: Tensor) -> None:
    if x.dtype.category not in (BOOL, FLOAT, COMPLEX):
        raise NotImplementedError(f'"{kernel}" not implemented for {type_name(x.dtype)!r}')
