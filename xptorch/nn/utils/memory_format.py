"""Memory formats of convolution weights: here there is one, and they cannot change a result."""

from __future__ import annotations

from typing import Any, TypeVar

from xptorch.nn.module import Module

M = TypeVar("M", bound=Module)


def convert_conv2d_weight_memory_format(module: M, memory_format: Any) -> M:
    """The module unchanged: the memory layout of its weights is left to the backend."""
    return module


def convert_conv3d_weight_memory_format(module: M, memory_format: Any) -> M:
    """The module unchanged: the memory layout of its weights is left to the backend."""
    return module
