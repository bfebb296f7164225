"""Intel's GPU, for which there is no backend: queries report that, any use raises an error."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False: there is no backend for it."""
    return False


def device_count() -> int:
    """0: there is no backend for it."""
    return 0


def is_initialized() -> bool:
    """False: there is no backend for it."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no backend for it."""
    return False


def manual_seed(seed: int) -> None:
    """Changes nothing without a device."""


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Changes nothing without a device."""


def _absent(*args: Any, **kwargs: Any) -> Any:
    """Raises AssertionError: there is no such device."""
    raise AssertionError("Torch not compiled with XPU enabled")


synchronize = current_device = set_device = get_device_name = init = _absent
get_device_properties = get_device_capability = memory_allocated = _absent
