"""In-place operations, views and versions, as in PyTorch: each test holds for both libraries."""

from __future__ import annotations

from typing import Any

import pytest


def leaf(torch: Any, *values: float) -> Any:
    return torch.tensor(list(values), requires_grad=True)


def test_in_place_on_a_view_changes_the_base(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = x * 2
    y[0].mul_(10)
    y[1:].add_(x[:2])
    assert y.tolist() == [20.0, 5.0, 8.0]
    (y * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [20.0 + 10.0, 20.0 + 100.0, 200.0]


def test_chained_views(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
    y = torch.zeros(3, 4)
    row = y[1]
    part = row.view(2, 2).t()[0]
    part.copy_(x[:2])
    assert y[1].tolist() == [1.0, 0.0, 2.0, 0.0]
    assert row.requires_grad
    assert y.requires_grad
    (y.sum() + row.sum()).backward()
    assert x.grad.tolist() == [2.0, 2.0, 0.0, 0.0]


def test_an_old_view_follows_its_base(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    view = y[0]
    y.mul_(3)
    assert view.item() == 3.0
    (view * 2).backward()
    assert x.grad.tolist() == [6.0, 0.0]


def test_an_old_view_of_a_constant_base(torch: Any) -> None:
    x = leaf(torch, 2.0, 3.0)
    base = torch.ones(2)
    view = base[1]
    assert not view.requires_grad
    base.mul_(x)
    assert view.grad_fn is not None
    view.mul_(3)
    (base * torch.tensor([1.0, 10.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 30.0]


def test_two_views_of_one_base(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    base = x * 1
    a, b = base[:1], base.view(2)
    a.mul_(5)
    assert b.tolist() == [5.0, 2.0]
    b.add_(1)
    assert a.tolist() == [6.0]
    (a.sum() * 10 + b.sum()).backward()
    assert x.grad.tolist() == [55.0, 1.0]


def test_overwriting_cuts_the_gradient(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y[0] = 7.0
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 2.0]
    y = x * 2
    y.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 2.0]


def test_copying_a_leaf(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = torch.zeros(2)
    y.copy_(x)
    assert not y.is_leaf
    (y * y).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    z = torch.zeros(2, 2)
    z[1] = x
    z.sum().backward()
    assert x.grad.tolist() == [3.0, 5.0]


def test_leaves_are_protected(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad is being"):
        x[0].add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad is being"):
        x.view(2, 1).zero_()
    assert x.tolist() == [1.0, 2.0]


def test_leaves_change_without_grad(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    with torch.no_grad():
        x.sub_(0.5)
        x[0] = 9.0
    x.data.mul_(2)
    x.detach().add_(1)
    assert x.tolist() == [19.0, 4.0]
    assert x.is_leaf
    (x * x).sum().backward()
    assert x.grad.tolist() == [38.0, 8.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda T, y: y.add_(1),
        lambda T, y: y[0].zero_(),
        lambda T, y: y.detach().mul_(2),
        lambda T, y: y.view(2, 1).t().add_(1),
        lambda T, y: y.copy_(T.ones(2)),
        lambda T, y: y.__setitem__(1, 5.0),
        lambda T, y: T.mul(y.detach(), 2, out=y.detach()),
    ],
)
def test_a_saved_tensor_that_changed(torch: Any, change: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x.exp()
    z = y * 1
    with torch.no_grad():
        change(torch, y)
    with pytest.raises(
        RuntimeError,
        match=r"has been modified by an inplace operation: \[x?p?torch.FloatTensor \[2\]\], which "
        r"is output 0 of Exp, is at version 1; expected version 0 instead. Hint: enable anomaly",
    ):
        z.sum().backward()


def test_a_saved_leaf_that_changed(torch: Any) -> None:
    x, w = leaf(torch, 1.0, 2.0), leaf(torch, 1.0, 2.0)
    y = (x * w).sum()
    with torch.no_grad():
        w.mul_(2)
    with pytest.raises(RuntimeError, match=r"FloatTensor \[2\]\] is at version 1; expected"):
        y.backward()


def test_a_change_that_does_no_harm(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    z = y + 1  # saves nothing
    y.add_(5)
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    y = x * 2
    z = y.exp()
    y.data.zero_()  # `data` is for changes that autograd must not detect
    z.sum().backward()


def test_in_place_on_itself_is_noticed(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.mul_(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_versions(torch: Any) -> None:
    x = torch.zeros(3)
    assert x._version == 0
    x.add_(1)
    view = x[1:]
    view.mul_(2)
    assert (x._version, view._version, x.detach()._version) == (2, 2, 2)
    assert x.data._version == 0
    assert x.clone()._version == 0


def test_detach_shares_memory(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    d = y.detach()
    d.zero_()
    assert y.tolist() == [0.0, 0.0]
    assert not d.requires_grad
    assert d.is_leaf
    y.detach_()
    assert y.is_leaf
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        (x * 1)[0].detach_()


def test_a_view_may_be_a_leaf(torch: Any) -> None:
    base = torch.zeros(3)
    x = base[:2].requires_grad_()
    base.add_(1)
    assert x.is_leaf
    assert x.requires_grad
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_in_place_and_retained_gradient(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [6.0, 6.0]
