"""Run a call in both libraries and report where values, errors, memory or gradients differ."""

from __future__ import annotations

import itertools
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

import xptorch
from tests.parity._convert import find, host, shares_memory, tensors

torch.set_num_threads(1)  # the samples are tiny

# rtol, and atol for results of magnitude 1: the error of a sum scales with its largest term
TOLERANCES = {
    "float16": (4e-3, 2e-3),  # PyTorch rounds once, at the end
    "bfloat16": (2e-2, 1e-2),
    "float32": (1e-5, 3e-6),
    "float64": (1e-8, 1e-10),
    "complex64": (1e-5, 3e-6),
    "complex128": (1e-8, 1e-10),
}


@dataclass(frozen=True)
class Finding:
    """A difference from PyTorch: `kind` is missing or wrong."""

    kind: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind} {self.where}: {self.message}"


@dataclass
class Findings:
    """The results of the checks of one name."""

    passed: int = 0
    found: list[Finding] = field(default_factory=list)

    def add(self, kind: str, where: str, message: str) -> None:
        self.found.append(Finding(kind, where, message))

    def distinct(self) -> Iterator[Finding]:
        """The first finding of each `kind` and `where`."""
        seen = set()
        for f in self.found:
            if (f.kind, f.where) not in seen:
                seen.add((f.kind, f.where))
                yield f


@dataclass
class Outcome:
    """The outcome of a call: a value or an error."""

    value: Any = None
    error: Exception | None = None


# --- running -----------------------------------------------------------------------------------


def run(library: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
    """Call a function, seeded; in XPTorch, warnings other than UserWarning are errors."""
    with warnings.catch_warnings(action="ignore"):
        if library is xptorch:
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)
        try:
            library.default_generator.manual_seed(7)  # torch.manual_seed formats three stacks
            return Outcome(value=function(*args, **kwargs))
        except Exception as error:
            return Outcome(error=error)


def same_error(findings: Findings, where: str, sample: Any, ours: Outcome, theirs: Outcome) -> bool:
    """Record a difference in errors; True where both calls returned a value."""
    if theirs.error is not None:
        if _is_unsupported(theirs.error) or isinstance(ours.error, _classes(theirs.error)):
            return False
        got = "returns a value" if ours.error is None else f"raises {brief(ours.error)}"
        expected = f"{type(theirs.error).__name__}: {_first_line(theirs.error)}"
        findings.add("wrong", f"{where} error", f"{got}, not {expected} for {describe(sample)}")
        return False
    if ours.error is not None:
        kind = "missing" if _is_missing(ours.error) else "wrong"
        findings.add(kind, where, f"{brief(ours.error)} for {describe(sample)}")
        return False
    return True


# Errors of PyTorch's that XPTorch need not raise: kernels that PyTorch lacks, numbers for
# `self` that its C methods refuse, memory that `out` shares (XPTorch does not check that).
_NOT_SHARED = ("not implemented for", "descriptor", "single memory location", "not resizable")


def _is_unsupported(error: Exception) -> bool:
    return isinstance(error, NotImplementedError) or any(t in str(error) for t in _NOT_SHARED)


def _is_missing(error: Exception) -> bool:
    if isinstance(error, NotImplementedError):
        return True
    if not isinstance(error, AttributeError) or not error.name:
        return False
    if isinstance(error.obj, ModuleType):
        path = error.obj.__name__.partition(".")[2]
        return hasattr(find(torch, path) if path else torch, error.name)
    return isinstance(error.obj, xptorch.Tensor) and hasattr(torch.Tensor, error.name)


def _classes(error: Exception) -> tuple[type, ...]:
    """The types that XPTorch may raise where PyTorch raised `error`."""
    name = type(error).__name__.lstrip("_")
    if name == "LinAlgError":
        return (xptorch.linalg.LinAlgError,)
    return (type(error),)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:150]


def brief(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    place = f" at {Path(last.filename).name}:{last.lineno}" if last else ""
    return f"{type(error).__name__}: {_first_line(error)}{place}"


def describe(value: Any) -> str:
    """A sample in one line: shapes for tensors."""
    if hasattr(value, "output_process_fn_grad"):
        parts = [describe(v) for v in (value.input, *value.args)]
        parts += [f"{k}={describe(v)}" for k, v in value.kwargs.items()]
        return f"({', '.join(parts)})"
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        stars = "" if value.is_contiguous() else "*"
        return f"{dtype}{list(value.shape)}{stars}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(describe(v) for v in value)}]"
    return repr(value)[:60]


# --- comparing ---------------------------------------------------------------------------------


def difference(ours: Any, theirs: Any, *, where: str = "result") -> str | None:
    """The first difference between two results, in words; None where they agree."""
    if isinstance(theirs, torch.Tensor):
        return _tensor_difference(ours, theirs, where)
    if isinstance(theirs, torch.dtype | torch.device):
        same = str(ours).split(".")[-1] == str(theirs).split(".")[-1]
        return None if same else f"{where} is {ours}, not {theirs}"
    if isinstance(theirs, list | tuple):
        if not isinstance(ours, tuple if isinstance(theirs, tuple) else list):
            return f"{where} is a {type(ours).__name__}, not a {type(theirs).__name__}"
        return _sequence_difference(ours, theirs, where)
    if isinstance(theirs, dict):
        if not isinstance(ours, dict) or list(ours) != list(theirs):
            return f"{where} has other keys: {list(ours)} for {list(theirs)}"
        return _sequence_difference(list(ours.values()), list(theirs.values()), where)
    if isinstance(theirs, str | bool | int | float | complex) or theirs is None:
        if type(ours) is not type(theirs):
            return f"{where} is a {type(ours).__name__}, not a {type(theirs).__name__}"
        close = ours == theirs if isinstance(theirs, str | None) else _close(ours, theirs, 1e-6)
        return None if close else f"{where} is {ours}, not {theirs}"
    return None


def _sequence_difference(ours: Any, theirs: Any, where: str) -> str | None:
    if len(ours) != len(theirs):
        return f"{where} has {len(ours)} items, not {len(theirs)}"
    for name in getattr(theirs, "__match_args__", ()):
        if not hasattr(ours, name):
            return f"{where} has no field {name}"
    differences = (
        difference(a, b, where=f"{where}[{i}]")
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
    )
    return next(filter(None, differences), None)


def _tensor_difference(ours: Any, theirs: torch.Tensor, where: str) -> str | None:
    if not isinstance(ours, xptorch.Tensor):
        return f"{where} is a {type(ours).__name__}, not a Tensor"
    name = str(theirs.dtype).removeprefix("torch.")
    if str(ours.dtype).split(".")[-1] != name:
        return f"{where} has dtype {ours.dtype}, not {name}"
    if tuple(ours.shape) != tuple(theirs.shape):
        return f"{where} has shape {tuple(ours.shape)}, not {tuple(theirs.shape)}"
    rtol, atol = TOLERANCES.get(name, (0.0, 0.0))
    mine, yours = host(ours), host(theirs)
    atol *= max(1.0, np.max(np.abs(yours), initial=0, where=np.isfinite(yours))) if rtol else 0
    if mine.dtype != yours.dtype:
        return f"{where} holds {mine.dtype} under the dtype {name}"
    if not _close(mine, yours, rtol, atol):
        return f"{where} is {_worst(mine, yours, rtol, atol)}"
    return None


def _close(ours: Any, theirs: Any, rtol: float, atol: float = 0.0) -> Any:
    return np.allclose(ours, theirs, rtol, atol, equal_nan=True)


def _worst(ours: np.ndarray, theirs: np.ndarray, rtol: float, atol: float) -> str:
    bad = ~np.isclose(ours, theirs, rtol, atol, equal_nan=True)
    first = tuple(int(i[0]) for i in np.nonzero(bad)) if ours.ndim else ()
    return f"{ours[first]}, not {theirs[first]} at {first} ({bad.sum()} of {bad.size} differ)"


def aliasing(ours: Outcome, ours_in: Any, theirs: Outcome, theirs_in: Any) -> str | None:
    pairs = zip(tensors(ours.value), tensors(theirs.value), strict=True)
    for (mine, yours), (my_input, your_input) in itertools.product(
        pairs, list(zip(tensors(ours_in), tensors(theirs_in), strict=True))
    ):
        if yours.requires_grad != mine.requires_grad:
            return f"result has requires_grad={mine.requires_grad}, not {yours.requires_grad}"
        if yours.numel() == 0:
            continue
        expected = shares_memory(yours, your_input)
        if shares_memory(mine, my_input) != expected:
            return f"result must {'' if expected else 'not '}share the input's memory"
    return None


# --- gradients ---------------------------------------------------------------------------------


def gradients(library: Any, value: Any, inputs: Any, order: int) -> list[Any]:
    """Gradients of random projections of the outputs, then of those gradients."""
    wanted = [t for t in tensors(inputs) if t.requires_grad]
    result: list[Any] = []
    sources = [t for t in tensors(value) if t.requires_grad]
    for level in range(order):
        rng = np.random.default_rng(level)
        seeds = [
            library.from_numpy(_random(rng, tuple(s.shape), host(s).dtype)).requires_grad_()
            for s in sources
        ]
        more = level + 1 < order
        found = library.autograd.grad(
            sources, wanted, seeds, create_graph=more, retain_graph=True, allow_unused=True
        )
        result.extend(found)
        wanted = [*wanted, *seeds]
        sources = [g for g in found if g is not None and g.requires_grad]
        if not sources:
            break
    return result


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    values = rng.standard_normal(shape)
    if dtype.kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return np.asarray(values, dtype)


def check_gradients(
    findings: Findings, where: str, sample: Any, ours: Any, theirs: Any, order: int
) -> None:
    for level in range(1, order + 1):
        where_now = f"{where} {('', 'gradient', 'second')[level]}"
        expected = run(torch, gradients, torch, theirs[0].value, theirs[1], level)
        if expected.error is not None:
            return
        actual = run(xptorch, gradients, xptorch, ours[0].value, ours[1], level)
        if not same_error(findings, where_now, sample, actual, expected):
            return
        message = _gradient_difference(actual.value, expected.value)
        if message:
            findings.add("wrong", where_now, f"{message} for {describe(sample)}")
            return
        findings.passed += 1


def _gradient_difference(ours: list[Any], theirs: list[Any]) -> str | None:
    """As `difference`; a gradient of zeros and none at all are the same."""
    for i, (mine, yours) in enumerate(itertools.zip_longest(ours, theirs)):
        known = mine if yours is None else yours
        if mine is None or yours is None:
            if known is not None and (host(known) != 0).any():
                return f"gradient {i} is {'missing' if mine is None else 'not None'}"
        elif message := difference(mine, yours, where=f"gradient {i}"):
            return message
    return None
