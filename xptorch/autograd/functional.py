"""Jacobians, Hessians and their products with vectors, of functions of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xptorch._engine.grad_mode import enable_grad, is_grad_enabled, set_grad_enabled
from xptorch.autograd._backward import grad, linearized
from xptorch.ops._common import is_tensor
from xptorch.ops.shape import creation, joining

Tensors = tuple[Any, ...]
Function = Callable[..., Any]


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs of `func`, and the product vᵀJ of a vector with its Jacobian.

    Args:
        func: takes tensors, returns a tensor or a tuple of them.
        inputs: a tensor or a tuple of them.
        v: as the outputs; may be left out for an output of one element.
        create_graph: make both results differentiable.
        strict: raise where an output does not depend on the inputs, instead of returning zeros.
    """
    with enable_grad():
        ins, one_in = _taken(inputs, "inputs", "vjp"), is_tensor(inputs)
        ins = _fresh(ins, create_graph)
        result = func(*ins)
        outs = _outputs(result, "vjp", strict)
        vectors = _vectors(v, outs, is_tensor(result), _NO_V_OUT)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        grads = _filled(_grad(outs, ins, vectors, create_graph), ins, strict, "vjp", create_graph)
    return _given(outs, is_tensor(result), create_graph), _given(grads, one_in, create_graph)


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs of `func`, and the product Jv of its Jacobian with a vector.

    Computed by differentiating twice: vᵀJ is linear in v; its derivative in v is the Jacobian.

    Args:
        func: takes tensors, returns a tensor or a tuple of them.
        inputs: a tensor or a tuple of them.
        v: as the inputs; may be left out for an input of one element.
        create_graph: make both results differentiable.
        strict: raise where an output does not depend on the inputs, instead of returning zeros.
    """
    with enable_grad():
        ins, one_in = _taken(inputs, "inputs", "jvp"), is_tensor(inputs)
        vectors = _vectors(v, ins, one_in, _NO_V_IN)
        ins = _fresh(ins, create_graph)
        result = func(*ins)
        outs = _outputs(result, "jvp", strict)
        pulled, push = linearized(outs, ins)
        _filled(pulled, ins, strict, "jvp", True)
        products = _filled(push(vectors, create_graph), outs, strict, "jvp", create_graph)
    one_out = is_tensor(result)
    return _given(outs, one_out, create_graph), _given(products, one_out, create_graph)


def jacobian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivatives of every element of the outputs with respect to every input element.

    The result has the shape (\\*output, \\*input); for tuples of outputs or inputs it is a tuple
    (of tuples).

    Args:
        func: takes tensors, returns a tensor or a tuple of them.
        inputs: a tensor or a tuple of them.
        create_graph: make the result differentiable.
        strict: raise where an output does not depend on an input, instead of returning zeros.
        vectorize: has no effect here; rows are computed one by one.
        strategy: has no effect here; the result is computed in reverse mode.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    if strict and vectorize:
        raise RuntimeError(
            "xptorch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only "
            "implemented for `vectorize=True`."
        )
    with enable_grad():
        ins, one_in = _taken(inputs, "inputs", "jacobian"), is_tensor(inputs)
        ins = _fresh(ins, create_graph)
        result = func(*ins)
        outs = _outputs(result, "jacobian", strict)
        rows = tuple(_rows(out, i, ins, create_graph, strict) for i, out in enumerate(outs))
    columns = [row[0] if one_in else row for row in rows]
    return columns[0] if is_tensor(result) else tuple(columns)


def _rows(out: Any, i: int, ins: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """The derivatives of one output with respect to each input."""
    found: list[list[Any]] = [[] for _ in ins]
    for k in range(out.numel()):
        one = creation.zeros(out.numel(), dtype=out.dtype, device=out.device)
        one._data = one._device.xp.assign(one._data, k, 1)
        grads = _grad((out,), ins, (one.reshape(out.shape),), create_graph)
        for j, g in enumerate(grads):
            if strict and g is None:
                raise RuntimeError(
                    f"Output {i} of the user-provided function is independent of input {j}. This "
                    "is not allowed in strict mode."
                )
            if strict and create_graph and not g.requires_grad:
                raise RuntimeError(
                    "The jacobian of the user-provided function is independent of input "
                    f"{j}. This is not allowed in strict mode when create_graph=True."
                )
            found[j].append(creation.zeros_like(ins[j]) if g is None else g)
    empty = [creation.zeros(0, *t.shape, dtype=t.dtype, device=t.device) for t in ins]
    stacks = [joining.stack(gs) if gs else zero for gs, zero in zip(found, empty, strict=True)]
    return tuple(s.reshape(*out.shape, *t.shape) for s, t in zip(stacks, ins, strict=True))


def hessian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function of one output element.

    The result has the shape (\\*input, \\*input), or is a tuple of tuples for a tuple of inputs.
    Arguments as for `jacobian`.
    """
    one_in = is_tensor(inputs)

    def single(*args: Any) -> Any:
        out = func(*args)
        _one_element(out, "hessian", strict)
        return out

    def first(*args: Any) -> Any:
        rows = jacobian(single, args, create_graph=True)
        for i, row in enumerate(rows):
            if strict and not row.requires_grad:
                raise RuntimeError(
                    "While computing the hessian, found that the jacobian of the user-provided "
                    f"function with respect to input {i} is independent of the input. This is not "
                    "allowed in strict mode. You should ensure that your function is twice "
                    "differentiable and that the jacobian depends on the inputs (this would be "
                    "violated by a linear function for example)."
                )
        flat = tuple(r.reshape(a.shape) for r, a in zip(rows, args, strict=True))
        return flat[0] if one_in else flat

    return jacobian(first, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


def vhp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output of `func` (one element), and the product vᵀH with its Hessian.

    Arguments as for `jvp`.
    """
    with enable_grad():
        ins, one_in = _taken(inputs, "inputs", "vhp"), is_tensor(inputs)
        vectors = _vectors(v, ins, one_in, _NO_V_IN)
        ins = _fresh(ins, create_graph)
        out = func(*ins)
        _one_element(out, "vhp", strict)
        first = _filled(_grad((out,), ins, None, True), ins, strict, "vhp", True)
        products = _filled(
            _grad(first, ins, vectors, create_graph), ins, strict, "vhp", create_graph
        )
    return _given((out,), True, create_graph), _given(products, one_in, create_graph)


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output of `func` (one element), and the product Hv with its Hessian.

    The same as `vhp` transposed, and as expensive here. Arguments as for `jvp`.
    """
    with enable_grad():
        ins, one_in = _taken(inputs, "inputs", "hvp"), is_tensor(inputs)
        vectors = _vectors(v, ins, one_in, _NO_V_IN)
        ins = _fresh(ins, create_graph)
        out = func(*ins)
        _one_element(out, "hvp", strict)
        first = _filled(_grad((out,), ins, None, True), ins, strict, "hvp", True)
        dummies = tuple(creation.zeros_like(t, requires_grad=True) for t in ins)
        second = _filled(_grad(first, ins, dummies, True), ins, strict, "hvp", True)
        products = _filled(
            _grad(second, dummies, vectors, create_graph), ins, strict, "hvp", create_graph
        )
    return _given((out,), True, create_graph), _given(products, one_in, create_graph)


# ---- arguments and results

_NO_V_OUT = (
    "The vector v can only be None if the user-provided function returns a single Tensor with a "
    "single element."
)
_NO_V_IN = (
    "The vector v can only be None if the input to the user-provided function is a single Tensor "
    "with a single element."
)


def _taken(given: Any, what: str, function: str) -> Tensors:
    """A tensor or a tuple of them, as a tuple."""
    kind = f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the"
    if what != "inputs":
        kind = (
            f"The {what} of the user-provided function given to {function} must be either a "
            "Tensor or a tuple of Tensors but the"
        )
    given_name = f"given {what}" + ("" if what == "inputs" else " of the user-provided function")
    values = given if isinstance(given, tuple) else (given,)
    for i, t in enumerate(values):
        if not is_tensor(t):
            which = f"value at index {i}" if isinstance(given, tuple) else given_name
            raise TypeError(f"{kind} {which} has type {type(t)}.")
    return values


def _fresh(ins: Tensors, create_graph: bool) -> Tensors:
    """The inputs as separate tensors that require gradients."""
    if create_graph:
        return tuple(t.view_as(t) if t.requires_grad else t.clone().requires_grad_() for t in ins)
    return tuple(t.detach().requires_grad_() for t in ins)


def _outputs(result: Any, function: str, strict: bool) -> Tensors:
    outs = _taken(result, "outputs", function)
    for i, t in enumerate(outs):
        if strict and not t.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs "
                "must be computed in a differentiable manner from the input when running in strict "
                "mode."
            )
    return outs


def _one_element(out: Any, function: str, strict: bool) -> None:
    if isinstance(out, tuple):
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    (t,) = _outputs(out, function, strict)
    if t.numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {function} should contain a single "
            "element"
        )


def _vectors(v: Any, likes: Tensors, single: bool, message: str) -> Tensors:
    """The vectors, after a check that they have the shapes of their tensors."""
    if v is None:
        if not single or likes[0].numel() != 1:
            raise RuntimeError(message)
        return (creation.ones_like(likes[0]),)
    values = v if isinstance(v, tuple) else (v,)
    if len(values) != len(likes):
        if single:
            raise RuntimeError("The given v should contain a single Tensor.")
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(likes)} but got {len(values)}."
        )
    for i, (vector, like) in enumerate(zip(values, likes, strict=True)):
        if vector.shape != like.shape:
            place = "" if single else f"Entry {i} in "
            raise RuntimeError(
                f"{place}v has invalid size: should be {like.shape} but got {vector.shape}."
            )
    return values


def _grad(outs: Sequence[Any], ins: Tensors, vectors: Any, create_graph: bool) -> Tensors:
    """The gradients, None where there are none; outputs without a graph are ignored."""
    vectors = [None] * len(outs) if vectors is None else vectors
    pairs = [(t, v) for t, v in zip(outs, vectors, strict=True) if t.requires_grad]
    if not pairs:
        return (None,) * len(ins)
    tensors, grads = zip(*pairs, strict=True)
    return grad(
        tensors, ins, grads, retain_graph=True, create_graph=create_graph, allow_unused=True
    )


def _filled(
    grads: Sequence[Any], likes: Tensors, strict: bool, function: str, create_graph: bool
) -> Tensors:
    """Missing gradients replaced by zeros, or in strict mode an error."""
    if strict:
        for i, g in enumerate(grads):
            if g is None or (create_graph and not g.requires_grad):
                raise RuntimeError(
                    f"While computing the {function}, the output of the user-provided function is "
                    f"independent of input {i}. This is not allowed in strict mode."
                )
    return tuple(
        creation.zeros_like(t) if g is None else g for g, t in zip(grads, likes, strict=True)
    )


def _given(tensors: Tensors, single: bool, create_graph: bool) -> Any:
    """The results, detached unless `create_graph`, as a tensor or a tuple."""
    out = tensors if create_graph else tuple(t.detach() for t in tensors)
    return out[0] if single else out
