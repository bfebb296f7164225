"""Backward hooks of modules: how they get to see the gradients of inputs and outputs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xptorch import _tensor, autograd
from xptorch._grad_mode import is_grad_enabled
from xptorch.nn import _hooks
from xptorch.ops import create

if TYPE_CHECKING:
    from xptorch.nn.module import Module

Gradients = tuple[Any, ...]


class BackwardWatch:
    """Shows a module's backward hooks the gradients of one call's inputs and outputs.

    The inputs and the outputs each pass through a `_Tap`. On the way back the outputs' tap keeps
    their gradients, and the inputs' tap calls the hooks with both.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.hooks = [*_hooks._backward.values(), *module._backward_hooks.values()]
        self.pre_hooks = [*_hooks._backward_pre.values(), *module._backward_pre_hooks.values()]
        self.input_count = 0
        self.sees_inputs = False
        self.grad_output: Gradients | None = None

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.input_count = len(args)
        args, self.sees_inputs = _tapped(args, self.see_grad_input, fill=True)
        return args

    def outputs(self, result: Any) -> Any:
        if not isinstance(result, (_tensor.Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=5,
            )
        if isinstance(result, tuple):
            tapped, _ = _tapped(result, self.see_grad_output)
            # A named tuple keeps its type.
            return type(result)(*tapped) if hasattr(result, "_fields") else tapped
        return _tapped((result,), self.see_grad_output)[0][0]

    def see_grad_output(self, grads: Gradients) -> Gradients:
        for hook in self.pre_hooks:
            grads = _replaced(grads, hook(self.module, grads), "Backward pre hook", "grad_output")
        self.grad_output = grads
        if not self.sees_inputs:
            self._call_without_inputs()
        return grads

    def _call_without_inputs(self) -> None:
        nothing = (None,) * self.input_count
        for hook in self.hooks:
            changed = hook(self.module, nothing, self.grad_output)
            if changed is not None and not all(g is None for g in _as_tuple(changed)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        self.grad_output = None

    def see_grad_input(self, grads: Gradients) -> Gradients:
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
    """The gradients that a hook asks for, after a look at their number."""
    if changed is None:
        return grads
    new = _as_tuple(changed)
    if len(new) != len(grads):
        raise RuntimeError(
            f"{who} returned an invalid number of {what}, got {len(new)}, "
            f"but expected {len(grads)}"
        )
    return new


def _tapped(
    values: tuple[Any, ...], see: _hooks.Hook, fill: bool = False
) -> tuple[tuple[Any, ...], bool]:
    """`values` with those that need gradients led through a `_Tap`, and whether there were any."""
    places = [i for i, v in enumerate(values) if isinstance(v, _tensor.Tensor) and v.requires_grad]
    if not places or not is_grad_enabled():
        return values, False
    led = list(values)

    def see_all(grads: Sequence[Any]) -> list[Any]:
        every: list[Any] = [None] * len(values)
        for i, g in zip(places, grads, strict=True):
            every[i] = g
        seen = see(tuple(every))
        return [seen[i] for i in places]

    outs = _Tap.apply(see_all, fill, *[values[i] for i in places])
    for i, out in zip(places, outs, strict=True):
        led[i] = out
    return tuple(led), True


class _Tap(autograd.Function):
    """The identity on some tensors; on the way back `see` is shown, and may change, the gradients.

    A missing gradient is shown as None where outputs are tapped, and as zeros where inputs are.
    """

    @staticmethod
    def forward(ctx: Any, see: _hooks.Hook, fill: bool, *tensors: Any) -> Any:
        ctx.see, ctx.fill = see, fill
        ctx.likes = [(t.shape, t.dtype, t.device) for t in tensors]
        ctx.set_materialize_grads(False)
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        if ctx.fill:
            grads = _filled(grads, ctx.likes)
        return None, None, *_filled(ctx.see(grads), ctx.likes)


def _filled(grads: Sequence[Any], likes: Sequence[tuple[Any, Any, Any]]) -> Gradients:
    return tuple(
        create.zeros(shape, dtype=dtype, device=device) if g is None else g
        for g, (shape, dtype, device) in zip(grads, likes, strict=True)
    )
