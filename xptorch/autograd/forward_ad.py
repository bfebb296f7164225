"""Forward-mode AD: tangents propagated with tensors through a computation.

PyTorch propagates a tangent with each value. Here the computation is recorded as for a backward
pass, and a tangent is computed on request, by differentiating twice: vᵀJ is linear in v, and its
derivative with respect to v is the Jacobian. Dual tensors and what is computed from them therefore
require grad inside the level, and operations under `no_grad` have no tangents.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple

from xptorch._engine.backward import leaves_of
from xptorch._engine.grad_mode import enable_grad, is_grad_enabled
from xptorch.autograd._backward import check_tangent, linearized
from xptorch.ops._common import is_tensor
from xptorch.ops.shape import creation

_levels: list[list[tuple[Any, Any]]] = []  # for each level, its dual tensors and their tangents


class UnpackedDualTensor(NamedTuple):
    """A value and its tangent, None where it has none."""

    primal: Any
    tangent: Any


def enter_dual_level() -> int:
    """Enter a level, within which dual tensors are valid; returns its number.

    Raises:
        RuntimeError: a level is already active.
    """
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append([])
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Exit the level and discard its tangents.

    Raises:
        RuntimeError: no level is active, or `level` is not the active one.
    """
    if not _levels or level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This "
            "is not supported."
        )
    _levels.pop()


class dual_level:
    """A block in which dual tensors are valid.

    Example:
        >>> import xptorch as torch
        >>> import xptorch.autograd.forward_ad as fwAD
        >>> with fwAD.dual_level():
        ...     x = fwAD.make_dual(torch.tensor(3.0), torch.tensor(1.0))
        ...     fwAD.unpack_dual(x * x).tangent
        tensor(6.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        exit_dual_level()


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A tensor of the same values that carries a tangent.

    Args:
        tangent: of the same shape and dtype.

    Raises:
        RuntimeError: no level is active, or the shapes differ.
        ValueError: the tensors are not floating point or complex.
    """
    if not _levels or level not in (None, 0):
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {t.dtype}")
    check_tangent(tensor, tangent)
    with enable_grad():
        tied = tensor.requires_grad
        dual = tensor.view_as(tensor) if tied else tensor.detach().requires_grad_()
    _levels[-1].append((dual, tangent))
    return dual


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """A tensor's value, and its tangent if it depends on a dual tensor of the level."""
    if not is_tensor(tensor):
        raise TypeError(f"unpack_dual expects a Tensor, but got {type(tensor).__name__}")
    if not _levels or not _levels[-1] or not tensor.requires_grad:
        return UnpackedDualTensor(tensor, None)
    duals, tangents = zip(*_levels[-1], strict=True)
    made = {id(d) for d in duals if d.is_leaf}
    record = is_grad_enabled() and any(id(t) not in made for t in leaves_of([tensor, *tangents]))
    primal = tensor if record else tensor.detach()
    with enable_grad():
        pulled, push = linearized([tensor], duals)
        if all(g is None for g in pulled):
            return UnpackedDualTensor(primal, None)
        found = push(tangents, record)[0]
    return UnpackedDualTensor(primal, creation.zeros_like(tensor) if found is None else found)
