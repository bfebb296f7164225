"""Applies an update formula to many parameters: small ones together, large ones in blocks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from xptorch._core.mode import local
from xptorch._engine import graph
from xptorch._engine.op import dispatchable
from xptorch._tensor.tensor import Tensor

_BLOCK = 1 << 16  # elements of a flat group or block
_SMALL = 1 << 15  # elements from which copying costs more than calling the operations

Update = Callable[..., tuple[Any, ...]]
FlatGroups = list["_FlatGroup"]


class ParameterUpdate(NamedTuple):
    """A parameter to update; those with the same settings have the same `settings` object."""

    p: Tensor
    g: Any
    states: tuple[Tensor, ...]
    settings: dict[str, Any]

    def targets(self) -> list[Any]:
        """The arrays that are updated: the parameter's and the states'."""
        return [self.p._data, *[s._data for s in self.states]]


def apply(update: Update, updates: Sequence[ParameterUpdate], flat_groups: FlatGroups) -> None:
    """Run an update formula on parameters, their gradients and their states.

    A formula is a dozen element-wise operations. On a small parameter the call of each costs more
    than its arithmetic, so small parameters with the same settings are packed: their values and
    gradients are concatenated, as their states already are, the formula runs once, and the values
    are copied back. Large parameters are cut into blocks whose temporaries stay in the cache, and
    which are processed by several threads.

    Args:
        update: ``update(xp, p, g, *states, **settings)`` over arrays, element-wise. It returns p
            and the states, which it changes in place where the library can.
        updates: the parameters to update.
        flat_groups: those of the last step; each is reused or replaced.
    """
    if len({id(item.p._data) for item in updates}) < len(updates):  # one occurs twice
        for item in updates:
            apply(update, [item], [])
        return
    alike: dict[Any, list[ParameterUpdate]] = {}
    blocks: list[Callable[[], Any]] = []
    for item in updates:
        x, on = item.p._data, item.p._device
        # Another parameter may alias the same memory.
        if on.type != "cpu" or not on.xp.owns_memory(x):
            local.mode.run(_update_whole, update, item)
        elif x.size > _BLOCK:
            if not local.mode.run(_by_kernel, update, item):
                blocks += _blocks(update, item)
        elif x.size < _SMALL:
            alike.setdefault((id(item.settings), x.dtype), []).append(item)
        else:
            local.mode.run(_update_whole, update, item)
    parts = [part for like in alike.values() for part in _by_block(like)]
    del flat_groups[len(parts) :]
    for i, part in enumerate(parts):
        if i == len(flat_groups) or not flat_groups[i].is_current(part):
            flat_groups[i : i + 1] = [_FlatGroup(part)]
        local.mode.run(flat_groups[i].update, update, part)
    if blocks:
        # A block's approximate run time: a formula with more states has more operations.
        cost = 0.1 * (2 + len(updates[0].states)) ** 2 * _BLOCK
        local.mode.run(run_all, updates[0].p._device.xp, blocks, len(blocks) * cost)
    for item in updates:
        graph.bump_version(item.p)


@dispatchable
def run_all(xp: Any, calls: Sequence[Callable[[], None]], nanoseconds: float) -> None:
    """Call functions that do not depend on each other; `nanoseconds` estimates their total time."""
    for call in calls:
        call()


def _by_kernel(update: Update, item: ParameterUpdate) -> bool:
    """Update a parameter by the backend's multi-threaded kernel, if there is one for it."""
    kernel = item.p._device.xp.kernels.get(update.__name__)
    if kernel is None:
        return False
    arrays = [s._data for s in item.states]
    return kernel(item.p._data, item.g, *arrays, **item.settings) is not NotImplemented


def _update_whole(update: Update, item: ParameterUpdate) -> None:
    """Update one parameter in a single call."""
    p, g, states, settings = item
    p._data, *changed = update(p._device.xp, p._data, g, *[s._data for s in states], **settings)
    for state, array in zip(states, changed, strict=True):
        state._data = array


def _blocks(update: Update, item: ParameterUpdate) -> Iterator[Callable[[], Any]]:
    """Calls that update a parameter block by block; one call if it has no flat view."""
    xp = item.p._device.xp
    targets = [xp.reshape_view(a, (-1,)) for a in item.targets()]
    if any(flat is None for flat in targets):
        yield partial(_update_whole, update, item)
        return
    p, *states = targets
    arrays = [p, xp.reshape(item.g, (-1,)), *states]
    for start in range(0, p.size, _BLOCK):
        yield partial(update, xp, *[a[start : start + _BLOCK] for a in arrays], **item.settings)


def _by_block(updates: Sequence[ParameterUpdate]) -> Iterator[list[ParameterUpdate]]:
    """Small parameters, grouped so that each group has at most a block's elements."""
    group: list[ParameterUpdate] = []
    size = 0
    for item in updates:
        if size + item.p._data.size > _BLOCK:
            yield group
            group, size = [], 0
        group.append(item)
        size += item.p._data.size
    yield group


class _FlatGroup:
    """Small parameters of one dtype with the same settings, updated in one call.

    Their states are stored contiguously: each state's tensor is a slice of one buffer. A flat group
    is replaced when a state has other memory, for instance after loading a checkpoint. No tensor
    counts as a view of another: when copied or saved, each is independent.
    """

    def __init__(self, updates: Sequence[ParameterUpdate]) -> None:
        states = [s for item in updates for s in item.states]
        # Memory that other tensors alias must not move; then the parameters are updated singly.
        aliased = any(s._memory_shared or s._base is not None for s in states)
        self.packed = len(updates) > 1 and not aliased and len({s._data.dtype for s in states}) <= 1
        self.memory: list[Any] = []  # one buffer for each kind of state
        if self.packed:
            columns = zip(*[item.states for item in updates], strict=True)
            self.memory = [_moved_to_one_buffer(column) for column in columns]
        self.parts = [s._data for s in states]

    def is_current(self, updates: Sequence[ParameterUpdate]) -> bool:
        """Whether the states of these updates still have the arrays that this group gave them."""
        parts = [s._data for item in updates for s in item.states]
        return len(parts) == len(self.parts) and all(map(operator.is_, parts, self.parts))

    def update(self, update: Update, updates: Sequence[ParameterUpdate]) -> None:
        """Update the parameters."""
        if not self.packed:
            for item in updates:
                _update_whole(update, item)
            return
        xp = updates[0].p._device.xp
        values = [item.p._data for item in updates]
        p, g = xp.concat(values, axis=None), xp.concat([item.g for item in updates], axis=None)
        p, *changed = update(xp, p, g, *self.memory, **updates[0].settings)
        for memory, new in zip(self.memory, changed, strict=True):
            if new is not memory:
                memory[...] = new
        for x, piece in zip(values, _pieces(xp, p, values), strict=True):
            x[...] = piece


def _pieces(xp: Any, flat: Any, arrays: Sequence[Any]) -> Iterator[Any]:
    """Views of consecutive slices of `flat`, each in the shape of one of the arrays."""
    start = 0
    for x in arrays:
        end = start + x.size
        yield xp.reshape_view(flat[start:end], x.shape)
        start = end


def _moved_to_one_buffer(states: Sequence[Tensor]) -> Any:
    """Move states into one contiguous buffer, and return it."""
    xp = states[0]._device.xp
    arrays = [s._data for s in states]
    memory = xp.concat(arrays, axis=None)
    for s, piece in zip(states, _pieces(xp, memory, arrays), strict=True):
        s._data = piece
    return memory
