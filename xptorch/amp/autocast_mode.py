"""`autocast`: blocks in which matrix products are computed in lower precision.

In such a block the operands of matrix products, convolutions and attention are cast to the lower
dtype, and losses are computed in float32; other ops keep the dtypes of their operands. (On a
GPU, PyTorch also widens softmax, norms, sums and exponentials: these keep the lower dtype here,
with float32 inside.)
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from xptorch import cuda
from xptorch._core import device as devices
from xptorch._core import dtype as _dtype
from xptorch._core.mode import local
from xptorch.ops._common import is_tensor, to_dtype

_TYPES = "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, hpu, mtia, privateuseone"  # noqa: E501
_LOWER = {"cpu": (_dtype.bfloat16, _dtype.float16), "cuda": (_dtype.float16,)}
_default = {"cpu": _dtype.bfloat16, "cuda": _dtype.float16}


class _Casting:
    """The casts that autocast applies in one thread: the lower dtype for each device type."""

    def __init__(self, dtypes: dict[str, _dtype.dtype], cached: bool, cache: dict[int, Any]):
        self.dtypes, self.cached, self.cache = dtypes, cached, cache

    def __call__(self, *operands: Any) -> list[Any]:
        """The operands in the lower dtype."""
        return [self._lower(t) if is_tensor(t) else t for t in operands]

    def _lower(self, t: Any) -> Any:
        dt = self.dtypes.get(t._device.type)
        if dt is None or not _eligible(t) or t.dtype is dt:
            return t
        if not (self.cached and t._requires_grad and t._node is None and local.mode.enabled):
            return to_dtype(t, dt)
        found = self.cache.get(id(t))
        if found is None or found[0] is not t:  # a weight that is used again is cast once
            found = self.cache[id(t)] = (t, to_dtype(t, dt))
        return found[1]

    def wide(self, operands: Any) -> list[Any]:
        """The operands in float32."""
        return [
            to_dtype(t, _dtype.float32)
            if is_tensor(t) and t._device.type in self.dtypes and _eligible(t)
            else t
            for t in operands
        ]


def _eligible(t: Any) -> bool:
    return t.dtype.is_floating_point and t.dtype is not _dtype.float64


class autocast:
    """A block or function in which matrix products are computed in lower precision.

    Args:
        device_type: "cpu" or "cuda".
        dtype: bfloat16 (the default) or float16 on the CPU, float16 on a GPU.
        enabled: False disables an enclosing autocast.
        cache_enabled: cast a weight once for all its uses in the block.

    Raises:
        BackendError: bfloat16 is requested, but ml_dtypes is not installed.
    """

    def __init__(
        self,
        device_type: str,
        dtype: _dtype.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in _TYPES.split(", "):
            raise RuntimeError(
                f"Expected one of {_TYPES} device type at start of device string: {device_type}"
            )
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self.cache_enabled = cache_enabled
        if enabled and device_type == "cuda" and not cuda.is_available():
            warnings.warn(
                "User provided device_type of 'cuda', but CUDA is not available. Disabling",
                stacklevel=2,
            )
            enabled = False
        elif enabled and device_type not in _LOWER:
            raise NotImplementedError(f"autocast on {device_type!r} is not supported")
        elif enabled and self.fast_dtype not in _LOWER[device_type]:
            names = ", ".join(f"torch.{d.name}" for d in _LOWER[device_type])
            warnings.warn(
                f"In {device_type.upper()} autocast, but the target dtype is not supported. "
                f"Disabling autocast.\n{device_type.upper()} Autocast only supports dtypes of "
                f"{names} currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before: list[Any] = []

    def __enter__(self) -> autocast:
        before: _Casting | None = local.mode.casting
        self._before.append(before)
        dtypes = dict(before.dtypes) if before else {}
        dtypes.pop(self.device, None)
        if self._enabled:
            devices.resolve(self.device).raw_dtype(self.fast_dtype)  # raises if unsupported
            dtypes[self.device] = self.fast_dtype
        cached = True if self.cache_enabled is None else self.cache_enabled
        cache = before.cache if before else {}
        local.mode.casting = _Casting(dtypes, cached, cache) if dtypes else None
        return self

    def __exit__(self, *exc: object) -> None:
        local.mode.casting = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapped


# ---- queries and settings


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` can be used for this type of device."""
    return device_type in _LOWER


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is active for this type of device."""
    return local.mode.casting is not None and device_type in local.mode.casting.dtypes


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is active for the CPU."""
    return is_autocast_enabled("cpu")


def is_autocast_cache_enabled() -> bool:
    """Whether the weights' casts are cached."""
    return local.mode.casting is None or local.mode.casting.cached


def get_autocast_dtype(device_type: str) -> _dtype.dtype:
    """The lower dtype of this type of device: the active one, or the default."""
    casting = local.mode.casting
    known = casting.dtypes.get(device_type) if casting is not None else None
    return known or _default.get(device_type, _dtype.float16)


def set_autocast_dtype(device_type: str, dtype: _dtype.dtype) -> None:
    """Set the default lower dtype of `autocast`."""
    _default[device_type] = dtype


def get_autocast_gpu_dtype() -> _dtype.dtype:
    """The lower dtype on GPUs."""
    return get_autocast_dtype("cuda")


def get_autocast_cpu_dtype() -> _dtype.dtype:
    """The lower dtype on the CPU."""
    return get_autocast_dtype("cpu")


def set_autocast_gpu_dtype(dtype: _dtype.dtype) -> None:
    """Set the lower dtype on GPUs."""
    set_autocast_dtype("cuda", dtype)


def set_autocast_cpu_dtype(dtype: _dtype.dtype) -> None:
    """Set the lower dtype on the CPU."""
    set_autocast_dtype("cpu", dtype)


def clear_autocast_cache() -> None:
    """Clear the cache of the weights' casts."""
    if local.mode.casting is not None:
        local.mode.casting.cache.clear()


# ---- for autograd.Function


def custom_fwd(
    fwd: Any = None, *, device_type: str, cast_inputs: _dtype.dtype | None = None
) -> Any:
    """A decorator for the `forward` of an autograd.Function used under autocast.

    Args:
        fwd: the function.
        device_type: the device type whose autocast state applies.
        cast_inputs: cast floating-point arguments to this dtype, and run without autocast.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._dtype = get_autocast_dtype(device_type)
        on = is_autocast_enabled(device_type)
        if cast_inputs is None or not on:
            ctx._fwd_used_autocast = on
            return fwd(ctx, *args, **kwargs)
        ctx._fwd_used_autocast = False
        given = [_cast(a, cast_inputs, device_type) for a in args]
        named = {k: _cast(a, cast_inputs, device_type) for k, a in kwargs.items()}
        with autocast(device_type, enabled=False):
            return fwd(ctx, *given, **named)

    return forward


def _cast(value: Any, dtype: _dtype.dtype, device_type: str) -> Any:
    if is_tensor(value):
        fits = value._device.type == device_type and _eligible(value)
        return value.to(dtype) if fits else value
    if isinstance(value, dict):
        return {k: _cast(v, dtype, device_type) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_cast(v, dtype, device_type) for v in value])
    return value


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """A decorator for the `backward` that belongs to a `custom_fwd`: the same autocast state."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(ctx, *args, **kwargs)

    return backward
