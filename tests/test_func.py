"""Function transforms and forward mode against PyTorch's: the same program in both libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xptorch
from xptorch.utils._pytree import tree_leaves, tree_structure

torch = pytest.importorskip("torch")
# PyTorch compiles its forward-mode formulas with functions that it deprecates itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated"),
    pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node"),
]

Program = Callable[[Any], Any]


def net(t: Any) -> Any:
    return t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 2))


def state(t: Any) -> Any:
    t.manual_seed(0)
    return {k: v.detach() for k, v in net(t).named_parameters()}


def per_sample(t: Any) -> Any:
    module, call = net(t), t.func.functional_call
    one = t.func.grad(lambda p, x, y: ((call(module, p, (x,)) - y) ** 2).mean())
    return t.vmap(one, in_dims=(None, 0, 0))(state(t), f32(t, 5, 3), f32(t, 5, 2))


def ensemble(t: Any) -> Any:
    t.manual_seed(1)
    models = [net(t) for _ in range(3)]
    one = t.vmap(
        lambda p, b, x: t.func.functional_call(models[0], (p, b), (x,)), in_dims=(0, 0, None)
    )
    return one(*t.func.stack_module_state(models), f32(t, 4, 3))


def a(t: Any, *shape: int, seed: int = 0) -> Any:
    return t.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def f32(t: Any, *shape: int, seed: int = 0) -> Any:
    return a(t, *shape, seed=seed).float()


def swish(t: Any) -> Any:
    return lambda x: (x * t.sigmoid(x)).sum()


PROGRAMS: dict[str, Program] = {
    "grad": lambda t: t.func.grad(swish(t))(a(t, 3)),
    "grad of grad": lambda t: t.func.grad(lambda x: t.func.grad(swish(t))(x).sum())(a(t, 3)),
    "grad three deep": lambda t: t.func.grad(t.func.grad(t.func.grad(t.sin)))(a(t)),
    "grad by dict": lambda t: t.func.grad(lambda p: (p["a"] * p["b"]).sum())(
        {"a": a(t, 3), "b": a(t, 3, seed=1)}
    ),
    "grad by two": lambda t: t.func.grad(lambda x, y: (x * y**2).sum(), (0, 1))(a(t, 3), a(t, 3)),
    "grad, aux, value": lambda t: t.func.grad_and_value(
        lambda x: ((x**3).sum(), {"twice": 2 * x}), has_aux=True
    )(a(t, 3)),
    "grad unused": lambda t: t.func.grad(lambda p: p[0].sum())((a(t, 2), a(t, 3))),
    "vjp": lambda t: [
        t.func.vjp(lambda x, y: (x @ y, x.sin()), a(t, 2, 3), a(t, 3))[1]((a(t, 2), a(t, 2, 3))),
        t.func.vjp(lambda x: x.exp(), a(t, 3))[0],
    ],
    "vjp aux": lambda t: [
        r for r in t.func.vjp(lambda x: (x.exp(), x * 2), a(t, 3), has_aux=True) if r is not None
    ][::2],
    "jvp": lambda t: t.func.jvp(
        lambda x, y: (x @ y, x.sin()), (a(t, 2, 3), a(t, 3)), (a(t, 2, 3, seed=5), a(t, 3, seed=6))
    ),
    "jvp of grad": lambda t: t.func.jvp(t.func.grad(swish(t)), (a(t, 3),), (a(t, 3, seed=1),)),
    "grad of jvp": lambda t: t.func.grad(
        lambda x: t.func.jvp(t.sin, (x,), (a(t, 3, seed=1),))[1].sum()
    )(a(t, 3)),
    "linearize": lambda t: t.func.linearize(lambda x: x**3, a(t, 3))[1](a(t, 3, seed=1)),
    "jacrev": lambda t: t.func.jacrev(lambda x, y: {"a": x * y, "b": (x.sum(), y)}, argnums=(0, 1))(
        a(t, 2), a(t, 2, seed=1)
    ),
    "jacrev constant": lambda t: t.func.jacrev(lambda x: t.ones(2))(a(t, 3)),
    "jacfwd of jacrev": lambda t: t.func.jacfwd(t.func.jacrev(lambda x: (x**3).cumsum(0)))(a(t, 3)),
    "hessian": lambda t: t.func.hessian(lambda x: x.prod() + x[0] ** 3)(a(t, 3)),
    "grad of vjp": lambda t: t.func.grad(
        lambda x: t.func.vjp(lambda y, z: t.sin(y * z), x, a(t, 3))[1](a(t, 3))[1].sum()
    )(a(t, 3)),
    "grad of an older vjp": lambda t: t.func.grad(
        lambda v, pull=t.func.vjp(t.sin, a(t, 3))[1]: pull(v)[0].sum()
    )(a(t, 3)),
    "vmap": lambda t: t.func.vmap(t.dot, in_dims=(0, 1))(a(t, 4, 3), a(t, 3, 4)),
    "vmap whole": lambda t: t.vmap(lambda x, y: x + y, in_dims=(None, 1))(a(t, 2), a(t, 2, 5)),
    "vmap out": lambda t: t.vmap(lambda x: (x, x.sum()), out_dims=(1, 0))(a(t, 4, 3)),
    "vmap negative": lambda t: t.vmap(lambda x: x * 2, in_dims=-1, out_dims=-1)(a(t, 2, 3)),
    "vmap nested tree": lambda t: t.vmap(lambda d, k: d["a"][0] * k, in_dims=({"a": 0}, None))(
        {"a": (a(t, 3, 2), a(t, 3, 2))}, 3.0
    ),
    "vmap of vmap": lambda t: t.vmap(t.vmap(t.dot, (0, None)), (None, 0))(a(t, 4, 3), a(t, 2, 3)),
    "vmap keyword": lambda t: t.vmap(lambda x, *, y: x * y)(a(t, 3, 2), y=a(t, 2)),
    "vmap none": lambda t: t.vmap(lambda x: x.sum(0))(a(t, 0, 2, 3)),
    "vmap constant": lambda t: t.vmap(lambda x: 7, out_dims=None)(a(t, 3)),
    "per-sample gradients": per_sample,
    "ensemble": ensemble,
}


def compare(mine: Any, reference: Any) -> None:
    assert tree_structure(mine) == tree_structure(reference)
    for x, y in zip(tree_leaves(mine), tree_leaves(reference), strict=True):
        if isinstance(x, xptorch.Tensor):
            assert x.requires_grad == y.requires_grad
            assert str(x.dtype).removeprefix("xptorch") == str(y.dtype).removeprefix("torch")
            np.testing.assert_allclose(x.detach().numpy(), y.detach().numpy(), rtol=1e-6, atol=1e-7)
        else:
            assert x == y


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name: str) -> None:
    compare(PROGRAMS[name](xptorch), PROGRAMS[name](torch))


def test_gradients_flow_to_what_is_outside() -> None:
    def program(t: Any) -> Any:
        w = a(t, 3).requires_grad_()
        inner = t.func.grad(lambda x: (w * x**2).sum())(a(t, 3, seed=1))
        (inner**2).sum().backward()
        mapped = t.vmap(lambda x: (x * w).sum())(a(t, 2, 3))
        return inner, w.grad, mapped

    compare(program(xptorch), program(torch))


def test_randomness() -> None:
    x = xptorch.zeros(3, 2)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        xptorch.vmap(lambda v: v + xptorch.rand(2))(x)
    same = xptorch.vmap(lambda v: v + xptorch.rand(2), randomness="same")(x)
    different = xptorch.vmap(lambda v: v + xptorch.rand(2), randomness="different")(x)
    assert len(same.unique(dim=0)) == 1
    assert len(different.unique(dim=0)) == 3


def test_vmap_refuses_changes_of_what_it_does_not_map() -> None:
    for t in (xptorch, torch):  # each sample would see earlier samples' changes
        with pytest.raises(RuntimeError):
            t.vmap(lambda x, y: x.add_(y), in_dims=(None, 0))(a(t, 3), a(t, 2, 3))


WRONG: dict[str, Program] = {
    "not one number": lambda t: t.func.grad(lambda x: x)(a(t, 3)),
    "not a tensor": lambda t: t.func.grad(lambda x: 3.0)(a(t, 3)),
    "no such argument": lambda t: t.func.grad(lambda x: x.sum(), argnums=1)(a(t, 3)),
    "argnums of no kind": lambda t: t.func.grad(lambda x: x.sum(), argnums="a")(a(t, 3)),
    "integers": lambda t: t.func.grad(lambda x: x.sum())(t.arange(3)),
    "a number": lambda t: t.func.grad(lambda x: x)(3.0),
    "no aux": lambda t: t.func.grad(lambda x: x.sum(), has_aux=True)(a(t, 3)),
    "cotangents": lambda t: t.func.vjp(lambda x: (x, x), a(t, 3))[1](a(t, 3)),
    "tangents": lambda t: t.func.jvp(lambda x: x, (a(t, 3),), (a(t, 2),)),
    "primals": lambda t: t.func.jvp(lambda x: x, a(t, 3), a(t, 3)),
    "no primals": lambda t: t.func.jvp(t.sin, (), ()),
    "linearize": lambda t: t.func.linearize(t.sin, a(t, 3))[1](a(t, 3), a(t, 3)),
    "jacfwd randomness": lambda t: t.func.jacfwd(t.sin, randomness="foo")(a(t, 3)),
    "vmap axes in a list": lambda t: t.vmap(t.sin, in_dims=[0])(a(t, 3)),
    "vmap of a number": lambda t: t.vmap(lambda x: 3.0)(a(t, 3)),
    "vmap structure": lambda t: t.vmap(lambda x: x, in_dims=(0, 0))(a(t, 3)),
    "vmap axis": lambda t: t.vmap(lambda x: x, in_dims=3)(a(t, 3)),
    "vmap none": lambda t: t.vmap(lambda x: x, in_dims=None)(a(t, 3)),
    "vmap sizes": lambda t: t.vmap(lambda x, y: x)(a(t, 3), a(t, 2)),
    "vmap over a number": lambda t: t.vmap(lambda x, y: x)(a(t, 3), 2.0),
    "vmap out axis": lambda t: t.vmap(lambda x: x, out_dims=1)(a(t, 3)),
    "vmap out structure": lambda t: t.vmap(lambda x: x, out_dims=(0, 0))(a(t, 3)),
    "vmap out none": lambda t: t.vmap(lambda x: x, out_dims=None)(a(t, 3)),
    "vmap of nothing": lambda t: t.vmap(lambda x: x)(),
    "vmap randomness": lambda t: t.vmap(lambda x: x, randomness="foo"),
    "call name": lambda t: t.func.functional_call(net(t), {"9.weight": a(t, 3)}, f32(t, 1, 3)),
    "call value": lambda t: t.func.functional_call(net(t), {"0.weight": 3}, f32(t, 1, 3)),
    "call twice": lambda t: t.func.functional_call(net(t), [state(t), state(t)], f32(t, 1, 3)),
    "call strict": lambda t: t.func.functional_call(net(t), {}, f32(t, 1, 3), strict=True),
    "call no dict": lambda t: t.func.functional_call(net(t), 3, f32(t, 1, 3)),
    "no level": lambda t: forward_ad(t).make_dual(a(t, 3), a(t, 3)),
    "dual shape": lambda t: dual(t, a(t, 3), a(t, 2)),
    "dual integers": lambda t: dual(t, t.arange(3), t.arange(3)),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_as_pytorch(name: str) -> None:
    with pytest.raises(Exception) as reference:
        WRONG[name](torch)
    with pytest.raises(reference.type) as mine:
        WRONG[name](xptorch)
    assert str(mine.value)[:30] == str(reference.value)[:30].replace("torch.", "xptorch.")[:30]


def forward_ad(t: Any) -> Any:
    return t.autograd.forward_ad


def dual(t: Any, x: Any, v: Any) -> Any:
    with forward_ad(t).dual_level():
        return forward_ad(t).make_dual(x, v)


def test_forward_mode() -> None:
    def program(t: Any) -> Any:
        fw = forward_ad(t)
        with fw.dual_level():
            x = fw.make_dual(a(t, 3), a(t, 3, seed=1))
            y = fw.make_dual(a(t, 3, seed=2), a(t, 3, seed=3))
            w = a(t, 3, seed=4).requires_grad_()
            through = fw.unpack_dual(w * x.sin())
            through.tangent.sum().backward()
            return [
                *fw.unpack_dual(x * y.exp()),
                fw.unpack_dual(a(t, 3)).tangent is None,
                *fw.unpack_dual((x @ y) * 2),
                through.tangent,
                w.grad,
            ]

    compare(program(xptorch), program(torch))


def test_one_level_only() -> None:
    with forward_ad(xptorch).dual_level():  # noqa: SIM117
        with pytest.raises(RuntimeError, match="Nested"):
            forward_ad(xptorch).enter_dual_level()
    with pytest.raises(RuntimeError, match="exit"):
        forward_ad(xptorch).exit_dual_level()


def test_functional_call_ties_and_restores() -> None:
    def program(t: Any) -> Any:
        t.manual_seed(0)
        module = t.nn.Module()
        module.a, module.c = t.nn.Linear(2, 2), t.nn.Linear(2, 2)
        module.c.weight = module.a.weight
        module.forward = lambda x: module.c(module.a(x))
        before = module.a.weight
        call, w, x = t.func.functional_call, t.ones(2, 2), t.ones(1, 2)
        tied = call(module, {"a.weight": w}, x)
        assert module.a.weight is module.c.weight is before
        return tied, call(module, {"a.weight": w}, x, tie_weights=False)

    compare(program(xptorch), program(torch))


def test_functional_call_gives_back_what_the_call_changed() -> None:
    def program(t: Any) -> Any:
        class Counter(t.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.register_buffer("seen", t.zeros(1))
                self.scale = t.nn.Parameter(t.ones(1))

            def forward(self, x: Any, fail: bool = False) -> Any:
                self.seen = self.seen + 1
                assert not fail
                return x * self.seen * self.scale * getattr(self, "extra", 1.0)

        module, call, x = Counter(), t.func.functional_call, t.ones(2)
        state, more = {"seen": t.full((1,), 5.0)}, {"extra": t.full((1,), 3.0)}
        results = [call(module, state, x), state["seen"], module.seen]
        results += [call(module, (state, more), x), state["seen"], hasattr(module, "extra")]
        with pytest.raises(AssertionError):
            call(module, state, (x, True))
        results += [state["seen"], list(module.state_dict())]
        norm = t.nn.BatchNorm1d(2)
        state = {k: v.detach().clone() for k, v in norm.state_dict().items()}
        call(norm, state, t.arange(6.0).reshape(3, 2))
        return [*results, state, norm.state_dict()]

    compare(program(xptorch), program(torch))


def test_functional_call_wants_names_of_tensors_and_one_value_for_each() -> None:
    def program(t: Any) -> Any:
        module = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.Linear(2, 2, bias=False))
        module[1].weight = module[0].weight
        w, x, errors = t.ones(2, 2), t.ones(1, 2), []
        for given in (
            *({"0.weight": w, "1.weight": w + 1}, {"0": w}, {"": w}, {"training": w}),
            [{"0.weight": w}, 3],
        ):
            with pytest.raises((ValueError, TypeError, KeyError)) as caught:
                t.func.functional_call(module, given, x)
            errors.append(f"{caught.type.__name__}: {caught.value}".replace("xptorch", "torch"))
        same = t.func.functional_call(module, {"0.weight": w, "1.weight": w}, x)
        bias = {"0.weight": w, "0.bias": t.ones(2)}
        return errors, [same, t.func.functional_call(module, bias, x, strict=True)]

    (mine, numbers), (theirs, reference) = program(xptorch), program(torch)
    assert mine == theirs
    compare([n.detach() for n in numbers], [n.detach() for n in reference])


def test_functional_call_says_that_a_computed_tensor_cannot_be_replaced() -> None:
    layer = xptorch.nn.utils.parametrizations.weight_norm(xptorch.nn.Linear(2, 2))
    with pytest.raises(NotImplementedError, match="give parametrizations"):
        xptorch.func.functional_call(layer, {"weight": xptorch.ones(2, 2)}, xptorch.ones(2))


def test_chunks_are_not_empty() -> None:
    for t in (xptorch, torch):
        with pytest.raises(ValueError, match="greater than 0"):
            t.func.jacrev(t.sin, chunk_size=0)
