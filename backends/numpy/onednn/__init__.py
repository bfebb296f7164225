"""oneDNN's kernels: those for which the library is faster than NumPy, where it is installed.

Each is tried before NumPy's kernel of the same name and returns NotImplemented for what it leaves
to it: dtypes other than float32, and too little work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

_FAMILIES = (
    *("convolution", "elementwise", "group_norm", "linear", "normalization"),
    *("optimizer", "pooling", "recurrent", "softmax"),
)

Kernels = dict[str, Callable[..., Any]]


@cache
def kernels() -> Kernels:
    """The public functions of the families."""
    return {
        name: function
        for family in [import_module(f"{__name__}.{f}") for f in _FAMILIES]
        for name, function in vars(family).items()
        if name[0] != "_" and getattr(function, "__module__", "") == family.__name__
    }


def with_fallback(others: Kernels) -> Kernels:
    """The kernels, with oneDNN's tried first if it is installed."""
    if not _installed():
        return others
    return others | {
        name: _try_onednn(f, others[name]) if name in others else f for name, f in kernels().items()
    }


def _installed() -> bool:
    """Whether the wheel is on the path. (The import of importlib.metadata alone takes 30 ms.)"""
    if os.environ.get("XPTORCH_ONEDNN") == "0":
        return False
    folders = [path for path in sys.path if os.path.isdir(path)]
    return any(f.startswith("onednn_cpu_gomp-") for path in folders for f in os.listdir(path))


def _try_onednn(first: Callable[..., Any], second: Callable[..., Any]) -> Callable[..., Any]:
    def kernel(*args: Any, **static: Any) -> Any:
        y = first(*args, **static)
        return second(*args, **static) if y is NotImplemented else y

    return kernel
