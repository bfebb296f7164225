"""The Fisher-Snedecor distribution."""

from __future__ import annotations

from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.distribution import Distribution
from xptorch.distributions.gamma import Gamma
from xptorch.distributions.utils import broadcast_all, parameter_shape


class FisherSnedecor(Distribution):
    """(x / df1) / (y / df2) of χ²-distributed x and y with `df1` and `df2` degrees of freedom."""

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True
    _expandable = {"df1": 0, "df2": 0}

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._gamma1 = Gamma(self.df1 * 0.5, self.df1)
        self._gamma2 = Gamma(self.df2 * 0.5, self.df2)
        shape = parameter_shape(self.df1.size(), df1, df2)
        super().__init__(shape, validate_args=validate_args)

    def _expand_rest(self, new: Any, batch_shape: Any) -> None:
        new._gamma1 = self._gamma1.expand(batch_shape)
        new._gamma2 = self._gamma2.expand(batch_shape)

    @property
    def mean(self) -> Any:
        return xptorch.where(self.df2 > 2, self.df2 / (self.df2 - 2), xptorch.nan)

    @property
    def mode(self) -> Any:
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return xptorch.where(self.df1 > 2, mode, xptorch.nan)

    @property
    def variance(self) -> Any:
        a, b = self.df1, self.df2
        result = 2 * b.pow(2) * (a + b - 2) / (a * (b - 2).pow(2) * (b - 4))
        return xptorch.where(b > 4, result, xptorch.nan)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        above = self._gamma1.rsample(sample_shape).view(shape)
        below = self._gamma2.rsample(sample_shape).view(shape)
        tiny = xptorch.finfo(below.dtype).tiny
        return (above / below.clamp(min=tiny)).clamp(min=tiny)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        a, b = self.df1 * 0.5, self.df2 * 0.5
        ratio = self.df1 / self.df2
        counts = (a + b).lgamma() - a.lgamma() - b.lgamma()
        density = a * ratio.log() + (a - 1) * value.log()
        return counts + density - (a + b) * (ratio * value).log1p()
