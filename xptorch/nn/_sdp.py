"""Which implementation attention takes: there is one, the mathematical."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator, Sequence


class SDPBackend(enum.IntEnum):
    """PyTorch's implementations of scaled dot product attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    __repr__, __str__ = enum.Enum.__repr__, enum.Enum.__str__


@contextlib.contextmanager
def sdpa_kernel(
    backends: Sequence[SDPBackend] | SDPBackend, set_priority: bool = False
) -> Iterator[None]:
    """A block whose attention may take any of these implementations: all give the same numbers.

    Args:
        backends: one, or several.
        set_priority: whether their order matters; here it does not.

    Raises:
        AssertionError: it is no backend.
    """
    if not isinstance(backends, (SDPBackend, list, tuple)):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    yield
