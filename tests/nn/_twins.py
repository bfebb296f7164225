"""Run the same code on XPTorch and on PyTorch and compare the results."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xptorch

Scenario = Callable[[Any], Any]


def both(scenario: Scenario) -> Callable[[], None]:
    """A test that a scenario returns the same with either library as `torch`."""

    def test() -> None:
        torch = pytest.importorskip("torch", reason="PyTorch is the reference")
        ours, theirs = answers(scenario, xptorch), answers(scenario, torch)
        assert ours == theirs

    test.__name__ = test.__qualname__ = scenario.__name__
    test.__doc__ = scenario.__doc__
    test.__module__ = scenario.__module__
    return test


def near(scenario: Scenario) -> Callable[[], None]:
    """The same for scenarios that return tensors: equal up to rounding."""

    def test() -> None:
        torch = pytest.importorskip("torch", reason="PyTorch is the reference")
        from tests.parity._compare import difference

        results = []
        for library in (xptorch, torch):
            library.manual_seed(0)
            results.append(scenario(library))
        assert not difference(*results)

    test.__name__ = test.__qualname__ = scenario.__name__
    test.__module__ = scenario.__module__
    return test


def close(scenario: Scenario) -> Callable[[], None]:
    """The same, but floats in the plain results are compared up to rounding."""

    def test() -> None:
        torch = pytest.importorskip("torch", reason="PyTorch is the reference")
        _compare(answers(scenario, xptorch), answers(scenario, torch))

    test.__name__ = test.__qualname__ = scenario.__name__
    test.__doc__ = scenario.__doc__
    return test


def _compare(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            _compare(a, b)
    elif isinstance(theirs, float):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    else:
        assert ours == theirs


def shape_of(x: Any) -> Any:
    return list(x.shape)


def answers(scenario: Scenario, library: types.ModuleType) -> Any:
    """What a scenario returns, as plain values."""
    library.manual_seed(0)
    return plain(scenario(library))


def plain(value: Any) -> Any:
    """Strings, numbers and lists of them, the same for equal results of both libraries."""
    if hasattr(value, "requires_grad"):
        kind = f"{type(value).__name__} {value.dtype} {value.requires_grad}"
        return [kind.replace("xptorch", "torch"), value.detach().tolist()]
    if isinstance(value, dict):
        return [[key, plain(v)] for key, v in value.items()]
    if type(value) in (list, tuple):
        return [plain(v) for v in value]
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    if callable(value) and not hasattr(value, "forward"):
        return value.__name__
    return repr(value).replace("xptorch", "torch")


def said(function: Callable[[], Any]) -> Any:
    """What a function returns, or the type and message of its error; and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome = function()
        except Exception as e:
            outcome = [type(e).__name__, *(str(a).replace("xptorch", "torch") for a in e.args)]
    notes = [f"{w.category.__name__}: {w.message}" for w in caught]
    return (outcome, notes) if notes else outcome
