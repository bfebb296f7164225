"""COVERAGE.md is correct: it lists every name of PyTorch's that is missing."""

from __future__ import annotations

import warnings

import pytest

from tests.parity import coverage


def test_the_page_claims_no_more_than_there_is() -> None:
    """New names may wait for ``--write``; a name that went away may not."""
    text = coverage.PAGE.read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        missing = coverage.missing_names()
    for module, lacks in missing.items():
        section = text.partition(f"**{module}**\n")[2].partition("\n**")[0]
        absent = f"| `{module}` | absent |" in text
        hidden = [n for n in lacks or () if not absent and f"`{n}`" not in section]
        assert not hidden, f"{module} lost {hidden}"
        assert lacks is not None or absent, f"{module} is absent"


def test_the_names_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    if not torch.__version__.startswith("2.13."):
        pytest.skip("the names are those of 2.13")
    known = coverage.known_names()
    for name in ("torch.nn", "torch.nn.functional", "torch.optim", "torch.linalg", "torch.fft"):
        assert known[name] == coverage.public_names(coverage.find(name))
