"""Module behaves as PyTorch's: each scenario is run on both libraries."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest

import xptorch
from tests.nn._nets import net
from tests.nn._twins import both, said


def uninitialised(torch: Any, body: Any) -> Any:
    """An attempt to set a module up without calling ``Module.__init__``."""

    class Hasty(torch.nn.Module):
        def __init__(self) -> None:
            body(self)

    return said(Hasty)


@both
def test_attributes_before_init(torch: Any) -> Any:
    nn = torch.nn
    return [
        uninitialised(torch, lambda m: setattr(m, "a", nn.Parameter(torch.ones(2)))),
        uninitialised(torch, lambda m: setattr(m, "a", nn.Linear(2, 2))),
        uninitialised(torch, lambda m: setattr(m, "a", nn.Buffer(torch.ones(2)))),
        uninitialised(torch, lambda m: m.register_buffer("a", None)),
        uninitialised(torch, lambda m: m.register_parameter("a", None)),
    ]


@both
def test_wrong_members(torch: Any) -> Any:
    m, s = torch.nn.BatchNorm1d(3), torch.nn.Sequential(torch.nn.ReLU())
    leaf = torch.nn.Parameter(torch.ones(2))
    return [
        said(lambda: setattr(m, "weight", torch.ones(3))),
        said(lambda: setattr(m, "weight", 3)),
        said(lambda: setattr(m, "running_mean", 3)),
        said(lambda: setattr(s, "0", 3)),
        said(lambda: setattr(s, "0", torch.ones(2))),
        *(said(lambda n=n: m.register_buffer(n, None)) for n in (3, "a.b", "", "eps")),
        *(said(lambda n=n: m.register_parameter(n, None)) for n in (3, "a.b", "", "eps")),
        *(said(lambda n=n: m.add_module(n, None)) for n in (3, "a.b", "", "eps")),
        said(lambda: m.register_parameter("new", 3)),
        said(lambda: m.register_parameter("new", torch.ones(2))),
        said(lambda: m.register_parameter("new", leaf * 2)),
        said(lambda: m.add_module("new", 3)),
        said(lambda: m.unknown),
        said(lambda: delattr(m, "unknown")),
        said(lambda: torch.nn.Module(3)),
        said(lambda: torch.nn.Module(a=3)),
        said(lambda: torch.nn.Module()(3)),
    ]


def test_wrong_buffer() -> None:
    m = xptorch.nn.Module()
    with pytest.raises(TypeError, match="cannot assign 'int' object to buffer 'new'"):
        m.register_buffer("new", 3)  # type: ignore[arg-type]


@both
def test_members_change_their_kind(torch: Any) -> Any:
    nn = torch.nn
    m = nn.Module()
    seen = []

    def look() -> None:
        groups = (m._parameters, m._buffers, m._modules)
        seen.append([*map(list, groups), sorted(m._non_persistent_buffers_set), "x" in vars(m)])

    p, b, child = nn.Parameter(torch.ones(1)), nn.Buffer(torch.ones(2)), nn.ReLU()
    for values in ([1, p, None], [b, torch.zeros(2), p, None], [child, None], [child, p, p]):
        for value in values:
            m.x = value
            look()
        del m.x
        look()
    m.x = b
    m.x = child
    look()
    m.register_buffer("y", torch.ones(1), persistent=False)
    look()
    del m.y
    look()
    m.z = nn.Buffer(torch.ones(1), persistent=False)
    look()
    return seen


@both
def test_members_that_layers_declare_are_found_wherever_they_are(torch: Any) -> Any:
    nn = torch.nn
    m = nn.Linear(2, 2)
    kept = m.weight
    seen = [hasattr(nn.Linear, "weight"), kept is m._parameters["weight"]]
    del m.weight
    seen += [hasattr(m, "weight"), said(lambda: m.weight)]
    m.weight = kept.detach()
    seen += ["weight" in vars(m), m.weight.requires_grad, list(m(torch.ones(1, 2)).shape)]
    del m.weight
    m.register_buffer("weight", kept.detach())
    seen += [list(m._buffers), m.weight.requires_grad]
    m.weight = None
    return [*seen, m.weight is None, list(m._buffers)]


@both
def test_a_replaced_member_keeps_its_place(torch: Any) -> Any:
    m = net(torch)
    m.first = torch.nn.Linear(3, 4)
    m.block.scale = torch.nn.Parameter(torch.zeros(1))
    return list(m.state_dict()), [n for n, _ in m.named_modules()]


@both
def test_dir(torch: Any) -> Any:
    m = torch.nn.Sequential(torch.nn.Linear(1, 1))
    m.weight = torch.nn.Parameter(torch.ones(1))
    own = {"0", "weight", "training", "forward", "eps"}
    return sorted(own & set(dir(m)))


def test_init_passes_arguments_on_where_asked() -> None:
    seen: dict[str, Any] = {}

    class Other:
        def __init__(self, **kwargs: Any) -> None:
            seen.update(kwargs)

    class Both(xptorch.nn.Module, Other):
        call_super_init = True

    Both(a=1)
    assert seen == {"a": 1}


# ---- lookup and traversal


@both
def test_lookup(torch: Any) -> Any:
    m = net(torch)
    calls = [
        *((m.get_submodule, n) for n in ("", "block.norm", "block.none", "block.scale", "x")),
        *((m.get_parameter, n) for n in ("block.scale", "first.in_features", "first.no", "x.y")),
        *((m.get_buffer, n) for n in ("block.shift", "block.scale", "block.no")),
    ]
    return [said(lambda f=f, n=n: f(n)) for f, n in calls]


@both
def test_set_submodule(torch: Any) -> Any:
    m = net(torch)
    new = torch.nn.ReLU()
    tries = [
        *(("", new, False), ("x.y", new, False), ("block.scale", new, False)),
        *(("block", 3, False), ("fresh", new, False), ("absent", new, True)),
        *(("first.in_features", new, True), ("block.norm", new, True), ("training", new, False)),
    ]
    return [said(lambda t=t: m.set_submodule(t[0], t[1], strict=t[2])) for t in tries], m


@both
def test_traversal(torch: Any) -> Any:
    m = net(torch)
    return [
        *([n for n, _ in m.named_modules(remove_duplicate=d)] for d in (True, False)),
        [n for n, _ in m.named_modules(prefix="top")],
        [n for n, _ in m.named_children()],
        *([n for n, _ in m.named_parameters(remove_duplicate=d)] for d in (True, False)),
        [n for n, _ in m.named_parameters("top", recurse=False)],
        [n for n, _ in m.block.named_parameters("top", recurse=False)],
        [n for n, _ in m.named_buffers()],
        [n for n, _ in m.block.named_buffers(recurse=False)],
        *(len(list(f())) for f in (m.parameters, m.buffers, m.children, m.modules)),
        len(list(m.modules(remove_duplicate=False))),
    ]


@both
def test_apply_goes_from_the_leaves_up(torch: Any) -> Any:
    order: list[str] = []
    m = net(torch)
    assert m.apply(lambda x: order.append(type(x).__name__)) is m
    return order


@both
def test_repr(torch: Any) -> Any:
    nn = torch.nn
    return [
        *(net(torch), nn.Module(), nn.Sequential(nn.Sequential(nn.Linear(1, 2)), nn.ReLU())),
        nn.ModuleDict({"a": nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1), nn.Tanh()])}),
    ]


# ---- modes and conversion


@both
def test_modes(torch: Any) -> Any:
    m = net(torch)
    m.block.requires_grad_(False)
    m.eval()
    flags = [x.training for x in m.modules()]
    m.block.train()
    return [
        *(flags, [x.training for x in m.modules()], [p.requires_grad for p in m.parameters()]),
        said(lambda: m.train(3)),
    ]


@both
def test_zero_grad(torch: Any) -> Any:
    m = torch.nn.Linear(1, 1)
    m.weight.grad = torch.ones(1, 1)
    m.zero_grad(set_to_none=False)
    zeros = m.weight.grad
    m.zero_grad()
    return [zeros, m.weight.grad, m.bias.grad]


@both
def test_conversion(torch: Any) -> Any:
    m = net(torch)
    m.first.weight.grad = torch.ones(3, 3)
    before = list(m.parameters())

    def dtypes() -> Any:
        state = [t.dtype for t in (*m.parameters(), *m.buffers(), m.first.weight.grad)]
        return [state, [a is b for a, b in zip(before, m.parameters(), strict=True)]]

    steps = [
        *(lambda: m.double(), lambda: m.half(), lambda: m.float()),
        *(lambda: m.to(torch.float64), lambda: m.to("cpu", torch.float32)),
        *(lambda: m.to(torch.ones(1, dtype=torch.float64)), lambda: m.to(dtype=torch.float32)),
        *(lambda: m.to(), lambda: m.to("cpu", non_blocking=True), lambda: m.type(torch.float64)),
        *(lambda: m.cpu(), lambda: m.to_empty(device="cpu")),
    ]
    return [[step() is m, dtypes()] for step in steps]


@both
def test_wrong_conversion(torch: Any) -> Any:
    m = torch.nn.Linear(1, 1)
    return [
        said(lambda: m.to(torch.int32)),
        said(lambda: m.to("cpu", copy=True)),
        said(lambda: m.to(foo=1))[0],
        said(lambda: m.to("cpu", 3.5))[0],
    ]


# ---- parameters


@both
def test_parameters(torch: Any) -> Any:
    P = torch.nn.Parameter
    data = torch.ones(2)
    p = P(data)
    data[0] = 5
    return [
        *(p, P(), P(torch.ones(2, dtype=torch.int64), False), P(data, requires_grad=False)),
        *(type(p.data).__name__, type(p.detach()).__name__, type(p.clone()).__name__),
        *(type(p * 2).__name__, isinstance(p, torch.Tensor), p.is_leaf),
        *(said(lambda: P(3))[0], said(lambda: P([1.0]))[0]),
        said(lambda: P(torch.ones(2, dtype=torch.int64)))[0],
        *(type(copy.deepcopy(p)).__name__, copy.deepcopy(p)),
    ]


def test_parameter_repr() -> None:
    assert repr(xptorch.nn.Parameter(xptorch.ones(2))) == (
        "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    )


def test_a_parameter_counts_changes_of_its_data() -> None:
    data = xptorch.ones(2)
    p = xptorch.nn.Parameter(data)
    y = (p * p).sum()
    data.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_calls_cost_little() -> None:
    """A call without hooks calls forward directly."""

    class Probe(xptorch.nn.Module):
        def forward(self, x: Any) -> Any:
            import sys

            return sys._getframe(1).f_code.co_qualname

    assert Probe()(1) == "Module.__call__"


def test_no_warnings_on_the_way() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        m = net(xptorch)
        m.load_state_dict(copy.deepcopy(m).state_dict())
