"""Which of PyTorch's public names XPTorch has: writes COVERAGE.md beside this file.

    python -m tests.parity.coverage            # prints the page
    python -m tests.parity.coverage --write    # writes it
    python -m tests.parity.coverage --names    # updates names.txt from the installed PyTorch, too

PyTorch's names are listed in names.txt, so that the page can be made without PyTorch: a line for
each module (add a line to add a module).
"""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE, NAMES = HERE / "COVERAGE.md", HERE / "names.txt"
# prefixes of PyTorch's bindings to other libraries, of its compiler and of quantisation
_FOREIGN = ("cudnn_", "miopen_", "mkldnn_", "fbgemm_", "sym_", "fake_quantize", "quantized_")


def find(name: str) -> Any:
    """The module or class of that name; None if there is none."""
    try:
        return importlib.import_module(name)
    except ImportError:
        parent, _, last = name.rpartition(".")
        home = sys.modules.get(parent)
        return getattr(home, last) if has(home, last) else None


def public_names(module: Any) -> list[str]:
    """A PyTorch module's public names: functions, classes, constants; not what it imports."""
    listed = getattr(module, "__all__", None)
    found = []
    for name in listed or dir(module):
        value = getattr(module, name, None)
        inner = inspect.isclass(value) and str(value.__module__).startswith("torch._C")
        stranger = not listed and (
            inspect.ismodule(value)
            or str(getattr(value, "__module__", None) or "torch").partition(".")[0] != "torch"
        )
        if not (name.startswith(("_", *_FOREIGN)) or inner or stranger):
            found.append(name)
    return sorted(set(found))


def take_names() -> str:
    """The text of names.txt: a line for each module, its names after a colon."""
    return "".join(
        f"{name}: {' '.join(public_names(module))}\n"
        for name in known_names()
        if (module := find(name)) is not None
    )


def known_names() -> dict[str, list[str]]:
    """PyTorch's names by module, from names.txt."""
    lines = NAMES.read_text(encoding="utf-8").splitlines()
    return {module: names.split() for module, _, names in (line.partition(":") for line in lines)}


def has(module: Any, name: str) -> bool:
    """Whether a module has a name, and what the name needs can be imported."""
    try:
        return hasattr(module, name)
    except ImportError:
        return False


def missing_names() -> dict[str, list[str] | None]:
    """The names that XPTorch lacks, by module; None where it has no such module."""
    found: dict[str, list[str] | None] = {}
    for name, names in known_names().items():
        module = find(name.replace("torch", "xptorch", 1))
        lacks = [n for n in names if not has(module, n)]
        found[name] = None if module is None else lacks
    return found


def page() -> str:
    """The text of COVERAGE.md."""
    known, missing = known_names(), missing_names()
    rows, lists = [], []
    have = 0
    for name, names in known.items():
        lacks = missing[name]
        count = 0 if lacks is None else len(names) - len(lacks)
        have += count
        state = "complete" if lacks == [] else "partial" if count else "absent"
        rows.append(f"| `{name}` | {state} | {count} of {len(names)} |")
        if lacks and count:
            text = textwrap.fill(" ".join(f"`{n}`" for n in lacks), 100, break_on_hyphens=False)
            lists.append(f"**{name}**\n\n{text}\n")
    total = sum(map(len, known.values()))
    return "\n".join(
        [
            "# Coverage",
            "",
            f"{have} of {total} public names of PyTorch 2.13 are here. A name that is here does "
            "what PyTorch's does,\nor raises `NotImplementedError` for the arguments it does not "
            "take; the tests compare them with PyTorch's.",
            "Written by `python -m tests.parity.coverage --write`.",
            "",
            "| module | state | names |",
            "|---|---|---|",
            *rows,
            "",
            "## What the partial modules lack",
            "",
            "\n".join(lists),
        ]
    )


def main() -> None:
    warnings.simplefilter("ignore")
    if "--names" in sys.argv:
        importlib.import_module("torch")
        NAMES.write_text(take_names(), encoding="utf-8")
    if "--write" in sys.argv or "--names" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())


if __name__ == "__main__":
    main()
