"""`as_torch`: ``import torch``, and every ``torch.x.y``, import xptorch and ``xptorch.x.y``."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import multiprocessing.spawn
import sys
from types import ModuleType
from typing import Any

NAME, OURS = "torch", "xptorch"
_PRELUDE = "import xptorch; xptorch.as_torch(); "


class as_torch:
    """Let ``import torch`` import xptorch in this process and the workers it starts.

    A call has effect until the process ends, a context manager for a block of imports. Modules are
    the same objects under both names, and ``torch.__version__`` begins with PyTorch's release.

    Raises:
        RuntimeError: PyTorch itself has been imported already.

    Example::

        import xptorch
        xptorch.as_torch()
        import torch
    """

    def __init__(self) -> None:
        loaded = sys.modules.get(NAME)
        if loaded is not None and loaded is not sys.modules[OURS]:
            raise RuntimeError(
                "xptorch.as_torch(): the real torch is imported already "
                f"(from {getattr(loaded, '__file__', None)}); call as_torch() before that"
            )
        self.new = not any(isinstance(finder, _Finder) for finder in sys.meta_path)
        if self.new:
            sys.meta_path.insert(0, _Finder())
            self.version = _claim_version()
            self.command = _prepare_workers()

    def __enter__(self) -> ModuleType:
        return sys.modules[OURS]

    def __exit__(self, *exc: object) -> None:
        if not self.new:
            return
        sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, _Finder)]
        for name in [n for n in sys.modules if n == NAME or n.startswith(NAME + ".")]:
            del sys.modules[name]
        vars(sys.modules[OURS])["__version__"] = self.version
        multiprocessing.spawn.get_command_line = self.command


def _claim_version() -> str:
    """Programs compare ``torch.__version__``: set it to PyTorch's, marked as ours."""
    from xptorch import version

    ours = vars(sys.modules[OURS])
    before = str(ours["__version__"])
    ours["__version__"] = version.TorchVersion(version.__version__)
    return before


def _prepare_workers() -> Any:
    """Processes started by spawn or forkserver import the program anew: call `as_torch` there."""
    original = multiprocessing.spawn.get_command_line

    def get_command_line(**kwargs: Any) -> list[str]:
        line = original(**kwargs)
        if "-c" in line:
            at = line.index("-c") + 1
            line[at] = _PRELUDE + line[at]
        return line

    multiprocessing.spawn.get_command_line = get_command_line
    if "forkserver" in multiprocessing.get_all_start_methods():
        multiprocessing.set_forkserver_preload(["xptorch._program.worker"])
    return original


class _Finder(importlib.abc.MetaPathFinder):
    """Finds ``torch.x`` if ``xptorch.x`` exists, else raises an error that names it."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != NAME and not fullname.startswith(NAME + "."):
            return None
        real = OURS + fullname[len(NAME) :]
        if real not in sys.modules and importlib.util.find_spec(real) is None:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: xptorch has no {fullname}", name=fullname
            )
        return importlib.util.spec_from_loader(fullname, _Loader(real))


class _Loader(importlib.abc.Loader):
    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system put that of the alias there
