"""Gradients of complex tensors: ∂L/∂re + i ∂L/∂im, as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import xptorch

torch: Any = pytest.importorskip("torch")


def rotate(library: Any, x: Any, angles: Any) -> Any:
    """Rotary position embedding in complex arithmetic."""
    rotations = library.polar(library.ones_like(angles), angles)
    pairs = library.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return library.view_as_real(pairs * rotations).flatten(-2)


def both(function: Any, *shapes: Any) -> tuple[list[Any], list[Any]]:
    """Gradients and gradients of gradients of a real result, in both libraries."""
    found = []
    for library in (xptorch, torch):
        library.manual_seed(3)
        xs = [library.randn(s, dtype=library.complex128).requires_grad_() for s in shapes]
        first = library.autograd.grad(function(library, *xs), xs, create_graph=True)
        size = sum((g * g.conj()).real.sum() for g in first)
        second = library.autograd.grad(size, xs)
        found.append([t.detach().numpy(force=True) for t in (*first, *second)])
    return found[0], found[1]


def test_rotary_embedding_trains_as_in_pytorch() -> None:
    found = []
    for library in (xptorch, torch):
        library.manual_seed(0)
        x = library.randn(2, 5, 4, dtype=library.float64).requires_grad_()
        angles = library.randn(5, 2, dtype=library.float64).requires_grad_()
        for _ in range(3):
            loss = (rotate(library, x, angles) ** 3).sum() + rotate(library, x, angles).amax()
            loss.backward()
        found.append([loss.item(), x.grad.numpy(), angles.grad.numpy()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.parametrize(
    "function",
    [
        lambda t, a, b: (a * b + a / b).abs().sum(),
        lambda t, a, b: ((a @ b.mH).exp() * a.conj().sum()).real.sum(),
        lambda t, a, b: (t.angle(a) * b.imag).sum() + t.sgn(a * b).real.sum(),
        lambda t, a, b: (t.cat([a, b])[1:, 0] ** 2).imag.prod(),
        lambda t, a, b: (a.cumsum(0).real * 3 + b.to(t.complex64).abs()).norm(),
        lambda t, a, b: t.view_as_real(a.tanh() * 2j - b.sqrt()).var(),
        lambda t, a, b: (a.real * b + a * 3.0 - (1 + 2j) / b).abs().square().mean(),
        lambda t, a, b: t.where(a.real > 0, a, b).std() + a.var(),
    ],
)
def test_gradients_are_pytorchs(function: Any) -> None:
    for mine, theirs in zip(*both(function, (2, 3), (2, 3)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8)


def test_gradcheck_takes_complex_numbers() -> None:
    z = xptorch.randn(3, dtype=xptorch.complex128).requires_grad_()
    x = xptorch.randn(3, dtype=xptorch.float64).requires_grad_()

    def function(a: Any, b: Any) -> Any:
        return (a * b).abs() * a.conj()

    assert xptorch.autograd.gradcheck(function, (z, x))
    assert xptorch.autograd.gradgradcheck(function, (z, x))


def test_a_complex_result_needs_a_gradient_from_outside() -> None:
    z = xptorch.ones((), dtype=xptorch.complex64, requires_grad=True)
    with pytest.raises(RuntimeError, match="real scalar outputs but got"):
        (z * 2).backward()


def test_parts_are_views() -> None:
    z = xptorch.zeros(3, dtype=xptorch.complex64)
    z.real.fill_(1)
    z.imag += 2
    xptorch.view_as_real(z)[0, 0] = 7
    assert z.tolist() == [7 + 2j, 1 + 2j, 1 + 2j]
    pairs = xptorch.zeros(2, 2)
    xptorch.view_as_complex(pairs).fill_(1 - 1j)
    assert pairs.tolist() == [[1, -1], [1, -1]]


def test_casting_to_real_warns() -> None:
    z = xptorch.tensor([1 + 2j], requires_grad=True)
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        y = z.to(xptorch.float64)
    y.backward()
    assert y.tolist() == [1] and z.grad.tolist() == [1]


def test_printing() -> None:
    for make in (lambda t: t.tensor([1 + 2j, -0.5j]), lambda t: t.tensor(1e-7 + 3j)):
        assert repr(make(xptorch)) == repr(make(torch))
    z, w = (t.tensor([1j], requires_grad=True) * 2 for t in (xptorch, torch))
    assert repr(z) == repr(w)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("Adam", {"lr": 0.1, "amsgrad": True}),
        ("AdamW", {"lr": 0.1}),
        ("RMSprop", {"lr": 0.1, "momentum": 0.9}),
        ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.3}),
        ("Rprop", {}),
    ],
)
def test_optimizers_take_the_parts_as_numbers(name: str, options: dict[str, Any]) -> None:
    found = []
    for library in (xptorch, torch):
        library.manual_seed(0)
        z = library.randn(3, dtype=library.complex128).requires_grad_()
        optimizer = getattr(library.optim, name)([z], **options)
        for _ in range(4):
            optimizer.zero_grad()
            (z * (1 + 2j)).exp().abs().sum().backward()
            optimizer.step()
        states = optimizer.state_dict()["state"][0]
        found.append([z.detach().numpy(), *[s.numpy() for s in states.values() if s is not None]])
    for mine, theirs in zip(*found, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=1e-8)
