"""How an update formula runs over many parameters: small ones together, large ones in blocks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from xptorch._core.mode import local
from xptorch._engine import graph
from xptorch._engine.op import dispatchable
from xptorch._tensor.tensor import Tensor

_BLOCK = 1 << 16  # elements of a pack or block
_SMALL = 1 << 15  # elements from which copying would cost more than calling

Update = Callable[..., tuple[Any, ...]]
FlatGroups = list["_FlatGroup"]


class ParameterUpdate(NamedTuple):
    """A parameter to update; those that take the same numbers hold the same `settings` object."""

    p: Tensor
    g: Any
    states: tuple[Tensor, ...]
    settings: dict[str, Any]

    def targets(self) -> list[Any]:
        """The arrays that change: the parameter's and the states'."""
        return [self.p._data, *[s._data for s in self.states]]


def apply(update: Update, updates: Sequence[ParameterUpdate], flat_groups: FlatGroups) -> None:
    """Run an update formula on parameters, their gradients and their states.

    A formula is a dozen operations, element by element. On a small parameter each costs more than
    its arithmetic, so small parameters that take the same numbers are packed: their values and
    gradients are copied one behind the other, where their states lie already, the formula runs
    once, and the values are copied back. Large parameters are cut into blocks whose temporaries
    stay in the cache, and which threads share.

    Args:
        packs: those of the last step, which are used again, or replaced.
        update: ``update(xp, p, g, *states, **settings)`` over arrays, element by element. It
            returns p and the states, which it changes in place where the library can.
    """
    if len({id(item.p._data) for item in updates}) < len(updates):  # one is listed twice
        for item in updates:
            apply(update, [item], [])
        return
    alike: dict[Any, list[ParameterUpdate]] = {}
    blocks: list[Callable[[], Any]] = []
    for item in updates:
        x, on = item.p._data, item.p._device
        # Another parameter may show the same memory.
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
        # About what a block takes: a formula with more states does more.
        cost = 0.1 * (2 + len(updates[0].states)) ** 2 * _BLOCK
        local.mode.run(run_all, updates[0].p._device.xp, blocks, len(blocks) * cost)
    for item in updates:
        graph.bump_version(item.p)


@dispatchable
def run_all(xp: Any, calls: Sequence[Callable[[], None]], nanoseconds: float) -> None:
    """Call functions that do not depend on each other, which take about that long together."""
    for call in calls:
        call()


def _by_kernel(update: Update, item: ParameterUpdate) -> bool:
    """Update a parameter by the backend's kernel, if there is one for it: that has own threads."""
    kernel = item.p._device.xp.kernels.get(update.__name__)
    if kernel is None:
        return False
    arrays = [s._data for s in item.states]
    return kernel(item.p._data, item.g, *arrays, **item.settings) is not NotImplemented


def _update_whole(update: Update, item: ParameterUpdate) -> None:
    """Update one parameter at once."""
    p, g, states, settings = item
    p._data, *changed = update(p._device.xp, p._data, g, *[s._data for s in states], **settings)
    for state, array in zip(states, changed, strict=True):
        state._data = array


def _blocks(update: Update, item: ParameterUpdate) -> Iterator[Callable[[], Any]]:
    """Calls that update a parameter block by block; one call where its memory is not in order."""
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
    """Small parameters, as many at a time as make a block."""
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
    """Small parameters of one dtype that take the same numbers, updated at once.

    Their states lie one behind the other: each state's tensor shows its part of a common memory.
    A pack ends when a state has other memory, from a file for instance. No tensor counts as a view
    of another: in copies and in files each is on its own.
    """

    def __init__(self, updates: Sequence[ParameterUpdate]) -> None:
        states = [s for item in updates for s in item.states]
        # Memory that others show must stay where it is; then the tasks are done one by one.
        shown = any(s._memory_shared or s._base is not None for s in states)
        self.packed = len(updates) > 1 and not shown and len({s._data.dtype for s in states}) <= 1
        self.memory: list[Any] = []  # of each kind of state
        if self.packed:
            columns = zip(*[item.states for item in updates], strict=True)
            self.memory = [_moved_together(column) for column in columns]
        self.parts = [s._data for s in states]

    def is_current(self, updates: Sequence[ParameterUpdate]) -> bool:
        """Whether the states of these tasks are where they were left."""
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
    """Views of what lies one behind the other, each in the shape of one of the arrays."""
    start = 0
    for x in arrays:
        end = start + x.size
        yield xp.reshape_view(flat[start:end], x.shape)
        start = end


def _moved_together(states: Sequence[Tensor]) -> Any:
    """Give states memory one behind the other; returns the whole of it."""
    xp = states[0]._device.xp
    arrays = [s._data for s in states]
    memory = xp.concat(arrays, axis=None)
    for s, piece in zip(states, _pieces(xp, memory, arrays), strict=True):
        s._data = piece
    return memory
