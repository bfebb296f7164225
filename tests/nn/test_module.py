"""Module behaves as PyTorch's: each scenario is run on both libraries."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import xptorch
from tests.nn._twins import both, said

# ---- nets that scenarios build


def net(torch: Any) -> Any:
    """Layers, a tied one, a buffer, a parameter of its own, in a nested module."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)
            self.scale = nn.Parameter(torch.ones(3))
            self.register_buffer("shift", torch.zeros(3))
            self.register_buffer("scratch", torch.ones(1), persistent=False)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.block = Block()
            self.last = nn.Linear(3, 2)
            self.tied = self.first
            self.nothing = None
            self.register_parameter("missing", None)

        def extra_repr(self) -> str:
            return "one=1\ntwo=2"

    return Net()


def uninitialised(torch: Any, body: Any) -> Any:
    """An attempt to set a module up without calling ``Module.__init__``."""

    class Hasty(torch.nn.Module):
        def __init__(self) -> None:
            body(self)

    return said(Hasty)


# ---- attributes and registration


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


# ---- state


@both
def test_state_dict(torch: Any) -> Any:
    m = net(torch)
    state, kept = m.state_dict(prefix="p."), m.state_dict(keep_vars=True)
    return [
        *(state, state._metadata, type(state).__name__),
        [v.requires_grad for v in state.values()],
        kept["first.weight"] is m.first.weight,
        said(lambda: type(m.state_dict({}, "q.", True)).__name__)[0],
        list(m.state_dict(destination={"already": 1})),
    ]


def test_positional_arguments_of_state_dict_are_deprecated() -> None:
    with pytest.warns(FutureWarning, match="Positional args are being deprecated"):
        assert list(xptorch.nn.Linear(1, 1).state_dict({}, "a.")) == ["a.weight", "a.bias"]


@both
def test_load_state_dict(torch: Any) -> Any:
    m = torch.nn.Linear(2, 3)
    w, b = torch.ones(3, 2), torch.ones(3)
    many = {"weight": torch.ones(2), "bias": 3, "x": 1, "y.z": 2}
    own = m.weight
    return [
        said(lambda: m.load_state_dict(3)),
        said(lambda: m.load_state_dict({})),
        said(lambda: m.load_state_dict({}, strict=False)),
        said(lambda: m.load_state_dict(many)),
        said(lambda: m.load_state_dict(many, strict=False)),
        said(lambda: m.load_state_dict({"weight": w, "bias": b, "c": b}, strict=False)),
        said(lambda: m.load_state_dict({"weight": w, "bias": b.double()})),
        *(m.weight is own, m.weight, m.bias),
        said(lambda: torch.nn.Sequential(m).load_state_dict({"0.weight": w, "1.weight": b})),
    ]


@both
def test_load_by_assignment(torch: Any) -> Any:
    m = net(torch)
    m.first.weight.requires_grad_(False)
    state = OrderedDict((k, torch.ones_like(v).double()) for k, v in m.state_dict().items())
    result = m.load_state_dict(state, assign=True)
    shares = [m.block.shift is state["block.shift"], type(m.first.weight).__name__]
    return [result, shares, [(p.dtype, p.requires_grad) for p in m.parameters()]]


@both
def test_scalars_of_old_checkpoints(torch: Any) -> Any:
    m = torch.nn.Module()
    m.a = torch.nn.Parameter(torch.tensor(1.0))
    return m.load_state_dict({"a": torch.tensor([5.0])}), m.a


@both
def test_versions_of_batch_norm(torch: Any) -> Any:
    m = torch.nn.BatchNorm1d(2)
    m.num_batches_tracked.fill_(7)
    new = m.state_dict()
    del new["num_batches_tracked"]
    old = copy.copy(new)
    old._metadata = {"": {"version": 1}}
    plain = dict(new)
    return [said(lambda s=s: m.load_state_dict(s)) for s in (new, old, plain)]


@both
def test_running_statistics_of_old_instance_norms(torch: Any) -> Any:
    m = torch.nn.Sequential(torch.nn.InstanceNorm1d(2))
    state = {"0.running_mean": torch.ones(2), "0.running_var": torch.ones(2)}
    return said(lambda: m.load_state_dict(state))


@both
def test_extra_state(torch: Any) -> Any:
    class Extra(torch.nn.Linear):  # type: ignore[misc]
        def get_extra_state(self) -> Any:
            return {"x": 5}

        def set_extra_state(self, state: Any) -> None:
            self.loaded = state

    a, b = Extra(1, 1), Extra(1, 1)
    return [
        *(a.state_dict(), b.load_state_dict(a.state_dict()), b.loaded),
        said(lambda: a.load_state_dict({})),
        said(lambda: torch.nn.Linear(1, 1).load_state_dict(a.state_dict())),
    ]


@both
def test_state_hooks(torch: Any) -> Any:
    m = torch.nn.Sequential(torch.nn.Linear(1, 1))
    seen: list[Any] = []

    def before(module: Any, prefix: str, keep_vars: bool) -> None:
        seen.append(["before", type(module).__name__, prefix, keep_vars])

    def after(module: Any, state: Any, prefix: str, metadata: Any) -> None:
        state[prefix + "extra"] = state.pop(prefix + "bias")
        seen.append(["after", prefix, metadata])

    def loading(module: Any, state: Any, prefix: str, *rest: Any) -> None:
        state[prefix + "bias"] = state.pop(prefix + "extra")
        seen.append(["loading", prefix, len(rest)])

    def loaded(module: Any, keys: Any) -> None:
        seen.append(["loaded", [*map(list, keys)]])
        keys.missing_keys.clear()

    handles = [
        m.register_state_dict_pre_hook(before),
        m[0].register_state_dict_post_hook(after),
        m[0].register_load_state_dict_pre_hook(loading),
        m.register_load_state_dict_post_hook(loaded),
    ]
    state = m.state_dict()
    result = m.load_state_dict(state)
    for handle in handles:
        handle.remove()
    bad = torch.nn.Linear(1, 1)
    bad.register_state_dict_post_hook(lambda *a: 1)
    worse = torch.nn.Linear(1, 1)
    worse.register_load_state_dict_post_hook(lambda *a: 1)
    return [
        *(seen, list(state), result, list(m.state_dict())),
        said(bad.state_dict),
        said(lambda: worse.load_state_dict(worse.state_dict())),
    ]


def test_copies_and_pickles() -> None:
    m = xptorch.nn.Sequential(xptorch.nn.BatchNorm1d(3), xptorch.nn.Linear(3, 2))
    m[1].weight.grad = xptorch.ones(2, 3)
    m.eval()
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert repr(twin) == repr(m)
        assert not twin.training
        assert isinstance(twin[1].weight, xptorch.nn.Parameter)
        assert twin[1].weight.grad is None
        for (k, a), (j, b) in zip(twin.state_dict().items(), m.state_dict().items(), strict=True):
            assert k == j
            assert a is not b
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        twin[1].weight.data.fill_(0)
        assert m[1].weight.abs().sum().item() > 0


def test_tied_weights_stay_tied_in_a_deepcopy() -> None:
    m = net(xptorch)
    twin = copy.deepcopy(m)
    assert twin.tied is twin.first
    assert twin.first.weight is not m.first.weight


def test_old_pickles_get_the_new_attributes() -> None:
    m = xptorch.nn.Linear(1, 1)
    state = dict(vars(m))
    del state["_forward_hooks"]
    twin = xptorch.nn.Linear.__new__(xptorch.nn.Linear)
    twin.__setstate__(state)
    assert twin._forward_hooks == {}


# ---- forward hooks


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
    """A call without hooks goes straight to forward."""

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
