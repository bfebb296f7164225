"""Compare one of XPTorch's optimizers with PyTorch's over PyTorch's own test database.

Each configuration takes some steps, is saved and loaded, and takes some more: parameters after
each step, state_dict and repr; schedulers on top of it; errors.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import xptorch
from tests.parity._compare import Findings, difference, run, same_error
from tests.parity._convert import Unsupported, counterpart, to_xptorch

DTYPES = ("float32", "float64")
database = optim_db


def full_name(info: Any) -> str:
    return info.name  # type: ignore[no-any-return]


def exists(info: Any) -> bool:
    """Whether XPTorch has the optimizer (and it takes dense gradients)."""
    home = getattr(xptorch, "optim", None)
    return hasattr(home, info.name) and not info.only_supports_sparse_grads


def check(info: Any, limit: int = 99) -> Findings:
    """Compare an optimizer over at most `limit` of its configurations."""
    findings = Findings()
    for dtype in DTYPES:
        for sample in info.optim_inputs_func("cpu")[:limit]:
            for grouped in (False, True):
                where = f"{dtype} {sample.desc}{' groups' if grouped else ''}"
                _check_training(findings, where, info, dtype, sample.kwargs, grouped)
    for i, makers in enumerate(info.scheduler_inputs or ()):
        _check_schedulers(findings, f"schedulers {i}", info, makers)
    if info.optim_error_inputs_func:
        _check_errors(findings, info)
    return findings


def _compare(findings: Findings, where: str, about: str, ours: Any, theirs: Any) -> None:
    if not same_error(findings, where, about, ours, theirs):
        return
    for aspect, expected in theirs.value.items():
        if message := difference(ours.value[aspect], expected):
            findings.add("wrong", f"{where} {aspect}", f"{message} for {about}")
        else:
            findings.passed += 1


def _check_training(
    findings: Findings, where: str, info: Any, dtype: str, kwargs: Any, grouped: bool
) -> None:
    try:
        ours_kwargs, ours_class = to_xptorch(kwargs), counterpart(info.optim_cls)
    except Unsupported:
        return
    theirs = run(torch, train, torch, info.optim_cls, dtype, kwargs, grouped)
    ours = run(xptorch, train, xptorch, ours_class, dtype, ours_kwargs, grouped)
    _compare(findings, where, f"{kwargs}", ours, theirs)


def parameters(library: Any, dtype: str) -> list[Any]:
    """Three matrices (Muon takes nothing else), the same in both libraries."""
    rng = np.random.default_rng(0)
    shapes = ((3, 4), (4, 1), (2, 5))
    arrays = [rng.standard_normal(s).astype(dtype) for s in shapes]
    return [library.nn.Parameter(library.from_numpy(a)) for a in arrays]


def train(
    library: Any, kind: Any, dtype: str, kwargs: dict[str, Any], grouped: bool
) -> dict[str, Any]:
    """Six steps on a small problem, saved and loaded in the middle; the observable results."""
    weights = parameters(library, dtype)
    given: Any = weights
    if grouped:
        given = [{"params": weights[:1]}, {"params": weights[1:], "lr": 0.0123}]
    optimizer = kind(given, **kwargs)
    text, trace = repr(optimizer), []
    for step in range(6):
        if step == 3:
            state = optimizer.state_dict()
            optimizer = kind(given, **kwargs)
            optimizer.load_state_dict(state)
        loss = optimizer.step(lambda: _loss(library, optimizer, weights))
        trace += [loss.detach(), *[w.detach().clone() for w in weights]]
    return {"trace": trace, "state": optimizer.state_dict(), "repr": text}


def _loss(library: Any, optimizer: Any, weights: list[Any]) -> Any:
    optimizer.zero_grad()
    loss = sum(((w - 0.5) ** 2).sum() + w[0].sum() ** 2 for w in weights[:2])
    loss = loss + (weights[2] ** 2).mean() * 3
    loss.backward()
    return loss


def _check_schedulers(findings: Findings, where: str, info: Any, makers: Any) -> None:
    try:
        ours_makers = [counterpart(m) for m in makers]
        ours_class = counterpart(info.optim_cls)
    except Unsupported:
        return
    theirs = run(torch, schedule, torch, info.optim_cls, makers)
    ours = run(xptorch, schedule, xptorch, ours_class, ours_makers)
    _compare(findings, where, "scheduler_inputs", ours, theirs)


def schedule(library: Any, kind: Any, makers: list[Any]) -> dict[str, Any]:
    """The learning rates of twelve epochs, and the schedulers' state.

    ReduceLROnPlateau is passed a constant loss: that is a plateau after eleven epochs. The
    optimizer's own loss would not do. After seven epochs L-BFGS depends on the last bit of its
    inputs: one unit in the last place of a weight changes PyTorch's own loss by 6e-7.
    """
    weights = parameters(library, "float64")
    optimizer = kind(weights, lr=0.01)
    schedulers = [make(optimizer) for make in makers]
    rates = []
    for _ in range(12):
        optimizer.step(lambda: _loss(library, optimizer, weights))
        for scheduler in schedulers:
            plateau = type(scheduler).__name__ == "ReduceLROnPlateau"
            scheduler.step(1.0) if plateau else scheduler.step()
        rates.append([group["lr"] for group in optimizer.param_groups])
    return {"rates": rates, "states": [s.state_dict() for s in schedulers]}


def _check_errors(findings: Findings, info: Any) -> None:
    for case in info.optim_error_inputs_func("cpu", torch.float32):
        sample = case.optimizer_error_input
        try:
            params, kwargs = to_xptorch((sample.params, sample.kwargs))
        except Unsupported:
            continue
        step = case.error_on is OptimizerErrorEnum.STEP_ERROR
        ours_class = counterpart(info.optim_cls)
        theirs = run(torch, _fail, torch, info.optim_cls, sample.params, sample.kwargs, step)
        ours = run(xptorch, _fail, xptorch, ours_class, params, kwargs, step)
        same_error(findings, "error", sample.desc, ours, theirs)


def _fail(library: Any, kind: Any, params: Any, kwargs: dict[str, Any], step: bool) -> None:
    with warnings.catch_warnings(action="error"):
        optimizer = kind(parameters(library, "float32") if params is None else params, **kwargs)
        if step:
            optimizer.step()
