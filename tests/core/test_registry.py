"""Backends of other packages: found by their entry point, checked, and used like our own."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

PACKAGE = '''
"""A backend that another package brings: NumPy by the standard alone, under another name."""

from xptorch.backends import Backend


class PlainBackend(Backend):
    name = "plain"

    def __init__(self):
        import array_api_compat.numpy

        super().__init__(array_api_compat.numpy)

    def raw_device(self, index):
        return "cpu"

    def to_host(self, x):
        return x


class NeedsAbsent(Backend):
    name = "absent"
    hint = "pip install nothing-of-that-name"

    def __init__(self):
        import nothing_of_that_name
'''
METADATA = "Metadata-Version: 2.1\nName: plain-backend\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
ENTRY_POINTS = """[xptorch.backends]
plain = plain_backend:PlainBackend
absent = plain_backend:NeedsAbsent
misnamed = plain_backend:PlainBackend
broken = plain_backend:NoSuchClass
numpy = plain_backend:PlainBackend
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed a package with entry points."""
    folder = tmp_path_factory.mktemp("packages")
    wheel, info = folder / "plain_backend-1.0-py3-none-any.whl", "plain_backend-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("plain_backend.py", PACKAGE)
        archive.writestr(f"{info}/METADATA", METADATA)
        archive.writestr(f"{info}/WHEEL", WHEEL)
        archive.writestr(f"{info}/entry_points.txt", ENTRY_POINTS)
        archive.writestr(f"{info}/RECORD", "")
    target = folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True)
    return target


def run(site: Path, program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import xptorch as torch\n" + program],
        env={"PYTHONPATH": f"{site}:{ROOT}", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


TRAIN = """
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(),
                          torch.nn.Linear(64, 2))
adam = torch.optim.Adam(net.parameters())
for _ in range(3):
    adam.zero_grad()
    loss = net(torch.rand(5, 1, 6, 6)).square().mean()
    loss.backward()
    adam.step()
print(loss.device, round(loss.item(), 5))
"""


def test_a_net_trains_on_it(site: Path) -> None:
    device, loss = run(site, TRAIN, XPTORCH_BACKEND="plain").split()
    assert (device, loss) == ("plain", run(site, TRAIN).split()[1])


def test_it_is_a_device_of_its_name(site: Path) -> None:
    program = "t = torch.arange(3, device='plain'); print(t, t.cpu().device, t.to('plain') is t)"
    assert run(site, program) == "tensor([0, 1, 2], device='plain') cpu True"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("absent", "needs nothing_of_that_name, which is not installed (pip install nothing-of"),
        ("broken", "The backend 'broken' cannot be loaded from plain_backend:NoSuchClass"),
        ("misnamed", "plain_backend:PlainBackend is no subclass of Backend of that name"),
        ("unknown", "There is no backend 'unknown'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(site: Path, name: str, error: str) -> None:
    program = "try: torch.ones(1)\nexcept torch.BackendError as e: print(e)"
    said = run(site, program, XPTORCH_BACKEND=name)
    assert error in said
    assert "Backends that work here: " in said and "plain" in said and "\n" not in said


def test_our_own_backends_cannot_be_replaced(site: Path) -> None:
    assert run(site, "print(type(torch.ones(1).device.backend).__name__)") == "NumpyBackend"


def test_without_other_packages_entry_points_are_not_read() -> None:
    """Reading them takes about a third of the import's time."""
    program = "import sys; torch.ones(2) + 1; print('importlib.metadata' in sys.modules)"
    assert run(ROOT, program) == "False"
