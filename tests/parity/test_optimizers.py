"""XPTorch's optimizers against PyTorch's, over PyTorch's own test database: one test for each."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is the reference")

from tests.parity import _optimizers as optimizers
from tests.parity._gaps import judge

KNOWN = [info for info in optimizers.database if optimizers.exists(info)]


@pytest.mark.parametrize("info", KNOWN, ids=optimizers.full_name)
def test_optimizer(info: Any) -> None:
    judge(optimizers.full_name(info), optimizers.check(info).found)
