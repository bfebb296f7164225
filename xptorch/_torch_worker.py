"""Importing this is `xptorch.as_torch()`: for processes that are told only what to import."""

from xptorch._as_torch import as_torch

as_torch()
