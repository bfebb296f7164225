"""The array libraries, one folder each; and ``torch.backends``: flags of libraries PyTorch calls.

The flags (cudnn, cuda, mkl, mps, …) are stored and reported truthfully; only mkldnn's are read.
Another package that provides a backend derives its class from `Backend`: see README.md.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from xptorch._core.backend import Backend as Backend

_LAZY = ("cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "nnpack", "openmp", "opt_einsum")


def __getattr__(name: str) -> ModuleType:
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"xptorch has no torch.backends.{name}")
