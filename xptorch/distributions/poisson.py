"""The Poisson distribution."""

from __future__ import annotations

from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.exp_family import ExponentialFamily
from xptorch.distributions.utils import broadcast_all, parameter_shape


class Poisson(ExponentialFamily):
    """P(k) = rateᵏ exp(−rate) / k!."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    _expandable = {"rate": 0}

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(parameter_shape(self.rate.size(), rate), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.rate

    @property
    def mode(self) -> Any:
        return self.rate.floor()

    @property
    def variance(self) -> Any:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Any:
        with xptorch.no_grad():
            return xptorch.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()
