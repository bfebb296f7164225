"""PyTorch's longer paths, such as ``nn.modules.conv.Conv2d``: aliases of the sibling modules."""

import importlib as _importlib
import sys as _sys

from xptorch.nn import *  # noqa: F403

# Submodules are those put into sys.modules below, not files: no class may be defined twice.
__path__: list[str] = []

_HERE = "activation batchnorm container conv distance dropout flatten lazy linear loss module"
_HERE += " normalization padding pooling rnn sparse transformer upsampling"
_ELSEWHERE = {
    "adaptive": "adaptive_softmax",
    "channelshuffle": "upsampling",
    "fold": "flatten",
    "instancenorm": "normalization",
    "pixelshuffle": "upsampling",
    "utils": "_shapes",
}

for _name, _home in {**{n: n for n in _HERE.split()}, **_ELSEWHERE}.items():
    globals()[_name] = _importlib.import_module(f"xptorch.nn.{_home}")
    _sys.modules[f"{__name__}.{_name}"] = globals()[_name]

# What PyTorch defines in these modules is defined in others here.
_MORE = {"container": "parameter_container", "loss": "margin_loss", "rnn": "rnn_cell"}
_MORE |= dict.fromkeys(("batchnorm", "conv", "linear", "normalization"), "lazy")
for _name, _home in _MORE.items():
    _source = _importlib.import_module(f"xptorch.nn.{_home}")
    vars(globals()[_name]).update((n, getattr(_source, n)) for n in _source.__all__)
