"""Memory that kernels work in, kept from call to call: fresh pages cost more than the work on them.

Each thread keeps its own, by a key that says for what; what was not used for longest goes first
when they come to more than LIMIT bytes a thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

LIMIT = 64 << 20

Spaces = tuple[Any, ...]  # arrays, and views of them


class _Kept(threading.local):
    """What this thread keeps: the arrays and their bytes, oldest use first."""

    def __init__(self) -> None:
        self.spaces: OrderedDict[Hashable, tuple[Spaces, int]] = OrderedDict()
        self.bytes = 0


_kept = _Kept()


def workspace(key: Hashable, make: Callable[..., Spaces], *args: Any) -> Spaces:
    """The arrays of ``make(*args)``, of an earlier call where this thread still keeps them.

    Their contents are what the last use left: borders of zeros stay zeros if nobody writes there.
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
