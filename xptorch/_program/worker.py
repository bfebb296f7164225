"""Importing this calls `xptorch.as_torch()`: for processes that only import given modules."""

from xptorch._program.alias import as_torch

as_torch()
