"""What the half distributions share: |x| of an x that is symmetric around 0."""

from __future__ import annotations

import math
from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.transformed_distribution import TransformedDistribution
from xptorch.distributions.utils import taken_from


class Half(TransformedDistribution):
    """|x| of the base distribution's x."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    scale = taken_from("base_dist", "scale", "The scale of x.")

    @property
    def mode(self) -> Any:
        return xptorch.zeros_like(self.scale)

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
