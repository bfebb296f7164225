"""Weight and spectral norm in the form older than parametrizations: a forward pre-hook."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.functional.native import norm_except_dim
from xptorch.nn.module import Module
from xptorch.nn.parameter import Parameter
from xptorch.nn.utils.parametrizations import as_matrix, default_axis
from xptorch.ops.shape import creation

M = TypeVar("M", bound=Module)


def _registered(hooks: dict[int, Any], kind: type, name: str) -> list[tuple[int, Any]]:
    """The hooks of that class for that weight."""
    found = [(i, h) for i, h in hooks.items() if isinstance(h, kind)]
    return [(i, h) for i, h in found if getattr(h, "name", None) == name]


class WeightNorm:
    """The hook: sets the weight to :math:`g \\, v / \\|v\\|` before each forward."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / norm_except_dim(v, dim=self.dim))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    r"""Split a weight into norm and direction, the parameters ``<name>_g``, ``<name>_v``.

    Deprecated in favour of `parametrizations.weight_norm`, which documents the arguments.

    Raises:
        RuntimeError: the weight is normalised already.
    """
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of "
        "`torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    hook = WeightNorm(name, dim)
    if _registered(module._forward_pre_hooks, WeightNorm, name):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    weight = getattr(module, name)
    del module._parameters[name]
    module.register_parameter(
        name + "_g", Parameter(norm_except_dim(weight, dim=hook.dim).detach())
    )
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    hook(module, None)
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make the weight an ordinary parameter again.

    Raises:
        ValueError: it has no weight normalisation.
    """
    for i, hook in _registered(module._forward_pre_hooks, WeightNorm, name):
        weight = hook.compute_weight(module).detach()
        for attribute in (name, name + "_g", name + "_v"):
            delattr(module, attribute)
        setattr(module, name, Parameter(weight))
        del module._forward_pre_hooks[i]
        return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")


class SpectralNorm:
    """The hook: sets the weight to :math:`w_0 / \\sigma(w_0)` before each forward."""

    _version = 1

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        weight, u, v = (getattr(module, f"{self.name}_{x}") for x in ("orig", "u", "v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.mT.mv(u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix.mv(v), dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()
        return weight / u.dot(matrix.mv(v))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))

    def note_version(self, module: Any, state_dict: Any, prefix: str, metadata: Any) -> None:
        metadata.setdefault("spectral_norm", {})[f"{self.name}.version"] = self._version


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    r"""Divide a weight by its largest singular value; it is trained as ``<name>_orig``.

    `parametrizations.spectral_norm`, which documents the arguments, does the same.

    Raises:
        RuntimeError: the weight is normalised already.
        ValueError: `n_power_iterations` is not positive.
    """
    hook = SpectralNorm(name, n_power_iterations, default_axis(module) if dim is None else dim, eps)
    if _registered(module._forward_pre_hooks, SpectralNorm, name):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    weight = module._parameters.pop(name)
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    sizes = as_matrix(weight.detach(), hook.dim).shape
    starts = []
    for size in sizes:
        start = creation.empty(size, dtype=weight.dtype, device=weight.device).normal_(0, 1)
        starts.append(F.normalize(start, dim=0, eps=eps))
    module.register_parameter(name + "_orig", weight)
    # A plain attribute holds the weight until the first forward computes it.
    setattr(module, name, weight.data)
    module.register_buffer(name + "_u", starts[0])
    module.register_buffer(name + "_v", starts[1])
    module.register_forward_pre_hook(hook)
    module._register_state_dict_hook(hook.note_version)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make the weight an ordinary parameter again.

    Raises:
        ValueError: it has no spectral normalisation.
    """
    for i, hook in _registered(module._forward_pre_hooks, SpectralNorm, name):
        with no_grad():
            weight = hook.compute_weight(module, do_power_iteration=False)
        for attribute in (name, name + "_orig", name + "_u", name + "_v"):
            delattr(module, attribute)
        module.register_parameter(name, Parameter(weight.detach()))
        del module._forward_pre_hooks[i]
        for j, other in list(module._state_dict_hooks.items()):
            if getattr(other, "__self__", None) is hook:
                del module._state_dict_hooks[j]
        return module
    raise ValueError(f"spectral_norm of '{name}' not found in {module}")
