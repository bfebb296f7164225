"""The gamma distribution."""

from __future__ import annotations

from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.exp_family import ExponentialFamily
from xptorch.distributions.utils import broadcast_all, parameter_shape


class Gamma(ExponentialFamily):
    """p(x) = rateᵃ xᵃ⁻¹ exp(−rate x) / Γ(a), where a is the concentration."""

    arg_constraints: Any = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.nonnegative
    has_rsample = True
    _expandable = {"concentration": 0, "rate": 0}

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        shape = parameter_shape(self.concentration.size(), concentration, rate)
        super().__init__(shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.concentration / self.rate

    @property
    def mode(self) -> Any:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Any:
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        value = xptorch._standard_gamma(self.concentration.expand(shape))
        value = value / self.rate.expand(shape)
        tiny = xptorch.finfo(value.dtype).tiny  # not 0, so that log_prob is finite
        return xptorch.where(value.detach() < tiny, tiny, value)

    def log_prob(self, value: Any) -> Any:
        value = xptorch.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return (
            xptorch.xlogy(a, self.rate)
            + xptorch.xlogy(a - 1, value)
            - self.rate * value
            - xptorch.lgamma(a)
        )

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return xptorch.igamma(self.concentration, self.rate * value)

    def entropy(self) -> Any:
        a = self.concentration
        return a - self.rate.log() + xptorch.lgamma(a) + (1.0 - a) * xptorch.digamma(a)
