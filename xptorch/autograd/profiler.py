"""The former location of `xptorch.profiler`."""

from __future__ import annotations

from typing import Any

from xptorch import profiler as _profiler
from xptorch.profiler import record_function as record_function

__all__ = ["profile", "record_function"]


class profile(_profiler.profile):
    """`xptorch.profiler.profile` with its former arguments."""

    def __init__(self, enabled: bool = True, *, use_cuda: bool = False, **kwargs: Any) -> None:
        activities = [_profiler.ProfilerActivity.CUDA] if use_cuda else None
        super().__init__(activities=activities, **kwargs)
        self.enabled = enabled

    def start(self) -> None:
        """Start, if enabled."""
        if self.enabled:
            super().start()

    def stop(self) -> None:
        """Stop, if enabled."""
        if self.enabled:
            super().stop()
