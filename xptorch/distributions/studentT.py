"""Student's t distribution."""

from __future__ import annotations

import math
from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.chi2 import Chi2
from xptorch.distributions.distribution import Distribution
from xptorch.distributions.utils import broadcast_all, standard_normal


class StudentT(Distribution):
    """p(x) ∝ (1 + y² / df)^(−(df + 1) / 2), where y = (x − loc) / scale."""

    arg_constraints = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True
    _expandable = {"df": 0, "loc": 0, "scale": 0}

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.size(), validate_args=validate_args)

    def _expand_rest(self, new: Any, batch_shape: Any) -> None:
        new._chi2 = self._chi2.expand(batch_shape)

    @property
    def mean(self) -> Any:
        return xptorch.where(self.df > 1, self.loc, math.nan)

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        finite = self.scale.pow(2) * self.df / (self.df - 2)
        heavy = xptorch.where(self.df > 1, math.inf, xptorch.full_like(self.df, math.nan))
        return xptorch.where(self.df > 2, finite, heavy)

    def rsample(self, sample_shape: Any = ()) -> Any:
        noise = standard_normal(self._extended_shape(sample_shape), self.df)
        squares = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * noise * (squares / self.df).rsqrt()

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        constant = (
            self.scale.log()
            + 0.5 * self.df.log()
            + 0.5 * math.log(math.pi)
            + xptorch.lgamma(0.5 * self.df)
            - xptorch.lgamma(0.5 * (self.df + 1.0))
        )
        return -0.5 * (self.df + 1.0) * (y**2.0 / self.df).log1p() - constant

    def entropy(self) -> Any:
        half = 0.5 * self.df
        log_beta = xptorch.lgamma(half) + math.lgamma(0.5) - xptorch.lgamma(0.5 + half)
        return (
            self.scale.log()
            + 0.5 * (self.df + 1) * (xptorch.digamma(0.5 * (self.df + 1)) - xptorch.digamma(half))
            + 0.5 * self.df.log()
            + log_beta
        )
