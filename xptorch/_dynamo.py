"""PyTorch's compiler, which is not included: settings are stored, functions run uncompiled."""

from __future__ import annotations

from types import SimpleNamespace

from xptorch.compiler import allow_in_graph as allow_in_graph
from xptorch.compiler import disable as disable
from xptorch.compiler import list_backends as list_backends
from xptorch.compiler import reset as reset

config = SimpleNamespace(
    suppress_errors=False, cache_size_limit=8, recompile_limit=8, verbose=False, disable=False
)
