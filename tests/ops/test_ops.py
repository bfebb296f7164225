"""Every line of the table of op cases, on every array library."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest

import xptorch
import xptorch.special  # declares more ops
from tests.columns import Column, host
from tests.ops.op_case import OpCase
from tests.ops.op_cases import CASES
from tests.ops.op_truth import TRUTH, read, torch
from xptorch._engine import graph
from xptorch._engine import op as _engine

DTYPES = ("float32", "float64", "float16", "int64", "uint8", "bool")
NO_GRADIENT_IN_TORCH = ("floor_divide", "standard_gamma", "dirichlet")  # none, or an approximation
ONCE = ("standard_gamma", "dirichlet")  # differentiable once, as in PyTorch
# float32 is too coarse for a numerical derivative; variates have reparameterised gradients
COARSE = ("astype", "standard_gamma", "dirichlet")
IN_MEMORY_ORDER = ("random", "dropout")  # draw in the memory order of a copy: the library's choice
cases = pytest.mark.parametrize("case", CASES, ids=str)
needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the reference")


def test_every_op_has_a_case() -> None:
    missing = set(_engine.OPS) - {case.name for case in CASES}
    assert not missing, f"ops without a case in tests/ops/op_cases.py: {sorted(missing)}"


def test_every_case_names_an_op_once() -> None:
    unknown = {case.name for case in CASES} - set(_engine.OPS)
    assert not unknown, f"cases for what is no op: {sorted(unknown)}"
    twice = [name for name, n in Counter(map(str, CASES)).items() if n > 1]
    assert not twice, f"cases that need a note to tell them apart: {twice}"


@needs_torch
def test_truth_file_is_current() -> None:
    """It is used without PyTorch: `python -m tests.ops.op_truth` writes it."""
    stored = read()
    assert list(stored) == list(TRUTH)
    for name, arrays in TRUTH.items():
        for a, b in zip(stored[name], arrays, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=name)


@cases
def test_value(case: OpCase, backend: Column) -> None:
    expected = [backend.tensor(a) for a in TRUTH[str(case)]]
    plain = leaves(run(case, backend))
    backend.assert_close(plain, expected)
    if case.name not in IN_MEMORY_ORDER:
        backend.assert_close(leaves(run(case, backend, strided=True)), expected)


@cases
def test_gradient(case: OpCase, backend: Column) -> None:
    inputs = tensors(case, backend, requires_grad=True)
    found = projected_gradients(case, inputs)
    if found is None:
        return
    if case.name not in COARSE:
        assert_derivative(lambda *xs: projection(case, xs), inputs, found, backend)
    if torch is not None and case.name not in NO_GRADIENT_IN_TORCH:
        theirs = [torch.from_numpy(host(x).copy()).requires_grad_(x.requires_grad) for x in inputs]
        for mine, yours in zip(found, projected_gradients(case, theirs), strict=True):
            backend.assert_close(mine, backend.tensor(yours.numpy()))


@cases
def test_second_derivative(case: OpCase, backend: Column) -> None:
    inputs = tensors(case, backend, requires_grad=True)
    if case.name in ONCE:
        with pytest.raises(NotImplementedError, match="has no derivative"):
            projected_gradients(case, inputs, create_graph=True)
        return
    found = projected_gradients(case, inputs, create_graph=True)
    if found is None or not any(g.requires_grad for g in found):
        return
    wanted = [x for x in inputs if x.requires_grad]
    second = xptorch.autograd.grad(
        [g for g in found if g.requires_grad],
        wanted,
        [weights(g) for g in found if g.requires_grad],
        allow_unused=True,
        materialize_grads=True,
    )

    def derivative(*xs: Any) -> float:
        grads = projected_gradients(case, xs) or ()
        return sum(float(np.sum(host(g) * host(weights(g)))) for g in grads)

    assert_derivative(derivative, inputs, second, backend)


@needs_torch
@cases
def test_dtypes(case: OpCase, backend: Column) -> None:
    for dtype in filter(backend.has, DTYPES):
        assert_as_torch(case, backend, case.arrays(dtype), dtype)


@needs_torch
@cases
def test_shapes(case: OpCase, backend: Column) -> None:
    for variation in ("empty", "scalar"):
        assert_as_torch(case, backend, case.arrays(variation=variation), variation)


@cases
def test_reference(case: OpCase, backend: Column) -> None:
    """A fused op computes what its reference computes."""
    op = _engine.OPS[case.name].op  # type: ignore[attr-defined]
    if op.reference is None:
        return
    for node in nodes(run(case, backend, requires_grad=True)):
        if getattr(node, "op", None) is op:
            saved = node.check()
            values = [saved[n] for n in op.inputs]
            wrapped = [
                graph.wrap(v, backend.device) if isinstance(v, backend.device.ndarray) else v
                for v in values
            ]
            static = {n: saved[n] for n in op.static_names}
            fused = _engine.OPS[case.name](*wrapped, **static)
            backend.assert_close(fused, op.reference(*wrapped, **static))
            return
    pytest.fail(f"{case} does not use the op {case.name}")


# --- helpers -----------------------------------------------------------------------------------


def tensors(
    case: OpCase, backend: Column, requires_grad: bool = False, strided: bool = False
) -> list[Any]:
    pairs = zip(case.arrays(), case.inputs, strict=True)
    return [
        backend.tensor(a, requires_grad and a.dtype == "float64" and not i.fixed, strided)
        for a, i in pairs
    ]


def run(case: OpCase, backend: Column, **how: bool) -> Any:
    return case.run(xptorch, *tensors(case, backend, **how))


def leaves(value: Any) -> list[Any]:
    """The tensors in a result."""
    if isinstance(value, list | tuple):
        return [t for v in value for t in leaves(v)]
    return [value] if hasattr(value, "requires_grad") else []


def nodes(value: Any) -> list[Any]:
    """All nodes of a result's graph."""
    found: dict[Any, None] = {}
    waiting = [t.grad_fn for t in leaves(value)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, graph.Node) and node not in found:
            found[node] = None
            waiting += node.edges
    return list(found)


def weights(t: Any) -> Any:
    """Fixed random numbers of a tensor's shape and dtype, in its library."""
    rng = np.random.default_rng(len(t.shape))
    array = np.asarray(rng.standard_normal(tuple(t.shape)), dtype=str(t.dtype).split(".")[-1])
    if torch is not None and isinstance(t, torch.Tensor):
        return torch.from_numpy(array)
    return graph.wrap(t._device.backend.from_host(array, t._device.index), t._device)


def projected_gradients(case: OpCase, inputs: Any, create_graph: bool = False) -> Any:
    """Gradients of a random projection of the result; None where there are none."""
    library = torch if torch is not None and isinstance(inputs[0], torch.Tensor) else xptorch
    outputs = [t for t in leaves(case.run(library, *inputs)) if t.requires_grad]
    wanted = [x for x in inputs if x.requires_grad]
    if not outputs or not wanted:
        return None
    return library.autograd.grad(
        outputs,
        wanted,
        [weights(t) for t in outputs],
        create_graph=create_graph,
        allow_unused=True,
        materialize_grads=True,
    )


def projection(case: OpCase, inputs: Any) -> float:
    outputs = leaves(case.run(xptorch, *inputs))
    floats = [t for t in outputs if t.dtype.is_floating_point]
    return sum(float(np.sum(host(t) * host(weights(t)))) for t in floats)


def assert_derivative(function: Any, inputs: Any, gradients: Any, backend: Column) -> None:
    """The gradients' projection is the derivative of `function` in a random direction."""
    step, rng = 1e-5, np.random.default_rng(1)
    directions = [rng.standard_normal(tuple(x.shape)) * x.requires_grad for x in inputs]

    def at(t: float) -> float:
        return function(
            *[
                backend.tensor(host(x) + t * d, True) if x.requires_grad else x
                for x, d in zip(inputs, directions, strict=True)
            ]
        )

    numeric = (at(step) - at(-step)) / (2 * step)
    moved = [d for x, d in zip(inputs, directions, strict=True) if x.requires_grad]
    analytic = sum(float(np.sum(host(g) * d)) for g, d in zip(gradients, moved, strict=True))
    np.testing.assert_allclose(analytic, numeric, rtol=1e-5, atol=1e-6)


def assert_as_torch(case: OpCase, backend: Column, arrays: list[np.ndarray], about: str) -> None:
    """The result is PyTorch's, or the error is of PyTorch's type."""
    inputs = [backend.tensor(a) for a in arrays]
    try:
        expected, failure = in_torch(case, arrays)
        if failure is None:
            actual = leaves(case.run(xptorch, *inputs))
            backend.assert_close(actual, [backend.tensor(a) for a in expected])
        elif backend.device.type == "cpu" and not _PECULIAR & set(str(failure).split()):
            # Elsewhere value-dependent checks are omitted: they would synchronise the device.
            with pytest.raises(type(failure)):
                case.run(xptorch, *inputs)
    except BaseException as error:
        error.add_note(f"for inputs of the kind {about}")
        raise


# Words of errors for dtypes that PyTorch lacks, and for empty batches that its FFT refuses.
_PECULIAR = {"implemented", "MKL"}


def in_torch(case: OpCase, arrays: list[np.ndarray]) -> tuple[list[np.ndarray], Exception | None]:
    """PyTorch's results, or its error."""
    with warnings.catch_warnings(action="ignore"):
        try:
            result = case.run(torch, *map(torch.from_numpy, arrays))
        except Exception as error:
            return [], error
    return [t.detach().numpy() for t in leaves(result)], None
