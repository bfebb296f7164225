"""Registries of the transforms that map unconstrained real values to a constraint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xptorch.distributions import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """A table from constraint classes to factories of transforms."""

    def __init__(self) -> None:
        self._makers: dict[type, Callable[[Any], Any]] = {}

    def register(self, constraint: Any, factory: Any = None) -> Any:
        """Register the factory of a constraint's (or class's) transform; also as a decorator."""
        if factory is None:
            return lambda f: self.register(constraint, f)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, constraints.Constraint):
            raise TypeError(
                "Expected constraint to be either a Constraint subclass or instance, but got "
                f"{constraint}"
            )
        self._makers[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> Any:
        """The transform to a constraint.

        Raises:
            NotImplementedError: none is registered.
        """
        try:
            make = self._makers[type(constraint)]
        except KeyError:
            raise NotImplementedError(
                f"Cannot transform {type(constraint).__name__} constraints"
            ) from None
        return make(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()
_T = transforms


def _between(constraint: Any) -> Any:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return _T.SigmoidTransform()
    return _T.ComposeTransform([_T.SigmoidTransform(), _T.AffineTransform(low, high - low)])


def _above(constraint: Any) -> Any:
    return _T.ComposeTransform([_T.ExpTransform(), _T.AffineTransform(constraint.lower_bound, 1)])


def _below(constraint: Any) -> Any:
    return _T.ComposeTransform([_T.ExpTransform(), _T.AffineTransform(constraint.upper_bound, -1)])


def _of_parts(registry: ConstraintRegistry) -> None:
    c: Any = constraints
    makers: dict[Any, Callable[[Any], Any]] = {
        c._Real: lambda k: _T.identity_transform,
        c._GreaterThan: _above,
        c._GreaterThanEq: _above,
        c._LessThan: _below,
        c._Interval: _between,
        c._HalfOpenInterval: _between,
        c._LowerCholesky: lambda k: _T.LowerCholeskyTransform(),
        c._PositiveDefinite: lambda k: _T.PositiveDefiniteTransform(),
        c._PositiveSemidefinite: lambda k: _T.PositiveDefiniteTransform(),
        c._IndependentConstraint: lambda k: _T.IndependentTransform(
            registry(k.base_constraint), k.reinterpreted_batch_ndims
        ),
        c._Cat: lambda k: _T.CatTransform([registry(p) for p in k.cseq], k.dim, k.lengths),
        c._Stack: lambda k: _T.StackTransform([registry(p) for p in k.cseq], k.dim),
    }
    for kind, make in makers.items():
        registry.register(kind, make)


_of_parts(biject_to)
_of_parts(transform_to)
biject_to.register(constraints._Simplex, lambda k: _T.StickBreakingTransform())
transform_to.register(constraints._Simplex, lambda k: _T.SoftmaxTransform())
