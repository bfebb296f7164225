"""Every test here runs with XPTorch and, where installed, with PyTorch, which validates it."""

from __future__ import annotations

import importlib
from typing import Any

import pytest


@pytest.fixture(params=["xptorch", "torch"])
def torch(request: pytest.FixtureRequest) -> Any:
    """The library under test."""
    if request.param == "torch":
        return pytest.importorskip("torch")
    return importlib.import_module("xptorch")
