"""torch.fft, stft and istft beyond what PyTorch's own test database covers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import xptorch

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:A window was not provided")


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
@pytest.mark.parametrize("n", [0, 1, 4, 5])
def test_frequencies(name: str, n: int) -> None:
    mine, theirs = (getattr(t.fft, name)(n, d=0.3) for t in (xptorch, torch))
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-6)
    assert mine.dtype is xptorch.float32


def test_every_name_is_there() -> None:
    theirs = set(torch.fft.__all__) - {"Tensor"}
    assert theirs <= set(xptorch.fft.__all__)


@pytest.mark.parametrize(
    "how",
    [
        {"n_fft": 8},
        {"n_fft": 8, "hop_length": 3, "win_length": 6, "window": 6},
        {"n_fft": 9, "hop_length": 2, "window": 9, "normalized": True},
        {"n_fft": 8, "onesided": False, "pad_mode": "constant"},
        {"n_fft": 8, "window": 8, "center": False},
    ],
    ids=str,
)
def test_there_and_back(how: dict[str, Any]) -> None:
    signal = np.random.default_rng(0).standard_normal((2, 40))
    found = []
    for library in (xptorch, torch):
        x = library.from_numpy(signal.copy()).requires_grad_()
        options = dict(how)
        if "window" in options:
            options["window"] = library.linspace(0.2, 1, how["window"], dtype=library.float64)
        y = library.stft(x, **options, return_complex=True)
        options.pop("pad_mode", None)
        back = library.istft(y * 1.5, **options, length=30)
        (back**3).sum().backward()
        found.append([t.detach().resolve_conj().numpy() for t in (y, back, x.grad)])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.stft(t.ones(10), 4),
        lambda t: t.stft(t.ones(2, 2, 10), 4, return_complex=True),
        lambda t: t.stft(t.ones(10), 40, return_complex=True),
        lambda t: t.stft(t.ones(10), 4, hop_length=0, return_complex=True),
        lambda t: t.stft(t.ones(10), 4, win_length=5, return_complex=True),
        lambda t: t.stft(t.ones(10), 4, window=t.ones(3), return_complex=True),
        lambda t: t.istft(t.ones(3, 5), 4),
        lambda t: t.istft(t.ones(3, 5) + 0j, 4, hop_length=5),
        lambda t: t.istft(t.ones(3, 5) + 0j, 4, window=t.zeros(4)),
        lambda t: t.fft.fft(t.ones(3), norm="x"),
        lambda t: t.fft.fft(t.ones(3), n=0),
        lambda t: t.fft.fftfreq(4, dtype=t.int64),
    ],
)
def test_errors(call: Any) -> None:
    for library in (xptorch, torch):
        with pytest.raises(RuntimeError):
            call(library)
