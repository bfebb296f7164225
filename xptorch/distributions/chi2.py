"""The χ² distribution."""

from __future__ import annotations

from typing import Any

from xptorch.distributions import constraints
from xptorch.distributions.gamma import Gamma


class Chi2(Gamma):
    """The sum of squares of `df` standard normal variables: Gamma(df / 2, 1 / 2)."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> Any:
        """The degrees of freedom."""
        return self.concentration * 2
