"""Parametrizations, and the older weight_norm and spectral_norm."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from tests.nn._twins import both, near, said


def kinds(torch: Any) -> dict[str, Any]:
    """Parametrizations with every kind of mistake, and a few valid ones."""

    def make(name: str, forward: Any, right_inverse: Any = None) -> Any:
        members = {"forward": lambda self, *x: forward(*x)}
        if right_inverse:
            members["right_inverse"] = lambda self, x: right_inverse(x)
        return type(name, (torch.nn.Module,), members)

    return {
        "Symmetric": make("Symmetric", lambda x: x.triu() + x.triu(1).mT, lambda x: x.triu()),
        "Double": make("Double", lambda x: x * 2),
        "Product": make("Product", lambda a, b: a * b, lambda x: (x, torch.ones_like(x))),
        "Shape": make("Shape", lambda x: x[0]),
        "Dtype": make("Dtype", lambda x: x.double()),
        "Number": make("Number", lambda x: 3),
        "ShapeBack": make("ShapeBack", lambda x: x, lambda x: x[0]),
        "DtypeBack": make("DtypeBack", lambda x: x, lambda x: x.double()),
        "NumberBack": make("NumberBack", lambda x: x, lambda x: 3),
        "NumbersBack": make("NumbersBack", lambda x: x, lambda x: [x, 3]),
    }


@both
def test_registering(torch: Any) -> Any:
    P = torch.nn.utils.parametrize
    notes: list[Any] = []
    for name, kind in kinds(torch).items():
        for unsafe in (False, True):

            def register() -> str:
                made = P.register_parametrization(layer, "weight", kind(), unsafe=unsafe)
                return repr(made)

            layer = torch.nn.Linear(3, 3)
            notes.append([name, said(register)])
            layer = torch.nn.Linear(3, 3)
            P.register_parametrization(layer, "weight", kinds(torch)["Double"]())
            notes.append(said(register))
            notes.append(list(layer.state_dict()))
    notes.append(said(lambda: P.register_parametrization(layer, "no", kind())))
    notes.append(said(lambda: P.ParametrizationList([], torch.ones(2))))
    return notes


@both
def test_what_a_parametrized_module_is(torch: Any) -> Any:
    P, made = torch.nn.utils.parametrize, kinds(torch)
    layer = torch.nn.Linear(3, 3)
    weight = layer.weight
    P.register_parametrization(layer, "weight", made["Symmetric"]())
    same = layer.parametrizations.weight.original is weight
    layer(torch.eye(3)).sum().backward()
    notes = [same, weight.grad, layer.weight, type(layer).__name__, list(layer.state_dict())]
    notes += [P.is_parametrized(layer), P.is_parametrized(layer, "bias")]
    notes.append(P.type_before_parametrizations(layer) is torch.nn.Linear)
    layer.weight = torch.arange(9.0).reshape(3, 3)
    notes += [weight, layer.weight, copy.deepcopy(layer).weight]
    with P.cached():
        notes.append(layer.weight is layer.weight)
    notes.append(layer.weight is layer.weight)
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(layer)
    other = torch.nn.Linear(3, 3)
    P.transfer_parametrizations_and_params(layer, other)
    notes.append(repr(P.transfer_parametrizations_and_params(torch.nn.Linear(3, 3), other)))
    notes += [repr(other), other.weight]
    norm = P.register_parametrization(torch.nn.BatchNorm1d(2), "running_mean", made["Double"]())
    return [*notes, list(norm.state_dict()), [n for n, _ in norm.named_buffers()]]


@both
def test_removing(torch: Any) -> Any:
    P, made = torch.nn.utils.parametrize, kinds(torch)
    notes: list[Any] = []
    for kind in ("Double", "Product"):
        for leave in (True, False):
            layer = P.register_parametrization(torch.nn.Linear(2, 2), "weight", made[kind]())
            notes.append(said(lambda: repr(P.remove_parametrizations(layer, "weight", leave))))
            notes += [repr(layer), layer.weight, list(layer.state_dict())]
    return [*notes, said(lambda: P.remove_parametrizations(torch.nn.Linear(2, 2), "weight"))]


@near
def test_weight_norm(torch: Any) -> Any:
    new, x = torch.nn.utils.parametrizations.weight_norm, torch.ones(2, 3)
    results: list[Any] = []
    for dim in (0, 1, None, -1):
        layer = new(torch.nn.Linear(3, 2), dim=dim)
        layer(x).square().sum().backward()
        results += [dict(layer.state_dict()), [p.grad for p in layer.parameters()]]
    with pytest.warns(FutureWarning):
        old = torch.nn.utils.weight_norm(torch.nn.Linear(3, 2))
    layer.load_state_dict(new(torch.nn.Linear(3, 2), dim=None).state_dict())
    layer = new(torch.nn.Linear(3, 2))
    results += [repr(layer.load_state_dict(old.state_dict())), layer.weight]
    old(x).sum().backward()
    results += [dict(old.state_dict()), old.weight_g.grad, old.weight_v.grad]
    torch.nn.utils.remove_weight_norm(old)
    results += [repr(old), dict(old.state_dict()), old(x)]
    return results


@near
def test_norms_of_any_axis(torch: Any) -> Any:
    U, results = torch.nn.utils, []
    for dim in (0, 1, -2, -3, -4, None):
        layer = U.parametrizations.weight_norm(torch.nn.Conv2d(4, 3, 2), dim=dim)
        layer(torch.ones(1, 4, 3, 3)).square().sum().backward()
        results += [dict(layer.state_dict()), [p.grad for p in layer.parameters()]]
    layer = U.parametrizations.weight_norm(U.spectral_norm(torch.nn.Linear(3, 2), "bias"), dim=-2)
    results += [layer(torch.ones(3)), dict(layer.state_dict())]
    v = torch.randn(2, 3, 4)
    results += [torch.norm_except_dim(v, p, d) for p in (1, 2, 3) for d in (-3, -1, 1, 2)]
    results.append(torch.norm_except_dim(v[0, 0], 2, 0))
    return [*results, said(lambda: U.parametrizations.weight_norm(layer, "bias_orig", 3))]


@near
def test_spectral_norm(torch: Any) -> Any:
    results: list[Any] = []
    for home in (torch.nn.utils, torch.nn.utils.parametrizations):
        for layer, x in (
            (torch.nn.Linear(3, 2), torch.ones(2, 3)),
            (torch.nn.ConvTranspose2d(2, 3, 2), torch.ones(1, 2, 3, 3)),
        ):
            home.spectral_norm(layer, n_power_iterations=2)
            layer(x).square().sum().backward()
            results += [dict(layer.state_dict()), [p.grad for p in layer.parameters()]]
            layer.eval()
            results += [layer(x), layer.weight]
            if home is torch.nn.utils:
                torch.nn.utils.remove_spectral_norm(layer)
            else:
                torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")
            results += [dict(layer.state_dict()), repr(layer)]
    return results


@both
def test_mistakes_with_norms(torch: Any) -> Any:
    U, P, Linear = torch.nn.utils, torch.nn.utils.parametrizations, torch.nn.Linear
    with pytest.warns(FutureWarning):
        layer = U.weight_norm(U.spectral_norm(Linear(2, 2)), "bias", dim=None)
    return [
        said(lambda: U.weight_norm(layer, "bias")),
        said(lambda: U.spectral_norm(layer)),
        said(lambda: U.remove_weight_norm(layer)),
        said(lambda: U.remove_spectral_norm(layer, "bias")),
        said(lambda: U.spectral_norm(Linear(2, 2), n_power_iterations=0)),
        said(lambda: P.spectral_norm(Linear(2, 2), n_power_iterations=0)),
        said(lambda: P.spectral_norm(Linear(2, 2), dim=5)),
        said(lambda: P.spectral_norm(Linear(2, 2), "no")),
        said(lambda: P.weight_norm(Linear(2, 2), "no")),
        said(lambda: P.orthogonal(Linear(2, 2), "no")),
        said(lambda: P.orthogonal(Linear(2, 2), "bias")),
        said(lambda: P.orthogonal(Linear(2, 2), orthogonal_map="no")),
    ]


@pytest.mark.parametrize("trivialization", [True, False])
@pytest.mark.parametrize("sizes", [(3, 3), (2, 4), (4, 2)])
@pytest.mark.parametrize("kind", [None, "matrix_exp", "cayley", "householder"])
def test_orthogonal(kind: str | None, sizes: tuple[int, int], trivialization: bool) -> None:
    def scenario(torch: Any) -> Any:
        layer = torch.nn.Linear(*sizes, dtype=torch.float64)
        torch.nn.utils.parametrizations.orthogonal(
            layer, orthogonal_map=kind, use_trivialization=trivialization
        )
        original = layer.parametrizations.weight.original
        n, k = original.shape
        mask = torch.ones(n, k).tril(-1) if n >= k else torch.ones(n, k).triu(1)
        original.data = original.data + torch.arange(n * k).reshape(n, k) * 0.1 * mask
        layer(torch.eye(sizes[0], dtype=torch.float64)).square().cumsum(0).sum().backward()
        results = [layer.weight, original.grad, dict(layer.state_dict())]
        new = torch.linalg.qr(torch.randn(max(n, k), min(n, k), dtype=torch.float64))[0]

        def assign() -> Any:
            layer.weight = new if n >= k else new.mT
            return layer.weight

        return [*results, said(assign), said(lambda: setattr(layer, "weight", torch.ones(5, 5)))]

    near(scenario)()
