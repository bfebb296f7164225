"""The memory order of new tensors and of random numbers drawn into them: PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xptorch as xt

torch: Any = pytest.importorskip("torch", reason="PyTorch is the reference")


def _drawn_like(t: Any, x: Any) -> list[Any]:
    """Random draws in the memory order of x, each from the same seed."""
    F = t.nn.functional
    draws: list[Callable[[], Any]] = [
        lambda: F.dropout(x, 0.4) != 0,
        lambda: F.alpha_dropout(x, 0.4, True),
        lambda: t.randn_like(x),
        lambda: t.rand_like(x, memory_format=t.contiguous_format),
        lambda: t.empty_like(x).normal_(),
        lambda: t.zeros_like(x).bernoulli_(0.4),
    ]
    found = []
    for draw in draws:
        t.manual_seed(3)
        found.append(draw())
    return found


def _behind_layers(t: Any) -> list[Any]:
    """Outputs of layers, stored channels last here, and views of them."""
    F, found = t.nn.functional, []
    for d in (1, 2, 3):
        x = t.arange(float(2 * 3 * 6**d)).reshape(2, 3, *[6] * d).sin()
        conv = (F.conv1d, F.conv2d, F.conv3d)[d - 1]
        y = F.relu(conv(x, t.arange(4.0 * 3 * 2**d).reshape(4, 3, *[2] * d).cos()) + 9)
        found += [y, (F.max_pool1d, F.max_pool2d, F.max_pool3d)[d - 1](y, 2), y.transpose(1, -1)]
    return found


def test_what_layers_left_last_is_drawn_in_order() -> None:
    for ours, theirs in zip(_behind_layers(xt), _behind_layers(torch), strict=True):
        for a, b in zip(_drawn_like(xt, ours), _drawn_like(torch, theirs), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def _strided(t: Any) -> list[Any]:
    x = t.arange(48.0).reshape(4, 12) + 1
    wide = x.reshape(2, 2, 3, 4)
    return [
        *(x.t(), x.t() + 1, x[:, ::2], x[:, :1].expand(4, 6), x[:1].expand(5, 12)),
        *(wide.permute(0, 3, 1, 2), wide.permute(2, 0, 1, 3), wide.transpose(0, 1) * 2),
        wide.contiguous(memory_format=t.channels_last),
    ]


def test_new_tensors_lie_as_what_they_are_like() -> None:
    for ours, theirs in zip(_strided(xt), _strided(torch), strict=True):
        assert xt.zeros_like(ours).stride() == torch.zeros_like(theirs).stride()
        for a, b in zip(_drawn_like(xt, ours), _drawn_like(torch, theirs), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_memory_format_of_new_tensors() -> None:
    for t in (xt, torch):
        last = t.empty(2, 3, 4, 5, memory_format=t.channels_last)
        assert last.stride() == (60, 1, 15, 3)
        assert t.ones_like(last, memory_format=t.contiguous_format).stride() == (60, 20, 5, 1)
