"""nn.utils behaves as PyTorch's: each scenario is run on both libraries."""

from __future__ import annotations

from typing import Any

import pytest

import xptorch
from tests.nn._twins import both, said


def parameters(torch: Any, *gradients: Any) -> list[Any]:
    made = []
    for g in gradients:
        p = torch.nn.Parameter(torch.ones(3))
        p.grad = None if g is None else torch.tensor(g)
        made.append(p)
    return made


GRADIENTS = ([1.0, 2.0, 2.0], None, [0.0, -4.0, 0.0])


@both
def test_clip_grad_norm(torch: Any) -> Any:
    utils = torch.nn.utils
    results: list[Any] = []
    for kind in (2.0, 1, float("inf"), "inf", 0):
        p = parameters(torch, *GRADIENTS)
        results += [said(lambda p=p, k=kind: utils.clip_grad_norm_(p, 2.5, k)), p[0].grad]
    p = parameters(torch, *GRADIENTS)
    results += [utils.clip_grad_norm_(iter(p), 100.0), p[2].grad]
    results += [utils.clip_grad_norm_(p[0], 1.0), p[0].grad]
    results += [utils.clip_grad_norm_([], 1.0), utils.get_total_norm([]).item()]
    results += [
        utils.clip_grad_norm_(p, 1.0, foreach=False),
        said(lambda: utils.clip_grad_norm(p, 1)),
    ]
    return [round(r.item(), 6) if hasattr(r, "ndim") and r.ndim == 0 else r for r in results]


@both
def test_gradients_that_are_not_finite(torch: Any) -> Any:
    p = parameters(torch, [1.0, float("inf"), 2.0])
    clip = torch.nn.utils.clip_grad_norm_
    strict = said(lambda: clip(p, 1.0, error_if_nonfinite=True))
    return [strict, p[0].grad.tolist()[0], clip(p, 1.0).item(), str(p[0].grad.tolist())]


@both
def test_clip_grad_value(torch: Any) -> Any:
    p = parameters(torch, *GRADIENTS)
    return [torch.nn.utils.clip_grad_value_(p, 1.5), [q.grad for q in p]]


@both
def test_total_norm_and_clipping_apart(torch: Any) -> Any:
    p = parameters(torch, *GRADIENTS)
    total = torch.nn.utils.get_total_norm([p[0].grad, p[2].grad])
    torch.nn.utils.clip_grads_with_norm_(p, 1.0, total)
    return [total.item(), torch.nn.utils.get_total_norm([]).item(), [q.grad for q in p]]


@both
def test_vectors_of_parameters(torch: Any) -> Any:
    utils = torch.nn.utils
    net = torch.nn.Linear(2, 3)
    before = net.weight
    vector = utils.parameters_to_vector(net.parameters())
    utils.vector_to_parameters(torch.arange(9.0), net.parameters())
    return [
        *(vector.shape == (9,), vector.requires_grad, net.weight is before, net.weight, net.bias),
        said(lambda: utils.vector_to_parameters([1.0], net.parameters())),
        said(lambda: utils.vector_to_parameters(torch.ones(2), net.parameters()))[0],
    ]


@both
def test_padded_sequences(torch: Any) -> Any:
    rnn = torch.nn.utils.rnn
    one, two = torch.ones(2, 1), torch.full((3, 1), 2.0)
    return [
        *(rnn.pad_sequence([one, two]), rnn.pad_sequence([one, two], True)),
        *(rnn.pad_sequence([one, two], True, -1.0, "left"), rnn.pad_sequence(torch.ones(2, 3))),
        rnn.pad_sequence([one, two.long()], batch_first=True),
        *(said(lambda: rnn.pad_sequence([])), said(lambda: rnn.pad_sequence(3))),
        said(lambda: rnn.pad_sequence([one], padding_side="x")),
        said(lambda: rnn.pad_sequence([one, torch.ones(2, 2)]))[0],
        rnn.unpad_sequence(torch.ones(3, 2), torch.tensor([2, 3])),
        rnn.unpad_sequence(torch.ones(2, 3), torch.tensor([2, 3]), batch_first=True),
    ]


def test_an_empty_generator_warns() -> None:
    with pytest.warns(UserWarning, match="`parameters` is an empty generator"):
        assert xptorch.nn.utils.clip_grad_norm_((p for p in []), 1.0).item() == 0.0
    assert xptorch.nn.utils.clip_grad_norm_(iter([]), 1.0).item() == 0.0  # PyTorch does not warn


def test_gradients_flow_through_padding() -> None:
    pytest.importorskip("torch")
    x = xptorch.ones(2, requires_grad=True)
    y = xptorch.nn.utils.rnn.pad_sequence([x, xptorch.ones(4)])
    (y * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
