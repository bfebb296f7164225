"""Apple's GPU, which no backend drives: asking is answered, using raises."""

from __future__ import annotations

from typing import Any, NoReturn


def is_available() -> bool:
    """False: there is no backend for it."""
    return False


def device_count() -> int:
    """0: there is no backend for it."""
    return 0


def manual_seed(seed: int) -> None:
    """Changes nothing without a device."""


def _absent(call: str) -> NoReturn:
    raise RuntimeError(f"Cannot execute {call}() without MPS backend.")


def synchronize() -> None:
    """Raises RuntimeError: there is no such device."""
    _absent("deviceSynchronize")


def empty_cache() -> None:
    """Raises RuntimeError: there is no such device."""
    _absent("emptyCache")


def seed() -> None:
    """Raises RuntimeError: there is no such device."""
    _absent("getDefaultGenerator")


def get_rng_state() -> Any:
    """Raises RuntimeError: there is no such device."""
    _absent("getDefaultGenerator")


def set_rng_state(new_state: Any) -> None:
    """Raises RuntimeError: there is no such device."""
    _absent("getDefaultGenerator")


def current_allocated_memory() -> int:
    """Raises RuntimeError: there is no such device."""
    _absent("getCurrentAllocatedMemory")


def driver_allocated_memory() -> int:
    """Raises RuntimeError: there is no such device."""
    _absent("getDriverAllocatedMemory")


def recommended_max_memory() -> int:
    """Raises RuntimeError: there is no such device."""
    _absent("getRecommendedMaxMemory")
