"""The table that drives the tests of every op: add a line here for a new one.

A case names a declared op (its name in `_engine.OPS`), the inputs, and how to call it: the name of
a function of PyTorch's (the op's own name unless `call` says otherwise) or a function of the
library and the inputs, with PyTorch's keyword arguments:

    case("tanh", real())
    case("sum", real(), note="dim", dim=1, keepdim=True)
    case("negative", real(), call=lambda torch, x: -x)

From each case follow, on every array library: value and dtype for every dtype of the inputs, first
and second derivative, empty and 0-d inputs, and memory out of order.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# What values an input may take: functions of a random generator and a shape.
DOMAINS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Any]] = {
    "real": lambda rng, shape: rng.standard_normal(shape),
    "positive": lambda rng, shape: rng.uniform(0.3, 2.7, shape),
    "unit": lambda rng, shape: rng.uniform(0.1, 0.9, shape) * rng.choice([-1, 1], shape),
    "above_one": lambda rng, shape: rng.uniform(1.2, 3.0, shape),
    # far from where rounding, signs and kinks are
    "away": lambda rng, shape: (rng.integers(0, 3, shape) + 0.7) * rng.choice([-1, 1], shape),
    "distinct": lambda rng, shape: rng.permutation(_ladder(shape)).reshape(shape),
}


def _ladder(shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape))
    return np.arange(size) * 0.31 - 0.11 * size + 0.05


@dataclass(frozen=True)
class Input:
    """How to make one input: its shape, the domain of its values, its dtype where that is fixed."""

    domain: str
    shape: tuple[int, ...]
    dtype: str | None = None
    high: int = 0

    def make(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        if self.domain == "index":
            return rng.integers(0, self.high, shape).astype("int64")
        values = np.asarray(DOMAINS[self.domain](rng, shape))
        dtype = self.dtype or dtype
        if dtype == "bool":
            return values > 0.5
        if dtype.startswith(("int", "uint")):
            values = np.sign(values) * np.ceil(np.abs(values))  # no zeros
            values = np.abs(values) if dtype.startswith("u") else values
        return values.astype(dtype)


def _maker(domain: str) -> Callable[..., Input]:
    return lambda *shape, dtype=None: Input(domain, shape or (3, 4), dtype)


real, positive, unit, above_one, away, distinct = map(_maker, DOMAINS)


def index(high: int, *shape: int) -> Input:
    """Indices below `high`."""
    return Input("index", shape, "int64", high)


def mask(*shape: int) -> Input:
    """Truth values."""
    return Input("positive", shape or (3, 4), "bool")


def scalar(*shape: int) -> Input:
    return Input("positive", ())


@dataclass(frozen=True)
class OpCase:
    """One way to call an operation; see `case`."""

    name: str
    inputs: tuple[Input, ...]
    call: str | Callable[..., Any]
    note: str = ""
    static: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}-{self.note}" if self.note else self.name

    def arrays(self, dtype: str = "float64", variation: str = "plain") -> list[np.ndarray]:
        """The inputs, the same in every run. Variations: empty, scalar (0-d)."""
        rng = np.random.default_rng(zlib.crc32(str(self).encode()))
        first = self.inputs[0].shape
        return [i.make(rng, _SHAPES[variation](i.shape, first), dtype) for i in self.inputs]

    def run(self, torch: Any, *tensors: Any) -> Any:
        """Call the operation in XPTorch or in PyTorch."""
        if callable(self.call):
            return self.call(torch, *tensors, **self.static)
        for name in self.call.split("."):
            torch = getattr(torch, name)
        return torch(*tensors, **self.static)


_SHAPES: dict[str, Callable[[Any, Any], tuple[int, ...]]] = {
    "plain": lambda shape, first: shape,
    # axis 0 of the first input, and of those that share its length, becomes empty
    "empty": lambda shape, first: (0, *shape[1:]) if shape[:1] == first[:1] else shape,
    "scalar": lambda shape, first: () if shape == first else shape,
}


def case(
    name: str,
    *inputs: Input,
    call: str | Callable[..., Any] | None = None,
    note: str = "",
    **static: Any,
) -> OpCase:
    """A line of the table.

    Args:
        name: the declared op, as in `_engine.OPS`.
        inputs: a maker for each tensor.
        call: PyTorch's name of the function, or ``f(torch, *tensors, **static)``.
        note: tells apart the cases of one op.
        static: keyword arguments.
    """
    return OpCase(name, inputs, call or name, note, static)


def backward_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of half the sum of squares of `function`: for ops that only VJPs use."""

    def call(torch: Any, x: Any, *others: Any) -> Any:
        x = x if x.requires_grad else x.detach().requires_grad_()
        y = function(torch, x, *others)
        return torch.autograd.grad(y, x, y, create_graph=True)[0]

    return call


def _set_rows(torch: Any, x: Any, i: Any, v: Any) -> Any:
    x = x.clone()
    x[i] = v
    return x


def _add_rows(torch: Any, x: Any, i: Any, v: Any) -> Any:
    return x.index_put((i,), v, accumulate=True)


def _scatter_add(torch: Any, x: Any, i: Any, v: Any) -> Any:
    return x.scatter_add(0, i, v)


ELEMENTWISE = [
    *[case(n, real()) for n in ("exp", "exp2", "expm1", "square", "sin", "cos", "tanh", "sinh")],
    *[case(n, real()) for n in ("cosh", "asinh", "atan", "erf", "erfc", "sigmoid")],
    *[case(n, positive()) for n in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt")],
    *[case(n, unit()) for n in ("asin", "acos", "atanh", "tan")],
    *[case(n, away()) for n in ("abs", "sign", "floor", "ceil", "trunc", "round", "reciprocal")],
    case("acosh", above_one()),
    case("negative", real(), call="neg"),
    case("clip", away(), call="clamp", min=-1.2, max=2.0),
    case("clip", away(), call="clamp", note="min", min=0.1),
    case("keep", distinct(), call=backward_of(lambda torch, x: x.amax(1))),
    *[case(n, mask()) for n in ("logical_not", "bitwise_not")],
    *[case(n, real()) for n in ("isnan", "isinf", "isfinite", "signbit")],
]

BINARY = [
    *[case(n, real(3, 4), real(3, 4)) for n in ("add", "subtract", "multiply")],
    *[case(n, real(3, 1), real(2, 1, 4), note="broadcast") for n in ("add", "subtract")],
    case("multiply", real(3, 1), real(2, 1, 4), note="broadcast"),
    case("multiply", real(), call=lambda torch, x: x * x, note="itself"),
    case("add", real(3, 4), real(4), call="add", note="alpha", alpha=2),
    case("divide", real(3, 1), away(1, 4)),
    case("divide", real(), call=lambda torch, x: 2 / (x * x + 1), note="number"),
    case("pow", positive(3, 1), real(1, 4)),
    case("pow", real(), note="number", exponent=3),
    *[case(n, distinct(3, 4), distinct(3, 4)) for n in ("maximum", "minimum")],
    case("atan2", away(3, 1), away(1, 4)),
    case("hypot", away(3, 1), away(1, 4)),
    case("logaddexp", real(3, 1), real(1, 4)),
    case("xlogy", real(3, 1), positive(1, 4)),
    case("copysign", away(3, 1), away(1, 4)),
    *[case(n, real(3, 4), away(3, 4)) for n in ("floor_divide", "remainder", "fmod")],
    *[case(n, away(3, 1), away(1, 4)) for n in ("not_equal", "less", "less_equal", "greater")],
    case("equal", away(3, 1), away(1, 4), call="eq"),
    case("greater_equal", away(3, 1), away(1, 4), call="ge"),
    *[case(f"logical_{n}", mask(3, 1), mask(1, 4)) for n in ("and", "or", "xor")],
    *[case(f"bitwise_{n}", mask(3, 1), mask(1, 4)) for n in ("and", "or", "xor")],
    *[case(f"bitwise_{n}_shift", index(50, 3, 1), index(4, 1, 4)) for n in ("left", "right")],
    case("where", mask(3, 4), real(3, 4), real(4)),
]

REDUCE = [
    *[
        case(name, real(3, 4, 2), note=note, **static)
        for name in ("sum", "mean", "var")
        for note, static in {
            "all": {},
            "dim": {"dim": 1},
            "dims": {"dim": (0, -1), "keepdim": True},
        }.items()
    ],
    case("var", real(3, 4), note="correction", dim=0, correction=0),
    case("root_of_variance", real(3, 4), call="std", dim=1),
    *[case(n, distinct(), call=f"a{n}", dim=1, keepdim=True) for n in ("max", "min")],
    *[case(n, distinct(), note="all") for n in ("max", "min", "argmax", "argmin")],
    *[case(n, distinct(), note="dim", dim=1) for n in ("max", "min", "argmax", "argmin")],
    *[case(n, mask(), note="all") for n in ("all", "any")],
    *[case(n, mask(), note="dim", dim=1, keepdim=True) for n in ("all", "any")],
    case("prod", away(), note="all"),
    case("prod", away(), note="dim", dim=1),
    case("cumulative_sum", real(), call="cumsum", dim=1),
    case("cumulative_prod", away(), call="cumprod", dim=0),
]

SHAPE = [
    case("astype", real(), call=lambda torch, x: x.to(torch.float32)),
    case("reshape", real(), shape=(2, -1)),
    case("permute_dims", real(2, 3, 4), call="permute", dims=(2, 0, 1)),
    case("broadcast_to", real(3, 1), size=(2, 3, 4)),
    case("expand_dims", real(), call="unsqueeze", dim=1),
    case("squeeze", real(3, 1, 4), dim=1),
    case("flip", real(), dims=(0, 1)),
    case("roll", real(), shifts=(1, -2), dims=(0, 1)),
    case("copy", real(), call="clone"),
    case("alias", real(), call=lambda torch, x: x.view_as(x)),
    case("contiguous", real(), call=lambda torch, x: x.mT.contiguous()),
    case("concat", real(3, 4), real(3, 2), call=lambda torch, *xs: torch.cat(xs, dim=1)),
    case("stack", real(3, 4), real(3, 4), call=lambda torch, *xs: torch.stack(xs, dim=1)),
    case("split", real(5, 2), split_size_or_sections=(1, 4)),
    case("unstack", real(), call="unbind", dim=1),
    case("pad", real(), call="nn.functional.pad", pad=(1, 2, 0, 1), value=0.5),
]

INDEX = [
    case("getitem", real(3, 4), call=lambda torch, x: x[1:, 2]),
    case("getitem", real(4, 3), call=lambda torch, x: x[..., None, ::2], note="step"),
    case("place", real(3, 4), call=backward_of(lambda torch, x: x[1:, 2])),
    case("take", real(4, 3), index(4, 5), call=lambda torch, x, i: x[i]),
    case("take", real(4, 3), index(12, 2, 2), note="flat"),
    case("take", real(4, 3), index(4, 5), index(3, 1), call=lambda torch, x, *i: x[i], note="two"),
    case("take", distinct(4, 3), call=lambda torch, x: x[x > 0], note="mask"),
    case("add_rows", real(4, 3), index(4, 6), call=backward_of(lambda torch, x, i: x[i])),
    case("index_put", real(4, 3), index(4, 2), real(2, 3), call=_set_rows),
    case("index_put", real(4, 3), index(4, 6), real(6, 3), call=_add_rows, note="accumulate"),
    case("take_along_axis", real(3, 4), index(4, 3, 2), call=lambda torch, x, i: x.gather(1, i)),
    case("add_along", real(3, 4), index(4, 3, 6), call=backward_of(lambda _, x, i: x.gather(1, i))),
    case("add_along", real(3, 4), index(3, 2, 4), real(2, 4), call=_scatter_add, note="scatter"),
    case(
        "put_along",
        real(3, 4),
        index(4, 3, 1),
        real(3, 1),
        call=lambda _, x, i, v: x.scatter(1, i, v),
    ),
    *[case(n, real(4, 3)) for n in ("tril", "triu")],
    case("tril", real(2, 3, 4), note="diagonal", diagonal=-1),
    case("argsort", distinct(), dim=0, descending=True),
]

LINALG = [
    case("matmul", real(3, 4), real(4, 5)),
    case("matmul", real(4), real(4), note="vectors"),
    case("matmul", real(2, 3, 4), real(4), note="vector"),
    case("matmul", real(2, 1, 3, 4), real(5, 4, 2), note="batches"),
    case(
        "matmul",
        real(2, 3, 4),
        real(2, 3, 5),
        call=lambda torch, a, b: torch.einsum("bij,bik->kj", a, b),
        note="einsum",
    ),
    *[
        case("p_norm", away(3, 4), call="linalg.vector_norm", note=f"{p}", ord=p, dim=1)
        for p in (0.5, 1, 2, 3, float("inf"))
    ],
]

ACTIVATION = [
    *[
        case(name, away(), call=f"nn.functional.{name}", **static)
        for name, static in {
            "relu": {},
            "leaky_relu": {"negative_slope": 0.2},
            "elu": {"alpha": 1.3},
            "threshold": {"threshold": 0.3, "value": -2.0},
            "hardtanh": {"min_val": -1.1, "max_val": 1.2},
            "hardshrink": {},
            "softshrink": {},
            "gelu": {},
            "silu": {},
            "mish": {},
            "softplus": {"beta": 2, "threshold": 3},
            "logsigmoid": {},
            "hardsigmoid": {},
            "hardswish": {},
            "softsign": {},
            "tanhshrink": {},
        }.items()
    ],
    case("elu", away(), call="nn.functional.selu", note="selu"),
    case("gelu_tanh", real(), call="nn.functional.gelu", approximate="tanh"),
    case("prelu", away(2, 3, 4), real(3), call="nn.functional.prelu"),
    case("glu", real(4, 6), call="nn.functional.glu", dim=1),
]

CASES = [*ELEMENTWISE, *BINARY, *REDUCE, *SHAPE, *INDEX, *LINALG, *ACTIVATION]
