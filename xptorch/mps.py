"""Apple's GPU, for which there is no backend: queries report that, any use raises an error."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False: there is no backend for it."""
    return False


def device_count() -> int:
    """0: there is no backend for it."""
    return 0


def manual_seed(seed: int) -> None:
    """Changes nothing without a device."""


def _absent(call: str) -> Any:
    def raises(*args: Any, **kwargs: Any) -> Any:
        """Raises RuntimeError: there is no such device."""
        raise RuntimeError(f"Cannot execute {call}() without MPS backend.")

    return raises


synchronize, empty_cache = _absent("deviceSynchronize"), _absent("emptyCache")
seed = get_rng_state = set_rng_state = _absent("getDefaultGenerator")
current_allocated_memory = _absent("getCurrentAllocatedMemory")
driver_allocated_memory = _absent("getDriverAllocatedMemory")
recommended_max_memory = _absent("getRecommendedMaxMemory")
