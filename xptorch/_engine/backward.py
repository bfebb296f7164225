"""The backward pass through the graph, newest node first: vector-Jacobian products."""

from __future__ import annotations

import operator
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Any

from xptorch._core.device import device
from xptorch._core.mode import local
from xptorch._engine.grad_mode import switch
from xptorch._engine.graph import Node, as_tensor, bump_version, gradient_edge, setup, wrap

hooked: dict[int, Callable[[], Any]] = {}  # weak references to the leaves that have hooks
anomaly: Any = None  # checks every node's gradients under detect_anomaly


def differentiate(
    outputs: Sequence[Any],
    grads: Sequence[Any],
    inputs: Sequence[Any] | None = None,
    create_graph: bool = False,
    retain_graph: bool = False,
    store: bool = False,
    within: bool = False,
) -> list[Any]:
    """Vector-Jacobian products from `outputs` back to `inputs`, or to all leaves.

    Args:
        grads: a Tensor for each output.
        inputs: tensors whose gradients are returned (None where unreached). Without them the
            gradients are added to the leaves' `.grad`.
        create_graph: record the computation, so that the gradients can be differentiated.
        retain_graph: keep what the nodes saved.
        store: add the gradients of `inputs` to their `.grad` as well; nothing is returned.
        within: stop at the inputs: ignore how they depend on each other, and run no hooks.
    """
    pending: dict[Any, Any] = {}  # gradient so far, of a Node or a leaf
    heap: list[tuple[int, Node]] = []

    roots = [gradient_edge(t) for t in outputs]
    wanted = None if inputs is None else {gradient_edge(t) for t in inputs}
    useful = None if wanted is None else _leading_to(wanted, roots, within)
    awaited = _edges_to_hooked(roots, useful) if hooked and not within else None
    store = store or inputs is None
    found: dict[Any, Any] = {}
    edges: Sequence[Any] = roots
    gradients: Sequence[Any] = [g if create_graph else g._data for g in grads]
    before = switch(create_graph)
    try:
        while True:
            for edge, x in zip(edges, gradients):  # noqa: B905  # strict costs 0.1 µs
                if x is None or edge is None or (useful is not None and edge not in useful):
                    continue
                if edge not in pending:
                    pending[edge] = x
                    if isinstance(edge, Node):
                        heappush(heap, (-edge.sequence_nr, edge))
                elif create_graph:
                    pending[edge] = pending[edge] + x
                else:
                    pending[edge] = local.mode.run(operator.add, pending[edge], x)
            g = x = gradients = ()  # `_deliver` copies what is still referenced elsewhere
            if awaited is not None and edges is not roots:
                for leaf in _complete(edges, awaited):
                    _deliver(leaf, pending, found, store, create_graph)
            if not heap:
                break
            node = heappop(heap)[1]
            g, hooks, edges = pending.pop(node), node.hooks, node.edges
            if node.outputs is not None:
                g = _filled(node, g, create_graph)
            captured = wanted is not None and node in wanted
            if captured:
                found[node] = g
                if within:
                    continue
            if hooks is not None:
                g = hooks.run_tensor_hooks(node, g, create_graph)
            if useful is not None and not any(e in useful for e in edges if e is not None):
                if captured:  # PyTorch returns a hooked gradient only at the end of a path
                    found[node] = g
                continue
            if hooks is None and anomaly is None:
                gradients = node.gradients(g, create_graph)
            else:
                gradients = _gradients_with_hooks(node, g, create_graph)
            if not retain_graph:
                node.free()
        if within:
            found |= pending
            pending.clear()
        for leaf in list(pending):
            _deliver(leaf, pending, found, store, create_graph)
    finally:
        switch(before)
    if store:
        return []
    places = [(gradient_edge(t), t._device) for t in inputs or ()]
    return [
        g if g is None or create_graph else as_tensor(g, on)
        for g, on in ((found.get(at), on) for at, on in places)
    ]


def _gradients_with_hooks(node: Node, g: Any, create_graph: bool) -> Sequence[Any]:
    """A node's gradients, with its hooks and anomaly detection."""
    step = node.gradients if node.hooks is None else partial(node.hooks.gradients, node)
    if anomaly is None:
        return step(g, create_graph)
    return anomaly(node, step, g, create_graph)


def _reachable(roots: Sequence[Any], ends: Collection[Any] = ()) -> set[Node]:
    """The nodes that `roots` depend on, up to and including those in `ends`."""
    nodes: set[Node] = set()
    stack = [r for r in roots if isinstance(r, Node)]
    while stack:
        node = stack.pop()
        if node not in nodes:
            nodes.add(node)
            if node not in ends:
                stack += [e for e in node.edges if isinstance(e, Node)]
    return nodes


def leaves_of(tensors: Sequence[Any]) -> list[Any]:
    """The leaves that get gradients in a backward pass from these tensors."""
    roots = [gradient_edge(t) for t in tensors if t.requires_grad]
    nodes = _reachable(roots)
    edges = [e for n in nodes for e in n.edges if e is not None and not isinstance(e, Node)]
    return edges + [r for r in roots if not isinstance(r, Node)]


def _leading_to(wanted: set[Any], roots: Sequence[Any], within: bool) -> set[Any]:
    """The gradient edges from which the backward pass reaches one of the `wanted`."""
    useful = set(wanted)
    # An edge always leads to an older node.
    for node in sorted(_reachable(roots, wanted if within else ()), key=lambda n: n.sequence_nr):
        if any(e in useful for e in node.edges if e is not None):
            useful.add(node)
    return useful


def _edges_to_hooked(roots: Sequence[Any], useful: set[Any] | None) -> dict[Any, int]:
    """How many gradients each leaf with hooks will get, to detect when it has them all."""
    leaves = {t for t in (r() for r in list(hooked.values())) if t is not None}
    nodes = _reachable(roots) if useful is None else _reachable(roots) & useful
    return Counter(e for n in nodes for e in n.edges if e in leaves)


def _complete(edges: Sequence[Any], awaited: dict[Any, int]) -> list[Any]:
    """The awaited leaves that have all their gradients after those of a node were added."""
    done = []
    for edge in edges:
        if edge in awaited:
            awaited[edge] -= 1
            if not awaited[edge]:
                done.append(edge)
    return done


def _filled(node: Node, slots: list[Any], create_graph: bool) -> tuple[Any, ...]:
    """Gradients of all outputs of a node, zeros for unused outputs."""
    on = node.device
    filled = []
    for g, like in zip(slots, node.outputs or (), strict=True):
        if g is None and like is not None:
            shape, dtype = like
            g = on.xp.zeros(shape, dtype=dtype, device=on.raw)
            g = wrap(g, on) if create_graph else g
        filled.append(g)
    return tuple(filled)


def _deliver(
    t: Any, pending: dict[Any, Any], found: dict[Any, Any], store: bool, create_graph: bool
) -> None:
    """Run a leaf's hooks on its accumulated gradient, which then goes to `.grad` or `found`."""
    if t not in pending:
        return
    if t._hooks:
        g = pending.pop(t)
        pending[t] = run_hooks(t._hooks.values(), g, t._device, create_graph)
        del g
    if not store:
        found[t] = pending.pop(t)
        return
    # The user may change .grad in place, so it must not be shared. Two references are from here.
    own = sys.getrefcount(pending[t]) <= 2 and not create_graph
    accumulate(t, pending.pop(t), create_graph, own)
    if t._after_hooks:
        for hook in list(t._after_hooks.values()):
            hook(t)


def run_hooks(hooks: Any, g: Any, on: device, create_graph: bool) -> Any:
    """The gradient after all hooks, each of which may have replaced it."""
    t = g if create_graph else as_tensor(g, on)
    for hook in list(hooks):
        changed = hook(t)
        if changed is not None:
            t = checked(hook, changed, t)
    return t if create_graph else t._data


def checked(hook: Any, changed: Any, before: Any) -> Any:
    """A gradient that a hook returned, after a check of its type, size and dtype."""
    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(changed, setup.tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(changed).__name__}'")
    if changed._data.shape != before._data.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")
    if changed.dtype is not before.dtype:
        was, got = before.type(), changed.type()
        raise RuntimeError(f"hook '{name}' has changed the type of value (was {was} got {got})")
    return changed


def accumulate(t: Any, g: Any, create_graph: bool, own: bool) -> None:
    """Add a gradient (an array, a Tensor under create_graph) to a leaf's `.grad`.

    Args:
        own: nothing else refers to the array `g`.
    """
    before, on = t._grad, t._device
    if create_graph:
        t.grad = g.clone() if before is None else before + g
    elif before is None:
        own = own and on.xp.owns_memory(g)
        first = wrap(g if own else on.xp.asarray(g, copy=True), on)
        if g.shape == t._data.shape and g.dtype == t._data.dtype:
            t._grad = first
        else:  # an error in a custom Function: the setter raises for it
            t.grad = first
    elif before._requires_grad:
        t.grad = before + wrap(g, on)
    else:
        before._data = local.mode.run(on.xp.iadd, before._data, g)
        bump_version(before)


setup.differentiate = differentiate
