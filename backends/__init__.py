"""The array libraries, one file each; and ``torch.backends``: flags of libraries PyTorch calls.

The flags (cudnn, cuda, mkl, mps, …) are kept and answered honestly; only mkldnn's are read.
"""

from __future__ import annotations

import importlib
from types import ModuleType

_FLAGS = ("cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "nnpack", "openmp", "opt_einsum")


def __getattr__(name: str) -> ModuleType:
    if name in _FLAGS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"xptorch has no torch.backends.{name}")
