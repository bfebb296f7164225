"""Indexing: `x[key]` and `x[key] = value`, gather and scatter, selection by index or mask.

Basic keys (ints, slices, None, …) give views. Keys with tensors are brought to one form: the axes
that they index become one axis in front, and rows are taken from it by one flat index.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from xptorch import _dtype, _engine
from xptorch._engine import op
from xptorch.ops import create
from xptorch.ops._common import (
    INTEGER,
    deliver,
    is_tensor,
    need_tensor,
    shape_text,
    to_dtype,
    wrap_dim,
)

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

__all__ = [
    "argwhere", "gather", "index_add", "index_copy", "index_fill", "index_put", "index_select",
    "masked_scatter", "masked_select", "nonzero", "scatter", "scatter_add", "scatter_reduce",
    "take", "take_along_dim",
]  # fmt: skip

_part = op(
    "getitem",
    lambda xp, a, *, key: a[key],
    view=True,
    a=lambda xp, g, a_shape, key: xp.place(g, shape=a_shape, key=key),
)
_place = op(
    "place",
    lambda xp, a, *, shape, key: xp.place(a, shape, key),
    a=lambda xp, g, key: g[key],
)


def _take_back(xp: Any, g: Any, index: Any, a_shape: Any, axis: int) -> Any:
    order = (axis, *[i for i in range(len(a_shape)) if i != axis])
    rows = xp.add_rows(xp.permute_dims(g, axes=order), index, count=a_shape[axis])
    return xp.permute_dims(rows, axes=tuple(order.index(i) for i in range(len(order))))


_take = op(
    "take", lambda xp, a, index, *, axis: xp.take(a, index, axis=axis), a=_take_back
)
_add_rows = op(
    "add_rows",
    lambda xp, values, index, *, count: xp.add_rows(values, index, count),
    values=lambda xp, g, index: xp.take(g, index, axis=0),
)
_put_rows = op(
    "index_put",
    lambda xp, a, index, values: xp.index_put(a, index, values),
    a=lambda xp, g, index: xp.index_put(g, index, xp.zeros_like(xp.take(g, index, axis=0))),
    values=lambda xp, g, index: xp.take(g, index, axis=0),
)
_gather = op(
    "take_along_axis",
    lambda xp, a, index, *, axis: xp.take_along_axis(a, index, axis=axis),
    a=lambda xp, g, index, a_shape, axis: xp.add_along(g, index, axis=axis, shape=a_shape),
)
_add_along = op(
    "add_along",
    lambda xp, values, index, *, axis, shape: xp.add_along(values, index, axis, shape),
    values=lambda xp, g, index, axis: _pick(xp, g, index, axis),
)
_put_along = op(
    "put_along",
    lambda xp, a, index, values, *, axis: xp.put_along(a, index, values, axis),
    a=lambda xp, g, index, axis: xp.put_along(
        g, index, xp.zeros_like(_pick(xp, g, index, axis)), axis=axis
    ),
    values=lambda xp, g, index, axis: _pick(xp, g, index, axis),
)


def _pick(xp: Any, g: Any, index: Any, axis: int) -> Any:
    return xp.take_along_axis(_crop(g, index, axis), index, axis=axis)


def _crop(x: Any, index: Any, axis: int) -> Any:
    """`x` cut to the sizes of `index` along all axes but one."""
    if all(a == b for i, (a, b) in enumerate(zip(x.shape, index.shape, strict=True)) if i != axis):
        return x
    return x[tuple(slice(None if i == axis else n) for i, n in enumerate(index.shape))]


# ---- x[key]


def getitem(self: Tensor, key: Any) -> Tensor:
    """The part of the tensor that the key names; a view unless tensors are in the key."""
    basic, advanced = _parse(self, key)
    t = _part(self, key=basic) if basic else _engine.OPS["alias"](self)
    return _take_advanced(t, advanced) if advanced else t  # type: ignore[no-any-return]


def _parse(t: Tensor, key: Any) -> tuple[tuple[Any, ...], dict[int, Tensor]]:
    """The key as basic indices, and the index tensors by the axis of the part that they leave."""
    items = list(key) if isinstance(key, tuple) else [key]
    items = [_tidy(t, k) for k in items]
    used = sum(_consumes(k) for k in items)
    if used > t.ndim and not (t.ndim == 0 and used == 0):
        raise IndexError(f"too many indices for tensor of dimension {t.ndim}")
    if Ellipsis not in [k for k in items if not is_tensor(k)]:
        items.append(Ellipsis)
    at = next(i for i, k in enumerate(items) if k is Ellipsis)
    items[at : at + 1] = [slice(None)] * (t.ndim - used)
    basic: list[Any] = []
    advanced: dict[int, Tensor] = {}
    axis = place = 0  # of the tensor, and of the part that the basic indices leave
    for k in items:
        if k is None or isinstance(k, bool):
            basic.append(None)
            if isinstance(k, bool):
                advanced[place] = t.new_tensor([0] if k else [], dtype=_dtype.int64)
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
    # With an ellipsis, NumPy gives a view even where no axis is left.
    return (*basic, Ellipsis), advanced


def _tidy(t: Tensor, k: Any) -> Any:
    """One item of a key: numbers as ints, sequences and arrays as tensors."""
    if k is None or k is Ellipsis or isinstance(k, bool):
        return k
    if isinstance(k, slice):
        parts = (k.start, k.stop, k.step)
        return slice(*(None if p is None else operator.index(p) for p in parts))
    if is_tensor(k):
        if k.ndim == 0 and k.dtype.category == INTEGER and k.dtype is not _dtype.uint8:
            return k.item() if k._device.type == "cpu" else k
        return k if k._device is t._device else k.to(t._device)
    if isinstance(k, (list, tuple, range)) or hasattr(k, "__array_interface__") and k.ndim:
        return create.tensor(list(k) if isinstance(k, range) else k, device=t._device)
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
    if is_tensor(k) and k.dtype in (_dtype.bool_, _dtype.uint8):
        return k.ndim  # type: ignore[no-any-return]
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
    if k.dtype in (_dtype.bool_, _dtype.uint8):
        for i, n in enumerate(k._data.shape):
            if n != t._data.shape[axis + i]:
                raise IndexError(
                    f"The shape of the mask {shape_text(k.shape)} at index {i} does not match the "
                    f"shape of the indexed tensor {shape_text(t.shape)} at index {axis + i}"
                )
        return list(nonzero(k, as_tuple=True))
    if k.dtype.category != INTEGER:
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return [to_dtype(k, _dtype.int64)]


def _flat_index(t: Tensor, advanced: dict[int, Tensor]) -> tuple[Tensor, tuple[int, ...]]:
    """One flat index over the indexed axes taken together, and the shape it had."""
    from xptorch.ops.shape import broadcast_tensors

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
    return _engine.wrap(xp.reshape(flat, (-1,)), t._device), indices[0]._data.shape


def check_bounds(raw: Any, n: int, axis: int, t: Tensor) -> None:
    """Raise for indices outside; only on the CPU, elsewhere the look would cost a wait."""
    if t._device.type != "cpu" or not math.prod(raw.shape):
        return
    low, high = int(raw.min()), int(raw.max())
    if low < -n or high >= n:
        bad = low if low < -n else high
        raise IndexError(f"index {bad} is out of bounds for dimension {axis} with size {n}")


def _front(t: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """The indexed axes brought to the front as one; and the shape of the rest."""
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
    if len(axes) == 1:  # in its place: nothing has to move
        a, sizes = axes[0], t._data.shape
        taken = _take(t, index, axis=a)
        return taken.reshape((*sizes[:a], *shape, *sizes[a + 1 :]))  # type: ignore[no-any-return]
    rows, rest = _front(t, axes)
    taken = _take(rows, index, axis=0).reshape((*shape, *rest))
    return _back(taken, axes, len(shape))


def _back(taken: Tensor, axes: tuple[int, ...], n: int) -> Tensor:
    """The indexed axes, `n` in front, to where the first index stood, if all stood together."""
    if not _adjacent(axes) or axes[0] == 0:
        return taken
    return taken.movedim(tuple(range(n)), tuple(range(axes[0], axes[0] + n)))  # type: ignore[no-any-return]


# ---- x[key] = value


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """Store a value in the part of the tensor that the key names."""
    if is_tensor(key) and key.dtype is _dtype.bool_ and not is_tensor(value):
        if key._data.shape == self._data.shape:
            self.masked_fill_(key, value)
            return
    basic, advanced = _parse(self, key)
    if not is_tensor(value):
        value = create.tensor(value, dtype=self.dtype, device=self._device)
    target = _part(self, key=basic) if basic else self
    if not advanced:
        _assign(target, value)
        return
    _engine.check_writable(self)
    index, shape = _flat_index(target, advanced)
    axes = tuple(advanced)
    _engine.write(target, _with_rows(target, axes, index, shape, value, False))


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
    n = len(shape)
    if _adjacent(axes) and axes[0]:
        value = value.expand((*rest[: axes[0]], *shape, *rest[axes[0] :]))
        value = value.movedim(tuple(range(axes[0], axes[0] + n)), tuple(range(n)))
    else:
        value = value.expand((*shape, *rest))
    values = value.reshape((index.numel(), *rest))
    if accumulate:
        rows = rows + _add_rows(values, index, count=rows._data.shape[0])
    else:
        rows = _put_rows(rows, index, values)
    sizes = [t._data.shape[a] for a in axes]
    order = (*axes, *[i for i in range(t.ndim) if i not in axes])
    inverse = tuple(order.index(i) for i in range(t.ndim))
    return rows.reshape((*sizes, *rest)).permute(*inverse)  # type: ignore[no-any-return]


def index_put(
    input: Tensor, indices: tuple[Tensor | None, ...], values: Tensor, accumulate: bool = False
) -> Tensor:
    """The tensor with the elements at `indices` replaced by, or increased by, `values`."""
    key = tuple(slice(None) if i is None else i for i in indices)
    _, advanced = _parse(input, key)
    index, shape = _flat_index(input, advanced)
    return _with_rows(input, tuple(advanced), index, shape, values, accumulate).contiguous()


# ---- along an axis


def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Any = None
) -> Tensor:
    """``out[i][j] = input[index[i][j]][j]`` for dim 0, and so on for the others."""
    axis, index = _check_index(input, dim, index, "gather")
    if input.ndim == 0:
        return deliver(input.expand(index._data.shape).clone(), out, "gather")
    check_bounds(index._data, input._data.shape[axis], axis, input)
    return deliver(_gather(_crop(input, index, axis), index, axis=axis), out, "gather")


def _check_index(input: Tensor, dim: int, index: Tensor, name: str) -> tuple[int, Tensor]:
    need_tensor(index, name, "index", 3)
    axis = wrap_dim(dim, input.ndim)
    if index.dtype not in (_dtype.int64, _dtype.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if index.numel() and max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as input tensor"
        )
    for i, n in enumerate(index._data.shape):
        if i != axis and input.ndim and n > input._data.shape[i]:
            raise RuntimeError(
                f"Size does not match at dimension {i} expected index {shape_text(index.shape)} "
                f"to be no larger than self {shape_text(input.shape)} apart from dimension {axis}"
            )
    return axis, to_dtype(index, _dtype.int64)


def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Any = None
) -> Tensor:
    """`gather` with the index broadcast against the input."""
    if dim is None:
        return deliver(gather(input.reshape(-1), 0, indices.reshape(-1)), out, "take_along_dim")
    axis = wrap_dim(dim, input.ndim)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    from xptorch.ops.shape import broadcast_shapes

    cut = [1 if i == axis else n for i, n in enumerate(input._data.shape)]
    other = [1 if i == axis else n for i, n in enumerate(indices._data.shape)]
    common = list(broadcast_shapes(cut, other))
    whole, part = list(common), list(common)
    whole[axis], part[axis] = input._data.shape[axis], indices._data.shape[axis]
    return deliver(gather(input.expand(whole), axis, indices.expand(part)), out, "take_along_dim")


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
    out: Any = None,
) -> Tensor:
    """``out[index[i][j]][j] = src[i][j]`` for dim 0, and so on for the others."""
    axis, index = _check_index(input, dim, index, "scatter")
    src = value if src is None else src
    if not is_tensor(src):
        src = input.new_full(index._data.shape, src)
    elif src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if not index.numel():
        return deliver(input.clone(), out, "scatter")
    if input.ndim == 0:
        return deliver(src.reshape(()) + input * 0, out, "scatter")
    check_bounds(index._data, input._data.shape[axis], axis, input)
    values = _cut_to(src, index)
    if reduce == "add":
        return scatter_add(input, dim, index, src)
    if reduce == "multiply":
        return scatter_reduce(input, dim, index, src, "prod")
    if reduce is not None:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return deliver(_put_along(input, index, values, axis=axis), out, "scatter")


def _cut_to(src: Tensor, index: Tensor) -> Tensor:
    for i, (a, b) in enumerate(zip(src._data.shape, index._data.shape, strict=True)):
        if a < b:
            raise RuntimeError(
                f"Expected index {shape_text(index.shape)} to be no larger than src "
                f"{shape_text(src.shape)} at dimension {i}"
            )
    return src if src._data.shape == index._data.shape else src[tuple(map(slice, index.shape))]


def scatter_add(
    input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Any = None
) -> Tensor:
    """`scatter` that adds to what is there; repeated indices accumulate."""
    axis, index = _check_index(input, dim, index, "scatter_add")
    if src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if not index.numel():
        return deliver(input.clone(), out, "scatter_add")
    if input.ndim == 0:
        return deliver(input + src.sum(), out, "scatter_add")
    check_bounds(index._data, input._data.shape[axis], axis, input)
    added = _add_along(_cut_to(src, index), index, axis=axis, shape=input._data.shape)
    return deliver(input + added, out, "scatter_add")


def scatter_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Any = None,
) -> Tensor:
    """`scatter` that combines values by "sum" or "mean"."""
    if reduce not in ("sum", "mean"):
        raise NotImplementedError(f"scatter_reduce with reduce={reduce!r}")
    base = input if include_self else scatter(input, dim, index, value=0)
    total = scatter_add(base, dim, index, src)
    if reduce == "mean":
        ones = src.detach() * 0 + 1
        start = ones.new_ones(input.shape)
        start = start if include_self else scatter(start, dim, index, value=0)
        count = scatter_add(start, dim, index, ones)
        total = total / count.clamp(min=1)
    return deliver(total, out, "scatter_reduce")


# ---- whole slices along an axis


def index_select(input: Tensor, dim: int, index: Tensor, *, out: Any = None) -> Tensor:
    """The slices along an axis that a vector of indices names."""
    axis, index = _slices(input, dim, index, "index_select")
    if input.ndim == 0:
        return deliver(input.clone(), out, "index_select")
    return deliver(_take(input, index, axis=axis), out, "index_select")


def _slices(input: Tensor, dim: int, index: Tensor, name: str) -> tuple[int, Tensor]:
    axis = wrap_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if index.dtype not in (_dtype.int64, _dtype.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    index = to_dtype(index, _dtype.int64).reshape(-1)
    size = input._data.shape[axis] if input.ndim else 1
    check_bounds(index._data, size, axis, input)
    xp = input._device.xp
    return axis, _engine.wrap(xp.where(index._data < 0, index._data + size, index._data), input._device)


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1, out: Any = None
) -> Tensor:
    """Slices of `source`, times alpha, added to the slices that `index` names."""
    axis, index = _slices(input, dim, index, "index_add")
    if source.dtype is not input.dtype:
        raise RuntimeError("index_add_(): self and source expected to have the same dtype")
    values = source if alpha == 1 else source * alpha
    if input.ndim == 0:
        return deliver(input + values.sum(), out, "index_add")
    n = index.numel()
    if source.ndim == 0 or source._data.shape[axis] != n:
        raise IndexError(f"index_add_(): Number of indices ({n}) should be equal to source.size(dim)")
    result = _with_rows(input, (axis,), index, (n,), values, True)
    return deliver(result.contiguous(), out, "index_add")


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Any = None) -> Tensor:
    """Slices of `source` in place of the slices that `index` names."""
    axis, index = _slices(input, dim, index, "index_copy")
    if source.dtype is not input.dtype:
        raise RuntimeError("index_copy_(): self and source expected to have the same dtype")
    if input.ndim == 0:
        return deliver(source.reshape(()) + input * 0, out, "index_copy")
    result = _with_rows(input, (axis,), index, (index.numel(),), source, False)
    return deliver(result.contiguous(), out, "index_copy")


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """One value in the slices that `index` names."""
    axis, index = _slices(input, dim, index, "index_fill")
    value = value if is_tensor(value) else input.new_full((), value)
    if input.ndim == 0:
        return value + input * 0
    return _with_rows(input, (axis,), index, (index.numel(),), value, False).contiguous()


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements by their place in the flattened tensor."""
    if index.dtype is not _dtype.int64:
        raise RuntimeError("take(): Expected a long tensor for index")
    flat = input.reshape(-1)
    return flat[index.reshape(-1)].reshape(index._data.shape)


# ---- by mask


def masked_select(input: Tensor, mask: Tensor, *, out: Any = None) -> Tensor:
    """The elements where the mask is True, as a vector."""
    if mask.dtype is not _dtype.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    from xptorch.ops.shape import broadcast_tensors

    t, mask = broadcast_tensors(input, mask)
    return deliver(t.reshape(-1)[mask.reshape(-1)], out, "masked_select")


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Elements of `source`, in order, where the mask is True."""
    from xptorch.ops.shape import broadcast_tensors

    t, mask = broadcast_tensors(input, mask)
    (places,) = nonzero(mask.reshape(-1), as_tuple=True)
    if places.numel() > source.numel():
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes and enough elements"
        )
    values = source.reshape(-1)[: places.numel()]
    return _put_rows(t.reshape(-1), places, values).reshape(t._data.shape)  # type: ignore[no-any-return]


def nonzero(input: Tensor, *, as_tuple: bool = False, out: Any = None) -> Any:
    """The indices of elements that are not 0: a row for each, or a vector for each axis."""
    need_tensor(input, "nonzero")
    on, xp = input._device, input._device.xp
    data = input._data if input.ndim else xp.reshape(input._data, (1,))
    raw = xp.nonzero(data)
    columns = tuple(_engine.wrap(xp.astype(i, on.raw_dtype(_dtype.int64)), on) for i in raw)
    if as_tuple:
        return columns
    if not input.ndim:
        return deliver(columns[0].reshape(-1, 1)[:, :0], out, "nonzero")
    from xptorch.ops.shape import stack

    return deliver(stack(columns, 1), out, "nonzero")


def argwhere(input: Tensor) -> Tensor:
    """`nonzero`: a row of indices for each element that is not 0."""
    return nonzero(input)  # type: ignore[no-any-return]


