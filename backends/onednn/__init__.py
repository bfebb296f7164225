"""oneDNN's kernels: those of NumPy's that the library does faster, where it is installed.

Each stands before NumPy's kernel of the same name and leaves to it what it returns NotImplemented
for: other dtypes than float32, and too little work.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

_FAMILIES = "convolution elementwise linear norm pooling recurrent"

KERNELS: dict[str, Callable[..., Any]] = {
    name: function
    for family in [import_module(f"{__name__}.{f}") for f in _FAMILIES.split()]
    for name, function in vars(family).items()
    if name[0] != "_" and getattr(function, "__module__", "") == family.__name__
}


def before(kernels: dict[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """The kernels, with oneDNN's tried first where it can be installed."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return kernels
    return kernels | {
        name: _either(f, kernels[name]) if name in kernels else f for name, f in KERNELS.items()
    }


def _either(first: Callable[..., Any], second: Callable[..., Any]) -> Callable[..., Any]:
    def kernel(*args: Any, **static: Any) -> Any:
        y = first(*args, **static)
        return second(*args, **static) if y is NotImplemented else y

    return kernel
