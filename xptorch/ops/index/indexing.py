"""Indexing: `x[key]` and `x[key] = value`, selection by position or mask.

Basic keys (ints, slices, None, …) give views. Keys with tensors are reduced to one form: the axes
that they index are merged into one leading axis, whose rows are taken by one flat index.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import INTEGER
from xptorch._engine import graph, inplace
from xptorch._engine import op as _engine
from xptorch._engine.op import op
from xptorch.ops._common import (
    common_dtype,
    extremes,
    fitting,
    is_tensor,
    need_tensor,
    shape_text,
    store_out,
    to_dtype,
    type_name,
    write,
)
from xptorch.ops.index.sort import searchsorted, sort
from xptorch.ops.shape import creation
from xptorch.ops.shape.joining import stack
from xptorch.ops.shape.views import broadcast_tensors

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "argwhere", "index_put", "isin", "masked_scatter", "masked_select", "nonzero",
    "nonzero_static", "put", "take", "unravel_index",
]  # fmt: skip

_part = op(
    "getitem",
    lambda xp, a, *, key: a[key],
    view=True,
    a=lambda xp, g, a_shape, key: xp.zeros_with(g, shape=a_shape, key=key),
)
_place = op(
    "zeros_with",
    lambda xp, a, *, shape, key: xp.zeros_with(a, shape, key),
    a=lambda xp, g, key: g[key],
)


def _take_back(xp: Any, g: Any, index: Any, a_shape: Any, axis: int) -> Any:
    order = (axis, *[i for i in range(len(a_shape)) if i != axis])
    rows = xp.segment_sum(xp.permute_dims(g, axes=order), index, count=a_shape[axis])
    return xp.permute_dims(rows, axes=tuple(order.index(i) for i in range(len(order))))


_take = op("take", lambda xp, a, index, *, axis: xp.take(a, index, axis=axis), a=_take_back)
_add_rows = op(
    "segment_sum",
    lambda xp, values, index, *, count: xp.segment_sum(values, index, count),
    values=lambda xp, g, index: xp.take(g, index, axis=0),
)
_put_rows = op(
    "index_put",
    lambda xp, a, index, values: xp.index_put(a, index, values),
    a=lambda xp, g, index: xp.index_put(g, index, xp.zeros_like(xp.take(g, index, axis=0))),
    values=lambda xp, g, index: xp.take(g, index, axis=0),
)

# ---- x[key]


def getitem(self: Tensor, key: Any) -> Tensor:
    """The part of the tensor that the key selects; a view unless the key contains tensors."""
    if key.__class__ is int and self._data.ndim:  # the most frequent key, and the simplest
        return _part(self, key=(_checked(key, self._data.shape[0], 0), Ellipsis))
    basic, advanced = _parse(self, key)
    t = _part(self, key=basic) if basic else _engine.OPS["alias"](self)
    return _take_advanced(t, advanced) if advanced else t


def _parse(t: Tensor, key: Any) -> tuple[tuple[Any, ...], dict[int, Tensor]]:
    """The key as basic indices, and the index tensors by axis of the basic indices' result."""
    items = list(key) if isinstance(key, tuple) or _acts_as_tuple(key) else [key]
    items = [_tidy(t, k) for k in items]
    used = sum(_consumes(k) for k in items)
    if used > t.ndim:
        raise IndexError(f"too many indices for tensor of dimension {t.ndim} (got {used})")
    if Ellipsis not in [k for k in items if not is_tensor(k)]:
        items.append(Ellipsis)
    at = next(i for i, k in enumerate(items) if k is Ellipsis)
    items[at : at + 1] = [slice(None)] * (t.ndim - used)
    basic: list[Any] = []
    advanced: dict[int, Tensor] = {}
    axis = place = 0  # of the tensor, and of the basic indices' result
    for k in items:
        if k is None or isinstance(k, bool):
            basic.append(None)
            if isinstance(k, bool):
                advanced[place] = t.new_tensor([0] if k else [], dtype=dtypes.int64)
            place += 1
        elif is_tensor(k):
            for index in _as_indices(t, k, axis):
                basic.append(slice(None))
                advanced[place] = index
                axis, place = axis + 1, place + 1
        else:
            basic.append(_checked(k, t._data.shape[axis], axis))
            axis, place = axis + 1, place + isinstance(k, slice)
    if all(isinstance(b, slice) and b == slice(None) for b in basic):
        return (), advanced
    # With an ellipsis, NumPy returns a view even where no axis is left.
    return (*basic, Ellipsis), advanced


def _acts_as_tuple(key: Any) -> bool:
    """Whether a list is taken as a tuple of indices: if it contains more than numbers."""
    return isinstance(key, list) and len(key) < 32 and any(_is_index(k) for k in key)


def _is_index(k: Any) -> bool:
    return k is None or k is Ellipsis or isinstance(k, (slice, list, tuple)) or is_tensor(k)


def _tidy(t: Tensor, k: Any) -> Any:
    """One item of a key, normalized: numbers as ints, sequences and arrays as tensors."""
    if k is None or k is Ellipsis or isinstance(k, bool):
        return k
    if isinstance(k, slice):
        parts = (k.start, k.stop, k.step)
        return slice(*(None if p is None else operator.index(p) for p in parts))
    if is_tensor(k):
        if k.ndim == 0 and k.dtype in (dtypes.bool_, dtypes.uint8):
            return bool(k)
        if k.ndim == 0 and k.dtype.category == INTEGER:
            return k.item() if k._device.type == "cpu" else k
        return k if k._device is t._device else k.to(t._device)
    if isinstance(k, (list, tuple, range)) or (hasattr(k, "__array_interface__") and k.ndim):
        index = creation.tensor(list(k) if isinstance(k, range) else k, device=t._device)
        return index if index.numel() else to_dtype(index, dtypes.int64)
    try:
        return operator.index(k)
    except TypeError:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            f"valid indices (got {type(k).__name__})"
        ) from None


def _consumes(k: Any) -> int:
    if k is None or k is Ellipsis or isinstance(k, bool):
        return 0
    if is_tensor(k) and k.dtype in (dtypes.bool_, dtypes.uint8):
        return k.ndim
    return 1


def _checked(k: Any, size: int, axis: int) -> Any:
    if isinstance(k, slice):
        if k.step is not None and k.step <= 0:
            raise ValueError("step must be greater than zero")
        return slice(*k.indices(size))
    if not -size <= k < size:
        raise IndexError(f"index {k} is out of bounds for dimension {axis} with size {size}")
    return k


def _as_indices(t: Tensor, k: Tensor, axis: int) -> list[Tensor]:
    """An index tensor as int64, a mask as the indices along each axis where it is True."""
    if k.dtype in (dtypes.bool_, dtypes.uint8):
        for i, n in enumerate(k._data.shape):
            if n != t._data.shape[axis + i]:
                raise IndexError(
                    f"The shape of the mask {shape_text(k.shape)} at index {i} does not match the "
                    f"shape of the indexed tensor {shape_text(t.shape)} at index {axis + i}"
                )
        return list(nonzero(k, as_tuple=True))
    if k.dtype not in (dtypes.int64, dtypes.int32):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return [to_dtype(k, dtypes.int64)]


def _flat_index(t: Tensor, advanced: dict[int, Tensor]) -> tuple[Tensor, tuple[int, ...]]:
    """One flat index into the merged indexed axes, and the shape of the indices."""
    try:
        indices = broadcast_tensors(*advanced.values())
    except RuntimeError:
        shapes = ", ".join(shape_text(i.shape) for i in advanced.values())
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    xp, flat = t._device.xp, None
    for axis, index in zip(advanced, indices, strict=True):
        n, raw = t._data.shape[axis], index._data
        check_bounds(raw, n, axis, t)
        raw = xp.where(raw < 0, raw + n, raw)
        flat = raw if flat is None else flat * n + raw
    return graph.wrap(xp.reshape(flat, (-1,)), t._device), indices[0]._data.shape


def check_bounds(
    raw: Any,
    n: int,
    axis: int,
    t: Tensor,
    *,
    least: int | None = None,
    error: type[Exception] = IndexError,
    prefix: str = "",
) -> None:
    """Raise for indices out of bounds; only on the CPU: elsewhere it would synchronize.

    Args:
        least: the lowest valid index; by default −n, as negative ones count from the end.
    """
    if t._device.type != "cpu" or 0 in raw.shape:
        return
    least = -n if least is None else least
    low, high = extremes(t._device.xp, raw)
    if low < least or high >= n:
        bad = low if low < least else high
        raise error(f"{prefix}index {bad} is out of bounds for dimension {axis} with size {n}")


def _front(t: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """The tensor with the indexed axes merged into a leading one, and the shape of the rest."""
    order = (*axes, *[i for i in range(t.ndim) if i not in axes])
    moved = t.permute(*order) if order != tuple(range(t.ndim)) else t
    shape = moved._data.shape
    count = math.prod(shape[: len(axes)])
    return moved.reshape((count, *shape[len(axes) :])), shape[len(axes) :]


def _adjacent(axes: tuple[int, ...]) -> bool:
    return axes[-1] - axes[0] + 1 == len(axes)


def _take_advanced(t: Tensor, advanced: dict[int, Tensor]) -> Tensor:
    index, shape = _flat_index(t, advanced)
    axes = tuple(advanced)
    if len(axes) == 1:  # no axis has to move
        a, sizes = axes[0], t._data.shape
        taken = _take(t, index, axis=a)
        return taken.reshape((*sizes[:a], *shape, *sizes[a + 1 :]))
    rows, rest = _front(t, axes)
    taken = _take(rows, index, axis=0).reshape((*shape, *rest))
    return _back(taken, axes, len(shape))


def _back(taken: Tensor, axes: tuple[int, ...], n: int) -> Tensor:
    """Move the `n` leading axes to the first indexed axis, if the indexed axes are adjacent."""
    if not _adjacent(axes) or axes[0] == 0:
        return taken
    return taken.movedim(tuple(range(n)), tuple(range(axes[0], axes[0] + n)))


# ---- x[key] = value


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """Store a value in the part of the tensor that the key selects."""
    mask = is_tensor(key) and key.dtype is dtypes.bool_ and key._data.shape == self._data.shape
    if mask and not is_tensor(value):
        self.masked_fill_(key, value)
        return
    basic, advanced = _parse(self, key)
    if not is_tensor(value):
        value = _constant(self, value)
    target = _part(self, key=basic) if basic else self
    if not advanced:
        _assign(target, value)
        return
    _check_same_dtype(self, value)
    inplace.check_writable(self)
    index, shape = _flat_index(target, advanced)
    axes = tuple(advanced)
    write(target, _with_rows(target, axes, index, shape, value, False))


def _constant(t: Tensor, value: Any) -> Tensor:
    if isinstance(value, (bool, int, float, complex)):
        value = fitting(value, t.dtype)
    elif isinstance(value, str) or value is None:
        raise TypeError(f"can't assign a {type(value).__name__} to a {t.type()}")
    return creation.tensor(value, dtype=t.dtype, device=t._device)


def _assign(target: Tensor, value: Tensor) -> None:
    extra = value.ndim - target.ndim
    if extra > 0 and all(n == 1 for n in value._data.shape[:extra]):
        value = value.reshape(value._data.shape[extra:])
    target.copy_(value)


def _with_rows(
    t: Tensor,
    axes: tuple[int, ...],
    index: Tensor,
    shape: tuple[int, ...],
    value: Tensor,
    accumulate: bool,
) -> Tensor:
    """`t` with the indexed elements replaced by, or increased by, `value`."""
    rows, rest = _front(t, axes)
    value = to_dtype(value.to(t._device), t.dtype)
    n, at = len(shape), axes[0] if _adjacent(axes) else 0
    values = _spread(value, (*rest[:at], *shape, *rest[at:]))
    if at:
        values = values.movedim(tuple(range(at, at + n)), tuple(range(n)))
    values = values.reshape((index.numel(), *rest))
    if accumulate:
        rows = _increased(rows, index, values)
    else:
        rows = _put_rows(rows, index, values)
    sizes = [t._data.shape[a] for a in axes]
    order = (*axes, *[i for i in range(t.ndim) if i not in axes])
    inverse = tuple(order.index(i) for i in range(t.ndim))
    return rows.reshape((*sizes, *rest)).permute(*inverse)


def _increased(rows: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """Rows with values added; True + True is True."""
    if rows.dtype is not dtypes.bool_:
        return rows + _add_rows(values, index, count=rows._data.shape[0])
    wide, more = to_dtype(rows, dtypes.uint8), to_dtype(values, dtypes.uint8)
    return _increased(wide, index, more) != 0


def _check_same_dtype(t: Tensor, value: Tensor) -> None:
    if value.dtype is not t.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{type_name(t.dtype)} for the destination and {type_name(value.dtype)} for the source."
        )


def _spread(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A value to be stored, expanded to the shape of what the key selects."""
    extra = value.ndim - len(shape)
    if extra > 0 and all(n == 1 for n in value._data.shape[:extra]):
        value = value.reshape(value._data.shape[extra:])
    try:
        return value.expand(shape)
    except RuntimeError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {shape_text(value.shape)} cannot be broadcast "
            f"to indexing result of shape {shape_text(shape)}"
        ) from None


def index_put(
    input: Tensor, indices: tuple[Tensor | None, ...], values: Tensor, accumulate: bool = False
) -> Tensor:
    """The tensor with the elements at `indices` replaced by, or increased by, `values`."""
    if not isinstance(indices, (tuple, list)):
        raise TypeError(
            "index_put(): argument 'indices' (position 1) must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    _check_same_dtype(input, values)
    key = tuple(slice(None) if i is None else i for i in indices)
    _, advanced = _parse(input, key)
    index, shape = _flat_index(input, advanced)
    return _with_rows(input, tuple(advanced), index, shape, values, accumulate).contiguous()


# ---- by position in the flattened tensor


def take(input: Tensor, index: Tensor, *, out: Any = None) -> Tensor:
    """Elements by their position in the flattened tensor."""
    flat, where = _flat_positions(input, index, "take")
    return store_out(_take(flat, where, axis=0).reshape(index._data.shape), out, "take")


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """The tensor with the elements at flat positions replaced or increased."""
    flat, where = _flat_positions(input, index, "put")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{type_name(input.dtype)} and source.dtype = {type_name(source.dtype)}"
        )
    if source.numel() != index.numel():
        raise RuntimeError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.numel()}, index.numel() = {index.numel()}"
        )
    values = source.reshape(-1)
    new = (_increased if accumulate else _put_rows)(flat, where, values)
    return new.reshape(input._data.shape)


def _flat_positions(input: Tensor, index: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """The flattened input, and the indices as a vector, all non-negative."""
    need_tensor(index, name, "index", 2)
    if index.dtype is not dtypes.int64:
        raise RuntimeError(
            f"{name}(): Expected a long tensor for index, but got {type_name(index.dtype)}"
        )
    if index.numel() and not input.numel():
        raise IndexError(f"{name}(): tried to {name} from an empty tensor")
    flat, n, xp = input.reshape(-1), input.numel(), input._device.xp
    check_bounds(index._data, n, 0, input, prefix=f"{name}(): ")
    raw = xp.reshape(index._data, (-1,))
    return flat, graph.wrap(xp.where(raw < 0, raw + n, raw), input._device)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The indices along each axis of flat positions in a tensor of that shape."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if indices.dtype.category != INTEGER:
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    result, step, places = [], math.prod(sizes), to_dtype(indices, dtypes.int64)
    for n in sizes:
        step //= n
        result.append(places // step % n)
    return tuple(result)


# ---- by mask


def _masked(input: Tensor, mask: Tensor, message: str) -> tuple[Tensor, ...]:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(message)
    t, mask = broadcast_tensors(input, mask)
    return t, mask


def masked_select(input: Tensor, mask: Tensor, *, out: Any = None) -> Tensor:
    """The elements where the mask is True, as a vector."""
    need_tensor(mask, "masked_select", "mask", 2)
    t, mask = _masked(input, mask, "masked_select: expected BoolTensor for mask")
    return store_out(t.reshape(-1)[mask.reshape(-1)], out, "masked_select")


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Elements of `source`, in order, where the mask is True."""
    need_tensor(source, "masked_scatter", "source", 3)
    problem = "masked_scatter_ only supports boolean masks, but got mask with dtype "
    t, mask = _masked(input, mask, problem + type_name(mask.dtype))
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{type_name(input.dtype)} and {type_name(source.dtype)}"
        )
    (places,) = nonzero(mask.reshape(-1), as_tuple=True)
    if places.numel() > source.numel():
        raise RuntimeError("Number of elements of source < number of ones in mask")
    values = source.reshape(-1)[: places.numel()]
    return _put_rows(t.reshape(-1), places, values).reshape(t._data.shape)


def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each element is among the test elements."""
    if not is_tensor(elements):
        elements = test_elements.new_tensor(elements)
    if not is_tensor(test_elements):
        test_elements = elements.new_tensor(test_elements)
    elements, test_elements = common_dtype([elements, test_elements])
    ordered = sort(test_elements.detach().reshape(-1))[0]
    n = ordered.numel()
    if not n:
        found = creation.zeros_like(elements, dtype=dtypes.bool_)
    else:
        place = searchsorted(ordered, elements.detach()).clamp(max=n - 1)
        found = ordered[place] == elements
    return found.logical_not() if invert else found


def nonzero(input: Tensor, *, as_tuple: bool = False, out: Any = None) -> Any:
    """The indices of elements that are not 0: a row for each, or a vector for each axis."""
    need_tensor(input, "nonzero")
    on, xp = input._device, input._device.xp
    data = input._data if input.ndim else xp.reshape(input._data, (1,))
    raw = xp.nonzero(data)
    columns = tuple(graph.wrap(xp.astype(i, on.raw_dtype(dtypes.int64)), on) for i in raw)
    if as_tuple:
        return columns
    if not input.ndim:
        return store_out(columns[0].reshape(-1, 1)[:, :0], out, "nonzero")
    return store_out(stack(columns, 1), out, "nonzero")


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """`nonzero` with a fixed number of rows: truncated, or padded with `fill_value`."""
    need_tensor(input, "nonzero_static")
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = nonzero(input)[:size]
    rows = found._data.shape[0]
    result = creation.full((size, input.ndim), fill_value, dtype=dtypes.int64, device=input._device)
    result[:rows] = found
    return result


def argwhere(input: Tensor) -> Tensor:
    """`nonzero`: a row of indices for each element that is not 0."""
    return nonzero(input)
