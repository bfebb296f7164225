"""A backend's kernels against the generic functions over `xp` that they replace, on random cases.

Each kernel has a generator of cases: random shapes, strides, options. A case is the arguments of
the function; the kernel may decline it, but must accept some of float32. Results agree to the
dtype's rounding. Where oneDNN is installed, its kernels must pass the same tests.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from xptorch.backends import mkldnn
from xptorch.backends.numpy import kernels, onednn, workspace
from xptorch.backends.numpy.kernels.layout import copy_last
from xptorch.backends.numpy.scatter import accumulate

from tests.backends import image_kernel_cases
from xptorch._core import registry
from xptorch._core.mode import local
from xptorch._engine.op import KERNEL_POINTS

NUMPY = registry.load("numpy")
PLAIN = type(NUMPY.xp)(NUMPY.xp, kernels={})
TOLERANCE = {np.dtype("float32"): 2e-5, np.dtype("float64"): 1e-12}
# What these save for their VJPs is not unique: it is compared by what the VJPs compute from it.
PRIVATE = {"cross_entropy_forward"}
PRIVATE_TO_ONEDNN = {
    *("gelu_forward", "gelu_tanh_forward", "silu_forward", "max_pool", "lstm_forward"),
    "cross_entropy_forward",
}
IN_PLACE = {"adam_update", "momentum_update"}  # the only ones that may modify their inputs
# These need what oneDNN's forward saved, or inputs without NaN: test_onednn.py tests them.
ELSEWHERE = {"gelu_vjp", "gelu_tanh_vjp", "silu_vjp", "max_pool", "max_pool_backward", "lstm_vjp"}

Case = image_kernel_cases.Case
CASES = dict(image_kernel_cases.CASES)


def cases(name: str) -> Callable[[Any], Any]:
    """Register a generator of cases for a kernel: ``f(rng, dtype)`` yields (arguments, options)."""

    def register(make: Any) -> Any:
        CASES[name] = make
        return make

    return register


def layouts(rng: np.random.Generator, dtype: Any) -> Iterator[list[np.ndarray]]:
    """Two arrays of one shape, large enough for kernels, in different memory layouts."""
    for shape in ((260, 300), (9, 70, 80), (600, 1024)):
        x, y = rng.normal(size=(2, *shape)).astype(dtype)
        yield [3 * x, y]
        yield [x.transpose().copy().transpose(), y]
        yield [x[:, ::2], y[:, ::2]]


# ---- activations


def activation_cases(forward: str, backward: str, saves: str = "aux") -> None:
    """Cases for an activation's kernel and its VJP's, which takes x and aux, y, or y and aux."""

    @cases(forward)
    def inputs(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
        for x, _ in layouts(rng, dtype):
            yield (x,), {}

    @cases(backward)
    def gradients(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
        for x, g in layouts(rng, dtype):
            result = KERNEL_POINTS[forward](PLAIN, x)
            if saves == "y":
                yield (g, result), {}
            else:
                y, aux = result
                yield (g, [True], y if saves == "y+aux" else x, aux), {}


activation_cases("gelu_forward", "gelu_vjp")
activation_cases("gelu_tanh_forward", "gelu_tanh_vjp")
activation_cases("silu_forward", "silu_vjp", "y+aux")
activation_cases("sigmoid_forward", "sigmoid_backward", "y")


@cases("tanh_backward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for x, g in layouts(rng, dtype):
        yield (g, np.tanh(x)), {}


@cases("bce_losses")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for x, y in layouts(rng, dtype):
        yield (10 * x, np.clip(y, 0, 1)), {}


@cases("bce_backward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for x, y in layouts(rng, dtype):
        for g in (y, np.asarray(0.7, dtype), y[..., :1]):
            yield (g, 10 * x, np.clip(y, 0, 1)), {}


# ---- norms


def normed(rng: np.random.Generator, dtype: Any) -> Iterator[tuple[Any, ...]]:
    """(rows, gradient, shape, weight, bias); in some cases with means far from 0."""
    for lead, shape in (((50, 40), (64,)), ((700,), (10, 30)), ((3000,), (256,)), ((9,), (7000,))):
        a, g = rng.normal(size=(2, *lead, *shape)).astype(dtype)
        weight, bias = rng.normal(size=(2, *shape)).astype(dtype)
        yield a, g, shape, weight, bias
        yield a + dtype.type(1), g, shape, weight, None
        yield a, g, shape, None, None
    yield a + np.linspace(0, 30, 9, dtype=dtype)[:, None], g, shape, None, bias


@cases("layer_norm_forward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, _, shape, weight, bias in normed(rng, dtype):
        yield (a, weight, bias), {"shape": shape, "eps": 1e-5}


@cases("layer_norm_vjp")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, g, shape, weight, bias in normed(rng, dtype):
        _, aux = KERNEL_POINTS["layer_norm_forward"](PLAIN, a, weight, bias, shape=shape, eps=1e-5)
        for needs in ([True, weight is not None, bias is not None], [True, False, False]):
            yield (g, needs, a, weight, aux, shape), {}
        if weight is not None:
            yield (g, [False, True, False], a, weight, aux, shape), {}


@cases("rms_norm_forward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, _, shape, weight, _ in normed(rng, dtype):
        yield (a, weight), {"shape": shape, "eps": 1e-5}


@cases("rms_norm_vjp")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, g, shape, weight, _ in normed(rng, dtype):
        _, aux = KERNEL_POINTS["rms_norm_forward"](PLAIN, a, weight, shape=shape, eps=1e-5)
        for needs in ([True, weight is not None], [True, False]):
            yield (g, needs, a, weight, aux, shape), {}


@cases("linear_forward")
def few_rows(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for lead, k, n in (((4, 16), 500, 520), ((128,), 300, 700), ((3,), 4, 5), ((600,), 200, 200)):
        a = rng.normal(size=(*lead, k)).astype(dtype)
        weight, bias = rng.normal(size=(n, k)).astype(dtype), rng.normal(size=n).astype(dtype)
        yield (a, weight, bias), {}
        yield (a[..., ::2], weight[:, ::2], None), {}


@cases("run_all")
def independent_calls(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for nanoseconds in (0.0, 1e6):  # the latter on several threads
        done = np.zeros(5, dtype)
        yield ([lambda i=i: done.__setitem__(i, i + 1) for i in range(5)], nanoseconds), {}
        assert done.tolist() == [1, 2, 3, 4, 5]


def grouped(rng: np.random.Generator, dtype: Any) -> Iterator[tuple[Any, ...]]:
    """(images, gradient, groups, weight, bias); in some cases with means far from 0."""
    for shape, groups in (((8, 12, 25, 20), 3), ((3, 16, 1000), 16), ((40, 6, 20, 20), 1)):
        a, g = rng.normal(size=(2, *shape)).astype(dtype)
        weight, bias = rng.normal(size=(2, shape[1])).astype(dtype)
        yield a, g, groups, weight, bias
        yield a + dtype.type(20), g, groups, weight, None
        yield a, g, groups, None, None


@cases("group_norm_forward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, _, groups, weight, bias in grouped(rng, dtype):
        yield (a, weight, bias), {"groups": groups, "eps": 1e-5}


@cases("group_norm_vjp")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, g, groups, weight, bias in grouped(rng, dtype):
        _, aux = KERNEL_POINTS["group_norm_forward"](
            PLAIN, a, weight, bias, groups=groups, eps=1e-5
        )
        for needs in ([True, weight is not None, bias is not None], [True, False, False]):
            yield (g, needs, a, weight, aux, groups), {}


# ---- softmax and cross-entropy


def softmax_cases(forward: str, backward: str) -> None:
    @cases(forward)
    def inputs(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
        for x, _ in layouts(rng, dtype):
            yield (x,), {"axis": x.ndim - 1}
            yield (200 + 50 * x,), {"axis": x.ndim - 1}

    @cases(backward)
    def gradients(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
        for x, g in layouts(rng, dtype):
            for axis in (x.ndim - 1, 0):
                yield (g, KERNEL_POINTS[forward](PLAIN, x, axis=axis), axis), {}


softmax_cases("softmax_forward", "softmax_backward")
softmax_cases("log_softmax_forward", "log_softmax_backward")


def classified(rng: np.random.Generator, dtype: Any) -> Iterator[tuple[Any, ...]]:
    """(logits, targets, class weights)."""
    for rows, classes, spread in ((500, 100, 3), (3000, 20, 90), (40, 2000, 900)):
        logits = (rng.normal(size=(rows, classes)) * spread).astype(dtype)
        targets = rng.integers(0, classes, rows)
        yield logits, targets, None
        logits[::3] -= 150  # without a shift their exponentials underflow
        yield logits, targets, None
        yield logits, targets, rng.random(classes).astype(dtype)


@cases("cross_entropy_forward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for logits, targets, weight in classified(rng, dtype):
        for reduction in ("none", "mean", "sum"):
            yield (logits, targets, weight), {"ignore": None, "reduction": reduction}


@cases("cross_entropy_vjp")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for logits, targets, weight in classified(rng, dtype):
        for reduction in ("none", "mean", "sum"):
            forward = KERNEL_POINTS["cross_entropy_forward"]
            for xp in (PLAIN, NUMPY.xp):
                options = {"ignore": None, "reduction": reduction}
                y, aux = forward(xp, logits, targets, weight, **options)
                g = np.asarray(rng.normal(size=np.shape(y)), dtype)
                yield (g, [True, False, False], logits.shape, aux), {}


# ---- linear layers


def layers(rng: np.random.Generator, dtype: Any) -> Iterator[tuple[Any, ...]]:
    """(input, weight, bias, gradient of the output)."""
    for lead, n_in, n_out in (((4, 250), 130, 129), ((60,), 500, 601), ((1000, 3), 90, 70)):
        a = rng.normal(size=(*lead, n_in)).astype(dtype)
        weight = rng.normal(size=(n_out, n_in)).astype(dtype)
        bias = rng.normal(size=n_out).astype(dtype)
        yield a, weight, bias, rng.normal(size=(*lead, n_out)).astype(dtype)
        g = np.broadcast_to(dtype.type(1), (*lead, n_out))
        yield a[..., ::-1], weight.T.copy().T, None, g


@cases("linear_forward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, weight, bias, _ in layers(rng, dtype):
        yield (a, weight, bias), {}


@cases("linear_vjp")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, weight, _, g in layers(rng, dtype):
        for needs in ([True] * 3, [False, True, False], [True, False, True]):
            yield (g, needs, a, weight), {}


# ---- attention


def attended(rng: np.random.Generator, dtype: Any) -> Iterator[tuple[Any, ...]]:
    """(query, key, value, gradient of the output, mask, dropout's noise)."""
    hide = dtype.type(-np.inf)
    for batch, rows, columns in (((2, 3), 70, 90), ((5,), 130, 64), ((1, 8), 200, 200)):
        q, g = rng.normal(size=(2, *batch, rows, 16)).astype(dtype)
        k, v = rng.normal(size=(2, *batch, columns, 16)).astype(dtype)
        causal = np.triu(np.full((rows, columns), hide), 1)
        causal[3] = hide
        noise = (rng.random((*batch, rows, columns)) < 0.8).astype(dtype) / dtype.type(0.8)
        yield q, k, v, g, None, None
        yield q.swapaxes(0, -2).copy().swapaxes(0, -2), k, v, g, causal, None
        yield 50 * q, k, v, g, causal, noise
        yield q, k, v, g, rng.normal(size=(*batch, rows, columns)).astype(dtype), noise


@cases("attention_forward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for q, k, v, _, mask, noise in attended(rng, dtype):
        yield (q, k, v, mask, noise), {"scale": 0.25}


@cases("attention_vjp")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for q, k, v, g, mask, noise in attended(rng, dtype):
        _, p = KERNEL_POINTS["attention_forward"](PLAIN, q, k, v, mask, noise, scale=0.25)
        for needs in ([True] * 3, [False, True, False], [True, False, True]):
            yield (g, [*needs, False, False], q, k, v, noise, p, 0.25), {}


# ---- recurrent layers


def recurrent(name: str, gates: int, states: int, *nothing: None, **static: Any) -> None:
    """Cases for a layer's kernel and for its backward pass's, which gets what the first saved."""

    def inputs(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
        for size, sizes, reverse in ((40, (9,) * 7, False), (33, (1,) * 20, True), (5, (3, 2), 0)):
            x = rng.normal(size=(sum(sizes), 12)).astype(dtype)
            first = [rng.normal(size=(sizes[0], size)).astype(dtype) for _ in range(states)]
            weights = [
                (rng.normal(size=(gates * size, *width)) / 4).astype(dtype)
                for width in ((12,), (size,), (), ())
            ]
            options = {"sizes": sizes, "reverse": bool(reverse), **static}
            yield (x, *first, *weights, *nothing), options
            yield (x, *first, *weights[:2], None, None, *nothing), options

    @cases(f"{name}_back")
    def gradients(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
        for args, options in inputs(rng, dtype):
            ys, aux = KERNEL_POINTS[f"{name}_forward"](PLAIN, *args, **options)
            g = tuple(rng.normal(size=y.shape).astype(dtype) for y in ys)
            yield (g, args[2 + states], *nothing, aux), options

    cases(f"{name}_forward")(inputs)


recurrent("rnn", 1, 1, relu=False)
recurrent("lstm", 4, 2, None)
recurrent("gru", 3, 1)


@cases("lstm_vjp")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for args, options in CASES["lstm_forward"](rng, dtype):
        ys, aux = KERNEL_POINTS["lstm_forward"](PLAIN, *args, **options)
        g = tuple(rng.normal(size=y.shape).astype(dtype) for y in ys)
        x, _, _, *weights = args
        yield (g, [True] * 7 + [False], x, *weights[:2], None, aux, *options.values()), {}


# ---- optimizers


def stepped(rng: np.random.Generator, dtype: Any, states: int) -> Iterator[list[np.ndarray]]:
    """A parameter, its gradient and non-negative states, in various memory layouts."""
    for shape in ((300, 70), (64, 32, 3, 5), (40_001,)):
        p, g, *others = rng.normal(size=(2 + states, *shape)).astype(dtype)
        others = [np.abs(x) for x in others]
        yield [p, g, *others]
        yield [x.T for x in (p, g, *others)]
        yield [p, np.ascontiguousarray(g.T).T, *others]
        yield [p[::2], g[::2], *[x[::2] for x in others]]


@cases("adam_update")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    plain = {"t": 3.0, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-3, "weight_decay": 0.1}
    for given in stepped(rng, dtype, 2):
        yield tuple(given), plain | {"decoupled": True}
        yield tuple(given), plain | {"decoupled": False}
        yield tuple(given), plain | {"decoupled": False, "weight_decay": 0}
        yield tuple(given), plain | {"decoupled": True, "beta1": 0.3}
        yield tuple(given), plain | {"decoupled": True, "weight_decay": 20}
    for given in stepped(rng, dtype, 3):
        yield tuple(given), plain | {"decoupled": True}


@cases("momentum_update")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    plain = {"first": False, "lr": 0.1, "momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0}
    for given in stepped(rng, dtype, 1):
        for nesterov in (True, False):
            yield tuple(given), plain | {"nesterov": nesterov}
            yield tuple(given), plain | {"nesterov": nesterov, "weight_decay": 0.1}
        yield tuple(given), plain | {"nesterov": False, "dampening": 0.3}
        yield tuple(given), plain | {"nesterov": False, "first": True}


def leaves(x: Any) -> list[Any]:
    """The elements of nested tuples."""
    return [leaf for item in x for leaf in leaves(item)] if isinstance(x, tuple) else [x]


def agree(mine: Any, reference: Any) -> None:
    if isinstance(reference, tuple | list):
        assert len(mine) == len(reference)
        for a, b in zip(mine, reference, strict=True):
            agree(a, b)
    elif reference is None:
        assert mine is None
    else:
        assert mine.shape == reference.shape
        assert mine.dtype == reference.dtype
        scale = float(np.max(np.abs(reference), initial=1e-3, where=np.isfinite(reference)))
        tolerance = TOLERANCE.get(reference.dtype, 0) * scale
        np.testing.assert_allclose(mine, reference, rtol=0, atol=tolerance)


def test_every_kernel_stands_in_for_a_function_and_has_cases() -> None:
    assert set(NUMPY.kernels) <= set(KERNEL_POINTS)
    assert set(NUMPY.kernels) <= set(CASES) == {*kernels.KERNELS, *onednn.kernels()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(kernels.KERNELS))
def test_kernel_agrees_with_the_generic_function(name: str, dtype: str) -> None:
    taken = compare(kernels.KERNELS[name], name, dtype, PRIVATE)
    assert taken or dtype == "float64", f"{name} declined every case"


@pytest.mark.skipif(not mkldnn.is_available(), reason="needs the extra onednn")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(onednn.kernels()))
def test_onednn_agrees_with_the_generic_function(
    name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = onednn.kernels()[name]
    monkeypatch.setitem(kernel.__globals__, "_PAYS_FROM", 0)
    taken = compare(kernel, name, dtype, PRIVATE_TO_ONEDNN)
    assert bool(taken) == (dtype == "float32") or name in ELSEWHERE


def compare(kernel: Any, name: str, dtype: str, private: set[str]) -> int:
    """Compare a kernel with the generic function; returns how many cases it accepted."""
    taken = 0
    for args, static in CASES[name](np.random.default_rng(7), np.dtype(dtype)):
        before = copy.deepcopy(args)
        mine = local.mode.run(kernel, *args, **static)
        if mine is NotImplemented or name not in IN_PLACE:
            for now, then in zip(leaves(args), leaves(before), strict=True):
                np.testing.assert_array_equal(now, then, err_msg="an input was written to")
        if mine is not NotImplemented:
            taken += 1
            theirs = local.mode.run(KERNEL_POINTS[name], PLAIN, *before, **static)
            if name in IN_PLACE:
                assert all(a is b for a, b in zip(mine, (args[0], *args[2:]), strict=True))
            agree(*((mine[0], theirs[0]) if name in private else (mine, theirs)))
    return taken


def test_workspaces_are_kept_and_bounded() -> None:
    def make(size: int) -> tuple[Any, ...]:
        return (np.zeros(size, np.int8),)

    first = workspace.workspace("a test's", make, 10)
    assert workspace.workspace("a test's", make, 10) is first
    workspace.workspace("too large", make, workspace.LIMIT + 1)
    assert workspace.workspace("a test's", make, 10) is not first
    assert workspace._kept.bytes <= workspace.LIMIT


@pytest.mark.parametrize(
    "shape",
    [
        (2, 3, 16, 64),  # few channels
        (2, 9, 16, 17),
        (3, 64, 32, 32),  # channels that map to the same cache set
        (2, 16, 4, 8, 8),
        (2, 64, 256),
        (2, 64, 128, 64),  # the same in a large image
        (0, 64, 32, 32),
    ],
)
def test_channels_are_copied_to_lie_together(shape: tuple[int, ...]) -> None:
    x = np.moveaxis(np.random.default_rng(0).random(shape, np.float32), 1, -1)
    padded = np.zeros((x.shape[0], *[s + 2 for s in x.shape[1:-1]], x.shape[-1]), np.float32)
    middle = padded[(slice(None), *[slice(1, -1)] * (x.ndim - 2))]
    copy_last(middle, x)
    np.testing.assert_array_equal(middle, x)
    assert np.count_nonzero(padded) == np.count_nonzero(x)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize(
    ("count", "size", "width"),
    [
        (50, 30, 40),  # few elements
        (900, 300, 3),  # few elements, narrow
        (900, 9_000, 3),  # narrow
        (300, 900, 70),
        (100_000, 900, 70),  # most rows occur once
        (5, 900, 70),  # all rows are frequent
    ],
)
@pytest.mark.parametrize("skew", [1, 4])
def test_rows_are_added_up(count: int, size: int, width: int, skew: int, dtype: str) -> None:
    rng = np.random.default_rng(0)
    index = (count * rng.random(size) ** skew).astype(np.int64)
    index[::7] -= count  # negative indices
    values = (100 * rng.normal(size=(size, width))).astype(dtype)
    out = np.ones((count, width), dtype)
    expected = out.astype("float64")
    np.add.at(expected, index, values)
    assert accumulate(out, index, values) is out
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-2 if dtype == "float32" else 1e-9)
