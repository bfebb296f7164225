"""Hooks on the backward pass: of tensors, of leaves after accumulation, and of graph nodes."""

from __future__ import annotations

import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from xptorch._engine import backward, graph
from xptorch._engine.graph import Node
from xptorch.utils.hooks import RemovableHandle

Hook = Callable[..., Any]


def register(t: Any, hook: Hook) -> RemovableHandle:
    """Call ``hook(grad)`` when the gradient of `t` is computed; what it returns replaces it.

    Raises:
        RuntimeError: `t` does not require gradients.
    """
    if not t.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if t._node is not None:
        return _add(of(t._node).of_tensor, hook)
    if t._hooks is None:
        t._hooks = OrderedDict()
        _watch(t)
    return _add(t._hooks, hook)


def register_after(t: Any, hook: Hook) -> RemovableHandle:
    """Call ``hook(t)`` after the `.grad` of the leaf `t` was updated.

    Raises:
        RuntimeError: `t` does not require gradients, or is no leaf.
    """
    if not t.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if t._node is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    if t._after_hooks is None:
        t._after_hooks = OrderedDict()
        _watch(t)
    return _add(t._after_hooks, hook)


def retain(t: Any) -> None:
    """Keep the gradient of `t` in `.grad` though it is no leaf.

    Raises:
        RuntimeError: `t` does not require gradients.
    """
    if not t.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if t._node is not None and not t._retains_grad:
        of(t._node).retaining = weakref.ref(t)
        t._retains_grad = True


def _add(hooks: OrderedDict[int, Hook], hook: Hook) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def _watch(leaf: Any) -> None:
    """Register that this leaf's hooks run as soon as its gradient is complete."""
    key = id(leaf)

    def forget(_: Any) -> None:
        backward.hooked.pop(key, None)

    backward.hooked[key] = weakref.ref(leaf, forget)


# ---- nodes


def of(node: Node) -> NodeHooks:
    """The hooks of a node, created at first use."""
    if node.hooks is None:
        node.hooks = NodeHooks()
    hooks: NodeHooks = node.hooks
    return hooks


def register_before_node(node: Node, hook: Hook) -> RemovableHandle:
    """Call ``hook(grad_outputs)`` before the node's VJPs; a tuple that it returns replaces them."""
    return _add(of(node).before, hook)


def register_after_node(node: Node, hook: Hook) -> RemovableHandle:
    """Call ``hook(grad_inputs, grad_outputs)`` after the node's VJPs; it may replace the former."""
    return _add(of(node).after, hook)


class NodeHooks:
    """The hooks of a node, and the tensor that retains its gradient there."""

    def __init__(self) -> None:
        self.of_tensor: OrderedDict[int, Hook] = OrderedDict()
        self.before: OrderedDict[int, Hook] = OrderedDict()
        self.after: OrderedDict[int, Hook] = OrderedDict()
        self.retaining: Any = None  # a weak reference to the tensor whose `.grad` to fill
        self.metadata: dict[Any, Any] = {}

    def move_retained(self, node: Node) -> None:
        """Move the retaining tensor, which was changed in place, to its new `node`."""
        of(node).retaining, self.retaining = self.retaining, None

    def run_tensor_hooks(self, node: Node, g: Any, create_graph: bool) -> Any:
        """The gradient after the tensor's hooks; it is also retained if requested."""
        if self.of_tensor:
            g = backward.run_hooks(self.of_tensor.values(), g, node.device, create_graph)
        t = None if self.retaining is None else self.retaining()
        if t is not None:
            grad = g if create_graph else graph.as_tensor(g, node.device)
            t._grad = grad.clone() if t._grad is None else t._grad + grad
        return g

    def gradients(self, node: Node, g: Any, create_graph: bool) -> Sequence[Any]:
        """The node's gradients, with the hooks before and after it."""
        single = node.outputs is None
        outputs = _as_tensors((g,) if single else g, node, create_graph)
        for hook in list(self.before.values()):
            outputs = _changed(hook, hook(outputs), outputs)
        given = _as_arrays(outputs, create_graph)
        gradients = node.gradients(given[0] if single else given, create_graph)
        if not self.after:
            return gradients
        inputs = _as_tensors(gradients, node, create_graph)
        for hook in list(self.after.values()):
            inputs = _changed(hook, hook(inputs, outputs), inputs)
        return _as_arrays(inputs, create_graph)


def _as_tensors(gradients: Sequence[Any], node: Node, create_graph: bool) -> tuple[Any, ...]:
    """Gradients as Tensors."""
    if create_graph:
        return tuple(gradients)
    return tuple(_as_tensor(g, node) for g in gradients)


def _as_tensor(g: Any, node: Node) -> Any:
    slots = isinstance(g, list)  # OutputGrads: internal to the engine
    return g if g is None or slots else graph.as_tensor(g, node.device)


def _as_arrays(gradients: Sequence[Any], create_graph: bool) -> tuple[Any, ...]:
    """The Tensors of `_as_tensors` as arrays again."""
    if create_graph:
        return tuple(gradients)
    return tuple(getattr(g, "_data", g) for g in gradients)


def _changed(hook: Hook, returned: Any, before: tuple[Any, ...]) -> tuple[Any, ...]:
    if returned is None:
        return before
    changed = returned if isinstance(returned, tuple) else (returned,)
    if len(changed) != len(before):
        raise RuntimeError(
            f"hook '{getattr(hook, '__name__', type(hook).__name__)}' has returned an incorrect "
            f"number of values (got {len(changed)}, but expected {len(before)})"
        )
    return tuple(
        new if new is None or old is None else backward.checked(hook, new, old)
        for new, old in zip(changed, before, strict=True)
    )


class AccumulateGrad:
    """The end of the graph at a leaf: in `next_functions`, with the leaf as `variable`."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable
        self.next_functions: tuple[Any, ...] = ()

    def name(self) -> str:
        """PyTorch's name for it."""
        return "xptorch::autograd::AccumulateGrad"

    def register_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` after the leaf's `.grad` was updated.

        The gradient itself is no longer available: `grad_outputs` holds the leaf's `.grad`.
        """
        return register_after(self.variable, lambda leaf: hook((), (leaf.grad,)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self) -> int:
        return id(self.variable)

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self.variable):#x}>"


def edge_of(edge: Any) -> tuple[Any, int]:
    """An edge as in PyTorch's API: the node, and the index of its output."""
    if edge is None:
        return None, 0
    if not isinstance(edge, Node):
        return AccumulateGrad(edge), 0
    if isinstance(edge, graph.OutputNode):
        return edge.edges[0], edge.index
    return edge, 0


graph.setup.hooks = sys.modules[__name__]
