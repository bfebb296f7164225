"""Singular values and principal components of matrices of low rank, by random projection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xptorch.ops._common import need_tensor
from xptorch.ops.decompositions import linalg_svd, qr
from xptorch.ops.linalg import matmul
from xptorch.ops.random import randn

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

__all__ = ["pca_lowrank", "svd_lowrank"]


def _basis(A: Tensor, q: int, niter: int) -> Tensor:
    """Orthonormal columns that nearly span A's range, made better by powers of A Aᴴ."""
    start = randn(A._data.shape[-1], q, dtype=A.dtype, device=A._device)
    basis = qr(matmul(A, start))[0]
    for _ in range(niter):
        basis = qr(matmul(A.mH, basis))[0]
        basis = qr(matmul(A, basis))[0]
    return basis


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V): the `q` largest singular values of A − M, nearly, and their vectors."""
    need_tensor(A, "svd_lowrank", "A")
    x = A if M is None else A - M
    wide = x._data.shape[-2] < x._data.shape[-1]
    x = x.mH if wide else x
    basis = _basis(x, 6 if q is None else q, 2 if niter is None else niter)
    u, s, vh = linalg_svd(matmul(basis.mH, x), full_matrices=False)
    u, v = matmul(basis, u), vh.mH
    return (v, s, u) if wide else (u, s, v)


def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V): the principal components V of the rows of A, nearly."""
    need_tensor(A, "pca_lowrank", "A")
    m, n = A._data.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    shift: Any = A.mean(-2, keepdim=True) if center else None
    return svd_lowrank(A, q, niter, shift)
