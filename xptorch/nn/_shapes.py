"""Settings of spatial layers: one number for all axes, or one for each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def for_each_axis(value: Any, count: int) -> tuple[Any, ...]:
    """`value` for each of `count` axes; an iterable already has them."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * count
