"""Random programs of views and in-place operations: memory and gradients as in PyTorch."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is the reference")

import torch

import xptorch

PROGRAMS_PER_TEST = 30


def _axis(r: random.Random, t: Any) -> int:
    return r.randrange(t.ndim)


def _unfolded(r: random.Random, t: Any) -> Any:
    axis = _axis(r, t)
    size = r.randrange(1, t.shape[axis] + 1)
    return t.unfold(axis, size, size)  # windows that do not overlap


def _narrowed(r: random.Random, t: Any) -> Any:
    axis = _axis(r, t)
    return t.narrow(axis, 0, r.randrange(1, t.shape[axis] + 1))


def _selected(r: random.Random, t: Any) -> Any:
    axis = _axis(r, t)
    return t.select(axis, r.randrange(t.shape[axis]))


# The functions that make a view; each needs at least one axis, the diagonal two.
VIEWS: dict[str, Callable[[random.Random, Any], Any]] = {
    "transpose": lambda r, t: t.transpose(_axis(r, t), _axis(r, t)),
    "unsqueeze": lambda r, t: t.unsqueeze(_axis(r, t)),
    "squeeze": lambda r, t: t.squeeze(),
    "reshape": lambda r, t: t.reshape(-1),
    "movedim": lambda r, t: t.movedim(0, -1),
    "expand": lambda r, t: t.expand_as(t),
    "view_as": lambda r, t: t.view_as(t),
    "step": lambda r, t: t[::2],
    "diagonal": lambda r, t: t.diagonal(r.randrange(-1, 2)) if t.ndim > 1 else t[None],
    "unfold": _unfolded,
    "narrow": _narrowed,
    "select": _selected,
}


def _set_first(library: Any, t: Any, c: float) -> None:
    t[0] = c


# Changes that the chain rule can follow: none of them is undone by a later one.
CHANGES: dict[str, Callable[[Any, Any, float], Any]] = {
    "add_": lambda library, t, c: t.add_(c),
    "mul_": lambda library, t, c: t.mul_(c),
    "div_": lambda library, t, c: t.div_(c),
    "neg_": lambda library, t, c: t.neg_(),
    "pow_": lambda library, t, c: t.pow_(2),
    "zero_": lambda library, t, c: t.zero_(),
    "fill_": lambda library, t, c: t.fill_(c),
    "copy_": lambda library, t, c: t.copy_(t.detach() * c),
    "sub_": lambda library, t, c: t.sub_(t.sin()),
    "clamp_": lambda library, t, c: t.clamp_(-0.7, 0.9),
    "addcmul_": lambda library, t, c: t.addcmul_(t.cos(), t.sin(), value=c),
    "setitem": _set_first,
    "masked_fill_": lambda library, t, c: t.masked_fill_(t.detach() > 0, c),
    "index_fill_": lambda library, t, c: t.index_fill_(0, library.tensor([0]), c),
    "index_add_": lambda library, t, c: t.index_add_(0, library.tensor([0]), t.detach()[:1] * c),
}


def run(library: Any, x: np.ndarray, seed: int) -> tuple[list[np.ndarray], list[str]]:
    """The values of all tensors of a program, and the gradient; and the program's steps."""
    r = random.Random(seed)
    leaf = library.tensor(x, requires_grad=True)
    tensors, steps = [leaf * 1.5], []
    for _ in range(r.randrange(2, 8)):
        t = r.choice(tensors)
        views = r.random() < 0.5
        step, c = r.choice(list(VIEWS if views else CHANGES)), r.choice([0.5, 2.0, -1.5])
        if not t.ndim or 0 in t.shape:
            continue
        steps.append(f"{step} of {tuple(t.shape)}")
        if views:
            tensors.append(VIEWS[step](r, t))
        else:
            CHANGES[step](library, t, c)
    values = [t.detach().numpy().copy() for t in tensors]
    sum((t * t).sum() for t in tensors if t.requires_grad).backward()
    return [*values, leaf.grad.numpy()], steps


@pytest.mark.parametrize("block", range(40))
def test_program(block: int) -> None:
    for seed in range(block * PROGRAMS_PER_TEST, (block + 1) * PROGRAMS_PER_TEST):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(tuple(rng.integers(1, 4, rng.integers(1, 4))))
        try:
            theirs, steps = run(torch, x, seed)
        except RuntimeError:
            continue  # a value that backward needs was overwritten
        mine, _ = run(xptorch, x, seed)
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9, err_msg=f"{x.shape}, {steps}")
