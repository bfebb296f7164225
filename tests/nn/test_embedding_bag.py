"""EmbeddingBag: the same numbers, settings and errors as PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest

import xptorch
from tests.nn._twins import close, said, shape_of

torch = pytest.importorskip("torch", reason="PyTorch is the reference")


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 2, -5])
@pytest.mark.parametrize("max_norm", [None, 1.0])
def test_same_numbers(mode: str, padding_idx: int | None, max_norm: float | None) -> None:
    @close
    def scenario(torch: Any) -> Any:
        settings = {"mode": mode, "padding_idx": padding_idx, "max_norm": max_norm}
        bag = torch.nn.EmbeddingBag(10, 3, **settings)
        ended = torch.nn.EmbeddingBag(10, 3, include_last_offset=True, **settings)
        joined = torch.tensor([1, 2, 2, 5, 5, 5, 7, 0, 2])
        results = []
        for module, args in (
            (bag, (joined.view(3, 3),)),
            (bag, (joined, torch.tensor([0, 2, 2, 6]))),
            (ended, (joined, torch.tensor([0, 4, 9]))),
            (ended, (joined[:0], torch.tensor([0, 0]))),
        ):
            y = module(*args)
            module.zero_grad()
            (y * torch.randn(y.shape)).sum().backward()
            results.append([y.detach(), module.weight.grad.clone(), module.weight.detach().clone()])
        return results

    scenario()


@close
def test_weights_of_samples(torch: Any) -> Any:
    bag = torch.nn.EmbeddingBag(10, 3, mode="sum", padding_idx=2)
    w = torch.randn(5).requires_grad_()
    y = bag(torch.tensor([1, 2, 3, 3, 4]), torch.tensor([0, 3]), w)
    y.square().sum().backward()
    return [y.detach(), w.grad, bag.weight.grad]


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("padding_idx", [None, 0, 2])
def test_gradients_by_frequency(mode: str, padding_idx: int | None) -> None:
    @close
    def scenario(torch: Any) -> Any:
        results = []
        for indices in ([0, 1, 1, 2, 5, 5, 5, 2], [7, 7, 7, 7, 2, 2, 1, 3], [4] * 8, [3, 2, 1, 0]):
            bag = torch.nn.EmbeddingBag(
                10, 3, mode=mode, scale_grad_by_freq=True, padding_idx=padding_idx
            )
            y = bag(torch.tensor(indices), torch.tensor([0, 2, 2]))
            (y * torch.randn(y.shape)).sum().backward()
            results += [y.detach(), bag.weight.grad]
        return results

    scenario()


@pytest.mark.parametrize("device", ["array_api_strict", "torch"])
def test_gradients_by_frequency_elsewhere(device: str) -> None:
    pytest.importorskip(device)
    indices = xptorch.tensor([0, 1, 1, 2, 5, 5, 5, 2])
    found = []
    for target in ("cpu", device):
        bag = xptorch.nn.EmbeddingBag.from_pretrained(
            xptorch.ones(6, 1), freeze=False, mode="sum", scale_grad_by_freq=True
        ).to(target)
        bag(indices.to(target), xptorch.tensor([0, 2], device=target)).sum().backward()
        found.append(bag.weight.grad.tolist())
    assert found[0] == found[1]


@close
def test_settings(torch: Any) -> Any:
    bag, table = torch.nn.EmbeddingBag, torch.arange(6.0).view(3, 2)
    frozen = bag.from_pretrained(table, padding_idx=-1, mode="sum")
    return [
        repr(bag(10, 3)),
        repr(bag(10, 3, 1.0, 3, True, "sum", include_last_offset=True, padding_idx=-2)),
        repr(frozen),
        frozen(torch.tensor([[0, 2], [1, 1]])),
        bag.from_pretrained(table, freeze=False).weight.requires_grad,
        bag(3, 2, padding_idx=1).weight.detach(),
        sorted(k for k in vars(bag(3, 2)) if k[0] != "_"),
        said(lambda: bag(10, 3, padding_idx=11)),
        said(lambda: bag(10, 3, _weight=torch.ones(2, 3))),
        said(lambda: bag.from_pretrained(torch.ones(3))),
    ]


@close
def test_wrong_arguments(torch: Any) -> Any:
    nn, t = torch.nn, torch.tensor
    bag, ended = nn.EmbeddingBag(10, 3), nn.EmbeddingBag(10, 3, include_last_offset=True)
    summed, none = nn.EmbeddingBag(10, 3, mode="sum"), torch.ones(0).long()
    return [
        said(lambda: bag(t([1, 2]))),
        said(lambda: bag(t([1, 2]), t([[0]]))),
        said(lambda: bag(t([1, 2]), t([1])))[0],
        said(lambda: bag(t([1, 2]), t([0, 3]))),
        said(lambda: bag(t([1, 20]), t([0])))[0],
        said(lambda: bag(t([1, 2]), t([0]), torch.ones(2)))[0],
        said(lambda: bag(t(3))),
        said(lambda: shape_of(bag(t([1, 2]), none))),
        said(lambda: ended(t([1, 2]), none)),
        said(lambda: summed(t([1, 2]), t([0]), torch.ones(3))),
        said(lambda: summed(t([1, 2]), t([0]), torch.ones(2).double()))[0],
        said(lambda: nn.EmbeddingBag(10, 3, mode="x")(t([[1, 2]]))),
        said(lambda: nn.functional.embedding_bag(t([[1]]), torch.ones(4, 2), padding_idx=4)),
    ]
