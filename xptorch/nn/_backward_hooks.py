"""Backward hooks of modules: how the gradients of inputs and outputs reach them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xptorch import autograd
from xptorch._engine.grad_mode import is_grad_enabled
from xptorch._tensor.tensor import Tensor
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch.nn.module import Module

Hook = Callable[..., Any]
Gradients = tuple[Any, ...]


class BackwardHookRunner:
    """Passes the gradients of one call's inputs and outputs to a module's backward hooks.

    Inputs and outputs each go through a `_GradientHook`. In the backward pass that of the outputs
    saves their gradients, and that of the inputs calls the module's hooks with both.
    """

    def __init__(self, module: Module, hooks: list[Hook], pre_hooks: list[Hook]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.input_count = 0
        self.hooks_inputs = False
        self.grad_output: Gradients | None = None

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.input_count = len(args)
        args, self.hooks_inputs = _hooked(args, self.on_grad_input, fill=True)
        return args

    def outputs(self, result: Any) -> Any:
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=5,
            )
        if isinstance(result, tuple):
            hooked, _ = _hooked(result, self.on_grad_output)
            # A named tuple keeps its type.
            return type(result)(*hooked) if hasattr(result, "_fields") else hooked
        return _hooked((result,), self.on_grad_output)[0][0]

    def on_grad_output(self, grads: Gradients) -> Gradients:
        for hook in self.pre_hooks:
            grads = _replaced(grads, hook(self.module, grads), "Backward pre hook", "grad_output")
        self.grad_output = grads
        if not self.hooks_inputs:
            self._call_without_inputs()
        return grads

    def _call_without_inputs(self) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module "
            "outputs since no inputs require gradients. See "
            "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
            "#torch.nn.Module.register_full_backward_hook for more details.",
            stacklevel=5,
        )
        nothing = (None,) * self.input_count
        for hook in self.hooks:
            changed = hook(self.module, nothing, self.grad_output)
            if changed is not None and not all(g is None for g in _as_tuple(changed)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        self.grad_output = None

    def on_grad_input(self, grads: Gradients) -> Gradients:
        if self.grad_output is None:
            return grads
        for hook in self.hooks:
            changed = hook(self.module, grads, self.grad_output)
            grads = _replaced(grads, changed, "Backward hook", "grad_input")
        self.grad_output = None
        return grads


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _replaced(grads: Gradients, changed: Any, who: str, what: str) -> Gradients:
    """The gradients that a hook returns, after a check of their number; `grads` for None."""
    if changed is None:
        return grads
    new = _as_tuple(changed)
    if len(new) != len(grads):
        raise RuntimeError(
            f"{who} returned an invalid number of {what}, got {len(new)}, but expected {len(grads)}"
        )
    return new


def _hooked(values: tuple[Any, ...], see: Hook, fill: bool = False) -> tuple[tuple[Any, ...], bool]:
    """`values`, those that require grad passed through a `_GradientHook`; whether any were.

    Args:
        values: tensors, and anything else.
        see: is passed the gradients, None where there is none; returns those to propagate.
        fill: pass zeros for tensors without a gradient.
    """
    tensors = {i: v for i, v in enumerate(values) if isinstance(v, Tensor)}
    indices = [i for i, t in tensors.items() if t.requires_grad]
    if not indices or not is_grad_enabled():
        return values, False
    likes = {i: (t.shape, t.dtype, t.device) for i, t in tensors.items()}

    def exchange(grads: Sequence[Any]) -> list[Any]:
        known = dict(zip(indices, grads, strict=True))
        filled = [known.get(i) for i in range(len(values))]
        if fill:
            filled = [_or_zeros(g, likes.get(i)) for i, g in enumerate(filled)]
        new = see(tuple(filled))
        return [_or_zeros(new[i], likes[i]) for i in indices]

    hooked = list(values)
    for i, out in zip(
        indices, BackwardHookFunction.apply(exchange, *map(tensors.get, indices)), strict=True
    ):
        hooked[i] = out
    return tuple(hooked), True


def _or_zeros(g: Any, like: tuple[Any, Any, Any] | None) -> Any:
    if g is not None or like is None:
        return g
    shape, dtype, device = like
    return creation.zeros(shape, dtype=dtype, device=device)


class BackwardHookFunction(autograd.Function):
    """The identity on some tensors; in the backward pass their gradients go through `exchange`."""

    @staticmethod
    def forward(ctx: Any, exchange: Hook, *tensors: Any) -> Any:
        ctx.exchange = exchange
        ctx.set_materialize_grads(False)
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, *ctx.exchange(grads)
