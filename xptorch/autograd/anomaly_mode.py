"""Anomaly detection: find the operation whose gradient fails or is NaN."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from xptorch._engine import backward, graph
from xptorch._engine.graph import Node

_check_nan = True


def set_detect_anomaly_state(mode: bool, check_nan: bool) -> None:
    """Switch anomaly detection on or off."""
    global _check_nan
    _check_nan = check_nan
    backward.anomaly = _checked if mode else None
    graph.setup.on_new_node = note if mode else None


def note(node: Node) -> None:
    """Store the stack trace of a node's creation, if anomaly detection is on."""
    if backward.anomaly is not None:
        frames = traceback.extract_stack(sys._getframe(2))
        node.metadata["traceback_"] = traceback.StackSummary.from_list(frames).format()


def _checked(
    node: Node, step: Callable[..., Sequence[Any]], g: Any, create_graph: bool
) -> Sequence[Any]:
    """A node's gradients; warns where the node was created if they fail or contain NaN."""
    try:
        gradients = step(g, create_graph)
        if _check_nan:
            for i, x in enumerate(gradients):
                if _has_nan(x, node):
                    raise RuntimeError(
                        f"Function '{node.name()}' returned nan values in its {i}th output."
                    )
    except Exception:
        made = node.metadata.get("traceback_")
        where = (
            f"Traceback of forward call that caused the error:\n{''.join(made)}"
            if made
            else "No forward pass information available. Enable detect anomaly during forward "
            "pass for more information."
        )
        warnings.warn(f"Error detected in {node.name()}. {where}", stacklevel=2)
        raise
    return gradients


def _has_nan(x: Any, node: Node) -> bool:
    value = getattr(x, "_data", x)
    return hasattr(value, "dtype") and bool(node.device.xp.any(value != value))


class set_detect_anomaly:
    """Switch anomaly detection on or off: at once, or for a block.

    While it is on, every recorded operation stores its stack trace; a backward step that fails,
    or (with `check_nan`) returns NaN, raises, after a warning that shows this trace.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = (backward.anomaly is not None, _check_nan)
        set_detect_anomaly_state(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        set_detect_anomaly_state(*self.before)


class detect_anomaly:
    """`set_detect_anomaly(True)` for a block."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self.before: list[tuple[bool, bool]] = []
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.before.append((backward.anomaly is not None, _check_nan))
        set_detect_anomaly_state(True, self.check_nan)

    def __exit__(self, *exc: object) -> None:
        set_detect_anomaly_state(*self.before.pop())


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return backward.anomaly is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection checks for NaN."""
    return _check_nan
