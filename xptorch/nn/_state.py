"""State dicts of modules: saving, loading, and the errors reported for mismatches."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.nn._hooks import Hook, Hooks, _add
from xptorch.nn.parameter import Parameter
from xptorch.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from xptorch.nn.module import Module

_EXTRA = "_extra_state"


class _IncompatibleKeys(namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """The keys that a state dict lacked, and those in it that the module does not have."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class StateMixin:
    """`state_dict` and `load_state_dict` of a `Module`, and their hooks."""

    _version: int = 1
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Module | None]
    _state_dict_hooks: Hooks
    _state_dict_pre_hooks: Hooks
    _load_state_dict_pre_hooks: dict[int, tuple[Hook, bool]]
    _load_state_dict_post_hooks: Hooks

    # ---- saving

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """The parameters and persistent buffers of this module and all below it, by dotted name.

        Args:
            destination: a mapping to fill and return; a new OrderedDict by default.
            prefix: put before every key.
            keep_vars: return the parameters themselves, not detached tensors (which share
                their memory).

        >>> import xptorch as torch
        >>> list(torch.nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.state_dict for details.",
                FutureWarning,
                stacklevel=2,
            )
            given: tuple[Any, ...] = (destination, prefix, keep_vars)
            destination, prefix, keep_vars = args + given[len(args) :]
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata: dict[str, Any] = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            changed = hook(self, destination, prefix, metadata)
            if changed is not None:
                if getattr(hook, "_must_return_none", False):
                    raise RuntimeError("state_dict post-hook must return None")
                destination = changed
        return destination

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """Put this module's own state into `destination`; subclasses may add to it."""
        for name, value in self._own_state().items():
            destination[prefix + name] = value if keep_vars else value.detach()
        if _overrides(self, "get_extra_state"):
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor]:
        """The parameters and the persistent buffers of this module alone."""
        state: dict[str, Any] = {**self._parameters, **self._buffers}
        transient = self._non_persistent_buffers_set
        return {k: v for k, v in state.items() if v is not None and k not in transient}

    def get_extra_state(self) -> Any:
        """What a subclass saves besides its tensors; the counterpart of `set_extra_state`."""
        raise RuntimeError(f"{type(self).__name__} has no extra state: define get_extra_state()")

    def set_extra_state(self, state: Any) -> None:
        """Restore what `get_extra_state` returned."""
        raise RuntimeError(f"{type(self).__name__} has no extra state: define set_extra_state()")

    # ---- loading

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy a state dict into this module and all below it.

        Args:
            state_dict: what `state_dict` returned.
            strict: its keys must be exactly this module's.
            assign: replace the module's own tensors by the given ones, keeping their dtype and
                device.

        Returns:
            a named tuple of `missing_keys` and `unexpected_keys`.

        Raises:
            RuntimeError: keys or shapes do not match; the message lists all of them.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        result = _IncompatibleKeys([], [])
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        copied: Any = OrderedDict(state_dict)
        if metadata is not None:
            copied._metadata = metadata
        _load(self, copied, "", metadata or {}, assign, result, errors)
        if strict:
            errors[:0] = [
                f"{what} key(s) in state_dict: {_quoted(keys)}. "
                for what, keys in zip(("Missing", "Unexpected"), result, strict=True)
                if keys
            ]
        if errors:
            raise RuntimeError(
                "Error(s) in loading state_dict for {}:\n\t{}".format(
                    type(self).__name__, "\n\t".join(errors)
                )
            )
        return result

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own state from `state_dict`; subclasses may convert older layouts.

        `state_dict` holds the keys that start with `prefix`; mismatches are appended to the
        three lists.
        """
        for hook, with_module in self._load_state_dict_pre_hooks.values():
            hook(
                *(self,) * with_module,
                *(state_dict, prefix, local_metadata, strict),
                *(missing_keys, unexpected_keys, error_msgs),
            )
        assign = local_metadata.get("assign_to_params_buffers", False)
        own = self._own_state()
        for name, target in own.items():
            key = prefix + name
            if key in state_dict:
                error = self._load_tensor(name, key, target, state_dict[key], assign)
                error_msgs.extend(filter(None, [error]))
            elif strict:
                missing_keys.append(key)
        extra = prefix + _EXTRA
        has_extra = _overrides(self, "set_extra_state")
        if has_extra and extra in state_dict:
            self.set_extra_state(state_dict[extra])
        elif has_extra and strict:
            missing_keys.append(extra)
        if strict:
            known = {*own, *(_EXTRA,) * has_extra}
            for key in state_dict:
                name, dot, _ = key.removeprefix(prefix).partition(".")
                belongs = name in self._modules if dot else name in known
                if key.startswith(prefix) and not belongs:
                    unexpected_keys.append(key)

    def _load_tensor(
        self, name: str, key: str, target: Any, value: Any, assign: bool
    ) -> str | None:
        """Load one tensor; returns an error message if it does not match."""
        if not isinstance(value, Tensor):
            return (
                f'While copying the parameter named "{key}", expected xptorch.Tensor or '
                f"Tensor-like object from checkpoint but received {type(value)}"
            )
        if target.ndim == 0 and value.ndim == 1:
            value = value[0]  # checkpoints older than 0-dimensional tensors
        if value.shape != target.shape:
            return (
                f"size mismatch for {key}: copying a param with shape {value.shape} from "
                f"checkpoint, the shape in current model is {target.shape}."
            )
        try:
            with no_grad():
                if not assign:
                    target.copy_(value)
                elif isinstance(target, Parameter) and not isinstance(value, Parameter):
                    setattr(self, name, Parameter(value, requires_grad=target.requires_grad))
                else:
                    if isinstance(target, Parameter):
                        value.requires_grad_(target.requires_grad)
                    setattr(self, name, value)
        except Exception as e:
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are '
                f"{target.shape} and whose dimensions in the checkpoint are {value.shape}, an "
                f"exception occurred : {e.args}."
            )
        return None

    # ---- hooks

    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before `state_dict` collects the module."""
        return _add(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after; it works in place."""
        hook._must_return_none = True  # type: ignore[attr-defined]
        return _add(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Hook) -> RemovableHandle:
        """The same; what the hook returns replaces the state dict."""
        if getattr(hook, "_must_return_none", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return _add(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call a hook before a module loads its own part of a state dict.

        It is called as ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`` and may change `state_dict` in place.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Hook, with_module: bool = False
    ) -> RemovableHandle:
        """The same; without `with_module` the hook is not passed the module."""
        hooks: dict[int, Any] = self._load_state_dict_pre_hooks
        return _add(hooks, (hook, with_module))  # type: ignore[arg-type]

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may change the keys' lists.

        Lists emptied by the hook keep a strict load from failing.
        """
        return _add(self._load_state_dict_post_hooks, hook)


def _load(
    module: Any,
    state_dict: dict[str, Any],
    prefix: str,
    metadata: Mapping[str, Any],
    assign: bool,
    result: _IncompatibleKeys,
    errors: list[str],
) -> None:
    """Load a module's own part of a state dict, then its children theirs."""
    local = dict(metadata.get(prefix[:-1], {}), assign_to_params_buffers=assign)
    missing, unexpected = result
    module._load_from_state_dict(state_dict, prefix, local, True, missing, unexpected, errors)
    for name, child in module._modules.items():
        if child is not None:
            below = f"{prefix}{name}."
            part = {k: v for k, v in state_dict.items() if k.startswith(below)}
            _load(child, part, below, metadata, assign, result, errors)
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, result) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                "return new values, if incompatible_keys need to be modified, it should be done "
                "inplace."
            )


def _overrides(module: Any, method: str) -> bool:
    """Whether the module's class has its own version of a method of `StateMixin`."""
    own: Callable[..., Any] = getattr(type(module), method)
    return own is not getattr(StateMixin, method)


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{k}"' for k in keys)
