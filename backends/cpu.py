"""CPU capability: the array library decides which instructions it uses."""

from __future__ import annotations


def get_cpu_capability() -> str:
    """ "DEFAULT": XPTorch does not query the CPU."""
    return "DEFAULT"
