"""The interface to array libraries: class `Backend`.

A backend is one array library. Its namespace `xp` holds the array API's functions and the few that
the standard lacks (`unfold`, `index_add`, …: the methods below under "on xp"), each with a generic
version here that uses only the standard's functions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from xptorch._core import erf as _erf

Array = Any  # an array of any library
Namespace = Any  # the functions of a library


class _Namespace:
    """An array library's functions, the backend's methods first; each is cached at first use."""

    def __init__(self, library: Namespace, **functions: Any) -> None:
        self.__dict__.update(functions, library=library)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.library, name)
        setattr(self, name, value)
        return value


class Backend:
    """One array library. Subclasses override what differs; the defaults need only the standard.

    Attributes:
        name: the backend's name, such as ``"numpy"``.
        hint: what to install to get it, for error messages.
        xp: its namespace: the array API's functions, and the methods named in `ON_XP`.
    """

    name: ClassVar[str]
    hint: ClassVar[str] = ""
    block: ClassVar[int] = 1 << 20  # elements that large operations should process at a time
    kernels: ClassVar[Mapping[str, Callable[..., Any]]] = {}  # see `dispatchable` in _engine/op.py
    ON_XP: ClassVar[tuple[str, ...]] = (
        *("shares_memory", "owns_memory", "strides", "address", "reshape_view", "as_strided"),
        *("diagonal", "assign", "iadd", "add_to", "astype", "block", "kernels"),
        *("unfold", "fold", "window_dot", "window_dot_grad", "pad", "zeros_with"),
        *(
            "index_add",
            "index_put",
            "segment_sum",
            "add_along_axis",
            "put_along_axis",
            "flat_index",
        ),
        *("where_or_zero", "relu", "softmax_shift", "erf", "erfc"),
    )

    def __init__(self, library: Namespace) -> None:
        methods = {name: getattr(self, name) for name in self.ON_XP}
        self.xp: Namespace = _Namespace(library, **methods)

    # ---- devices and host copies

    def device_count(self) -> int:
        """The number of usable devices of this library; 0 if there is none."""
        return 1

    def current_index(self) -> int | None:
        """The index of a device that is given without one; None where there is only one device."""
        return None

    def raw_device(self, index: int | None) -> Any:
        """The value that the library's functions take as `device=`."""
        return None

    def activate(self, index: int | None) -> AbstractContextManager[Any]:
        """A context in which the library creates and computes on that device."""
        return nullcontext()

    def from_host(self, array: Any, index: int | None) -> Array:
        """A NumPy array, copied to the device."""
        return self.xp.asarray(array, device=self.raw_device(index), copy=True)

    def to_host(self, x: Array) -> Any:
        """The array as a NumPy array; shares memory where the library keeps arrays on the host."""
        raise NotImplementedError(f"{self.name}: to_host")

    def synchronize(self, index: int | None = None) -> None:
        """Wait until all work queued on the device is done."""

    def memory_stats(self, index: int | None = None, reset_peak: bool = False) -> dict[str, int]:
        """Bytes: allocated, reserved, peak, free, total; empty where the library reports none.

        Args:
            reset_peak: restart the measurement of `peak`.
        """
        return {}

    def properties(self, index: int | None = None) -> dict[str, Any]:
        """A GPU's name, major, minor, total_memory and multi_processor_count."""
        raise NotImplementedError(f"{self.name}: properties of a device")

    def empty_cache(self) -> None:
        """Release unused cached memory."""

    def threads(self, count: int | None = None) -> int:
        """The number of host threads that the library uses; set to `count` if that is given."""
        return 1

    def ignore_fp_warnings(self) -> None:
        """Suppress the library's warnings about overflow and 0/0, in the current context."""

    # ---- on xp: memory

    def shares_memory(self, y: Array, x: Array) -> bool:
        """Whether `y`, made from `x` by a shape operation, shares its memory."""
        return False

    def owns_memory(self, x: Array) -> bool:
        """Whether `x` owns its memory, rather than sharing that of another array."""
        return False

    def strides(self, x: Array) -> tuple[int, ...]:
        """The strides in elements; those of C order where the library does not report them."""
        sizes = [max(s, 1) for s in x.shape]
        return tuple(math.prod(sizes[i + 1 :]) for i in range(len(sizes)))

    def address(self, x: Array) -> int:
        """The memory address of the first element."""
        raise NotImplementedError(f"{self.name} does not tell where its arrays lie in memory")

    def reshape_view(self, x: Array, shape: tuple[int, ...]) -> Array | None:
        """`x` in another shape without a copy, or None where that is impossible."""
        try:
            return self.xp.reshape(x, shape, copy=False)
        except (ValueError, AttributeError):
            return None

    def assign(self, x: Array, key: Any, value: Any) -> Array:
        """`x[key] = value` by basic indices; returns the array that holds the result."""
        x[key] = value
        return x

    def iadd(self, x: Array, y: Array) -> Array:
        """`x += y`; returns the array that holds the result."""
        x += y
        return x

    def add_to(self, x: Array, key: Any, value: Array) -> Array:
        """`x[key] += value` by basic indices; returns the array that holds the result."""
        return self.assign(x, key, x[key] + value)

    def astype(self, x: Array, dtype: Any) -> Array:
        """`x` cast to a dtype; `x` itself if it has that dtype already."""
        return self.xp.library.astype(x, dtype, copy=False)

    def as_strided(
        self, x: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Array:
        """The memory of `x`, from `offset` on, with those strides in elements: a view if possible.

        The strides refer to the memory layout that `strides` reports: C order where it is unknown.
        """
        positions = element_positions(self.xp, shape, strides, offset, x.device)
        return self.xp.reshape(self.xp.take(self.xp.reshape(x, (-1,)), positions, axis=0), shape)

    def diagonal(self, x: Array, offset: int) -> Array:
        """The diagonals of the last two axes, as the last axis: a view if possible."""
        *lead, rows, cols = x.shape
        count = max(min(rows + min(offset, 0), cols - max(offset, 0)), 0)
        # In C order, one step along the diagonal is one row and one column.
        start = max(offset, -offset * cols) if count else 0
        flat = self.xp.reshape(x, (*lead, rows * cols))
        return flat[..., start : min(start + count * (cols + 1), rows * cols) : cols + 1]

    # ---- on xp: windows (arrays are n, s1 … sd, c: channels last, already padded)

    def unfold(
        self, x: Array, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
    ) -> Array:
        """All windows of `x` (n, s1 … sd, c) as (n, o1 … od, k1 … kd, c)."""
        xp, d = self.xp, len(kernel)
        taps = [x[key] for key in window_slices(x.shape[1:-1], kernel, stride, dilation)]
        stacked = xp.stack(taps, axis=d + 1)
        return xp.reshape(stacked, (*taps[0].shape[:-1], *kernel, x.shape[-1]))

    def fold(
        self,
        windows: Array,
        size: tuple[int, ...],
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...],
    ) -> Array:
        """The adjoint of `unfold`: windows summed where they overlap, as (n, s1 … sd, c)."""
        xp, n, c, d = self.xp, windows.shape[0], windows.shape[-1], len(kernel)
        counts = windows.shape[1 : d + 1]
        tiles = tuple(o * k for o, k in zip(counts, kernel, strict=True))
        if kernel == stride and size == tiles and set(dilation) <= {1}:  # windows tile it
            axes = (0, *[a for i in range(d) for a in (1 + i, 1 + d + i)], 2 * d + 1)
            return xp.reshape(xp.permute_dims(windows, axes), (n, *size, c))
        out = xp.zeros((n, *size, c), dtype=windows.dtype, device=windows.device)
        positions = window_slices(size, kernel, stride, dilation)
        for (lead, tap), key in zip(_taps(kernel), positions, strict=True):
            out = self.add_to(out, key, windows[(*lead, *tap)])
        return out

    def window_dot(self, windows: Array, w: Array) -> Array:
        """Windows (n, o…, k…, c) times weights (k…, c), summed over each window: (n, o…, c)."""
        total = None
        for lead, tap in _taps(w.shape[:-1]):
            product = windows[(*lead, *tap)] * w[tap]
            total = product if total is None else self.iadd(total, product)
        return total

    def window_dot_grad(self, windows: Array, g: Array) -> Array:
        """Windows (n, o…, k…, c) times (n, o…, c), summed over the windows: (k…, c)."""
        d = g.ndim - 2
        kernel = windows.shape[d + 1 : -1]
        axes = tuple(range(d + 1))
        sums = [self.xp.sum(windows[(*lead, *tap)] * g, axis=axes) for lead, tap in _taps(kernel)]
        return self.xp.reshape(self.xp.stack(sums), (*kernel, g.shape[-1]))

    def pad(self, x: Array, widths: tuple[tuple[int, int], ...], value: complex = 0) -> Array:
        """`x` with (before, after) more elements of `value` along each axis."""
        shape = tuple(s + a + b for s, (a, b) in zip(x.shape, widths, strict=True))
        out = self.xp.full(shape, value, dtype=x.dtype, device=x.device)
        inner = tuple(slice(a, a + s) for s, (a, _) in zip(x.shape, widths, strict=True))
        return self.assign(out, inner, x)

    def zeros_with(self, x: Array, shape: tuple[int, ...], key: Any) -> Array:
        """Zeros of that shape with `x` at the basic indices `key`."""
        zeros = self.xp.zeros(shape, dtype=x.dtype, device=x.device)
        if None in key:  # the standard supports new axes only for reading
            key = tuple(k for k in key if k is not None)
            x = self.xp.reshape(x, zeros[key].shape)
        return self.assign(zeros, key, x)

    # ---- on xp: scatter (along axis 0; `index` 1-D, not negative)

    def index_add(self, x: Array, index: Array, values: Array) -> Array:
        """A new array: `x` with ``values[i]`` added to row ``index[i]``; repeats accumulate."""
        found, rows = self._last_rows(x, index, values, total=True)
        return x + self.where_or_zero(rows, found)

    def segment_sum(self, values: Array, index: Array, count: int) -> Array:
        """`count` rows of zeros with ``values[i]`` added to row ``index[i]``."""
        shape = (count, *values.shape[1:])
        zeros = self.xp.zeros(shape, dtype=values.dtype, device=values.device)
        return self.xp.index_add(zeros, index, values)

    def add_along_axis(
        self, values: Array, index: Array, axis: int, shape: tuple[int, ...]
    ) -> Array:
        """Zeros of that shape with `values` added at the positions `index` along an axis."""
        xp, flat = self.xp, self.flat_index(index, axis, shape)
        rows = self.segment_sum(xp.reshape(values, (-1,)), flat, math.prod(shape))
        return xp.reshape(rows, shape)

    def put_along_axis(self, x: Array, index: Array, values: Array, axis: int) -> Array:
        """A new array: `x` with `values` at the positions `index` along an axis."""
        xp, flat = self.xp, self.flat_index(index, axis, x.shape)
        rows = xp.index_put(xp.reshape(x, (-1,)), flat, xp.reshape(values, (-1,)))
        return xp.reshape(rows, x.shape)

    def flat_index(self, index: Array, axis: int, shape: tuple[int, ...]) -> Array:
        """Positions in the flattened `shape` of the elements that `index` selects along an axis."""
        xp, total = self.xp, 0
        for i, n in enumerate(index.shape):
            if i == axis:
                coordinate = index
            else:
                coordinate = xp.arange(n, dtype=index.dtype, device=index.device)
                coordinate = xp.reshape(coordinate, (-1,) + (1,) * (index.ndim - 1 - i))
            total = coordinate * math.prod(shape[i + 1 :]) + total
        return xp.reshape(xp.broadcast_to(total, index.shape), (-1,))

    def index_put(self, x: Array, index: Array, values: Array) -> Array:
        """A new array: `x` with row ``index[i]`` set to ``values[i]``, the last of several."""
        found, rows = self._last_rows(x, index, values, total=False)
        return self.xp.where(found, rows, x)

    def _last_rows(self, x: Array, index: Array, values: Array, total: bool) -> tuple[Array, Array]:
        """For each row of `x`: whether it is indexed, and the last (or the sum) of its values.

        Sorted by row, the values of one row are adjacent; doubling steps sum them without the
        integer-array assignment that the standard lacks.
        """
        xp = self.xp
        rows = xp.arange(x.shape[0], dtype=index.dtype, device=x.device)
        tail = (1,) * (x.ndim - 1)
        if index.shape[0] == 0:
            none = xp.zeros((x.shape[0], *tail), dtype=xp.bool, device=x.device)
            return none, xp.zeros_like(x)
        order = xp.argsort(index, stable=True)
        index, values = xp.take(index, order, axis=0), xp.take(values, order, axis=0)
        step = 1
        while total and step < index.shape[0]:
            same = xp.reshape(index[step:] == index[:-step], (-1, *tail))
            more = self.where_or_zero(
                values[:-step, ...], xp.broadcast_to(same, values[step:, ...].shape)
            )
            values = xp.concat([values[:step, ...], values[step:, ...] + more], axis=0)
            step *= 2
        last = xp.searchsorted(index, rows, side="right") - 1
        last = xp.where(last < 0, xp.zeros_like(last), last)
        found = xp.reshape(xp.take(index, last, axis=0) == rows, (-1, *tail))
        return xp.broadcast_to(found, x.shape), xp.take(values, last, axis=0)

    # ---- on xp: elementwise

    def where_or_zero(self, x: Array, mask: Array) -> Array:
        """`x` where `mask`, else 0 (selected, not multiplied: 0 also where `x` is not finite)."""
        return self.xp.where(mask, x, self.xp.zeros_like(x))

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""
        return self.xp.maximum(x, self.xp.zeros_like(x))

    def softmax_shift(self, x: Array, axis: int) -> Array:
        """What to subtract for a stable exp(x): the maximum along an axis, or a value near it."""
        return self.xp.max(x, axis=axis, keepdims=True)

    def erf(self, x: Array) -> Array:
        """The error function, accurate to the last digits of the dtype."""
        return _erf.erf(self.xp, x)

    def erfc(self, x: Array) -> Array:
        """1 − erf(x), without the cancellation for large x."""
        return _erf.erfc(self.xp, x)


def element_positions(
    xp: Namespace, shape: tuple[int, ...], strides: tuple[int, ...], offset: int, on: Any
) -> Array:
    """The memory offsets, 1-D, of the elements of an array with that shape and those strides."""
    total = xp.full((1,), offset, dtype=xp.int64, device=on)
    for n, step in zip(shape, strides, strict=True):
        total = xp.reshape(total[:, None] + xp.arange(n, device=on) * step, (-1,))
    return total


# The permutations of (n, c, s…) to channels last, and back to channels first.
LAST = {2: (0, 1), 3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}
FIRST = {2: (0, 1), 3: (0, 2, 1), 4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}


def window_count(size: int, kernel: int, stride: int, dilation: int) -> int:
    """How many windows fit along an axis of `size`."""
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def window_slices(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> list[tuple[slice, ...]]:
    """For each element of the kernel, the slices of (n, s1 … sd, c) that it applies to."""
    axes = []
    for s, k, step, gap in zip(size, kernel, stride, dilation, strict=True):
        reach = (window_count(s, k, step, gap) - 1) * step + 1
        axes.append([slice(i * gap, i * gap + reach, step) for i in range(k)])
    every = slice(None)
    return [(every, *taps, every) for taps in itertools.product(*axes)]


def _taps(kernel: tuple[int, ...]) -> list[tuple[tuple[slice, ...], tuple[Any, ...]]]:
    """For each element of the kernel, the indices of (n, o1 … od) and of (k1 … kd, c)."""
    every = (slice(None),) * (len(kernel) + 1)
    return [(every, (*tap, slice(None))) for tap in itertools.product(*map(range, kernel))]
