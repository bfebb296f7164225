"""The Dirichlet distribution."""

from __future__ import annotations

from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.exp_family import ExponentialFamily


class Dirichlet(ExponentialFamily):
    """p(x) ∝ Π xᵢ^(aᵢ − 1) over the simplex, where a is the concentration."""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True
    _expandable = {"concentration": 1}

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Any:
        excess = (self.concentration - 1).clamp(min=0.0)
        mode = excess / excess.sum(-1, True)
        flat = (self.concentration < 1).all(-1)
        n = self.concentration.shape[-1]
        corner = xptorch.nn.functional.one_hot(mode.argmax(-1), n).to(mode.dtype)
        return xptorch.where(flat.unsqueeze(-1), corner, mode)

    @property
    def variance(self) -> Any:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        a = self.concentration.expand(shape)
        return xptorch._sample_dirichlet(a if xptorch.is_grad_enabled() else a.detach())

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return (
            xptorch.xlogy(a - 1.0, value).sum(-1)
            + xptorch.lgamma(a.sum(-1))
            - xptorch.lgamma(a).sum(-1)
        )

    def entropy(self) -> Any:
        a, k = self.concentration, self.concentration.size(-1)
        total = a.sum(-1)
        return (
            xptorch.lgamma(a).sum(-1)
            - xptorch.lgamma(total)
            - (k - total) * xptorch.digamma(total)
            - ((a - 1.0) * xptorch.digamma(a)).sum(-1)
        )
