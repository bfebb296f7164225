"""The Pareto distribution."""

from __future__ import annotations

from typing import Any

from xptorch.distributions import constraints
from xptorch.distributions.exponential import Exponential
from xptorch.distributions.transformed_distribution import TransformedDistribution
from xptorch.distributions.transforms import AffineTransform, ExpTransform
from xptorch.distributions.utils import broadcast_all


class Pareto(TransformedDistribution):
    """p(x) = alpha scaleᵃ / xᵃ⁺¹ for x ≥ scale, where a is `alpha`."""

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}
    _expandable = {"scale": 0, "alpha": 0}

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = broadcast_all(scale, alpha)
        base = Exponential(self.alpha, validate_args=validate_args)
        steps = [ExpTransform(), AffineTransform(0, self.scale)]
        super().__init__(base, steps, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Any:
        return self.scale

    @property
    def variance(self) -> Any:
        a = self.alpha.clamp(min=2)
        return self.scale.pow(2) * a / ((a - 1).pow(2) * (a - 2))

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return constraints.greater_than_eq(self.scale)

    def entropy(self) -> Any:
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())
