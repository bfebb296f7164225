"""Parts of tensors by position: narrow, select, diagonals, triangles, windows, repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xptorch import _dtype
from xptorch._engine import op
from xptorch.ops import create
from xptorch.ops._common import deliver, is_tensor, need_tensor, wrap_dim

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

__all__ = [
    "diag", "diag_embed", "diagflat", "diagonal", "narrow", "repeat_interleave", "select",
    "trace", "tril", "tril_indices", "triu", "triu_indices",
]  # fmt: skip

_tril = op("tril", lambda xp, a, *, k: xp.tril(a, k=k), a=lambda xp, g, k: xp.tril(g, k=k))
_triu = op("triu", lambda xp, a, *, k: xp.triu(a, k=k), a=lambda xp, g, k: xp.triu(g, k=k))


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` slices along an axis, from `start`: a view."""
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    axis = wrap_dim(dim, input.ndim)
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
        raise RuntimeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({size})."
        )
    return input[(slice(None),) * axis + (slice(start, start + length),)]


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
    return input[(slice(None),) * axis + (index,)]


def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of matrices, 0 above the diagonal."""
    if input.ndim < 2:
        raise RuntimeError("tril: input tensor must have at least 2 dimensions")
    return deliver(_tril(input, k=diagonal), out, "tril")


def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of matrices, 0 below the diagonal."""
    if input.ndim < 2:
        raise RuntimeError("triu: input tensor must have at least 2 dimensions")
    return deliver(_triu(input, k=diagonal), out, "triu")


def tril_indices(row: int, col: int, offset: int = 0, **kwargs: Any) -> Tensor:
    """The (row, column) indices of a lower triangle, as two rows."""
    return _triangle(row, col, kwargs, lambda m: tril(m, offset))


def triu_indices(row: int, col: int, offset: int = 0, **kwargs: Any) -> Tensor:
    """The (row, column) indices of an upper triangle, as two rows."""
    return _triangle(row, col, kwargs, lambda m: triu(m, offset))


def _triangle(row: int, col: int, kwargs: dict[str, Any], cut: Any) -> Tensor:
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    create.options(kwargs, "tril_indices")
    indices = cut(create.ones(row, col, device=device)).nonzero().t().contiguous()
    return indices.to(dtype or _dtype.int64)  # type: ignore[no-any-return]


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals of the matrices in two axes, as the last axis."""
    a, b = wrap_dim(dim1, input.ndim), wrap_dim(dim2, input.ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    rows, cols = input._data.shape[a], input._data.shape[b]
    count = max(min(rows + min(offset, 0), cols - max(offset, 0)), 0)
    last = input.movedim((a, b), (-2, -1))
    # Row after row, one diagonal step is a row and a column: a strided slice of the flat matrix.
    start = offset if offset >= 0 else -offset * cols
    flat = last.reshape((*last._data.shape[:-2], rows * cols))
    return flat[..., start : start + count * (cols + 1) : cols + 1][..., :count]  # type: ignore[no-any-return]


def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if input.ndim == 1:
        return deliver(diag_embed(input, diagonal), out, "diag")
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return deliver(_diagonal(input, diagonal).clone(), out, "diag")


_diagonal = diagonal


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last axis on their diagonals."""
    a, b = wrap_dim(dim1, input.ndim + 1), wrap_dim(dim2, input.ndim + 1)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if input.ndim == 0:
        raise RuntimeError("diag_embed: expected a tensor with at least one dimension")
    n = input._data.shape[-1]
    size = n + abs(offset)
    placed = _embed(input, offset, n, size)
    if b < a:
        placed = placed.transpose(-1, -2)
    return placed.movedim((-2, -1), (min(a, b), max(a, b)))


def _embed(input: Tensor, offset: int, n: int, size: int) -> Tensor:
    flat = input.unsqueeze(-1)
    tail = flat.new_zeros((*input._data.shape, size))
    from xptorch.ops.shape import cat

    # Each value followed by `size` zeros: read in rows of `size`, the values step to the right.
    steps = cat([flat, tail], -1).reshape((*input._data.shape[:-1], n * (size + 1)))
    start = offset if offset >= 0 else -offset * size
    lead = input.new_zeros((*input._data.shape[:-1], start))
    whole = cat([lead, steps], -1)
    need = size * size
    if whole._data.shape[-1] < need:
        missing = need - whole._data.shape[-1]
        whole = cat([whole, input.new_zeros((*input._data.shape[:-1], missing))], -1)
    return whole[..., :need].reshape((*input._data.shape[:-1], size, size))  # type: ignore[no-any-return]


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on its diagonal."""
    return diag_embed(input.reshape(-1), offset)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise RuntimeError("trace: expected a matrix")
    return diagonal(input).sum()  # type: ignore[no-any-return]


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
        return self.reshape(1)[:size]  # type: ignore[no-any-return]
    count = (length - size) // step + 1
    index = create.arange(count, device=self._device).unsqueeze(1) * step + create.arange(
        size, device=self._device
    )
    windows = self[(slice(None),) * axis + (index,)]
    return windows.movedim(axis + 1, -1)  # type: ignore[no-any-return]


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element repeated, along one axis or over the flattened tensor."""
    need_tensor(input, "repeat_interleave")
    if repeats is None:
        counts, values = input, create.arange(input.numel(), device=input._device)
        return repeat_interleave(values, counts, 0)
    if dim is None:
        input, dim = input.reshape(-1), 0
    axis = wrap_dim(dim, input.ndim)
    n = input._data.shape[axis]
    if not is_tensor(repeats):
        if repeats < 0:
            raise RuntimeError("repeats must be non-negative")
        index = create.arange(n * repeats, device=input._device) // max(repeats, 1)
        return input.index_select(axis, index)  # type: ignore[no-any-return]
    counts = repeats.reshape(-1)
    counts = counts.expand(n) if counts.numel() == 1 else counts
    if counts.numel() != n:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{counts.numel()} and input.size({axis}) = {n}"
        )
    ends = counts.cumsum(0)
    total = int(ends[-1]) if n else 0
    from xptorch.ops.sort import searchsorted

    index = searchsorted(ends, create.arange(total, device=input._device), right=True)
    return input.index_select(axis, index)  # type: ignore[no-any-return]
