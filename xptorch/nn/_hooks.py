"""Hooks of modules: how they are registered, and the call path that runs them.

A module without hooks does not use this path: `Module.__call__` calls `forward` directly.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from xptorch.nn._backward_hooks import BackwardHookRunner
from xptorch.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from xptorch.nn.module import Module

__all__ = [
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

Hook = Callable[..., Any]
Hooks = dict[int, Hook]

# Hooks that run for every module; `_everywhere` holds all, so that one check is enough.
_everywhere: Hooks = OrderedDict()
_forward_pre: Hooks = OrderedDict()
_forward: Hooks = OrderedDict()
_backward_pre: Hooks = OrderedDict()
_backward: Hooks = OrderedDict()
_forward_kwargs: dict[int, bool] = {}
_forward_always: dict[int, bool] = {}


def _add(
    hooks: Hooks, hook: Hook, *, prepend: bool = False, marks: Iterable[dict[int, Any]] = ()
) -> RemovableHandle:
    """Register a hook, and its id in each of `marks`; the handle removes it from all of them."""
    marks = list(marks)
    handle = RemovableHandle(hooks, extra_dict=marks)
    hooks[handle.id] = hook
    for mark in marks:
        mark[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)  # type: ignore[attr-defined]
    return handle


def _add_everywhere(hooks: Hooks, hook: Hook, *marks: dict[int, Any]) -> RemovableHandle:
    return _add(hooks, hook, marks=(_everywhere, *marks))


# Hooks on the registration of parameters, buffers and modules.
_registered: dict[str, Hooks] = {"parameter": {}, "buffer": {}, "module": {}}


def registered(kind: str, module: Module, name: str, value: Any) -> Any:
    """The value a module registers under that name, which the hooks on its kind may replace."""
    for hook in _registered[kind].values():
        changed = hook(module, name, value)
        if changed is not None:
            value = changed
    return value


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, param)`` when a module registers a parameter.

    It may return another parameter.
    """
    return _add(_registered["parameter"], hook)


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` when a module registers a buffer.

    It may return another buffer.
    """
    return _add(_registered["buffer"], hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` when a module registers a module below it.

    It may return another module.
    """
    return _add(_registered["module"], hook)


def register_module_backward_hook(hook: Hook) -> RemovableHandle:
    """Not available: see `register_backward_hook`.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(
        "register_module_backward_hook() shows the gradients of modules' last operations only and "
        "is not supported: use register_module_full_backward_hook()"
    )


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, args)`` before the forward of every module.

    It may return new arguments. Global hooks run before a module's own.
    """
    return _add_everywhere(_forward_pre, hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the forward of every module.

    Args:
        hook: may return a new output.
        with_kwargs: call it as ``hook(module, args, kwargs, output)``.
        always_call: call it also when forward raises.
    """
    marks = [_forward_kwargs] * with_kwargs + [_forward_always] * always_call
    return _add_everywhere(_forward, hook, *marks)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the backward of every module."""
    return _add_everywhere(_backward_pre, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` after the backward of every module."""
    return _add_everywhere(_backward, hook)


class HookMixin:
    """The methods of `Module` for hooks on its forward and backward pass."""

    _forward_hooks: Hooks
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _forward_pre_hooks: Hooks
    _forward_pre_hooks_with_kwargs: dict[int, bool]
    _backward_hooks: Hooks
    _backward_pre_hooks: Hooks

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before `forward`.

        Args:
            hook: may return new positional arguments (a single value is taken as a tuple of one).
            prepend: run it before the hooks registered so far.
            with_kwargs: call it as ``hook(module, args, kwargs)``; it may return (args, kwargs).

        Returns:
            a handle whose ``remove()`` removes the hook.
        """
        marks = [self._forward_pre_hooks_with_kwargs] * with_kwargs
        return _add(self._forward_pre_hooks, hook, prepend=prepend, marks=marks)

    def register_forward_hook(
        self,
        hook: Hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after `forward`.

        Args:
            hook: may return a new output.
            prepend: run it before the hooks registered so far.
            with_kwargs: call it as ``hook(module, args, kwargs, output)``.
            always_call: call it also when forward raises.
        """
        marks = [self._forward_hooks_with_kwargs] * with_kwargs
        marks += [self._forward_hooks_always_called] * always_call
        return _add(self._forward_hooks, hook, prepend=prepend, marks=marks)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the output's gradients are computed.

        It may return new gradients to propagate.
        """
        return _add(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the inputs' gradients are computed.

        Both are tuples, with None for what is not a tensor or needs no gradient; keyword arguments
        are ignored. The hook may return gradients to use in place of `grad_input`.
        """
        return _add(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """Not available: it received the gradients of the module's last operation only.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "register_backward_hook() shows the gradients of the module's last operation only and "
            "is not supported: use register_full_backward_hook()"
        )


class _Progress:
    """The progress of a call: the output so far, and the forward hooks that were called."""

    def __init__(self) -> None:
        self.result: Any = None
        self.called: set[int] = set()


def call(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a module's forward with the hooks around it."""
    progress = _Progress()
    try:
        return _call(module, args, kwargs, progress)
    except Exception:
        if module._forward_hooks_always_called or _forward_always:
            _call_the_rest(module, args, kwargs, progress)
        raise


def _call(
    module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], progress: _Progress
) -> Any:
    args, kwargs = _before_forward(module, args, kwargs)
    watch = None
    hooks = [*_backward.values(), *module._backward_hooks.values()]
    pre_hooks = [*_backward_pre.values(), *module._backward_pre_hooks.values()]
    if hooks or pre_hooks:
        watch = BackwardHookRunner(module, hooks, pre_hooks)
        args = watch.inputs(args)
    progress.result = module.forward(*args, **kwargs)
    for i, hook, with_kwargs in _forward_hooks_of(module):
        progress.called.add(i)
        changed = _after_forward(hook, with_kwargs, module, args, kwargs, progress.result)
        if changed is not None:
            progress.result = changed
    return progress.result if watch is None else watch.outputs(progress.result)


def _before_forward(
    module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    for i, hook in [*_forward_pre.items(), *module._forward_pre_hooks.items()]:
        if i in module._forward_pre_hooks_with_kwargs:
            changed = hook(module, args, kwargs)
            if changed is None:
                continue
            if not isinstance(changed, tuple) or len(changed) != 2:
                raise RuntimeError(
                    "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                    f"but got {changed}."
                )
            args, kwargs = changed
        else:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    return args, kwargs


def _forward_hooks_of(module: Module) -> list[tuple[int, Hook, bool]]:
    found = [(i, hook, i in _forward_kwargs) for i, hook in _forward.items()]
    own = module._forward_hooks_with_kwargs
    return found + [(i, hook, i in own) for i, hook in module._forward_hooks.items()]


def _after_forward(
    hook: Hook,
    with_kwargs: bool,
    module: Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    result: Any,
) -> Any:
    if with_kwargs:
        return hook(module, args, kwargs, result)
    return hook(module, args, result)


def _call_the_rest(
    module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], progress: _Progress
) -> None:
    """After an error, run the hooks that must always run and have not; their errors only warn."""
    always = {**_forward_always, **module._forward_hooks_always_called}
    for i, hook, with_kwargs in _forward_hooks_of(module):
        if i not in always or i in progress.called:
            continue
        try:
            _after_forward(hook, with_kwargs, module, args, kwargs, progress.result)
        except Exception as e:
            warnings.warn(
                "module forward hook with ``always_call=True`` raised an exception that was "
                f"silenced as another error was raised in forward: {e}",
                stacklevel=4,
            )
