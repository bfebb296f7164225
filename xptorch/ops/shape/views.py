"""Shapes: reshaping, reordering, expanding and splitting. Most results are views."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import dtype
from xptorch._engine import graph
from xptorch._engine.graph import wrap
from xptorch._engine.op import op
from xptorch._tensor.size import Size
from xptorch.ops._common import (
    Dim,
    as_shape,
    at_axis,
    broadcast,
    need_tensor,
    numpy_names,
    shape_text,
    sizes_of,
    type_name,
    wrap_dim,
    wrap_dims,
)
from xptorch.ops.shape.memory_order import (
    axes_of,
    inverse,
    is_dense_in_order,
    preserves_format,
    view_in_order,
)

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "broadcast_shapes", "broadcast_tensors", "broadcast_to", "chunk", "clone", "detach", "flatten",
    "moveaxis", "movedim", "permute", "ravel", "reshape", "split", "split_with_sizes", "squeeze",
    "swapaxes", "swapdims", "t", "transpose", "unbind", "unflatten", "unsafe_chunk", "unsafe_split",
    "unsafe_split_with_sizes", "unsqueeze",
]  # fmt: skip

_reshape = op(
    "reshape",
    lambda xp, a, *, shape: xp.reshape(a, shape),
    view=True,
    a=lambda xp, g, a_shape: xp.reshape(g, shape=a_shape),
)


_permute = op(
    "permute_dims",
    lambda xp, a, *, axes: xp.permute_dims(a, axes),
    view=True,
    a=lambda xp, g, axes: xp.permute_dims(g, axes=inverse(axes)),
)
_broadcast = op(
    "broadcast_to",
    lambda xp, a, *, shape: xp.broadcast_to(a, shape),
    view=True,
    a=lambda xp, g, a_shape: graph.sum_to(xp, g, a_shape),
)
_expand_dims = op(
    "expand_dims",
    lambda xp, a, *, axis: xp.expand_dims(a, axis=axis),
    view=True,
    a=lambda xp, g, a_shape: xp.reshape(g, shape=a_shape),
)
_squeeze = op(
    "squeeze",
    lambda xp, a, *, axis: xp.squeeze(a, axis=axis),
    view=True,
    a=lambda xp, g, a_shape: xp.reshape(g, shape=a_shape),
)
_copy = op("copy", lambda xp, a: xp.asarray(a, copy=True), a=lambda xp, g: g)
_alias = op("alias", lambda xp, a: a, view=True, a=lambda xp, g: g)


def _split_forward(xp: Any, a: Any, *, sizes: Any, axis: int) -> list[Any]:
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [a[at_axis(axis, slice(e - s, e))] for s, e in zip(sizes, ends, strict=True)]


_split = op(
    "split",
    _split_forward,
    view=True,
    multiple=True,
    a=lambda xp, g, axis: xp.concat(list(g), axis=axis),
)
_unbind = op(
    "unstack",
    lambda xp, a, *, axis: [a[at_axis(axis, i)] for i in range(a.shape[axis])],
    view=True,
    multiple=True,
    a=lambda xp, g, axis: xp.stack(list(g), axis=axis),
)


# ---- reshaping, reordering, expanding


def _infer(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The shape with its one −1 inferred."""
    if math.prod(shape) == count and min(shape, default=0) >= 0:  # the usual case
        return shape
    known = math.prod(s for s in shape if s != -1)
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if any(s < -1 for s in shape):
        i = next(i for i, s in enumerate(shape) if s < -1)
        raise RuntimeError(
            f"invalid shape dimension {shape[i]} at index {i} of shape {shape_text(shape)}"
        )
    if -1 in shape:
        if known == 0 and count == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {shape_text(shape)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous"
            )
        if known and count % known == 0:
            return tuple(count // known if s == -1 else s for s in shape)
    elif known == count:
        return shape
    raise RuntimeError(f"shape '{shape_text(shape)}' is invalid for input of size {count}")


def reshape(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The elements in another shape, a view where the memory allows one; −1 is inferred."""
    need_tensor(input, "reshape")
    size = _infer(sizes_of(shape, named, "shape", "reshape"), input.numel())
    return _reshape(input, shape=size)


def view(self: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The elements in another shape, never a copy; with a dtype, the bytes read as that dtype.

    A result that an op returned in another memory order than PyTorch's (convolutions' are
    channels-last) is made contiguous first; if its memory is already shared, the view is a
    read-only copy.

    Raises:
        RuntimeError: the tensor's strides do not allow it.
    """
    if len(shape) == 1 and isinstance(shape[0], dtype):
        return view_dtype(self, shape[0])
    if "dtype" in named:
        return view_dtype(self, named["dtype"])
    size = _infer(sizes_of(shape, named, "size", "view"), self.numel())
    xp = self._device.xp
    if self.numel() and xp.reshape_view(self._data, size) is None:
        if not _viewed_in_order(self, size):
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one "
                "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
            )
        if self._base is None and not self._memory_shared:
            self._data = _in_order(xp, self._data)
        else:
            copy = _reshape(self, shape=size)
            copy._detached_copy = True
            return copy
    return _reshape(self, shape=size)


def view_as(self: Tensor, other: Tensor) -> Tensor:
    """`view` in another tensor's shape."""
    return view(self, other.shape)


def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """`reshape` to another tensor's shape."""
    return reshape(self, other.shape)


def _viewed_in_order(t: Tensor, size: tuple[int, ...]) -> bool:
    """Whether the view would be possible if the op that made this memory had it contiguous."""
    base: Tensor = t if t._base is None else t._base
    if base.ndim < 3 or base.is_contiguous():
        return False
    return base._device.xp.reshape_view(view_in_order(t)._data, size) is not None


def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether its elements are stored in the order of its axes, or in that of a memory format."""
    if memory_format is None:
        return is_dense_in_order(self, range(self.ndim))
    if str(memory_format).endswith(("last", "3d")) and self.ndim not in (4, 5):
        return False
    try:
        return is_dense_in_order(self, axes_of(memory_format, self.ndim))
    except RuntimeError:  # a format for another number of axes
        return False


def view_dtype(t: Tensor, dt: dtype) -> Tensor:
    """The same bytes read as another dtype; the last axis grows or shrinks accordingly."""
    old, new = t.dtype.itemsize, dt.itemsize
    if old != new and not t.ndim:
        raise RuntimeError(
            f"self.dim() cannot be 0 to view {type_name(t.dtype)} as {type_name(dt)} (different "
            "element sizes)"
        )
    if old < new and t._data.shape[-1] * old % new:
        raise RuntimeError(
            f"self.size(-1) must be divisible by {new // old} to view {type_name(t.dtype)} as "
            f"{type_name(dt)} (different element sizes), but got {t._data.shape[-1]}"
        )
    if not hasattr(t._data, "view"):
        raise NotImplementedError(f"{t._device.backend.name}: view(dtype)")
    try:
        return _same_memory(t, t._data.view(t._device.raw_dtype(dt)))
    except ValueError:
        raise RuntimeError(
            f"self.stride(-1) must be 1 to view {type_name(t.dtype)} as {type_name(dt)} "
            f"(different element sizes), but got {t.stride(-1)}"
        ) from None


def permute(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """The axes in another order."""
    dims = sizes_of(dims, named, "dims", "permute")
    if len(dims) != input.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {input.ndim} is "
            f"not equal to len(dims) = {len(dims)}"
        )
    axes = wrap_dims(dims, input.ndim)
    return _permute(input, axes=axes)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged."""
    need_tensor(input, "transpose")
    n = input._data.ndim
    a, b = wrap_dim(dim0, n), wrap_dim(dim1, n)
    if n == 0:
        return _alias(input)
    axes = list(range(n))
    axes[a], axes[b] = axes[b], axes[a]
    return _permute(input, axes=tuple(axes))


swapaxes = swapdims = transpose


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors and scalars as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return transpose(input, 0, 1) if input.ndim == 2 else _alias(input)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Axes moved to other positions, the rest in their order."""
    source, destination = ((d,) if isinstance(d, int) else tuple(d) for d in (source, destination))
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({shape_text(source)} dims) "
            f"should contain the same number of dims as destination ({shape_text(destination)})"
        )
    origins, targets = wrap_dims(source, input.ndim), wrap_dims(destination, input.ndim)
    rest = iter([i for i in range(input.ndim) if i not in origins])
    place = dict(zip(targets, origins, strict=True))
    axes = tuple(place[i] if i in place else next(rest) for i in range(input.ndim))
    return _permute(input, axes=axes)


moveaxis = movedim


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new axis of size 1 at `dim`."""
    need_tensor(input, "unsqueeze")
    return _expand_dims(input, axis=wrap_dim(dim, input.ndim + 1))


@numpy_names
def squeeze(input: Tensor, dim: Dim = None) -> Tensor:
    """Axes of size 1 removed: all of them, or those named."""
    need_tensor(input, "squeeze")
    axes = wrap_dims(dim, input.ndim)
    axes = tuple(a for a in axes if input._data.shape[a] == 1)
    return _squeeze(input, axis=axes) if axes else _alias(input)


def expand(self: Tensor, *size: Any, implicit: bool = False, **named: Any) -> Tensor:
    """Axes of size 1 repeated to `size` without copying; −1 keeps an axis as it is."""
    size = sizes_of(size, named, "size", "expand")
    have, extra = self._data.shape, len(size) - self.ndim
    if extra < 0:
        raise RuntimeError(
            f"expand({self.type()}{{{shape_text(have)}}}, size={shape_text(size)}): the number "
            f"of sizes provided ({len(size)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({self.ndim})"
        )
    shape: list[Any] = []
    for i, s in enumerate(size):
        old = have[i - extra] if i >= extra else None
        if s == -1 and old is None:
            raise RuntimeError(
                f"The expanded size of the tensor ({s}) isn't allowed in a leading, "
                f"non-existing dimension {i}"
            )
        if s != -1 and old not in (None, 1, s):
            raise RuntimeError(
                f"The expanded size of the tensor ({s}) must match the existing size ({old}) at "
                f"non-singleton dimension {i}.  Target sizes: {shape_text(size)}.  Tensor sizes: "
                f"{shape_text(have)}"
            )
        shape.append(old if s == -1 else s)
    grows = math.prod(shape) != math.prod(have)
    return (_broadcast if grows else _reshape)(self, shape=tuple(shape))


def sum_to_size(self: Tensor, *size: Any, **named: Any) -> Tensor:
    """The sum over the axes along which `size` would have to be expanded to this shape."""
    shape, have = sizes_of(size, named, "size", "sum_to_size"), self._data.shape
    extra = len(have) - len(shape)
    tail = zip(shape, have[max(extra, 0) :], strict=True) if extra >= 0 else [(0, 1)]
    if any(s not in (1, n) for s, n in tail):
        raise RuntimeError(
            f"size {{{shape_text(shape)}}} is not expandable to size {{{shape_text(have)}}}."
        )
    if shape == have and shape:
        return self
    axes = (*range(extra), *(i for i, s in enumerate(shape, extra) if s == 1))
    return reshape(self.sum(axes, True), shape)


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """`expand` to another tensor's shape."""
    return expand(self, other.shape)


def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """`expand` as a function."""
    return expand(input, size)


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to."""
    sizes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    return Size(broadcast(*sizes) if sizes else ())


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    items = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    shape = broadcast_shapes(*(t.shape for t in items))
    return tuple(expand(t, shape) for t in items)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from start_dim to end_dim as one."""
    need_tensor(input, "flatten")
    n = input.ndim
    a, b = wrap_dim(start_dim, n), wrap_dim(end_dim, n)
    if a > b:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if n == 0:
        return reshape(input, (1,))
    if a == b:
        return input
    s = input._data.shape
    return _reshape(input, shape=(*s[:a], math.prod(s[a : b + 1]), *s[b + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """One axis split into several."""
    d = wrap_dim(dim, input.ndim)
    s = input._data.shape
    inner = _infer(as_shape((sizes,)), s[d])
    return _reshape(input, shape=(*s[:d], *inner, *s[d + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements as one axis."""
    return reshape(input, (-1,)) if input.numel() else reshape(input, (0,))


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy that gradients flow through, in the memory order of the input or of a format."""
    if preserves_format(memory_format):
        return _copy(input)
    return _in_format(input, memory_format)


def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself if contiguous (in the memory format, if given), else a contiguous copy."""
    if not preserves_format(memory_format):
        in_order = is_dense_in_order(self, axes_of(memory_format, self.ndim))
        return self if in_order else _in_format(self, memory_format)
    return self if is_contiguous(self) else _reordered(self)


def _in_format(t: Tensor, memory_format: Any) -> Tensor:
    """A copy whose memory is in the order of a format."""
    axes = axes_of(memory_format, t.ndim)
    return _permute(_reordered(_permute(t, axes=axes)), axes=inverse(axes))


def _in_order(xp: Any, a: Any) -> Any:
    return xp.reshape(xp.concat([xp.reshape(a, (-1,))]), a.shape)


_reordered = op(
    "contiguous",
    _in_order,
    a=lambda xp, g: g,
)


# ---- splitting


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of parts of a given size (the last may be smaller), or of given sizes."""
    if tensor.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    axis = wrap_dim(dim, tensor.ndim)
    total = tensor._data.shape[axis]
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step < 0:
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={step}"
            )
        if step == 0 and total:
            raise RuntimeError(
                "split_size can only be 0 if dimension size is 0, but got dimension size of "
                f"{total}"
            )
        sizes = [min(step, total - i) for i in range(0, total, max(step, 1))] or [0]
    else:
        sizes = [int(s) for s in split_size_or_sections]
        if sum(sizes) != total or any(s < 0 for s in sizes):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's "
                f"size at dimension {axis}), but got split_sizes={sizes}"
            )
    return _split(tensor, sizes=tuple(sizes), axis=axis)


def split_with_sizes(self: Tensor, split_sizes: Sequence[int], dim: int = 0) -> Any:
    """`split` into parts of given sizes."""
    return split(self, list(split_sizes), dim)


@numpy_names
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of parts of equal size (the last may be smaller)."""
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    total = input._data.shape[wrap_dim(dim, input.ndim)]
    if total == 0:
        return split(input, [0] * chunks, dim)
    return split(input, -(-total // chunks), dim)


unsafe_chunk, unsafe_split, unsafe_split_with_sizes = chunk, split, split_with_sizes


@numpy_names
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of all slices along an axis, without it."""
    if input.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return _unbind(input, axis=wrap_dim(dim, input.ndim))


def detach(input: Tensor) -> Tensor:
    """The same memory, detached from the graph."""
    return _same_memory(input, input._data)


def _same_memory(t: Tensor, data: Any) -> Tensor:
    """A tensor outside the graph over memory that it shares with `t`."""
    out = wrap(data, t._device)
    if t._version_counter is None:
        t._version_counter = [0]
    out._version_counter = t._version_counter
    out._memory_shared = t._memory_shared = True
    if t._detached_copy:
        out._detached_copy = True
    return out
