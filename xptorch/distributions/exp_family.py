"""Exponential families."""

from __future__ import annotations

from xptorch.distributions.distribution import Distribution


class ExponentialFamily(Distribution):
    """A distribution with density exp(⟨t(x), θ⟩ − F(θ) + k(x))."""
