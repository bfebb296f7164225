"""Intel's MKL: NumPy may use it, XPTorch does not call it."""

from __future__ import annotations


def is_available() -> bool:
    """False."""
    return False
