"""Pruning: masks, hooks, several methods on one tensor, several tensors at once."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.nn._twins import both, near, said

CALLS = """
identity(m, "weight")
random_unstructured(m, "weight", 0.5)
random_unstructured(m, "weight", 3)
l1_unstructured(m, "weight", 0.3)
l1_unstructured(m, "weight", 4, importance_scores=torch.arange(12.0).reshape(3, 4))
random_structured(m, "weight", 1, 0)
random_structured(m, "weight", 0.5, 1)
ln_structured(m, "weight", 1, 2, 0)
ln_structured(m, "weight", 0.5, float("inf"), 1)
ln_structured(m, "weight", 2, 1, -1)
custom_from_mask(m, "weight", torch.arange(12).reshape(3, 4) % 2)
l1_unstructured(prune.random_structured(m, "weight", 1, 0), "weight", 0.5)
ln_structured(prune.l1_unstructured(m, "weight", 4), "weight", 1, 2, 0)
random_unstructured(prune.custom_from_mask(m, "weight", torch.eye(3, 4)), "weight", 1)
""".strip().splitlines()


def home(torch: Any) -> Any:
    return importlib.import_module(f"{torch.__name__}.nn.utils.prune")


def shown(module: Any) -> list[Any]:
    kinds = [type(hook).__name__ for hook in module._forward_pre_hooks.values()]
    names = [[n for n, _ in module.named_parameters()], [n for n, _ in module.named_buffers()]]
    return [dict(module.state_dict()), module.weight, kinds, names]


@pytest.mark.parametrize("call", CALLS)
def test_methods(call: str) -> None:
    def scenario(torch: Any) -> Any:
        prune, m = home(torch), torch.nn.Linear(4, 3)
        same = eval(f"prune.{call}", {"prune": prune, "m": m, "torch": torch}) is m
        seen = [same, *shown(m), prune.is_pruned(m)]
        m(torch.ones(2, 4)).sum().backward()
        seen += [m.weight_orig.grad, prune.remove(m, "weight") is m, *shown(m)]
        return [*seen, prune.is_pruned(m), said(lambda: prune.remove(m, "weight"))]

    near(scenario)()


@near
def test_tensors_pruned_together(torch: Any) -> Any:
    prune, a, b = home(torch), torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)
    pairs = [(a, "weight"), (b, "weight")]
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=0.4)
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=2)
    return [
        *(shown(a), shown(b)),
        said(lambda: prune.global_unstructured(3, prune.L1Unstructured, amount=1)),
        said(lambda: prune.global_unstructured(pairs, prune.L1Unstructured, 3, amount=1)),
        prune.L1Unstructured(3).prune(torch.arange(6.0) - 3),
        prune.LnStructured(1, 2, 0).prune(torch.arange(6.0).reshape(2, 3)),
    ]


@both
def test_a_method_of_ones_own(torch: Any) -> Any:
    prune = home(torch)

    class Below(prune.BasePruningMethod):  # type: ignore[misc, name-defined]
        PRUNING_TYPE = "unstructured"

        def __init__(self, least: float) -> None:
            self.least = least

        def compute_mask(self, t: Any, default_mask: Any) -> Any:
            return default_mask * (t.abs() > self.least)

    m = torch.nn.Linear(4, 3)
    Below.apply(m, "weight", 0.2)
    first = m.weight_mask.clone()
    Below.apply(m, "weight", 0.4)
    hook = next(iter(m._forward_pre_hooks.values()))
    kinds = [type(method).__name__ for method in hook]
    wrong = [said(lambda: hook.add_pruning_method(3))]
    return [first, m.weight_mask, type(hook).__name__, len(hook), kinds, wrong]


@both
def test_mistakes(torch: Any) -> Any:
    prune, seen = home(torch), []
    for amount in (-1, 1.5, "x", 100, -0.5, 0):
        m = torch.nn.Linear(4, 3)
        seen += [
            said(lambda: repr(prune.l1_unstructured(m, "weight", amount))),
            said(lambda: repr(prune.random_structured(m, "bias", amount, 0))),
        ]
    seen.append(said(lambda: prune.ln_structured(torch.nn.Linear(2, 2), "weight", 1, 2, 5)))
    for mask in (torch.ones(1, 2), torch.ones(2, 3)):
        seen.append(said(lambda: prune.custom_from_mask(torch.nn.Linear(2, 2), "weight", mask)))
        scores = {"importance_scores": mask}
        seen.append(
            said(lambda: prune.l1_unstructured(torch.nn.Linear(2, 2), "weight", 1, **scores))
        )
        seen.append(said(lambda: prune.L1Unstructured(1).prune(torch.ones(2), **scores)))
    return [*seen, said(lambda: prune.l1_unstructured(torch.nn.Linear(2, 2), "no", 1))]
