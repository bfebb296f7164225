"""Function: user-defined operations, with a forward and a backward in Python."""

from __future__ import annotations

import functools
import inspect
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from xptorch._core.dtype import FLOAT
from xptorch._core.mode import local
from xptorch._engine import graph, inplace
from xptorch._engine.grad_mode import no_grad
from xptorch._engine.graph import Node
from xptorch.autograd import anomaly_mode
from xptorch.ops._common import is_tensor


class FunctionCtx:
    """What `forward` passes to `backward`: saved tensors, flags, and any attributes you set."""

    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads: bool = True
    _to_save: Sequence[Any] = ()
    _dirty: tuple[Any, ...] = ()
    _constant: tuple[Any, ...] = ()
    _saved: Sequence[Callable[[], Any]] | None = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Save tensors (inputs, outputs or others; None is allowed) for `backward`.

        Raises:
            TypeError: an argument is not a tensor.
        """
        for i, t in enumerate(tensors):
            if t is not None and not is_tensor(t):
                raise TypeError(
                    "save_for_backward can only save variables, but argument "
                    f"{i} is of type {type(t).__name__}"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to `save_for_backward`.

        Raises:
            RuntimeError: the graph was freed, or a tensor was changed in place since.
        """
        if self._saved is None:
            raise RuntimeError(graph.FREED)
        return tuple(unpack() for unpack in self._saved)

    def mark_dirty(self, *args: Any) -> None:
        """Declare which inputs `forward` changes in place; it must return them."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Declare through which outputs no gradient flows."""
        self._constant = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros (the default) or None for unused outputs."""
        self.materialize_grads = value


class _BackwardNode(Node):
    """The graph node of a Function call; its context's attributes are also its own."""

    __slots__ = ("ctx", "function", "likes")
    ctx: FunctionCtx
    function: type[Function]
    likes: list[Any]  # each argument's shape, dtype and device; None for non-tensors

    def __init__(self, function: type[Function], ctx: FunctionCtx, inputs: Sequence[Any]) -> None:
        tensors = [t for t in inputs if is_tensor(t)]
        super().__init__(f"{function.__name__}Backward", (), tensors[0]._device)
        self.function, self.ctx = function, ctx
        self.edges = tuple(
            graph.gradient_edge(t) if needed else None
            for t, needed in zip(inputs, ctx.needs_input_grad, strict=True)
        )
        self.likes = [
            (t._data.shape, t._data.dtype, t._device) if is_tensor(t) else None for t in inputs
        ]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("ctx", "op"):
            raise AttributeError(name)
        return getattr(self.ctx, name)

    def __repr__(self) -> str:
        return f"<xptorch.autograd.function.{self.name()} object at {id(self):#x}>"

    def free(self) -> None:
        if self.ctx._saved:
            self.ctx._saved = None

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        slots = (g,) if self.outputs is None else g
        given = [x if x is None or create_graph else graph.as_tensor(x, self.device) for x in slots]
        returned = self.function._backward()(self.ctx, *given)
        gradients = _as_tuple(returned)
        if len(gradients) < len(self.edges) or any(
            x is not None for x in gradients[len(self.edges) :]
        ):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients "
                f"(expected {len(self.edges)}, got {len(gradients)})"
            )
        return [
            self._fitted(i, x, create_graph) for i, x in enumerate(gradients[: len(self.edges)])
        ]

    def _fitted(self, i: int, x: Any, create_graph: bool) -> Any:
        """A gradient that `backward` returned, checked, with the shape and dtype of its input."""
        if x is None:
            return None
        if not is_tensor(x):
            raise RuntimeError(f"expected Variable or None (got {type(x).__name__})")
        if self.likes[i] is None:
            raise RuntimeError(
                f"function {self.name()} returned a gradient different than None at position "
                f"{i + 1}, but the corresponding forward input was not a Variable"
            )
        if self.edges[i] is None:
            return None
        shape, dtype, on = self.likes[i]
        wrong = f"Function {self.name()} returned an invalid gradient at index {i}"
        if x._device is not on:
            raise RuntimeError(f"{wrong} - expected device {on} but got {x._device}")
        if x._data.shape != shape:
            if not _expandable(shape, x._data.shape):
                got, expected = list(x._data.shape), list(shape)
                raise RuntimeError(
                    f"{wrong} - got {got} but expected shape compatible with {expected}"
                )
            x = graph.sum_to(graph.setup.namespace, x, shape)
        if x._data.dtype != dtype:
            x = x.to(on.dtype_of[dtype])
        return x if create_graph else x._data


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list):
        return tuple(value)
    return value if isinstance(value, tuple) else (value,)


def _expandable(shape: Sequence[int], to: Sequence[int]) -> bool:
    """Whether `shape` broadcasts to `to`."""
    if len(shape) > len(to):
        return False
    return all(a in (1, b) for a, b in zip(reversed(shape), reversed(to), strict=False))


class Function:
    """A custom operation: subclass it, write `forward` and `backward`, call `apply`.

    ``forward(ctx, *args)`` computes on tensors outside the graph and returns a tensor or a tuple;
    ``backward(ctx, *grads)`` gets the gradient of each output and returns one for each argument
    (None where there is none). Alternatively, write ``forward(*args)`` and
    ``setup_context(ctx, inputs, output)``. Written with differentiable operations, `backward` can
    itself be differentiated.

    >>> import xptorch as torch
    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x ** 2
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    generate_vmap_rule: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself. Instantiating an autograd "
            "function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs: ``forward(ctx, *args)``; ``forward(*args)`` with setup_context."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Save what `backward` needs, for a `forward` that takes no `ctx`."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    vjp = backward  # an alternative name to define it under

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Forward-mode derivatives are not supported."""
        raise NotImplementedError("autograd.Function.jvp: forward-mode AD is not supported")

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """vmap is not supported."""
        raise NotImplementedError("autograd.Function.vmap: vmap is not supported")

    @classmethod
    def _backward(cls) -> Callable[..., Any]:
        has_backward = cls.backward is not Function.backward
        has_vjp = cls.vjp is not Function.vjp
        if has_backward and has_vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
                "should only implement one of them."
            )
        return cls.vjp if has_vjp else cls.backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and record it if an argument requires gradients."""
        separate = cls.setup_context is not Function.setup_context
        if separate:
            args = _bound(cls.forward, args, kwargs)
        elif kwargs:
            name = next(iter(kwargs))
            raise TypeError(f"forward() got an unexpected keyword argument {name!r}")
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(is_tensor(a) and a.requires_grad for a in args)
        recording = local.mode.enabled and any(ctx.needs_input_grad)
        with no_grad():
            output = cls.forward(*args) if separate else cls.forward(ctx, *args)
            if separate:
                cls.setup_context(ctx, args, output)
        return _finished(cls, ctx, args, output, recording)


def _bound(forward: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, ...]:
    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def _finished(
    cls: type[Function], ctx: Any, args: tuple[Any, ...], output: Any, recording: bool
) -> Any:
    """Attach the outputs to the graph, and store the saved tensors in the context."""
    several = isinstance(output, tuple)
    outputs = output if several else (output,)
    for t in ctx._dirty:
        if not any(t is out for out in outputs):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as "
                "output. The inputs that are modified inplace must all be outputs of the Function."
            )
        inplace.check_writable(t)
    node = None
    if recording:
        node = _BackwardNode(cls, ctx, args)
        anomaly_mode.note(node)
        node.device = next((t._device for t in outputs if is_tensor(t)), node.device)
        if several:
            node.outputs = [_like(ctx, t) for t in outputs]
    made = [_attached(ctx, node, i, out, args) for i, out in enumerate(outputs)]
    if node is not None:
        _pack(ctx, node, args, outputs, made)
    ctx._to_save = ctx._dirty = ctx._constant = ()
    return tuple(made) if several else made[0]


def _like(ctx: Any, t: Any) -> Any:
    """The shape and dtype of zeros for an unused output; None if not materialized."""
    return (t._data.shape, t._data.dtype) if ctx.materialize_grads and is_tensor(t) else None


def _attached(ctx: Any, node: _BackwardNode | None, i: int, out: Any, args: Sequence[Any]) -> Any:
    """An output as returned to the caller: the tensor from `forward`, attached to the graph."""
    if not is_tensor(out):
        return out
    dirty = any(out is t for t in ctx._dirty)
    if dirty:
        graph.bump_version(out)
    elif any(out is a for a in args) or (out._requires_grad and out._node is None):
        out = out.detach()  # an input returned unchanged, or an unrelated leaf
    constant = out.dtype.category < FLOAT or any(out is t for t in ctx._constant)
    if node is None or constant:
        if not dirty:
            out._node, out._requires_grad, out._base = None, False, None
        return out
    edge = node if node.outputs is None else graph.OutputNode(node, i)
    if dirty:
        return inplace.rebase(out, graph.tensor_at(out._data, out._device, edge))
    out._node, out._requires_grad, out._base = edge, True, None
    return out


def _pack(
    ctx: Any, node: _BackwardNode, args: Sequence[Any], outputs: Sequence[Any], made: Sequence[Any]
) -> None:
    """Save the tensors such that outputs and their own node form no reference cycle."""
    ctx._saved = [
        _nothing if t is None else _unpacker(t, node, args, outputs, made) for t in ctx._to_save
    ]


def _nothing() -> None:
    return None


def _unpacker(
    t: Any, node: _BackwardNode, args: Sequence[Any], outputs: Sequence[Any], made: Sequence[Any]
) -> Callable[[], Any]:
    for i, out in enumerate(outputs):
        if t is out and made[i]._requires_grad:
            edge = functools.partial(_output_edge, weakref.ref(node), i)
            return _Unpack(made[i], edge)
    if t._node is not None and any(t is a for a in args):
        return _Unpack(t, functools.partial(_identity, t._node))
    return _Unpack(t, None)


def _identity(edge: Any) -> Any:
    return edge


def _output_edge(ref: Any, index: int) -> Any:
    node = ref()
    return node if node is None or node.outputs is None else graph.OutputNode(node, index)


class _Unpack:
    """A saved tensor: returns it, after a check that it was not changed in place since.

    Args:
        edge: returns its gradient edge; if None, the tensor itself is stored.
    """

    def __init__(self, t: Any, edge: Callable[[], Any] | None) -> None:
        if t._version_counter is None:
            t._version_counter = [0]
        self.data, self.on, self.edge = t._data, t._device, edge
        self.tensor = t if edge is None else None
        self.counter, self.version = t._version_counter, t._version_counter[0]

    def __call__(self) -> Any:
        edge = None if self.edge is None else self.edge()
        if self.counter[0] != self.version:
            raise graph.changed_in_place(self.data, edge, self.on, self.counter[0], self.version)
        return self.tensor if self.edge is None else graph.tensor_at(self.data, self.on, edge)


# ---- derivatives of derivatives


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a `backward` that cannot itself be differentiated: an attempt raises."""

    @functools.wraps(function)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            outputs = function(ctx, *args)
        inputs = [a for a in args if is_tensor(a) and a.requires_grad]
        if not local.mode.enabled or not inputs:
            return outputs
        made = [_once(out, inputs) if is_tensor(out) else out for out in _as_tuple(outputs)]
        return tuple(made) if isinstance(outputs, tuple) else made[0]

    return wrapper


def _once(t: Any, inputs: Sequence[Any]) -> Any:
    out = t.detach()
    out._node, out._requires_grad = _Undifferentiable(inputs), True
    return out


class _Undifferentiable(Node):
    """The node of a derivative that would have to go through a `once_differentiable` backward."""

    __slots__ = ()

    def __init__(self, inputs: Sequence[Any]) -> None:
        super().__init__("DelayedErrorBackward", inputs, inputs[0]._device)

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
