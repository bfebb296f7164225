"""Utilities: data loading, hooks."""

from __future__ import annotations

import importlib
from types import ModuleType

# Imported lazily: `data` imports many modules for its worker processes.
_LAZY = (
    "benchmark",
    "data",
    "hooks",
    "checkpoint",
    "model_zoo",
    "tensorboard",
    "_pytree",
    "dlpack",
)


def __getattr__(name: str) -> ModuleType:
    if name in _LAZY:
        return importlib.import_module(f"xptorch.utils.{name}")
    raise AttributeError(f"module 'xptorch.utils' has no attribute {name!r}")
