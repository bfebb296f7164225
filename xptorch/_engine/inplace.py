"""In-place changes: their effect on memory and graph, and which of them autograd refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xptorch._core.mode import local
from xptorch._engine.grad_mode import set_grad_enabled
from xptorch._engine.graph import (
    Node,
    apply_view_ops,
    bump_version,
    refresh,
    set_gradient_edge,
    setup,
    wrap,
)


def write(target: Any, result: Any) -> Any:
    """Store a result in `target`'s memory, and record the change of `target` in the graph.

    Raises:
        RuntimeError: `target` is a leaf that requires gradients, or a view of one.
    """
    check_writable(target, result._requires_grad)
    recording = local.mode.enabled and (result._requires_grad or target._requires_grad)
    store(target, result._data)
    return rebase(target, result) if recording else target


def rebase(target: Any, value: Any) -> Any:
    """Record in the graph that `target` is `value`, which its memory already holds."""
    base = target._base
    if base is not None:
        set_gradient_edge(base, _PutView(base, value, target._view_ops), True)
        target._version_seen = -1
        refresh(target)
    else:
        # A leaf's gradient edge is the leaf itself: a copy of it needs a separate node.
        node = value._node
        if node is None:
            node = _Copied(value) if value._requires_grad else _Overwritten(target)
        set_gradient_edge(target, node, True)
    return target


def check_writable(t: Any, value_needs: bool = False) -> None:
    """Raise if a recorded in-place operation on `t` would change a leaf that requires gradients."""
    base = t._base
    if t._detached_copy or (base is not None and base._detached_copy):
        raise RuntimeError(
            "a view of a tensor that lies in memory in another order, and is seen by others, is a "
            "copy: it cannot be changed in place. Call .contiguous() before .view()"
        )
    if not local.mode.enabled:
        return
    if base is not None:
        refresh(t)
    if not (t._requires_grad or value_needs):
        return
    if base is not None and base._requires_grad and base._node is None:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )
    if t._requires_grad and t._node is None:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )


def store(target: Any, value: Any) -> None:
    """Overwrite a tensor's memory with an array; the caller updates its gradient edge."""
    target._data = target._device.xp.assign(target._data, ..., value)
    bump_version(target)


class _Copied(Node):
    """A tensor that was overwritten by a leaf's values."""

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        super().__init__("CopyBackwards", (value,), value._device)

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        return (g,)


class _PutView(Node):
    """A base after one of its views was overwritten: the region's gradient goes to the value."""

    __slots__ = ("axes", "view_ops")

    def __init__(self, base: Any, value: Any, view_ops: Sequence[Callable[[Any], Any]]) -> None:
        super().__init__("CopySlices", (base, value), base._device)
        self.view_ops = view_ops
        strides = base._device.xp.strides(base._data)
        self.axes = sorted(range(base.ndim), key=strides.__getitem__, reverse=True)

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        whole = g if create_graph else wrap(g, self.device)
        with set_grad_enabled(create_graph):
            # View ops by strides need the memory layout that they were recorded for.
            back = sorted(range(whole.ndim), key=self.axes.__getitem__)
            whole = whole.permute(self.axes).contiguous().permute(back)
            region = apply_view_ops(whole, self.view_ops).clone()
            rest = whole.clone()
            apply_view_ops(rest, self.view_ops).zero_()
        return (rest, region) if create_graph else (rest._data, region._data)


class _Overwritten(Node):
    """A tensor that was overwritten by constants: it gets a gradient of zeros."""

    __slots__ = ()

    def __init__(self, before: Any) -> None:
        super().__init__("CopyBackwards", (before,), before._device)

    def gradients(self, g: Any, create_graph: bool) -> Sequence[Any]:
        return ((setup.namespace if create_graph else self.device.xp).zeros_like(g),)
