"""Norms of vectors and matrices, and distances."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import COMPLEX, FLOAT
from xptorch._engine.op import op
from xptorch.ops._common import (
    Dim,
    need_tensor,
    numpy_names,
    store_out,
    to_dtype,
    type_name,
    wrap_dim,
    wrap_dims,
)
from xptorch.ops._numerics import in_float32
from xptorch.ops.elementwise.comparison import where
from xptorch.ops.linalg.decompositions import svdvals
from xptorch.ops.reduction.reduce import spread
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["cdist", "dist", "frobenius_norm", "norm", "nuclear_norm", "renorm"]


def _norm_back(
    xp: Any, g: Any, a: Any, y: Any, a_shape: Any, axis: Any, keepdims: bool, power: float
) -> Any:
    size = spread(xp, y, a_shape, axis, keepdims)
    g = spread(xp, g, a_shape, axis, keepdims)
    at_zero = size == 0
    safe = xp.where(at_zero, xp.ones_like(size), size)
    if power == 2:
        slope = a / safe
    else:
        small = xp.abs(a)
        small = xp.where(small == 0, xp.ones_like(small), small)
        slope = xp.sign(a) * (small / safe) ** (power - 1)
    return xp.where(at_zero, xp.zeros_like(g), g * slope)


def _norm_forward(xp: Any, a: Any, *, axis: Any, keepdims: bool, power: float) -> Any:
    if power == 2:
        return xp.sqrt(xp.sum(a * a, axis=axis, keepdims=keepdims))
    return xp.sum(xp.abs(a) ** power, axis=axis, keepdims=keepdims) ** (1 / power)


_p_norm = op("p_norm", _norm_forward, a=_norm_back)
# The number of nonzero elements: constant wherever it has a derivative at all.
_zero_norm = op(
    "zero_norm",
    lambda xp, a, *, axis, keepdims: xp.sum(
        xp.astype(a != 0, a.dtype), axis=axis, keepdims=keepdims, dtype=a.dtype
    ),
    a=lambda xp, g, a: xp.zeros_like(a),
)


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """(Σ|x|^p)^(1/p) over the axes `dim` or all; p may be ±∞, and 0 counts nonzero elements."""
    need_tensor(x, "linalg_vector_norm", "x")
    if dtype is not None:
        x = to_dtype(x, dtype)
    if x.dtype.category < FLOAT:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. "
            f"Got {type_name(x.dtype)}"
        )
    axes = wrap_dims(None if dim == () else dim, x.ndim)
    if (ord < 0 or ord == math.inf) and not math.prod(x._data.shape[a] for a in axes):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the "
            "operation does not have an identity"
        )
    result = in_float32(_vector_norm, x, ord=float(ord), axes=axes, keepdim=keepdim)
    return store_out(result, out, "linalg_vector_norm", True)


def _vector_norm(x: Tensor, *, ord: float, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    if math.isinf(ord):
        size = x.abs()
        if not axes:
            return size
        return size.amax(axes, keepdim) if ord > 0 else size.amin(axes, keepdim)
    if ord == 0:
        size = x.abs() if x.dtype.category == COMPLEX else x
        return _zero_norm(size, axis=axes, keepdims=keepdim)
    if ord == 1:
        return x.abs().sum(axes, keepdim) if axes else x.abs()
    size = x.abs() if x.dtype.category == COMPLEX else x
    return _p_norm(size, axis=axes, keepdims=keepdim, power=ord)


def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """A norm of the matrices in two axes: "fro", "nuc", ±1, ±2 or ±∞."""
    need_tensor(A, "linalg_matrix_norm", "A")
    if dtype is not None:
        A = to_dtype(A, dtype)
    if A.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    if len(dim) != 2:
        got = " ".join(map(str, dim))
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {got}")
    if ord not in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    rows, cols = (wrap_dim(d, A.ndim) for d in dim)
    if rows == cols:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord == "fro":
        result = vector_norm(A, 2, (rows, cols), keepdim)
    elif ord in ("nuc", 2, -2):
        values = svdvals(A.movedim((rows, cols), (-2, -1)))
        pick = {"nuc": values.sum, 2: values.amax, -2: values.amin}[ord]
        whole = pick(-1) if values._data.shape[-1] or ord == -2 else values.sum(-1)
        result = whole.unsqueeze(min(rows, cols)).unsqueeze(max(rows, cols)) if keepdim else whole
    else:
        summed, best = (rows, cols) if abs(ord) == 1 else (cols, rows)
        sums = A.abs().sum(summed, True)
        if ord < 0:
            result = sums.amin(best, True)
        else:
            result = sums.amax(best, True) if sums.numel() else sums.sum(best, True)
        result = result if keepdim else result.squeeze((rows, cols))
    return store_out(result, out, "linalg_matrix_norm", True)


def linalg_norm(
    A: Tensor,
    ord: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
) -> Tensor:
    """A vector norm over one axis or all, or a matrix norm over two."""
    need_tensor(A, "linalg_norm", "A")
    axes = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if ord is None:
        return vector_norm(A, 2, axes, keepdim, dtype=dtype, out=out)
    if axes is None:
        if A.ndim not in (1, 2):
            raise RuntimeError(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
                f"Got {A.ndim}D."
            )
        axes = tuple(range(A.ndim))
    if len(axes) == 1 and not isinstance(ord, str):
        return vector_norm(A, ord, axes, keepdim, dtype=dtype, out=out)
    return matrix_norm(A, ord, axes, keepdim, dtype=dtype, out=out)


@numpy_names
def norm(
    input: Tensor,
    p: Any = "fro",
    dim: Any = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: Any = None,
) -> Tensor:
    """The p-norm over the axes `dim` or all; "fro" and None are 2, "nuc" is for matrices."""
    axes = (dim,) if isinstance(dim, int) else dim
    if isinstance(p, str) and p != "fro":
        pair = (-2, -1) if axes is None else axes
        return matrix_norm(input, p, pair, keepdim, dtype=dtype, out=out)
    if p == "fro" and axes is not None and len(axes) > 2:
        return matrix_norm(input, p, axes, keepdim, dtype=dtype, out=out)
    order = 2 if p in ("fro", None) else p
    return vector_norm(input, order, axes, keepdim, dtype=dtype, out=out)


def frobenius_norm(
    input: Tensor, dim: Any, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The root of the sum of squares over one or two axes, or over all (an empty `dim`)."""
    axes = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(axes) > 2:
        raise RuntimeError(
            f"Expected at most 2 dimensions, but got {len(axes)} dimensions instead."
        )
    return vector_norm(input, 2, axes or None, keepdim, out=out)


def nuclear_norm(
    input: Tensor, dim: Any = (-2, -1), keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The sum of the singular values of matrices."""
    if isinstance(dim, bool):
        dim, keepdim = (-2, -1), dim
    return matrix_norm(input, "nuc", tuple(dim), keepdim, out=out)


def renorm(
    input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None
) -> Tensor:
    """The slices along an axis; those whose p-norm exceeds `maxnorm` are scaled down to it."""
    need_tensor(input, "renorm")
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    axis = wrap_dim(dim, input.ndim)
    axes = tuple(i for i in range(input.ndim) if i != axis)

    def compute(x: Tensor) -> Tensor:
        size = vector_norm(x, p, axes, True)
        return x * where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)

    return store_out(in_float32(compute, input), out, "renorm", True)


# ---- distances


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input − other over all elements."""
    need_tensor(input, "dist")
    need_tensor(other, "dist", "other", 2)

    def compute(a: Tensor, b: Tensor) -> Tensor:
        return vector_norm(a - b, p)

    return in_float32(compute, input, other)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """Distances of every row of x1 to every row of x2."""
    for name, x in (("X1", x1), ("X2", x2)):
        if x.dtype.category < FLOAT:
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {name} got: {type_name(x.dtype)}"
            )
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1._data.shape[-1] != x2._data.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    gap = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    if not gap._data.shape[-1]:
        return creation.zeros_like(gap.sum(-1))
    return vector_norm(gap, p, -1)
