"""Fixtures that run a test on every array library in turn."""

from __future__ import annotations

from typing import Any

import pytest

from tests.columns import Column, chosen


@pytest.fixture(params=chosen(), ids=lambda column: column.name)
def backend(request: pytest.FixtureRequest) -> Column:
    """One column after the other: `backend.tensor(array)`, `backend.assert_close(a, b)`."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def device(backend: Column) -> Any:
    """The column's device."""
    return backend.device
