"""`python -m xptorch` and `as_torch`: programs that import torch, unmodified."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        env=path,
        capture_output=True,
        text=True,
    )


def ran(code: str) -> str:
    result = python("-c", code)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_modules_are_the_same_objects() -> None:
    out = ran(
        "import xptorch; xptorch.as_torch(); import torch, torch.nn.functional as F\n"
        "import torch.backends.cudnn as cudnn, torch.utils.data.sampler\n"
        "from torch.optim import lr_scheduler\n"
        "import xptorch.nn.functional, xptorch.backends.cudnn, xptorch.optim.lr_scheduler\n"
        "print(torch is xptorch, F is xptorch.nn.functional, torch.nn is xptorch.nn,\n"
        "      cudnn is xptorch.backends.cudnn, lr_scheduler is xptorch.optim.lr_scheduler,\n"
        "      F.__spec__.name, torch.__name__)\n"
    )
    assert out == "True True True True True xptorch.nn.functional xptorch\n"


def test_the_version_compares_as_pytorchs() -> None:
    out = ran(
        "import xptorch; xptorch.as_torch(); import torch; v = torch.__version__\n"
        "print(v >= '1.9', v > (2, 12), v < '2.14.0.dev1', v >= (2, 13, 0), v.split('.')[0])\n"
    )
    assert out == "True True True True 2\n"


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("import torch.quantum", "No module named 'torch.quantum': xptorch has no torch.quantum"),
        ("torch.quantum", "xptorch has no torch.quantum"),
        ("import torch.distributed.fsdp", "xptorch has no torch.distributed.fsdp"),
        ("torch.nn.Quantum", "'xptorch.nn' has no attribute 'Quantum'"),
    ],
)
def test_what_is_absent_is_named(statement: str, error: str) -> None:
    result = python("-c", f"import xptorch; xptorch.as_torch(); import torch\n{statement}")
    assert result.returncode == 1
    assert error in result.stderr


def test_as_a_context_it_ends() -> None:
    out = ran(
        "import sys, xptorch\n"
        "with xptorch.as_torch() as t:\n"
        "    import torch.nn\n"
        "    print(torch is t, t.__version__[:4])\n"
        "print('torch' in sys.modules, xptorch.__version__ == xptorch.version.xptorch)\n"
    )
    assert out == "True 2.13\nFalse True\n"


def test_the_real_torch_must_not_be_there() -> None:
    pytest.importorskip("torch")
    result = python("-c", "import torch, xptorch; xptorch.as_torch()")
    assert "the real torch is imported already" in result.stderr


PROGRAM = """
import os, pickle, sys
import torch
from torch.utils.data import DataLoader, Dataset

class Squares(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, i):
        return torch.tensor(float(i * i))

def work(index, where):
    with open(os.path.join(where, str(index)), "w") as f:
        f.write(torch.__version__[:4])

if __name__ == "__main__":
    print(sys.argv[1:], __file__, sys.path[0])
    for method in ("fork", "spawn", "forkserver"):
        loader = DataLoader(Squares(), batch_size=2, num_workers=1, multiprocessing_context=method)
        print([batch.tolist() for batch in loader])
    print(type(pickle.loads(pickle.dumps(Squares()))) is Squares)
    torch.save(Squares(), "squares.pt")
    print(len(torch.load("squares.pt", weights_only=False)))
    torch.multiprocessing.spawn(work, (os.getcwd(),), nprocs=1)
    print(open("0").read())
"""


def test_a_script_runs_as_under_python(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    result = python("-m", "xptorch", "program.py", "--lr", "1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    batches = "[[0.0, 1.0], [4.0, 9.0]]\n"
    first = f"['--lr', '1'] {tmp_path}/program.py {tmp_path}\n"
    assert result.stdout == first + 3 * batches + "True\n4\n2.13\n"


def test_a_module_runs_as_under_python(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text(
        "import sys, torch\nfrom . import other\nprint(__name__, sys.argv[1:], other.x.tolist())\n"
    )
    (tmp_path / "package" / "other.py").write_text("import torch\nx = torch.ones(2)\n")
    result = python("-m", "xptorch", "-m", "package", "a", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "__main__ ['a'] [1.0, 1.0]\n"


def test_tracebacks_are_the_programs_own(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("def f():\n    raise ValueError('no')\nf()\n")
    theirs = python("program.py", cwd=tmp_path)
    ours = python("-m", "xptorch", "program.py", cwd=tmp_path)
    assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr)


def test_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("raise SystemExit(3)\n")
    assert python("-m", "xptorch", "program.py", cwd=tmp_path).returncode == 3
    assert python("-m", "xptorch", cwd=tmp_path).returncode == 2
    assert "can't open file" in python("-m", "xptorch", "none.py", cwd=tmp_path).stderr
