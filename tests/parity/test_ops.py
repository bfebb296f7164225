"""XPTorch's ops against PyTorch's, over PyTorch's own test database: one test for each."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is the reference")

from tests.parity import _ops as ops
from tests.parity._gaps import judge

KNOWN = [info for info in ops.database if ops.exists(info)]


@pytest.mark.parametrize("info", KNOWN, ids=ops.full_name)
def test_op(info: Any) -> None:
    judge(ops.full_name(info), ops.check(info).found)
