"""Weight normalisation as it was before parametrizations: by a hook before forward."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

from xptorch._tensor import Tensor
from xptorch.nn.module import Module
from xptorch.nn.parameter import Parameter
from xptorch.nn.utils.parametrizations import norm_except_dim

M = TypeVar("M", bound=Module)


class WeightNorm:
    """The hook: sets the weight to :math:`g \\, v / \\|v\\|` before each forward."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / norm_except_dim(v, self.dim))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def registered(hooks: dict[int, Any], kind: type, name: str) -> list[tuple[int, Any]]:
    """The hooks of that class for that weight."""
    found = [(i, h) for i, h in hooks.items() if isinstance(h, kind)]
    return [(i, h) for i, h in found if getattr(h, "name", None) == name]


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    r"""Part a weight in its length and its direction, the parameters ``<name>_g``, ``<name>_v``.

    Deprecated in favour of `parametrizations.weight_norm`, which explains the arguments.

    Raises:
        RuntimeError: the weight has it already.
    """
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of "
        "`torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    hook = WeightNorm(name, dim)
    if registered(module._forward_pre_hooks, WeightNorm, name):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    weight = getattr(module, name)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(norm_except_dim(weight, hook.dim).detach()))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    hook(module, None)
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make the weight an ordinary parameter again.

    Raises:
        ValueError: it has no weight normalisation.
    """
    for i, hook in registered(module._forward_pre_hooks, WeightNorm, name):
        weight = hook.compute_weight(module).detach()
        for attribute in (name, name + "_g", name + "_v"):
            delattr(module, attribute)
        setattr(module, name, Parameter(weight))
        del module._forward_pre_hooks[i]
        return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")
