"""Calls of modules with other parameters and buffers; the stacked state of several modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from xptorch.nn.module import Module
from xptorch.ops._common import is_tensor
from xptorch.ops.shape import joining

Tensors = dict[str, Any]
_ABSENT = object()


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Tensors | Sequence[Tensors],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """What ``module(*args, **kwargs)`` returns with the named parameters and buffers replaced.

    Args:
        parameter_and_buffer_dicts: tensors by the names of `named_parameters` and
            `named_buffers`, in one dict or several; those left out are the module's own. A single
            dict is updated with what the call assigns to them: batch norm's new statistics.
        args: the positional arguments, a tuple, or the only one.
        tie_weights: a tensor registered under several names is replaced under all of them.
        strict: every name must be given, and no other.

    Raises:
        ValueError: a name is in several dicts, the names of one tensor have several values, or
            the argument is neither a dict nor a list or tuple of dicts.
        RuntimeError: `strict`, and names are missing or unknown.
        TypeError: what is given, or what has that name, is not a tensor.

    Example:
        >>> import xptorch as torch
        >>> layer = torch.nn.Linear(2, 1, bias=False)
        >>> torch.func.functional_call(layer, {"weight": torch.ones(1, 2)}, torch.ones(2))
        tensor([2.])
    """
    given = _merged(parameter_and_buffer_dicts)
    names = _names(module)
    put = {**_tied(given, names), **given} if tie_weights else given
    if strict:
        _need_all(module, put, set(chain.from_iterable(names)))
    inputs = () if args is None else args if isinstance(args, tuple) else (args,)
    with _swapped(module, put, given):
        return module(*inputs, **(kwargs or {}))


def _merged(dicts: Any) -> Tensors:
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, list | tuple):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    if not all(isinstance(d, dict) for d in dicts):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    keys = [k for d in dicts for k in d]
    repeated = [k for k in dict.fromkeys(keys) if keys.count(k) > 1]
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
            "ambiguous"
        )
    return {k: t for d in dicts for k, t in d.items()}


def _names(module: Module) -> list[list[str]]:
    """The names of every tensor: several for one that the module holds several times."""
    groups: dict[int, list[str]] = {}
    for name, t in chain(
        module.named_parameters(remove_duplicate=False),
        module.named_buffers(remove_duplicate=False),
    ):
        groups.setdefault(id(t), []).append(name)
    return list(groups.values())


def _tied(given: Tensors, names: list[list[str]]) -> Tensors:
    """The values given, each under all names of its tensor."""
    found: Tensors = {}
    for group in names:
        present = sorted(n for n in group if n in given)
        if len({id(given[n]) for n in present}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {present}, which are tied. "
                "Consider using tie_weights=False"
            )
        found |= dict.fromkeys(group, given[present[0]]) if present else {}
    return found


def _need_all(module: Module, given: Tensors, known: set[str]) -> None:
    unknown, missing = sorted(set(given) - known), sorted(known - set(given))
    lines = [
        f"\n\t{what} key(s): {', '.join(map(repr, names))}."
        for what, names in (("Unexpected", unknown), ("Missing", missing))
        if names
    ]
    if lines:
        kind = type(module).__name__
        raise RuntimeError(f"Error(s) in reparametrizing for {kind}:" + "".join(lines))


@contextmanager
def _swapped(module: Module, put: Tensors, given: Tensors) -> Iterator[None]:
    """A block in which the module holds other tensors; their new values are stored in `given`."""
    locations = []
    for name, t in put.items():
        if t is not None and not is_tensor(t):
            raise TypeError(f"{t!r} is not an instance of xptorch.Tensor")
        members, last = _location(module, name)
        locations.append((name, members, last, members.get(last, _ABSENT)))
    try:
        for name, members, last, _ in locations:
            members[last] = put[name]
        yield
    finally:
        for name, members, last, before in locations:
            if name in given and last in members:
                given[name] = members[last]
            members[last] = before
            if before is _ABSENT:
                del members[last]


def _location(module: Module, name: str) -> tuple[Tensors, str]:
    """The dict that holds a tensor of a module or of one below it, and its key."""
    path, _, last = name.rpartition(".")
    if not last:
        raise KeyError('tensor name can\'t be empty string ""')
    owner = module.get_submodule(path)
    for members in (owner._parameters, owner._buffers):
        if last in members:
            return members, last
    value = getattr(owner, last, None)
    if value is not None and not is_tensor(value):
        raise TypeError(f"attribute `{last}`: {value} is not an instance of xptorch.Tensor")
    if hasattr(type(owner), last):
        raise NotImplementedError(
            f"functional_call: {name!r} is computed: give parametrizations.{last}.original"
        )
    return owner.__dict__, last


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of models of the same kind, each stacked along a new axis.

    With them ``vmap`` of ``functional_call`` evaluates an ensemble.

    Raises:
        RuntimeError: there is no model, or they differ in class or mode.
    """
    if not len(models):
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return (
        {k: _leaf(k, [p[k] for p in parameters]) for k in parameters[0]},
        {k: joining.stack([b[k] for b in buffers]) for k in buffers[0]},
    )


def _leaf(name: str, tensors: Sequence[Any]) -> Any:
    wanted = {t.requires_grad for t in tensors}
    if len(wanted) > 1:
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    return joining.stack(tensors).detach().requires_grad_(wanted.pop())
