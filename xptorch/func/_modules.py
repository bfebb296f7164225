"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xptorch.nn.utils.stateless import functional_call as functional_call
from xptorch.ops import shape

if TYPE_CHECKING:
    from xptorch.nn import Module


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of models of the same kind, each stacked along a new axis.

    With them ``vmap`` of ``functional_call`` evaluates an ensemble.

    Raises:
        RuntimeError: there is no model, or they differ in class or mode.
    """
    if not len(models):
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return (
        {k: _leaf([p[k] for p in parameters]) for k in parameters[0]},
        {k: shape.stack([b[k] for b in buffers]) for k in buffers[0]},
    )


def _leaf(tensors: Sequence[Any]) -> Any:
    wanted = {t.requires_grad for t in tensors}
    if len(wanted) > 1:
        raise RuntimeError("Expected each parameter to have the same requires_grad for all models")
    return shape.stack(tensors).detach().requires_grad_(wanted.pop())
