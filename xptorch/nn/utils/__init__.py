"""Helpers around modules and their gradients."""

import importlib as _importlib

from xptorch.nn.utils import rnn as rnn
from xptorch.nn.utils.clip_grad import clip_grad_norm as clip_grad_norm
from xptorch.nn.utils.clip_grad import clip_grad_norm_ as clip_grad_norm_
from xptorch.nn.utils.clip_grad import clip_grad_value_ as clip_grad_value_
from xptorch.nn.utils.clip_grad import clip_grads_with_norm_ as clip_grads_with_norm_
from xptorch.nn.utils.clip_grad import get_total_norm as get_total_norm
from xptorch.nn.utils.convert_parameters import parameters_to_vector as parameters_to_vector
from xptorch.nn.utils.convert_parameters import vector_to_parameters as vector_to_parameters

# Rarely used submodules, and names from them, are imported lazily.
_LAZY = ("fusion", "memory_format", "parametrizations", "parametrize", "prune", "stateless")
_LAZY_NAMES = {
    "convert_conv2d_weight_memory_format": "memory_format",
    "convert_conv3d_weight_memory_format": "memory_format",
    "fuse_conv_bn_eval": "fusion",
    "fuse_conv_bn_weights": "fusion",
    "fuse_linear_bn_eval": "fusion",
    "fuse_linear_bn_weights": "fusion",
    "remove_spectral_norm": "_norms",
    "remove_weight_norm": "_norms",
    "skip_init": "_init",
    "spectral_norm": "_norms",
    "weight_norm": "_norms",
}


def __getattr__(name: str) -> object:
    if name in _LAZY_NAMES:
        return getattr(_importlib.import_module(f"xptorch.nn.utils.{_LAZY_NAMES[name]}"), name)
    if name in _LAZY:
        return _importlib.import_module(f"xptorch.nn.utils.{name}")
    raise AttributeError(f"module 'xptorch.nn.utils' has no attribute {name!r}")
