"""The shape of a tensor: `Size`."""

from __future__ import annotations

import math
from typing import Any


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of ints."""

    __slots__ = ()

    def numel(self) -> int:
        """How many elements a tensor of this shape has."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"xptorch.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, key: Any) -> Any:
        item = tuple.__getitem__(self, key)
        return Size(item) if item.__class__ is tuple else item

    def __add__(self, other: Any) -> Size:
        return Size(super().__add__(tuple(other)))

    def __mul__(self, count: Any) -> Size:
        return Size(super().__mul__(count))
