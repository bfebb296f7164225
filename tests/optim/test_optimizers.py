"""The optimizers: steps as PyTorch's, on every backend; groups, state dicts, hooks."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import xptorch
from tests.columns import host
from tests.nn._twins import both, said
from xptorch import optim
from xptorch.optim import _multi_tensor, optimizer

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "maximize": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "betas": (0.3, 0.4)}),
    ("Adam", {"lr": 0.1, "amsgrad": True}),
    ("Adam", {"maximize": True, "eps": 1e-3, "foreach": True}),
    ("Adam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1, "fused": False}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adadelta", {"rho": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"lr": 0.1, "weight_decay": 0.1, "betas": (0.3, 0.9)}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.1}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.9, 0.5)}),
    ("ASGD", {"lr": 0.1, "weight_decay": 0.1, "t0": 3, "lambd": 0.1}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.4), "step_sizes": (0.01, 0.2)}),
]
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(CASES)]


def arrays(dtype: str = "float32", seed: int = 0) -> Iterator[Any]:
    rng = np.random.default_rng(seed)
    for shape in ((3, 4), (), (5,)):
        yield np.asarray(rng.standard_normal(shape), dtype)


def weights(torch: Any, dtype: str = "float32") -> list[Any]:
    return [torch.from_numpy(a.copy()).requires_grad_() for a in arrays(dtype)]


def train(torch: Any, opt: Any, params: list[Any], steps: range) -> None:
    for step in steps:
        for p, g in zip(params, arrays(str(p_dtype(params)), seed=step + 1), strict=True):
            p.grad = torch.from_numpy(g.copy())
        opt.step()


def p_dtype(params: list[Any]) -> str:
    return str(params[0].dtype).rpartition(".")[2]


# ---- steps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_steps_are_pytorchs(name: str, options: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    seen = []
    for library in (xptorch, torch):
        params = weights(library, dtype)
        opt = getattr(library.optim, name)(params, **options)
        train(library, opt, params, range(8))
        state = opt.state_dict()
        values = [v for s in state["state"].values() for v in s.values()]
        keys = [list(s) for s in state["state"].values()], state["param_groups"]
        seen.append(([p.detach().numpy() for p in params], values, keys, repr(opt)))
    (ours, our_values, *our_rest), (theirs, their_values, *their_rest) = seen
    assert our_rest == their_rest
    tolerance = 64 * np.finfo(dtype).eps
    for a, b in zip([*ours, *our_values], [*theirs, *their_values], strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), tolerance, tolerance)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_backends_agree(name: str, options: dict[str, Any], device: Any) -> None:
    ends = []
    for target in (device, "cpu"):
        params = [p.detach().to(target).requires_grad_() for p in weights(xptorch)]
        opt = getattr(optim, name)(params, **options)
        for step in range(3):
            for p, g in zip(params, arrays(seed=step + 1), strict=True):
                p.grad = xptorch.from_numpy(g).to(target)
            opt.step()
        ends.append([host(p) for p in params])
        assert all(p.device == xptorch.device(target) for p in params)
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_packs_and_blocks_give_the_same_numbers(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    for block, small in ((1 << 16, 0), (1 << 16, 1 << 14), (5, 5), (8, 4)):
        monkeypatch.setattr(_multi_tensor, "_BLOCK", block)
        monkeypatch.setattr(_multi_tensor, "_SMALL", small)
        params = weights(xptorch)
        params[0] = params[0].detach().t().requires_grad_()  # blocks need contiguous memory
        params += [xptorch.arange(float(n), requires_grad=True) for n in (12, 3, 0, 4)]
        params.append(xptorch.arange(3.0, dtype=xptorch.float64, requires_grad=True))
        opt = getattr(optim, name)(params, **options)
        for step in range(3):
            for i, p in enumerate(params):
                p.grad = xptorch.full_like(p, 0.5 - step + i).detach()
            if step == 1:
                params[1].grad = params[5].grad = None  # their step counts differ afterwards
            opt.step()
        ends.append([p.tolist() for p in params])
    assert all(end == ends[0] for end in ends)


def test_packs_leave_no_trace() -> None:
    """Copies, rebound parameters, loaded states and new groups among parameters in flat groups."""

    def trained(small: int, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        monkeypatch.setattr(_multi_tensor, "_SMALL", small)
        net = xptorch.nn.Sequential(xptorch.nn.Linear(3, 4), xptorch.nn.Linear(4, 2))
        for i, p in enumerate(net.parameters()):
            p.data = xptorch.linspace(-1, 1 + i, p.numel()).reshape(p.shape).clone()
        opt = optim.AdamW(net.parameters(), lr=0.1)

        def step() -> None:
            net.zero_grad()
            x = xptorch.arange(6, dtype=net[0].weight.dtype).reshape(2, 3)
            net(x).square().sum().backward()
            opt.step()

        step()
        kept, twin = copy.deepcopy(opt.state_dict()), copy.deepcopy(net)
        before = [p.tolist() for p in twin.parameters()]
        gradients = [p.grad.tolist() for p in net.parameters()]
        step()
        assert [p.tolist() for p in twin.parameters()] == before
        opt.load_state_dict(kept)
        net[0].bias.data = xptorch.ones(4)
        extra = xptorch.zeros(3, requires_grad=True)
        extra.grad = xptorch.ones(3)
        opt.add_param_group({"params": [extra], "lr": 1.0})
        step()
        net.double()
        step()
        for s in opt.state.values():
            assert s["exp_avg"]._base is None
            assert s["exp_avg"].untyped_storage().nbytes() == s["exp_avg"].nbytes
        ends = [*net.parameters(), extra, *[s["exp_avg_sq"] for s in opt.state.values()]]
        return [gradients, *[p.tolist() for p in ends]]

    with pytest.MonkeyPatch.context() as patch:
        assert trained(0, patch) == trained(1 << 14, patch)


def stepped(count: int = 4) -> tuple[Any, list[Any], Callable[[Any], None]]:
    """An optimizer after one step, its parameters, and a function that steps some of them."""
    params = [xptorch.linspace(0, 1, 3 + i).requires_grad_() for i in range(count)]
    opt = optim.AdamW(params, lr=0.1)

    def step(some: Any) -> None:
        for p in params:
            p.grad = xptorch.ones_like(p).detach() if any(p is q for q in some) else None
        opt.step()

    step(params)
    return opt, params, step


def test_states_of_small_parameters_lie_together_and_stay() -> None:
    opt, params, step = stepped()
    arrays = [opt.state[p]["exp_avg"]._data for p in params]
    assert len({id(x.base) for x in arrays}) == 1
    step(params)
    assert all(opt.state[p]["exp_avg"]._data is x for p, x in zip(params, arrays, strict=True))


def test_states_that_are_shown_stay_where_they_are() -> None:
    opt, params, step = stepped()
    state = opt.state[params[1]]["exp_avg"]
    aliased = state.numpy()
    for some in (params[:3], params[1:], params):  # each makes another flat group
        step(some)
        assert aliased.tolist() == state.tolist()
    twin = copy.deepcopy(opt)
    step(params)
    assert aliased.tolist() == state.tolist()
    assert [float(s["step"]) for s in twin.state.values()] == [3.0, 4.0, 4.0, 3.0]


def test_packs_change_with_who_has_gradients() -> None:
    ends = []
    for small in (0, 1 << 15):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_multi_tensor, "_SMALL", small)
            opt, params, step = stepped()
            for some in (params[:3], params[2:], params[:1], [], params, params[::2], params):
                step(some)
            states = [opt.state[p][name].tolist() for p in params for name in opt.state[p]]
        ends.append([[p.tolist() for p in params], states])
    assert ends[0] == ends[1]


def test_a_packed_state_is_saved_alone() -> None:
    opt, params, _ = stepped()
    file = io.BytesIO()
    xptorch.save(opt.state[params[2]]["exp_avg"], file)
    one = len(file.getvalue())
    file = io.BytesIO()
    xptorch.save(xptorch.zeros(5), file)
    assert one == len(file.getvalue())


def test_parameters_may_share_memory() -> None:
    a = xptorch.ones(4, requires_grad=True)
    b, c = (xptorch.nn.Parameter(a.detach()[:n]) for n in (2, 4))
    for p in (a, b, c):
        p.grad = xptorch.ones_like(p).detach()
    optim.SGD([a, b, c], lr=0.5).step()
    assert a.tolist() == [-0.5, -0.5, 0.0, 0.0]


def test_a_parameter_listed_twice_takes_two_steps() -> None:
    for options in ({"lr": 0.5}, {"lr": 0.5, "momentum": 0.5}):
        p = xptorch.zeros(2, requires_grad=True)
        p.grad = xptorch.ones(2)
        with pytest.warns(UserWarning, match="duplicate"):
            opt = optim.SGD([p, p], **options)
        opt.step()
        assert p.tolist() == ([-1.0, -1.0] if len(options) == 1 else [-1.25, -1.25])


def test_parameters_without_gradient_stay() -> None:
    params = weights(xptorch)
    opt = optim.Adam(params, lr=1.0)
    params[1].grad = xptorch.tensor(1.0)
    before = params[0].tolist()
    opt.step()
    assert params[0].tolist() == before
    assert list(opt.state) == [params[1]]


def test_a_step_is_in_place_and_noticed() -> None:
    w = xptorch.tensor([1.0, 2.0], requires_grad=True)
    alias = w.detach()
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    optim.SGD([w], lr=0.1).step()
    np.testing.assert_allclose(alias.numpy(), [0.8, 1.6], rtol=1e-6)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_gradients_stay_what_they_are() -> None:
    for name, options in CASES:
        (w,) = params = [xptorch.tensor([1.0, 2.0], requires_grad=True)]
        opt = getattr(optim, name)(params, **options)
        for _ in range(3):
            w.grad = xptorch.tensor([0.5, -1.0])
            opt.step()
            assert w.grad.tolist() == [0.5, -1.0], name


@both
def test_learning_rate_and_betas_as_tensors(torch: Any) -> Any:
    ends = []
    for name, options in [
        ("SGD", {"lr": torch.tensor(0.5)}),
        ("SGD", {"lr": torch.tensor([0.5]), "momentum": 0.5}),
        ("Adam", {"lr": torch.tensor(0.5)}),
        ("AdamW", {"lr": torch.tensor(0.5), "foreach": False}),
    ]:
        params = weights(torch)
        opt = getattr(torch.optim, name)(params, **options)
        train(torch, opt, params, range(2))
        opt.param_groups[0]["lr"].fill_(0.25)
        train(torch, opt, params, range(2))
        ends.append([round(v, 4) for p in params for v in p.detach().flatten().tolist()])
    return [
        ends,
        said(lambda: torch.optim.SGD(weights(torch), lr=torch.tensor([1.0, 2.0]))),
        said(lambda: torch.optim.Adam(weights(torch), lr=torch.tensor(1.0), foreach=True)),
        said(lambda: torch.optim.Adam(weights(torch), betas=(torch.tensor(0.9), 0.9))),
    ]


@both
def test_closures(torch: Any) -> Any:
    (w,) = params = [torch.tensor([1.0, 2.0], requires_grad=True)]
    opt = torch.optim.SGD(params, lr=0.25)

    def closure() -> Any:
        opt.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        losses = [opt.step(closure).item() for _ in range(2)]
    return losses, w.tolist(), opt.step() is None


# ---- options and parameters


@both
def test_option_errors(torch: Any) -> Any:
    def make(name: str, **options: Any) -> Any:
        return said(lambda: type(getattr(torch.optim, name)(weights(torch), **options)).__name__)

    return [
        make("SGD", lr=-1),
        make("SGD", momentum=-1),
        make("SGD", weight_decay=-1),
        make("SGD", nesterov=True),
        make("SGD", nesterov=True, momentum=0.9, dampening=0.1),
        make("SGD", foreach=True, fused=True),
        make("SGD", differentiable=True, fused=True),
        make("Adam", lr=-1),
        make("Adam", eps=-1),
        make("Adam", betas=(1, 0.9)),
        make("Adam", betas=(0.9, -1)),
        make("Adam", weight_decay=-1),
        make("RMSprop", alpha=-1),
        make("RMSprop", momentum=-1),
        make("Adagrad", lr_decay=-1),
        make("Adagrad", initial_accumulator_value=-1),
        make("Adadelta", rho=2),
        make("NAdam", momentum_decay=-1),
        make("Rprop", etas=(1.5, 1.2)),
    ]


@pytest.mark.parametrize("option", ["capturable", "differentiable"])
def test_what_is_not_supported_says_so(option: str) -> None:
    with pytest.raises(NotImplementedError, match=option):
        optim.AdamW(weights(xptorch), **{option: True})  # type: ignore[arg-type]
    first, second = (xptorch.ones(1, requires_grad=True) for _ in range(2))
    opt = optim.AdamW([first])
    with pytest.raises(NotImplementedError, match=option):
        opt.add_param_group({"params": [second], option: True})
    assert len(opt.param_groups) == 1


@both
def test_adagrads_sums_start_alike_in_all_groups(torch: Any) -> Any:
    w, v = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    own = {"initial_accumulator_value": 0.25}
    opt = torch.optim.Adagrad([{"params": [w], **own}], initial_accumulator_value=0.5)
    opt.add_param_group({"params": [v], **own})
    w.grad = v.grad = torch.ones(1)
    opt.step()
    return [opt.state[p]["sum"].item() for p in (w, v)]


@both
def test_parameter_errors(torch: Any) -> Any:
    w, v = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    sgd = torch.optim.SGD
    made = sgd([w])
    kinds = [
        type(_error(lambda given=given: sgd(given))).__name__
        for given in [None, w, [1], {"params": [w]}, [{"lr": 1}], [("a", w), v]]
    ]
    return [
        kinds,
        said(lambda: sgd([])),
        said(lambda: sgd([{"params": {w}}])),
        said(lambda: sgd([w * 2])),
        said(lambda: sgd([{"params": [w]}, {"params": [w]}])),
        said(lambda: made.add_param_group([v])),
        said(lambda: made.add_param_group({"params": w})),
        said(lambda: made.add_param_group({"params": [("v", v)]})),
        type(_error(lambda: torch.optim.Optimizer([w], {}).step())).__name__,
    ]


def _error(call: Any) -> Exception | None:
    try:
        call()
    except Exception as e:
        return e
    return None


def test_duplicate_parameters_warn() -> None:
    w = xptorch.ones(1, requires_grad=True)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([w, w])


@both
def test_groups(torch: Any) -> Any:
    w, v, u = (torch.tensor([x], requires_grad=True) for x in (1.0, 2.0, 3.0))
    opt = torch.optim.SGD([{"params": [w]}, {"params": iter([v]), "lr": 0.5, "own": 7}], lr=0.25)
    opt.add_param_group({"params": u, "lr": 1.0})
    for p in (w, v, u):
        p.grad = torch.ones(1)
    opt.step()
    named = torch.optim.SGD([("w", w), ("v", v)], lr=0.1)
    return [w.tolist(), v.tolist(), u.tolist(), repr(opt), opt.state_dict(), named.state_dict()]


@both
def test_required_options(torch: Any) -> Any:
    required = _optimizer_module(torch).required

    class Own(torch.optim.Optimizer):  # type: ignore[misc]
        def __init__(self, params: Any, **options: Any) -> None:
            super().__init__(params, {"lr": required, "beta": 2, **options})

    w = torch.ones(1, requires_grad=True)
    made = Own([{"params": [w], "lr": 3}])
    return [repr(required), said(lambda: Own([w])), made.param_groups[0]["beta"], repr(made)]


def _optimizer_module(torch: Any) -> Any:
    return importlib.import_module(f"{torch.__name__}.optim.optimizer")


@both
def test_zero_grad(torch: Any) -> Any:
    params = weights(torch)
    opt = torch.optim.SGD(params)
    params[0].grad = (params[0].detach() * 1).requires_grad_()
    opt.zero_grad(set_to_none=False)
    zeroed = params[0].grad
    opt.zero_grad()
    return zeroed, params[1].grad, [p.grad for p in params]


# ---- hooks


@both
def test_step_hooks(torch: Any) -> Any:
    module, log = _optimizer_module(torch), []
    opt = torch.optim.SGD([torch.tensor([1.0], requires_grad=True)])
    module_pre = module.register_optimizer_step_pre_hook(lambda o, a, k: log.append("all before"))
    module_post = module.register_optimizer_step_post_hook(lambda o, a, k: log.append("all after"))
    pre = opt.register_step_pre_hook(lambda o, a, k: log.append(("before", o is opt, len(a), k)))
    changes = opt.register_step_pre_hook(lambda o, a, k: (a, {"closure": lambda: 7}))
    post = opt.register_step_post_hook(lambda o, a, k: log.append(("after", o is opt)))
    out = [opt.step(), list(log)]
    for handle in (module_pre, module_post, pre, changes, post):
        handle.remove()
    out += [opt.step(), list(log)]
    opt.register_step_pre_hook(lambda o, a, k: 3)
    return [*out, type(_error(opt.step)).__name__]


@both
def test_state_dict_hooks(torch: Any) -> Any:
    log: list[Any] = []
    opt = torch.optim.SGD(weights(torch))
    opt.register_state_dict_pre_hook(lambda o: log.append("second"))
    opt.register_state_dict_pre_hook(lambda o: log.append("first"), prepend=True)
    opt.register_state_dict_post_hook(lambda o, s: {**s, "more": 1})
    opt.register_load_state_dict_pre_hook(lambda o, s: log.append(sorted(s)))
    opt.register_load_state_dict_post_hook(lambda o: log.append("loaded"))
    state = opt.state_dict()
    opt.load_state_dict(state)
    return sorted(state), log


# ---- state dicts


def carried(value: Any, to: types.ModuleType) -> Any:
    """A state dict with its tensors converted to those of the library `to`."""
    if isinstance(value, dict):
        return {k: carried(v, to) for k, v in value.items()}
    if hasattr(value, "numpy"):
        return to.from_numpy(value.numpy().copy())
    return value


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_state_dicts_go_to_pytorch_and_back(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    ours, theirs = weights(xptorch), weights(torch)
    opt = getattr(optim, name)(ours, **options)
    train(xptorch, opt, ours, range(3))
    twin = getattr(torch.optim, name)(theirs, **options)
    twin.load_state_dict(carried(opt.state_dict(), torch))
    with torch.no_grad():
        for a, b in zip(ours, theirs, strict=True):
            b.copy_(torch.from_numpy(a.detach().numpy()))
    again = getattr(optim, name)(ours, **options)
    again.load_state_dict(carried(twin.state_dict(), xptorch))
    train(torch, twin, theirs, range(3, 6))
    train(xptorch, again, ours, range(3, 6))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), 1e-5, 1e-6)


@both
def test_loading(torch: Any) -> Any:
    made = torch.optim.Adam(weights(torch), lr=0.5)
    train(torch, made, made.param_groups[0]["params"], range(2))
    state = made.state_dict()
    wide = torch.optim.Adam(weights(torch, "float64"), lr=0.1, amsgrad=True)
    wide.load_state_dict(state)
    sgd = torch.optim.SGD
    two_groups = sgd([{"params": weights(torch)}, {"params": weights(torch)}])
    named = sgd([("w", weights(torch)[0])])
    named.load_state_dict(sgd(weights(torch)[:1], lr=3).state_dict())
    return [
        [str(v.dtype)[-7:] for v in wide.state_dict()["state"][0].values()],
        wide.param_groups[0]["lr"],
        {k: v for k, v in named.param_groups[0].items() if k != "params"},
        said(lambda: sgd(weights(torch)).load_state_dict(two_groups.state_dict())),
        said(lambda: sgd(weights(torch)).load_state_dict(sgd(weights(torch)[:1]).state_dict())),
        state["state"][0]["exp_avg"] is made.state[made.param_groups[0]["params"][0]]["exp_avg"],
    ]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_are_whole(copied: Any) -> None:
    params = weights(xptorch)
    opt = optim.AdamW(params, lr=0.1)
    train(xptorch, opt, params, range(2))
    twin = copied(opt)
    theirs = twin.param_groups[0]["params"]
    assert theirs[0] is not params[0]
    train(xptorch, opt, params, range(2, 4))
    train(xptorch, twin, theirs, range(2, 4))
    assert [p.tolist() for p in theirs] == [p.tolist() for p in params]
    assert repr(twin) == repr(opt)


def test_states_of_older_releases() -> None:
    params = weights(xptorch)
    opt = optim.Adam(params)
    train(xptorch, opt, params, range(2))
    state = opt.state_dict()
    for s in state["state"].values():
        s["step"] = 2
    for name in ("amsgrad", "maximize", "fused", "decoupled_weight_decay"):
        del state["param_groups"][0][name]
    opt.load_state_dict(state)
    train(xptorch, opt, params, range(1))
    assert opt.state_dict()["state"][0]["step"].item() == 3


def test_own_optimizers_have_the_same_base() -> None:
    class Descent(optimizer.Optimizer):
        def step(self, closure: Any = None) -> None:
            with xptorch.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p.sub_(group["lr"] * p.grad)
                        self.state[p]["step"] = self.state[p].get("step", 0) + 1

    w = xptorch.tensor([1.0], requires_grad=True)
    opt = Descent([w], {"lr": 0.5})
    called: list[Any] = []
    opt.register_step_post_hook(lambda *args: called.append(args))
    w.grad = xptorch.ones(1)
    opt.step()
    opt.load_state_dict(opt.state_dict())
    assert (w.tolist(), opt.state[w]["step"], len(called)) == ([0.5], 1, 1)
