"""The C library's settings for large arrays, raised once when the numpy backend starts.

glibc gives every block above some 128 KiB back to the system when it is freed, and the next array
pays for its pages again: often more than the arithmetic on it (chains of operations on arrays of
1 MiB run ten times faster without). Raised, it keeps freed memory for the next array.
``XPTORCH_MALLOC=0`` leaves the settings alone; other C libraries have no such settings.
"""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of malloc.h


def raise_malloc_thresholds() -> None:
    """Let the C library keep what is freed, up to 2 GiB at its end, for the next array."""
    if not sys.platform.startswith("linux") or os.environ.get("XPTORCH_MALLOC") == "0":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    if not mallopt(_MMAP_THRESHOLD, 1 << 30):
        mallopt(_MMAP_THRESHOLD, 1 << 25)  # the most that older releases take
    mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    mallopt(_TOP_PAD, 1 << 26)
