"""The version: the PyTorch release whose API this package has, with a local suffix."""

from __future__ import annotations

import re
from typing import Any

__version__ = "2.13.0+xptorch"  # no more dots: programs split it at dots
xptorch = "0.1.0"  # this package's own release, for its build and for `xptorch.__version__`
debug = False
cuda: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
git_version = "unknown"


class TorchVersion(str):
    """A version string that compares as a version with strings and tuples of numbers."""

    def _compare(self, other: Any) -> int:
        mine, theirs = _numbers(self), _numbers(other)
        if isinstance(other, tuple):
            mine = mine[: len(theirs)]
        return (mine > theirs) - (mine < theirs)

    def __lt__(self, other: Any) -> bool:
        return self._compare(other) < 0

    def __le__(self, other: Any) -> bool:
        return self._compare(other) <= 0

    def __gt__(self, other: Any) -> bool:
        return self._compare(other) > 0

    def __ge__(self, other: Any) -> bool:
        return self._compare(other) >= 0


def _numbers(version: Any) -> tuple[int, ...]:
    """The numbers of the release: (2, 13, 0) of "2.13.0+x", without trailing zeros."""
    if isinstance(version, tuple):
        version = ".".join(map(str, version))
    release = re.split(r"[^0-9.]", str(version).lstrip("v"))[0]
    parts = [int(part) for part in release.split(".") if part]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)
