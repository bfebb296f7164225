"""gradcheck and the Jacobians of autograd.functional: each test holds for both libraries."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


def point(torch: Any, *values: float) -> Any:
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=True)


def wrong(torch: Any) -> Any:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * x

    return Wrong.apply


@pytest.mark.parametrize("fast_mode", [False, True])
def test_right_gradients_pass(torch: Any, fast_mode: bool) -> None:
    x, w = point(torch, 1.0, 2.0), point(torch, 0.5, -1.5)
    check, check_twice = torch.autograd.gradcheck, torch.autograd.gradgradcheck
    assert check(lambda a, b: (a * b.exp(), (a - b).sum()), (x, w), fast_mode=fast_mode)
    assert check(lambda a, n: a**n, (x, 3), fast_mode=fast_mode)
    assert check_twice(lambda a, b: a * b.tanh(), (x, w), fast_mode=fast_mode)
    assert check(lambda a: a * 2, x, check_batched_grad=True, check_grad_dtypes=True)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_wrong_gradients_fail(torch: Any, fast_mode: bool) -> None:
    x, check = point(torch, 1.0, 2.0), torch.autograd.gradcheck
    error = import_module(f"{torch.__name__}.autograd.gradcheck").GradcheckError
    with pytest.raises(error, match="Jacobian mismatch for output 0 with respect to input 0"):
        check(wrong(torch), x, fast_mode=fast_mode)
    assert issubclass(error, RuntimeError)
    assert not check(wrong(torch), x, raise_exception=False, fast_mode=fast_mode)
    assert not check(lambda a: a.detach(), x, raise_exception=False)


def test_numbers_in_the_message(torch: Any) -> None:
    x = point(torch, 1.0, 2.0)
    with pytest.raises(RuntimeError) as e:
        torch.autograd.gradcheck(wrong(torch), x)
    assert str(e.value).replace("xptorch", "torch") == (
        "Jacobian mismatch for output 0 with respect to input 0,\n"
        "numerical:tensor([[2.0000, 0.0000],\n        [0.0000, 4.0000]], dtype=torch.float64)\n"
        "analytical:tensor([[1., 0.],\n        [0., 2.]], dtype=torch.float64)\n"
    )


def test_what_cannot_be_checked(torch: Any) -> None:
    check = torch.autograd.gradcheck
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        check(lambda a: a, torch.ones(2, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="has a dimension with stride 0"):
        check(lambda a: a.sum(), point(torch, 1.0, 2.0).expand(3, 2))
    with pytest.warns(UserWarning, match="not a double precision"):
        check(lambda a: a * 2, torch.ones(2, requires_grad=True), eps=1e-2, atol=1e-2)


# ---- autograd.functional


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
def test_jacobian(torch: Any) -> None:
    F = torch.autograd.functional
    x, s = torch.tensor([1.0, 2.0]), torch.tensor(3.0)
    assert F.jacobian(lambda a: a * a, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert F.jacobian(lambda a: a.detach(), x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    (j,) = F.jacobian(lambda a: (a.sum(),), x)
    assert j.tolist() == [1.0, 1.0]
    (aa, ab), (ba, bb) = F.jacobian(lambda a, b: (a * b, b * b), (x, s))
    assert aa.tolist() == [[3.0, 0.0], [0.0, 3.0]]
    assert (ab.tolist(), ba.tolist(), bb.item()) == ([1.0, 2.0], [0.0, 0.0], 6.0)
    assert F.jacobian(lambda a: a.reshape(2, 1, 1), x).shape == (2, 1, 1, 2)
    assert F.jacobian(lambda a: a * a, x, vectorize=True, strategy="forward-mode").shape == (2, 2)
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    F.jacobian(lambda a: a * a * a, w, create_graph=True).sum().backward()
    assert w.grad.tolist() == [6.0, 12.0]
    assert not F.jacobian(lambda a: a * a, w).requires_grad


def test_hessian(torch: Any) -> None:
    F = torch.autograd.functional
    x, s = torch.tensor([1.0, 2.0]), torch.tensor(3.0)
    assert F.hessian(lambda a: (a**3).sum(), x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    (aa, ab), (ba, bb) = F.hessian(lambda a, b: (a * a).sum() * b, (x, s))
    assert aa.tolist() == [[6.0, 0.0], [0.0, 6.0]]
    assert (ab.tolist(), ba.tolist(), bb.item()) == ([2.0, 4.0], [2.0, 4.0], 0.0)
    assert F.hessian(lambda a: a.sum(), x).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_products(torch: Any) -> None:
    F = torch.autograd.functional
    x, s = torch.tensor([1.0, 2.0]), torch.tensor(3.0)
    v = torch.tensor([1.0, 10.0])
    y, p = F.vjp(lambda a: a * a, x, v)
    assert (y.tolist(), p.tolist(), p.requires_grad) == ([1.0, 4.0], [2.0, 40.0], False)
    y, p = F.jvp(lambda a: a * a, x, v)
    assert (y.tolist(), p.tolist()) == ([1.0, 4.0], [2.0, 40.0])
    _, p = F.jvp(lambda a: a * a, s)
    assert p.item() == 6.0
    _, (p, q) = F.jvp(lambda a, b: (a * b, b * b), (x, s), (v, s))
    assert (p.tolist(), q.item()) == ([3 + 3.0, 30.0 + 6.0], 18.0)
    for product in (F.vhp, F.hvp):
        y, p = product(lambda a: (a**3).sum(), x, v)
        assert (y.item(), p.tolist()) == (9.0, [6.0, 120.0])
        _, (p, q) = product(lambda a, b: (a**2).sum() * b, (x, s), (v, s))
        assert (p.tolist(), q.item()) == ([6.0 + 6.0, 60.0 + 12.0], 2.0 + 40.0)
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    F.vjp(lambda a: a * a, w, v, create_graph=True)[1].sum().backward()
    assert w.grad.tolist() == [2.0, 20.0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda F, x: F.jacobian(lambda a: a, [x]), TypeError, "The inputs given to jacobian must"),
        (lambda F, x: F.jacobian(lambda a: a, (x, 3)), TypeError, "the value at index 1 has type"),
        (lambda F, x: F.jacobian(lambda a: [a], x), TypeError, "The outputs of the user-provided"),
        (lambda F, x: F.jacobian(lambda a: a.detach(), x, strict=True), RuntimeError, "Output 0"),
        (lambda F, x: F.jacobian(lambda a, b: a, (x, x), strict=True), RuntimeError, "of input 1"),
        (lambda F, x: F.jacobian(len, x, strategy="forward-mode"), NotImplementedError, "AD"),
        (lambda F, x: F.hessian(lambda a: a, x), RuntimeError, "should contain a single element"),
        (lambda F, x: F.hessian(lambda a: a.sum(), x, strict=True), RuntimeError, "independent of"),
        (lambda F, x: F.vjp(lambda a: a, x), RuntimeError, "The vector v can only be None if the"),
        (lambda F, x: F.vjp(lambda a: a, x, x[:1]), RuntimeError, "v has invalid size: should be"),
        (lambda F, x: F.vjp(lambda a: a, x, (x, x)), RuntimeError, "should contain a single Tens"),
        (lambda F, x: F.jvp(lambda a: a, x), RuntimeError, "only be None if the input to the user"),
        (lambda F, x: F.vhp(lambda a: a, x, x), RuntimeError, "should contain a single element"),
    ],
)  # fmt: skip
def test_mistakes(torch: Any, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(torch.autograd.functional, torch.tensor([1.0, 2.0]))
