"""Containers behave as PyTorch's: each scenario is run on both libraries."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import xptorch
from tests.nn._twins import both, said


def names(container: Any) -> Any:
    return [[k, type(m).__name__] for k, m in container._modules.items()]


# ---- Sequential


@both
def test_sequential(torch: Any) -> Any:
    nn = torch.nn
    s = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))
    named = nn.Sequential(OrderedDict(first=nn.Tanh(), second=nn.ReLU()))
    return [
        *(s, named, len(s), list(named), named.first),
        *(said(lambda i=i: s[i]) for i in (0, -1, 5, -4, "0", 1.5, True, slice(0, 2), slice(9, 2))),
        *(named[0:1], named[-1], nn.Sequential()(4), said(lambda: s(1, 2))[0]),
        [nn.ReLU() in s, s[0] in s],
    ]


@both
def test_sequential_grows_and_shrinks(torch: Any) -> Any:
    nn = torch.nn
    s = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    steps = [
        *(lambda: s.append(nn.Tanh()), lambda: s.extend([nn.ReLU(), nn.Tanh()])),
        *(lambda: s.insert(1, nn.GELU()), lambda: s.insert(-1, nn.SiLU()), lambda: s.pop(0)),
        *(lambda: s.pop(-1), lambda: s.insert(len(s), nn.Identity()), lambda: s.pop(slice(0, 2))),
        *(lambda: s.__setitem__(0, nn.Softsign()), lambda: s.__delitem__(0)),
        *(
            lambda: s.__iadd__(nn.Sequential(*s)),
            lambda: s.__imul__(2),
            lambda: s.__delitem__(slice(1, 3)),
        ),
        *(lambda: s.append(3), lambda: s.insert(1, 3)[0], lambda: s.insert(99, nn.ReLU())),
        *(lambda: s.__setitem__(99, nn.ReLU()), lambda: s.__delitem__(99), lambda: s.pop(99)),
        *(lambda: s + 3, lambda: s.__iadd__(3), lambda: s * 2.0, lambda: s * 0),
        *(lambda: s.__imul__(0), lambda: s + s, lambda: s * 2, lambda: 2 * s),
        *(lambda: torch.nn.Sequential(3), lambda: s.extend(3)),
    ]
    seen = []
    for step in steps:
        outcome = said(step)
        if isinstance(outcome, list) and outcome[0] == "AssertionError":
            outcome = outcome[:1]  # it names the class's module, which differs
        text = str(outcome)
        for home in ("torch.nn.modules.container.", "torch.nn.container."):
            text = text.replace(home, "")
        seen.append([text.replace("xptorch", "torch"), names(s)])
    return seen


def test_a_named_sequential_keeps_its_names() -> None:
    """As PyTorch does in slices."""
    nn = xptorch.nn
    s = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh(), c=nn.GELU()))
    assert list(s[1:]._modules) == ["b", "c"]
    s[1] = nn.SiLU()
    assert names(s) == [["a", "ReLU"], ["b", "SiLU"], ["c", "GELU"]]


# ---- ModuleList


@both
def test_module_list(torch: Any) -> Any:
    nn = torch.nn
    m = nn.ModuleList([*(nn.Linear(1, 2) for _ in range(3)), nn.ReLU()])
    return [
        *(m, nn.ModuleList(), len(m), list(reversed(m)), m[0] in m, nn.ReLU() in m),
        *(said(lambda i=i: m[i]) for i in (0, -1, 7, -9, "0", 1.0, slice(0, 2))),
        *(said(lambda: m(1)), m.__add__([nn.Tanh()])),
        *(said(lambda: m + 3)[0], said(lambda: m.pop())[0]),
        *(said(lambda: nn.ModuleList(3)), said(lambda: m.extend(nn.ReLU()))),
        *(said(lambda: m.append(3)), said(lambda: m.__setitem__(0, 3))),
    ]


@both
def test_module_list_grows_and_shrinks(torch: Any) -> Any:
    nn = torch.nn
    m = nn.ModuleList([nn.Linear(1, 2), nn.ReLU()])
    steps = [
        *(lambda: m.append(nn.Tanh()), lambda: m.extend(x for x in [nn.GELU(), nn.SiLU()])),
        *(lambda: m.insert(0, nn.Tanh()), lambda: m.insert(2, nn.ReLU()), lambda: m.pop(0)),
        *(lambda: m.pop(-1), lambda: m.__delitem__(0), lambda: m.__delitem__(slice(0, 1))),
        *(lambda: m.__iadd__([nn.ReLU()]), lambda: m.__setitem__(-1, nn.Identity())),
        *(lambda: m.extend(nn.ModuleList([nn.Tanh()])), lambda: m.pop(slice(0, 2))),
    ]
    return [[said(step), names(m)] for step in steps]


def test_insert_takes_indices_as_a_list_does() -> None:
    nn = xptorch.nn
    m = nn.ModuleList([nn.ReLU()])
    m.insert(-1, nn.Tanh())
    m.insert(99, nn.GELU())
    assert names(m) == [["0", "Tanh"], ["1", "ReLU"], ["2", "GELU"]]


@both
def test_names_that_are_no_numbers_do_not_show(torch: Any) -> Any:
    m = torch.nn.ModuleList([torch.nn.ReLU()])
    return ["0" in dir(m), "append" in dir(m)]


# ---- ModuleDict


@both
def test_module_dict(torch: Any) -> Any:
    nn = torch.nn
    d = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Tanh()})
    return [
        *(d, nn.ModuleDict(), list(d.keys()), list(d.values()), list(d.items()), list(d)),
        *(len(d), "a" in d, 3 in d, d["a"], said(lambda: d["z"]), said(lambda: d(1))),
        *(said(lambda x=x: d.update(x)) for x in (3, [(1, 2, 3)], [("x",)], {"x": 3})),
        said(lambda: d.update([3]))[0],  # PyTorch's message lacks a space
        *(said(lambda: d.__setitem__(3, nn.ReLU())), said(lambda: d.__delitem__("z"))),
        *(said(lambda: nn.ModuleDict({"type": nn.ReLU()})), said(lambda: d.get("z"))),
        *(d.pop("b"), d.update({"c": nn.ReLU()}), d.update([["q", nn.ReLU()]]), d),
        *(d.update(nn.ModuleDict({"z": nn.ReLU()})), d, d.clear(), len(d)),
        nn.ModuleDict([("b", nn.ReLU()), ("a", nn.ReLU())]),
    ]


# ---- ParameterList and ParameterDict


@both
def test_parameter_list(torch: Any) -> Any:
    nn = torch.nn
    P = nn.Parameter
    p = nn.ParameterList([P(torch.ones(2)), torch.ones(3), 4, "s"])
    return [
        *(p, nn.ParameterList(), len(p), [n for n, _ in p.named_parameters()], list(p)),
        *(said(lambda i=i: p[i]) for i in (0, -1, 5, "0", 1.0, slice(0, 2))),
        *(p.append(P(torch.zeros(1))) is p, p.extend([1]) is p, said(lambda: p.extend(3))),
        *(said(lambda: p.__iadd__([torch.ones(1)])), p.__setitem__(0, torch.zeros(4)), p, len(p)),
        *(said(lambda: p(1)), said(lambda: nn.ParameterList(3)), p.state_dict()),
        *(said(lambda: p.insert(0, 1)), said(lambda: p.pop())),
        p.extend(nn.ParameterList([P(torch.ones(1))])),
    ]


@both
def test_parameter_dict(torch: Any) -> Any:
    nn = torch.nn
    P = nn.Parameter
    d = nn.ParameterDict({"b": P(torch.ones(2)), "a": torch.ones(3), "c": "x"})
    return [
        *(d, nn.ParameterDict(), list(d), list(d.values()), list(d.items()), len(d)),
        *([n for n, _ in d.named_parameters()], d["a"], d.get("z"), d.get("z", 1), "a" in d),
        *(d.pop("b"), d.popitem(), d.setdefault("q", torch.zeros(1)), d.setdefault("q", 5)),
        *(d.copy(), d | nn.ParameterDict({"w": torch.ones(1)}), {"a": 1} | d, list(reversed(d))),
        *(said(lambda: d.__ior__({"a": torch.zeros(1)})), d["a"], said(lambda: d(1))),
        *(said(lambda x=x: d.update(x)) for x in (3, [(1, 2, 3)])),
        *(d.update({"zeta": torch.ones(1), "alpha": torch.ones(1)}), list(d)),
        *(d.update(OrderedDict(z=1, y=2)), list(d), d.fromkeys(["m", "n"], torch.ones(1))),
        said(lambda: d.__delitem__("none")),
        *(d.state_dict(), d.clear(), len(d), list(d.named_parameters()), said(d.popitem)),
        nn.ParameterDict([("b", torch.ones(1)), ("a", torch.ones(1))]),
    ]


def test_containers_survive_copies_and_pickles() -> None:
    nn = xptorch.nn
    m = nn.ModuleDict(
        {
            "list": nn.ModuleList([nn.ReLU()]),
            "values_": nn.ParameterList([xptorch.ones(2)]),
            "dict": nn.ParameterDict({"a": xptorch.ones(1)}),
        }
    )
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert repr(twin) == repr(m)
        assert list(twin.state_dict()) == list(m.state_dict())
        assert len(twin["values_"]) == 1
        assert list(twin["dict"].keys()) == ["a"]
