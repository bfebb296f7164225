"""NumPy: the device ``cpu``."""

from __future__ import annotations

from typing import Any

import numpy as np
from xptorch.backends.numpy.blas import matmul
from xptorch.backends.numpy.erf import erf32
from xptorch.backends.numpy.kernels import KERNELS
from xptorch.backends.numpy.kernels.layout import windows
from xptorch.backends.numpy.malloc import raise_malloc_thresholds
from xptorch.backends.numpy.onednn import with_fallback
from xptorch.backends.numpy.parallel import threads
from xptorch.backends.numpy.scatter import accumulate

from xptorch._core.backend import Array, Backend


class NumpyBackend(Backend):
    """NumPy itself: since 2.1 it implements the array API, and its own functions cost least."""

    name = "numpy"
    hint = "pip install numpy"
    kernels = with_fallback(KERNELS)

    def __init__(self) -> None:
        super().__init__(np)
        raise_malloc_thresholds()
        # Methods cost a fifth of the time of the functions of the same name.
        array = np.ndarray
        self.xp.reshape = _reshape
        self.xp.permute_dims = _permute_dims
        self.xp.ones = _ones
        self.xp.take, self.xp.argmin, self.xp.argmax = array.take, array.argmin, array.argmax
        self.xp.argsort, self.xp.sort = _argsort, _sort
        self.xp.matmul = matmul
        self.xp.sum, self.xp.max, self.xp.min = _sum, _max, _min

    def raw_device(self, index: int | None) -> Any:
        return "cpu"

    def from_host(self, array: Any, index: int | None) -> Array:
        return np.array(array)

    def ignore_fp_warnings(self) -> None:
        np.seterr(all="ignore")

    def threads(self, count: int | None = None) -> int:
        return threads(count)

    def to_host(self, x: Array) -> Any:
        return x

    def shares_memory(self, y: Array, x: Array) -> bool:
        # The base of a NumPy view is the array that owns the memory; as_strided adds an object
        # in between.
        base = y.base
        if y is x or base is x or (x.base is not None and base is x.base):
            return True
        return base.__class__ is not np.ndarray and getattr(base, "base", None) is x

    def owns_memory(self, x: Array) -> bool:
        return x.base is None and isinstance(x, np.ndarray)

    def address(self, x: Array) -> int:
        return int(x.__array_interface__["data"][0])

    def astype(self, x: Array, dtype: Any) -> Array:
        return x.astype(dtype, copy=False)

    def strides(self, x: Array) -> tuple[int, ...]:
        if not x.size:  # NumPy reports strides of 0 for an empty array
            return super().strides(x)
        item = x.itemsize
        return tuple([s // item for s in x.strides])

    def reshape_view(self, x: Array, shape: tuple[int, ...]) -> Array | None:
        y = x.reshape(shape)
        return y if self.shares_memory(y, x) else None

    def assign(self, x: Array, key: Any, value: Any) -> Array:
        try:
            x[key] = value
        except ValueError:
            # broadcast_to makes an array read-only even where no elements share memory
            if x.flags.writeable or any(
                n > 1 and not s for n, s in zip(x.shape, x.strides, strict=True)
            ):
                raise
            x.flags.writeable = True
            x[key] = value
        return x

    def as_strided(
        self, x: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Array:
        y: Any = np.asarray(_Memory(x, shape, tuple(s * x.itemsize for s in strides), offset))
        if y.dtype != x.dtype:  # extension dtypes have no name in the array interface
            y.dtype = x.dtype
        return y

    def diagonal(self, x: Array, offset: int) -> Array:
        y = np.diagonal(x, offset, -2, -1)
        y.flags.writeable = x.flags.writeable
        return y

    def unfold(
        self, x: Array, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
    ) -> Array:
        return windows(x, kernel, stride, dilation)

    def window_dot(self, windows: Array, w: Array) -> Array:
        *kernel, c = w.shape
        d = len(kernel)
        taps = range(d + 1, 2 * d + 1)
        row = windows.shape[d]
        if windows.strides[d] != c * windows.strides[-1]:
            axes = [*range(2 * d + 1), 2 * d + 1]
            return np.einsum(windows, axes, w, [*taps, 2 * d + 1], [*range(d + 1), 2 * d + 1])
        # Neighbouring windows are contiguous: with the channels they form one long axis.
        rows = windows.transpose(*range(d), *taps, d, 2 * d + 1)
        rows = rows.reshape(*rows.shape[:-2], row * c)
        w = np.broadcast_to(w[..., None, :], (*kernel, row, c)).reshape(*kernel, row * c)
        y = np.einsum(rows, [*range(d), *taps, d], w, [*taps, d], [*range(d + 1)])
        return y.reshape(*windows.shape[: d + 1], c)

    def window_dot_grad(self, windows: Array, g: Array) -> Array:
        d = g.ndim - 2
        axes, last = [*range(2 * d + 1), 2 * d + 1], 2 * d + 1
        taps = [*range(d + 1, 2 * d + 1), last]
        return np.einsum(windows, axes, g, [*range(d + 1), last], taps)

    def add_to(self, x: Array, key: Any, value: Array) -> Array:
        x[key] += value
        return x

    def pad(self, x: Array, widths: tuple[tuple[int, int], ...], value: complex = 0) -> Array:
        shape = tuple(s + a + b for s, (a, b) in zip(x.shape, widths, strict=True))
        out = np.zeros(shape, x.dtype) if value == 0 else np.full(shape, value, x.dtype)
        out[tuple(slice(a, a + s) for s, (a, _) in zip(x.shape, widths, strict=True))] = x
        return out

    def index_add(self, x: Array, index: Array, values: Array) -> Array:
        return accumulate(x.copy(), index, values)

    def segment_sum(self, values: Array, index: Array, count: int) -> Array:
        return accumulate(np.zeros((count, *values.shape[1:]), values.dtype), index, values)

    def index_put(self, x: Array, index: Array, values: Array) -> Array:
        out = x.copy()
        out[index] = values
        return out

    def relu(self, x: Array) -> Array:
        # With a scalar, np.maximum is not vectorised; clip with both bounds is.
        return x.clip(0, np.inf) if x.size > 2048 and x.dtype.kind == "f" else np.maximum(x, 0)

    def where_or_zero(self, x: Array, mask: Array) -> Array:
        words = _WORDS.get(x.dtype.itemsize) if x.dtype.kind == "f" else None
        if words is None or x.ndim == 0 or x.shape != mask.shape:
            return np.where(mask, x, x.dtype.type(0))
        # All bits or none: bit-exact like `where`, without its branch for each element. The mask
        # determines the memory layout: x may be one element broadcast.
        out = np.empty_like(mask, x.dtype)
        bits = out.view(words)
        bits[...] = mask.view(np.int8)
        if words is np.int64:  # its multiplication is slow
            np.negative(bits, out=bits)
            bits &= x.view(words)
        else:
            bits *= x.view(words)
        return out

    def softmax_shift(self, x: Array, axis: int) -> Array:
        # One global maximum is several times faster, and works for all rows if values are close.
        if x.size > 4096:
            high = x.max()
            if high - x.min() < 60.0:
                return high
        return _largest(x, axis, None, None, True)

    def erf(self, x: Array) -> Array:
        return erf32(x) if x.dtype == np.float32 else super().erf(x)


class _Memory:
    """The memory of an array with other strides, exposed through the array interface."""

    def __init__(self, x: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int):
        self.base = x
        memory = dict(x.__array_interface__)
        address, locked = memory["data"]
        memory["data"] = (address + offset * x.itemsize, locked)
        memory["shape"], memory["strides"] = shape, strides
        self.__array_interface__ = memory


_WORDS = {2: np.int16, 4: np.int32, 8: np.int64}


def _reshape(x: Array, shape: tuple[int, ...], *, copy: bool | None = None) -> Array:
    return x.reshape(shape) if copy is None else np.reshape(x, shape, copy=copy)


def _ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    ones = np.empty(shape, dtype)
    ones.fill(1)
    return ones


def _permute_dims(x: Array, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes)


# These methods cost half the time of np.sum and related functions.
_total: Any = np.add.reduce
_HALF = np.dtype(np.float16)
_largest: Any = np.maximum.reduce
_least: Any = np.minimum.reduce


def _sum(x: Array, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Array:
    if x.dtype is _HALF and (dtype is None or dtype is _HALF):
        # Except along the last axis, NumPy rounds every partial sum: from 2048 on, ones are lost.
        return _total(x, axis, np.float32, None, keepdims).astype(_HALF)
    return _total(x, axis, dtype, None, keepdims)


def _max(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    return _largest(x, axis, None, None, keepdims)


def _min(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    return _least(x, axis, None, None, keepdims)


def _argsort(x: Array, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    back = np.argsort(np.flip(x, axis=axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(back, axis=axis)


def _sort(x: Array, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    ordered = np.sort(x, axis=axis, kind="stable")
    return np.flip(ordered, axis=axis) if descending else ordered


BACKEND = NumpyBackend
