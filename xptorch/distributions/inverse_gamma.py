"""The inverse gamma distribution."""

from __future__ import annotations

from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.gamma import Gamma
from xptorch.distributions.transformed_distribution import TransformedDistribution
from xptorch.distributions.transforms import PowerTransform


class InverseGamma(TransformedDistribution):
    """1 / x of a gamma-distributed x."""

    arg_constraints = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        power = PowerTransform(-xptorch.ones((), dtype=base.rate.dtype, device=base.rate.device))
        super().__init__(base, power, validate_args=validate_args)

    @property
    def concentration(self) -> Any:
        """The shape of the distribution of x."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Any:
        """The rate of the distribution of x."""
        return self.base_dist.rate

    @property
    def mean(self) -> Any:
        result = self.rate / (self.concentration - 1)
        return xptorch.where(self.concentration > 1, result, xptorch.inf)

    @property
    def mode(self) -> Any:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Any:
        a = self.concentration
        result = self.rate.square() / ((a - 1).square() * (a - 2))
        return xptorch.where(a > 2, result, xptorch.inf)

    def entropy(self) -> Any:
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()
