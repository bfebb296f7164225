"""Which backends there are, here and in other packages, and how one is loaded.

A built-in backend is a folder of `xptorch.backends`. Another package brings one by an entry point
of the group ``xptorch.backends``: its name is the backend's, its object the subclass of `Backend`.
"""

from __future__ import annotations

import importlib
import pkgutil

from xptorch._core.backend import Backend
from xptorch._core.mode import local, quieten

_loaded: dict[str, Backend] = {}


class BackendError(RuntimeError, AssertionError):
    """A backend is unknown, not installed, or finds no device; the message says what to do.

    It is what PyTorch raises: an AssertionError without CUDA, a RuntimeError without a device.
    """


def backend_names() -> list[str]:
    """The backends that this installation knows, whether or not their libraries are installed."""
    package = importlib.import_module("xptorch.backends")
    found = pkgutil.iter_modules(package.__path__)
    return sorted(m.name for m in found if m.ispkg)


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
    """The backend of that name, or what is in its way."""
    if name in _loaded:
        return _loaded[name]
    if name not in backend_names():
        return f"There is no backend {name!r}"
    cls: type[Backend] = importlib.import_module(f"xptorch.backends.{name}.backend").BACKEND
    try:
        backend = cls()  # type: ignore[call-arg]
    except ImportError as e:
        hint = f" ({cls.hint})" if cls.hint else ""
        return f"The backend {name!r} needs {e.name or 'its library'}, which is not installed{hint}"
    if backend.device_count() == 0:
        return f"The backend {name!r} finds no working device"
    quieten.append(backend.quieten)
    local.mode.run(backend.quieten)
    return _loaded.setdefault(name, backend)
