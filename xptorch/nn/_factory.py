"""Where and as what a layer's parameters are made, picked out of keyword arguments."""

from __future__ import annotations

from typing import Any

_NAMES = {"device", "dtype", "memory_format"}


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """The `device`, `dtype` and `memory_format` among a layer's arguments.

    Args:
        kwargs: these alone, or in a dict of their own named `factory_kwargs`, or both.

    Raises:
        TypeError: there is something else, or one is given twice.
    """
    if kwargs is None:
        return {}
    unexpected = set(kwargs) - _NAMES - {"factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in _NAMES & set(kwargs):
        if name in found:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        found[name] = kwargs[name]
    return found
