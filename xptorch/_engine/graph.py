"""The autograd graph: nodes, the gradient edges of tensors, and views that share memory.

A node points to the nodes of its inputs, never to their tensors, so that an array that is not saved
is freed at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar

from xptorch._core.backend import Array, Namespace
from xptorch._core.device import device
from xptorch._core.mode import local
from xptorch._engine.grad_mode import enable_grad, set_grad_enabled

if TYPE_CHECKING:
    from xptorch._engine.op import Op
    from xptorch._tensor.tensor import Tensor

sequence_counter = itertools.count()
new = object.__new__


class _Setup:
    """What modules that depend on this one set when they are imported."""

    tensor: Any = None  # class Tensor
    namespace: Any = None  # the ops under the array API's names, over Tensors
    hooks: Any = None  # the module _engine.hooks
    differentiate: Any = None  # the function of _engine.backward
    names: ClassVar[dict[str, Any]] = {}  # PyTorch's names of backward nodes, where they differ
    complex: bool = False  # whether gradients may be complex; if not, no dtype is checked

    def __init__(self) -> None:
        # called with each new node under detect_anomaly
        self.on_new_node: Callable[[Node], None] | None = None


setup = _Setup()


def wrap(value: Array, on: device) -> Tensor:
    """A Tensor of an array, outside any graph."""
    t: Tensor = new(setup.tensor)
    t._data = value
    t._device = on
    return t


def tensor_at(value: Array, on: device, edge: Any) -> Tensor:
    """A Tensor of that value with that gradient edge."""
    if edge is not None and not isinstance(edge, Node):
        return edge  # a leaf
    t = wrap(value, on)
    if edge is not None:
        t._node, t._requires_grad = edge, True
    return t


def as_tensor(g: Any, on: device) -> Tensor:
    """A Tensor of a gradient, which may be a NumPy scalar."""
    return wrap(g if g.__class__ is on.ndarray else on.xp.asarray(g), on)


def sum_to(xp: Namespace, g: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum `g` over the axes that `shape` lacks or has as 1."""
    extra = len(g.shape) - len(shape)
    axes = (*range(extra), *[i + extra for i, s in enumerate(shape) if s == 1])
    rows, width = math.prod(g.shape[: len(axes)]), math.prod(g.shape[len(axes) :])
    if axes == tuple(range(len(axes))) and width > 1 and xp is not setup.namespace:
        return xp.reshape(column_sums(xp, xp.reshape(g, (rows, width))), shape)
    return xp.reshape(xp.sum(g, axis=axes, keepdims=True, dtype=g.dtype), shape=shape)


def column_sums(xp: Any, x: Any) -> Any:
    """The sum of each column of a matrix."""
    if x.shape[0] * x.shape[1] < 4096:
        return xp.sum(x, axis=0)
    return xp.matmul(xp.ones((x.shape[0],), dtype=x.dtype, device=x.device), x)


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that tensors of these shapes broadcast to.

    Raises:
        RuntimeError: they do not.
    """
    n = max(map(len, shapes))
    result = [1] * n
    for shape in shapes:
        for i, s in zip(range(n - 1, -1, -1), reversed(shape), strict=False):  # PyTorch's order
            if s != 1 and result[i] not in (1, s):
                raise RuntimeError(
                    f"The size of tensor a ({result[i]}) must match the size of tensor b ({s}) at "
                    f"non-singleton dimension {i}"
                )
            result[i] = s if s != 1 else result[i]
    return tuple(result)


def different_devices(a: device, b: device) -> RuntimeError:
    return RuntimeError(
        "Expected all tensors to be on the same device, but found at least two devices, "
        f"{a} and {b}!"
    )


class Node:
    """One recorded operation. It points to the nodes of its inputs, never to their tensors."""

    __slots__ = (
        *("op", "edges", "saved", "versions", "sequence_nr", "device", "hooks", "outputs", "label"),
        "__weakref__",
    )
    label: str
    op: Op
    edges: tuple[Any, ...]  # per input its producer's Node, the leaf Tensor itself, or None
    saved: dict[str, Any] | None  # what the VJPs use; None once freed
    versions: list[tuple[list[int], int]]  # per saved array its counter and the count then
    sequence_nr: int
    device: device
    hooks: Any  # an _engine.hooks.NodeHooks
    outputs: list[tuple[Any, Any]] | None  # shape and dtype of each of several outputs

    def __init__(self, label: str, inputs: Sequence[Any], on: Any) -> None:
        """A node of no declared op; subclasses override `gradients`."""
        self.label, self.sequence_nr, self.device = label, next(sequence_counter), on
        self.edges = tuple([gradient_edge(t) if t._requires_grad else None for t in inputs])
        self.saved, self.versions, self.hooks, self.outputs = {}, [], None, None

    def name(self) -> str:
        """PyTorch's name for it, such as MulBackward0."""
        if not hasattr(self, "op"):
            return self.label
        name = setup.names.get(self.op.name)
        if callable(name):
            name = name(self)
        return name or "".join(p.title() for p in self.op.name.split("_")) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each input the node that made it (AccumulateGrad for leaves) and its output index."""
        return tuple(setup.hooks.edge_of(e) for e in self.edges)

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dict for the user's own data, which lives as long as the node."""
        return setup.hooks.of(self).metadata

    def register_hook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node's step of the backward pass."""
        return setup.hooks.register_after_node(self, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook(grad_outputs)`` before this node's step of the backward pass."""
        return setup.hooks.register_before_node(self, hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    def check(self) -> dict[str, Any]:
        """The saved values, after checking that they are neither freed nor changed in place."""
        saved = self.saved
        if saved is None:
            raise RuntimeError(FREED)
        for counter, seen in self.versions:
            if counter[0] != seen:
                raise self._changed()
        return saved

    def _plan(self) -> list[tuple[str, str, int]]:
        """What was saved for the inputs that need gradients; see `Op.plan`."""
        return self.op.plan(sum(1 << i for i, e in enumerate(self.edges) if e is not None))

    def _changed(self) -> RuntimeError:
        """The error for the first saved array that was changed in place."""
        saved, places = self.saved or {}, []
        for name, kind, i in self._plan():
            if kind == "input":
                places.append((saved[name], self.edges[i]))
            elif kind == "y":
                places.append((saved[name], self))
        stale = [counter[0] != seen for counter, seen in self.versions].index(True)
        counter, seen = self.versions[stale]
        return changed_in_place(*places[stale], self.device, counter[0], seen)

    def free(self) -> None:
        """Release the saved arrays."""
        if self.versions:
            self.saved = None
            self.versions = []

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        """The gradients of the inputs, None where there is none."""
        saved, op = self.check(), self.op
        # A method of the node, so that wrappers of `run` can identify the node.
        holomorphic = setup.complex and not op.conjugates
        backward = self._conjugated if holomorphic else MethodType(op.backward, self)
        if not create_graph:
            return local.mode.run(backward, self.device.xp, g, saved)
        if op.reference is not None:
            return self._through_reference(g, saved)
        return backward(setup.namespace, g, self._lift(saved))

    def _conjugated(self, xp: Namespace, g: Any, saved: dict[str, Any]) -> Sequence[Any]:
        """The VJPs of a holomorphic function: the conjugate of its derivative times `g`."""
        known, backward = self.device.dtype_of, self.op.backward
        parts = g if isinstance(g, tuple) else (g,)
        if not any(known.get(x.dtype, x.dtype).is_complex for x in parts if x is not None):
            return backward(self, xp, g, saved)
        conjugated = tuple([None if x is None else xp.conj(x) for x in parts])
        grads = backward(self, xp, conjugated if isinstance(g, tuple) else conjugated[0], saved)
        return [None if x is None else xp.conj(x) for x in grads]

    def _lift(self, saved: dict[str, Any]) -> dict[str, Any]:
        """The saved arrays as Tensors with their former gradient edges."""
        tensors, on = dict(saved), self.device
        for name, kind, index in self._plan():
            value = saved[name]
            if kind == "dtype":
                tensors[name] = on.dtype_of[value]
            elif isinstance(value, on.ndarray):
                edge = None if kind == "aux" else self if kind == "y" else self.edges[index]
                tensors[name] = tensor_at(value, on, edge)
        return tensors

    def _through_reference(self, g: Any, saved: dict[str, Any]) -> list[Any]:
        """Differentiate the composition of plain ops that is equivalent to the fused op."""
        op, on = self.op, self.device
        values = [saved[n] for n in op.inputs]
        inputs = [
            tensor_at(x, on, e) if isinstance(x, on.ndarray) else x
            for x, e in zip(values, self.edges, strict=True)
        ]
        with enable_grad():
            y = op.reference(*inputs, **{n: saved[n] for n in op.static_names})  # type: ignore[misc]
        places: dict[Any, int] = {}  # a tensor passed twice gets its gradient once
        for i, e in enumerate(self.edges):
            if e is not None:
                places.setdefault(e, i)
        wanted = list(places.values())
        ys, gs = (y, g) if op.multiple else ([y], [g])
        found = setup.differentiate(ys, gs, [inputs[i] for i in wanted], True, True, within=True)
        grads: list[Any] = [None] * len(inputs)
        for i, gradient in zip(wanted, found, strict=True):
            grads[i] = gradient
        return grads


FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)


def changed_in_place(value: Any, edge: Any, on: device, now: int, seen: int) -> RuntimeError:
    """The error for a saved array of version `seen` that is at version `now`."""
    t = wrap(value, on)
    made = ""
    if isinstance(edge, Node):
        made = f", which is output 0 of {edge.name().removesuffix('Backward0')},"
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [{t.type()} {list(t.shape)}]{made} is at version {now}; expected version "
        f"{seen} instead. Hint: enable anomaly detection to find the operation that failed to "
        "compute its gradient, with xptorch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


class OutputNode(Node):
    """One of several outputs of a node: passes its gradient to its output slot of that node."""

    __slots__ = ("index",)

    def __init__(self, parent: Node, index: int) -> None:
        super().__init__("", (), parent.device)
        self.edges, self.index = (parent,), index

    def name(self) -> str:
        return str(self.edges[0].name())

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        slots: list[Any] = [None] * len(self.edges[0].outputs)
        slots[self.index] = g
        return [OutputGrads(slots)]


class OutputGrads(list[Any]):
    """Gradients of several outputs; those from two users of the outputs add slot by slot."""

    def __add__(self, other: Any) -> OutputGrads:
        pairs = zip(self, other, strict=True)
        return OutputGrads([b if a is None else a if b is None else a + b for a, b in pairs])


def gradient_edge(t: Any) -> Any:
    """The gradient edge of a tensor: its Node, or for a leaf the tensor itself."""
    if t._base is not None:
        refresh(t)
    return t._node if t._node is not None else t


def mark_view(out: Any, source: Any, replay: Callable[[Any], Any]) -> None:
    """Mark `out`, which `replay` makes from `source`, as a view of it if they share memory."""
    if not source._device.xp.shares_memory(out._data, source._data):
        return
    counter, base = source._version_counter, source._base
    if counter is None:
        counter = source._version_counter = [0]
    source._memory_shared = True
    out._version_counter, out._version_seen = counter, counter[0]
    out._base = source if base is None else base
    out._view_ops = (*source._view_ops, replay)


def refresh(t: Any) -> None:
    """Update the gradient edge of a view after its base was changed in place."""
    if t._version_seen == t._version_counter[0]:
        return
    t._version_seen = t._version_counter[0]
    if t._base._requires_grad:
        with set_grad_enabled(True):
            again = apply_view_ops(t._base, t._view_ops)
        set_gradient_edge(t, again._node, again._requires_grad)


def apply_view_ops(x: Any, steps: Sequence[Callable[[Any], Any]]) -> Any:
    for step in steps:
        x = step(x)
    return x


def set_gradient_edge(t: Any, node: Any, needs: bool) -> None:
    """Set the new gradient edge of a tensor that was changed in place."""
    if t._retains_grad and t._node is not None and node is not None:
        t._node.hooks.move_retained(node)
    t._node, t._requires_grad = node, needs


def bump_version(t: Any) -> None:
    """Count an in-place change of `t` in the version counter that its aliases share."""
    if t._version_counter is None:
        t._version_counter = [0]
    t._version_counter[0] += 1
