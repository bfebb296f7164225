"""Compare one operation of XPTorch with PyTorch's over the samples of PyTorch's own test database.

`check(info)` runs an OpInfo's function, its aliases, method, in-place and operator forms, and
returns what it found: values, dtypes, shapes, aliasing, effects on the inputs, gradients of first
and second order, and the types of errors.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_utils import set_rng_seed

import xptorch
from tests.parity._compare import (
    Findings,
    Outcome,
    aliasing,
    check_gradients,
    describe,
    difference,
    run,
    same_error,
)
from tests.parity._convert import (
    Unsupported,
    counterpart,
    find,
    fresh,
    shares_memory,
    tensors,
    to_xptorch,
)

database = op_db
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool", "float16")
DTYPES += ("complex64", "complex128")
DOUBLE = ("float64", "complex128")  # whose gradients are compared
VARIANT_DTYPES = ("float32", "int64")  # enough for what only forwards to the function
NO_VALUE = ("empty", "resize_")  # names whose results hold arbitrary values


@dataclass(frozen=True)
class Variant:
    """One way to call an operation, in both libraries."""

    name: str
    theirs: Callable[..., Any]
    ours: Callable[..., Any]
    kind: str = "function"  # function, method, inplace


# --- what to call ------------------------------------------------------------------------------


def exists(info: Any) -> bool:
    """Whether XPTorch has a function or method of an OpInfo's name."""
    if info.name in ("slice",) or info.name.startswith(("torch.ops", "jiterator")):
        return False
    return find(xptorch, info.name) is not None or hasattr(xptorch.Tensor, info.name)


def full_name(info: Any) -> str:
    """The name with that of the variant, such as `div.floor_rounding`."""
    return info.full_name  # type: ignore[no-any-return]


def variants(info: Any) -> Iterator[Variant]:
    """The forms of an operation that XPTorch has."""
    forms = [(info.name, info.op, "function")]
    for home in (info, *info.aliases):
        if home is not info:
            forms.append((home.name, home.op, "function"))
        forms.append((f"Tensor.{home.name}", home.method_variant, "method"))
        forms.append((f"Tensor.{home.name}_", home.inplace_variant, "inplace"))
    forms.append(("operator", info.operator_variant, "method"))
    forms.append(("operator_", info.inplace_operator_variant, "inplace"))
    for name, theirs, kind in forms:
        try:
            if theirs is not None:
                yield Variant(name, theirs, counterpart(theirs), kind)
        except Unsupported:
            continue


def samples(info: Any, dtype: str, limit: int) -> list[Any]:
    """At most `limit` of an OpInfo's samples, spread evenly over all of them."""
    differentiable = dtype in DOUBLE and info.supports_autograd
    set_rng_seed(1)
    with warnings.catch_warnings(action="ignore"):
        # the function itself: the method around it inspects the stack for each sample
        every = info.sample_inputs_func(info, "cpu", getattr(torch, dtype), differentiable)
        every = list(itertools.islice(every, 1000))
    step = max(1, len(every) / limit)
    return [every[int(i * step)] for i in range(min(limit, len(every)))]


# --- checking ----------------------------------------------------------------------------------


def check(info: Any, limit: int = 10, dtypes: tuple[str, ...] = DTYPES) -> Findings:
    """Compare every form of an operation over at most `limit` samples of each dtype."""
    findings = Findings()
    forms = list(variants(info))
    for dtype in dtypes:
        if getattr(torch, dtype) not in info.dtypes:
            continue
        chosen = samples(info, dtype, limit)
        for form in forms:
            if form.kind != "inplace" and form is not forms[0] and dtype not in VARIANT_DTYPES:
                continue
            for i, sample in enumerate(chosen if form is forms[0] else chosen[: limit // 3]):
                order = _order(info, form, dtype, i)
                _check_sample(findings, form, dtype, sample, order)
    if forms and info.error_inputs_func:
        _check_errors(findings, info, forms[0])
    return findings


def _order(info: Any, form: Variant, dtype: str, i: int) -> int:
    inplace = form.kind == "inplace"
    if dtype not in DOUBLE or not info.supports_autograd:
        return 0
    if inplace and not info.supports_inplace_autograd:
        return 0
    return 2 if info.supports_gradgrad and i % 3 == 0 and not inplace else 1


def _check_sample(findings: Findings, form: Variant, dtype: str, sample: Any, order: int) -> None:
    if form.kind != "function" and not isinstance(sample.input, torch.Tensor):
        return
    theirs_in = fresh((sample.input, sample.args, sample.kwargs))
    try:
        ours_in = to_xptorch(theirs_in)
        process = counterpart(sample.output_process_fn_grad)
        theirs = _call(torch, form, theirs_in)
        ours = _call(xptorch, form, ours_in)
        where = f"{form.name} {dtype}"
        if not same_error(findings, where, sample, ours, theirs):
            return
        # the unique part of a result: of eigenvectors, for instance, all but their signs
        theirs.value = sample.output_process_fn_grad(theirs.value)
        ours.value = process(ours.value)
        message = _result_difference(form, ours, ours_in, theirs, theirs_in)
    except Unsupported:
        return
    if message:
        findings.add("wrong", where, f"{message} for {describe(sample)}")
        return
    findings.passed += 1
    if order and any(t.requires_grad for t in tensors(theirs.value)):
        check_gradients(findings, where, sample, (ours, ours_in), (theirs, theirs_in), order)


def _result_difference(
    form: Variant, ours: Outcome, ours_in: Any, theirs: Outcome, theirs_in: Any
) -> str | None:
    if any(n in form.name for n in NO_VALUE):
        for t in (*tensors(ours.value), *tensors(theirs.value)):
            t.detach().zero_()
    return (
        difference(ours.value, theirs.value)
        or difference(ours_in, theirs_in, where="input afterwards")
        or aliasing(ours, ours_in, theirs, theirs_in)
    )


def _call(library: Any, form: Variant, arguments: Any) -> Outcome:
    first, args, kwargs = arguments
    if form.kind == "inplace" and first.requires_grad:
        first = first.clone()  # a leaf must not be modified in place
    return run(library, form.theirs if library is torch else form.ours, first, *args, **kwargs)


def _check_errors(findings: Findings, info: Any, form: Variant) -> None:
    with warnings.catch_warnings(action="ignore"):
        every = [case.sample_input for case in info.error_inputs_func(info, "cpu")]
    for sample in every:
        theirs_in = (sample.input, sample.args, sample.kwargs)
        try:
            ours_in = to_xptorch(theirs_in)
            pairs = itertools.combinations(tensors(theirs_in), 2)
            if any(shares_memory(a, b) for a, b in pairs if a is not b):
                continue  # the copies for XPTorch do not overlap
        except Unsupported:
            continue
        theirs = _call(torch, form, theirs_in)
        if theirs.error is not None:
            before = len(findings.found)
            same_error(findings, form.name, sample, _call(xptorch, form, ours_in), theirs)
            findings.passed += len(findings.found) == before
