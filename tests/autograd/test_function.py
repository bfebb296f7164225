"""autograd.Function, as in PyTorch: each test holds for both libraries."""

from __future__ import annotations

from typing import Any

import pytest


def leaf(torch: Any, *values: float) -> Any:
    return torch.tensor(list(values), requires_grad=True)


def function(torch: Any, **methods: Any) -> Any:
    """A Function that doubles its first argument, with some of its methods replaced."""
    usual = {
        "forward": lambda ctx, *args: args[0] * 2,
        "backward": lambda ctx, g: g * 2,
    }
    chosen = {k: staticmethod(v) for k, v in {**usual, **methods}.items() if v is not None}
    return type("F", (torch.autograd.Function,), chosen)


def cube(torch: Any) -> Any:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float = 1.0) -> Any:
            ctx.save_for_backward(x)
            ctx.factor = factor
            return factor * x * x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 3 * ctx.factor * x * x, None

    return Cube


def test_forward_and_backward(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = cube(torch).apply(x, 10.0)
    assert y.grad_fn.name() == "CubeBackward"
    assert y.grad_fn.factor == 10.0
    y.sum().backward()
    assert x.grad.tolist() == [30.0, 120.0]


def test_derivatives_of_derivatives(torch: Any) -> None:
    x = leaf(torch, 2.0)
    y = cube(torch).apply(x * x, 1.0)  # x⁶
    for value in (6 * 32.0, 30 * 16.0, 120 * 8.0):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        assert y.item() == value


def test_a_saved_output(torch: Any) -> None:
    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y, None)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            y, nothing = ctx.saved_tensors
            assert nothing is None
            return g * y

    x = leaf(torch, 0.0)
    y = Exp.apply(x)
    for _ in range(3):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        assert y.item() == 1.0
    y = Exp.apply(x)
    y.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_several_outputs(torch: Any) -> None:
    class SumAndProduct(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            return a + b, a * b, "text"

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any, text: Any) -> Any:
            a, b = ctx.saved_tensors
            assert text is None
            return g + h * b, g + h * a

    a, b = leaf(torch, 2.0), leaf(torch, 5.0)
    s, p, text = SumAndProduct.apply(a, b)
    assert text == "text"
    assert s.grad_fn is p.grad_fn
    assert (s.output_nr, p.output_nr) == (0, 1)
    (ga,) = torch.autograd.grad((s * p).sum(), a, create_graph=True)  # (a+b)ab
    assert ga.item() == 45.0
    (gab,) = torch.autograd.grad(ga.sum(), b)
    assert gab.item() == 2 * 2.0 + 2 * 5.0
    _, p, _ = SumAndProduct.apply(a, b)
    p.sum().backward()  # the gradient of the unused sum is zeros
    assert (a.grad.item(), b.grad.item()) == (5.0, 2.0)


def test_gradients_that_nobody_used(torch: Any) -> None:
    seen: list[Any] = []

    def forward(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        seen.append(g)
        return h * 3

    x = leaf(torch, 1.0)
    _, b = function(torch, forward=forward, backward=backward).apply(x)
    b.sum().backward()
    assert seen == [None]
    assert x.grad.item() == 3.0


def test_outputs_without_gradient(torch: Any) -> None:
    def forward(ctx: Any, x: Any) -> Any:
        order = x > 0
        constant = x * 3
        ctx.mark_non_differentiable(constant)
        return order, x * 2, constant

    F = function(torch, forward=forward, backward=lambda ctx, *gs: gs[1] * 2)
    x = leaf(torch, 1.0)
    order, y, constant = F.apply(x)
    assert (order.requires_grad, y.requires_grad, constant.requires_grad) == (False, True, False)
    y.sum().backward()
    assert x.grad.item() == 2.0


def test_setup_context(torch: Any) -> None:
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(x: Any, factor: float = 3.0) -> Any:
            return x * factor

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            _, ctx.factor = inputs

        @staticmethod
        def vjp(ctx: Any, g: Any) -> Any:
            return g * ctx.factor, None

    x = leaf(torch, 1.0)
    Scale.apply(x).sum().backward()
    Scale.apply(x, factor=5.0).sum().backward()
    assert x.grad.item() == 8.0


def test_what_backward_is_told(torch: Any) -> None:
    seen: list[Any] = []

    def forward(ctx: Any, x: Any, w: Any, number: Any) -> Any:
        assert not torch.is_grad_enabled()
        ctx.save_for_backward(x, w)
        return x * w

    def backward(ctx: Any, g: Any) -> Any:
        x, w = ctx.saved_tensors
        seen.append((ctx.needs_input_grad, torch.is_grad_enabled(), g.requires_grad))
        seen.append((x.grad_fn is None, w is weight))
        return g * w, None, None

    F = function(torch, forward=forward, backward=backward)
    x, weight = leaf(torch, 1.0), torch.ones(1)
    y = F.apply(x * 1, weight, 3)
    y.sum().backward()
    assert seen == [((True, False, False), False, False), (False, True)]


def test_saved_tensors_are_guarded(torch: Any) -> None:
    Cube = cube(torch)
    x = leaf(torch, 1.0)
    y = Cube.apply(x, 1.0).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
    z = x * 1
    y = Cube.apply(z, 1.0).sum()
    z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
    double = function(torch).apply(x).sum()  # saves nothing
    double.backward()
    double.backward()


def test_without_gradients(torch: Any) -> None:
    x = leaf(torch, 1.0)
    with torch.no_grad():
        assert not cube(torch).apply(x, 1.0).requires_grad
    assert not cube(torch).apply(torch.ones(1), 1.0).requires_grad


def test_an_input_given_back(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    F = function(torch, forward=lambda ctx, x: x)
    y = F.apply(x)
    assert y is not x
    x.data[0] = 5.0
    assert y.tolist() == [5.0, 2.0]  # the same memory
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    z = function(torch, forward=lambda ctx, x: x.view(-1)).apply(x * 1)
    z.sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_inputs_changed_in_place(torch: Any) -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2)

    F = function(torch, forward=forward, backward=lambda ctx, g: g * 2)
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    z = F.apply(y)
    assert z is y
    assert z.tolist() == [2.0, 4.0]
    (z * z).sum().backward()
    assert x.grad.tolist() == [8.0, 16.0]
    base = x * 1
    F.apply(base[0])
    assert base.tolist() == [2.0, 2.0]
    x.grad = None
    base.sum().backward()
    assert x.grad.tolist() == [2.0, 1.0]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        F.apply(leaf(torch, 1.0))
    lost = function(torch, forward=lambda ctx, x: (ctx.mark_dirty(x), x * 2)[1])
    with pytest.raises(RuntimeError, match="Some elements marked as dirty"):
        lost.apply(x * 1)


def test_once_differentiable(torch: Any) -> None:
    from importlib import import_module

    once = import_module(f"{torch.__name__}.autograd.function").once_differentiable
    F = function(torch, backward=once(lambda ctx, g: g * 2))
    x = leaf(torch, 3.0)
    (g,) = torch.autograd.grad((F.apply(x) ** 2).sum(), x, create_graph=True)
    assert g.item() == 24.0
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        g.sum().backward()


def test_gradients_are_fitted_to_their_inputs(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0, 3.0)

    def backward(ctx: Any, g: Any) -> Any:
        return torch.ones(2, 3, dtype=torch.float64)

    function(torch, backward=backward).apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    assert x.grad.dtype is torch.float32


@pytest.mark.parametrize(
    ("methods", "error", "message"),
    [
        ({"backward": lambda ctx, g: g}, RuntimeError, r"of gradients \(expected 2, got 1\)"),
        ({"backward": lambda ctx, g: (g, None, g)}, RuntimeError, r"expected 2, got 3\)"),
        ({"backward": lambda ctx, g: (g, g)}, RuntimeError, "different than None at position 2"),
        ({"backward": lambda ctx, g: (g[:2], None)}, RuntimeError, r"got \[2\] but expected shape"),
        ({"backward": lambda ctx, g: (3, None)}, RuntimeError, r"expected Variable or None \(got"),
        ({"backward": None}, NotImplementedError, "implement either the backward or vjp method"),
        ({"forward": None}, NotImplementedError, "You must implement the forward function"),
        ({"vjp": lambda ctx, g: g}, RuntimeError, "Implementing both 'backward' and 'vjp'"),
        ({"forward": lambda ctx, *a: ctx.save_for_backward(3)}, TypeError, "argument 0 is of type"),
    ],
)  # fmt: skip
def test_mistakes(torch: Any, methods: Any, error: type[Exception], message: str) -> None:
    x = leaf(torch, 1.0, 2.0, 3.0)
    with pytest.raises(error, match=message):
        function(torch, **methods).apply(x, 3).sum().backward()


def test_functions_are_not_instantiated(torch: Any) -> None:
    F = function(torch)
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        instance = F()
    with pytest.raises(RuntimeError, match="Legacy autograd function"):
        instance(torch.ones(1))
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        F.apply(torch.ones(1), factor=3)


def test_extra_gradients_of_none(torch: Any) -> None:
    x = leaf(torch, 1.0)
    F = function(torch, backward=lambda ctx, g: (g, None, None, None))
    F.apply(x, 3).sum().backward()
    assert x.grad.item() == 1.0
