"""Gradients: `backward`, `grad`, grad modes, custom Functions, gradient checks, Jacobians."""

import importlib as _importlib

from xptorch._engine.grad_mode import enable_grad as enable_grad
from xptorch._engine.grad_mode import inference_mode as inference_mode
from xptorch._engine.grad_mode import is_grad_enabled as is_grad_enabled
from xptorch._engine.grad_mode import no_grad as no_grad
from xptorch._engine.grad_mode import set_grad_enabled as set_grad_enabled
from xptorch.autograd import _names as _names
from xptorch.autograd import forward_ad as forward_ad
from xptorch.autograd import functional as functional
from xptorch.autograd import grad_mode as grad_mode
from xptorch.autograd import graph as graph
from xptorch.autograd._backward import backward as backward
from xptorch.autograd._backward import grad as grad
from xptorch.autograd.anomaly_mode import detect_anomaly as detect_anomaly
from xptorch.autograd.anomaly_mode import set_detect_anomaly as set_detect_anomaly
from xptorch.autograd.function import Function as Function
from xptorch.autograd.gradcheck import gradcheck as gradcheck
from xptorch.autograd.gradcheck import gradgradcheck as gradgradcheck
from xptorch.autograd.variable import Variable as Variable

_LAZY = ("profiler",)


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return _importlib.import_module(f"xptorch.autograd.{name}")
    raise AttributeError(f"xptorch has no torch.autograd.{name}")
