"""NumPy's kernels: the hot functions of the ops, written over ndarrays for the cache and the BLAS.

Each takes the arguments of the function that it stands in for (`hot` in xptorch/_engine.py), less
`xp`, and returns NotImplemented for what it leaves to it. tests/test_kernels.py holds each to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

KERNELS: dict[str, Callable[..., Any]] = {}
