"""Scripting and tracing: programs run uncompiled, in Python.

`script` and `trace` return their argument: it computes what its compiled form would. What needs a
compiled program (saving it, its graph or its code) is not supported.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, TypeVar, Union
from typing import Final as Final

from xptorch import nn

__all__ = [
    *("Attribute", "Error", "Final", "Future", "ScriptModule", "annotate", "export", "fork"),
    *("freeze", "ignore", "interface", "is_scripting", "is_tracing", "isinstance", "load"),
    *("optimize_for_inference", "save", "script", "script_if_tracing", "script_method", "trace"),
    *("trace_module", "unused", "wait"),
]
T = TypeVar("T")
_isinstance = isinstance


class Error(RuntimeError):
    """An error of a compiled program."""


class ScriptModule(nn.Module):
    """A module whose methods PyTorch would compile: here, an ordinary module."""


def script(
    obj: Any,
    optimize: None = None,
    _frames_up: int = 0,
    _rcb: Any = None,
    example_inputs: Any = None,
) -> Any:
    """The function, class or module itself."""
    if not callable(obj) and not _isinstance(obj, dict | list):
        raise RuntimeError(f"script(): expected a function, class or module, got {type(obj)}")
    return obj


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: None = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_kwarg_inputs: dict[str, Any] | None = None,
    _store_inputs: bool = True,
) -> Any:
    """The function or module itself, after a run on the examples to check that they fit.

    Its branches remain, where a trace would keep only those that the examples took.
    """
    if example_kwarg_inputs is not None:
        func(**example_kwarg_inputs)
    elif example_inputs is None:
        raise RuntimeError("example_kwarg_inputs should be a dict")
    else:
        func(*example_inputs) if _isinstance(example_inputs, tuple | list) else func(example_inputs)
    return func


def trace_module(mod: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> nn.Module:
    """The module itself, after a run of each of its methods that `inputs` names."""
    for name, given in inputs.items():
        method = mod if name == "forward" else getattr(mod, name)
        method(*given) if _isinstance(given, tuple) else method(given)
    return mod


def _same(fn: Any) -> Any:
    """The function itself."""
    return fn


export = script_method = script_if_tracing = interface = unused = _same


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself; a decorator when called with `drop`."""
    return drop if callable(drop) else _same


def is_scripting() -> bool:
    """False: functions run in Python."""
    return False


def is_tracing() -> bool:
    """False: functions run in Python."""
    return False


def annotate(the_type: Any, the_value: T) -> T:
    """The value itself."""
    return the_value


class Attribute(typing.NamedTuple):
    """A value of a module, with its type."""

    value: Any
    type: Any


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether a value has a type, also inside List, Dict, Tuple and Optional."""
    if _isinstance(target_type, tuple):
        return any(isinstance(obj, t) for t in target_type)
    origin, parts = typing.get_origin(target_type), typing.get_args(target_type)
    if origin is None:
        return obj is None if target_type is None else _isinstance(obj, target_type)
    if origin is Union or origin is type(int | None):
        return any(isinstance(obj, t) for t in parts)
    if not _isinstance(obj, origin):
        return False
    if origin is dict:
        return all(isinstance(k, parts[0]) and isinstance(v, parts[1]) for k, v in obj.items())
    if origin is tuple:
        return len(obj) == len(parts) and all(map(isinstance, obj, parts))
    return all(isinstance(item, parts[0]) for item in obj)


def freeze(mod: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
    """The module itself, which must be in eval mode."""
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. "
            "Please call .eval() on your module before freezing."
        )
    return mod


def optimize_for_inference(mod: nn.Module, other_methods: Any = None) -> nn.Module:
    """The module itself."""
    return mod


class Future:
    """The result of `fork`, which has run already."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def wait(self) -> Any:
        """The result."""
        return self.result

    value = wait

    def done(self) -> bool:
        """True."""
        return True


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Future:
    """Run the function now."""
    return Future(func(*args, **kwargs))


def wait(future: Future) -> Any:
    """The result of `fork`."""
    return future.wait()


def save(m: Any, f: Any, _extra_files: Any = None) -> None:
    """Raises NotImplementedError: there is no compiled program to save."""
    raise NotImplementedError("jit.save: there is no compiled program; save the state_dict instead")


def load(f: Any, map_location: Any = None, _extra_files: Any = None) -> Any:
    """Raises NotImplementedError: compiled programs cannot be run."""
    raise NotImplementedError("jit.load: compiled programs (TorchScript) cannot be run here")
