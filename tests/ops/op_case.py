"""A row of the table of op cases: inputs, an operation, how to call it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

# What values an input may take: functions of a random generator and a shape.
DOMAINS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Any]] = {
    "real": lambda rng, shape: rng.standard_normal(shape),
    "positive": lambda rng, shape: rng.uniform(0.3, 2.7, shape),
    "unit": lambda rng, shape: rng.uniform(0.1, 0.9, shape) * rng.choice([-1, 1], shape),
    "above_one": lambda rng, shape: rng.uniform(1.2, 3.0, shape),
    # far from rounding boundaries, sign changes and kinks
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
    fixed: bool = False

    def constant(self) -> Input:
        """The same input, without a gradient with respect to it."""
        return replace(self, fixed=True)

    def make(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        if self.domain == "index":
            return rng.integers(0, self.high, shape).astype("int64")
        values = np.asarray(DOMAINS[self.domain](rng, shape))
        dtype = self.dtype or dtype
        if dtype == "bool":
            return np.asarray(values > 0.5)
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
    """Booleans."""
    return Input("positive", shape or (3, 4), "bool")


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
    """A row of the table.

    Args:
        name: the declared op, as in `_engine.op.OPS`.
        inputs: an `Input` for each tensor.
        call: PyTorch's name of the function, or ``f(torch, *tensors, **static)``.
        note: distinguishes the cases of one op.
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


def seeded(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` after a fixed seed."""

    def call(torch: Any, *tensors: Any) -> Any:
        torch.manual_seed(5)
        return function(torch, *tensors)

    return call


def positive_definite(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of x xᵀ + 1."""

    def call(torch: Any, x: Any) -> Any:
        return function(torch, x @ x.mT + torch.eye(3, dtype=x.dtype, device=x.device))

    return call
