"""Classes that override functions by ``__torch_function__``, which is not called here."""

from __future__ import annotations

from typing import Any

from xptorch.ops._common import is_tensor

__all__ = ["has_torch_function", "is_tensor_like"]


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor, or of a class that has ``__torch_function__``."""
    return is_tensor(inp) or hasattr(inp, "__torch_function__")


def has_torch_function(relevant_args: Any) -> bool:
    """False: calls are not dispatched to ``__torch_function__``."""
    return False
