"""Running an update formula over parameters: small ones together, large ones block by block.

A formula is a dozen operations, element by element. On a small parameter each costs more than its
arithmetic, so small parameters that take the same numbers are packed: their values, gradients and
states are copied one behind the other, the formula runs once, and the results are copied back.
Large ones are cut into blocks whose temporaries stay in the cache, and which threads share. Nothing
of this outlives the step: every tensor keeps its own memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from xptorch import _graph
from xptorch._engine import hot
from xptorch._grad_mode import mode
from xptorch._tensor import Tensor

_BLOCK = 1 << 16  # elements of a pack or block
_SMALL = 1 << 14  # elements from which copying would cost more than calling

Update = Callable[..., tuple[Any, ...]]


class Task(NamedTuple):
    """A parameter to update; those that take the same numbers hold the same `settings` object."""

    p: Tensor
    g: Any
    states: tuple[Tensor, ...]
    settings: dict[str, Any]

    def targets(self) -> list[Any]:
        """The arrays that change: the parameter's and the states'."""
        return [self.p._data, *[s._data for s in self.states]]


def apply(update: Update, tasks: Sequence[Task]) -> None:
    """Run an update formula on parameters, their gradients and their states.

    Args:
        update: ``update(xp, p, g, *states, **settings)`` over arrays, element by element. It
            returns p and the states, which it changes in place where the library can.
    """
    if len({id(task.p._data) for task in tasks}) < len(tasks):  # one is listed twice
        for task in tasks:
            apply(update, [task])
        return
    packs: dict[Any, list[Task]] = {}
    blocks: list[Callable[[], Any]] = []
    for task in tasks:
        x, on = task.p._data, task.p._device
        if on.type != "cpu" or not on.xp.owns(x):  # another parameter may show the same memory
            mode.run(_update_whole, update, task)
        elif x.size > _BLOCK:
            blocks += _blocks(update, task)
        elif x.size < _SMALL:
            packs.setdefault((id(task.settings), x.dtype), []).append(task)
        else:
            mode.run(_update_whole, update, task)
    for pack in packs.values():
        for part in _of_a_block(pack):
            mode.run(_update_pack, update, part)
    if blocks:
        # About what a block takes: a formula with more states does more.
        cost = 0.1 * (2 + len(tasks[0].states)) ** 2 * _BLOCK
        mode.run(run_all, tasks[0].p._device.xp, blocks, len(blocks) * cost)
    for task in tasks:
        _graph.bump(task.p)


@hot
def run_all(xp: Any, calls: Sequence[Callable[[], None]], nanoseconds: float) -> None:
    """Call functions that do not depend on each other, which take about that long together."""
    for call in calls:
        call()


def _update_whole(update: Update, task: Task) -> None:
    """Update one parameter at once."""
    p, g, states, settings = task
    p._data, *changed = update(p._device.xp, p._data, g, *[s._data for s in states], **settings)
    for state, array in zip(states, changed, strict=True):
        state._data = array


def _blocks(update: Update, task: Task) -> Iterator[Callable[[], Any]]:
    """Calls that update a parameter block by block; one call where its memory is not in order."""
    xp = task.p._device.xp
    targets = [xp.reshape_view(a, (-1,)) for a in task.targets()]
    if any(flat is None for flat in targets):
        yield partial(_update_whole, update, task)
        return
    p, *states = targets
    arrays = [p, xp.reshape(task.g, (-1,)), *states]
    for start in range(0, p.size, _BLOCK):
        yield partial(update, xp, *[a[start : start + _BLOCK] for a in arrays], **task.settings)


def _of_a_block(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Small parameters, as many at a time as make a block."""
    pack: list[Task] = []
    size = 0
    for task in tasks:
        if size + task.p._data.size > _BLOCK:
            yield pack
            pack, size = [], 0
        pack.append(task)
        size += task.p._data.size
    yield pack


def _update_pack(update: Update, tasks: Sequence[Task]) -> None:
    """Update small parameters of one dtype, that take the same numbers, at once."""
    xp = tasks[0].p._device.xp
    targets = [task.targets() for task in tasks]
    columns = [xp.concat(column, axis=None) for column in zip(*targets, strict=True)]
    g = xp.concat([task.g for task in tasks], axis=None)
    changed = update(xp, columns[0], g, *columns[1:], **tasks[0].settings)
    start = 0
    for arrays in targets:
        end = start + arrays[0].size
        for x, flat in zip(arrays, changed, strict=True):
            x[...] = xp.reshape(flat[start:end], x.shape)
        start = end
