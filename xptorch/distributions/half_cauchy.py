"""The half-Cauchy distribution."""

from __future__ import annotations

import math
from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.cauchy import Cauchy
from xptorch.distributions.transformed_distribution import TransformedDistribution
from xptorch.distributions.transforms import AbsTransform


class HalfCauchy(TransformedDistribution):
    """|x| of a Cauchy-distributed x around 0."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args)

    @property
    def scale(self) -> Any:
        """The scale of x."""
        return self.base_dist.scale

    @property
    def mean(self) -> Any:
        return xptorch.full_like(self.scale, math.inf)

    @property
    def mode(self) -> Any:
        return xptorch.zeros_like(self.scale)

    @property
    def variance(self) -> Any:
        return self.base_dist.variance

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        result = self.base_dist.log_prob(value) + math.log(2)
        return xptorch.where(value >= 0, result, -math.inf)

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Any) -> Any:
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Any:
        return self.base_dist.entropy() - math.log(2)
