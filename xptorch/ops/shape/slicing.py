"""Parts of tensors by position: narrow, select, diagonals, triangles, windows, repeats."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import BOOL, COMPLEX, FLOAT, INTEGER
from xptorch._engine import op as _engine
from xptorch._engine.op import op
from xptorch.ops._common import (
    at_axis,
    common_dtype,
    is_tensor,
    need_tensor,
    numpy_names,
    refuse,
    shape_text,
    store_out,
    wrap_dim,
)
from xptorch.ops.index.sort import searchsorted
from xptorch.ops.shape import creation
from xptorch.ops.shape.arrangement import meshgrid
from xptorch.ops.shape.joining import cat, stack

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "block_diag", "cartesian_prod", "combinations", "diag", "diag_embed", "diagflat", "diagonal",
    "diagonal_scatter", "narrow", "repeat_interleave", "select", "select_scatter", "slice_scatter",
    "trace", "tril", "tril_indices", "triu", "triu_indices",
]  # fmt: skip

_tril = op("tril", lambda xp, a, *, k: xp.tril(a, k=k), a=lambda xp, g, k: xp.tril(g, k=k))
_triu = op("triu", lambda xp, a, *, k: xp.triu(a, k=k), a=lambda xp, g, k: xp.triu(g, k=k))


def _step_key(rows: int, cols: int, offset: int, count: int) -> tuple[Any, ...]:
    """The diagonal's key in the flattened matrix: a step is a row and a column."""
    start = offset if offset >= 0 else -offset * cols
    return (
        ...,
        slice(start, start + (count - 1) * (cols + 1) + 1, cols + 1) if count else slice(0),
    )


def _diagonal_back(xp: Any, g: Any, a_shape: tuple[int, ...], offset: int) -> Any:
    *lead, rows, cols = a_shape
    key = _step_key(rows, cols, offset, g.shape[-1])
    return xp.reshape(xp.zeros_with(g, shape=(*lead, rows * cols), key=key), shape=a_shape)


_diagonal = op(
    "diagonal",
    lambda xp, a, *, offset: xp.diagonal(a, offset),
    view=True,
    a=_diagonal_back,
)


def _windows_back(
    xp: Any, g: Any, a_shape: tuple[int, ...], axis: int, size: int, step: int
) -> Any:
    n, c = math.prod(a_shape[:axis]), math.prod(a_shape[axis + 1 :])
    axes = (*range(axis + 1), len(a_shape), *range(axis + 1, len(a_shape)))
    rows = xp.reshape(xp.permute_dims(g, axes=axes), shape=(n, g.shape[axis], size, c))
    whole = xp.fold(rows, size=(a_shape[axis],), kernel=(size,), stride=(step,), dilation=(1,))
    return xp.reshape(whole, shape=a_shape)


def _windows_forward(xp: Any, a: Any, *, axis: int, size: int, step: int) -> Any:
    steps, shape = list(xp.strides(a)), list(a.shape)
    gap, shape[axis] = steps[axis], (shape[axis] - size) // step + 1
    steps[axis] *= step
    return xp.as_strided(a, (*shape, size), (*steps, gap), 0)


_windows = op(
    "windows",
    _windows_forward,
    view=True,
    a=_windows_back,
)


@numpy_names
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` slices along an axis, from `start`: a view."""
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    axis = wrap_dim(dim, input.ndim)
    if is_tensor(start) and (start.ndim or start.dtype.category != INTEGER):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    start, size = int(start), input._data.shape[axis]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-size}, {size}], "
            f"but got {start})"
        )
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return input[at_axis(axis, slice(start, start + length))]


@numpy_names
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One slice along an axis, without that axis: a view."""
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    axis = wrap_dim(dim, input.ndim)
    size, index = input._data.shape[axis], int(index)
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size "
            f"{list(input.shape)} at dimension {axis}"
        )
    return input[at_axis(axis, index)]


def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of matrices, 0 above the diagonal."""
    if input.ndim < 2:
        raise RuntimeError("tril: input tensor must have at least 2 dimensions")
    return store_out(_tril(input, k=diagonal), out, "tril", True)


def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of matrices, 0 below the diagonal."""
    if input.ndim < 2:
        raise RuntimeError("triu: input tensor must have at least 2 dimensions")
    return store_out(_triu(input, k=diagonal), out, "triu", True)


def tril_indices(row: int, col: int, offset: int = 0, **kwargs: Any) -> Tensor:
    """The (row, column) indices of a lower triangle, as two rows."""
    return _triangle(row, col, kwargs, lambda m: tril(m, offset))


def triu_indices(row: int, col: int, offset: int = 0, **kwargs: Any) -> Tensor:
    """The (row, column) indices of an upper triangle, as two rows."""
    return _triangle(row, col, kwargs, lambda m: triu(m, offset))


def _triangle(row: int, col: int, kwargs: dict[str, Any], cut: Any) -> Tensor:
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    creation.options(kwargs, "tril_indices")
    for name, n in (("row", row), ("col", col)):
        if n < 0:
            raise RuntimeError(f"{name} must be non-negative, got{n}")
    if dtype is not None:
        refuse("tril_indices", creation.empty(0, dtype=dtype), FLOAT, COMPLEX)
    indices = cut(creation.ones(row, col, device=device)).nonzero().t().contiguous()
    return indices.to(dtype or dtypes.int64)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals of the matrices in two axes, as the last axis: a view."""
    a, b = wrap_dim(dim1, input.ndim), wrap_dim(dim2, input.ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _diagonal(input.movedim((a, b), (-2, -1)), offset=offset)


def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """`diagonal` of the last two axes."""
    return diagonal(A, offset, dim1, dim2)


def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if input.ndim == 1:
        return store_out(diag_embed(input, diagonal), out, "diag", True)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return store_out(_diagonal(input, offset=diagonal).clone(), out, "diag", True)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last axis on their diagonals."""
    a, b = wrap_dim(dim1, input.ndim + 1), wrap_dim(dim2, input.ndim + 1)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    *lead, n = input._data.shape
    size = n + abs(offset)
    key = _step_key(size, size, offset, n)
    flat = _engine.OPS["zeros_with"](input, shape=(*lead, size * size), key=key)
    placed = flat.reshape((*lead, size, size))
    if b < a:
        placed = placed.transpose(-1, -2)
    return placed.movedim((-2, -1), (min(a, b), max(a, b)))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on its diagonal."""
    return diag_embed(input.reshape(-1), offset)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return diagonal(input).sum()


def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` along an axis, `step` apart, as a new last axis."""
    axis = wrap_dim(dimension, self.ndim)
    length = self._data.shape[axis] if self.ndim else 1
    if size < 0 or size > length:
        raise RuntimeError(
            f"maximum size for tensor at dimension {axis} is {length} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if self.ndim == 0:
        return self.reshape(1)[:size]
    if not size:
        shape = list(self._data.shape)
        shape[axis] = length // step + 1
        return self.new_empty((*shape, 0))
    return _windows(self, axis=axis, size=size, step=step)


@numpy_names
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element repeated, along one axis or over the flattened tensor."""
    need_tensor(input, "repeat_interleave")
    if repeats is None:
        places = creation.arange(input.numel(), device=input._device)
        return repeat_interleave(places, input, 0, output_size=output_size)
    if dim is None:
        input, dim = input.reshape(-1), 0
    axis = wrap_dim(dim, input.ndim)
    index = _repeated(input._data.shape[axis], repeats, axis, input)
    if output_size is not None and output_size != index.numel():
        raise RuntimeError("allocated size does not match required size")
    return input.index_select(axis, index)


def _repeated(n: int, repeats: Any, axis: int, input: Tensor) -> Tensor:
    """Every index along an axis of size n, repeated as `repeats` specifies."""
    if not is_tensor(repeats):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        return creation.arange(n * repeats, device=input._device) // max(repeats, 1)
    refuse("repeat_interleave_cpu", repeats, BOOL, FLOAT, COMPLEX)
    counts = repeats.reshape(-1)
    counts = counts.expand(n) if counts.numel() == 1 else counts
    if counts.numel() != n:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{counts.numel()} and input.size({axis}) = {n}"
        )
    if n and bool((counts < 0).any()):
        raise RuntimeError("repeats can not be negative")
    ends = counts.cumsum(0)
    total = int(ends[-1]) if n else 0
    return searchsorted(ends, creation.arange(total, device=input._device), right=True)


# ---- copies with a part replaced


def replaced(input: Tensor, src: Tensor, part: Any) -> Tensor:
    """A copy of the input with `src` stored in the view that `part` returns."""
    out = input.clone()
    target = part(out)
    if target._data.shape != src._data.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{shape_text(src.shape)}, slice size = {shape_text(target.shape)}"
        )
    target.copy_(src)
    return out


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """The input with `src` in place of one slice along an axis."""
    return replaced(input, src, lambda t: select(t, dim, index))


def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """The input with `src` in place of some slices along an axis."""
    key = at_axis(wrap_dim(dim, input.ndim), slice(start, end, step))
    return replaced(input, src, lambda t: t[key])


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """The input with `src` in place of the diagonals of two axes."""
    return replaced(input, src, lambda t: diagonal(t, offset, dim1, dim2))


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Set the main diagonal to one value; with `wrap`, it restarts below in tall matrices."""
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2:
        if len(set(self._data.shape)) > 1:
            raise RuntimeError("all dimensions of input must be of equal length")
        line = self
        for _ in range(self.ndim - 1):
            line = diagonal(line, 0, 0, -1)
        line.fill_(fill_value)
        return self
    rows, cols = self._data.shape
    for start in range(0, rows, cols + 1) if wrap and rows > cols else (0,):
        diagonal(self[start:]).fill_(fill_value)
    return self


# ---- built from several tensors


def block_diag(*tensors: Tensor) -> Tensor:
    """The tensors as blocks along the diagonal of a matrix, zeros elsewhere."""
    blocks = [t.reshape((1,) * (2 - t.ndim) + t._data.shape) for t in common_dtype(tensors)]
    if not blocks:
        return creation.empty(1, 0)
    if any(b.ndim > 2 for b in blocks):
        raise RuntimeError("torch.block_diag: Input tensors must have 2 or fewer dimensions.")
    width, left, rows = sum(b._data.shape[1] for b in blocks), 0, []
    for b in blocks:
        n, m = b._data.shape
        key = (slice(None), slice(left, left + m))
        rows.append(_engine.OPS["zeros_with"](b, shape=(n, width), key=key))
        left += m
    return cat(rows)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Every combination of the vectors' elements, one per row."""
    if any(t.ndim != 1 for t in tensors):
        raise RuntimeError("Expect a 1D vector, but got shape " + shape_text(tensors[0].shape))
    if len(tensors) == 1:
        return tensors[0]
    return stack([g.reshape(-1) for g in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Every choice of r elements of a vector, one per row, in the order of their indices."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {shape_text(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty(0)
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(pick(range(input.numel()), r))
    index = creation.tensor(rows, dtype=dtypes.int64, device=input._device)
    return input[index.reshape(-1)].reshape(len(rows), r)
