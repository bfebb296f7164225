"""Lazy layers before and after their first input: repr, state, errors."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import xptorch
from tests.nn._twins import both, near, said

LAYERS = {
    "LazyLinear(3)": (2, 4),
    "LazyLinear(3, bias=False, dtype=torch.float64)": (2, 4),
    "LazyConv1d(4, 3, padding=1)": (2, 3, 8),
    "LazyConv2d(4, 3, groups=2, padding_mode='reflect', padding=1)": (2, 4, 6, 6),
    "LazyConv2d(4, 3)": (3, 6, 6),
    "LazyConv3d(2, 2, stride=2, bias=False)": (1, 3, 4, 4, 4),
    "LazyConvTranspose1d(2, 3)": (1, 3, 5),
    "LazyConvTranspose2d(4, 2, 2, groups=2)": (1, 4, 5, 5),
    "LazyConvTranspose3d(2, 2)": (1, 1, 3, 3, 3),
    "LazyBatchNorm1d()": (4, 3),
    "LazyBatchNorm2d(momentum=None)": (4, 3, 2, 2),
    "LazyBatchNorm3d(affine=False)": (4, 3, 2, 2, 2),
    "LazyBatchNorm2d(bias=False)": (4, 3, 2, 2),
    "LazyInstanceNorm1d()": (2, 3, 5),
    "LazyInstanceNorm2d(affine=False)": (2, 3, 4, 4),
    "LazyInstanceNorm3d(track_running_stats=False)": (2, 3, 2, 2, 2),
}


def build(torch: Any, layer: str) -> Any:
    torch.manual_seed(3)
    return eval(f"nn.{layer}", {"nn": torch.nn, "torch": torch})


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_becomes_the_one_it_stands_for(layer: str) -> None:
    def scenario(torch: Any) -> Any:
        module = build(torch, layer)
        before = [repr(module), repr(module.state_dict()), module.has_uninitialized_params()]
        dtype = torch.float64 if "float64" in layer else torch.float32
        out = module(torch.randn(LAYERS[layer], dtype=dtype))
        return [before, repr(module), type(module).__name__, out, dict(module.state_dict())]

    near(scenario)()


@both
def test_loading(torch: Any) -> Any:
    nn = torch.nn
    full = nn.Linear(4, 3)
    lazy = nn.LazyLinear(3)
    notes = [said(lambda: repr(lazy.load_state_dict(full.state_dict()))), repr(lazy), lazy.weight]
    lazy(torch.ones(1, 4))
    notes += [repr(lazy), said(lambda: repr(nn.LazyLinear(3).load_state_dict({})))]
    notes.append(said(lambda: full.load_state_dict(nn.LazyLinear(3).state_dict())))
    notes.append(said(lambda: repr(lazy.load_state_dict(nn.Linear(4, 3).state_dict()))))
    into = nn.LazyLinear(3)
    notes.append(repr(into.load_state_dict(nn.LazyLinear(3).state_dict())))
    norm = nn.LazyBatchNorm1d()
    notes.append(repr(norm.load_state_dict(nn.BatchNorm1d(3).state_dict())))
    return [*notes, repr(norm), norm.running_mean, norm.weight]


@both
def test_mistakes(torch: Any) -> Any:
    nn = torch.nn

    class Own(nn.modules.lazy.LazyModuleMixin, nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.UninitializedParameter()

    class Lazier(Own):
        def initialize_parameters(self, x: Any) -> None:
            pass

    x = torch.ones(3, 3)
    return [
        said(lambda: nn.LazyConv2d(4, 3)(x)),
        said(lambda: nn.LazyConv2d(4, 3, groups=2)(torch.ones(1, 3, 8, 8))),
        said(lambda: nn.LazyBatchNorm2d()(x)),
        said(lambda: Own()(x)),
        said(lambda: Lazier()(x)),
        said(lambda: nn.UninitializedParameter().shape),
        [type(e).__name__ for e in [_error(lambda: nn.UninitializedParameter() + 1)]],
        said(lambda: nn.UninitializedParameter().foo),
    ]


def _error(function: Any) -> Exception:
    try:
        function()
    except Exception as e:
        return e
    raise AssertionError


@both
def test_conversions_before_the_first_input(torch: Any) -> Any:
    nn = torch.nn
    lazy = nn.LazyBatchNorm1d().double()
    kinds = [str(t.dtype) for t in lazy.state_dict().values()]
    lazy(torch.ones(2, 3, dtype=torch.float64))
    buffer = nn.UninitializedBuffer(persistent=False)
    module = nn.Module()
    module.b = buffer
    copies = [repr(copy.deepcopy(nn.UninitializedParameter())), repr(buffer.cpu())]
    copies.append(repr(pickle.loads(pickle.dumps(nn.UninitializedParameter()))))
    for copied in (copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        module = copied(nn.LazyLinear(3))
        module(torch.ones(1, 2))
        copies.append(repr(module))
    return [kinds, lazy.weight, lazy.running_mean, repr(module.state_dict()), copies]


@both
def test_what_needs_values_is_refused_before_the_first_input(torch: Any) -> Any:
    notes: list[Any] = []
    for make in (lambda: torch.nn.LazyLinear(2), lambda: torch.nn.LazyBatchNorm1d()):
        for change in (
            *(lambda m: m.share_memory(), lambda m: m.requires_grad_(False)),
            *(lambda m: m.to_empty(device="cpu"), lambda m: m.bfloat16()),
            *(lambda m: m.type(torch.float64), lambda m: m.weight.requires_grad_()),
        ):
            error = _error(lambda: change(make()))
            notes.append([type(error).__name__, str(error)[:39]])
        for change in (
            *(lambda m: m.double(), lambda m: m.half(), lambda m: m.to(torch.float64)),
            *(lambda m: m.to("cpu"), lambda m: m.cpu(), lambda m: m.zero_grad(), lambda m: m),
        ):
            module = make()
            change(module)
            notes.append([repr(module.weight), str(module.weight.dtype)])
    return notes


@both
def test_optimizers_take_lazy_parameters(torch: Any) -> Any:
    net = torch.nn.Sequential(torch.nn.LazyLinear(3), torch.nn.ReLU(), torch.nn.LazyLinear(1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    net(torch.ones(2, 2)).sum().backward()
    before = net[2].bias.detach().clone()
    optimizer.step()
    return [repr(net), (before - net[2].bias.detach()), len(list(net.parameters()))]


def test_materialize_on_another_backend() -> None:
    pytest.importorskip("array_api_strict")
    lazy = xptorch.nn.LazyLinear(2).to("array_api_strict")
    out = lazy(xptorch.ones(1, 3, device="array_api_strict"))
    assert out.device.type == lazy.weight.device.type == "array_api_strict"
