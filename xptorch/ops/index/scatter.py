"""Gather and scatter along an axis, and slices selected, added, copied or filled by index."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import FLOAT
from xptorch._engine.op import op
from xptorch.ops._common import (
    at_axis,
    broadcast,
    fitting,
    is_tensor,
    need_tensor,
    numpy_names,
    shape_text,
    store_out,
    to_dtype,
    type_name,
    wrap_dim,
)
from xptorch.ops.elementwise import comparison
from xptorch.ops.index.indexing import _take, _with_rows, check_bounds
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "gather", "index_add", "index_copy", "index_fill", "index_reduce", "index_select", "scatter",
    "scatter_add", "scatter_reduce", "take_along_dim",
]  # fmt: skip

_gather = op(
    "take_along_axis",
    lambda xp, a, index, *, axis: xp.take_along_axis(a, index, axis=axis),
    a=lambda xp, g, index, a_shape, axis: xp.add_along_axis(g, index, axis=axis, shape=a_shape),
)
_add_along = op(
    "add_along_axis",
    lambda xp, values, index, *, axis, shape: xp.add_along_axis(values, index, axis, shape),
    values=lambda xp, g, index, axis: _pick(xp, g, index, axis),
)
_put_along = op(
    "put_along_axis",
    lambda xp, a, index, values, *, axis: xp.put_along_axis(a, index, values, axis),
    a=lambda xp, g, index, axis: xp.put_along_axis(
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


# ---- scatters that combine several values at one position


def _neighbours(xp: Any, values: Any, places: Any, combine: Any) -> Any:
    """Segmented scan over sorted places: the last of each run of equals has the run's result."""
    step = 1
    while step < places.shape[0]:
        same = places[step:] == places[:-step]
        more = xp.where(same, combine(values[step:], values[:-step]), values[step:])
        values = xp.concat([values[:step], more])
        step *= 2
    return values


def _combined(
    xp: Any, a: Any, index: Any, values: Any, *, axis: int, reduce: str, include: bool
) -> Any:
    """`a`, each position combined with, or replaced by, the values that are scattered to it."""
    combine = {"prod": _product, "amax": xp.maximum, "amin": xp.minimum}[reduce]
    flat = xp.flat_index(index, axis, a.shape)
    order = xp.argsort(flat, stable=True)
    flat = xp.take(flat, order, axis=0)
    values = xp.take(xp.reshape(values, (-1,)), order, axis=0)
    values = _neighbours(xp, values, flat, combine)
    base = xp.reshape(a, (-1,))
    if include:
        values = combine(values, xp.take(base, flat, axis=0))
    return xp.reshape(xp.index_put(base, flat, values), a.shape)


def _product(a: Any, b: Any) -> Any:
    return a * b


def _extreme_back(
    xp: Any, g: Any, needs: Any, a: Any, index: Any, values: Any, y: Any, axis: int, include: bool
) -> tuple[Any, ...]:
    """The gradient, divided equally among all that equal the extreme."""
    own = xp.astype(a == y, dtype=g.dtype)
    sent = xp.astype(values == _pick(xp, y, index, axis), dtype=g.dtype)
    if not include:
        own = xp.put_along_axis(own, index, xp.zeros_like(sent), axis=axis)
    count = own + xp.add_along_axis(sent, index, axis=axis, shape=a.shape)
    share = g / xp.where(count == 0, xp.ones_like(count), count)
    grad = own * share
    if not include:
        untouched = xp.put_along_axis(xp.ones_like(g), index, xp.zeros_like(sent), axis=axis)
        grad = xp.where(untouched != 0, g, grad)
    return grad, None, sent * _pick(xp, share, index, axis)


def _prod_back(
    xp: Any, g: Any, needs: Any, a: Any, index: Any, values: Any, y: Any, axis: int, include: bool
) -> tuple[Any, ...]:
    """The product of the other factors, computed without dividing by zero."""
    touched = xp.put_along_axis(xp.zeros_like(a), index, xp.ones_like(values), axis=axis) != 0
    start = a if include else xp.where(touched, xp.ones_like(a), a)
    own_zero, zero = start == 0, values == 0
    zeros = xp.add_along_axis(xp.astype(zero, dtype=a.dtype), index, axis=axis, shape=a.shape)
    zeros = zeros + xp.astype(own_zero, dtype=a.dtype)
    filled = xp.where(own_zero, xp.ones_like(a), start)
    factors = xp.where(zero, xp.ones_like(values), values)
    whole = _multiplied(xp, filled, index, factors, axis=axis, include=True)

    def others(factor: Any, is_zero: Any, whole: Any, zeros: Any) -> Any:
        left = zeros - xp.astype(is_zero, dtype=a.dtype)
        return xp.where(left == 0, whole / factor, xp.zeros_like(whole))

    grad = g * others(filled, own_zero, whole, zeros)
    if not include:
        grad = xp.where(touched, xp.zeros_like(g), g)
    at = [_pick(xp, t, index, axis) for t in (g, whole, zeros)]
    return grad, None, at[0] * others(factors, zero, at[1], at[2])


def _prod_reference(
    a: Tensor, index: Tensor, values: Tensor, *, axis: int, include: bool
) -> Tensor:
    """Slice by slice: within a slice of the index, no position occurs twice."""
    y = a if include else _put_along(a, index, creation.ones_like(values), axis=axis)
    for i in range(index._data.shape[axis]):
        at = at_axis(axis, slice(i, i + 1))
        y = y * _put_along(creation.ones_like(a), index[at], values[at], axis=axis)
    return y


def _multiplied(xp: Any, a: Any, index: Any, values: Any, *, axis: int, include: bool) -> Any:
    return _combined(xp, a, index, values, axis=axis, reduce="prod", include=include)


_combine = op("scatter_combine", _combined, vjp=_extreme_back)
_multiply = op("scatter_prod", _multiplied, vjp=_prod_back, reference=_prod_reference)


# ---- gather


@numpy_names
def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Any = None
) -> Tensor:
    """``out[i][j] = input[index[i][j]][j]`` for dim 0, and so on for the others."""
    need_tensor(index, "gather", "index", 3)
    if sparse_grad and input.requires_grad:
        raise NotImplementedError("gather: sparse gradients")
    wrap_dim(dim, input.ndim)
    if not index.numel():
        return store_out(input.reshape(-1)[:0].reshape(index._data.shape), out, "gather", True)
    axis, index = _check_index(input, dim, index, "gather")
    if not input.ndim or not index.ndim:
        shape, flat = index._data.shape, input.reshape(-1)
        result = _gather(flat, index.reshape(-1), axis=0).reshape(shape)
    else:
        result = _gather(_crop(input, index, axis), index, axis=axis)
    return store_out(result, out, "gather", True)


def _check_index(input: Tensor, dim: int, index: Tensor, name: str) -> tuple[int, Tensor]:
    """The axis, and the indices as int64, all within the axis."""
    need_tensor(index, name, "index", 3)
    axis = wrap_dim(dim, input.ndim)
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if max(index.ndim, 1) != max(input.ndim, 1):
        whose = "input" if name == "gather" else "self"
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as {whose} tensor"
        )
    for i, (n, size) in enumerate(zip(index._data.shape, input._data.shape, strict=False)):
        if i != axis and n > size:
            raise RuntimeError(
                f"Expected index {shape_text(index.shape)} to be no larger than self "
                f"{shape_text(input.shape)} apart from dimension {axis}"
            )
    size = input._data.shape[axis] if input.ndim else 1
    check_bounds(index._data, size, axis, input, least=0, error=RuntimeError)
    return axis, to_dtype(index, dtypes.int64)


@numpy_names
def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Any = None
) -> Tensor:
    """`gather` with the index broadcast against the input; negative indices count from the end."""
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got "
            f"{type_name(indices.dtype)}"
        )
    if dim is None:
        input, indices, dim = input.reshape(-1), indices.reshape(-1), 0
    axis = wrap_dim(dim, input.ndim)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    x, i = input._data.shape, indices._data.shape
    common = broadcast((*x[:axis], 1, *x[axis + 1 :]), (*i[:axis], 1, *i[axis + 1 :]))
    input = input.expand((*common[:axis], x[axis], *common[axis + 1 :]))
    indices = indices.expand((*common[:axis], i[axis], *common[axis + 1 :]))
    return store_out(gather(input, axis, indices % x[axis]), out, "take_along_dim", True)


# ---- scatter


def _cut_to(src: Tensor, input: Tensor, index: Tensor, axis: int) -> Tensor:
    """The part of `src` that corresponds to the indices."""
    if max(src.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    if any(a < b for a, b in zip(src._data.shape, index._data.shape, strict=False)):
        raise RuntimeError(
            f"Expected index {shape_text(index.shape)} to be no larger than self "
            f"{shape_text(input.shape)} apart from dimension {axis} and to be no larger size than "
            f"src {shape_text(src.shape)}"
        )
    return src if src._data.shape == index._data.shape else src[tuple(map(slice, index.shape))]


def _scattering(
    name: str, input: Tensor, dim: int, index: Tensor, src: Tensor, store: Callable[..., Tensor]
) -> Tensor:
    """Shared by all scatters: argument checks, and 0-d tensors treated as vectors.

    Args:
        store: ``f(input, index, values, axis)``.
    """
    need_tensor(index, name, "index", 3)
    need_tensor(src, name, "src", 4)
    if src.dtype is not input.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if not index.numel():
        wrap_dim(dim, input.ndim)
        return input.clone()
    if max(src.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    axis, index = _check_index(input, dim, index, name)
    values = _cut_to(src, input, index, axis)
    if input.ndim and index.ndim:
        return store(input, index, values, axis)
    whole = store(input.reshape(-1), index.reshape(-1), values.reshape(-1), 0)
    return whole.reshape(input._data.shape)


@numpy_names
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
    src = value if src is None else src
    if not is_tensor(src):
        src = input.new_full(index._data.shape, fitting(src, input.dtype))
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if reduce is not None:
        how = "sum" if reduce == "add" else "prod"
        return store_out(_reduced(input, dim, index, src, how, True), out, "scatter", True)

    def store(a: Tensor, index: Tensor, values: Tensor, axis: int) -> Tensor:
        return _put_along(a, index, values, axis=axis)

    return store_out(_scattering("scatter", input, dim, index, src, store), out, "scatter", True)


@numpy_names
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Any = None) -> Tensor:
    """`scatter` that adds to the existing values; repeated indices accumulate."""
    return store_out(_reduced(input, dim, index, src, "sum", True), out, "scatter_add", True)


@numpy_names
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
    """`scatter` that combines values by "sum", "prod", "mean", "amax" or "amin".

    Args:
        include_self: combine them also with the existing values.
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    result = _reduced(input, dim, index, src, reduce, include_self)
    return store_out(result, out, "scatter_reduce", True)


def _reduced(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include: bool
) -> Tensor:
    def store(a: Tensor, index: Tensor, values: Tensor, axis: int) -> Tensor:
        if reduce not in ("sum", "mean"):
            return _extremes_or_products(a, index, values, axis, reduce, include)
        zeros = creation.zeros_like(values)
        base = a if include else _put_along(a, index, zeros, axis=axis)
        total = _added(base, index, values, axis)
        return total if reduce == "sum" else _divided(total, a, index, values, axis, include)

    return _scattering("scatter", input, dim, index, src, store)


def _added(a: Tensor, index: Tensor, values: Tensor, axis: int) -> Tensor:
    if a.dtype is dtypes.bool_:  # True + True is True
        whole = _added(to_dtype(a, dtypes.uint8), index, to_dtype(values, dtypes.uint8), axis)
        return whole != 0
    return a + _add_along(values, index, axis=axis, shape=a._data.shape)


def _divided(
    total: Tensor, a: Tensor, index: Tensor, values: Tensor, axis: int, include: bool
) -> Tensor:
    """The sums divided by the numbers of their terms."""
    start = (creation.ones_like if include else creation.zeros_like)(a.detach())
    ones = creation.ones_like(values.detach())
    count = start + _add_along(ones, index, axis=axis, shape=a._data.shape)
    count = comparison.clamp(count, min=1)
    return total / count if a.dtype.category >= FLOAT else total // count


def _extremes_or_products(
    a: Tensor, index: Tensor, values: Tensor, axis: int, reduce: str, include: bool
) -> Tensor:
    if a.dtype is dtypes.bool_:
        wide, more = to_dtype(a, dtypes.uint8), to_dtype(values, dtypes.uint8)
        return _extremes_or_products(wide, index, more, axis, reduce, include) != 0
    if reduce == "prod":
        return _multiply(a, index, values, axis=axis, include=include)
    return _combine(a, index, values, axis=axis, reduce=reduce, include=include)


# ---- whole slices along an axis


def _slices(input: Tensor, dim: int, index: Tensor, name: str, **errors: Any) -> tuple[int, Tensor]:
    """The axis, and the indices as a vector of int64, all within the axis."""
    axis = wrap_dim(dim, input.ndim)
    need_tensor(index, name, "index", 3)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    index = to_dtype(index, dtypes.int64).reshape(-1)
    size = input._data.shape[axis] if input.ndim else 1
    check_bounds(index._data, size, axis, input, least=0, **errors)
    return axis, index


@numpy_names
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Any = None) -> Tensor:
    """The slices along an axis that a vector of indices selects."""
    axis, index = _slices(input, dim, index, "index_select")
    vector = input if input.ndim else input.reshape(1)
    result = _take(vector, index, axis=axis)
    return store_out(result if input.ndim else result.reshape(()), out, "index_select", True)


def _check_source(input: Tensor, axis: int, index: Tensor, source: Tensor, name: str) -> None:
    need_tensor(source, name, "source", 4)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}_(): self ({type_name(input.dtype)}) and source ({type_name(source.dtype)}) "
            "must have the same scalar type"
        )
    n, size = index.numel(), source._data.shape[axis] if source.ndim > axis else 1
    if n != size:
        raise RuntimeError(
            f"{name}_(): Number of indices ({n}) should be equal to source.size(dim): ({size}), "
            f"for dim: {axis}"
        )
    rest = [[n for i, n in enumerate(t._data.shape) if i != axis] for t in (input, source)]
    if rest[0] != rest[1] or (source.ndim != input.ndim and source.numel() != 1):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {shape_text(input.shape)} source.shape = {shape_text(source.shape)}"
        )


@numpy_names
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1, out: Any = None
) -> Tensor:
    """Slices of `source`, times alpha, added to the slices that `index` selects."""
    axis, index = _slices(input, dim, index, "index_add", error=RuntimeError)
    _check_source(input, axis, index, source, "index_add")
    if alpha != 1:
        source = to_dtype(source * alpha, input.dtype)
    return store_out(_stored(input, axis, index, source, True), out, "index_add", True)


def _stored(input: Tensor, axis: int, index: Tensor, source: Tensor, accumulate: bool) -> Tensor:
    """The slices of `source` stored in, or added to, those that `index` selects."""
    whole = input if input.ndim else input.reshape(1)
    n = index.numel()
    source = source.reshape((*whole._data.shape[:axis], n, *whole._data.shape[axis + 1 :]))
    result = _with_rows(whole, (axis,), index, (n,), source, accumulate)
    return result.contiguous().reshape(input._data.shape)


@numpy_names
def index_copy(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Any = None
) -> Tensor:
    """Slices of `source` in place of the slices that `index` selects."""
    axis, index = _slices(input, dim, index, "index_copy", prefix="index_copy_(): ")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{type_name(input.dtype)} and (source) {type_name(source.dtype)}"
        )
    if input.ndim and source.ndim and input.ndim != source.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality "
            f"must match. Source dimensionality ({source.ndim}), destination dimensionality "
            f"({input.ndim})"
        )
    rest = [[n for i, n in enumerate(t._data.shape) if i != axis] for t in (input, source)]
    if rest[0] != rest[1]:
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination "
            f"slice shape: {rest[0]} and source slice shape: {rest[1]}"
        )
    if index.numel() != (source._data.shape[axis] if source.ndim else 1):
        raise IndexError(
            f"index_copy_(): Number of indices ({index.numel()}) should be equal to "
            f"source.size(dim) ({source._data.shape[axis] if source.ndim else 1})"
        )
    return store_out(_stored(input, axis, index, source, False), out, "index_copy", True)


@numpy_names
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """One value in the slices that `index` selects."""
    axis = wrap_dim(dim, input.ndim)
    if index.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if is_tensor(value) and value.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    size = input._data.shape[axis] if input.ndim else 1
    check_bounds(index._data, size, axis, input)
    value = to_dtype(value, input.dtype) if is_tensor(value) else fitting(value, input.dtype)
    index = to_dtype(index, dtypes.int64).reshape(-1)
    index = comparison.where(index < 0, index + size, index)
    ones = creation.ones_like(index, dtype=dtypes.bool_)
    mask = _put_along(ones.new_zeros(size), index, ones, axis=0)
    shape = (size,) + (1,) * (input.ndim - 1 - axis) if input.ndim else ()
    return comparison.where(mask.reshape(shape), value, input)


def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Any = None,
) -> Tensor:
    """Slices of `source` combined by "prod", "mean", "amax" or "amin" into those of `index`."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}."
        )
    axis, index = _slices(input, dim, index, "index_reduce")
    _check_source(input, axis, index, source, "index_reduce")
    shape = (-1,) + (1,) * (source.ndim - 1 - axis)
    places = index.reshape(shape if source.ndim else ()).expand(source._data.shape)
    result = _reduced(input, dim, places, source, reduce, include_self)
    return store_out(result, out, "index_reduce", True)
