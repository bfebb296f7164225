"""Checkpointing: the same gradients and random numbers, fewer saved tensors."""

from __future__ import annotations

import warnings

import pytest

import xptorch as torch
from xptorch import nn
from xptorch._engine.graph import Node
from xptorch.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 2))


@pytest.mark.parametrize("reentrant", [False, True])
def test_gradients_and_random_numbers(reentrant: bool) -> None:
    results = []
    for through in (lambda f, x: f(x), lambda f, x: checkpoint(f, x, use_reentrant=reentrant)):
        model, x = net(), torch.ones(3, 4, requires_grad=True)
        torch.manual_seed(1)
        y = through(model, x)
        after = torch.rand(1)
        (y * y).sum().backward()
        results.append([y, after, x.grad, *(p.grad for p in model.parameters())])
    for plain, checkpointed in zip(*results, strict=True):
        torch.testing.assert_close(checkpointed, plain, rtol=0, atol=0)


def test_nothing_is_kept_until_backward_runs_it_again() -> None:
    runs = []

    def f(x: torch.Tensor) -> torch.Tensor:
        runs.append(1)
        return x.sin().exp()

    x = torch.ones(3, requires_grad=True)
    y = checkpoint(f, x, use_reentrant=False)
    assert set(y._node.saved) == {"segment"}
    y.sum().backward(retain_graph=True)
    assert len(runs) == 2
    assert type(y._node) is Node


def test_parameters_alone_and_keywords() -> None:
    w = torch.ones(2, requires_grad=True)
    y = checkpoint(lambda x, scale: (x * w * scale, 5), torch.ones(2), scale=3, use_reentrant=False)
    y[0].sum().backward()
    assert w.grad.tolist() == [3, 3]
    assert y[1] == 5


def test_second_derivatives() -> None:
    x = torch.full((2,), 2.0, requires_grad=True)
    y = checkpoint(lambda x: x**3, x, use_reentrant=False)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (gg,) = torch.autograd.grad(g.sum(), x)
    assert gg.tolist() == [12, 12]


def test_functions_that_change_are_noticed() -> None:
    runs = []

    def f(x: torch.Tensor) -> torch.Tensor:
        runs.append(1)
        return x.sin() if len(runs) == 1 else x.cos()

    y = checkpoint(f, torch.ones(2, requires_grad=True), use_reentrant=False)
    with pytest.raises(CheckpointError, match=r"SinBackward0.*CosBackward0"):
        y.sum().backward()

    def g(x: torch.Tensor) -> torch.Tensor:
        runs.append(1)
        return x.sin() if len(runs) == 3 else x[:1].sin()

    runs[:] = [1, 1]
    with pytest.raises(CheckpointError):
        checkpoint(g, torch.ones(2, requires_grad=True), use_reentrant=False).sum().backward()


def test_mistakes() -> None:
    x = torch.ones(2)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad"):
        assert not checkpoint(lambda x: x * 2, x, use_reentrant=True).requires_grad
    with pytest.raises(ValueError, match="Unexpected keyword arguments: b"):
        checkpoint(lambda x, b: x, x, b=1, use_reentrant=True)
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(lambda x: x, x, use_reentrant=False, determinism_check="x")
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(lambda x: x, torch.ones(2, requires_grad=True))


@pytest.mark.parametrize("segments", [1, 2, 3, 4])
def test_sequential(segments: int) -> None:
    model, x = net().eval(), torch.ones(3, 4, requires_grad=True)
    (expected,) = torch.autograd.grad(model(x).sum(), x)
    y = checkpoint_sequential(model, segments, x, use_reentrant=False)
    (found,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="foo"):
            checkpoint_sequential(model, segments, x, use_reentrant=False, foo=1)
