"""Derivatives of functions: grad, vjp, jvp, Jacobians and Hessians.

Each call passes separate inputs to the function: views of those that are already being
differentiated (by an outer transform), detached leaves of the others. Its results keep a graph only
if gradients through them are needed outside.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from xptorch._engine.backward import leaves_of
from xptorch._engine.grad_mode import enable_grad, is_grad_enabled
from xptorch.autograd._backward import grad as backward
from xptorch.autograd._backward import linearized
from xptorch.func._vmap import check_randomness
from xptorch.ops._common import is_tensor
from xptorch.ops.shape import creation, joining
from xptorch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_structure

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


_serials = itertools.count(1)
_running: set[int] = set()  # the passes whose functions are being evaluated


class _Pass:
    """One evaluation of a function on separate inputs, ready to be differentiated."""

    def __init__(self, func: Function, args: Sequence[Any], argnums: Argnums, **kwargs: Any):
        recorded = is_grad_enabled()
        chosen = _chosen(args, argnums)
        leaves, self.rebuild = tree_flatten(chosen)
        serial = next(_serials)
        _running.add(serial)
        try:
            with enable_grad():
                self.inputs = [_own(t, recorded, serial) for t in leaves]
                new = _replaced(args, argnums, self.rebuild.unflatten(self.inputs))
                self.result = func(*new, **kwargs)
        finally:
            _running.discard(serial)
        self.recorded = recorded

    def outputs(self, has_aux: bool, where: str) -> Any:
        """The function's value, without its auxiliary output."""
        if not has_aux:
            return self.result
        if not (isinstance(self.result, tuple) and len(self.result) == 2):
            raise RuntimeError(
                f"{where}: output of function f should be a tuple: (output, aux) if has_aux is True"
            )
        return self.result[0]

    def wanted_outside(self, tensors: Sequence[Any]) -> bool:
        """Whether a leaf of an enclosing pass, or of no pass, may need gradients."""
        serials = (getattr(t, "_pass", 0) for t in leaves_of(tensors))
        return self.recorded and any(not s or s in _running for s in serials)

    def shown(self, tree: Any) -> Any:
        """A result as returned to the caller: detached unless its graph leads outside."""
        return tree_map(
            lambda t: t.detach() if is_tensor(t) and not self.wanted_outside([t]) else t, tree
        )

    def pull(self, outputs: Sequence[Any], vectors: Sequence[Any], record: bool) -> list[Any]:
        """vᵀJ for each input, zeros where the outputs do not depend on it."""
        pairs = [(y, v) for y, v in zip(outputs, vectors, strict=True) if y.requires_grad]
        found: Sequence[Any] = [None] * len(self.inputs)
        if pairs and self.inputs:
            ys, vs = zip(*pairs, strict=True)
            with enable_grad():
                found = backward(
                    ys, self.inputs, vs, retain_graph=True, create_graph=record, allow_unused=True
                )
        pulled = zip(found, self.inputs, strict=True)
        return [creation.zeros_like(x) if g is None else g for g, x in pulled]


def _own(t: Any, recorded: bool, serial: int) -> Any:
    if not is_tensor(t):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(t)}")
    if t.requires_grad and recorded:
        return t.view_as(t)
    leaf = t.detach().requires_grad_()
    leaf._pass = serial
    return leaf


def _chosen(args: Sequence[Any], argnums: Any) -> Any:
    if isinstance(argnums, int) and not isinstance(argnums, bool):
        return args[_position(args, argnums)]
    if not isinstance(argnums, tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    found = [_position(args, i) for i in argnums]
    if not argnums or len(set(found)) != len(found):
        raise RuntimeError(f"argnums must be different positions, at least one, got {argnums}")
    return tuple([args[i] for i in found])


def _position(args: Sequence[Any], i: int) -> int:
    if not -len(args) <= i < len(args):
        raise RuntimeError(f"Got argnum={i}, but only {len(args)} positional inputs")
    return i % len(args)


def _replaced(args: Sequence[Any], argnums: Argnums, chosen: Any) -> list[Any]:
    new = list(args)
    for i, value in [(argnums, chosen)] if isinstance(argnums, int) else zip(
        argnums, chosen, strict=True
    ):  # fmt: skip
        new[i] = value
    return new


def grad_and_value(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of `func`, and its value.

    Args:
        func: returns a scalar tensor, and with `has_aux` an auxiliary output as well.
        argnums: the positional argument to differentiate with respect to, or a tuple of them.
            Each may be a tensor or a nested tuple, list or dict of tensors.
        has_aux: the value is then ``(value, aux)``.

    Raises:
        RuntimeError: `func` does not return a scalar tensor.
    """

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        where = "grad_and_value(f)(*args)"
        run = _Pass(func, args, argnums, **kwargs)
        y = run.outputs(has_aux, where)
        if not is_tensor(y):
            raise RuntimeError(f"{where}: Expected f(*args) to return a Tensor, got {type(y)}")
        if y.ndim:
            raise RuntimeError(
                f"{where}: Expected f(*args) to return a scalar Tensor, got tensor with {y.ndim} "
                "dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
            )
        record = run.wanted_outside([y])
        gradients = run.rebuild.unflatten(run.pull([y], [creation.ones_like(y)], record))
        if not record:
            gradients = tree_map(lambda g: g.detach(), gradients)
        return gradients, run.shown(run.result)

    return wrapper


def grad(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of `func`.

    Args and Raises: as for `grad_and_value`; with `has_aux` the result is ``(gradient, aux)``.

    Example:
        >>> import xptorch as torch
        >>> torch.func.grad(torch.func.grad(torch.sin))(torch.tensor(0.5))
        tensor(-0.4794)
    """
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradients, value = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return wrapper


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The value of `func`, and a function that returns vᵀJ for a vector v shaped like the value.

    Args:
        primals: the arguments; vᵀJ is a tuple with one entry for each.
        has_aux: `func` returns ``(value, aux)``; the result is then ``(value, function, aux)``.
    """
    run = _Pass(func, primals, tuple(range(len(primals))))
    value = run.outputs(has_aux, "vjp(f, *primals)")
    outputs = tree_leaves(value)
    _need_tensors(outputs, "vjp(f, *primals)")

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, wanted = tree_structure(cotangents), tree_structure(value)
        if given != wanted:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {given}, primal output: {wanted}"
            )
        vectors = tree_leaves(cotangents)
        record = create_graph
        if record is None:
            outside = run.wanted_outside(outputs) or any(v.requires_grad for v in vectors)
            record = is_grad_enabled() and outside
        pulled = run.pull(outputs, vectors, record)
        return run.rebuild.unflatten(pulled if record else [g.detach() for g in pulled])

    shown = run.shown(value)
    return (shown, pull, run.shown(run.result[1])) if has_aux else (shown, pull)


def _need_tensors(outputs: Sequence[Any], where: str) -> None:
    for y in outputs:
        if not is_tensor(y):
            raise RuntimeError(
                f"{where}: expected f(*primals) to return only tensors, got "
                f"unsupported type {type(y)}"
            )


def jvp(
    func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """The value of `func`, and Jv for a vector v shaped like its arguments.

    vᵀJ is linear in v, and its derivative with respect to v is the Jacobian.

    Args:
        primals: the arguments, a tuple.
        tangents: v, a tuple of the same structure.
        strict: raise where an output does not depend on the arguments, instead of returning zeros.
        has_aux: `func` returns ``(value, aux)``; aux is then the third result.

    Raises:
        RuntimeError: structures or shapes differ.
    """
    where = "jvp(f, primals, tangents)"
    for name, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, tuple):
            raise RuntimeError(
                f"{where}: Expected {name} to be a tuple. E.g. it should be valid to call "
                "f(*primals)."
            )
    if tree_structure(primals) != tree_structure(tangents):
        raise RuntimeError(
            f"{where}: Expected primals and tangents to have the same python structure. "
            f"{tree_structure(primals)} and {tree_structure(tangents)} differ"
        )
    if not primals:
        raise RuntimeError(f"{where}: Expected primals to contain at least one Tensor.")
    run = _Pass(func, primals, tuple(range(len(primals))))
    value = run.outputs(has_aux, where)
    push = _pusher(run, value, strict)
    products = push(tree_leaves(tangents))
    shown = run.shown(value)
    return (shown, products, run.shown(run.result[1])) if has_aux else (shown, products)


def _pusher(run: _Pass, value: Any, strict: bool = False) -> Callable[[list[Any]], Any]:
    """A function that maps tangents, one for each input leaf, to those of the outputs."""
    outputs, rebuild = tree_flatten(value)
    _need_tensors(outputs, "jvp(f, primals, tangents)")
    with enable_grad():
        _, along = linearized(outputs, run.inputs)

    def push(tangents: list[Any]) -> Any:
        outside = run.wanted_outside(outputs) or any(v.requires_grad for v in tangents)
        record = is_grad_enabled() and outside
        with enable_grad():
            found = along(tangents, record)
        if strict and any(p is None for p in found):
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the "
                "inputs. This is not allowed with strict=True."
            )
        pairs = zip(found, outputs, strict=True)
        filled = [creation.zeros_like(y) if p is None else p for p, y in pairs]
        return rebuild.unflatten(filled if record else [p.detach() for p in filled])

    return push


def linearize(func: Function, *primals: Any) -> tuple[Any, Function]:
    """The value of `func`, and a function that returns Jv at these arguments for any v."""
    run = _Pass(func, primals, tuple(range(len(primals))))
    push = _pusher(run, run.result)

    def along(*tangents: Any) -> Any:
        given, wanted = tree_structure(tangents), tree_structure(primals)
        if given != wanted:
            raise RuntimeError(
                f"Expected the tangents {given} to have the same argspec as the primals {wanted}"
            )
        return push(tree_leaves(tangents))

    return run.shown(run.result), along


def jacrev(
    func: Function,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Function:
    """A function that returns the Jacobian of `func`: (\\*output, \\*input) per pair of leaves.

    Args:
        argnums: the positional argument to differentiate with respect to, or a tuple of them.
        has_aux: `func` returns ``(value, aux)``; the result is then ``(jacobian, aux)``.
        chunk_size: has no effect here; rows are computed one by one.

    Raises:
        ValueError: `chunk_size` is not positive.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        run = _Pass(func, args, argnums, **kwargs)
        value = run.outputs(has_aux, "jacrev(f)(*args)")
        outputs, rebuild = tree_flatten(value)
        _need_tensors(outputs, "jacrev(f)(*args)")
        record = run.wanted_outside(outputs)
        found = rebuild.unflatten([run.rebuild.unflatten(_rows(run, y, record)) for y in outputs])
        return (found, run.shown(run.result[1])) if has_aux else found

    return wrapper


def _rows(run: _Pass, y: Any, record: bool) -> list[Any]:
    """The derivatives of one output with respect to each input."""
    rows = []
    units = creation.eye(y.numel(), dtype=y.dtype, device=y.device)
    for unit in units.reshape(y.numel(), *y.shape).unbind(0) if y.numel() else ():
        rows.append(run.pull([y], [unit], record))
    if not rows:
        return [
            creation.zeros(*y.shape, *x.shape, dtype=x.dtype, device=x.device) for x in run.inputs
        ]
    stacks = [joining.stack(column) for column in zip(*rows, strict=True)]
    stacks = stacks if record else [s.detach() for s in stacks]
    return [s.reshape(*y.shape, *x.shape) for s, x in zip(stacks, run.inputs, strict=True)]


def jacfwd(
    func: Function, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Function:
    """A function that returns the Jacobian of `func`: as `jacrev`, which computes it here too.

    Args:
        argnums: the positional argument to differentiate with respect to, or a tuple of them.
        has_aux: `func` returns ``(value, aux)``; the result is then ``(jacobian, aux)``.
        randomness: has no effect here: the function is evaluated once.
    """
    check_randomness(randomness)
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the second derivatives of `func`: (\\*output, \\*input, \\*input).

    Args:
        argnums: the positional argument to differentiate with respect to, or a tuple of them.
    """
    return jacfwd(jacrev(func, argnums), argnums)
