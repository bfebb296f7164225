"""The CPU in place of an accelerator: one device, whose work is always complete."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """The device's name."""
    return "cpu"


def set_device(device: Any) -> None:
    """Changes nothing: there is only one device."""


def synchronize(device: Any = None) -> None:
    """Changes nothing: all work is complete."""
