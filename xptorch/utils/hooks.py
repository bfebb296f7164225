"""Handles of registered hooks."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable
from typing import Any, ClassVar


class RemovableHandle:
    """Removes a registered hook: by `remove`, or at the end of a ``with`` block.

    Args:
        hooks_dict: the dict in which the hook is registered under the handle's `id`.
        extra_dict: a dict, or several, with further entries under the same id.
    """

    _ids: ClassVar[Any] = itertools.count()
    id: int

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.id = next(RemovableHandle._ids)
        extras: Iterable[Any] = () if extra_dict is None else extra_dict
        extras = [extras] if isinstance(extras, dict) else extras
        # Weak references: a handle must not keep the dicts alive that it removes a hook from.
        self._dicts = [_reference(d) for d in (hooks_dict, *extras)]

    def remove(self) -> None:
        """Remove the hook; further calls do nothing."""
        for reference in self._dicts:
            found = reference()
            if found is not None:
                found.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def __getstate__(self) -> Any:
        return {"id": self.id, "dicts": [reference() for reference in self._dicts]}

    def __setstate__(self, state: Any) -> None:
        self.id = state["id"]
        self._dicts = [_reference({} if d is None else d) for d in state["dicts"]]
        RemovableHandle._ids = itertools.count(max(self.id + 1, next(RemovableHandle._ids)))


def _reference(hooks: Any) -> Any:
    try:
        return weakref.ref(hooks)
    except TypeError:  # a plain dict does not support weak references
        return lambda: hooks
