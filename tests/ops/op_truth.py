"""PyTorch's results for the op cases: from PyTorch where it is installed, else from a file.

After changing the table of op cases, with PyTorch installed: `python -m tests.ops.op_truth`.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from tests.ops.op_case import OpCase
from tests.ops.op_cases import CASES

FILE = Path(__file__).parent / "op_truth.npz"
torch: Any = importlib.import_module("torch") if importlib.util.find_spec("torch") else None


def compute(case: OpCase) -> list[np.ndarray]:
    """PyTorch's results for a case, in float64."""
    result = case.run(torch, *map(torch.from_numpy, case.arrays()))
    return [t.detach().numpy() for t in _leaves(result)]


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [t for v in value for t in _leaves(v)]
    return [value] if isinstance(value, torch.Tensor) else []


def read() -> dict[str, list[np.ndarray]]:
    """The results stored in the file."""
    truth: dict[str, list[np.ndarray]] = {}
    with np.load(FILE) as file:
        for key in file.files:  # "name-note/0", "name-note/1" … in order
            truth.setdefault(key.rpartition("/")[0], []).append(file[key])
    return truth


def write() -> None:
    """Store the results of all cases."""
    every = ((f"{case}/{i}", a) for case in CASES for i, a in enumerate(compute(case)))
    np.savez_compressed(FILE, **dict(every))


TRUTH = {str(c): compute(c) for c in CASES} if torch is not None else read()

if __name__ == "__main__":
    write()
