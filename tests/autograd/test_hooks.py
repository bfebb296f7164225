"""Hooks on tensors, leaves and nodes, as in PyTorch: each test holds for both libraries."""

from __future__ import annotations

from typing import Any

import pytest


def leaf(torch: Any, *values: float) -> Any:
    return torch.tensor(list(values), requires_grad=True)


def test_hooks_replace_gradients(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    seen: list[Any] = []
    y = x * 2
    handle = y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g + 1)
    y.sum().backward(retain_graph=True)
    assert seen == [[10.0, 10.0]]
    assert x.grad.tolist() == [21.0, 21.0]
    handle.remove()
    y.sum().backward()
    assert x.grad.tolist() == [24.0, 24.0]
    assert len(seen) == 2


def test_the_order_of_hooks(torch: Any) -> None:
    a, b = leaf(torch, 1.0), leaf(torch, 1.0)
    log: list[str] = []
    a.register_hook(lambda g: log.append("a"))
    b.register_hook(lambda g: log.append("b"))
    a.register_post_accumulate_grad_hook(lambda t: log.append("a has it"))
    b.register_post_accumulate_grad_hook(lambda t: log.append("b has it"))
    y = a * 2
    y.register_hook(lambda g: log.append("y"))
    z = y * b
    z.register_hook(lambda g: log.append("z"))
    z.register_hook(lambda g: log.append("z again"))
    w = z + a
    w.retain_grad()
    w.register_hook(lambda g: g * 3)
    w.grad_fn.register_hook(lambda gi, go: log.append(f"after w {len(gi)}"))
    w.grad_fn.register_prehook(lambda go: log.append("before w"))
    w.sum().backward()
    assert log == [
        *("before w", "after w 2", "z", "z again"),
        *("b", "b has it", "y", "a", "a has it"),
    ]
    assert w.grad.tolist() == [3.0]


def test_node_hooks_replace_gradients(torch: Any) -> None:
    x = leaf(torch, 1.0)
    y = x * 2
    y.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] + go[0], None))
    y.sum().backward()
    assert x.grad.tolist() == [30.0]


def test_hooks_see_the_sum_once(torch: Any) -> None:
    x, seen = leaf(torch, 1.0), []
    x.register_hook(lambda g: seen.append(g.item()))
    y = x * 1
    y.register_hook(lambda g: seen.append(g.item()))
    (y + y * 2 + x).sum().backward()
    assert seen == [3.0, 4.0]


def test_hooks_and_grad(torch: Any) -> None:
    x, seen = leaf(torch, 1.0), []
    x.register_hook(lambda g: g * 5)
    x.register_post_accumulate_grad_hook(lambda t: seen.append("accumulated"))
    y = x * 2
    y.register_hook(lambda g: g * 10)
    gy, gx = torch.autograd.grad(y.sum(), [y, x])
    assert (gy.item(), gx.item()) == (1.0, 100.0)
    assert torch.autograd.grad((x * 2).sum(), x)[0].item() == 10.0
    assert seen == []


def test_hooks_under_create_graph(torch: Any) -> None:
    x = leaf(torch, 3.0)
    x.register_hook(lambda g: g * g)
    (g,) = torch.autograd.grad((x * x).sum(), x, create_graph=True)
    assert g.item() == 36.0
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.item() == 24.0 * 24.0  # the hook squares this gradient, too


def test_a_hook_may_be_an_optimizer(torch: Any) -> None:
    x = leaf(torch, 1.0)

    def step(t: Any) -> None:
        with torch.no_grad():
            t -= 0.1 * t.grad
        t.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * 2).sum().backward()
    assert x.grad is None
    assert x.item() == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("hook", "error", "message"),
    [
        (lambda T: lambda g: 3, TypeError, "expected Variable, but hook returned 'int'"),
        (lambda T: lambda g: T.ones(1), RuntimeError, "has changed the size of value"),
        (lambda T: lambda g: g.double(), RuntimeError, "has changed the type of value"),
    ],
)
def test_hooks_that_return_nonsense(
    torch: Any, hook: Any, error: type[Exception], message: str
) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.register_hook(hook(torch))
    with pytest.raises(error, match=message):
        y.sum().backward()


def test_after_hooks_are_for_leaves(torch: Any) -> None:
    with pytest.raises(RuntimeError, match="cannot be registered on non-leaf tensors"):
        (leaf(torch, 1.0) * 2).register_post_accumulate_grad_hook(print)


def test_the_graph_can_be_walked(torch: Any) -> None:
    x, w = leaf(torch, 1.0), leaf(torch, 2.0)
    y = x * w
    z = torch.cat(y.split(1))
    assert z.grad_fn.name() == "CatBackward0"
    ((split, index),) = z.grad_fn.next_functions
    assert (split.name(), index) == ("SplitBackward0", 0)
    ((mul, _),) = split.next_functions
    assert mul is y.grad_fn
    (to_x, _), (to_w, _) = mul.next_functions
    assert (to_x.variable is x, to_w.variable is w) == (True, True)
    assert (y * 2).grad_fn.next_functions[1] == (None, 0)
