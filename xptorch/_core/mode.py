"""State of the current thread: whether ops are recorded, and how array code is run."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

ignore_fp_warnings: list[Callable[[], None]] = []  # one per loaded array library


# The declaration of each op, by the forward function that is passed to `run`.
ops_by_forward: dict[Any, Any] = {}


class _Mode:
    """The state of one thread."""

    def __init__(self) -> None:
        self.enabled = True
        self.inference = False
        self.casting: Any = None  # autocast's function on the operands of matrix products
        # Array code runs in a separate context, where overflow and 0/0 give inf and NaN without a
        # warning; the user's own array code around it keeps its settings.
        self.run = contextvars.copy_context().run
        for function in ignore_fp_warnings:
            self.run(function)


class _Local(threading.local):
    """Each thread's own mode."""

    def __init__(self) -> None:
        self.mode = _Mode()


local = _Local()
