"""NumPy's kernels: the hot functions of the ops, written over ndarrays for the cache and the BLAS.

Each takes the arguments of the generic function that it replaces (`dispatchable` in
xptorch/_engine/op.py), without `xp`, and returns NotImplemented for what it leaves to it.
tests/backends/test_kernels.py compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

_FAMILIES = (
    *("activation", "attention", "batch_norm", "convolution", "linear", "normalization"),
    *("pooling", "recurrent", "softmax", "threads"),
)  # The public functions of a family are its kernels.
KERNELS: dict[str, Callable[..., Any]] = {
    name: function
    for family in [import_module(f"{__name__}.{f}") for f in _FAMILIES]
    for name, function in vars(family).items()
    if name[0] != "_" and getattr(function, "__module__", "") == family.__name__
}
