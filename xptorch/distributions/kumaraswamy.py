"""The Kumaraswamy distribution."""

from __future__ import annotations

from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.transformed_distribution import TransformedDistribution
from xptorch.distributions.transforms import AffineTransform, PowerTransform
from xptorch.distributions.uniform import Uniform
from xptorch.distributions.utils import broadcast_all, euler_constant


class Kumaraswamy(TransformedDistribution):
    """p(x) = a b xᵃ⁻¹ (1 − xᵃ)ᵇ⁻¹ in [0, 1], for concentrations a (1) and b (0)."""

    arg_constraints = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True
    _expandable = {"concentration1": 0, "concentration0": 0}

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        zeros = xptorch.zeros_like(self.concentration0)
        base = Uniform(zeros, xptorch.ones_like(zeros), validate_args=validate_args)
        steps = [
            PowerTransform(self.concentration0.reciprocal()),
            AffineTransform(1.0, -1.0),
            PowerTransform(self.concentration1.reciprocal()),
        ]
        super().__init__(base, steps, validate_args=validate_args)

    def _moment(self, n: int) -> Any:
        """The n-th moment."""
        a, b = self.concentration1, self.concentration0
        share = 1 + n / a
        return (share.lgamma() + b.lgamma() - (share + b).lgamma()).exp() * b

    @property
    def mean(self) -> Any:
        return self._moment(1)

    @property
    def mode(self) -> Any:
        return xptorch.full_like(self.concentration1, xptorch.nan)  # always, as in PyTorch

    @property
    def variance(self) -> Any:
        return self._moment(2) - self.mean.pow(2)

    def entropy(self) -> Any:
        a, b = self.concentration1, self.concentration0
        harmonic = (b + 1).digamma() + euler_constant
        return (1 - b.reciprocal()) + (1 - a.reciprocal()) * harmonic - a.log() - b.log()
