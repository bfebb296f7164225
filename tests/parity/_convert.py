"""Convert PyTorch's values and functions to XPTorch's."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import xptorch

NAMESPACES = ("", "nn.functional", "linalg", "special", "fft", "nn", "optim", "optim.lr_scheduler")
NAMESPACES += ("Tensor", "masked", "signal.windows")


class Unsupported(Exception):
    """A value or name that XPTorch has no counterpart of, such as a sparse tensor."""


# --- names -------------------------------------------------------------------------------------


def find(library: Any, path: str) -> Any:
    """The object at a dotted path below `library`, None where there is none."""
    for name in path.split("."):
        library = getattr(library, name, None)
    return library


@functools.cache
def _paths() -> dict[int, list[str]]:
    paths: dict[int, list[str]] = {}
    for space in NAMESPACES:
        home = find(torch, space) if space else torch
        for name in dir(home) if isinstance(home, type) else vars(home):
            paths.setdefault(id(getattr(home, name)), []).append(f"{space}.{name}".lstrip("."))
    return paths


def counterpart(function: Callable[..., Any]) -> Callable[..., Any]:
    """XPTorch's version of one of PyTorch's functions, methods, or its tests' lambdas over them.

    Raises:
        Unsupported: XPTorch has no function of that name.
    """
    if isinstance(function, functools.partial):
        args, kwargs = to_xptorch((function.args, function.keywords))
        return functools.partial(counterpart(function.func), *args, **kwargs)
    module = getattr(function, "__module__", None) or ""
    if module == "_operator":
        return function
    if isinstance(function, types.FunctionType) and "testing" in module:
        return _rebound(function)
    for path in _paths().get(id(function), ()):
        if (ours := find(xptorch, path)) is not None:
            return ours  # type: ignore[no-any-return]
    raise Unsupported(f"no counterpart of {getattr(function, '__name__', function)}")


def _rebound(function: types.FunctionType) -> Callable[..., Any]:
    """The same code with XPTorch under the global name `torch`."""

    def seeded(op: Any, *args: Any, **kwargs: Any) -> Any:
        xptorch.manual_seed(42)
        return op(*args, **kwargs)

    spaces = {**function.__globals__, "torch": xptorch, "wrapper_set_seed": seeded}
    for name in function.__code__.co_names:
        if isinstance(spaces.get(name), type):
            spaces[name] = counterpart(spaces[name])
    cells = tuple(types.CellType(to_xptorch(c.cell_contents)) for c in function.__closure__ or ())
    defaults = to_xptorch(function.__defaults__)
    copy = types.FunctionType(function.__code__, spaces, function.__name__, defaults, cells)
    copy.__kwdefaults__ = to_xptorch(function.__kwdefaults__)
    return copy


# --- values ------------------------------------------------------------------------------------


def to_xptorch(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """A fresh copy of `value`, however nested, with XPTorch's objects for PyTorch's.

    Raises:
        Unsupported: there is no counterpart.
    """
    memo = {} if memo is None else memo  # a tensor that occurs twice stays one
    if isinstance(value, torch.Tensor):
        if id(value) not in memo:
            memo[id(value)] = _tensor(value)
        return memo[id(value)]
    if isinstance(value, torch.Size):
        return xptorch.Size(value)
    if isinstance(value, list | tuple | set):
        return type(value)([to_xptorch(v, memo) for v in value])
    if isinstance(value, dict):
        return type(value)((k, to_xptorch(v, memo)) for k, v in value.items())
    if isinstance(value, slice):
        return slice(*to_xptorch((value.start, value.stop, value.step), memo))
    return _single(value)


def _single(value: Any) -> Any:
    if value is None or value is Ellipsis:
        return value
    if isinstance(value, str | bool | int | float | complex | range | np.ndarray | np.generic):
        return value
    if isinstance(value, torch.device):
        return xptorch.device(str(value))
    if isinstance(value, torch.Generator):
        ours = xptorch.Generator()
        ours.set_state(_tensor(value.get_state()))
        return ours
    if isinstance(value, torch.dtype | torch.layout | torch.memory_format):
        return _constant(value)
    if isinstance(value, torch.nn.Module):
        return _module(value)
    if callable(value):
        return counterpart(value)
    raise Unsupported(f"no counterpart of a {type(value).__name__}")


def _constant(value: Any) -> Any:
    name = str(value).removeprefix("torch.")
    if (ours := getattr(xptorch, name, None)) is None:
        raise Unsupported(f"no {name}")
    return ours


def _tensor(value: torch.Tensor) -> Any:
    if value.layout is not torch.strided or value.device.type != "cpu" or value.ndim > 64:
        raise Unsupported(f"no {value.layout} tensors on {value.device} of {value.ndim} dimensions")
    _constant(value.dtype)
    raw = value.detach().resolve_conj().resolve_neg()
    flat = raw.as_strided((raw.untyped_storage().nbytes() // raw.itemsize,), (1,), 0)
    data = host(flat).copy()[raw.storage_offset() :]
    strides = tuple(s * data.itemsize for s in raw.stride())
    ours = xptorch.from_numpy(np.lib.stride_tricks.as_strided(data, tuple(value.shape), strides))
    if value.dtype is torch.bfloat16:
        ours = ours.bfloat16()
    if isinstance(value, torch.nn.Parameter):
        ours = xptorch.nn.Parameter(ours, requires_grad=value.requires_grad)
    elif value.requires_grad:
        ours.requires_grad_()
    if value.is_leaf and value.grad is not None:
        ours.grad = _tensor(value.grad)
    return ours


def _module(value: torch.nn.Module) -> Any:
    kind = getattr(xptorch.nn, type(value).__name__, None)
    if kind is None or value.state_dict():
        raise Unsupported(f"no way to copy {value}")
    ours = kind()
    if repr(ours) != repr(value):
        raise Unsupported(f"no way to copy {value}")
    return ours


def fresh(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """A copy of PyTorch's tensors in `value`, however nested."""
    memo = {} if memo is None else memo
    if isinstance(value, torch.Tensor):
        if id(value) not in memo:
            memo[id(value)] = value.detach().clone().requires_grad_(value.requires_grad)
        return memo[id(value)]
    if type(value) in (list, tuple):
        return type(value)([fresh(v, memo) for v in value])
    if isinstance(value, dict):
        return {k: fresh(v, memo) for k, v in value.items()}
    return value


def tensors(value: Any) -> Iterator[Any]:
    """The tensors of either library in `value`, however nested, in their order."""
    if isinstance(value, torch.Tensor | xptorch.Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for v in value.values() if isinstance(value, dict) else value:
            yield from tensors(v)


def host(value: Any) -> np.ndarray:
    """The values of a tensor of either library.

    Raises:
        Unsupported: NumPy has no such dtype.
    """
    if value.dtype in (torch.bfloat16, xptorch.bfloat16):
        value = value.float()
    if isinstance(value, torch.Tensor):
        if value.dtype is torch.complex32 or value.layout is not torch.strided:
            raise Unsupported(f"no {value.layout} {value.dtype} arrays")
        return value.numpy(force=True)
    return value.detach().numpy()  # type: ignore[no-any-return]


def shares_memory(one: Any, other: Any) -> bool:
    """Whether two tensors of one library may share memory."""
    return np.may_share_memory(host(one), host(other))
