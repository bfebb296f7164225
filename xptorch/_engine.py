"""The autograd engine's front: ops are declared here, computed, and recorded in the graph.

An op is a forward function over arrays and, for each differentiable input, a VJP. A VJP's first
parameters are the namespace and the incoming gradient; the names of the others say what is saved:
an input, the output `y`, ``<input>_shape``, ``<input>_dtype``, `aux`, or a static argument.
Under create_graph the same VJPs run on Tensors over the namespace of ops, and are recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

from xptorch._backend import device
from xptorch._grad_mode import mode
from xptorch._graph import Node, Output, clock, mark_view, new, refresh, setup, wrap

OPS: dict[str, Callable[..., Any]] = {}  # every declared op by name; `.op` holds its declaration
HOT: dict[str, Callable[..., Any]] = {}  # every function that a backend may have a kernel for


class Op:
    """A declared operation: its forward, its VJPs and what they save.

    Parameters of the forward before ``*`` are inputs, those behind it are static arguments.
    A forward ``(xp, *arrays, axis)`` takes any number of inputs: its one VJP may name `arrays` (all
    of them) and `shapes`.
    """

    def __init__(self, name: str, forward: Callable[..., Any], vjps: dict[str, Any], **marks: Any):
        code = _code(forward)
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
        self.conjugates: bool = marks["conjugates"]
        unknown = set(vjps) - set(self.inputs)
        assert not unknown, f"{name}: VJPs for {unknown}, which are no inputs"
        self.vjps = [(vjps[n], _names(vjps[n], 2)) if n in vjps else None for n in self.inputs]
        self.steps: list[Any] = [v and _with_saved(*v) for v in self.vjps]
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


def _code(function: Any) -> Any:
    return getattr(function, "__wrapped__", function).__code__


def _names(function: Callable[..., Any], skip: int) -> tuple[str, ...]:
    code = _code(function)
    return code.co_varnames[skip : code.co_argcount]


def _with_saved(vjp: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """A VJP that takes what it names from a dict."""
    if len(names) == 1:  # most do, and the general form costs twice as much
        (name,) = names
        return lambda xp, g, saved: vjp(xp, g, saved[name])
    return lambda xp, g, saved: vjp(xp, g, *[saved[n] for n in names])


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
    conjugates: bool = False,
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
        conjugates: its VJPs are right for complex numbers as they stand; those of other ops are
            taken for holomorphic functions', whose gradient is conj(vjp(conj(g))).
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
        conjugates=conjugates,
    )
    assert name not in OPS, f"op {name!r} is declared twice"

    plain = not (aux or multiple or o.variadic)
    if plain and len(o.inputs) == 1:
        call = _caller_of_one(o)
    elif plain and len(o.inputs) == 2 and not view:
        call = _caller_of_two(o)
    else:
        call = _caller(o)
    call.op = o  # type: ignore[attr-defined]
    call.__name__ = call.__qualname__ = name
    OPS[name] = call
    return call


def hot(generic: Callable[..., Any]) -> Callable[..., Any]:
    """Let a backend's kernel stand in for a function over arrays, which remains its reference.

    A kernel bears the function's name (less its leading ``_``) in `Backend.kernels` and takes its
    arguments less `xp`; it declines what it does not handle by returning NotImplemented.
    """
    name = generic.__name__.lstrip("_")
    HOT[name] = generic

    @wraps(generic)
    def function(xp: Any, *args: Any, **static: Any) -> Any:
        kernel = xp.kernels.get(name)
        if kernel is not None:
            y = kernel(*args, **static)
            if y is not NotImplemented:
                return y
        return generic(xp, *args, **static)

    return function


def either(call: Callable[..., Any]) -> Callable[..., Any]:
    """An op as VJPs call it: its bare forward over arrays, recorded over Tensors."""
    forward = call.op.forward  # type: ignore[attr-defined]

    def function(xp: Any, *inputs: Any, **static: Any) -> Any:
        if xp is setup.namespace:
            return call(*inputs, **static)
        return forward(xp, *inputs, **static)

    return function


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
        try:
            y = mode.run(forward, on.xp, *arrays, **static)
        except Exception as error:
            if o.broadcast:
                _explain(error, arrays)
            raise
        extra = None
        if aux:
            y, extra = y
        if multiple:
            return _finish_multiple(o, inputs, arrays, static, mask, y, on, extra)
        if y.__class__ is not on.ndarray:
            y = on.xp.asarray(y)  # NumPy returns scalars where an array of no dimensions is meant
        out = new(setup.tensor)
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
    forward, view = o.forward, o.view
    differentiable = o.differentiable[0]

    def call(a: Any, **static: Any) -> Any:
        on = a._device
        if a._base is not None:
            refresh(a)
        y = mode.run(forward, on.xp, a._data, **static)
        if y.__class__ is not on.ndarray:
            y = on.xp.asarray(y)
        out = new(setup.tensor)
        out._data = y
        out._device = on
        if view:  # before the node takes `static` for its own
            mark_view(out, a, partial(call, **static))
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
        on: Any = getattr(a, "_device", None)
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
        try:
            z = mode.run(forward, on.xp, x, y, **static)
        except Exception as error:
            if o.broadcast:
                _explain(error, (x, y))
            raise
        if z.__class__ is not on.ndarray:
            z = on.xp.asarray(z)
        out = new(setup.tensor)
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


def _explain(error: Exception, arrays: Sequence[Any]) -> None:
    """Raise PyTorch's error where the array library's says that shapes do not broadcast."""
    try:
        broadcast(*[x.shape for x in arrays if hasattr(x, "shape")])
    except RuntimeError as better:
        raise better from error


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that tensors of these shapes broadcast to.

    Raises:
        RuntimeError: they do not.
    """
    n = max(map(len, shapes))
    result = [1] * n
    for shape in shapes:
        for i, s in zip(range(n - 1, -1, -1), reversed(shape), strict=False):  # as PyTorch looks
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
    node: Node = new(Node)
    node.op = op
    node.order = next(clock)
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
    if len(arrays) == 2:
        x, y = arrays
        if y.__class__ is float or y.__class__ is complex:  # a number has no gradient
            return True
        try:
            return x.shape == y.shape
        except AttributeError:  # the other is a number
            return False
    return len({getattr(x, "shape", None) for x in arrays}) == 1


_CONSTANT = [0]  # the version of a number


def _finish_multiple(
    op: Op,
    inputs: Sequence[Any],
    arrays: Sequence[Any],
    static: dict[str, Any],
    mask: int,
    ys: Sequence[Any],
    on: device,
    aux: Any,
) -> tuple[Any, ...]:
    outs = tuple(wrap(on.xp.asarray(y), on) for y in ys)
    if mask and mode.enabled:
        edges = _edges(inputs, mask)
        parent = _record(op, edges, inputs, arrays, dict(static), mask, on, None, aux)
        parent.outputs = [(t._data.shape, t._data.dtype) for t in outs]
        for i, t in enumerate(outs):
            if t.dtype.is_floating_point or t.dtype.is_complex:
                t._node, t._needs = Output(parent, i), True
    if op.view:
        for i, t in enumerate(outs):
            mark_view(t, inputs[0], partial(_one_of, OPS[op.name], i, static))
    return outs


def _one_of(call: Callable[..., Any], index: int, static: dict[str, Any], x: Any) -> Any:
    return call(x, **static)[index]
