"""The autograd engine's front end: ops are declared here; codegen.py generates their functions.

An op is a forward function over arrays and, for each differentiable input, a VJP (vector-Jacobian
product). A VJP's first parameters are the namespace and the incoming gradient; the names of the
others specify what is saved: an input, the output `y`, ``<input>_shape``, ``<input>_dtype``, `aux`,
or a static argument. Under create_graph the same VJPs are called with Tensors and the namespace of
ops, and are recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from xptorch._core.mode import local, ops_by_forward
from xptorch._engine.codegen import backward_source, compiled_lazily, forward_source
from xptorch._engine.graph import (
    Node,
    different_devices,
    new,
    refresh,
    sequence_counter,
    setup,
    wrap,
)

OPS: dict[str, Callable[..., Any]] = {}  # every op by name; `.op` is its declaration
KERNEL_POINTS: dict[str, Callable[..., Any]] = {}  # functions that kernels may replace


class Op:
    """A declared operation: its forward, its VJPs and what is saved for them.

    Parameters of the forward before ``*`` are inputs, those after it are static arguments.
    A forward ``(xp, *arrays, axis)`` takes any number of inputs; its one VJP may use `shapes`.
    """

    def __init__(self, name: str, forward: Callable[..., Any], vjps: dict[str, Any], **marks: Any):
        code = _code(forward)
        count = code.co_argcount + code.co_kwonlyargcount
        self.name, self.forward = name, forward
        self.inputs = code.co_varnames[1 : code.co_argcount]
        self.static_names = code.co_varnames[code.co_argcount : count]
        self.variadic = bool(code.co_flags & 0x04)
        self.joint_vjp: Callable[..., Any] | None = marks["vjp"]
        self.reference: Callable[..., Any] | None = marks["reference"]
        self.broadcast: bool = marks["broadcast"]
        self.aux: bool = marks["aux"]
        self.view: bool = marks["view"]
        self.multiple: bool = marks["multiple"]
        self.conjugates: bool = marks["conjugates"]
        self.operator: Callable[..., Any] | None = marks["operator"]
        unknown = set(vjps) - set(self.inputs)
        assert not unknown, f"{name}: VJPs for {unknown}, which are no inputs"
        self.vjps = [(vjps[n], _names(vjps[n], 2)) if n in vjps else None for n in self.inputs]
        self.joint_names = _names(self.joint_vjp, 3) if self.joint_vjp else ()
        has_vjp = [self.joint_vjp is not None or vjp is not None for vjp in self.vjps]
        self.differentiable_mask = sum(1 << i for i, has in enumerate(has_vjp) if has)
        self.saves = [  # (name, kind, input, bit mask of the inputs whose gradients need it)
            (*source, mask)
            for name, mask in self._named().items()
            if (source := self._source(name)) is not None
        ]
        self.call = _variadic_call(self) if self.variadic else compiled_lazily(self, forward_source)
        self.backward = compiled_lazily(self, backward_source)

    def _named(self) -> dict[str, int]:
        """The names that VJPs use, each with the bit mask of the inputs whose VJPs use it."""
        named = dict.fromkeys(self.joint_names, self.differentiable_mask)
        for i, vjp in enumerate(self.vjps):
            for name in vjp[1] if vjp is not None else ():
                named[name] = named.get(name, 0) | 1 << i
        if self.reference is not None:
            named |= dict.fromkeys(self.inputs, self.differentiable_mask)
        return named

    def plan(self, mask: int) -> list[tuple[str, str, int]]:
        """What to save when the inputs in the bit mask need gradients: (name, kind, input)."""
        return [(name, kind, i) for name, kind, i, wanted in self.saves if wanted & mask]

    def _source(self, name: str) -> tuple[str, str, int] | None:
        if name in self.inputs:
            return name, "input", self.inputs.index(name)
        if name in ("y", "aux") or (self.variadic and name == "shapes"):
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
    operator: Callable[..., Any] | None = None,
    **vjps: Callable[..., Any],
) -> Callable[..., Any]:
    """Declare an operation; the result is called with Tensors and static keyword arguments.

    Args:
        name: its name among the ops: the array API's where it has one.
        forward: ``f(xp, *inputs, *, **static)`` over arrays.
        vjp: one VJP for all inputs, ``v(xp, g, needs, <names>)``, that returns a tuple.
        reference: the same function composed of plain ops, for higher derivatives.
        broadcast: inputs broadcast against each other; gradients are summed to the inputs' shapes.
        aux: forward returns (y, aux), where aux is for VJPs only.
        view: the output may share the first input's memory.
        multiple: forward returns a tuple of outputs; `g` is a tuple.
        conjugates: its VJPs are correct for complex values as they are; other ops are taken for
            holomorphic functions, whose gradient is conj(vjp(conj(g))).
        operator: the Python operator that computes the same on two floating-point arrays, such as
            `operator.mul`.
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
        operator=operator,
    )
    assert name not in OPS, f"op {name!r} is declared twice"

    o.call.op = o  # type: ignore[attr-defined]
    o.call.__name__ = o.call.__qualname__ = name
    OPS[name], ops_by_forward[forward] = o.call, o
    return o.call


def dispatchable(generic: Callable[..., Any]) -> Callable[..., Any]:
    """Let a backend's kernel replace a function over arrays, which remains its reference.

    A kernel's key in `Backend.kernels` is the function's name without leading ``_``; it takes the
    same arguments without `xp`, and returns NotImplemented for what it does not handle.
    """
    name = generic.__name__.lstrip("_")
    KERNEL_POINTS[name] = generic

    @wraps(generic)
    def function(xp: Any, *args: Any, **static: Any) -> Any:
        kernel = xp.kernels.get(name)
        if kernel is not None:
            y = kernel(*args, **static)
            if y is not NotImplemented:
                return y
        return generic(xp, *args, **static)

    return function


def polymorphic(call: Callable[..., Any]) -> Callable[..., Any]:
    """An op for use in VJPs: its bare forward on arrays, the recorded op on Tensors."""
    forward = call.op.forward  # type: ignore[attr-defined]

    def function(xp: Any, *inputs: Any, **static: Any) -> Any:
        if xp is setup.namespace:
            return call(*inputs, **static)
        return forward(xp, *inputs, **static)

    return function


def _variadic_call(o: Op) -> Callable[..., Any]:
    """The function that computes and records an op with any number of inputs."""
    forward = o.forward

    def call(*inputs: Any, **static: Any) -> Any:
        on = inputs[0]._device
        for t in inputs:
            if t._device is not on:
                raise different_devices(on, t._device)
            if t._base is not None:
                refresh(t)
        arrays = [t._data for t in inputs]
        out = wrap(local.mode.run(forward, on.xp, *arrays, **static), on)
        if local.mode.enabled and any(t._requires_grad for t in inputs):
            node = out._node = new(Node)
            out._requires_grad = True
            node.op, node.device, node.sequence_nr = o, on, next(sequence_counter)
            node.edges = tuple([t._node or t if t._requires_grad else None for t in inputs])
            node.saved = {**static, "shapes": [x.shape for x in arrays]}
            node.versions, node.hooks, node.outputs = [], None, None
            if setup.on_new_node is not None:
                setup.on_new_node(node)
        return out

    return call
