"""LU decompositions with partial pivoting, and systems solved with them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._engine.graph import wrap
from xptorch._engine.op import op, polymorphic
from xptorch.ops._common import broadcast, need_tensor, returned, store_out
from xptorch.ops.linalg.decompositions import (
    LinAlgError,
    adjoint,
    check_matrices,
    inverse_of,
    is_complex,
    solve_triangular,
)
from xptorch.ops.linalg.products import matmul
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["lu", "lu_solve", "lu_unpack", "triangular_solve"]


# ---- the decomposition, over arrays


def _eliminate(xp: Any, a: Any) -> tuple[Any, Any]:
    """(LU, pivots) of matrices (batch, m, n): both factors packed in one matrix, pivots from 0."""
    _, m, n = a.shape
    rows = xp.reshape(xp.arange(m, device=a.device), (1, m))
    cols = xp.reshape(xp.arange(n, device=a.device), (1, 1, n))
    pivots = []
    for k in range(min(m, n)):
        size = _size(xp, a[:, :, k])
        best = xp.argmax(xp.where(rows < k, xp.full_like(size, -1.0), size), axis=1, keepdims=True)
        here, there = xp.expand_dims(rows == k, axis=-1), xp.expand_dims(rows == best, axis=-1)
        zeros = xp.zeros_like(a)
        top = a[:, k : k + 1, :]
        found = xp.sum(xp.where(there, a, zeros), axis=1, keepdims=True, dtype=a.dtype)
        a = xp.where(here, found, xp.where(there, top, a))
        pivot = found[:, :, k : k + 1]
        safe = xp.where(pivot == 0, xp.ones_like(pivot), pivot)
        below = xp.expand_dims(rows > k, axis=-1)
        factor = xp.where(below, a[:, :, k : k + 1] / safe, zeros[:, :, :1])
        rest = a - factor * xp.where(cols > k, found, zeros[:, :1, :])
        a = xp.where(xp.logical_and(below, cols == k), factor, rest)
        pivots.append(best)
    empty = xp.zeros((a.shape[0], 0), dtype=rows.dtype, device=a.device)
    return a, xp.concat(pivots, axis=1) if pivots else empty


def _size(xp: Any, x: Any) -> Any:
    """Magnitudes as LAPACK compares them."""
    return xp.abs(xp.real(x)) + xp.abs(xp.imag(x)) if is_complex(xp, x) else xp.abs(x)


def _permutation_mask(xp: Any, pivots: Any, m: int) -> Any:
    """P (batch, m, m) as bools, from pivots that swap row k with row pivots[k]."""
    rows = xp.reshape(xp.arange(m, dtype=pivots.dtype, device=pivots.device), (1, m))
    order = xp.broadcast_to(rows, (pivots.shape[0], m))
    for k in range(pivots.shape[1]):
        there = pivots[:, k : k + 1]
        at_k, hit = order[:, k : k + 1], rows == there
        moved = xp.sum(xp.where(hit, order, xp.zeros_like(order)), axis=1, keepdims=True)
        order = xp.where(rows == k, moved, xp.where(hit, at_k, order))
    return xp.reshape(rows, (1, m, 1)) == xp.expand_dims(order, axis=1)


def _lu_forward(xp: Any, a: Any) -> tuple[Any, Any, Any]:
    *batch, m, n = a.shape
    packed, pivots = _eliminate(xp, xp.reshape(a, (math.prod(batch), m, n)))
    permutation = xp.astype(_permutation_mask(xp, pivots, m), a.dtype)
    return (
        xp.reshape(packed, a.shape),
        xp.reshape(permutation, (*batch, m, m)),
        xp.reshape(xp.astype(pivots + 1, xp.int32), (*batch, min(m, n))),
    )


def _lu_back(xp: Any, g: Any, a: Any) -> Any:
    """P L⁻ᴴ (tril(Lᴴ gL, −1) + triu(gU Uᴴ)) U⁻ᴴ of the square part, and the rest beside it."""
    packed, permutation, _ = _lu_either(xp, a)
    m, n = a.shape[-2:]
    k = min(m, n)
    gl, gu = xp.tril(g[0], k=-1)[..., :k], xp.triu(g[0], k=0)[..., :k, :]
    square = packed[..., :k, :k]
    lower = xp.tril(square, k=-1) + xp.tril(xp.triu(xp.ones_like(square), k=0), k=0)
    back_l = adjoint(xp, inverse_of(xp, lower))
    back_u = adjoint(xp, inverse_of(xp, xp.triu(square, k=0)))
    beside = None
    gl1, gu1 = gl[..., :k, :], gu[..., :, :k]
    if m > n:
        beside = xp.matmul(gl[..., k:, :], back_u)
        gu1 = gu1 - xp.matmul(adjoint(xp, packed[..., k:, :]), beside)
    elif n > m:
        beside = xp.matmul(back_l, gu[..., :, k:])
        gl1 = gl1 - xp.matmul(beside, adjoint(xp, packed[..., :, k:]))
    left = xp.tril(xp.matmul(adjoint(xp, lower), gl1), k=-1)
    right = xp.triu(xp.matmul(gu1, adjoint(xp, xp.triu(square, k=0))), k=0)
    result = xp.matmul(xp.matmul(back_l, left + right), back_u)
    if beside is not None:
        axis = len(a.shape) - (2 if m > n else 1)
        result = xp.concat([result, beside], axis=axis)
    return xp.matmul(permutation, result)


_lu = op("lu", _lu_forward, multiple=True, conjugates=True, a=_lu_back)
_lu_either = polymorphic(_lu)


# ---- public functions


def _decomposed(A: Tensor, name: str, pivot: bool) -> tuple[Tensor, Tensor, Tensor]:
    check_matrices(A, name, square=False)
    if not pivot:
        raise RuntimeError(f"linalg.{name}: LU without pivoting is not implemented on the CPU")
    packed, permutation, pivots = _lu(A)
    return packed, permutation.detach(), pivots


def _split(packed: Tensor) -> tuple[Tensor, Tensor]:
    """L and U from the matrix that packs both."""
    k = min(packed._data.shape[-2:])
    lower = packed[..., :k].tril(-1)
    eye = creation.eye(packed._data.shape[-2], k, dtype=packed.dtype, device=packed._device)
    return lower + eye, packed[..., :k, :].triu()


def linalg_lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """(P, L, U): a permutation, unit lower and upper triangular matrices with A = P L U."""
    packed, permutation, _ = _decomposed(A, "lu", pivot)
    lower, upper = _split(packed)
    return returned("linalg_lu", out, P=permutation, L=lower, U=upper)


def _zeros_of(packed: Tensor) -> Tensor:
    """For each matrix the index, from 1, of the first 0 on U's diagonal, or 0."""
    diagonal = packed.detach().diagonal(0, -2, -1) == 0
    if not diagonal._data.shape[-1]:
        return creation.zeros(diagonal.shape[:-1], dtype=dtypes.int32, device=packed._device)
    first = diagonal.int().argmax(-1) + 1
    return (first * diagonal.any(-1)).int()


def lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """(LU, pivots, info); `info` is the index, from 1, of the first 0 on U's diagonal, or 0."""
    packed, _, pivots = _decomposed(A, "lu_factor_ex", pivot)
    info = _zeros_of(packed)
    if check_errors:
        _refuse_zeros(info, "lu_factor_ex")
    return returned("linalg_lu_factor_ex", out, LU=packed, pivots=pivots, info=info)


def _refuse_zeros(info: Tensor, name: str) -> None:
    if bool((info > 0).any()):
        at = int(info.max())
        raise LinAlgError(
            f"torch.linalg.{name}: U[{at},{at}] is zero and using it on lu_solve would result in "
            "a division by zero. If you still want to perform the factorization, consider calling "
            "linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
        )


def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """(LU, pivots): the decomposition in one matrix, and the rows that were swapped, from 1.

    Raises:
        LinAlgError: U has a 0 on its diagonal.
    """
    packed, _, pivots = _decomposed(A, "lu_factor", pivot)
    if A._device.type == "cpu":
        _refuse_zeros(_zeros_of(packed), "lu_factor")
    return returned("linalg_lu_factor", out, LU=packed, pivots=pivots)


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """`linalg.lu_factor_ex`: (LU, pivots), with `info` on request."""
    found = lu_factor_ex(A, pivot=pivot)
    names = ("LU", "pivots", "info")[: 2 + get_infos]
    result = returned("lu", out, **dict(zip(names, found, strict=False)))
    return result if get_infos else tuple(result)


def lu_unpack(
    LU_data: Tensor,
    LU_pivots: Tensor,
    unpack_data: bool = True,
    unpack_pivots: bool = True,
    *,
    out: Any = None,
) -> Any:
    """(P, L, U) from the results of `lu_factor`; empty tensors for what is not requested."""
    need_tensor(LU_data, "lu_unpack", "LU_data")
    if unpack_pivots and LU_pivots.dtype is not dtypes.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 "
            "dtype. Note: this function is intended to be used with the output produced by "
            "torch.linalg.lu_factor"
        )
    empty = LU_data.new_empty(0)
    permutation = _permutation(LU_data, LU_pivots) if unpack_pivots else empty
    lower, upper = _split(LU_data) if unpack_data else (empty, empty)
    return returned("lu_unpack", out, P=permutation, L=lower, U=upper)


def _permutation(packed: Tensor, pivots: Tensor) -> Tensor:
    on, m = packed._device, packed._data.shape[-2]
    batch, k = pivots._data.shape[:-1], pivots._data.shape[-1]
    flat = on.xp.reshape(pivots._data, (math.prod(batch), k)) - 1
    permutation = on.xp.astype(_permutation_mask(on.xp, flat, m), packed._data.dtype)
    return wrap(on.xp.reshape(permutation, (*batch, m, m)), on)


def linalg_lu_solve(
    LU: Tensor,
    pivots: Tensor,
    B: Tensor,
    *,
    left: bool = True,
    adjoint: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """X with A X = B (X A = B if not `left`) for the decomposed A, or its adjoint."""
    check_matrices(LU, "lu_solve")
    if LU.dtype is not B.dtype:
        raise RuntimeError(
            "linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type "
            f"{LU.dtype.name} and B of type {B.dtype.name} instead"
        )
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    n, rows = LU._data.shape[-1], B._data.shape[-2 if left else -1]
    if n != rows:
        raise RuntimeError(
            f"linalg.lu_solve: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({n}x{n} and "
            f"{B._data.shape[-2]}x{B._data.shape[-1]})"
        )
    if not left:
        result = linalg_lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH
        return store_out(result, out, "linalg_lu_solve", True)
    permutation = _permutation(LU, pivots)
    lower, upper = _split(LU)
    if adjoint:
        half = solve_triangular(upper.mH, B, upper=False)
        x = matmul(permutation, solve_triangular(lower.mH, half, upper=True, unitriangular=True))
    else:
        half = solve_triangular(lower, matmul(permutation.mT, B), upper=False, unitriangular=True)
        x = solve_triangular(upper, half, upper=True)
    return store_out(x, out, "linalg_lu_solve", True)


def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`linalg.lu_solve` with the right-hand side first."""
    return linalg_lu_solve(LU_data, LU_pivots, b, out=out)


def triangular_solve(
    b: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
    *,
    out: Any = None,
) -> Any:
    """(X, A): X with A X = b, or Aᵀ X = b, for triangular A."""
    if b.ndim < 2 or A.ndim < 2:
        which = ("b", b.ndim) if b.ndim < 2 else ("A", A.ndim)
        raise RuntimeError(
            f"torch.triangular_solve: Expected {which[0]} to have at least 2 dimensions, but it "
            f"has {which[1]} dimensions instead"
        )
    batch = broadcast(A._data.shape[:-2], b._data.shape[:-2])
    A = A.expand((*batch, *A._data.shape[-2:]))
    side = A.mT if transpose else A
    x = solve_triangular(side, b, upper=upper != transpose, unitriangular=unitriangular)
    return returned("triangular_solve", out, solution=x, cloned_coefficient=A.clone())
