"""Spectral normalisation as it was before parametrizations: by a hook before forward."""

from __future__ import annotations

from typing import Any, TypeVar

from xptorch._grad_mode import no_grad
from xptorch._tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.module import Module
from xptorch.nn.parameter import Parameter
from xptorch.nn.utils._weight_norm import registered
from xptorch.nn.utils.parametrizations import as_matrix, default_axis
from xptorch.ops import create

M = TypeVar("M", bound=Module)


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

    `parametrizations.spectral_norm`, which explains the arguments, does the same.

    Raises:
        RuntimeError: the weight has it already.
        ValueError: `n_power_iterations` is not positive.
    """
    hook = SpectralNorm(name, n_power_iterations, default_axis(module) if dim is None else dim, eps)
    if registered(module._forward_pre_hooks, SpectralNorm, name):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    weight = module._parameters.pop(name)
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    sizes = as_matrix(weight.detach(), hook.dim).shape
    starts = []
    for size in sizes:
        start = create.empty(size, dtype=weight.dtype, device=weight.device).normal_(0, 1)
        starts.append(F.normalize(start, dim=0, eps=eps))
    module.register_parameter(name + "_orig", weight)
    # A plain attribute stands for the weight until the first forward computes it.
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
    for i, hook in registered(module._forward_pre_hooks, SpectralNorm, name):
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
