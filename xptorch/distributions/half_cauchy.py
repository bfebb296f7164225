"""The half-Cauchy distribution."""

from __future__ import annotations

import math
from typing import Any

import xptorch
from xptorch.distributions.cauchy import Cauchy
from xptorch.distributions.half_normal import Half
from xptorch.distributions.transforms import AbsTransform


class HalfCauchy(Half):
    """|x| of a Cauchy-distributed x around 0."""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args)

    @property
    def mean(self) -> Any:
        return xptorch.full_like(self.scale, math.inf)

    @property
    def variance(self) -> Any:
        return self.base_dist.variance
