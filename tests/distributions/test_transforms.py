"""Transforms and constraints against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xptorch

torch: Any = pytest.importorskip("torch")

VECTOR = np.array([[0.3, -1.2, 0.8], [2.0, 0.1, -0.4]], "float32")

TRANSFORMS: dict[str, Callable[[Any, Any], Any]] = {
    "exp": lambda t, d: d.ExpTransform(),
    "sigmoid": lambda t, d: d.SigmoidTransform(),
    "tanh": lambda t, d: d.TanhTransform(),
    "softplus": lambda t, d: d.SoftplusTransform(),
    "affine": lambda t, d: d.AffineTransform(1.0, t.tensor([2.0, -1.0, 0.5])),
    "affine event": lambda t, d: d.AffineTransform(1.0, -2.0, event_dim=1),
    "stick": lambda t, d: d.StickBreakingTransform(),
    "compose": lambda t, d: d.ComposeTransform([d.ExpTransform(), d.PowerTransform(2.0)]),
    "independent": lambda t, d: d.IndependentTransform(d.ExpTransform(), 1),
    "reshape": lambda t, d: d.ReshapeTransform((3,), (1, 3)),
    "cat": lambda t, d: d.CatTransform([d.ExpTransform(), d.TanhTransform()], -1, [1, 2]),
    "stack": lambda t, d: d.StackTransform(
        [d.ExpTransform(), d.TanhTransform(), d.SigmoidTransform()], -1
    ),
    "cdf": lambda t, d: d.CumulativeDistributionTransform(d.Normal(0.0, 1.0)),
    "inverse": lambda t, d: d.ComposeTransform([d.ExpTransform(), d.ExpTransform().inv]),
    "softmax": lambda t, d: d.SoftmaxTransform(),
    "abs": lambda t, d: d.AbsTransform(),
}


def both(name: str) -> Any:
    for library in (xptorch, torch):
        d = library.distributions
        yield library, TRANSFORMS[name](library, d), library.from_numpy(VECTOR.copy())


@pytest.mark.parametrize("name", TRANSFORMS)
def test_there_and_back(name: str) -> None:
    found = []
    for _, transform, x in both(name):
        y = transform(x)
        values = [y, transform.inv(y)]
        if transform.bijective:
            values.append(transform.log_abs_det_jacobian(x, y))
        found.append([v.numpy() for v in values] + [np.asarray(transform.forward_shape((2, 3)))])
        found[-1].append(np.asarray([transform.domain.event_dim, transform.codomain.event_dim]))
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_text(name: str) -> None:
    mine, theirs = (transform for _, transform, _ in both(name))
    assert repr(mine) == repr(theirs)
    assert repr(mine.inv) == repr(theirs.inv)
    assert repr(mine.codomain) == repr(theirs.codomain)


def test_equality_and_cache() -> None:
    d = xptorch.distributions
    assert d.ExpTransform() == d.ExpTransform()
    assert d.ExpTransform() != d.TanhTransform()
    assert d.AffineTransform(0, 1) == d.AffineTransform(0.0, 1.0)
    cached = d.ExpTransform(cache_size=1)
    x = xptorch.tensor([1e-30])
    assert cached.inv(cached(x)) is x


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
@pytest.mark.parametrize(
    "constraint",
    [
        lambda c: c.real,
        lambda c: c.positive,
        lambda c: c.greater_than(2.0),
        lambda c: c.less_than(2.0),
        lambda c: c.unit_interval,
        lambda c: c.interval(1.0, 3.0),
        lambda c: c.simplex,
        lambda c: c.independent(c.positive, 1),
    ],
)
def test_registry(registry: str, constraint: Any) -> None:
    found = []
    for library in (xptorch, torch):
        d = library.distributions
        wanted = constraint(d.constraints)
        transform = getattr(d, registry)(wanted)
        y = transform(library.from_numpy(VECTOR.copy()))
        assert bool(wanted.check(y).all())
        found.append((repr(transform), y.numpy()))
    assert found[0][0] == found[1][0]
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["lower_cholesky", "positive_definite"])
def test_matrices(name: str) -> None:
    found = []
    for library in (xptorch, torch):
        d = library.distributions
        constraint = getattr(d.constraints, name)
        y = d.transform_to(constraint)(library.arange(9.0).reshape(3, 3) / 9)
        assert bool(constraint.check(y))
        assert not bool(constraint.check(-y))
        found.append(y.numpy())
    np.testing.assert_allclose(*found, rtol=1e-5)
