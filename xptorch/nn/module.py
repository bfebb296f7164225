"""Module: the base class of all layers and networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

from xptorch._tensor.tensor import Tensor
from xptorch.nn import _hooks
from xptorch.nn._convert import ConvertMixin, _type_name
from xptorch.nn._hooks import *  # noqa: F403
from xptorch.nn._hooks import HookMixin
from xptorch.nn._state import StateMixin
from xptorch.nn.parameter import Buffer, Parameter

__all__ = ["Module"]

V = TypeVar("V")
Named = Iterator[tuple[str, V]]

_GROUPS = {"parameter": "_parameters", "buffer": "_buffers", "module": "_modules"}


class Module(HookMixin, StateMixin, ConvertMixin):
    r"""Base class of layers and networks: set layers and parameters as attributes, write `forward`.

    Attributes:
        training: whether the module is in training mode, see `train` and `eval`.

    >>> import xptorch as torch
    >>> class Net(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = torch.nn.Linear(4, 2)
    ...
    ...     def forward(self, x):
    ...         return self.fc(x).relu()
    >>> Net()
    Net(
      (fc): Linear(in_features=4, out_features=2, bias=True)
    )
    """

    training: bool
    call_super_init: bool = False
    dump_patches: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            who = f"{type(self).__name__}.__init__()"
            if kwargs:
                raise TypeError(f"{who} got an unexpected keyword argument {next(iter(kwargs))!r}")
            raise TypeError(f"{who} takes 1 positional argument but {len(args) + 1} were given")
        # The attributes below are plain: bypassing __setattr__ halves the cost of a module.
        self.__dict__.update(training=True, **_fresh_state())
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *input: Any) -> Any:
        """Compute the output; every subclass defines it. Call the module, not this."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`forward`, with the registered hooks around it."""
        if (
            self._backward_hooks
            or self._backward_pre_hooks
            or self._forward_hooks
            or self._forward_pre_hooks
            or _hooks._everywhere
        ):
            return _hooks.call(self, args, kwargs)
        return self.forward(*args, **kwargs)

    _call_impl = _wrapped_call_impl = __call__  # the names that some programs call or replace

    # ---- attributes

    def __getattr__(self, name: str) -> Any:
        # Python calls this only for names that are not ordinary attributes.
        attributes = self.__dict__
        try:
            if (
                name in (members := attributes["_parameters"])
                or name in (members := attributes["_modules"])
                or name in (members := attributes["_buffers"])
            ):
                return members[name]
        except KeyError:  # Module.__init__ has not run yet
            pass
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        members = self.__dict__
        if isinstance(value, Parameter):
            self._forget(name, "parameter")
            self.register_parameter(name, value)
        elif name in members.get("_parameters", ()):
            if value is not None:
                raise _cannot_assign(value, "parameter", name, "xptorch.nn.Parameter")
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            self._forget(name, "module")
            self._modules[name] = _hooks.registered("module", self, name, value)
        elif name in members.get("_modules", ()):
            if value is not None:
                raise _cannot_assign(value, "child module", name, "xptorch.nn.Module")
            self._modules[name] = _hooks.registered("module", self, name, None)
        elif isinstance(value, Buffer):
            self._forget(name, "buffer")
            self.register_buffer(name, value, value.persistent)
        elif name in members.get("_buffers", ()):
            if value is not None and not isinstance(value, Tensor):
                expected = "xptorch.nn.Buffer, xptorch.Tensor"
                raise _cannot_assign(value, "buffer", name, expected)
            self._buffers[name] = _hooks.registered("buffer", self, name, value)
        else:
            super().__setattr__(name, value)

    def _forget(self, name: str, kind: str) -> None:
        """Remove other members of that name; one of the same kind keeps its position."""
        attributes = self.__dict__
        if "_modules" not in attributes:
            plural = "s" if kind == "parameter" else ""
            raise AttributeError(f"cannot assign {kind}{plural} before Module.__init__() call")
        attributes.pop(name, None)
        self._non_persistent_buffers_set.discard(name)
        for other, members in _GROUPS.items():
            if other != kind:
                attributes[members].pop(name, None)

    def __delattr__(self, name: str) -> None:
        for members in (self._parameters, self._buffers, self._modules):
            if name in members:
                del members[name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__}
        names.update(self._parameters, self._modules, self._buffers)
        return sorted(n for n in names if not n[0].isdigit())

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Attributes that an older pickle does not have are added.
        self.__dict__.update({**_fresh_state(), **state})

    # ---- registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under that name; None reserves the name for "no parameter".

        Raises:
            KeyError: the name is taken, is empty, or has a dot.
            TypeError: `param` is not a Parameter.
        """
        self._check_name(name, "parameter")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_type_name(param)}' object to parameter '{name}' "
                "(xptorch.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, "
                "compute the value in the forward() method."
            )
        if param is not None:
            param = _hooks.registered("parameter", self, name, param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the state but not a parameter, such as a running mean.

        Args:
            name: the attribute; must be new, not empty, without a dot.
            tensor: the tensor, or None, which is not saved.
            persistent: whether it belongs to `state_dict`.
        """
        self._check_name(name, "buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' "
                "(xptorch Tensor or None required)"
            )
        self._buffers[name] = _hooks.registered("buffer", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under that name."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_type_name(module)} is not a Module subclass")
        self._check_name(name, "module")
        self._modules[name] = _hooks.registered("module", self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def _check_name(self, name: Any, kind: str) -> None:
        members = self.__dict__.get(_GROUPS[kind])
        if members is None:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_type_name(name)}")
        if "." in name:
            got = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in members and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # ---- looking up by dotted name

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path, such as ``"encoder.0"``; "" is the module itself.

        Raises:
            AttributeError: there is none.
        """
        module: Module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Set the module at a dotted path.

        Args:
            target: the path; all but its last component must exist.
            module: the new module.
            strict: the last component must exist, too.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        owner, name = self._owner_of(target)
        found = getattr(owner, name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        owner, name = self._owner_of(target)
        found: Tensor = getattr(owner, name)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found

    def _owner_of(self, target: str) -> tuple[Module, str]:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")
        return owner, name

    # ---- traversal

    def children(self) -> Iterator[Module]:
        """The modules directly below, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Named[Module]:
        """The modules directly below with their names, each module once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, parents first."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self,
        memo: set[Module] | None = None,
        prefix: str = "",
        remove_duplicate: bool = True,
    ) -> Named[Module]:
        """This module and all below it with their dotted names, parents first.

        Args:
            memo: modules already visited, which are skipped.
            prefix: put before every name.
            remove_duplicate: list a module registered several times only once.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, below, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once: the argument of an optimizer.

        Args:
            recurse: include those of the modules below.
        """
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Named[Parameter]:
        """All parameters with their dotted names; see `parameters` and `named_modules`."""
        return self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Named[Tensor]:
        """All buffers with their dotted names; see `parameters` and `named_modules`."""
        return self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def _named_members(
        self,
        get_members_fn: Callable[[Module], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Named[Any]:
        below = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        seen: set[int] = set()
        for path, module in below if recurse else [(prefix, self)]:
            for name, member in get_members_fn(module):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield f"{path}.{name}" if path else name, member

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below and then on this one: initialisation, for example."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---- modes

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below: it matters to dropout, batch norm and the like."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode: the same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether the parameters require gradients, for example to freeze layers."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the parameters' gradients.

        Args:
            set_to_none: set them to None; otherwise fill them with zeros.
        """
        for param in self.parameters():
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
            else:
                param.grad = param.grad.detach()
                param.grad.zero_()

    # ---- printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What `repr` shows between the parentheses; a subclass returns its settings."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({n}): {_indent(repr(m))}" for n, m in self._modules.items()]
        return _framed(self._get_name(), lines, children)


def _fresh_state() -> dict[str, Any]:
    """The attributes that every module starts with, besides `training`."""
    plain: dict[str, Any] = {n: {} for n in _GROUPS.values()}
    # OrderedDict[int, Any]() would store its type arguments, and pickles would contain them.
    ordered: dict[str, Any] = {n: OrderedDict() for n in _HOOK_ATTRIBUTES}
    return {**plain, "_non_persistent_buffers_set": set(), **ordered}


_HOOK_ATTRIBUTES = (
    *("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
    *("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"),
    *("_backward_hooks", "_backward_pre_hooks"),
    *("_state_dict_hooks", "_state_dict_pre_hooks"),
    *("_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"),
)


def _framed(name: str, lines: list[str], children: list[str]) -> str:
    """``Name(...)`` on one line if there is at most one line inside, else a block."""
    if len(lines) == 1 and not children:
        return f"{name}({lines[0]})"
    inside = lines + children
    return "".join([f"{name}(", *(f"\n  {x}" for x in inside), "\n)" if inside else ")"])


def _indent(text: str) -> str:
    """All lines but the first, two columns to the right."""
    return text.replace("\n", "\n  ")


def unusual(module: Module, usual: dict[str, Any]) -> str:
    """The settings of a module that differ from `usual`, as `extra_repr` lists them."""
    found = {name: getattr(module, name) for name in usual}
    return "".join(f", {name}={x}" for name, x in found.items() if x != usual[name])


def _cannot_assign(value: Any, kind: str, name: str, expected: str) -> TypeError:
    return TypeError(
        f"cannot assign '{_type_name(value)}' as {kind} '{name}' ({expected} or None expected)"
    )
