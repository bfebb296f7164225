"""Rearrangements: flip, roll, repeat, stacking and splitting by rows and columns, meshgrid."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xptorch._engine.op import op
from xptorch.ops._common import (
    at_axis,
    is_tensor,
    numpy_names,
    shape_text,
    sizes_of,
    wrap_dim,
    wrap_dims,
)
from xptorch.ops._factories import named
from xptorch.ops.shape.joining import cat, some_tensors
from xptorch.ops.shape.views import (
    _broadcast,
    _reshape,
    _split,
    clone,
    expand,
    ravel,
    reshape,
    transpose,
    unsqueeze,
)

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "column_stack", "dsplit", "dstack", "flip", "fliplr",
    "flipud", "hsplit", "hstack", "meshgrid", "roll", "rot90", "row_stack", "tensor_split", "tile",
    "vsplit", "vstack",
]  # fmt: skip

_flip = op(
    "flip",
    lambda xp, a, *, axis: xp.asarray(xp.flip(a, axis=axis), copy=True),
    a=lambda xp, g, axis: xp.flip(g, axis=axis),
)
_roll = op(
    "roll",
    lambda xp, a, *, shift, axis: xp.roll(a, shift, axis=axis),
    a=lambda xp, g, shift, axis: xp.roll(g, shift=tuple(-s for s in shift), axis=axis),
)


def flip(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """The elements in reverse order along some axes."""
    axes = wrap_dims(sizes_of(dims, named, "dims", "flip"), input.ndim)
    return _flip(input, axis=axes) if axes else clone(input)


def fliplr(input: Tensor) -> Tensor:
    """The columns in reverse order."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """The rows in reverse order."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements shifted along axes; those shifted past one end reappear at the other."""
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if dims is None or dims == ():
        if len(shifts) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:0")
        flat = ravel(input)
        return reshape(_roll(flat, shift=shifts, axis=(0,)), input.shape)
    axes = tuple(wrap_dim(d, input.ndim) for d in ((dims,) if isinstance(dims, int) else dims))
    if len(axes) != len(shifts):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(axes)}"
        )
    return _roll(input, shift=shifts, axis=axes)


def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Rotated by k · 90° in the plane of two axes."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    a, b = (wrap_dim(d, input.ndim) for d in dims)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    if k % 4 == 1:
        return flip(transpose(input, a, b), a)
    if k % 4 == 3:
        return transpose(flip(input, a), a, b)
    return flip(input, (a, b)) if k % 4 else clone(input)


def repeat(self: Tensor, *repeats: Any, **named: Any) -> Tensor:
    """The whole tensor repeated along its axes; additional counts add leading axes."""
    counts = sizes_of(repeats, named, "repeats", "repeat")
    n = len(counts)
    if n < self.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions "
            "of tensor"
        )
    shape = (1,) * (n - self.ndim) + self._data.shape
    paired = [x for s in shape for x in (1, s)]
    grown = [x for s, c in zip(shape, counts, strict=True) for x in (c, s)]
    spread = _broadcast(reshape(self, paired), shape=tuple(grown))
    result = _reshape(spread, shape=tuple(s * c for s, c in zip(shape, counts, strict=True)))
    return clone(result) if result._base is not None or all(c == 1 for c in counts) else result


def tile(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """`repeat`, with missing leading counts taken as 1."""
    counts = sizes_of(dims, named, "dims", "tile")
    return repeat(input, (1,) * (input.ndim - len(counts)) + counts)


# ---- rows and columns


def atleast_1d(*tensors: Any) -> Any:
    """Tensors with at least one axis."""
    return _at_least(tensors, lambda x: reshape(x, (1,)) if x.ndim == 0 else x)


def atleast_2d(*tensors: Any) -> Any:
    """Tensors with at least two axes, new ones in front."""

    def grow(x: Tensor) -> Tensor:
        return reshape(x, (1,) * (2 - x.ndim) + x.shape) if x.ndim < 2 else x

    return _at_least(tensors, grow)


def atleast_3d(*tensors: Any) -> Any:
    """Tensors with at least three axes, as NumPy places them."""

    def grow(x: Tensor) -> Tensor:
        if x.ndim < 2:
            return reshape(x, (1, -1, 1))
        return unsqueeze(x, -1) if x.ndim == 2 else x

    return _at_least(tensors, grow)


def _at_least(tensors: tuple[Any, ...], grow: Any) -> Any:
    if len(tensors) == 1 and is_tensor(tensors[0]):
        return grow(tensors[0])
    items = tensors[0] if len(tensors) == 1 else tensors
    return tuple(grow(x) for x in items)


def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along columns (along the only axis of vectors)."""
    items = [atleast_1d(t) for t in some_tensors(tensors, "hstack")]
    return cat(items, 0 if items[0].ndim == 1 else 1, out=out)


def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along rows."""
    return cat([atleast_2d(t) for t in some_tensors(tensors, "vstack")], 0, out=out)


row_stack = vstack


def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along the third axis."""
    return cat([atleast_3d(t) for t in some_tensors(tensors, "dstack")], 2, out=out)


def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Vectors as columns, matrices as they are, joined along columns."""
    items = some_tensors(tensors, "column_stack")
    columns = [reshape(t, (t.numel(), 1)) if t.ndim <= 1 else t for t in items]
    return hstack(columns, out=out)


@numpy_names
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of parts: a number of parts of nearly equal size, or split at given indices."""
    if input.ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    axis = wrap_dim(dim, input.ndim)
    total = input._data.shape[axis]
    if is_tensor(indices_or_sections):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        n = indices_or_sections
        if n <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {n}")
        sizes = [total // n + (i < total % n) for i in range(n)]
        return _split(input, sizes=tuple(sizes), axis=axis)
    cuts = [0, *indices_or_sections, total]
    return tuple(input[at_axis(axis, slice(a, b))] for a, b in itertools.pairwise(cuts))


def _along(name: str, least: int, dim: int, doc: str) -> Callable[..., tuple[Tensor, ...]]:
    """`tensor_split` along a fixed axis."""

    def function(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        if input.ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension"
                f"{'s' * (least > 1)}, but got a tensor with {input.ndim} dimensions!"
            )
        axis = dim if input.ndim > dim else 0
        size = input._data.shape[axis]
        if isinstance(indices_or_sections, int) and size % (indices_or_sections or size + 1):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {axis}, but the size of the "
                f"dimension {size} is not divisible by the split_size {indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, axis)

    return named(function, name, doc)


hsplit = _along("hsplit", 1, 1, "`tensor_split` along the columns.")
vsplit = _along("vsplit", 2, 0, "`tensor_split` along the rows.")
dsplit = _along("dsplit", 3, 2, "`tensor_split` along the third axis.")


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids of vectors: the i-th varies along axis i ("ij"), or the first two
    exchanged ("xy")."""
    items = tensors[0] if len(tensors) == 1 and not is_tensor(tensors[0]) else tensors
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    if any(t.ndim > 1 for t in items):
        raise RuntimeError(
            "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: "
            f"{shape_text(next(t.shape for t in items if t.ndim > 1))}"
        )
    items = [reshape(t, (1,)) if t.ndim == 0 else t for t in items]
    if indexing == "xy" and len(items) >= 2:
        second, first, *rest = meshgrid(items[1], items[0], *items[2:], indexing="ij")
        return (first, second, *rest)
    shape = tuple(t.numel() for t in items)
    grids = []
    for i, t in enumerate(items):
        grids.append(expand(reshape(t, (-1,) + (1,) * (len(shape) - 1 - i)), shape))
    return tuple(grids)
