"""Results of convolutions are stored channels last; views of them work as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import xptorch as torch

VIEWS: list[Callable[[Any], Any]] = [
    lambda y: y.view(2, -1),
    lambda y: y.view(2, 2, 2, 8, 8).mul(2).view(-1),
    lambda y: y[0].view(-1),
    lambda y: y[:, :2].view(2, -1),
    lambda y: y[:, 1].view(2, -1),
    lambda y: y.mean(0).view(-1),
    lambda y: torch.relu(y)[1:].view(-1),
    lambda y: torch.nn.functional.max_pool2d(y, 2).view(2, -1),
    lambda y: torch.nn.functional.adaptive_avg_pool2d(y, 2).flatten(2).view(2, -1),
]


@pytest.mark.parametrize("index", range(len(VIEWS)))
def test_views_of_a_convolutions_result(index: int) -> None:
    x = torch.randn(2, 3, 8, 8)
    y = torch.nn.Conv2d(3, 4, 3, padding=1)(x)
    view = VIEWS[index](y)
    plain = VIEWS[index](torch.tensor(y.detach().numpy().copy(order="C")))
    assert torch.equal(view, plain)
    view.sum().backward()


def test_a_view_of_a_fresh_result_shares_its_memory() -> None:
    y = torch.nn.Conv2d(3, 4, 3)(torch.randn(2, 3, 8, 8))
    view = y.view(-1)
    view.detach().zero_()
    assert not y.any()


def test_what_pytorch_refuses_is_refused() -> None:
    y = torch.nn.Conv2d(3, 4, 3)(torch.randn(2, 3, 8, 8))
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        y.transpose(2, 3).view(-1)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        y[:, :2].view(-1)
