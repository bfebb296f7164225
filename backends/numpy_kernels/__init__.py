"""NumPy's kernels: the hot functions of the ops, written over ndarrays for the cache and the BLAS.

Each takes the arguments of the function that it stands in for (`hot` in xptorch/_engine.py), less
`xp`, and returns NotImplemented for what it leaves to it. tests/test_kernels.py holds each to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xptorch.backends.numpy_kernels import (
    activation,
    attention,
    batch_norm,
    convolution,
    linear,
    norm,
    pooling,
    softmax,
    threads,
)

_FAMILIES = (
    activation,
    attention,
    batch_norm,
    convolution,
    linear,
    norm,
    pooling,
    softmax,
    threads,
)

# The public functions of a family are its kernels.
KERNELS: dict[str, Callable[..., Any]] = {
    name: function
    for family in _FAMILIES
    for name, function in vars(family).items()
    if name[0] != "_" and getattr(function, "__module__", "") == family.__name__
}
