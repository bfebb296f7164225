"""OpenMP: array libraries may use it, XPTorch does not."""

from __future__ import annotations


def is_available() -> bool:
    """False."""
    return False
