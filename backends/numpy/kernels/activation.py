"""GELU, SiLU, sigmoid and its loss, in blocks, each computed in place in its result array.

Into an array that is not aligned to a cache line, as most are not, x · y takes twice as long as
x² or x · 2 or an in-place product: so those come first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from xptorch.backends.numpy import erf
from xptorch.backends.numpy.kernels.blocking import as_vectors, for_row_blocks, is_eligible, scratch

from xptorch._core.backend import Array

_NORMAL = 1 / math.sqrt(2 * math.pi)
# erf(x / √2) = tanh(x · p(x²)): the polynomial of numpy/erf.py for the scaled argument.
_LAST = len(erf.ERF32) - 1
_PHI = [c * 0.5 ** (_LAST - i + 0.5) for i, c in enumerate(erf.ERF32)]
_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def _elementwise(
    work: Callable[..., None], passes: float, outs: int, a: Array, *others: Array
) -> list[Array]:
    """Call ``work(*blocks of the results, *blocks of the arrays)``; the results are like `a`."""
    results = [np.empty_like(a) for _ in range(outs)]
    vectors = as_vectors(*results, a, *others)

    def part(at: slice) -> None:
        work(*[v[at] for v in vectors])

    for_row_blocks(part, a.size, 1, passes)
    return results


def gelu_forward(a: Array) -> Any:
    if not is_eligible(a) or a.dtype != np.float32:
        return NotImplemented

    def work(y: Array, phi: Array, x: Array) -> None:
        square = np.square(x, out=y)
        np.multiply(square, _PHI[0], out=phi)
        for c in _PHI[1:-1]:
            phi += c
            phi *= square
        phi += _PHI[-1]
        phi *= x
        np.tanh(phi, out=phi)
        phi *= 0.5
        phi += 0.5
        np.multiply(x, phi, out=y)

    y, phi = _elementwise(work, 22, 2, a)
    return y, phi


def gelu_vjp(g: Array, needs: Any, a: Array, aux: Array) -> Any:
    if not is_eligible(a):
        return NotImplemented

    def work(grad: Array, x: Array, g: Array, phi: Array) -> None:
        np.square(x, out=grad)
        grad *= -0.5
        np.exp(grad, out=grad)
        grad *= x
        grad *= _NORMAL
        grad += phi
        grad *= g

    return tuple(_elementwise(work, 11, 1, a, g, aux))


def gelu_tanh_forward(a: Array) -> Any:
    if not is_eligible(a):
        return NotImplemented

    def work(y: Array, t: Array, x: Array) -> None:
        np.square(x, out=t)
        t *= _TANH_SCALE * _TANH_CUBE
        t += _TANH_SCALE
        t *= x
        np.tanh(t, out=t)
        np.add(t, 1, out=y)
        y *= x
        y *= 0.5

    y, t = _elementwise(work, 11, 2, a)
    return y, t


def gelu_tanh_vjp(g: Array, needs: Any, a: Array, aux: Array) -> Any:
    if not is_eligible(a):
        return NotImplemented

    def work(grad: Array, x: Array, g: Array, t: Array) -> None:
        np.square(x, out=grad)
        grad *= 1.5 * _TANH_SCALE * _TANH_CUBE
        grad += 0.5 * _TANH_SCALE
        grad *= x
        rest = np.square(t, out=scratch(t))
        np.subtract(1, rest, out=rest)
        grad *= rest
        np.add(t, 1, out=rest)
        rest *= 0.5
        grad += rest
        grad *= g

    return tuple(_elementwise(work, 11, 1, a, g, aux))


def sigmoid_forward(a: Array) -> Any:
    if not is_eligible(a):
        return NotImplemented
    return _elementwise(_sigmoid, 8, 1, a)[0]


def _sigmoid(s: Array, x: Array) -> None:
    np.negative(x, out=s)
    np.exp(s, out=s)
    s += 1
    np.divide(1, s, out=s)  # reciprocal takes twice as long


def sigmoid_backward(g: Array, y: Array) -> Any:
    if not is_eligible(y) or g.dtype != y.dtype:
        return NotImplemented

    def work(grad: Array, y: Array, g: Array) -> None:
        np.subtract(1, y, out=grad)
        grad *= y
        grad *= g

    return _elementwise(work, 3, 1, y, g)[0]


def tanh_backward(g: Array, y: Array) -> Any:
    if not is_eligible(y) or g.dtype != y.dtype:
        return NotImplemented

    def work(grad: Array, y: Array, g: Array) -> None:
        np.square(y, out=grad)
        np.subtract(1, grad, out=grad)
        grad *= g

    return _elementwise(work, 3, 1, y, g)[0]


def silu_forward(a: Array) -> Any:
    if not is_eligible(a):
        return NotImplemented

    def work(y: Array, s: Array, x: Array) -> None:
        _sigmoid(s, x)
        np.multiply(x, s, out=y)

    y, s = _elementwise(work, 9, 2, a)
    return y, s


def silu_vjp(g: Array, needs: Any, y: Array, aux: Array) -> Any:
    if not is_eligible(y):
        return NotImplemented

    def work(grad: Array, y: Array, g: Array, s: Array) -> None:
        np.subtract(1, s, out=grad)
        grad *= y
        grad += s
        grad *= g

    return tuple(_elementwise(work, 4, 1, y, g, aux))


def bce_losses(a: Array, target: Array) -> Any:
    if not is_eligible(a) or (target.shape, target.dtype) != (a.shape, a.dtype):
        return NotImplemented

    def work(y: Array, x: Array, t: Array) -> None:
        np.clip(x, 0, np.inf, out=y)
        rest = np.multiply(x, t, out=scratch(x))
        y -= rest
        np.abs(x, out=rest)
        np.negative(rest, out=rest)
        np.exp(rest, out=rest)
        np.log1p(rest, out=rest)
        y += rest

    return _elementwise(work, 20, 1, a, target)[0]


def bce_backward(g: Array, a: Array, target: Array) -> Any:
    alike = all(x.shape == a.shape and x.dtype == a.dtype for x in (target, g if g.ndim else a))
    if not is_eligible(a) or not alike or g.dtype != a.dtype:
        return NotImplemented

    def work(grad: Array, x: Array, t: Array, g: Array = g) -> None:
        _sigmoid(grad, x)
        grad -= t
        grad *= g

    return _elementwise(work, 10, 1, a, target, *([g] if g.ndim else []))[0]
