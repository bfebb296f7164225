"""The functions that compute, record and differentiate an op, generated for each op as source code.

They are what one would write by hand for `multiply`, or for `tanh`. Generic functions for all ops
would loop over the inputs, and over a plan of what to save, at every call: a third more time.
``print(codegen.forward_source(OPS["multiply"].op))`` shows one.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

from xptorch._core.device import device
from xptorch._core.mode import local
from xptorch._engine.graph import (
    Node,
    OutputNode,
    broadcast,
    different_devices,
    mark_view,
    new,
    refresh,
    sequence_counter,
    setup,
    sum_to,
    wrap,
)

if TYPE_CHECKING:
    from xptorch._engine.op import Op


def compiled_lazily(op: Op, source: Callable[[Op], str], **names: Any) -> Callable[..., Any]:
    """A function of that source, which is generated at its first call: programs use few ops.

    Args:
        **names: globals of the source, besides those common to all ops.
    """
    function = FunctionType(_placeholder.__code__, names, op.name)
    names["write"] = partial(_compile, function, op, source)
    return function


def _placeholder(*args: Any, **static: Any) -> Any:
    # Its globals are `names` in `compiled_lazily`.
    return write()(*args, **static)  # type: ignore[name-defined]  # noqa: F821


def _compile(function: FunctionType, op: Op, source: Callable[[Op], str]) -> Any:
    """Generate and compile an op's function: its code replaces the placeholder's."""
    text, file = source(op), f"<{source.__name__}({op.name})>"
    linecache.cache[file] = len(text), None, text.splitlines(True), file  # for tracebacks
    names = function.__globals__
    names.update(_NAMES, _op=op, _call=op.call, _forward=op.forward)
    names.update(_operator=op.operator, _joint_vjp=op.joint_vjp)
    names.update({f"_to_{n}": v[0] for n, v in zip(op.inputs, op.vjps, strict=True) if v})
    exec(compile(text, file, "exec"), names)
    function.__code__ = names["function"].__code__
    return function


# ---- called by the generated code


def _explain(error: Exception, arrays: Sequence[Any]) -> None:
    """Raise PyTorch's error if the array library's was about shapes that do not broadcast."""
    try:
        broadcast(*[x.shape for x in arrays if hasattr(x, "shape")])
    except RuntimeError as better:
        raise better from error


def _new_counter(t: Any) -> list[int]:
    """A version counter for a tensor that has none yet."""
    counter: list[int] = [0]
    t._version_counter = counter
    return counter


def _several(ys: Sequence[Any], on: device) -> tuple[Any, ...]:
    """The outputs of an op that has several, as tensors."""
    return tuple([wrap(on.xp.asarray(y), on) for y in ys])


def _set_output_edges(outs: Sequence[Any], node: Node) -> None:
    """Set the gradient edge of each of several outputs to its output slot of the node."""
    node.outputs = [(t._data.shape, t._data.dtype) for t in outs]
    for i, t in enumerate(outs):
        if t.dtype.is_floating_point or t.dtype.is_complex:
            t._node, t._requires_grad = OutputNode(node, i), True


def _mark_views(outs: Sequence[Any], source: Any, replay: Callable[..., Any]) -> None:
    """`mark_view` for each of several outputs."""
    for i, t in enumerate(outs):
        mark_view(t, source, partial(_one_of, replay, i))


def _one_of(replay: Callable[..., Any], index: int, x: Any) -> Any:
    return replay(x)[index]


def _unbroadcast(xp: Any, grads: Sequence[Any], shapes: Sequence[Any]) -> list[Any]:
    """Gradients of broadcast inputs, summed to the inputs' shapes."""
    return [
        x if x is None or s is None or x.shape == s else sum_to(xp, x, s)
        for x, s in zip(grads, shapes, strict=True)
    ]


_NAMES = {
    "_local": local,
    "_new": new,
    "_setup": setup,
    "_Node": Node,
    "_sequence_counter": sequence_counter,
    "_refresh": refresh,
    "_mark_view": mark_view,
    "_mark_views": _mark_views,
    "_partial": partial,
    "_different": different_devices,
    "_explain": _explain,
    "_new_counter": _new_counter,
    "_constant": [0],  # the version counter of Python numbers
    "_numbers": {bool, complex, float, int},
    "_several": _several,
    "_set_output_edges": _set_output_edges,
    "_unbroadcast": _unbroadcast,
}


# ---- computing and recording: ``function(*inputs, **static)``


def forward_source(op: Op) -> str:
    """The source of an op's function: `a_data` is the array of input `a`; `_…` is internal."""
    return "\n".join(_call(op)) + "\n"


def _call(op: Op) -> Iterator[str]:
    star = ", *, " if op.static_names else ""
    yield f"def function({', '.join(op.inputs)}{star}{', '.join(op.static_names)}):"
    yield from _unpack(op)
    arrays = ", ".join(f"{n}_data" for n in op.inputs)
    yield from _compute(op, "_forward, _on.xp", [f"_explain(error, [{arrays}])", "raise"])


def operator_source(op: Op) -> str:
    """The source of what ``a * b`` calls: the op itself, or `_otherwise` in all but the usual case.

    Usually both operands are tensors of one floating dtype on one device: no type promotion.
    """
    return "\n".join(_operator(op)) + "\n"


def _operator(op: Op) -> Iterator[str]:
    a, b = op.inputs
    yield f"def function({a}, {b}):"
    yield f"    if {b}.__class__ in _numbers:"
    yield f"        return _otherwise({a}, {b})"
    yield "    try:"
    yield f"        _on, {a}_data, {b}_data = {a}._device, {a}._data, {b}._data"
    yield f"        _dtype = {a}_data.dtype"
    yield f"        _alike = {b}_data.dtype is _dtype and {b}._device is _on"
    yield "    except AttributeError:"
    yield "        _alike = False"
    yield "    if not _alike or _dtype not in _on.floating:"
    yield f"        return _otherwise({a}, {b})"
    for name in op.inputs:
        yield f"    if {name}._base is not None:"
        yield f"        _refresh({name})"
        yield f"    {name}_needs_grad = {name}._requires_grad"
    # `_otherwise` raises the error if shapes do not broadcast.
    yield from _compute(op, "_operator", [f"return _otherwise({a}, {b})"])


def _compute(op: Op, forward: str, rescue: Sequence[str]) -> Iterator[str]:
    """Compute the output from the inputs' arrays, and record it; `rescue` on broadcast errors."""
    arrays = ", ".join(f"{n}_data" for n in op.inputs)
    static = "".join(f", {n}={n}" for n in op.static_names)
    yield "    _mode = _local.mode"
    run = f"{'_y, _aux' if op.aux else '_y'} = _mode.run({forward}, {arrays}{static})"
    if op.broadcast:
        yield "    try:"
        yield f"        {run}"
        yield "    except Exception as error:"
        yield from [f"        {line}" for line in rescue]
    else:
        yield f"    {run}"
    if op.multiple:
        yield "    _out = _several(_y, _on)"
    else:
        yield "    if _y.__class__ is not _on.ndarray:"  # where NumPy returns a scalar
        yield "        _y = _on.xp.asarray(_y)"
        yield "    _out = _new(_setup.tensor)"
        yield "    _out._data = _y"
        yield "    _out._device = _on"
    if op.view:
        mark = "_mark_views" if op.multiple else "_mark_view"
        yield f"    {mark}(_out, {op.inputs[0]}, _partial(_call{static}))"
    if op.differentiable_mask:
        yield from _record(op)
    yield "    return _out"


def _unpack(op: Op) -> Iterator[str]:
    """The inputs' device and arrays, and which of them need gradients."""
    if len(op.inputs) == 1:
        yield f"    _on = {op.inputs[0]}._device"
        yield from _unpack_tensor(op.inputs[0], bool(op.differentiable_mask), "    ")
        return
    for i, name in enumerate(op.inputs):
        where = "_where" if i else "_on"
        yield f'    {where} = getattr({name}, "_device", None)'
        yield f"    if {where} is None:"  # a number, or None for an omitted input
        yield f"        {name}_data, {name}_needs_grad = {name}, False"
        yield "    else:"
        if i:
            yield "        if _where is not _on:"
            yield "            if _on is not None:"
            yield "                raise _different(_on, _where)"
            yield "            _on = _where"
        yield from _unpack_tensor(name, bool(op.differentiable_mask >> i & 1), " " * 8)


def _unpack_tensor(name: str, differentiable: bool, indent: str) -> Iterator[str]:
    yield f"{indent}{name}_data = {name}._data"
    yield f"{indent}if {name}._base is not None:"
    yield f"{indent}    _refresh({name})"
    if differentiable:
        yield f"{indent}{name}_needs_grad = {name}._requires_grad"


def _any_needs_grad(op: Op, mask: int) -> str:
    """The condition that one of the inputs in the bit mask needs a gradient."""
    return " or ".join(f"{n}_needs_grad" for i, n in enumerate(op.inputs) if mask >> i & 1)


def _record(op: Op) -> Iterator[str]:
    """Create the node and save in it what the VJPs of the inputs that need gradients use."""
    named = [(n, op.differentiable_mask >> i & 1) for i, n in enumerate(op.inputs)]
    edges = [f"{n}._node or {n} if {n}_needs_grad else None" if has else "None" for n, has in named]
    yield f"    if ({_any_needs_grad(op, op.differentiable_mask)}) and _mode.enabled:"
    yield "        _node = _new(_Node)"
    yield "        _node.op = _op"
    yield "        _node.sequence_nr = next(_sequence_counter)"
    yield "        _node.device = _on"
    yield "        _node.hooks = _node.outputs = None"
    yield f"        _node.edges = ({', '.join(edges)},)"
    yield f"        _node.saved = _saved = {{{', '.join(f'{n!r}: {n}' for n in op.static_names)}}}"
    yield "        _node.versions = _versions = []"
    for name, kind, index, mask in op.saves:
        indent = " " * 8
        if mask != op.differentiable_mask:
            yield f"        if {_any_needs_grad(op, mask)}:"
            indent += " " * 4
        for line in _save(name, kind, op.inputs[index]):
            yield indent + line
    if op.broadcast:
        unlike = [f"{n}_needs_grad and {n}_data.shape != _y.shape" for n, has in named if has]
        shapes = [
            f"{n}_data.shape if {n}_needs_grad else None" if has else "None" for n, has in named
        ]
        yield f"        if {' or '.join(unlike)}:"
        yield f'            _saved["shapes"] = ({", ".join(shapes)},)'
    if op.multiple:
        yield "        _set_output_edges(_out, _node)"
    else:
        yield "        _out._node = _node"
        yield "        _out._requires_grad = True"
    yield "        if _setup.on_new_node is not None:"
    yield "            _setup.on_new_node(_node)"


def _save(name: str, kind: str, source: str) -> Iterator[str]:
    """Save an array, with its version to detect in-place changes; or an array's shape or dtype."""
    if kind == "input":
        yield f'_saved["{name}"] = {name}_data'
        counter = f"{name}._version_counter or _new_counter({name})"
        yield f"_counter = _constant if {name}_data is {name} else {counter}"
        yield "_versions.append((_counter, _counter[0]))"
    elif kind == "y":
        yield '_saved["y"] = _y'
        yield "_counter = _out._version_counter = [0]"
        yield "_versions.append((_counter, 0))"
    elif kind == "aux":
        yield '_saved["aux"] = _aux'
    else:
        yield f'_saved["{name}"] = {source}_data.{kind}'


# ---- differentiating: ``function(node, xp, g, saved)``, from what the node saved


def backward_source(op: Op) -> str:
    """The source of the function that returns all inputs' gradients, None where not needed."""
    return "\n".join(_backward(op)) + "\n"


def _backward(op: Op) -> Iterator[str]:
    yield "def function(node, xp, g, saved):"
    yield "    edges = node.edges"
    if op.joint_vjp is not None:
        needs = "tuple([e is not None for e in edges])"
        yield f"    grads = _joint_vjp(xp, g, {needs}{_saved_args(op.joint_names)})"
    else:
        calls = [
            f"_to_{name}(xp, g{_saved_args(vjp[1])}) if edges[{i}] is not None else None"
            if vjp
            else "None"
            for i, (name, vjp) in enumerate(zip(op.inputs, op.vjps, strict=True))
        ]
        yield f"    grads = ({', '.join(calls)},)"
    if op.broadcast:
        yield '    if "shapes" in saved:'
        yield '        return _unbroadcast(xp, grads, saved["shapes"])'
    yield "    return grads"


def _saved_args(names: Sequence[str]) -> str:
    return "".join(f', saved["{n}"]' for n in names)
