"""The C library's settings for large arrays, raised once when the numpy backend starts.

glibc returns every block above some 128 KiB to the system when it is freed, and the next array
pays for its page faults again: often more than for the arithmetic on it (chains of operations on
arrays of 1 MiB run ten times faster without). With raised thresholds it keeps freed memory for the
next array. ``XPTORCH_MALLOC=0`` leaves the settings alone; other C libraries have none like them.
"""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of malloc.h


def raise_malloc_thresholds() -> None:
    """Let the C library keep freed memory, up to 2 GiB at the heap's top, for the next array."""
    if not sys.platform.startswith("linux") or os.environ.get("XPTORCH_MALLOC") == "0":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    if not mallopt(_MMAP_THRESHOLD, 1 << 30):
        mallopt(_MMAP_THRESHOLD, 1 << 25)  # the maximum in older releases
    mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    mallopt(_TOP_PAD, 1 << 26)
