"""Small colour images for the examples: CIFAR-10 from a folder, or generated stand-ins."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np

SHAPES = ["disc", "ring", "square", "frame", "triangle", "cross"]
SHAPES += ["rows", "columns", "diagonals", "checks"]
MEAN = np.array([0.4914, 0.4822, 0.4465], np.float32)
SPREAD = np.array([0.2470, 0.2435, 0.2616], np.float32)


class Images(NamedTuple):
    """Images (n, 3, 32, 32) uint8 and labels (n,) int64, the classes, and the source."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: list[str]
    source: str


def normalized(images: np.ndarray) -> np.ndarray:
    """Images as float32 of mean 0 and variance 1, channel by channel, over CIFAR-10."""
    scaled = images.astype(np.float32) / np.float32(255)
    return (scaled - MEAN[:, None, None]) / SPREAD[:, None, None]


def load_images(folder: Path, train: int, test: int, seed: int) -> Images:
    """`train` and `test` images of CIFAR-10 (Python version) if in the folder, else stand-ins."""
    if (folder / "batches.meta").is_file():
        return _cifar(folder, train, test, seed)
    rng = np.random.default_rng(seed)
    sets = *_stand_ins(train, rng), *_stand_ins(test, rng)
    return Images(*sets, SHAPES, "STAND-IN IMAGES, NOT CIFAR-10: ten kinds of drawn shapes")


def _cifar(folder: Path, train: int, test: int, seed: int) -> Images:
    with (folder / "batches.meta").open("rb") as file:
        names = [n.decode() for n in pickle.load(file, encoding="bytes")[b"label_names"]]
    files = [f"data_batch_{i}" for i in range(1, 6)]
    some, rest = _batches(folder, files), _batches(folder, ["test_batch"])
    # A random subset: the first images may not be balanced over the classes.
    chosen = np.random.default_rng(seed).permutation(len(some[1]))[:train]
    sets = some[0][chosen], some[1][chosen], rest[0][:test], rest[1][:test]
    return Images(*sets, names, f"CIFAR-10 from {folder}")


def _batches(folder: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = [], []
    for name in names:
        with (folder / name).open("rb") as file:
            batch = pickle.load(file, encoding="bytes")
        images.append(batch[b"data"].reshape(-1, 3, 32, 32))
        labels += batch[b"labels"]
    return np.concatenate(images), np.array(labels, np.int64)


def _stand_ins(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Shapes of random position, size and colour on a random background, with noise."""
    labels = rng.integers(0, len(SHAPES), count)
    masks = np.stack([_drawn(SHAPES[label], rng) for label in labels])[:, None]
    ink, ground = rng.uniform(0, 255, (2, count, 3, 1, 1))
    noise = rng.normal(0, 12, (count, 3, 32, 32))
    images = ground + (ink - ground) * masks + noise
    return images.clip(0, 255).astype(np.uint8), labels


def _drawn(shape: str, rng: np.random.Generator) -> np.ndarray:
    """The mask of a shape: (32, 32) bool."""
    size, (y0, x0) = rng.uniform(6, 10), rng.uniform(11, 21, 2)
    y, x = np.mgrid[:32, :32] - np.array([y0, x0])[:, None, None]
    far, box = np.hypot(x, y), np.maximum(abs(x), abs(y))
    wave = np.pi * 2 / rng.uniform(5, 8)
    if shape in ("rows", "columns", "diagonals", "checks"):
        a, b = np.sin(wave * y), np.sin(wave * x)
        kinds = {"rows": a, "columns": b, "diagonals": np.sin(wave * (x + y)), "checks": a * b}
        return kinds[shape] > 0
    return {
        "disc": far < size,
        "ring": abs(far - size) < 2,
        "square": box < size * 0.9,
        "frame": abs(box - size) < 1.5,
        "triangle": (y < size * 0.8) & (y > 2 * abs(x) - size),
        "cross": (np.minimum(abs(x), abs(y)) < 2) & (box < size),
    }[shape]
