"""The engine's semantics, which are PyTorch's: each test holds for both libraries."""

from __future__ import annotations

import gc
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


# ---- memory of gradients


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


# ---- size and memory


def test_deep_chains(torch: Any) -> None:
    x = leaf(torch, 1.0)
    y = x
    for _ in range(30_000):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1.0]
    del y  # a graph this deep is also freed without recursion


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


# ---- anomaly mode


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


@pytest.mark.parametrize("where", ["array_api_strict", "torch"])
def test_the_engine_on_other_libraries(where: str) -> None:
    import xptorch as torch
    from xptorch._core import registry

    if not registry.works(where):
        pytest.skip(f"{where} is not installed")
    x = torch.tensor([1.0, 2.0, 3.0], device=where, dtype=torch.float64, requires_grad=True)
    y = x * 2
    y[0].mul_(5)
    y[1:] = 7.0
    y.retain_grad()
    x.register_hook(lambda g: g * 2)
    y.sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([20.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    a, b = x.split([1, 2])
    (g,) = torch.autograd.grad((a * b.sum()).sum(), x, create_graph=True)
    assert g.tolist() == [10.0, 2.0, 2.0]
    w = x.detach().requires_grad_()  # without the hook
    assert torch.autograd.gradcheck(lambda t: t.exp() * t, w)
    assert torch.autograd.gradgradcheck(lambda t: t.tanh() * t, w, fast_mode=True)
    with (
        torch.autograd.set_detect_anomaly(True),
        pytest.warns(UserWarning, match="SqrtBackward0"),
        pytest.raises(RuntimeError, match="returned nan"),
    ):
        (x - 5).sqrt().sum().backward()
