"""Eigenvalues and eigenvectors of matrices that need not be symmetric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xptorch._engine import graph
from xptorch._engine.op import op, polymorphic
from xptorch.ops._common import returned, store_out
from xptorch.ops.linalg.decompositions import (
    adjoint,
    check_matrices,
    columns,
    diagonal_of,
    is_complex,
    solve_of,
)

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


def _eig_forward(xp: Any, a: Any, *, dtype: Any) -> tuple[Any, Any]:
    native = getattr(xp.linalg, "eig", None)
    if native is not None:
        w, v = native(a)
        return xp.astype(w, dtype), xp.astype(v, dtype)
    *batch, n, _ = a.shape
    matrices = xp.reshape(xp.astype(a, dtype), (-1, n, n)) if n else xp.astype(a, dtype)
    pairs = [_one(xp, matrices[i, ...]) for i in range(matrices.shape[0] if n else 0)]
    if not pairs:
        empty = xp.zeros((*batch, n), dtype=dtype, device=a.device)
        return empty, xp.zeros((*batch, n, n), dtype=dtype, device=a.device)
    w, v = (xp.stack(list(x)) for x in zip(*pairs, strict=True))
    return xp.reshape(w, (*batch, n)), xp.reshape(v, (*batch, n, n))


def _one(xp: Any, a: Any) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors of one complex matrix: slow, and on every array library."""
    t, q = _schur(xp, a)
    n = a.shape[0]
    eye = xp.eye(n, dtype=a.dtype, device=a.device)
    tiny = float(xp.finfo(a.dtype).eps) * (float(xp.max(xp.abs(t))) or 1.0)
    found = []
    for k in range(n):
        parts = [eye[k:, k]]  # 1 at index k, 0 behind it
        if k:
            inner = t[:k, :k] - t[k, k] * eye[:k, :k]
            small = xp.abs(xp.linalg.diagonal(inner)) < tiny
            inner = inner + xp.where(small, tiny, 0.0) * eye[:k, :k]
            parts.insert(0, -xp.linalg.solve(inner, t[:k, k : k + 1])[:, 0])
        v = xp.matmul(q, xp.concat(parts))
        found.append(v / xp.sqrt(xp.sum(xp.real(v * xp.conj(v)))))
    return xp.linalg.diagonal(t), xp.stack(found, axis=1)


def _schur(xp: Any, t: Any) -> tuple[Any, Any]:
    """(T, Q): T upper triangular and Q unitary with A = Q T Qᴴ, by the shifted QR algorithm."""
    n = t.shape[0]
    q = xp.eye(n, dtype=t.dtype, device=t.device)
    eps = float(xp.finfo(t.dtype).eps) * (float(xp.max(xp.abs(t))) or 1.0)
    for size in range(n, 1, -1):
        eye = xp.eye(size, dtype=t.dtype, device=t.device)
        for step in range(60 * size):
            if float(xp.max(xp.abs(t[size - 1, : size - 1]))) <= eps:
                break
            shift = _shift(t, size, step)
            head, r = xp.linalg.qr(t[:size, :size] - shift * eye)
            block = xp.matmul(r, head) + shift * eye
            right = xp.matmul(adjoint(xp, head), t[:size, size:])
            top = xp.concat([block, right], axis=1)
            t = xp.concat([top, t[size:, :]], axis=0)
            q = xp.concat([xp.matmul(q[:, :size], head), q[:, size:]], axis=1)
    return xp.triu(t), q


def _shift(t: Any, size: int, step: int) -> complex:
    """The eigenvalue of the last two by two block that is closer to its last element."""
    a, b, c, d = (complex(t[i, j]) for i in (size - 2, size - 1) for j in (size - 2, size - 1))
    if step % 11 == 10:  # an exceptional shift, in case the iteration cycles
        return d + abs(c)
    root = ((a - d) ** 2 / 4 + b * c) ** 0.5
    middle = (a + d) / 2
    return min((middle + root, middle - root), key=lambda z: abs(z - d))


def _fit(xp: Any, x: Any, a: Any) -> Any:
    return x if is_complex(xp, a) else xp.real(x)


def _eig_back(xp: Any, g: Any, a: Any, dtype: Any) -> Any:
    gw, gv = g
    w, v = _eig_either(xp, a, dtype=dtype)
    vh = adjoint(xp, v)
    gap = xp.conj(xp.expand_dims(w, axis=-2) - xp.expand_dims(w, axis=-1))
    gap = xp.where(gap == 0, xp.full_like(gap, float("inf")), gap)
    inner = xp.matmul(vh, gv)
    eye = diagonal_of(xp, xp.ones_like(inner))
    lengths = xp.matmul(xp.matmul(vh, v), eye * xp.astype(xp.real(inner), inner.dtype))
    slopes = (inner - lengths) / gap * (xp.ones_like(eye) - eye)
    whole = xp.matmul(slopes + eye * columns(xp, gw), vh)
    return _fit(xp, solve_of(xp, vh, whole), a)


_eig = op("eig", _eig_forward, multiple=True, conjugates=True, a=_eig_back)
_eig_either = polymorphic(_eig)


def _eigvals_back(xp: Any, g: Any, a: Any, dtype: Any) -> Any:
    _, v = _eig_either(xp, a, dtype=dtype)
    vh = adjoint(xp, v)
    eye = diagonal_of(xp, xp.ones_like(v))
    return _fit(xp, solve_of(xp, vh, xp.matmul(eye * columns(xp, g), vh)), a)


_eigvals = op(
    "eigvals",
    lambda xp, a, *, dtype: _eig_forward(xp, a, dtype=dtype)[0],
    conjugates=True,
    a=_eigvals_back,
)


def _dtype_of_result(A: Tensor, name: str) -> Any:
    check_matrices(A, name)
    if A._device.type == "cpu" and not bool(A.detach().isfinite().all()):
        raise RuntimeError(f"torch.{name}: input tensor should not contain infs or NaNs.")
    graph.setup.complex = graph.setup.complex or A._requires_grad
    return A._device.raw_dtype(A.dtype.to_complex())


def eig(A: Tensor, *, out: Any = None) -> Any:
    """(eigenvalues, eigenvectors), complex, in no order, with A V = V diag(L)."""
    w, v = _eig(A, dtype=_dtype_of_result(A, "linalg.eig"))
    return returned("linalg_eig", out, eigenvalues=w, eigenvectors=v)


def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of square matrices, complex, in no order."""
    found = _eigvals(A, dtype=_dtype_of_result(A, "linalg.eigvals"))
    return store_out(found, out, "linalg_eigvals")
