"""CuPy: the device ``cuda``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from xptorch._core.backend import Array, Backend, window_count


class CupyBackend(Backend):
    """CuPy through array_api_compat, with CuPy's own functions where they conform and cost less."""

    name = "cupy"
    hint = "pip install cupy-cuda13x, or cupy-cuda12x for CUDA 12"

    def __init__(self) -> None:
        import array_api_compat.cupy as compat
        import cupy
        import cupyx
        import cupyx.scipy.special as special

        super().__init__(compat)
        self.cupy, self.cupyx, self.special = cupy, cupyx, special
        self._peaks: Any = None
        xp = self.xp
        # Creation functions of the wrapper ignore `device`.
        for name in ("zeros", "ones", "full", "empty"):
            setattr(xp, name, self._on_device(getattr(cupy, name)))
        for name in ("arange", "linspace", "eye", *_LIKE):
            setattr(xp, name, self._on_device(getattr(compat, name)))
        # The wrapper's clip and sign assign through masks, which synchronizes with the device.
        xp.clip, xp.sign, xp.matmul = _clip(cupy), cupy.sign, cupy.matmul
        xp.reshape, xp.permute_dims = _reshape, _permute_dims

    def _on_device(self, function: Callable[..., Array]) -> Callable[..., Array]:
        def make(*args: Any, device: Any = None, **kwargs: Any) -> Array:
            if device is None:
                device = getattr(args[0], "device", None)  # the input array's, for …_like
            if device is None or device.id == self.current_index():
                return function(*args, **kwargs)
            with device:
                return function(*args, **kwargs)

        return make

    # ---- devices and host copies

    def device_count(self) -> int:
        try:
            return int(self.cupy.cuda.runtime.getDeviceCount())
        except RuntimeError:  # no driver, or an incompatible one
            return 0

    def current_index(self) -> int | None:
        return int(self.cupy.cuda.runtime.getDevice())

    def raw_device(self, index: int | None) -> Any:
        return self.cupy.cuda.Device(index)

    def activate(self, index: int | None) -> AbstractContextManager[Any]:
        device: AbstractContextManager[Any] = self.cupy.cuda.Device(index)
        return device

    def from_host(self, array: Any, index: int | None) -> Array:
        with self.activate(index):
            return self.cupy.array(array)

    def to_host(self, x: Array) -> Any:
        with x.device:
            return x.get()

    def synchronize(self, index: int | None = None) -> None:
        self.raw_device(index).synchronize()

    def memory_stats(self, index: int | None = None, reset_peak: bool = False) -> dict[str, int]:
        with self.activate(index):
            pool = self.cupy.get_default_memory_pool()
            used = pool.used_bytes()
            free, total = self.cupy.cuda.runtime.memGetInfo()
            where = self.current_index()
        if self._peaks is None:
            self._peaks = _peaks(self.cupy)
        if reset_peak or where not in self._peaks.used:
            self._peaks.used[where] = self._peaks.highest[where] = used
        return {
            "allocated": used,
            "reserved": pool.total_bytes(),
            "peak": max(self._peaks.highest[where], used),
            "free": free,
            "total": total,
        }

    def properties(self, index: int | None = None) -> dict[str, Any]:
        where = self.current_index() if index is None else index
        found = self.cupy.cuda.runtime.getDeviceProperties(where)
        return {
            "name": found["name"].decode(),
            "major": int(found["major"]),
            "minor": int(found["minor"]),
            "total_memory": int(found["totalGlobalMem"]),
            "multi_processor_count": int(found["multiProcessorCount"]),
        }

    def empty_cache(self) -> None:
        self.cupy.get_default_memory_pool().free_all_blocks()

    # ---- memory

    def shares_memory(self, y: Array, x: Array) -> bool:
        return y.data.mem is x.data.mem

    def owns_memory(self, x: Array) -> bool:
        return x.base is None

    def address(self, x: Array) -> int:
        return int(x.data.ptr)

    def strides(self, x: Array) -> tuple[int, ...]:
        if not x.size:
            return super().strides(x)
        return tuple(s // x.itemsize for s in x.strides)

    def reshape_view(self, x: Array, shape: tuple[int, ...]) -> Array | None:
        y = x.reshape(shape)
        return y if self.shares_memory(y, x) else None

    def add_to(self, x: Array, key: Any, value: Array) -> Array:
        x[key] += value
        return x

    def astype(self, x: Array, dtype: Any) -> Array:
        return x.astype(dtype, copy=False)

    # ---- windows and scatter

    def as_strided(
        self, x: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Array:
        view = self.cupy.lib.stride_tricks.as_strided
        if offset:
            x = view(x, (offset + 1,), (x.itemsize,))[offset:]
        return view(x, shape, tuple(s * x.itemsize for s in strides))

    def unfold(
        self, x: Array, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
    ) -> Array:
        n, *size, c = x.shape
        sn, *steps, sc = x.strides
        counts = map(window_count, size, kernel, stride, dilation)
        hops = [s * t for s, t in zip(steps, stride, strict=True)]
        gaps = [s * t for s, t in zip(steps, dilation, strict=True)]
        return self.cupy.lib.stride_tricks.as_strided(
            x, (n, *counts, *kernel, c), (sn, *hops, *gaps, sc)
        )

    def index_add(self, x: Array, index: Array, values: Array) -> Array:
        # atomicAdd supports few types: narrow ones are added in wider ones, and int64 as uint64
        # with the same bits.
        wide = _WIDER.get(x.dtype.name, x.dtype.name)
        out = x.astype(wide)
        if index.size and values.size:
            target = out.view("uint64") if wide == "int64" else out
            values = values.astype(wide, copy=False)
            self.cupyx.scatter_add(target, index, values.view(target.dtype))
        return out.astype(x.dtype, copy=False)

    # ---- elementwise

    def where_or_zero(self, x: Array, mask: Array) -> Array:
        return self.cupy.where(mask, x, self.cupy.zeros((), x.dtype))

    def relu(self, x: Array) -> Array:
        return self.cupy.maximum(x, 0)

    def erf(self, x: Array) -> Array:
        return self._special(self.special.erf, x)

    def erfc(self, x: Array) -> Array:
        return self._special(self.special.erfc, x)

    def _special(self, function: Any, x: Array) -> Array:
        half = x.dtype.itemsize == 2  # for these CuPy computes, and returns, float64
        return function(x.astype("float32")).astype(x.dtype) if half else function(x)


_LIKE = ("zeros_like", "ones_like", "full_like", "empty_like")
_WIDER = {
    **{"float16": "float32", "int8": "int32", "int16": "int32"},
    **{"uint8": "uint32", "uint16": "uint32", "bool": "int32"},
}


def _reshape(x: Array, shape: tuple[int, ...], *, copy: bool | None = None) -> Array:
    y = x.reshape(shape)
    if copy is None:
        return y
    shared = y.data.mem is x.data.mem
    if copy:
        return y.copy() if shared else y
    if not shared:
        raise ValueError("this shape needs a copy")
    return y


def _permute_dims(x: Array, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes)


def _clip(cupy: Any) -> Callable[..., Array]:
    def clip(x: Array, min: Any = None, max: Any = None) -> Array:
        return x.copy() if min is None and max is None else cupy.clip(x, min, max)

    return clip


def _peaks(cupy: Any) -> Any:
    """A hook that tracks this thread's memory use once created: CuPy's pool records no peak."""

    class Peaks(cupy.cuda.MemoryHook):  # type: ignore[misc]
        name = "xptorch-peaks"

        def __init__(self) -> None:
            self.used: dict[int, int] = {}
            self.highest: dict[int, int] = {}

        def malloc_postprocess(self, **info: Any) -> None:
            where, n = info["device_id"], info["mem_size"]
            self.used[where] = now = self.used.get(where, 0) + n
            self.highest[where] = max(now, self.highest.get(where, 0))

        def free_postprocess(self, **info: Any) -> None:
            where, n = info["device_id"], info["mem_size"]
            self.used[where] = self.used.get(where, 0) - n

    hook = Peaks()
    hook.__enter__()
    return hook


BACKEND = CupyBackend
