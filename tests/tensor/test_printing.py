"""The repr of tensors, against strings recorded from PyTorch, and against PyTorch itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import xptorch
from xptorch._tensor import printing

nan, inf = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def _usual_options() -> Iterator[None]:
    yield
    printing.set_printoptions(profile="default")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (3, "tensor(3)"),
        (2.5, "tensor(2.5000)"),
        (True, "tensor(True)"),
        ([], "tensor([])"),
        ([1.0, 2.0], "tensor([1., 2.])"),
        ([1.0, 2.5], "tensor([1.0000, 2.5000])"),
        ([1, -20], "tensor([  1, -20])"),
        ([True, False], "tensor([ True, False])"),
        ([1e-5, 1.0], "tensor([1.0000e-05, 1.0000e+00])"),
        ([1e9, 1.0], "tensor([1.0000e+09, 1.0000e+00])"),
        ([0.0, -0.0], "tensor([0., -0.])"),
        ([nan, inf, 1.0], "tensor([nan, inf, 1.])"),
        ([nan, -inf, 0.5], "tensor([   nan,   -inf, 0.5000])"),
        ([1 + 2j, -0.5j], "tensor([1.+2.0000j, -0.-0.5000j])"),
        ([[1, 2], [3, 4]], "tensor([[1, 2],\n        [3, 4]])"),
        ([[[1.0]], [[2.0]]], "tensor([[[1.]],\n\n        [[2.]]])"),
    ],
)
def test_texts(data: Any, text: str) -> None:
    assert repr(xptorch.tensor(data)) == text


def test_suffixes() -> None:
    x = xptorch.ones(2, requires_grad=True)
    assert repr(x) == "tensor([1., 1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 2.], grad_fn=<MulBackward0>)"
    assert repr(x.sum()) == "tensor(2., grad_fn=<SumBackward0>)"
    assert repr(xptorch.ones(1, dtype=xptorch.float64)) == "tensor([1.], dtype=xptorch.float64)"
    assert repr(xptorch.zeros(2, 0)) == "tensor([], size=(2, 0))"
    assert repr(xptorch.zeros(0, dtype=xptorch.int64)) == "tensor([], dtype=xptorch.int64)"
    on = xptorch.ones(1, device="array_api_strict")
    assert repr(on) == "tensor([1.], device='array_api_strict')"
    assert f"{xptorch.tensor(1.5):.3f} {xptorch.tensor(2)}" == "1.500 2"
    assert x.__repr__(tensor_contents="...") == "tensor(..., requires_grad=True)"


def test_summaries() -> None:
    on = xptorch.zeros(2, 501, dtype=xptorch.int64, device="array_api_strict")
    row = "[0, 0, 0,  ..., 0, 0, 0]"
    assert repr(on) == f"tensor([{row},\n        {row}], device='array_api_strict')"
    assert repr(xptorch.arange(1001)) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    assert repr(xptorch.zeros(40, 40)) == (
        "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n        ...,\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.]])"
    )


def test_options() -> None:
    usual = printing.get_printoptions()
    assert usual["precision"] == 4
    with printing.printoptions(precision=2, sci_mode=True):
        assert repr(xptorch.tensor([1.0, 2.5])) == "tensor([1.00e+00, 2.50e+00])"
    assert printing.get_printoptions() == usual
    printing.set_printoptions(profile="short")
    assert repr(xptorch.tensor(1.23456)) == "tensor(1.23)"
    printing.set_printoptions(profile="full")
    assert len(repr(xptorch.arange(2000))) > 10_000
    with pytest.raises(ValueError, match="profile must be one of"):
        printing.set_printoptions(profile="long")


DTYPES = ["float32", "float64", "float16", "int64", "int32", "uint8", "bool", "complex64"]
SIZES = [0, 1, 2, 3, 5, 8, 30]


def random_array(rng: np.random.Generator, dtype: str) -> np.ndarray:
    """Whole numbers, or numbers of one or of many magnitudes, and some that are not finite."""
    shape = tuple(rng.choice(SIZES, size=rng.integers(0, 4), p=[0.04, *([0.16] * 6)]))

    def part() -> np.ndarray:
        kind = rng.integers(0, 4)
        x = rng.integers(-5, 6, shape) * 1.0 if kind == 0 else rng.standard_normal(shape)
        if kind == 2:
            x = x * 10.0 ** rng.integers(-8, 9, shape)
        elif kind == 3:
            x = x * 10.0 ** float(rng.integers(-8, 12))
        x = np.asarray(x)
        if x.size and rng.random() < 0.3:
            x.flat[rng.integers(0, x.size)] = rng.choice([np.nan, np.inf, -np.inf, -0.0])
        return x

    with np.errstate(all="ignore"):
        if dtype.startswith("c"):
            return np.asarray(part() + 1j * part()).astype(dtype)
        if dtype.startswith("f"):
            return part().astype(dtype)
        return rng.integers(0, 100, shape).astype(dtype)


def comparable(text: str) -> str:
    """The text without the library's name in dtypes and the line breaks that the name shifts."""
    text = text.replace("xptorch", "torch")
    return re.sub(r",\s+(dtype|requires_grad|grad_fn|size)", r", \1", text)


@pytest.mark.parametrize("dtype", DTYPES)
def test_texts_are_pytorchs(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(len(dtype))
    try:
        for _ in range(120):
            options = {
                "precision": int(rng.integers(1, 8)),
                "threshold": int(rng.choice([5, 50, 1000])),
                "edgeitems": int(rng.integers(1, 5)),
                "linewidth": int(rng.choice([40, 80, 120])),
                "sci_mode": [None, None, True, False][rng.integers(0, 4)],
            }
            torch.set_printoptions(**options)
            printing.set_printoptions(**options)
            array = random_array(rng, dtype)
            ours, theirs = xptorch.from_numpy(array.copy()), torch.from_numpy(array.copy())
            if dtype.startswith("f") and rng.random() < 0.5:
                ours.requires_grad_()
                theirs.requires_grad_()
            assert comparable(repr(ours)) == comparable(repr(theirs))
    finally:
        torch.set_printoptions(profile="default", sci_mode=None)
