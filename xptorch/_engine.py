"""The autograd engine: declared ops, the graph they record, and the walk back through it.

An op is a forward function over arrays and, for each differentiable input, a VJP. A VJP's first
parameters are the namespace and the incoming gradient; the names of the others say what is saved:
an input, the output `y`, ``<input>_shape``, ``<input>_dtype``, `aux`, or a static argument.
Under create_graph the same VJPs run on Tensors over the namespace of ops, so they record themselves.
"""

from __future__ import annotations

import heapq
import itertools
import operator
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from xptorch._backend import Array, Namespace, device
from xptorch._grad_mode import enable_grad, mode, set_grad_enabled

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

OPS: dict[str, Callable[..., Any]] = {}  # every declared op by name; `.op` holds its declaration
_clock = itertools.count()
_new = object.__new__


class _Setup:
    """What the modules above the engine tell it when they are imported."""

    tensor: Any = None  # class Tensor
    namespace: Any = None  # the ops under the array API's names, over Tensors
    names: ClassVar[dict[str, Any]] = {}  # PyTorch's names of backward nodes, where not ours


setup = _Setup()
hooked: dict[int, Callable[[], Any]] = {}  # weak references to the leaves that have hooks
anomaly: Any = None  # what looks on at every node's gradients under detect_anomaly


class Op:
    """A declared operation: its forward, its VJPs and what they save.

    Parameters of the forward before ``*`` are inputs, those behind it are static arguments.
    A forward ``(xp, *arrays, axis)`` takes any number of inputs: its one VJP may name `arrays` (all
    of them) and `shapes`.
    """

    def __init__(self, name: str, forward: Callable[..., Any], vjps: dict[str, Any], **marks: Any):
        code = forward.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        self.name, self.forward = name, forward
        self.inputs = code.co_varnames[1 : code.co_argcount]
        self.static_names = code.co_varnames[code.co_argcount : count]
        self.variadic = bool(code.co_flags & 0x04)
        self.joint: Callable[..., Any] | None = marks["vjp"]
        self.reference: Callable[..., Any] | None = marks["reference"]
        self.broadcast: bool = marks["broadcast"]
        self.aux: bool = marks["aux"]
        self.view: bool = marks["view"]
        self.multiple: bool = marks["multiple"]
        unknown = set(vjps) - set(self.inputs)
        assert not unknown, f"{name}: VJPs for {unknown}, which are no inputs"
        self.vjps = [(vjps[n], _names(vjps[n], 2)) if n in vjps else None for n in self.inputs]
        self.joint_names = _names(self.joint, 3) if self.joint else ()
        self.differentiable = [self.joint is not None or v is not None for v in self.vjps]
        self.plans: dict[int, list[tuple[str, str, int]]] = {}
        self.plan(sum(1 << i for i, d in enumerate(self.differentiable) if d))  # checks the names

    def plan(self, mask: int) -> list[tuple[str, str, int]]:
        """What to save when the inputs in the bit mask need gradients: (name, kind, input)."""
        found = self.plans.get(mask)
        if found is None:
            wanted = list(self.joint_names)
            for i, vjp in enumerate(self.vjps):
                if vjp is not None and mask >> i & 1:
                    wanted += vjp[1]
            if self.reference is not None:
                wanted += ("arrays",) if self.variadic else self.inputs
            kinds = map(self._source, dict.fromkeys(wanted))
            found = self.plans[mask] = [p for p in kinds if p is not None]
        return found

    def _source(self, name: str) -> tuple[str, str, int] | None:
        if name in self.inputs:
            return name, "input", self.inputs.index(name)
        if name in ("y", "aux") or (self.variadic and name in ("arrays", "shapes")):
            return name, name, -1
        stem, _, what = name.rpartition("_")
        if stem in self.inputs and what in ("shape", "dtype"):
            return name, what, self.inputs.index(stem)
        assert name in self.static_names, f"{self.name}: a VJP names the unknown {name!r}"
        return None


def _names(function: Callable[..., Any], skip: int) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[skip : code.co_argcount]


def op(
    name: str,
    forward: Callable[..., Any],
    *,
    vjp: Callable[..., Any] | None = None,
    reference: Callable[..., Any] | None = None,
    broadcast: bool = False,
    aux: bool = False,
    view: bool = False,
    multiple: bool = False,
    **vjps: Callable[..., Any],
) -> Callable[..., Any]:
    """Declare an operation; the result is called with Tensors and static keyword arguments.

    Args:
        name: its name among the ops: the array API's where it has one.
        forward: ``f(xp, *inputs, *, **static)`` over arrays.
        vjp: one VJP for all inputs, ``v(xp, g, needs, <names>)``, that returns a tuple.
        reference: the same function of plain ops, for derivatives of derivatives.
        broadcast: inputs broadcast against each other; gradients are summed back.
        aux: forward returns (y, aux), where aux is for VJPs only.
        view: the output may share the first input's memory.
        multiple: forward returns a tuple of outputs; `g` is a tuple.
        **vjps: for each differentiable input its VJP ``v(xp, g, <names>)``.
    """
    o = Op(
        name,
        forward,
        vjps,
        vjp=vjp,
        reference=reference,
        broadcast=broadcast,
        aux=aux,
        view=view,
        multiple=multiple,
    )
    assert name not in OPS, f"op {name!r} is declared twice"
    differentiable = o.differentiable if not o.variadic else [True] * 4096

    plain = not (aux or multiple or view or o.variadic)
    makers = {1: _caller_of_one, 2: _caller_of_two} if plain else {}
    call = makers.get(len(o.inputs), _caller)(o)
    call.op = o  # type: ignore[attr-defined]
    call.__name__ = call.__qualname__ = name
    OPS[name] = call
    return call


def _caller(o: Op) -> Callable[..., Any]:
    """The function that computes an op and records it."""
    forward, aux, multiple, view = o.forward, o.aux, o.multiple, o.view
    differentiable = o.differentiable if not o.variadic else _Always()

    def call(*inputs: Any, **static: Any) -> Any:
        on: Any = None
        mask = 0
        arrays = []
        for i, t in enumerate(inputs):
            where = getattr(t, "_device", None)
            if where is None:  # a number, or None for an input left out
                arrays.append(t)
                continue
            arrays.append(t._data)
            if where is not on:
                if on is not None:
                    raise different_devices(on, where)
                on = where
            if t._base is not None:
                refresh(t)
            if t._needs and differentiable[i]:
                mask |= 1 << i
        y = mode.run(forward, on.xp, *arrays, **static)
        extra = None
        if aux:
            y, extra = y
        if multiple:
            return _finish_multiple(o, inputs, arrays, static, mask, y, on)
        if y.__class__ is not on.ndarray:
            y = on.xp.asarray(y)  # NumPy returns scalars where an array of no dimensions is meant
        out = _new(setup.tensor)
        out._data = y
        out._device = on
        if view:  # before the node takes `static` for its own
            mark_view(out, inputs[0], partial(call, **static))
        if mask and mode.enabled:
            edges = _edges(inputs, mask)
            out._node = _record(o, edges, inputs, arrays, static, mask, on, out, extra)
            out._needs = True
        return out

    return call


def _caller_of_one(o: Op) -> Callable[..., Any]:
    """`_caller` for an op with one input and one output, without its loop."""
    forward = o.forward
    differentiable = o.differentiable[0]

    def call(a: Any, **static: Any) -> Any:
        on = a._device
        if a._base is not None:
            refresh(a)
        y = mode.run(forward, on.xp, a._data, **static)
        if y.__class__ is not on.ndarray:
            y = on.xp.asarray(y)
        out = _new(setup.tensor)
        out._data = y
        out._device = on
        if differentiable and a._needs and mode.enabled:
            edges = (a._node or a,)
            out._node = _record(o, edges, (a,), (a._data,), static, 1, on, out, None)
            out._needs = True
        return out

    return call


def _caller_of_two(o: Op) -> Callable[..., Any]:
    """`_caller` for an op with two inputs and one output, without its loop."""
    forward = o.forward
    first, second = o.differentiable

    def call(a: Any, b: Any, **static: Any) -> Any:
        on = getattr(a, "_device", None)
        where = getattr(b, "_device", None)
        x, y, mask = a, b, 0
        if on is not None:
            x = a._data
            if a._base is not None:
                refresh(a)
            if first and a._needs:
                mask = 1
        if where is not None:
            if on is not where:
                if on is not None:
                    raise different_devices(on, where)
                on = where
            y = b._data
            if b._base is not None:
                refresh(b)
            if second and b._needs:
                mask += 2
        z = mode.run(forward, on.xp, x, y, **static)  # type: ignore[union-attr]
        if z.__class__ is not on.ndarray:  # type: ignore[union-attr]
            z = on.xp.asarray(z)  # type: ignore[union-attr]
        out = _new(setup.tensor)
        out._data = z
        out._device = on
        if mask and mode.enabled:
            edges = ((a._node or a) if mask & 1 else None, (b._node or b) if mask & 2 else None)
            out._node = _record(o, edges, (a, b), (x, y), static, mask, on, out, None)
            out._needs = True
        return out

    return call


class _Always:
    """Every input of an op with any number of inputs is differentiable."""

    def __getitem__(self, index: int) -> bool:
        return True


def different_devices(a: device, b: device) -> RuntimeError:
    return RuntimeError(
        "Expected all tensors to be on the same device, but found at least two devices, "
        f"{a} and {b}!"
    )


def _edges(inputs: Sequence[Any], mask: int) -> tuple[Any, ...]:
    return tuple([(t._node or t) if mask >> i & 1 else None for i, t in enumerate(inputs)])


def _record(
    op: Op,
    edges: tuple[Any, ...],
    inputs: Sequence[Any],
    arrays: Sequence[Any],
    saved: dict[str, Any],
    mask: int,
    on: device,
    out: Any,
    aux: Any,
) -> Node:
    """The Node of an operation that was just computed; `saved` starts as its static arguments."""
    node: Node = _new(Node)
    node.op = op
    node.order = next(_clock)
    node.device = on
    node.hooks = node.outputs = None
    node.edges = edges
    versions: list[Any] = []
    for name, kind, index in op.plans.get(mask) or op.plan(mask):
        if kind == "input":
            saved[name] = arrays[index]
            counter = getattr(inputs[index], "_counter", _CONSTANT)
            if counter is None:
                counter = inputs[index]._counter = [0]
            versions.append((counter, counter[0]))
        elif kind == "y":
            saved[name] = out._data
            counter = out._counter = [0]
            versions.append((counter, 0))
        elif kind == "shape":
            saved[name] = arrays[index].shape
        elif kind == "dtype":
            saved[name] = arrays[index].dtype
        elif kind == "aux":
            saved[name] = aux
        elif kind == "arrays":
            saved[name] = tuple(arrays)
            for t in inputs:
                t._counter = t._counter or [0]
                versions.append((t._counter, t._counter[0]))
        else:
            saved[name] = [x.shape for x in arrays]
    if op.broadcast and not _same_shapes(arrays):
        saved["shapes"] = [getattr(x, "shape", None) for x in arrays]
    node.saved = saved
    node.versions = versions
    return node


def _same_shapes(arrays: Sequence[Any]) -> bool:
    try:
        shape = arrays[0].shape
        return all([x.shape == shape for x in arrays]) if len(arrays) > 2 else arrays[1].shape == shape
    except AttributeError:  # a number broadcasts, but has no gradient
        return len(arrays) == 2


_CONSTANT = [0]  # the version of a number


def _finish_multiple(
    op: Op,
    inputs: Sequence[Any],
    arrays: Sequence[Any],
    static: dict[str, Any],
    mask: int,
    ys: Sequence[Any],
    on: device,
) -> tuple[Any, ...]:
    outs = tuple(wrap(on.xp.asarray(y), on) for y in ys)
    if mask and mode.enabled:
        edges = _edges(inputs, mask)
        parent = _record(op, edges, inputs, arrays, dict(static), mask, on, None, None)
        parent.outputs = [(t._data.shape, t._data.dtype) for t in outs]
        for i, t in enumerate(outs):
            if t.dtype.is_floating_point or t.dtype.is_complex:
                t._node, t._needs = _Output(parent, i), True
    if op.view:
        for i, t in enumerate(outs):
            mark_view(t, inputs[0], partial(_one_of, OPS[op.name], i, static))
    return outs


def _one_of(call: Callable[..., Any], index: int, static: dict[str, Any], x: Any) -> Any:
    return call(x, **static)[index]


# ---- the graph


class Node:
    """One recorded operation. It points to the nodes of its inputs, never to their tensors."""

    __slots__ = (
        *("op", "edges", "saved", "versions", "order", "device", "hooks", "outputs", "label"),
        "__weakref__",
    )
    label: str
    op: Op
    edges: tuple[Any, ...]  # of each input its producer's Node, the leaf Tensor itself, or None
    saved: dict[str, Any] | None  # what the VJPs name; None once freed
    versions: list[tuple[list[int], int]]  # of each saved array its counter and what it showed
    order: int
    device: device
    hooks: Any  # an autograd._hooks.NodeHooks
    outputs: list[tuple[Any, Any]] | None  # shape and dtype of each of several outputs

    def __init__(self, label: str, inputs: Sequence[Any], on: device) -> None:
        """A node that is no declared op's; subclasses give their own `gradients`."""
        self.label, self.order, self.device = label, next(_clock), on
        self.edges = tuple([_place(t) if t._needs else None for t in inputs])
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
        """For each input the node that made it (AccumulateGrad for leaves) and which output."""
        from xptorch.autograd import _hooks

        return tuple(_hooks.edge_of(e) for e in self.edges)

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dict for the user's notes, which live as long as the node."""
        from xptorch.autograd import _hooks

        return _hooks.of(self).metadata

    def register_hook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook(grad_inputs, grad_outputs)`` after this step of the backward pass."""
        from xptorch.autograd import _hooks

        return _hooks.register_after_node(self, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook(grad_outputs)`` before this step of the backward pass."""
        from xptorch.autograd import _hooks

        return _hooks.register_before_node(self, hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    def check(self) -> dict[str, Any]:
        """The saved values, after making sure that they are there and unchanged."""
        if self.saved is None:
            raise RuntimeError(FREED)
        for i, (counter, seen) in enumerate(self.versions):
            if counter[0] != seen:
                raise changed_in_place(*self._saved_at(i), self.device, counter[0], seen)
        return self.saved

    def _saved_at(self, index: int) -> tuple[Any, Any]:
        """The value to which the version of that index belongs, and its place in the graph."""
        saved, found = self.saved or {}, []
        mask = sum(1 << i for i, e in enumerate(self.edges) if e is not None)
        for name, kind, i in self.op.plan(mask):
            if kind == "input":
                found.append((saved[name], self.edges[i]))
            elif kind == "y":
                found.append((saved[name], self))
            elif kind == "arrays":
                found += zip(saved[name], self.edges, strict=True)
        return found[index]

    def free(self) -> None:
        """Let go of the saved arrays."""
        if self.versions:
            self.saved = None
            self.versions = []

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        """The gradients of the inputs, None where there is none."""
        saved, op = self.check(), self.op
        if not create_graph:
            return mode.run(self._vjps, self.device.xp, g, saved)  # type: ignore[no-any-return]
        if op.reference is not None:
            return self._through_reference(g, saved)
        return self._vjps(setup.namespace, g, self._lift(saved))

    def _vjps(self, xp: Namespace, g: Any, saved: dict[str, Any]) -> Sequence[Any]:
        op = self.op
        if op.joint is not None:
            needs = tuple([e is not None for e in self.edges])
            grads = op.joint(xp, g, needs, *[saved[n] for n in op.joint_names])
        else:
            grads = [
                None if edge is None else vjp[0](xp, g, *[saved[n] for n in vjp[1]])  # type: ignore[index]
                for edge, vjp in zip(self.edges, op.vjps, strict=True)
            ]
        if "shapes" in saved and op.broadcast:
            grads = [
                x if x is None or s is None or x.shape == s else sum_to(xp, x, s)
                for x, s in zip(grads, saved["shapes"], strict=True)
            ]
        return grads  # type: ignore[no-any-return]

    def _lift(self, saved: dict[str, Any]) -> dict[str, Any]:
        """The saved arrays as Tensors that stand where they stood in the graph."""
        lifted, on = dict(saved), self.device
        mask = sum(1 << i for i, e in enumerate(self.edges) if e is not None)
        for name, kind, index in self.op.plan(mask):
            value = saved[name]
            if kind == "dtype":
                lifted[name] = on.dtype_of[value]
            elif kind == "arrays":
                lifted[name] = [attach(x, on, e) for x, e in zip(value, self.edges, strict=True)]
            elif isinstance(value, on.ndarray):
                edge = None if kind == "aux" else self if kind == "y" else self.edges[index]
                lifted[name] = attach(value, on, edge)
        return lifted

    def _through_reference(self, g: Any, saved: dict[str, Any]) -> list[Any]:
        """Differentiate the composition of plain ops that the fused op stands for."""
        op, on = self.op, self.device
        values = saved["arrays"] if op.variadic else [saved[n] for n in op.inputs]
        inputs = [
            attach(x, on, e) if isinstance(x, on.ndarray) else x
            for x, e in zip(values, self.edges, strict=True)
        ]
        with enable_grad():
            y = op.reference(*inputs, **{n: saved[n] for n in op.static_names})  # type: ignore[misc]
        wanted = [i for i, e in enumerate(self.edges) if e is not None]
        found = differentiate([y], [g], [inputs[i] for i in wanted], True, True)
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


def changed_in_place(value: Any, place: Any, on: device, now: int, seen: int) -> RuntimeError:
    """The error for a saved array of version `seen` that is at version `now`."""
    t = wrap(value, on)
    made = ""
    if isinstance(place, Node):
        made = f", which is output 0 of {place.name().removesuffix('Backward0')},"
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [{t.type()} {list(t.shape)}]{made} is at version {now}; expected version "
        f"{seen} instead. Hint: enable anomaly detection to find the operation that failed to "
        "compute its gradient, with xptorch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


class _Output(Node):
    """One of several outputs of a node: hands its gradient on to the slot that it stands for."""

    __slots__ = ("index",)

    def __init__(self, parent: Node, index: int) -> None:
        super().__init__(parent.name(), (), parent.device)
        self.edges, self.index = (parent,), index

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        slots: list[Any] = [None] * len(self.edges[0].outputs)
        slots[self.index] = g
        return [_Slots(slots)]


class _Slots(list[Any]):
    """Gradients of several outputs; those of two users of the outputs add slot by slot."""

    def __add__(self, other: Any) -> _Slots:  # type: ignore[override]
        pairs = zip(self, other, strict=True)
        return _Slots([b if a is None else a if b is None else a + b for a, b in pairs])


def sum_to(xp: Namespace, g: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum `g` over the axes that `shape` lacks or has as 1."""
    extra = len(g.shape) - len(shape)
    axes = (*range(extra), *[i + extra for i, s in enumerate(shape) if s == 1])
    return xp.reshape(xp.sum(g, axis=axes, keepdims=True, dtype=g.dtype), shape=shape)


def attach(value: Array, on: device, edge: Any) -> Tensor:
    """A Tensor of that value at that place in the graph."""
    if edge is not None and not isinstance(edge, Node):
        return edge  # type: ignore[no-any-return]  # a leaf
    t = wrap(value, on)
    if edge is not None:
        t._node, t._needs = edge, True
    return t


def wrap(value: Array, on: device) -> Tensor:
    """A Tensor of an array, outside any graph."""
    t: Tensor = _new(setup.tensor)
    t._data = value
    t._device = on
    return t


# ---- views and in-place changes


def mark_view(out: Any, source: Any, replay: Callable[[Any], Any]) -> None:
    """Note that `out`, which `replay` makes from `source`, shares its memory, if it does."""
    if not source._device.xp.aliases(out._data, source._data):
        return
    if source._counter is None:
        source._counter = [0]
    out._counter = source._counter
    out._base = source if source._base is None else source._base
    out._replay = (*source._replay, replay)
    out._seen = source._counter[0]


def refresh(t: Any) -> None:
    """Bring a view's place in the graph up to date after its base was changed in place."""
    if t._seen == t._counter[0]:
        return
    t._seen = t._counter[0]
    if t._base._needs:
        with set_grad_enabled(True):
            again = replayed(t._base, t._replay)
        _place_at(t, again._node, again._needs)


def replayed(x: Any, steps: Sequence[Callable[[Any], Any]]) -> Any:
    for step in steps:
        x = step(x)
    return x


def write(target: Any, result: Any) -> Any:
    """Store a result in `target`'s memory and make `target` the result in the graph, too.

    Raises:
        RuntimeError: `target` is a leaf that requires gradients, or a view of one.
    """
    check_writable(target, result._needs)
    recording = mode.enabled and (result._needs or target._needs)
    _store(target, result)
    return rebase(target, result) if recording else target


def rebase(target: Any, value: Any) -> Any:
    """Make `target`, whose memory holds `value` by now, `value` in the graph, too."""
    base = target._base
    if base is not None:
        _place_at(base, _PutView(base, value, target._replay), True)
        target._seen = -1
        refresh(target)
    else:
        # A leaf's place is the leaf itself: what was copied from it needs a node of its own.
        node = value._node
        if node is None:
            node = _Copied(value) if value._needs else _Overwritten(target)
        _place_at(target, node, True)
    return target


def _place_at(t: Any, node: Any, needs: bool) -> None:
    """Give a tensor that was changed in place its new place in the graph."""
    if t._retains and t._node is not None and node is not None:
        t._node.hooks.handed_on(node)
    t._node, t._needs = node, needs


def check_writable(t: Any, value_needs: bool = False) -> None:
    """Raise if a recorded in-place operation on `t` would change a leaf that requires gradients."""
    base = t._base
    if not mode.enabled:
        return
    if base is not None:
        refresh(t)
    if not (t._needs or value_needs):
        return
    if base is not None and base._needs and base._node is None:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )
    if t._needs and t._node is None:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )


def _store(target: Any, result: Any) -> None:
    x = target._data
    target._data = target._device.xp.assign(x, ..., result._data)
    bump(target)


def bump(t: Any) -> None:
    """Count an in-place change of `t` on the version counter that its aliases share."""
    if t._counter is None:
        t._counter = [0]
    t._counter[0] += 1


class _Copied(Node):
    """A tensor that was overwritten by a leaf's values."""

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        super().__init__("CopyBackwards", (value,), value._device)

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        return (g,)


class _Overwritten(Node):
    """A tensor that was overwritten by constants: it gets a gradient of zeros."""

    __slots__ = ()

    def __init__(self, before: Any) -> None:
        super().__init__("CopyBackwards", (before,), before._device)

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        return ((setup.namespace if create_graph else self.device.xp).zeros_like(g),)


class _PutView(Node):
    """A base after one of its views was overwritten: the region's gradient goes to the value."""

    __slots__ = ("replay",)

    def __init__(self, base: Any, value: Any, replay: Sequence[Callable[[Any], Any]]) -> None:
        super().__init__("CopySlices", (base, value), base._device)
        self.replay = replay

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        whole = g if create_graph else wrap(g, self.device)
        with set_grad_enabled(create_graph):
            region = replayed(whole, self.replay).clone()
            rest = whole.clone()
            replayed(rest, self.replay).zero_()
        return (rest, region) if create_graph else (rest._data, region._data)


# ---- the walk back


def differentiate(
    outputs: Sequence[Any],
    grads: Sequence[Any],
    inputs: Sequence[Any] | None = None,
    create_graph: bool = False,
    retain_graph: bool = False,
    store: bool = False,
) -> list[Any]:
    """Vector-Jacobian products from `outputs` back to `inputs`, or to all leaves.

    Args:
        grads: a Tensor for each output.
        inputs: tensors whose gradients are returned (None where unreached). Without them the
            gradients are added to the leaves' `.grad`.
        create_graph: record the computation, so that the gradients can be differentiated.
        retain_graph: keep what the nodes saved.
        store: add the gradients of `inputs` to their `.grad` as well; nothing is returned.
    """
    pending: dict[Any, Any] = {}  # gradient so far, of a Node or a leaf
    heap: list[tuple[int, Node]] = []

    def give(edge: Any, g: Any) -> None:
        if edge in pending:
            before = pending[edge]
            pending[edge] = before + g if create_graph else mode.run(operator.add, before, g)
        else:
            pending[edge] = g
            if isinstance(edge, Node):
                heapq.heappush(heap, (-edge.order, edge))

    roots = [_place(t) for t in outputs]
    wanted = None if inputs is None else {_place(t) for t in inputs}
    useful = None if wanted is None else _leading_to(wanted, roots)
    awaited = _edges_to_hooked(roots, useful) if hooked else None
    store = store or inputs is None
    found: dict[Any, Any] = {}
    with set_grad_enabled(create_graph):
        for place, g in zip(roots, grads, strict=True):
            if useful is None or place in useful:
                give(place, g if create_graph else g._data)
        while heap:
            node = heapq.heappop(heap)[1]
            g, hooks = pending.pop(node), node.hooks
            if node.outputs is not None:
                g = _filled(node, g, create_graph)
            last = useful is not None and not any(e in useful for e in node.edges if e is not None)
            captured = wanted is not None and node in wanted
            if captured:
                found[node] = g
            if hooks is not None:
                g = hooks.arrived(node, g, create_graph)
            if last:
                if captured:  # PyTorch shows what hooks made of it only where the way ends
                    found[node] = g
                continue
            if hooks is None and anomaly is None:
                gradients = node.gradients(g, create_graph)
            else:
                gradients = _watched(node, g, create_graph)
            for edge, x in zip(node.edges, gradients, strict=True):
                if x is not None and edge is not None and (useful is None or edge in useful):
                    give(edge, x)
            if not retain_graph:
                node.free()
            if awaited is not None:
                g = x = gradients = ()  # `_deliver` copies what somebody else still holds
                for leaf in _complete(node, awaited):
                    _deliver(leaf, pending, found, store, create_graph)
        g = x = gradients = ()
        for leaf in list(pending):
            _deliver(leaf, pending, found, store, create_graph)
    if store:
        return []
    places = [(_place(t), t._device) for t in inputs or ()]
    return [
        g if g is None or create_graph else lifted(g, on)
        for g, on in ((found.get(place), on) for place, on in places)
    ]


def _watched(node: Node, g: Any, create_graph: bool) -> Sequence[Any]:
    """A node's gradients where hooks or anomaly detection look on."""
    step = node.gradients if node.hooks is None else partial(node.hooks.gradients, node)
    if anomaly is None:
        return step(g, create_graph)
    return anomaly(node, step, g, create_graph)  # type: ignore[no-any-return]


def _place(t: Any) -> Any:
    """Where a tensor stands in the graph: its Node, or for a leaf itself."""
    if t._base is not None:
        refresh(t)
    return t._node if t._node is not None else t


def _reachable(roots: Sequence[Any]) -> set[Node]:
    nodes: set[Node] = set()
    stack = [r for r in roots if isinstance(r, Node)]
    while stack:
        node = stack.pop()
        if node not in nodes:
            nodes.add(node)
            stack += [e for e in node.edges if isinstance(e, Node)]
    return nodes


def _leading_to(wanted: set[Any], roots: Sequence[Any]) -> set[Any]:
    """The places from which gradients can reach one of the `wanted`."""
    useful = set(wanted)
    # An edge always leads to an older node.
    for node in sorted(_reachable(roots), key=lambda n: n.order):
        if any(e in useful for e in node.edges if e is not None):
            useful.add(node)
    return useful


def _edges_to_hooked(roots: Sequence[Any], useful: set[Any] | None) -> dict[Any, int]:
    """How many gradients each leaf that has hooks will get, so that it is seen when it has all."""
    leaves = {t for t in (r() for r in list(hooked.values())) if t is not None}
    nodes = _reachable(roots) if useful is None else _reachable(roots) & useful
    return Counter(e for n in nodes for e in n.edges if e in leaves)


def _complete(node: Node, awaited: dict[Any, int]) -> list[Any]:
    """The awaited leaves that have all their gradients, now that this node has given its own."""
    done = []
    for edge in node.edges:
        if edge in awaited:
            awaited[edge] -= 1
            if not awaited[edge]:
                done.append(edge)
    return done


def _filled(node: Node, slots: list[Any], create_graph: bool) -> tuple[Any, ...]:
    """Gradients of all outputs of a node, zeros for outputs that nobody used."""
    on = node.device
    filled = []
    for g, like in zip(slots, node.outputs or (), strict=True):
        if g is None and like is not None:
            shape, dtype = like
            g = on.xp.zeros(shape, dtype=dtype, device=on.raw)
            g = wrap(g, on) if create_graph else g
        filled.append(g)
    return tuple(filled)


def lifted(g: Any, on: device) -> Tensor:
    """A Tensor of a gradient, which may be one of the scalars that NumPy returns."""
    return wrap(g if g.__class__ is on.ndarray else on.xp.asarray(g), on)


def _deliver(
    t: Any, pending: dict[Any, Any], found: dict[Any, Any], store: bool, create_graph: bool
) -> None:
    """Hand a leaf the gradient that has come together for it."""
    if t not in pending:
        return
    if t._hooks:
        g = pending.pop(t)
        pending[t] = run_hooks(t._hooks.values(), g, t._device, create_graph)
        del g
    if not store:
        found[t] = pending.pop(t)
        return
    # The user may change .grad in place: nobody else may hold it. Two references are from here.
    own = sys.getrefcount(pending[t]) <= 2 and not create_graph
    accumulate(t, pending.pop(t), create_graph, own)
    for hook in list((t._after_hooks or {}).values()):
        hook(t)


def run_hooks(hooks: Any, g: Any, on: device, create_graph: bool) -> Any:
    """The gradient after hooks have seen it, each of which may have returned another."""
    t = g if create_graph else lifted(g, on)
    for hook in list(hooks):
        changed = hook(t)
        if changed is not None:
            t = checked(hook, changed, t)
    return t if create_graph else t._data


def checked(hook: Any, changed: Any, before: Any) -> Any:
    """A gradient that a hook returned, after a look at its type, size and dtype."""
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
        own: nobody else refers to the array `g`.
    """
    before, on = t.grad, t._device
    if create_graph:
        t.grad = g.clone() if before is None else before + g
    elif before is None:
        own = own and on.xp.owns(g)
        t.grad = wrap(g if own else on.xp.asarray(g, copy=True), on)
    elif before._needs:
        t.grad = before + wrap(g, on)
    else:
        before._data = mode.run(on.xp.iadd, before._data, g)
        bump(before)
