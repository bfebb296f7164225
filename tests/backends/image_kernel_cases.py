"""Random cases for the image kernels: convolution, pooling, batch norm. See test_kernels.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from xptorch.ops.layers.window import Geometry

Case = tuple[tuple[Any, ...], dict[str, Any]]
CASES: dict[str, Callable[[np.random.Generator, Any], Iterator[Case]]] = {}


def cases(name: str) -> Callable[[Any], Any]:
    """Register a generator of cases for a kernel."""

    def register(make: Any) -> Any:
        CASES[name] = make
        return make

    return register


# ---- convolution


def geometries(rng: np.random.Generator, count: int, most: int = 3) -> Iterator[Geometry]:
    """Random convolution geometries over one to three axes whose windows fit."""
    while count:
        d = int(rng.integers(1, 4))
        size, kernel, stride, before, after, dilation = (
            tuple(int(n) for n in rng.integers(low, high + 1, d))
            for low, high in ((1, 9), (1, 4), (1, most), (-1, 3), (-1, 3), (1, 2))
        )
        how = Geometry(size, kernel, stride, tuple(zip(before, after, strict=True)), dilation)
        reach = [g * (k - 1) + 1 for g, k in zip(dilation, kernel, strict=True)]
        if all(s >= r for s, r in zip(how.padded, reach, strict=True)):
            count -= 1
            yield how


def images(rng: np.random.Generator, dtype: Any, *shape: int) -> Any:
    """An array (n, c, s…): contiguous, channels last, or channels last and strided."""
    x = rng.standard_normal(shape).astype(dtype)
    order = rng.integers(3)
    if order == 0 or x.ndim == 2:
        return x
    axes = (0, *range(2, x.ndim), 1)
    x = np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))
    return x if order == 1 else np.repeat(x, 2, axis=-1)[..., ::2]


def convolutions(rng: np.random.Generator, dtype: Any) -> Iterator[tuple[Any, ...]]:
    """x, w, b, g and the geometry."""
    hows = [*geometries(rng, 40), Geometry((70, 90), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))]
    for how in hows:
        groups = int(rng.choice([1, 1, 2, 5]))
        n, c, o = (
            int(rng.integers(1, 5)),
            int(rng.choice([1, 2, 6, 24])),
            int(rng.choice([1, 2, 8])),
        )
        how = replace(how, groups=groups)
        x = images(rng, dtype, n, c * groups, *how.size)
        w = rng.standard_normal((o * groups, c, *how.kernel)).astype(dtype)
        b = rng.standard_normal(o * groups).astype(dtype) if rng.integers(2) else None
        yield x, w, b, images(rng, dtype, n, o * groups, *how.counts), how


@cases("convolve")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for x, w, b, _, how in convolutions(rng, dtype):
        yield (x, w, b), {"how": how}


@cases("convolve_input")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for x, w, _, g, how in convolutions(rng, dtype):
        b = rng.standard_normal(x.shape[1]).astype(dtype) if rng.integers(2) else None
        yield (g, w, b), {"how": how}


@cases("convolve_weight")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for x, _, _, g, how in convolutions(rng, dtype):
        yield (x, g), {"how": how}


# ---- batch norm


def batches(rng: np.random.Generator, dtype: Any) -> Iterator[tuple[Any, ...]]:
    """a, and a weight and a bias per channel, or None."""
    for shape in (
        (9, 5),  # too small for the kernel
        (9000, 9),
        (30, 64, 70),
        (20, 1, 60, 70),
        (5, 16, 40, 60),
        (33, 8, 31, 40),
        (7, 96, 9, 5, 30),
    ):
        for _ in range(3):
            a = 3 * images(rng, dtype, *shape) + 2
            vectors = rng.standard_normal((2, shape[1])).astype(dtype)
            yield a, *[v if rng.integers(3) else None for v in vectors]


@cases("batch_norm_forward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, weight, bias in batches(rng, dtype):
        yield (a, weight, bias), {"eps": 1e-5, "seen": []}


@cases("batch_norm_vjp")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, weight, _ in batches(rng, dtype):
        axes = (0, *range(2, a.ndim))
        aux = a.mean(axes), 1 / a.std(axes)
        yield (images(rng, dtype, *a.shape), rng.integers(2, size=3), a, weight, aux), {}


@cases("fixed_norm_forward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, weight, bias in batches(rng, dtype):
        mean, var = rng.random((2, a.shape[1])).astype(dtype)
        yield (a, mean, var, weight, bias), {"eps": 1e-5}


@cases("fixed_norm_vjp")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for a, weight, _ in batches(rng, dtype):
        mean, var = rng.random((2, a.shape[1])).astype(dtype)
        needs = (rng.integers(2), False, False, *rng.integers(2, size=2))
        yield (images(rng, dtype, *a.shape), needs, a, mean, var, weight, 1e-5), {}


# ---- pooling


def pools(rng: np.random.Generator, dtype: Any) -> Iterator[tuple[Any, Geometry]]:
    """x with few distinct values, infinities and NaNs among them, and the geometry."""
    hows = [*geometries(rng, 40), Geometry((40, 50), (3, 3), (2, 2), ((1, 1), (0, 1)), (1, 1))]
    for how in hows:
        x = images(rng, dtype, int(rng.integers(1, 5)), int(rng.choice([1, 2, 6, 40])), *how.size)
        x = np.round(x)
        values = np.array([-np.inf, np.nan, np.inf], dtype)
        x = np.where(rng.random(x.shape) < 0.1, rng.choice(values, x.shape), x)
        yield x, how


@cases("max_pool")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for x, how in pools(rng, dtype):
        yield (x,), {"how": how, "lowest": -np.inf}


@cases("max_pool_backward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for x, how in pools(rng, dtype):
        maxima, y = [], x.transpose(0, *range(2, x.ndim), 1)
        widths = ((0, 0), *[(max(a, 0), max(b, 0)) for a, b in how.padding], (0, 0))
        y = np.pad(y, widths, constant_values=-np.inf)
        if min(map(min, how.padding)) < 0:
            continue
        for axis in reversed(range(len(how.size))):
            reach = how.dilation[axis] * (how.kernel[axis] - 1) + 1
            windows = np.lib.stride_tricks.sliding_window_view(y, reach, axis + 1)
            step = (slice(None),) * (axis + 1) + (slice(None, None, how.stride[axis]),)
            y = windows[..., :: how.dilation[axis]].max(-1)[step]
            maxima.append(y)
        g = images(rng, dtype, *x.shape[:2], *how.counts)
        yield (g, x), {"maxima": maxima[:-1], "how": how, "lowest": -np.inf}


def means(rng: np.random.Generator, dtype: Any) -> Iterator[tuple[Any, Geometry, Any]]:
    """x, the geometry, and the divisor."""
    for how in geometries(rng, 40):
        how = Geometry(how.size, how.kernel, how.stride, how.padding, (1,) * len(how.size))
        x = images(rng, dtype, int(rng.integers(1, 5)), int(rng.choice([1, 2, 6, 40])), *how.size)
        yield x, how, math.prod(how.kernel)
        yield x, how, 5
        yield x, how, tuple(tuple(range(1, n + 1)) for n in how.counts)


@cases("avg_pool")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for x, how, divide in means(rng, dtype):
        yield (x,), {"how": how, "divide": divide}


@cases("avg_pool_backward")
def _(rng: np.random.Generator, dtype: Any) -> Iterator[Case]:
    for x, how, divide in means(rng, dtype):
        g = images(rng, dtype, *x.shape[:2], *how.counts)
        yield (g,), {"how": how, "divide": divide}
