"""``python -m xptorch script.py arguments…``: run a PyTorch program with xptorch as torch."""

from __future__ import annotations

import io
import os
import runpy
import sys
from types import ModuleType, TracebackType

from xptorch._program.alias import as_torch

USAGE = """usage: python -m xptorch script.py [arguments]
       python -m xptorch -m module [arguments]

Run a PyTorch program with xptorch in torch's place."""


def main(arguments: list[str]) -> None:
    """Run the script or module of the command line, as ``python`` itself would."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        raise SystemExit(0 if arguments else 2)
    as_torch()
    try:
        if arguments[0] == "-m":
            _run_module(arguments[1:])
        else:
            _run_script(arguments)
    except Exception as error:
        error = error.with_traceback(_program_traceback(error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)
        raise SystemExit(1) from None


def _run_module(arguments: list[str]) -> None:
    if not arguments:
        raise SystemExit("python -m xptorch -m: the module's name is missing\n" + USAGE)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def _run_script(arguments: list[str]) -> None:
    """Run a file as the module ``__main__``, where pickles and workers look names up."""
    path = os.path.abspath(arguments[0])
    sys.argv, sys.path[0] = arguments, os.path.dirname(os.path.realpath(path))
    try:
        with io.open_code(path) as file:
            code = compile(file.read(), path, "exec")
    except OSError as error:
        raise SystemExit(
            f"python -m xptorch: can't open file {arguments[0]!r}: {error.strerror}"
        ) from None
    module = ModuleType("__main__")
    module.__file__ = path
    vars(module).update(__builtins__=__builtins__, __spec__=None)
    sys.modules["__main__"] = module
    exec(code, vars(module))


def _program_traceback(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the program's first frame on."""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file != __file__ and "runpy" not in file:
            return trace
        trace = trace.tb_next
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
