"""Every module can be imported and every public name accessed, on a bare installation, too."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import xptorch.backends

import xptorch

ROOT = Path(__file__).parent.parent
REQUIRED = {"numpy", "array_api_compat", "xptorch"}

# Its import makes `torch` an alias; it has a test of its own.
ALIASES = {"xptorch._program.worker"}

TOUCH = """
import importlib, sys

class Blocked:  # what a bare installation lacks
    def find_spec(self, name, path=None, target=None):
        if path is None and name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

blocked = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Blocked())
for module in map(importlib.import_module, sys.argv[2:]):
    lazy = {*getattr(module, "_LAZY", ()), *getattr(module, "_LAZY_NAMES", ())}
    for name in {*dir(module), *getattr(module, "__all__", ()), *lazy}:
        getattr(module, name)
"""


def modules() -> list[str]:
    """Every module of the package, the folder of backends included."""
    found = [m.name for m in pkgutil.walk_packages(xptorch.__path__, "xptorch.")]
    found += ["xptorch.backends"]
    found += [m.name for m in pkgutil.walk_packages(xptorch.backends.__path__, "xptorch.backends.")]
    return sorted(set(found) - ALIASES)


def touch(blocked: set[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", TOUCH, ",".join(blocked), *modules()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def installed() -> set[str]:
    """The packages of this environment, by the names they are imported under."""
    from importlib import metadata

    return set(metadata.packages_distributions()) - REQUIRED


@pytest.mark.parametrize("bare", [False, True], ids=["as installed", "bare"])
def test_every_module_and_name_is_there(bare: bool) -> None:
    run = touch(installed() if bare else {"-"})
    assert run.returncode == 0, run.stderr


def test_walking_the_package_ends_and_stays_inside() -> None:
    """Also in a checkout, where the folder of backends is beside the package."""
    names = modules()
    files = [p.relative_to(ROOT) for d in ("xptorch", "backends") for p in (ROOT / d).rglob("*.py")]
    parts = [[*(["xptorch"] if p.parts[0] == "backends" else []), *p.parts] for p in files]
    expected = {".".join(part).removesuffix(".py").removesuffix(".__init__") for part in parts}
    assert set(names) == expected - ALIASES - {"xptorch"}
