"""A backend's kernels against the functions over `xp` that they stand in for, on random cases.

Each kernel has a maker of cases: random shapes, strides, options. A case is the arguments of the
function; the kernel may decline it, but must take some. Results agree to the dtype's rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from xptorch import _backend
from xptorch._engine import HOT
from xptorch._grad_mode import mode

NUMPY = _backend.load("numpy")
PLAIN = type(NUMPY.xp)(NUMPY.xp, kernels={})
TOLERANCE = {np.dtype("float32"): 2e-5, np.dtype("float64"): 1e-12}

Case = tuple[tuple[Any, ...], dict[str, Any]]
CASES: dict[str, Callable[[np.random.Generator, Any], Iterator[Case]]] = {}


def cases(name: str) -> Callable[[Any], Any]:
    """Register a maker of cases for a kernel: ``f(rng, dtype)`` yields (arguments, options)."""

    def register(make: Any) -> Any:
        CASES[name] = make
        return make

    return register


def agree(mine: Any, reference: Any) -> None:
    if isinstance(reference, tuple | list):
        assert len(mine) == len(reference)
        for a, b in zip(mine, reference, strict=True):
            agree(a, b)
    elif reference is None:
        assert mine is None
    else:
        assert mine.shape == reference.shape
        assert mine.dtype == reference.dtype
        scale = float(np.max(np.abs(reference), initial=1e-3, where=np.isfinite(reference)))
        tolerance = TOLERANCE.get(reference.dtype, 0) * scale
        np.testing.assert_allclose(mine, reference, rtol=0, atol=tolerance)


def test_every_kernel_stands_in_for_a_function_and_has_cases() -> None:
    assert set(NUMPY.kernels) <= set(HOT)
    assert set(NUMPY.kernels) == set(CASES)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_kernel_agrees_with_the_generic_function(name: str, dtype: str) -> None:
    taken = 0
    for args, static in CASES[name](np.random.default_rng(7), np.dtype(dtype)):
        before = copy.deepcopy(args)
        mine = mode.run(NUMPY.kernels[name], *args, **static)
        for now, then in zip(args, before, strict=True):
            np.testing.assert_array_equal(now, then, err_msg="an input was written to")
        if mine is not NotImplemented:
            taken += 1
            agree(mine, mode.run(HOT[name], PLAIN, *args, **static))
    assert taken, f"{name} declined every case"
