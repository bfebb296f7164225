"""Layers, losses and containers: `Module` and its subclasses."""

import importlib as _importlib

from xptorch.nn import functional as functional
from xptorch.nn import init as init
from xptorch.nn import utils as utils
from xptorch.nn.activation import *  # noqa: F403
from xptorch.nn.adaptive_softmax import *  # noqa: F403
from xptorch.nn.attention import *  # noqa: F403
from xptorch.nn.batchnorm import *  # noqa: F403
from xptorch.nn.container import *  # noqa: F403
from xptorch.nn.conv import *  # noqa: F403
from xptorch.nn.distance import *  # noqa: F403
from xptorch.nn.dropout import *  # noqa: F403
from xptorch.nn.flatten import *  # noqa: F403
from xptorch.nn.lazy import *  # noqa: F403
from xptorch.nn.linear import *  # noqa: F403
from xptorch.nn.loss import *  # noqa: F403
from xptorch.nn.margin_loss import *  # noqa: F403
from xptorch.nn.module import *  # noqa: F403
from xptorch.nn.normalization import *  # noqa: F403
from xptorch.nn.padding import *  # noqa: F403
from xptorch.nn.parameter import *  # noqa: F403
from xptorch.nn.parameter import factory_kwargs as factory_kwargs
from xptorch.nn.parameter_container import *  # noqa: F403
from xptorch.nn.pooling import *  # noqa: F403
from xptorch.nn.rnn import *  # noqa: F403
from xptorch.nn.rnn_cell import *  # noqa: F403
from xptorch.nn.sparse import *  # noqa: F403
from xptorch.nn.transformer import *  # noqa: F403
from xptorch.nn.upsampling import *  # noqa: F403

# rarely used: imported lazily
_LAZY = ("grad", "modules", "parallel")
_LAZY_NAMES = {"DataParallel": "parallel"}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return _importlib.import_module(f"xptorch.nn.{name}")
    if name in _LAZY_NAMES:
        return getattr(_importlib.import_module(f"xptorch.nn.{_LAZY_NAMES[name]}"), name)
    raise AttributeError(f"module 'xptorch.nn' has no attribute {name!r}")
