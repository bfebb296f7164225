"""The half-normal distribution."""

from __future__ import annotations

import math
from typing import Any

from xptorch.distributions._half import Half
from xptorch.distributions.normal import Normal
from xptorch.distributions.transforms import AbsTransform


class HalfNormal(Half):
    """|x| of a normal x around 0."""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(0, scale, validate_args=False), AbsTransform(), validate_args)

    @property
    def mean(self) -> Any:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Any:
        return self.scale.pow(2) * (1 - 2 / math.pi)
