"""Workspace memory of kernels, cached between calls: fresh pages cost more than the work on them.

Each thread has its own cache, by a key that identifies the use; the least recently used entries are
dropped first when a thread's cache exceeds LIMIT bytes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

LIMIT = 64 << 20

Spaces = tuple[Any, ...]  # arrays, and views of them


class _Kept(threading.local):
    """This thread's cache: the arrays and their bytes, least recently used first."""

    def __init__(self) -> None:
        self.spaces: OrderedDict[Hashable, tuple[Spaces, int]] = OrderedDict()
        self.bytes = 0


_kept = _Kept()


def workspace(key: Hashable, make: Callable[..., Spaces], *args: Any) -> Spaces:
    """The arrays of ``make(*args)``, from an earlier call if this thread still caches them.

    Their contents are those of the last use: borders of zeros stay zeros if nothing writes there.
    """
    found = _kept.spaces.get(key)
    if found is not None:
        _kept.spaces.move_to_end(key)
        return found[0]
    spaces = make(*args)
    size = sum(x.nbytes for x in spaces if x is not None and x.base is None)
    _kept.spaces[key] = spaces, size
    _kept.bytes += size
    while _kept.bytes > LIMIT:
        _kept.bytes -= _kept.spaces.popitem(last=False)[1][1]
    return spaces
