"""Compare one of XPTorch's modules with PyTorch's over PyTorch's own test database.

Under the same seed: parameters to a unit in the last place, repr, state_dict, forward, buffers
afterwards, gradients of parameters and inputs, errors.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

import xptorch
from tests.parity._compare import (
    Findings,
    Outcome,
    check_gradients,
    describe,
    difference,
    run,
    same_error,
)
from tests.parity._convert import Unsupported, find, tensors, to_xptorch

DTYPES = ("float32", "float64")
database = module_db


def full_name(info: Any) -> str:
    return info.name  # type: ignore[no-any-return]


def exists(info: Any) -> bool:
    """Whether XPTorch has the module."""
    return find(xptorch, info.name) is not None


def check(info: Any, limit: int = 6) -> Findings:
    """Compare a module over at most `limit` samples of each dtype and mode."""
    findings = Findings()
    ours_class = find(xptorch, info.name)
    for dtype in DTYPES:
        for training in (True, False) if info.train_and_eval_differ else (True,):
            for i, sample in enumerate(_samples(info, dtype, training, limit)):
                where = f"{dtype} {'train' if training else 'eval'}"
                try:
                    constructor = to_xptorch(_arguments(sample.constructor_input))
                    inputs = to_xptorch(_arguments(sample.forward_input))
                except Unsupported:
                    continue
                pair = _build(findings, where, info.module_cls, ours_class, sample, constructor)
                if pair is None:
                    continue
                for module in pair:
                    module.train(training)
                second = dtype == "float64" and info.supports_gradgrad and i < 2
                order = 2 if second and not info.is_lazy else 1
                _check_forward(findings, where, pair, sample, inputs, order)
    if info.module_error_inputs_func:
        _check_errors(findings, info, ours_class)
    return findings


def _samples(info: Any, dtype: str, training: bool, limit: int) -> list[Any]:
    torch.manual_seed(3)
    with warnings.catch_warnings(action="ignore"):
        every = info.module_inputs_func(
            info,
            device="cpu",
            dtype=getattr(torch, dtype),
            requires_grad=True,
            training=training,
        )
    step = max(1, len(every) / limit)
    return [every[int(i * step)] for i in range(min(limit, len(every)))]


def _arguments(given: Any) -> tuple[Any, dict[str, Any]]:
    return (given.args, given.kwargs) if given is not None else ((), {})


def _build(
    findings: Findings, where: str, theirs_class: Any, ours_class: Any, sample: Any, ours_in: Any
) -> tuple[Any, Any] | None:
    """Both modules, ours with the weights of theirs; None where they cannot be compared."""
    args, kwargs = _arguments(sample.constructor_input)
    theirs = run(torch, theirs_class, *args, **kwargs)
    ours = run(xptorch, ours_class, *ours_in[0], **ours_in[1])
    about = _Described(sample.constructor_input)
    if not same_error(findings, f"{where} constructor", about, ours, theirs):
        return None
    message = _state_difference(ours.value, theirs.value)
    if message:
        findings.add("wrong", f"{where} constructor", f"{message} for {describe(about)}")
        return None
    findings.passed += 1
    if not any(map(torch.nn.parameter.is_lazy, theirs.value.state_dict().values())):
        ours.value.load_state_dict(to_xptorch(dict(theirs.value.state_dict())))
    return ours.value, theirs.value


class _Described:
    """Constructor or forward arguments, in the form that `describe` takes."""

    output_process_fn_grad = None

    def __init__(self, given: Any) -> None:
        self.args, self.kwargs = _arguments(given)
        self.input, self.args = (self.args or [None])[0], self.args[1:]


def _state_difference(ours: Any, theirs: Any) -> str | None:
    if repr(ours) != repr(theirs):
        return f"repr is {ours!r}, not {theirs!r}"
    if (mine := list(ours.state_dict())) != (yours := list(theirs.state_dict())):
        return f"state_dict has the keys {mine}, not {yours}"
    for name, parameter in theirs.named_parameters():
        mine = dict(ours.named_parameters()).get(name)
        if torch.nn.parameter.is_lazy(parameter):
            continue
        if message := difference(mine, parameter, where=name):
            return message
        if mine.requires_grad != parameter.requires_grad:
            return f"{name} has requires_grad={mine.requires_grad}"
        a, b = mine.detach().numpy(), parameter.detach().numpy()
        if (np.abs(a - b) > np.spacing(np.abs(b))).any():
            return f"{name} differs by more than a unit in the last place under the same seed"
    return None


def _check_forward(
    findings: Findings, where: str, pair: Any, sample: Any, ours_in: Any, order: int
) -> None:
    if sample.forward_input is None:
        return
    dtype = where.split()[0]
    ours_module, theirs_module = pair
    about = _Described(sample.forward_input)
    args, kwargs = theirs_in = _arguments(sample.forward_input)
    theirs_module.to(getattr(torch, dtype))
    converted = run(xptorch, ours_module.to, getattr(xptorch, dtype))
    if not same_error(findings, f"{where} to", about, converted, Outcome()):
        return
    theirs = run(torch, theirs_module, *args, **kwargs)
    ours = run(xptorch, ours_module, *ours_in[0], **ours_in[1])
    if not same_error(findings, where, about, ours, theirs):
        return
    message = difference(ours.value, theirs.value)
    message = message or difference(ours_in, theirs_in, where="input afterwards")
    message = message or difference(
        dict(ours_module.state_dict()), dict(theirs_module.state_dict()), where="state"
    )
    if message:
        findings.add("wrong", where, f"{message} for {theirs_module} of {describe(about)}")
        return
    findings.passed += 1
    if any(t.requires_grad for t in tensors(theirs.value)):
        inputs = (ours_in, list(ours_module.parameters()))
        their_inputs = (theirs_in, list(theirs_module.parameters()))
        check_gradients(findings, where, about, (ours, inputs), (theirs, their_inputs), order)


def _check_errors(findings: Findings, info: Any, ours_class: Any) -> None:
    for case in _errors(info):
        about = case.module_error_input
        args, kwargs = _arguments(about.constructor_input)
        forward = _arguments(about.forward_input)
        try:
            ours_in = to_xptorch((args, kwargs))
            ours_forward = to_xptorch(forward)
        except Unsupported:
            continue
        theirs = run(torch, info.module_cls, *args, **kwargs)
        ours = run(xptorch, ours_class, *ours_in[0], **ours_in[1])
        shown = _Described(about.constructor_input)
        fine = same_error(findings, "constructor", shown, ours, theirs)
        if fine and case.error_on is ModuleErrorEnum.FORWARD_ERROR:
            theirs = run(torch, theirs.value, *forward[0], **forward[1])
            ours = run(xptorch, ours.value, *ours_forward[0], **ours_forward[1])
            same_error(findings, "forward", _Described(about.forward_input), ours, theirs)


def _errors(info: Any) -> Iterator[Any]:
    for training in (True, False):
        yield from info.module_error_inputs_func(
            info,
            device="cpu",
            dtype=torch.float64,
            requires_grad=False,
            training=training,
        )
