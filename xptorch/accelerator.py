"""The accelerator of this machine, whichever it is: a GPU through CuPy, or none."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from xptorch import cuda
from xptorch._core import device as devices

__all__ = [
    *("current_accelerator", "current_device_idx", "current_device_index", "current_stream"),
    *("device_count", "device_index", "empty_cache", "get_memory_info", "get_device_capability"),
    *("is_available", "max_memory_allocated", "max_memory_reserved", "memory_allocated"),
    *("memory_reserved", "reset_peak_memory_stats", "set_device_idx", "set_device_index"),
    "synchronize",
]


def is_available() -> bool:
    """Whether there is an accelerator."""
    return cuda.is_available()


def current_accelerator(check_available: bool = False) -> devices.device | None:
    """The accelerator's device, without an index; None if there is none."""
    return devices.device("cuda") if cuda.is_available() else None


def device_count() -> int:
    """How many accelerators there are."""
    return cuda.device_count()


def _need() -> None:
    if not cuda.is_available():
        raise RuntimeError("Cannot access accelerator device when none is available.")


def current_device_index() -> int:
    """The index of the device in use."""
    _need()
    return cuda.current_device()


def set_device_index(device: Any, /) -> None:
    """Make this device the current one."""
    _need()
    cuda.set_device(device)


current_device_idx, set_device_idx = current_device_index, set_device_index


def device_index(device: int | None, /) -> Any:
    """A context manager that uses this device; None changes nothing."""
    if device is None:
        return nullcontext()
    _need()
    return cuda.device(device)


def current_stream(device: Any = None, /) -> Any:
    """The stream in use."""
    _need()
    return cuda.current_stream(device)


def get_device_capability(device: Any = None, /) -> dict[str, Any]:
    """Which dtypes the device supports."""
    _need()
    raise NotImplementedError("accelerator.get_device_capability is not supported")


def synchronize(device: Any = None, /) -> None:
    """Wait until all work queued on the device is done."""
    _need()
    cuda.synchronize(device)


def empty_cache() -> None:
    """Release the memory pool's unused memory."""
    _need()
    cuda.empty_cache()


def memory_allocated(device_index: Any = None, /) -> int:
    """Bytes of arrays on the device."""
    _need()
    return cuda.memory_allocated(device_index)


def max_memory_allocated(device_index: Any = None, /) -> int:
    """The maximum of `memory_allocated` so far."""
    _need()
    return cuda.max_memory_allocated(device_index)


def memory_reserved(device_index: Any = None, /) -> int:
    """Bytes that the memory pool holds."""
    _need()
    return cuda.memory_reserved(device_index)


def max_memory_reserved(device_index: Any = None, /) -> int:
    """The maximum of `memory_reserved` so far."""
    _need()
    return cuda.max_memory_reserved(device_index)


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """Restart the measurement of `max_memory_allocated`."""
    _need()
    cuda.reset_peak_memory_stats(device_index)


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """Bytes free on the device, and in total."""
    _need()
    return cuda.mem_get_info(device_index)
