"""PyTorch's longer paths, such as ``nn.modules.conv.Conv2d``: the modules beside this by name."""

import importlib as _importlib
import sys as _sys

from xptorch.nn import *  # noqa: F403

# Submodules are those put into sys.modules below, none are on disk: no class may load twice.
__path__: list[str] = []

_HERE = "activation batchnorm container conv distance dropout flatten fold lazy linear loss module"
_HERE += " normalization padding pixelshuffle pooling rnn sparse transformer upsampling"
_ELSEWHERE = {
    "adaptive": "adaptive_softmax",
    "channelshuffle": "pixelshuffle",
    "instancenorm": "normalization",
    "utils": "_shapes",
}

for _name, _home in {**{n: n for n in _HERE.split()}, **_ELSEWHERE}.items():
    globals()[_name] = _importlib.import_module(f"xptorch.nn.{_home}")
    _sys.modules[f"{__name__}.{_name}"] = globals()[_name]
