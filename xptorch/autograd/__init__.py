"""Gradients: `backward`, `grad`, grad modes, custom Functions, numerical checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xptorch import _engine
from xptorch._grad_mode import enable_grad as enable_grad
from xptorch._grad_mode import inference_mode as inference_mode
from xptorch._grad_mode import no_grad as no_grad
from xptorch._grad_mode import set_grad_enabled as set_grad_enabled
from xptorch.ops._common import is_tensor
from xptorch.ops.create import ones_like


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves they were computed from."""
    outputs = _tuple(tensors)
    grads = _roots(outputs, grad_tensors)
    retain = create_graph if retain_graph is None else retain_graph
    _engine.differentiate(outputs, grads, None, create_graph, retain)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` with respect to `inputs`."""
    outs, ins = _tuple(outputs), _tuple(inputs)
    grads = _roots(outs, grad_outputs)
    retain = create_graph if retain_graph is None else retain_graph
    return tuple(_engine.differentiate(outs, grads, ins, create_graph, retain))


def _tuple(x: Any) -> tuple[Any, ...]:
    return (x,) if is_tensor(x) else tuple(x)


def _roots(outputs: Sequence[Any], given: Any) -> list[Any]:
    grads = [None] * len(outputs) if given is None else list(_tuple(given))
    roots = []
    for t, g in zip(outputs, grads, strict=True):
        if not t.requires_grad:
            raise RuntimeError(
                "element 0 of tensors does not require grad and does not have a grad_fn"
            )
        if g is None:
            if t.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            g = ones_like(t)
        roots.append(g)
    return roots
