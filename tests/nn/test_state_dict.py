"""state_dict behaves as PyTorch's: each scenario is run on both libraries."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import xptorch
from tests.nn._nets import net
from tests.nn._twins import both, said


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
