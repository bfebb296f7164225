"""Hooks behave as PyTorch's: each scenario is run on both libraries."""

from __future__ import annotations

from typing import Any

import pytest

import xptorch
from tests.nn._twins import both, said


@both
def test_forward_hooks(torch: Any) -> Any:
    seen: list[Any] = []

    class Sum(torch.nn.Module):  # type: ignore[misc]
        def forward(self, a: Any, b: Any = 1) -> Any:
            return a + b

    def note(name: str, result: Any = None) -> Any:
        return lambda *given: seen.append([name, given[1:]]) or result

    m = Sum()
    m.register_forward_pre_hook(note("pre", (10,)))
    m.register_forward_pre_hook(note("first pre"), prepend=True)
    m.register_forward_pre_hook(note("kwargs pre", ((20,), {"b": 5})), with_kwargs=True)
    m.register_forward_hook(note("post"))
    handle = m.register_forward_hook(note("kwargs post", 99), with_kwargs=True)
    m.register_forward_hook(note("first post"), prepend=True)
    results = [m(1), m(1, b=2)]
    handle.remove()
    handle.remove()
    results.append(m(1))
    return [seen, results, len(m._forward_hooks), len(m._forward_hooks_with_kwargs)]


@both
def test_wrong_results_of_forward_hooks(torch: Any) -> Any:
    m = torch.nn.Identity()
    m.register_forward_pre_hook(lambda *a: 3, with_kwargs=True)
    single = torch.nn.Identity()
    single.register_forward_pre_hook(lambda module, args: -args[0])
    return said(lambda: m(1)), single(2)


@both
def test_hooks_that_are_always_called(torch: Any) -> Any:
    seen: list[Any] = []

    class Bad(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            raise ValueError("bad")

    def fail(*given: Any) -> Any:
        raise KeyError("fail")

    m = Bad()
    m.register_forward_hook(lambda *a: seen.append(["always", a[1:]]), always_call=True)
    m.register_forward_hook(lambda *a: seen.append(["never", a[1:]]))
    m.register_forward_hook(fail, always_call=True)
    n = torch.nn.Identity()
    n.register_forward_hook(fail)
    n.register_forward_hook(lambda *a: seen.append(["after", a[1:]]), always_call=True)
    return [said(lambda: m(1)), said(lambda: n(2)), seen]


def test_a_handle_is_a_context() -> None:
    m = xptorch.nn.Identity()
    with m.register_forward_hook(lambda *a: 7) as handle:
        assert m(1) == 7
        assert handle.id in m._forward_hooks
    assert m(1) == 1


def test_global_hooks() -> None:
    from xptorch.nn import _hooks

    seen: list[Any] = []
    m = xptorch.nn.Sequential(xptorch.nn.Identity())
    m.register_forward_pre_hook(lambda *a: seen.append("own pre"))
    handles = [
        _hooks.register_module_forward_pre_hook(lambda m, a: seen.append(type(m).__name__)),
        _hooks.register_module_forward_hook(lambda m, a, y: seen.append(y)),
        _hooks.register_module_forward_hook(
            lambda m, a, k, y: seen.append(k), with_kwargs=True, always_call=True
        ),
    ]
    m(1)
    for handle in handles:
        handle.remove()
    m(1)
    assert seen == ["Sequential", "own pre", "Identity", 1, {}, 1, {}, "own pre"]
    assert not _hooks._everywhere
    assert not _hooks._forward_kwargs


# ---- backward hooks


@both
def test_backward_hooks(torch: Any) -> Any:
    seen: list[Any] = []

    class Pair(torch.nn.Module):  # type: ignore[misc]
        def forward(self, a: Any, b: Any, c: Any = None) -> Any:
            return a * 2, b * 3, 7

    m = Pair()
    m.register_full_backward_hook(lambda m, gi, go: seen.append(["hook", gi, go]))
    m.register_full_backward_pre_hook(lambda m, go: seen.append(["pre", go]))
    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    m(a, b)[0].sum().backward()
    both_used = [a.grad, b.grad]
    m(a, torch.ones(2))[0].sum().backward()
    with torch.no_grad():
        m(a, b)
    return [seen, both_used, a.grad]


@both
def test_backward_hooks_change_gradients(torch: Any) -> Any:
    class Scale(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.full((2,), 3.0))

        def forward(self, x: Any) -> Any:
            return self.w * x

    m, x = Scale(), torch.ones(2, requires_grad=True)
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] + 100,))
    m.register_full_backward_pre_hook(lambda m, go: (go[0] * 10,))
    m(x).sum().backward()
    seen: list[Any] = []
    n = Scale()
    n.register_full_backward_hook(lambda m, gi, go: seen.append([gi, go]))
    notes = [said(lambda: n(torch.ones(2)).sum().backward()), said(lambda: n(x=x).sum().backward())]
    return [m.w.grad, x.grad, n.w.grad, seen, notes]


@both
def test_wrong_results_of_backward_hooks(torch: Any) -> Any:
    def run(hook: Any, needs: bool, pre: bool = False) -> Any:
        m = torch.nn.Module()
        w = torch.ones(1, requires_grad=True)
        m.forward = lambda x: x * w
        (m.register_full_backward_pre_hook if pre else m.register_full_backward_hook)(hook)
        return said(lambda: m(torch.zeros(1, requires_grad=needs)).sum().backward())

    return [
        run(lambda m, gi, go: gi + gi, True),
        run(lambda m, go: go + go, True, pre=True),
        run(lambda m, gi, go: (go[0],), False),
    ]


def test_backward_hooks_want_tensors_out() -> None:
    class Dict(xptorch.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"a": x}

    m = Dict()
    m.register_full_backward_hook(lambda *a: None)
    with pytest.warns(UserWarning, match="module output should be a Tensor or a tuple of Tensors"):
        m(xptorch.ones(1, requires_grad=True))


def test_the_old_backward_hook_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="use register_full_backward_hook"):
        xptorch.nn.Linear(1, 1).register_backward_hook(lambda *a: None)


@both
def test_hooks_on_what_modules_are_given(torch: Any) -> Any:
    nn, home = torch.nn, torch.nn.modules.module
    log: list[Any] = []

    def note(module: Any, name: str, value: Any) -> None:
        log.append([type(module).__name__, name, type(value).__name__])

    kinds = ("parameter", "buffer", "module")
    hooks = [getattr(home, f"register_module_{kind}_registration_hook") for kind in kinds]
    handles = [register(note) for register in hooks]
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net.x = nn.ReLU()
    net.x = None
    net.y = nn.Parameter(torch.ones(1))
    net.y = None
    net.register_buffer("z", torch.ones(1))
    net.z = torch.ones(2)
    net.z = None
    net.add_module("q", None)
    for handle in handles:
        handle.remove()
    handles = [
        hooks[1](lambda module, name, buffer: buffer + 1),
        hooks[2](lambda module, name, child: nn.Identity()),
    ]
    net.other, norm = nn.ReLU(), nn.BatchNorm1d(2, affine=False)
    for handle in handles:
        handle.remove()
    return [log, repr(net), norm.num_batches_tracked]
