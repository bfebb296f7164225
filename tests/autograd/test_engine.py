"""The engine's semantics, which are PyTorch's: each test holds for both libraries."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref
from typing import Any

import pytest


def leaf(torch: Any, *values: float) -> Any:
    return torch.tensor(list(values), requires_grad=True)


# ---- backward and grad


def test_gradients_add_up(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    (x * x + 3 * x).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    (x * 2).sum().backward()
    assert x.grad.tolist() == [7.0, 9.0]


def test_a_tensor_used_many_times(torch: Any) -> None:
    x = leaf(torch, 2.0)
    y = x * x
    z = y * y + y + x
    z.sum().backward()
    assert x.grad.tolist() == [4 * 8.0 + 4.0 + 1.0]


def test_backward_of_several_roots(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    v = torch.tensor([1.0, 10.0])
    torch.autograd.backward([x * 2, (x * x).sum()], [v, None])
    assert x.grad.tolist() == [4.0, 24.0]


def test_grad_of_several_roots_and_inputs(torch: Any) -> None:
    x, w = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0)
    y = x * w
    gx, gw, gy = torch.autograd.grad(y.sum(), [x, w, y])
    assert (gx.tolist(), gw.tolist(), gy.tolist()) == ([3.0, 4.0], [1.0, 2.0], [1.0, 1.0])
    assert x.grad is None
    assert w.grad is None


def test_the_gradient_of_a_tensor_by_itself(torch: Any) -> None:
    x = torch.tensor(3.0, requires_grad=True)
    assert torch.autograd.grad(x, x)[0].item() == 1.0
    assert torch.autograd.grad([x, x], x)[0].item() == 2.0
    x.backward()
    assert x.grad.item() == 1.0
    y = x * 2
    assert torch.autograd.grad(y, y)[0].item() == 1.0


def test_backward_into_chosen_inputs(torch: Any) -> None:
    x, w = leaf(torch, 1.0), leaf(torch, 2.0)
    y = x * 3
    (y * w).sum().backward(inputs=[x])
    assert x.grad.tolist() == [6.0]
    assert w.grad is None
    y = x * 3
    (y * w).sum().backward(inputs=y)
    assert y.grad.tolist() == [2.0]
    assert x.grad.tolist() == [6.0]


def test_gradient_of_another_dtype_is_converted(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    (g,) = torch.autograd.grad(x * 2, x, torch.ones(2, dtype=torch.float64))
    assert g.dtype is torch.float32
    (g,) = torch.autograd.grad(x * 2, x, torch.ones(2, dtype=torch.int64))
    assert g.tolist() == [2.0, 2.0]


def test_unused_inputs(torch: Any) -> None:
    x, w = leaf(torch, 1.0), leaf(torch, 2.0, 3.0)
    with pytest.raises(RuntimeError, match="at index 1 appears to not have been used in the graph"):
        torch.autograd.grad(x.sum(), [x, w])
    assert torch.autograd.grad(x.sum(), [w, x], allow_unused=True)[0] is None
    (g,) = torch.autograd.grad(x.sum(), w, materialize_grads=True)
    assert g.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="Expected allow_unused to be True"):
        torch.autograd.grad(x.sum(), w, allow_unused=False, materialize_grads=True)


def test_batched_gradients(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    v = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    (g,) = torch.autograd.grad(x * x, x, v, is_grads_batched=True)
    assert g.tolist() == [[2.0, 0.0], [0.0, 4.0], [2.0, 4.0]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda T, x: T.ones(3).sum().backward(), RuntimeError, "element 0 of tensors does not"),
        (lambda T, x: T.autograd.grad([x.sum(), T.ones(1)], x), RuntimeError, "element 1 of ten"),
        (lambda T, x: (x * 2).backward(), RuntimeError, "implicitly created only for scalar outp"),
        (lambda T, x: (x * 2).backward(T.ones(2)), RuntimeError, r"Mismatch in shape: grad_outp"),
        (lambda T, x: T.autograd.grad(x.sum(), T.ones(2)), RuntimeError, "does not require grad"),
        (lambda T, x: x.sum().backward(inputs=[]), RuntimeError, "argument to `backward"),
        (lambda T, x: T.autograd.grad(x.sum(), []), RuntimeError, "argument to `grad"),
        (lambda T, x: T.autograd.backward(3), TypeError, "'int' object is not iterable"),
        (lambda T, x: T.autograd.grad(x.sum(), [3]), RuntimeError, "all inputs have to be Tenso"),
        (lambda T, x: x.sum().backward(inputs=[3]), RuntimeError, "all inputs have to be Tensor"),
        (lambda T, x: x.sum().backward(inputs=[T.ones(1)]), RuntimeError, "can't retain_grad on"),
        (lambda T, x: T.autograd.backward(x.sum(), [3]), TypeError, "gradients can be either Te"),
        (lambda T, x: T.ones(2).register_hook(print), RuntimeError, "cannot register a hook on"),
        (lambda T, x: T.ones(2).retain_grad(), RuntimeError, "can't retain_grad on Tensor that"),
        (lambda T, x: T.ones(2, dtype=T.int64).requires_grad_(), RuntimeError, "nly Tensors of"),
        (lambda T, x: setattr(x * 2, "requires_grad", False), RuntimeError, "you can only change"),
        (lambda T, x: setattr(x, "grad", T.ones(2)), RuntimeError, "attempting to assign a gradi"),
        (lambda T, x: setattr(x, "grad", 3), TypeError, "assigned grad expected to be a Tensor"),
    ],
)  # fmt: skip
def test_mistakes(torch: Any, call: Any, error: type[Exception], message: str) -> None:
    x = leaf(torch, 1.0, 2.0, 3.0)
    with pytest.raises(error, match=message):
        call(torch, x)


def test_a_graph_is_freed_after_use(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x.exp().sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
    z = (x + x).sum()  # saves nothing, so it may run again
    z.backward()
    z.backward()


def test_a_gradient_seen_where_the_tensor_is_no_leaf(torch: Any) -> None:
    x = leaf(torch, 1.0)
    y = x * 2
    with pytest.warns(UserWarning, match="not a leaf Tensor is being accessed"):
        assert y.grad is None
    y.retain_grad()
    (y * y).sum().backward()
    assert y.retains_grad
    assert y.grad.tolist() == [4.0]
    assert not x.retains_grad


# ---- whose memory a gradient is


def test_gradients_share_no_memory(torch: Any) -> None:
    a, b = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0)
    (a + b).sum().backward()
    a.grad.add_(5)
    assert b.grad.tolist() == [1.0, 1.0]
    given = torch.ones(2)
    c = leaf(torch, 1.0, 2.0)
    c.backward(given)
    c.grad.add_(5)
    assert given.tolist() == [1.0, 1.0]


def test_gradients_that_came_through_views_share_no_memory() -> None:
    import xptorch as torch  # PyTorch lets them share it

    given = torch.ones(2)
    a, b = leaf(torch, 1.0, 2.0), leaf(torch, 1.0, 2.0)
    (a.reshape(2, 1) + b.view(2, 1)).backward(given.reshape(2, 1))
    a.grad.zero_()
    assert (given.tolist(), b.grad.tolist()) == ([1.0, 1.0], [1.0, 1.0])


@pytest.mark.filterwarnings("ignore:Using backward")
def test_gradients_under_create_graph_share_no_memory(torch: Any) -> None:
    a, b = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0)
    (a + b).sum().backward(create_graph=True)
    with torch.no_grad():
        a.grad.add_(5)
    assert b.grad.tolist() == [1.0, 1.0]


def test_a_gradient_kept_by_a_hook_stays_as_it_was(torch: Any) -> None:
    x, kept = leaf(torch, 1.0, 2.0), []
    x.register_hook(lambda g: kept.append(g))
    (x * 3).sum().backward()
    x.grad.zero_()
    assert kept[0].tolist() == [3.0, 3.0]


def test_gradients_accumulate_in_place(torch: Any) -> None:
    x = leaf(torch, 1.0)
    x.sum().backward()
    held = x.grad
    x.sum().backward()
    assert x.grad is held
    assert held.tolist() == [2.0]


# ---- in-place changes and views


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
    with pytest.raises(RuntimeError, match=r"FloatTensor \[2\]\] is at version 1; expected version"):
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
    y.data.zero_()  # `data` is for changes that autograd shall not notice
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


# ---- hooks


def test_hooks_replace_gradients(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    seen: list[Any] = []
    y = x * 2
    handle = y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g + 1)
    y.sum().backward(retain_graph=True)
    assert seen == [[10.0, 10.0]]
    assert x.grad.tolist() == [21.0, 21.0]
    handle.remove()
    y.sum().backward()
    assert x.grad.tolist() == [24.0, 24.0]
    assert len(seen) == 2


def test_the_order_of_hooks(torch: Any) -> None:
    a, b = leaf(torch, 1.0), leaf(torch, 1.0)
    log: list[str] = []
    a.register_hook(lambda g: log.append("a"))
    b.register_hook(lambda g: log.append("b"))
    a.register_post_accumulate_grad_hook(lambda t: log.append("a has it"))
    b.register_post_accumulate_grad_hook(lambda t: log.append("b has it"))
    y = a * 2
    y.register_hook(lambda g: log.append("y"))
    z = y * b
    z.register_hook(lambda g: log.append("z"))
    z.register_hook(lambda g: log.append("z again"))
    w = z + a
    w.retain_grad()
    w.register_hook(lambda g: g * 3)
    w.grad_fn.register_hook(lambda gi, go: log.append(f"after w {len(gi)}"))
    w.grad_fn.register_prehook(lambda go: log.append("before w"))
    w.sum().backward()
    assert log == [
        *("before w", "after w 2", "z", "z again"),
        *("b", "b has it", "y", "a", "a has it"),
    ]
    assert w.grad.tolist() == [3.0]


def test_node_hooks_replace_gradients(torch: Any) -> None:
    x = leaf(torch, 1.0)
    y = x * 2
    y.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] + go[0], None))
    y.sum().backward()
    assert x.grad.tolist() == [30.0]


def test_hooks_see_the_sum_once(torch: Any) -> None:
    x, seen = leaf(torch, 1.0), []
    x.register_hook(lambda g: seen.append(g.item()))
    y = x * 1
    y.register_hook(lambda g: seen.append(g.item()))
    (y + y * 2 + x).sum().backward()
    assert seen == [3.0, 4.0]


def test_hooks_and_grad(torch: Any) -> None:
    x, seen = leaf(torch, 1.0), []
    x.register_hook(lambda g: g * 5)
    x.register_post_accumulate_grad_hook(lambda t: seen.append("accumulated"))
    y = x * 2
    y.register_hook(lambda g: g * 10)
    gy, gx = torch.autograd.grad(y.sum(), [y, x])
    assert (gy.item(), gx.item()) == (1.0, 100.0)
    assert torch.autograd.grad((x * 2).sum(), x)[0].item() == 10.0
    assert seen == []


def test_hooks_under_create_graph(torch: Any) -> None:
    x = leaf(torch, 3.0)
    x.register_hook(lambda g: g * g)
    (g,) = torch.autograd.grad((x * x).sum(), x, create_graph=True)
    assert g.item() == 36.0
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.item() == 24.0 * 24.0  # the hook squares this gradient, too


def test_a_hook_may_be_an_optimizer(torch: Any) -> None:
    x = leaf(torch, 1.0)

    def step(t: Any) -> None:
        with torch.no_grad():
            t -= 0.1 * t.grad
        t.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * 2).sum().backward()
    assert x.grad is None
    assert x.item() == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("hook", "error", "message"),
    [
        (lambda T: lambda g: 3, TypeError, "expected Variable, but hook returned 'int'"),
        (lambda T: lambda g: T.ones(1), RuntimeError, "has changed the size of value"),
        (lambda T: lambda g: g.double(), RuntimeError, "has changed the type of value"),
    ],
)
def test_hooks_that_return_nonsense(
    torch: Any, hook: Any, error: type[Exception], message: str
) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.register_hook(hook(torch))
    with pytest.raises(error, match=message):
        y.sum().backward()


def test_after_hooks_are_for_leaves(torch: Any) -> None:
    with pytest.raises(RuntimeError, match="cannot be registered on non-leaf tensors"):
        (leaf(torch, 1.0) * 2).register_post_accumulate_grad_hook(print)


def test_the_graph_can_be_walked(torch: Any) -> None:
    x, w = leaf(torch, 1.0), leaf(torch, 2.0)
    y = x * w
    z = torch.cat(y.split(1))
    assert z.grad_fn.name() == "CatBackward0"
    ((split, index),) = z.grad_fn.next_functions
    assert (split.name(), index) == ("SplitBackward0", 0)
    ((mul, _),) = split.next_functions
    assert mul is y.grad_fn
    (to_x, _), (to_w, _) = mul.next_functions
    assert (to_x.variable is x, to_w.variable is w) == (True, True)
    assert (y * 2).grad_fn.next_functions[1] == (None, 0)


# ---- derivatives of derivatives


def test_derivatives_of_any_order(torch: Any) -> None:
    x = leaf(torch, 2.0)
    y = (x**4).sum()
    expected = [32.0, 48.0, 48.0, 24.0]
    for value in expected:
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        assert y.item() == value


@pytest.mark.filterwarnings("ignore:Using backward")
def test_gradients_with_a_graph_accumulate(torch: Any) -> None:
    x = leaf(torch, 3.0)
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    x.grad = None
    (first * 2).sum().backward()
    assert x.grad.item() == 36.0


def test_a_penalty_on_the_gradient(torch: Any) -> None:
    x, w = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0)
    y = (x * w).tanh().sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (g * g).sum().backward()
    t = (x * w).detach().tanh()
    s = 1 - t * t
    expected = 2 * w * s * s + 2 * w * w * s * (-2 * t * s) * x
    assert torch.allclose(w.grad, expected.detach(), atol=1e-6)


def test_second_derivatives_through_views_and_writes(torch: Any) -> None:
    x = leaf(torch, 2.0, 3.0)
    y = x * x
    y[0] *= x[1]  # y = (x0² x1, x1²)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [12.0, 4.0 + 6.0]
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.tolist() == [2 * 3.0 + 2 * 2.0, 2 * 2.0 + 2.0]


def test_create_graph_without_retaining(torch: Any) -> None:
    x = leaf(torch, 1.0)
    (g,) = torch.autograd.grad(x.exp().sum(), x, create_graph=True, retain_graph=False)
    with pytest.raises(RuntimeError, match="a second time"):
        torch.autograd.grad(g.sum(), x)


# ---- modes


def test_grad_modes(torch: Any) -> None:
    x = leaf(torch, 1.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
        assert torch.ones(1, requires_grad=True).requires_grad
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        assert not (x * 2).requires_grad
        with torch.inference_mode(False):
            assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    with pytest.raises(TypeError):
        torch.set_grad_enabled(1)


def test_modes_end_with_an_error(torch: Any) -> None:
    with pytest.raises(KeyError), torch.no_grad():
        raise KeyError
    assert torch.is_grad_enabled()


def test_modes_as_decorators(torch: Any) -> None:
    def enabled() -> bool:
        return torch.is_grad_enabled()

    assert not torch.no_grad()(enabled)()
    assert not torch.no_grad(enabled)()
    assert not torch.inference_mode()(enabled)()
    assert not torch.set_grad_enabled(False)(enabled)()
    assert torch.is_grad_enabled()
    with torch.no_grad():
        assert torch.enable_grad()(enabled)()
    assert torch.no_grad()(enabled).__name__ == "enabled"


def test_generators_run_in_their_mode(torch: Any) -> None:
    log: list[Any] = []

    @torch.no_grad()
    def numbers() -> Any:
        try:
            while True:
                sent = yield torch.is_grad_enabled()
                log.append((sent, torch.is_grad_enabled()))
                if sent == "end":
                    return "done"
        except ValueError:
            log.append(("error", torch.is_grad_enabled()))
            yield "caught"
        finally:
            log.append(("closed", torch.is_grad_enabled()))

    g = numbers()
    assert next(g) is False
    assert torch.is_grad_enabled()
    assert g.send("a") is False
    assert g.throw(ValueError()) == "caught"
    g.close()
    assert log == [("a", False), ("error", False), ("closed", False)]
    g = numbers()
    next(g)
    with pytest.raises(StopIteration) as end:
        g.send("end")
    assert end.value.value == "done"


def test_each_thread_has_its_mode(torch: Any) -> None:
    seen: list[bool] = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_threads_have_graphs_of_their_own(torch: Any) -> None:
    results: dict[int, float] = {}

    def work(k: int) -> None:
        x = leaf(torch, float(k))
        y = x
        for _ in range(50):
            y = y + x
        y.sum().backward()
        results[k] = x.grad.item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == dict.fromkeys(range(4), 51.0)


# ---- size and memory


def test_deep_chains(torch: Any) -> None:
    x = leaf(torch, 1.0)
    y = x
    for _ in range(30_000):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1.0]
    del y  # a graph this deep also dies without recursion


def test_what_nobody_saved_dies_at_once() -> None:
    import xptorch as torch

    x = leaf(torch, 1.0, 2.0)
    a = x * 2
    b = a + 1  # saves nothing of `a`
    dead = weakref.ref(a._data)
    del a
    assert dead() is None
    c = b.exp()  # saves its output, not `b`
    dead = weakref.ref(b._data)
    del b
    assert dead() is None
    saved = weakref.ref(c._data)
    d = c * 3
    loss = d.sum()
    del c, d
    assert saved() is not None
    loss.backward()
    assert saved() is None


def test_graphs_die_without_the_garbage_collector() -> None:
    import xptorch as torch

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x * 2
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = leaf(torch, 1.0, 2.0)
    gc.disable()
    try:
        y = Twice.apply(x.exp()) * 3
        y.register_hook(lambda g: None)
        a, b = y.split(1)
        nodes = [weakref.ref(t.grad_fn) for t in (y, a, b)]
        (a * b).sum().backward()
        del y, a, b
        assert [r() for r in nodes] == [None] * 3
    finally:
        gc.enable()


# ---- anomalies


def test_anomaly_mode_finds_the_culprit(torch: Any) -> None:
    x = leaf(torch, -1.0, 2.0)
    with torch.autograd.set_detect_anomaly(True):
        y = (x.sqrt() * 0).sum()
        with (
            pytest.warns(UserWarning, match=r"(?s)Error detected in SqrtBackward0.*test_engine.py"),
            pytest.raises(RuntimeError, match="'SqrtBackward0' returned nan values in its 0th"),
        ):
            y.backward()
    y = (x.sqrt() * 0).sum()
    y.backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.detect_anomaly(check_nan=False):
            (x.sqrt() * 0).sum().backward()


def test_variable(torch: Any) -> None:
    Variable = torch.autograd.Variable
    x = leaf(torch, 1.0, 2.0)
    v = Variable(x * 2, requires_grad=True)
    assert v.is_leaf
    assert v.requires_grad
    assert type(Variable(x)) is torch.Tensor
    assert isinstance(x, Variable)
    assert not isinstance(3, Variable)
    data = torch.ones(2)
    Variable(data).add_(1)
    assert data.tolist() == [2.0, 2.0]
    with pytest.raises(TypeError, match="Variable data has to be a tensor, but got list"):
        Variable([1.0])
