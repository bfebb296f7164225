"""Modules created without changing the state of the random number generators."""

from __future__ import annotations

import inspect
from typing import Any

from xptorch.nn.module import Module
from xptorch.random import fork_rng


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """``module_cls(*args, **kwargs)``, its values unspecified; no random numbers are consumed.

    Raises:
        RuntimeError: the class is not a Module, or takes no `device`.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    with fork_rng():
        return module_cls(*args, **kwargs)
