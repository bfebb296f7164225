"""L-BFGS, against PyTorch's."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import xptorch
from xptorch import optim


def descend(torch: Any, steps: int = 4, **options: Any) -> list[Any]:
    """Rosenbrock's function and two more variables: losses and solution, evaluations, state."""
    p = torch.tensor([-1.2, 1.0, 0.5], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([[2.0]], dtype=torch.float64, requires_grad=True)
    opt = torch.optim.LBFGS([p, q], **options)
    calls = []

    def closure() -> Any:
        opt.zero_grad()
        loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2 + (p[2] - q[0, 0]) ** 2
        loss = loss + (q**4).sum()
        loss.backward()
        calls.append(loss.item())
        return loss

    losses = [opt.step(closure).item() for _ in range(steps)]
    again = torch.optim.LBFGS([p, q], **options)
    again.load_state_dict(opt.state_dict())
    opt = again
    losses.append(opt.step(closure).item())
    state = opt.state_dict()["state"][0]
    keys = [*state, state["func_evals"], state["n_iter"], len(state["old_dirs"])]
    return [[*losses, *p.tolist(), q.item()], len(calls), keys]


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.001},
        {"lr": 0.01, "max_iter": 5},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "max_iter": 3, "history_size": 2},
        {"lr": 0.1, "line_search_fn": "strong_wolfe", "tolerance_grad": 1e-3, "max_eval": 12},
    ],
)
def test_descent_is_pytorchs(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    ours, theirs = descend(xptorch, **options), descend(torch, **options)
    assert ours[1:] == theirs[1:]
    assert ours[0] == pytest.approx(theirs[0], rel=1e-6, abs=1e-9)


def test_it_finds_the_bottom() -> None:
    numbers = descend(xptorch, steps=8, line_search_fn="strong_wolfe")[0]
    assert numbers[-4:] == pytest.approx([1, 1, 0, 0], abs=0.02)


def test_errors() -> None:
    w, v = (xptorch.ones(1, requires_grad=True) for _ in range(2))
    with pytest.raises(ValueError, match="per-parameter options"):
        optim.LBFGS([{"params": [w]}, {"params": [v]}])
    opt = optim.LBFGS([w], line_search_fn="golden")
    w.grad = xptorch.ones(1)
    with pytest.raises(RuntimeError, match="strong_wolfe"):
        opt.step(lambda: (w * 1).sum())


def test_a_flat_place_is_left_alone() -> None:
    w = xptorch.zeros(1, requires_grad=True)
    opt = optim.LBFGS([w])
    w.grad = xptorch.zeros(1)
    assert opt.step(lambda: xptorch.tensor(5.0)).item() == 5
    assert opt.state_dict()["state"][0] == {"func_evals": 1, "n_iter": 0}


def test_the_module_is_importable_by_name() -> None:
    assert importlib.import_module("xptorch.optim.lbfgs").LBFGS is optim.LBFGS
