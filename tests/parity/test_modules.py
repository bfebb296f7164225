"""XPTorch's modules against PyTorch's, over PyTorch's own test database: one test for each."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is the reference")

from tests.parity import _modules as modules
from tests.parity._gaps import judge

KNOWN = [info for info in modules.database if modules.exists(info)]


@pytest.mark.parametrize("info", KNOWN, ids=modules.full_name)
def test_module(info: Any) -> None:
    judge(modules.full_name(info), modules.check(info).found)
