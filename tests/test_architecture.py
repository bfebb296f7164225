"""The rules of the house: the way imports point, who may know an array library, the seam, sizes."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from xptorch._core import backend as _backend

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "xptorch").rglob("*.py"))
BACKENDS = sorted((ROOT / "backends").glob("*/backend.py"))

# Each layer may import those before it and itself; `ops` and `_tensor` import each other.
LAYERS = (
    ("_core", "utils.hooks"),
    ("_engine",),
    ("ops", "_tensor"),
    ("random", "autograd", "linalg", "special", "signal", "masked", "fft", "cuda", "testing"),
    ("nn.functional", "functional"),
    ("nn",),
    ("optim", "utils", "func", "distributions"),
    ("serialization",),
    (
        "_dynamo",
        "_program.settings",
        "accelerator",
        "amp",
        "compiler",
        "cpu",
        "distributed",
        "hub",
        "jit",
        "mps",
    ),
    ("cuda.amp", "multiprocessing", "onnx", "version", "xpu", "__config__", "utils.model_zoo"),
    ("overrides", "profiler", "autograd.profiler", "storage", "types"),
    ("_program", "__main__"),
)
# the few that deal with data on the host
HOST_MODULES = ("serialization", "ops.random", "utils.data", "_tensor.interop")
ARRAY_LIBRARIES = {"numpy", "cupy", "torch", "jax", "array_api_compat", "array_api_strict"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(p for p in parts[1:] if p != "__init__")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module's full name, and whether it is imported with the module itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.Lambda) or _is_type_checking(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (
                (f"{node.module}.{alias.name}", id(node) not in late) for alias in node.names
            )


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def layer(name: str) -> int:
    """The place of a module, such as `nn.functional.conv`, among the layers."""
    found = [
        (len(home), place)
        for place, homes in enumerate(LAYERS)
        for home in homes
        if name == home or name.startswith(f"{home}.")
    ]
    assert found, f"xptorch.{name} belongs to no layer: add it to LAYERS"
    return max(found)[1]


@pytest.mark.parametrize("path", LIBRARY, ids=module_name)
def test_imports_point_one_way(path: Path) -> None:
    here = module_name(path)
    for full, at_import in imports(path):
        target = full.removeprefix("xptorch.")
        if here and at_import and target != full:
            assert layer(target) <= layer(here), f"{here} imports {target}"


@pytest.mark.parametrize("path", LIBRARY, ids=module_name)
def test_only_host_modules_know_an_array_library(path: Path) -> None:
    used = {full.partition(".")[0] for full, _ in imports(path)} & ARRAY_LIBRARIES
    allowed = {"numpy"} if module_name(path).startswith(HOST_MODULES) else set()
    assert used <= allowed


@pytest.mark.parametrize("path", BACKENDS, ids=lambda p: p.parent.name)
def test_backends_know_only_the_seam(path: Path) -> None:
    ours = {full for full, _ in imports(path) if full.startswith("xptorch")}
    strangers = {
        f for f in ours if not f.startswith(("xptorch._core.backend.", "xptorch.backends."))
    }
    assert not strangers


@pytest.mark.parametrize("path", BACKENDS, ids=lambda p: p.parent.name)
def test_a_backend_overrides_the_seam_and_adds_nothing(path: Path) -> None:
    backend = importlib.import_module(f"xptorch.backends.{path.parent.name}.backend").BACKEND
    assert backend.name == path.parent.name
    for name, value in vars(backend).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            base = getattr(_backend.Backend, name, None)
            assert base is not None, f"{name} is not part of the seam"
            assert inspect.signature(value) == inspect.signature(base), name


def test_the_seam_is_thin() -> None:
    methods = [n for n, v in vars(_backend.Backend).items() if inspect.isfunction(v)]
    assert len([n for n in methods if not n.startswith("_")]) <= 40


@pytest.mark.parametrize(
    "path", [*LIBRARY, *BACKENDS, *(ROOT / "tests").rglob("*.py")], ids=lambda p: p.stem
)
def test_files_are_short(path: Path) -> None:
    limit = 250 if path in BACKENDS else 600
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


def test_import_brings_only_numpy() -> None:
    code = "import sys, xptorch; print(*(m for m in sys.argv[1:] if m in sys.modules))"
    heavy = [*sorted(ARRAY_LIBRARIES - {"numpy", "array_api_compat"}), "matplotlib", "tqdm"]
    found = subprocess.run(
        [sys.executable, "-c", code, *heavy], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []


def test_every_package_is_installed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in LIBRARY if path.name == "__init__.py"}
    folders |= {
        Path("xptorch") / path.parent.relative_to(ROOT)
        for path in (ROOT / "backends").rglob("__init__.py")
    }
    assert listed == sorted(".".join(folder.parts) for folder in folders)


def test_tests_do_not_import_each_other() -> None:
    """A file that is skipped where PyTorch is missing would take those that import it along."""
    lines = {
        f"{path.name}: {line}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(("from tests", "import tests")) and ".test_" in line.split()[1]
    }
    assert not lines
