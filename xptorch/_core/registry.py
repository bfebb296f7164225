"""The registry of backends: which exist, here and in other packages, and how one is loaded.

A built-in backend is a folder of `xptorch.backends`. Another package adds one by an entry point of
the group ``xptorch.backends``: its name is the backend's, its object the subclass of `Backend`.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from xptorch._core.backend import Backend
from xptorch._core.mode import ignore_fp_warnings, local

_loaded: dict[str, Backend] = {}


class BackendError(RuntimeError, AssertionError):
    """A backend is unknown, not installed, or finds no device; the message says what to do.

    Its types are those of PyTorch's: AssertionError without CUDA, RuntimeError without a device.
    """


def backend_names() -> list[str]:
    """The names of all backends, whether or not their libraries are installed."""
    return sorted({*_built_in(), *_entry_points()})


def is_known(name: str) -> bool:
    """Whether a backend has that name."""
    return name in _built_in() or name in _entry_points()


def _built_in() -> set[str]:
    """The folders of `xptorch.backends`; its files are PyTorch's flag modules."""
    package = importlib.import_module("xptorch.backends")
    return {module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg}


def _entry_points() -> dict[str, Any]:
    """The backends that other installed packages add, by name."""
    from importlib import metadata  # the import takes 30 ms

    return {entry.name: entry for entry in metadata.entry_points(group="xptorch.backends")}


def load(name: str) -> Backend:
    """The backend of that name, loaded once.

    Raises:
        BackendError: it is unknown, its library is missing, or no device of it works.
    """
    found = _start(name)
    if isinstance(found, str):
        usable = [n for n in backend_names() if isinstance(_start(n), Backend)]
        raise BackendError(f"{found}. Backends that work here: {', '.join(usable)}.")
    return found


def works(name: str) -> bool:
    """Whether the backend of that name can be used here."""
    return isinstance(_start(name), Backend)


def _start(name: str) -> Backend | str:
    """The backend of that name, or why it cannot be used."""
    if name in _loaded:
        return _loaded[name]
    if not is_known(name):
        return f"There is no backend {name!r}"
    cls = _class_of(name)
    if isinstance(cls, str):
        return cls
    try:
        backend = cls()  # type: ignore[call-arg]
    except ImportError as e:
        hint = f" ({cls.hint})" if cls.hint else ""
        return f"The backend {name!r} needs {e.name or 'its library'}, which is not installed{hint}"
    if backend.device_count() == 0:
        return f"The backend {name!r} finds no working device"
    ignore_fp_warnings.append(backend.ignore_fp_warnings)
    local.mode.run(backend.ignore_fp_warnings)
    return _loaded.setdefault(name, backend)


def _class_of(name: str) -> type[Backend] | str:
    """The class of a known backend, or what is wrong with another package's entry point."""
    if name in _built_in():
        cls: type[Backend] = importlib.import_module(f"xptorch.backends.{name}.backend").BACKEND
        return cls
    entry = _entry_points()[name]
    try:
        found = entry.load()
    except (ImportError, AttributeError) as e:
        return f"The backend {name!r} cannot be loaded from {entry.value}: {e}"
    if not (isinstance(found, type) and issubclass(found, Backend) and found.name == name):
        return f"The backend {name!r}: {entry.value} is no subclass of Backend of that name"
    return found
