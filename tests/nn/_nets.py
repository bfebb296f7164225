"""Modules that scenarios build."""

from __future__ import annotations

from typing import Any


def net(torch: Any) -> Any:
    """Layers, one of them tied; a parameter and buffers in a nested module."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)
            self.scale = nn.Parameter(torch.ones(3))
            self.register_buffer("shift", torch.zeros(3))
            self.register_buffer("scratch", torch.ones(1), persistent=False)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.block = Block()
            self.last = nn.Linear(3, 2)
            self.tied = self.first
            self.nothing = None
            self.register_parameter("missing", None)

        def extra_repr(self) -> str:
            return "one=1\ntwo=2"

    return Net()
