"""The geometric distribution."""

from __future__ import annotations

from typing import Any

import xptorch
from xptorch.distributions import constraints
from xptorch.distributions.distribution import Distribution
from xptorch.distributions.utils import (
    broadcast_all,
    lazy_property,
    logits_to_probs,
    one_of,
    parameter_shape,
    probs_to_logits,
)
from xptorch.nn import functional as F


class Geometric(Distribution):
    """How many failures come before the first success: P(k) = (1 − probs)ᵏ probs."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer
    _expandable = {"probs": 0, "logits": 0}

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        one_of("probs", probs, "logits", logits)
        given = logits if probs is None else probs
        name = "logits" if probs is None else "probs"
        (self.__dict__[name],) = broadcast_all(given)
        shape = parameter_shape(self.__dict__[name].size(), given)
        super().__init__(shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            raise ValueError(
                f"Expected parameter probs ({type(self.probs).__name__} of shape "
                f"{tuple(self.probs.shape)}) of distribution {self!r} to be positive but found "
                f"invalid values:\n{self.probs}"
            )

    @lazy_property
    def logits(self) -> Any:
        """The log-odds of success."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The probability of success."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def mean(self) -> Any:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Any:
        return xptorch.zeros_like(self.probs)

    @property
    def variance(self) -> Any:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        tiny = xptorch.finfo(self.probs.dtype).tiny
        with xptorch.no_grad():
            u = self.probs.new_empty(shape).uniform_(tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        probs = xptorch.where((probs == 1) & (value == 0), 0.0, probs)  # 0 · log(0) is 0 here
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> Any:
        cross = F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
        return cross / self.probs
