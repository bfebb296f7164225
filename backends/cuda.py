"""Flags of CUDA's libraries: CuPy computes at full precision; attention has one implementation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Matmul:
    """Reduced precision that PyTorch allows in matrix products; never used here."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False
    fp32_precision = "none"


matmul = _Matmul()
_attention = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def is_built() -> bool:
    """Whether CuPy is installed."""
    from importlib.util import find_spec

    return find_spec("cupy") is not None


def flash_sdp_enabled() -> bool:
    """The value set by `enable_flash_sdp`."""
    return _attention["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Allow this implementation of attention: all of them call the same function here."""
    _attention["flash"] = enabled


def mem_efficient_sdp_enabled() -> bool:
    """The value set by `enable_mem_efficient_sdp`."""
    return _attention["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Allow this implementation of attention: all of them call the same function here."""
    _attention["mem_efficient"] = enabled


def math_sdp_enabled() -> bool:
    """The value set by `enable_math_sdp`."""
    return _attention["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Allow this implementation of attention: all of them call the same function here."""
    _attention["math"] = enabled


def cudnn_sdp_enabled() -> bool:
    """The value set by `enable_cudnn_sdp`."""
    return _attention["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Allow this implementation of attention: all of them call the same function here."""
    _attention["cudnn"] = enabled


def preferred_linalg_library(backend: str | None = None) -> str:
    """The library that solves linear systems: left to the array library.

    Raises:
        NotImplementedError: another one is requested.
    """
    if backend not in (None, "default"):
        raise NotImplementedError(f"preferred_linalg_library({backend!r}) is not supported")
    return "default"


def is_flash_attention_available() -> bool:
    """False: attention has one implementation."""
    return False


@contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[Any]:
    """A context in which these implementations of attention are allowed."""
    before = dict(_attention)
    _attention.update(
        flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn
    )
    try:
        yield {}
    finally:
        _attention.update(before)
