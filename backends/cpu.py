"""What the CPU can do: the array library decides which instructions it uses."""

from __future__ import annotations


def get_cpu_capability() -> str:
    """ "DEFAULT": XPTorch does not ask the CPU."""
    return "DEFAULT"
