"""Random keys: `x[key]` and `x[key] = value`, with gradients, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is the reference")

import torch

import xptorch

KEYS_PER_TEST = 40


def random_key(rng: np.random.Generator, shape: tuple[int, ...]) -> list[Any]:
    """Items of a key for an array of that shape; arrays represent index tensors and masks."""
    items: list[Any] = []
    axis = 0
    while axis < len(shape) and rng.random() < 0.85:
        n = shape[axis]
        kind = rng.choice(["int", "slice", "list", "index", "mask", "mask2", "none", "bool"])
        if kind == "none" or kind == "bool":
            items.append(None if kind == "none" else bool(rng.random() < 0.7))
            continue
        if kind == "mask2" and axis + 1 < len(shape):
            items.append(rng.random(shape[axis : axis + 2]) < 0.5)
            axis += 2
            continue
        bounds = [None, *range(-n - 1, n + 2)]
        items.append(
            {
                "int": lambda: int(rng.integers(-n, n)),
                "slice": lambda: slice(rng.choice(bounds), rng.choice(bounds), rng.integers(1, 4)),
                "list": lambda: [int(i) for i in rng.integers(-n, n, 2)],
                "index": lambda: rng.integers(
                    -n, n, [(2,), (1,), (2, 1), (2, 3), ()][rng.integers(5)]
                ),
            }.get(kind, lambda: rng.random(n) < 0.5)()
        )
        axis += 1
    if rng.random() < 0.3:
        items.insert(int(rng.integers(len(items) + 1)), Ellipsis)
    return items


def built(library: Any, items: list[Any]) -> tuple[Any, ...]:
    return tuple(library.tensor(k) if isinstance(k, np.ndarray) else k for k in items)


def outcome(function: Any, library: Any) -> tuple[list[np.ndarray], type[Exception] | None]:
    try:
        return [t.detach().numpy() for t in function(library)], None
    except IndexError as error:
        return [], type(error)


def assert_same(function: Any, about: Any) -> None:
    mine, my_error = outcome(function, xptorch)
    theirs, their_error = outcome(function, torch)
    if their_error is None and my_error is IndexError and not any(t.size for t in theirs):
        return  # PyTorch does not check the indices where nothing is taken
    assert my_error is their_error, about
    for a, b in zip(mine, theirs, strict=True):
        assert a.shape == b.shape, about
        np.testing.assert_allclose(a, b, err_msg=str(about))


def case(seed: int) -> tuple[np.ndarray, list[Any]]:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 5)))
    return rng.standard_normal(shape), random_key(rng, shape)


@pytest.mark.parametrize("block", range(25))
def test_getitem(block: int) -> None:
    for seed in range(block * KEYS_PER_TEST, (block + 1) * KEYS_PER_TEST):
        x, items = case(seed)

        def taken(library: Any, x: Any = x, items: Any = items) -> list[Any]:
            t = library.tensor(x, requires_grad=True)
            y = t[built(library, items)]
            (y * y).sum().backward()
            return [y, t.grad]

        assert_same(taken, (x.shape, items))


@pytest.mark.parametrize("block", range(25))
def test_setitem(block: int) -> None:
    for seed in range(block * KEYS_PER_TEST, (block + 1) * KEYS_PER_TEST):
        x, items = case(seed)
        repeats = any(isinstance(k, list) or getattr(k, "dtype", None) == "int64" for k in items)

        def stored(
            library: Any, x: Any = x, items: Any = items, seed: Any = seed, one: Any = repeats
        ) -> list[Any]:
            t = library.tensor(x, requires_grad=True)
            w = t.clone()
            key = built(library, items)
            # repeated indices: which value is stored is undefined, so all get the same
            shape = () if one else tuple(t[key].shape)
            v = library.tensor(np.random.default_rng(seed).standard_normal(shape))
            w[key] = v.requires_grad_()
            (w * w * w).sum().backward()
            return [w, t.grad] + ([] if one else [v.grad])

        assert_same(stored, (x.shape, items))
