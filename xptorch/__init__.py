"""PyTorch's API on any array library: ``import xptorch as torch``."""

import importlib as _importlib
import importlib.util as _importlib_util
import math as _math
import sys as _sys
from pathlib import Path as _Path
from typing import Any as _Any

if not (_Path(__file__).parent / "backends").is_dir():
    # A source checkout: the folder beside this one is the package xptorch.backends.
    _spec: _Any = _importlib_util.spec_from_file_location(
        "xptorch.backends", _Path(__file__).parents[1] / "backends" / "__init__.py"
    )
    _sys.modules[_spec.name] = _importlib_util.module_from_spec(_spec)
    _spec.loader.exec_module(_sys.modules[_spec.name])

from xptorch._core import dtype as _dtypes
from xptorch._core.device import device as device
from xptorch._core.device import get_default_device as get_default_device
from xptorch._core.device import set_default_device as set_default_device
from xptorch._core.dtype import bfloat16 as bfloat16
from xptorch._core.dtype import complex64 as complex64
from xptorch._core.dtype import complex128 as complex128
from xptorch._core.dtype import dtype as dtype
from xptorch._core.dtype import finfo as finfo
from xptorch._core.dtype import float16 as float16
from xptorch._core.dtype import float32 as float32
from xptorch._core.dtype import float64 as float64
from xptorch._core.dtype import get_default_dtype as get_default_dtype
from xptorch._core.dtype import iinfo as iinfo
from xptorch._core.dtype import int8 as int8
from xptorch._core.dtype import int16 as int16
from xptorch._core.dtype import int32 as int32
from xptorch._core.dtype import int64 as int64
from xptorch._core.dtype import promote_types as promote_types
from xptorch._core.dtype import set_default_dtype as set_default_dtype
from xptorch._core.dtype import uint8 as uint8
from xptorch._core.dtype import uint16 as uint16
from xptorch._core.dtype import uint32 as uint32
from xptorch._core.dtype import uint64 as uint64
from xptorch._core.registry import BackendError as BackendError
from xptorch._core.threads import *
from xptorch._engine.grad_mode import enable_grad as enable_grad
from xptorch._engine.grad_mode import inference_mode as inference_mode
from xptorch._engine.grad_mode import is_grad_enabled as is_grad_enabled
from xptorch._engine.grad_mode import is_inference_mode_enabled as is_inference_mode_enabled
from xptorch._engine.grad_mode import no_grad as no_grad
from xptorch._engine.grad_mode import set_grad_enabled as set_grad_enabled
from xptorch._tensor import methods as _methods
from xptorch._tensor.size import Size as Size
from xptorch._tensor.tensor import Tensor as Tensor
from xptorch.ops._common import can_cast as can_cast
from xptorch.ops._common import is_tensor as is_tensor
from xptorch.ops._common import result_type as result_type
from xptorch.ops.elementwise.arithmetic import *
from xptorch.ops.elementwise.combinations import *
from xptorch.ops.elementwise.comparison import *
from xptorch.ops.elementwise.complex import *
from xptorch.ops.elementwise.predicates import *
from xptorch.ops.index.indexing import *
from xptorch.ops.index.scatter import *
from xptorch.ops.index.segments import segment_reduce as segment_reduce
from xptorch.ops.index.sort import *
from xptorch.ops.layers.activation import *
from xptorch.ops.layers.batch_norm import *
from xptorch.ops.layers.dropout import *
from xptorch.ops.layers.embedding import *
from xptorch.ops.layers.linear import *
from xptorch.ops.layers.normalization import *
from xptorch.ops.layers.recurrent_stack import *
from xptorch.ops.layers.softmax import *
from xptorch.ops.linalg.decompositions import *
from xptorch.ops.linalg.distance import *
from xptorch.ops.linalg.einsum import *
from xptorch.ops.linalg.householder import *
from xptorch.ops.linalg.inverses import *
from xptorch.ops.linalg.lu import *
from xptorch.ops.linalg.norms import *
from xptorch.ops.linalg.products import *
from xptorch.ops.random.sampling import *
from xptorch.ops.random.variates import *
from xptorch.ops.reduction.cumulative import *
from xptorch.ops.reduction.histogram import *
from xptorch.ops.reduction.reduce import *
from xptorch.ops.reduction.statistics import *
from xptorch.ops.shape.arrangement import *
from xptorch.ops.shape.copy_and_fill import *
from xptorch.ops.shape.creation import *
from xptorch.ops.shape.joining import *
from xptorch.ops.shape.slicing import *
from xptorch.ops.shape.storage import *
from xptorch.ops.shape.strided import *
from xptorch.ops.shape.view_copies import *
from xptorch.ops.shape.views import *
from xptorch.ops.signal.stft import *
from xptorch.ops.special.bessel import *
from xptorch.ops.special.elementary import *
from xptorch.ops.special.error_functions import *
from xptorch.ops.special.gamma import *
from xptorch.random import Generator as Generator
from xptorch.random import default_generator as default_generator
from xptorch.random import fork_rng as fork_rng
from xptorch.random import get_rng_state as get_rng_state
from xptorch.random import initial_seed as initial_seed
from xptorch.random import manual_seed as manual_seed
from xptorch.random import seed as seed
from xptorch.random import set_rng_state as set_rng_state

globals().update(_methods.install())

from xptorch import autograd as autograd
from xptorch import cuda as cuda
from xptorch import linalg as linalg
from xptorch import nn as nn
from xptorch import optim as optim
from xptorch import random as random
from xptorch import serialization as serialization
from xptorch import utils as utils
from xptorch import version as version
from xptorch._core.formats import *
from xptorch._program.settings import *
from xptorch._tensor.printing import get_printoptions as get_printoptions
from xptorch._tensor.printing import set_printoptions as set_printoptions
from xptorch._tensor.typed_tensors import *
from xptorch.autograd.anomaly_mode import (
    is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled,
)
from xptorch.autograd.anomaly_mode import is_anomaly_enabled as is_anomaly_enabled
from xptorch.nn.functional import adaptive_avg_pool1d as adaptive_avg_pool1d
from xptorch.nn.functional import adaptive_max_pool1d as adaptive_max_pool1d
from xptorch.nn.functional import avg_pool1d as avg_pool1d
from xptorch.nn.functional import bilinear as bilinear
from xptorch.nn.functional import channel_shuffle as channel_shuffle
from xptorch.nn.functional import conv1d as conv1d
from xptorch.nn.functional import conv2d as conv2d
from xptorch.nn.functional import conv3d as conv3d
from xptorch.nn.functional import conv_transpose1d as conv_transpose1d
from xptorch.nn.functional import conv_transpose2d as conv_transpose2d
from xptorch.nn.functional import conv_transpose3d as conv_transpose3d
from xptorch.nn.functional import max_pool1d as max_pool1d
from xptorch.nn.functional import max_pool2d as max_pool2d
from xptorch.nn.functional import max_pool3d as max_pool3d
from xptorch.nn.functional import pixel_shuffle as pixel_shuffle
from xptorch.nn.functional import pixel_unshuffle as pixel_unshuffle
from xptorch.nn.functional.native import *
from xptorch.serialization import load as load
from xptorch.serialization import save as save

bool = _dtypes.bool_
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128
e, pi, inf, nan = _math.e, _math.pi, _math.inf, _math.nan
newaxis = None
__version__ = version.xptorch
_segment_reduce = segment_reduce


# rarely used modules are imported lazily
_LAZY = {
    "__config__", "_dynamo", "accelerator", "amp", "backends", "compiler", "cpu", "distributed",
    "distributions", "fft", "func", "functional", "hub", "jit", "linalg", "masked", "mps",
    "multiprocessing", "onnx", "overrides", "profiler", "signal", "special", "storage", "testing",
    "types", "xpu",
}  # fmt: skip
_LAZY_NAMES = {
    **{"as_torch": "_program.alias", "compile": "compiler", "vmap": "func"},
    **dict.fromkeys(("autocast", "GradScaler"), "amp"),
    **dict.fromkeys(
        (
            *("is_autocast_enabled", "is_autocast_cpu_enabled", "is_autocast_cache_enabled"),
            *("get_autocast_dtype", "set_autocast_dtype", "get_autocast_gpu_dtype"),
            *("get_autocast_cpu_dtype", "clear_autocast_cache"),
            *("set_autocast_gpu_dtype", "set_autocast_cpu_dtype"),
        ),
        "amp.autocast_mode",
    ),
}


def __getattr__(name: str) -> _Any:
    if name in _LAZY:
        return _importlib.import_module(f"xptorch.{name}")
    if name in _LAZY_NAMES:
        return getattr(_importlib.import_module(f"xptorch.{_LAZY_NAMES[name]}"), name)
    raise AttributeError(f"module 'xptorch' has no attribute {name!r}: xptorch has no torch.{name}")
