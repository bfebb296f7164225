"""The order in which a tensor's elements are stored in memory, here and in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xptorch._engine import graph
from xptorch._engine.grad_mode import set_grad_enabled

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


def is_dense_in_order(t: Tensor, axes: Sequence[int]) -> bool:
    """Whether the memory is dense, with the axes in that order."""
    return dense_in_order(t._data.shape, t._device.xp.strides(t._data), axes)


def dense_in_order(sizes: Sequence[int], strides: Sequence[int], axes: Sequence[int]) -> bool:
    expected = 1
    for axis in reversed(axes):
        size = sizes[axis]
        if size != 1 and strides[axis] != expected:
            return False
        expected *= size
    return True


def axes_of(memory_format: Any, ndim: int) -> tuple[int, ...]:
    """The order of axes in memory that a memory format specifies."""
    name = str(memory_format or "contiguous_format").rpartition(".")[2]
    if name == "contiguous_format":
        return tuple(range(ndim))
    rank = {"channels_last": 4, "channels_last_3d": 5}.get(name)
    if rank is None:
        raise RuntimeError(f"{name} memory format is unsupported by the contiguous operator")
    if rank != ndim:
        raise RuntimeError(f"required rank {rank} tensor to use {name} format")
    return (0, *range(2, rank), 1)


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The inverse of a permutation."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def preserves_format(memory_format: Any) -> bool:
    """Whether a memory format keeps the order as it is."""
    return memory_format is None or str(memory_format).endswith("preserve_format")


def axis_order(sizes: Sequence[int], steps: Sequence[int]) -> list[int]:
    """The axes in memory order for these sizes and strides, the outermost first."""
    order = list(range(len(sizes)))
    for i in range(1, len(sizes)):  # insertion sort: the largest stride outermost
        here = i
        for place in range(i - 1, -1, -1):
            a, b = order[place], order[here]
            if steps[a] and steps[b]:  # an expanded axis stays where it is
                if (steps[a], sizes[a]) >= (steps[b], sizes[b]):
                    break
                order[place], order[here] = b, a
                here = place
    return order


def like_order(t: Tensor, memory_format: Any) -> tuple[int, ...]:
    """The order of axes in memory of a new tensor like this one."""
    if not preserves_format(memory_format):
        return axes_of(memory_format, t.ndim)
    if t._base is None and is_dense_in_order(t, range(t.ndim)):
        return tuple(range(t.ndim))
    return tuple(axis_order(t._data.shape, memory_strides(t)))


def like_strides(t: Tensor, memory_format: Any = None) -> list[int]:
    """The strides of a new, dense tensor like this one."""
    shape, step = t._data.shape, 1
    strides = [1] * len(shape)
    for axis in reversed(like_order(t, memory_format)):
        strides[axis], step = step, step * shape[axis]
    return strides


# ---- results of ops in another memory order than PyTorch's


def _left_out_of_order(t: Tensor) -> bool:
    """Whether an op returned a channels-last result where PyTorch's is contiguous.

    A channels-last tensor that the user requested is a view or a parameter; sums of such views
    are taken for results of convolutions.
    """
    return (
        t.ndim in (3, 4, 5)
        and t._base is None
        and (t._node is not None or not t._requires_grad)
        and not is_dense_in_order(t, range(t.ndim))
        and is_dense_in_order(t, (0, *range(2, t.ndim), 1))
    )


def memory_strides(t: Tensor) -> tuple[int, ...]:
    """The strides that the tensor has in PyTorch, whatever memory order an op chose for it."""
    base: Tensor = t if t._base is None else t._base
    return view_in_order(t).stride() if _left_out_of_order(base) else t.stride()


def view_in_order(t: Tensor) -> Tensor:
    """A tensor of other values, with the strides this one would have over a contiguous base."""
    base: Tensor = t if t._base is None else t._base
    on, x = base._device, base._data
    blank = graph.wrap(on.xp.empty(x.shape, dtype=x.dtype, device=on.raw), on)
    with set_grad_enabled(False):
        return graph.apply_view_ops(blank, t._view_ops)
