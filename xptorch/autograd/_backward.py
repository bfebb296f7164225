"""`backward` and `grad`: gradients accumulated in the leaves' `.grad`, or returned."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from xptorch._engine import backward as _backprop
from xptorch._engine import graph, hooks
from xptorch._tensor.tensor import Tensor
from xptorch.ops._common import is_tensor
from xptorch.ops.shape import creation, joining


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves they were computed from.

    Args:
        tensors: a tensor, or a sequence of them.
        grad_tensors: for each the incoming gradient; may be left out, or None, for tensors of one
            element.
        retain_graph: keep the graph for another backward pass; defaults to `create_graph`.
        create_graph: record the backward pass itself, for derivatives of derivatives.
        grad_variables: the deprecated name of `grad_tensors`.
        inputs: add to the `.grad` of these tensors only (they need not be leaves).

    Raises:
        RuntimeError: a tensor requires no gradients, a gradient does not fit, or `inputs` is empty.
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    outputs = _sequence(tensors)
    ins = None if inputs is None else _inputs(inputs, "backward")
    grads = _roots(outputs, grad_tensors)
    retain = create_graph if retain_graph is None else retain_graph
    for t in ins or ():
        hooks.retain(t)
    _backprop.differentiate(outputs, grads, ins, create_graph, retain, store=True)


def _tensor_backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of this tensor to the `.grad` of the leaves it was computed from."""
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


_tensor_backward.__name__, _tensor_backward.__qualname__ = "backward", "Tensor.backward"
Tensor.backward = _tensor_backward  # type: ignore[attr-defined]


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of the sum of `outputs` with respect to `inputs`; no `.grad` changes.

    Args:
        outputs: a tensor, or a sequence of them.
        inputs: likewise; they need not be leaves.
        grad_outputs: for each output the incoming gradient; may be left out, or None, for outputs
            of one element.
        retain_graph: keep the graph for another backward pass; defaults to `create_graph`.
        create_graph: record the backward pass itself, for derivatives of derivatives.
        only_inputs: deprecated; has no effect.
        allow_unused: return None for inputs on which the outputs do not depend.
        is_grads_batched: `grad_outputs` have an additional first axis, and so have the results.
        materialize_grads: return zeros for inputs on which the outputs do not depend.

    Raises:
        RuntimeError: an output or input requires no gradients, an input is unused, or a gradient
            does not fit.
    """
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To "
            "accumulate gradient for other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            f"allow_unused={allow_unused}."
        )
    outs, ins = _sequence(outputs), _inputs(inputs, "grad")
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        found = _batched(outs, ins, grad_outputs, create_graph, retain)
    else:
        grads = _roots(outs, grad_outputs)
        found = _backprop.differentiate(outs, grads, ins, create_graph, retain)
    if materialize_grads:
        return tuple(
            creation.zeros_like(t) if g is None else g for t, g in zip(ins, found, strict=True)
        )
    if not allow_unused and any(g is None for g in found):
        index = next(i for i, g in enumerate(found) if g is None)
        raise RuntimeError(
            f"The differentiated Tensor at index {index} appears to not have been used in the "
            "graph. Set allow_unused=True if this is the desired behavior."
        )
    return tuple(found)


def _batched(
    outs: Sequence[Any], ins: Sequence[Any], grad_outputs: Any, create_graph: bool, retain: bool
) -> list[Any]:
    """One backward pass for each entry along the first axis of the gradients."""
    given = _sequence(grad_outputs)
    count = len(given[0])
    rows = []
    for i in range(count):
        grads = _roots(outs, [g[i] for g in given])
        keep = retain or i < count - 1
        rows.append(_backprop.differentiate(outs, grads, ins, create_graph, keep))
    columns = zip(*rows, strict=True)
    return [None if column[0] is None else joining.stack(list(column)) for column in columns]


def _sequence(x: Any) -> tuple[Any, ...]:
    return (x,) if is_tensor(x) else tuple(x)


def _inputs(inputs: Any, function: str) -> tuple[Any, ...]:
    ins = _sequence(inputs)
    if not ins:
        raise RuntimeError(f"`inputs` argument to `{function}()` cannot be empty.")
    for t in ins:
        if not is_tensor(t):
            raise RuntimeError(
                "all inputs have to be Tensors or GradientEdges, but got " + type(t).__name__
            )
        if not t.requires_grad and function == "grad":
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    return ins


def _roots(outputs: Sequence[Tensor], given: Any) -> list[Tensor]:
    """The incoming gradient of each output."""
    if given is None:
        grads: Sequence[Any] = [None] * len(outputs)
    else:
        grads = _fitting(outputs, _sequence(given))
    roots = []
    for i, (t, g) in enumerate(zip(outputs, grads, strict=True)):
        if not t.requires_grad:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn"
            )
        if g is not None:
            roots.append(g if g.dtype is t.dtype else g.to(t.dtype))
            continue
        if t.numel() != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if t.dtype.is_complex:
            raise RuntimeError(
                f"grad can be implicitly created only for real scalar outputs but got {t.dtype!r}"
            )
        on, x = t._device, t._data
        one = on.xp.asarray(1, dtype=x.dtype, device=on.raw)
        roots.append(graph.wrap(on.xp.reshape(one, x.shape), on))
    return roots


def _fitting(outputs: Sequence[Tensor], grads: Sequence[Any]) -> Sequence[Any]:
    """The gradients given for the outputs, after a check of their number and shapes."""
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    for i, (t, g) in enumerate(zip(outputs, grads, strict=True)):
        if g is not None and not is_tensor(g):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
        if g is not None and g._data.shape != t._data.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] "
                f"has a shape of {t.shape}."
            )
    return grads


def linearized(outputs: Sequence[Any], inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
    """For forward-mode tangents: vᵀJ is linear in v, and its derivative with respect to v is J.

    Returns:
        For each input vᵀJ for some v, None where no output depends on it; and a function
        ``push(tangents, create_graph)``: for each output its tangent, None where it is 0.
    """
    vectors = [creation.zeros_like(y, requires_grad=True) for y in outputs]
    reached = [(y, v) for y, v in zip(outputs, vectors, strict=True) if y.requires_grad]
    pulled: Sequence[Any] = [None] * len(inputs)
    if reached and inputs:
        ys, vs = zip(*reached, strict=True)
        pulled = grad(ys, inputs, vs, retain_graph=True, create_graph=True, allow_unused=True)

    def push(tangents: Sequence[Any], create_graph: bool) -> Sequence[Any]:
        for x, t in zip(inputs, tangents, strict=True):
            check_tangent(x, t)
        along = zip(pulled, tangents, strict=True)
        useful = [(g, t) for g, t in along if g is not None and g.requires_grad]
        if not useful:
            return [None] * len(vectors)
        gs, ts = zip(*useful, strict=True)
        keep = {"retain_graph": True, "create_graph": create_graph, "allow_unused": True}
        return grad(gs, vectors, ts, **keep)

    return pulled, push


def check_tangent(x: Any, tangent: Any) -> None:
    """Raise PyTorch's error for a tangent whose shape differs from the tensor's."""
    if x.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(x.shape)} while the given "
            f"forward gradient is of size {list(tangent.shape)}."
        )
