"""The Gumbel distribution."""

from __future__ import annotations

import math
from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.transformed_distribution import TransformedDistribution
from xptorch.distributions.transforms import AffineTransform, ExpTransform
from xptorch.distributions.uniform import Uniform
from xptorch.distributions.utils import broadcast_all, euler_constant, parameter_shape


class Gumbel(TransformedDistribution):
    """The limit distribution of maxima: loc − scale log(−log u) of a uniform u."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    _expandable = {"loc": 0, "scale": 0}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        limits = xptorch.finfo(self.loc.dtype)
        low: Any = limits.tiny
        high: Any = 1 - limits.eps
        if len(parameter_shape((1,), loc, scale)):
            low, high = xptorch.full_like(self.loc, low), xptorch.full_like(self.loc, high)
        base = Uniform(low, high, validate_args=validate_args)
        ones = xptorch.ones_like(self.scale)
        steps = [
            ExpTransform().inv,
            AffineTransform(0, -ones),
            ExpTransform().inv,
            AffineTransform(self.loc, -self.scale),
        ]
        super().__init__(base, steps, validate_args=validate_args)

    def _expand_rest(self, new: Any, batch_shape: Any) -> None:
        pass

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    @property
    def mean(self) -> Any:
        return self.loc + self.scale * euler_constant

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def stddev(self) -> Any:
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Any:
        return self.stddev.pow(2)

    def entropy(self) -> Any:
        return self.scale.log() + (1 + euler_constant)
