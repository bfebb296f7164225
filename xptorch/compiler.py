"""`compile` and related functions: there is no compiler, so functions run uncompiled.

A compiled program computes the same values, so running it uncompiled differs only in speed. A
compiled module is wrapped as PyTorch wraps it, with its prefix in state dicts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xptorch import nn

__all__ = [
    *("allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin"),
    *("disable", "is_compiling", "is_dynamo_compiling", "is_exporting", "list_backends", "reset"),
]
_MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
_BACKENDS = ("cudagraphs", "inductor", "onnxrt", "openxla", "tvm", "eager", "aot_eager")


class OptimizedModule(nn.Module):
    """A module as `compile` returns it: it forwards everything, but adds a state-dict prefix."""

    _orig_mod: nn.Module

    def __init__(self, mod: nn.Module) -> None:
        super().__init__()
        self._modules["_orig_mod"] = mod
        self.training = mod.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._orig_mod(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._modules["_orig_mod"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if (
            name in ("training", "_modules", "_parameters", "_buffers")
            or "_modules" not in vars(self)
            or "_orig_mod" not in self._modules
        ):
            super().__setattr__(name, value)
        else:
            setattr(self._modules["_orig_mod"], name, value)


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable[..., Any] | None = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """The function or module itself, which runs uncompiled; a decorator without `model`.

    Raises:
        RuntimeError: `mode` or `backend` is none that PyTorch has.
        NotImplementedError: `backend` is a function of your own.
    """
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if callable(backend):
        raise NotImplementedError("compile(backend=function): there are no graphs to compile")
    if backend is not None and backend not in _BACKENDS:
        raise RuntimeError(
            f"Invalid backend: {backend!r}, see `torch._dynamo.list_backends()` for available "
            "backends."
        )
    if model is None:
        return lambda given: compile(given, mode=mode, backend=backend, options=options)
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    return OptimizedModule(model) if isinstance(model, nn.Module) and not disable else model


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself; a decorator without one."""
    return (lambda given: given) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """The function itself."""
    return fn


def assume_constant_result(fn: Any) -> Any:
    """The function itself."""
    return fn


def is_compiling() -> bool:
    """False."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def reset() -> None:
    """Changes nothing: there is no compiled code to discard."""


cudagraph_mark_step_begin = reset


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """An empty list: there is no compiler."""
    return []
