"""Architecture rules: import directions, use of array libraries, the backend interface, sizes."""

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

# The packages in layers: each imports only its own layer and earlier ones; `ops` and `_tensor`
# are in one layer.
LAYERS = (
    ("_core", "utils.hooks"),
    ("_engine",),
    ("ops", "_tensor"),
    ("random", "autograd", "linalg", "special", "signal", "masked", "fft", "cuda", "testing"),
    ("nn.functional", "functional"),
    ("nn",),
    ("optim", "utils", "func", "distributions"),
    ("serialization",),
    ("_program.settings", "accelerator", "amp", "compiler", "cpu", "distributed", "hub", "jit"),
    ("_dynamo", "cuda.amp", "mps", "multiprocessing", "onnx", "version", "xpu", "__config__"),
    ("overrides", "profiler", "storage", "types", "utils.model_zoo"),
    ("autograd.profiler",),
    ("_program", "__main__"),
)
# Imports that point up nevertheless, and why. (`utils.hooks`, `cuda.amp`, `utils.model_zoo` and
# `autograd.profiler` have layers of their own above: they are where PyTorch has them.)
UPWARD = {
    ("_engine.graph", "_tensor.tensor"): "for the type checker: the graph's functions give Tensors",
}
# Import cycles at run time, and why.
CIRCLES = {
    ("backends.mkldnn", "backends.numpy.onednn.library"): (
        "the library reads PyTorch's flag; the flag's file loads the library to see if it works"
    ),
}
# the few that deal with data on the host
HOST_MODULES = ("serialization", "ops.random", "utils.data", "_tensor.interop")
ARRAY_LIBRARIES = {"numpy", "cupy", "torch", "jax", "array_api_compat", "array_api_strict"}


def module_name(path: Path) -> str:
    """Such as `nn.conv` or `backends.numpy.blas`; "" for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(p for p in parts if p not in ("xptorch", "__init__"))


MODULES = {module_name(p): p for p in [*LIBRARY, *(ROOT / "backends").rglob("*.py")]}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module's full name, and whether only the type checker imports it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    types_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in types_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", id(node) in types_only


def layer(name: str) -> int:
    """The index of the layer of a module, such as `nn.functional.conv`."""
    found = [
        (len(home), index)
        for index, homes in enumerate(LAYERS)
        for home in homes
        if name == home or name.startswith(f"{home}.")
    ]
    assert found, f"xptorch.{name} belongs to no layer: add it to LAYERS"
    return max(found)[1]


def module_of(full: str) -> str:
    """The module of the library that an imported name is, or is in; "" for others' modules."""
    name = full.removeprefix("xptorch.")
    return "" if name == full else name if name in MODULES else name.rpartition(".")[0]


@pytest.mark.parametrize("path", LIBRARY, ids=module_name)
def test_imports_point_one_way(path: Path) -> None:
    here = module_name(path)
    for full, _ in imports(path):
        target = module_of(full)
        if here and target and (here, target) not in UPWARD:
            assert layer(target) <= layer(here), f"{here} imports {target}"


def test_what_points_up_is_there() -> None:
    found = {(module_name(p), module_of(full)) for p in LIBRARY for full, _ in imports(p)}
    assert set(UPWARD) <= found


def test_nothing_imports_in_a_circle() -> None:
    """At run time: imports inside functions count, those for the type checker do not."""
    graph = {
        name: {module_of(full) for full, types_only in imports(path) if not types_only}
        for name, path in MODULES.items()
        if name
    }
    circles = {}
    for name in graph:
        reached, stack = set[str](), [name]
        while stack:
            new = graph.get(stack.pop(), set()) - reached
            reached |= new
            stack += new
        if name in reached:
            circles[name] = reached
    tied = {
        tuple(sorted(a for a in circles if a in circles[b] and b in circles[a])) for b in circles
    }
    assert tied == set(CIRCLES)


@pytest.mark.parametrize("path", LIBRARY, ids=module_name)
def test_only_host_modules_know_an_array_library(path: Path) -> None:
    used = {full.partition(".")[0] for full, _ in imports(path)} & ARRAY_LIBRARIES
    allowed = {"numpy"} if module_name(path).startswith(HOST_MODULES) else set()
    assert used <= allowed


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("backends")])
def test_backends_know_only_the_core(name: str) -> None:
    ours = {module_of(full) for full, _ in imports(MODULES[name])}
    assert {imported.partition(".")[0] for imported in ours} <= {"", "_core", "backends"}


@pytest.mark.parametrize("path", BACKENDS, ids=lambda p: p.parent.name)
def test_a_backend_overrides_the_interface_and_adds_nothing(path: Path) -> None:
    backend = importlib.import_module(f"xptorch.backends.{path.parent.name}.backend").BACKEND
    assert backend.name == path.parent.name
    for name, value in vars(backend).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            base = getattr(_backend.Backend, name, None)
            assert base is not None, f"{name} is not part of the backend interface"
            assert inspect.signature(value) == inspect.signature(base), name


def test_the_backend_interface_is_small() -> None:
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
    """A file that is skipped where PyTorch is missing would skip those that import it, too."""
    lines = {
        f"{path.name}: {line}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(("from tests", "import tests")) and ".test_" in line.split()[1]
    }
    assert not lines
