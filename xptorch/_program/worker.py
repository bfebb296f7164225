"""Importing this is `xptorch.as_torch()`: for processes that are told only what to import."""

from xptorch._program.alias import as_torch

as_torch()
