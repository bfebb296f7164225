"""`layout` and `memory_format`: names of memory layouts."""

from __future__ import annotations

from typing import Any

__all__ = [
    "channels_last", "channels_last_3d", "contiguous_format", "layout", "legacy_contiguous_format",
    "memory_format", "preserve_format", "strided",
]  # fmt: skip


class _Name:
    """One of a fixed set of names."""

    name: str

    def __new__(cls, *args: Any) -> Any:
        raise TypeError(f"cannot create 'xptorch.{cls.__name__}' instances")

    def __repr__(self) -> str:
        return f"xptorch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class layout(_Name):
    """How a tensor stores its elements: `strided` is the only layout."""


class memory_format(_Name):
    """The order of a tensor's axes in memory."""


def _made(cls: Any, name: str) -> Any:
    one = object.__new__(cls)
    one.name = name
    return one


strided: layout = _made(layout, "strided")
contiguous_format: memory_format = _made(memory_format, "contiguous_format")
preserve_format: memory_format = _made(memory_format, "preserve_format")
legacy_contiguous_format = contiguous_format
channels_last: memory_format = _made(memory_format, "channels_last")
channels_last_3d: memory_format = _made(memory_format, "channels_last_3d")
