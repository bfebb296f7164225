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
    norm,
    threads,
)

KERNELS: dict[str, Callable[..., Any]] = {
    "gelu_forward": activation.gelu_forward,
    "gelu_vjp": activation.gelu_vjp,
    "gelu_tanh_forward": activation.gelu_tanh_forward,
    "gelu_tanh_vjp": activation.gelu_tanh_vjp,
    "sigmoid_forward": activation.sigmoid_forward,
    "sigmoid_slope": activation.sigmoid_slope,
    "tanh_slope": activation.tanh_slope,
    "silu_forward": activation.silu_forward,
    "silu_vjp": activation.silu_vjp,
    "attention_forward": attention.attention_forward,
    "attention_vjp": attention.attention_vjp,
    "layer_norm_forward": norm.layer_norm_forward,
    "rms_norm_forward": norm.rms_norm_forward,
    "layer_norm_vjp": norm.layer_norm_vjp,
    "rms_norm_vjp": norm.rms_norm_vjp,
    "batch_norm_forward": batch_norm.batch_norm_forward,
    "batch_norm_vjp": batch_norm.batch_norm_vjp,
    "fixed_norm_forward": batch_norm.fixed_norm_forward,
    "convolve": convolution.convolve,
    "convolve_input": convolution.convolve_input,
    "convolve_weight": convolution.convolve_weight,
    "run_all": threads.run_all,
}
