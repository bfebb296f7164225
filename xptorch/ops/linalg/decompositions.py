"""Matrix decompositions and linear systems, with their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import FLOAT
from xptorch._engine.op import op, polymorphic
from xptorch.ops._common import broadcast, need_tensor, returned, store_out, type_name
from xptorch.ops.linalg.products import matmul
from xptorch.ops.random.sampling import randn
from xptorch.ops.shape import creation
from xptorch.ops.shape.joining import cat

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["cholesky", "cholesky_inverse", "cholesky_solve", "pca_lowrank", "svd", "svd_lowrank"]


class LinAlgError(RuntimeError):
    """A matrix cannot be decomposed or inverted."""


def matrix_transpose(xp: Any, x: Any) -> Any:
    """Matrices transposed."""
    n = len(x.shape)
    return xp.permute_dims(x, axes=(*range(n - 2), n - 1, n - 2))


def is_complex(xp: Any, x: Any) -> bool:
    """Whether an array, or a Tensor under create_graph, holds complex numbers."""
    found = getattr(x.dtype, "is_complex", None)  # torch backend: its array dtypes have it, too
    return bool(xp.isdtype(x.dtype, "complex floating")) if found is None else bool(found)


def adjoint(xp: Any, x: Any) -> Any:
    """Matrices transposed and conjugated."""
    transposed = matrix_transpose(xp, x)
    return xp.conj(transposed) if is_complex(xp, x) else transposed


def diagonal_of(xp: Any, x: Any) -> Any:
    """Matrices with everything off the diagonal set to 0."""
    return xp.tril(xp.triu(x, k=0), k=0)


def columns(xp: Any, x: Any) -> Any:
    """(…, n) as (…, 1, n), to scale the columns of matrices."""
    return xp.expand_dims(x, axis=-2)


# ---- checks


def check_matrices(A: Tensor, name: str, square: bool = True) -> None:
    """Raise PyTorch's errors unless A holds (square) floating-point or complex matrices."""
    need_tensor(A, f"linalg_{name}", "A")
    if A.ndim < 2:
        raise RuntimeError(f"linalg.{name}: The input tensor A must have at least 2 dimensions.")
    if square:
        check_square(A, name)
    if A.dtype.category < FLOAT:
        raise RuntimeError(
            f"linalg.{name}: Expected a floating point or complex tensor as input. "
            f"Got {type_name(A.dtype)}"
        )
    if A.dtype.itemsize == 2:
        raise RuntimeError(
            f"linalg.{name}: Low precision dtypes not supported. Got {type_name(A.dtype)}"
        )


def check_square(A: Tensor, name: str) -> None:
    """Raise for matrices that are not square."""
    if A.ndim < 2:
        raise RuntimeError(f"linalg.{name}: The input tensor A must have at least 2 dimensions.")
    rows, cols = A._data.shape[-2:]
    if rows != cols:
        raise RuntimeError(
            f"linalg.{name}: A must be batches of square matrices, but they are {rows} by {cols} "
            "matrices"
        )


def solved(name: str, problem: str, call: Callable[..., Any], *inputs: Any, **static: Any) -> Any:
    """Call an op; the array library's LinAlgError is replaced by PyTorch's."""
    try:
        return call(*inputs, **static)
    except Exception as error:
        if type(error).__name__ != "LinAlgError":
            raise
        raise LinAlgError(f"linalg.{name}: {problem}") from None


SINGULAR = "The inversion could not be completed because the input matrix is singular."
DIVERGED = "The algorithm failed to converge because the input matrix contained non-finite values."


# ---- inverses and systems, which the derivatives need


def _inv_back(xp: Any, g: Any, y: Any) -> Any:
    t = matrix_transpose(xp, y)
    return -xp.matmul(xp.matmul(t, g), t)


inv_op = op("inv", lambda xp, a: xp.linalg.inv(a), a=_inv_back)
inverse_of = polymorphic(inv_op)


def _solve_back(xp: Any, g: Any, needs: Any, a: Any, b: Any, y: Any) -> tuple[Any, Any]:
    back = solve_of(xp, matrix_transpose(xp, a), g)
    return (-xp.matmul(back, matrix_transpose(xp, y)) if needs[0] else None), back


_solve = op("solve", lambda xp, a, b: xp.linalg.solve(a, b), vjp=_solve_back)
solve_of = polymorphic(_solve)


def solved_for(A: Tensor, b: Tensor, left: bool, name: str) -> Tensor:
    n = A._data.shape[-1]
    rows, cols = b._data.shape[-2:]
    if n != (rows if left else cols):
        raise RuntimeError(
            f"linalg.{name}: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({n}x{n} and {rows}x{cols})"
        )
    batch = broadcast(A._data.shape[:-2], b._data.shape[:-2])
    A, b = A.expand((*batch, n, n)), b.expand((*batch, rows, cols))
    problem = "The solver failed because the input matrix is singular."
    if left:
        return solved(name, problem, _solve, A, b)
    return solved(name, problem, _solve, A.mT, b.mT).mT


def solve_triangular(
    A: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """X with A X = B for triangular A, whose other triangle is not read."""
    check_matrices(A, "solve_triangular")
    strict = 1 if unitriangular else 0
    part = A.triu(strict) if upper else A.tril(-strict)
    if unitriangular:
        part = part + creation.eye(A._data.shape[-1], dtype=A.dtype, device=A._device)
    try:
        x = solved_for(part, B, left, "solve_triangular")
    except LinAlgError:
        x = _substituted(part, B, upper) if left else _substituted(part.mT, B.mT, not upper).mT
    return store_out(x, out, "solve_triangular")


def _substituted(A: Tensor, B: Tensor, upper: bool) -> Tensor:
    """X with A X = B by substitution: for a diagonal with 0, infinities or NaN."""
    rows: dict[int, Tensor] = {}
    n = A._data.shape[-1]
    for i in reversed(range(n)) if upper else range(n):
        rest = B[..., i : i + 1, :]
        for j, x in rows.items():
            rest = rest - A[..., i : i + 1, j : j + 1] * x
        rows[i] = rest / A[..., i : i + 1, i : i + 1]
    return cat([rows[i] for i in range(n)], -2)


# ---- Cholesky


def _cholesky_back(xp: Any, g: Any, y: Any) -> Any:
    """½ L⁻ᴴ Φ(Lᴴ g) L⁻¹, where Φ mirrors the lower triangle into the upper."""
    lower = xp.tril(xp.matmul(adjoint(xp, y), g), k=0)
    inner = 0.5 * (lower + adjoint(xp, xp.tril(lower, k=-1)))
    back = inverse_of(xp, y)
    return xp.matmul(xp.matmul(adjoint(xp, back), inner), back)


_cholesky = op("cholesky", lambda xp, a: xp.linalg.cholesky(a), conjugates=True, a=_cholesky_back)


def linalg_cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The lower triangular L with A = L Lᵀ, or its transpose.

    Raises:
        LinAlgError: a matrix is not positive-definite.
    """
    check_matrices(A, "cholesky")
    problem = "The factorization could not be completed because the input is not positive-definite."
    lower = solved("cholesky", problem, _cholesky, A)
    return store_out(lower.mH if upper else lower, out, "linalg_cholesky")


def cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """`linalg.cholesky`."""
    return linalg_cholesky(input, upper=upper, out=out)


def _cholesky_solve_forward(xp: Any, b: Any, lower: Any) -> Any:
    half = xp.linalg.solve(xp.tril(lower, k=0), b)
    return xp.linalg.solve(xp.triu(adjoint(xp, lower), k=0), half)


def _cholesky_solve_back(
    xp: Any, g: Any, needs: Any, b: Any, lower: Any, y: Any
) -> tuple[Any, Any]:
    back = _choleskysolve_of(xp, g, lower)
    common = xp.matmul(back, adjoint(xp, y))
    return back, -xp.matmul(common + adjoint(xp, common), lower)


_cholesky_solve = op(
    "cholesky_solve", _cholesky_solve_forward, conjugates=True, vjp=_cholesky_solve_back
)
_choleskysolve_of = polymorphic(_cholesky_solve)


def cholesky_solve(
    B: Tensor, L: Tensor, upper: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """X with A X = B, where A = L Lᵀ."""
    check_matrices(L, "cholesky_solve")
    if B.ndim < 2:
        raise RuntimeError(
            f"b should have at least 2 dimensions, but has {B.ndim} dimensions instead"
        )
    n, (rows, cols) = L._data.shape[-1], B._data.shape[-2:]
    if n != rows:
        raise RuntimeError(
            "linalg.cholesky_solve: Incompatible matrix sizes for cholesky_solve: each A matrix is "
            f"{n} by {n} but each b matrix is {rows} by {cols}"
        )
    batch = broadcast(L._data.shape[:-2], B._data.shape[:-2])
    lower, b = (L.mH if upper else L).expand((*batch, n, n)), B.expand((*batch, rows, cols))
    try:
        result = solved("cholesky_solve", SINGULAR, _cholesky_solve, b, lower)
    except LinAlgError:
        half = _substituted(lower.tril(), b, upper=False)
        result = _substituted(lower.mH.triu(), half, upper=True)
    return store_out(result, out, "cholesky_solve")


def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of A = L Lᵀ."""
    check_matrices(L, "cholesky_inverse")
    eye = creation.eye(L._data.shape[-1], dtype=L.dtype, device=L._device).expand(L._data.shape)
    lower = L.mH if upper else L
    result = solved("cholesky_inverse", SINGULAR, _cholesky_solve, eye, lower)
    return store_out(result, out, "cholesky_inverse")


# ---- QR


def from_lower(xp: Any, x: Any) -> Any:
    """The Hermitian matrix with this lower triangle."""
    below, middle = xp.tril(x, k=-1), diagonal_of(xp, x)
    return below + adjoint(xp, below) + 0.5 * (middle + adjoint(xp, middle))


def _qr_tall(xp: Any, gq: Any, gr: Any, q: Any, r: Any) -> Any:
    inner = xp.matmul(r, adjoint(xp, gr)) - xp.matmul(adjoint(xp, gq), q)
    rhs = gq + xp.matmul(q, from_lower(xp, inner))
    return adjoint(xp, solve_of(xp, r, adjoint(xp, rhs)))


def _qr_back(xp: Any, g: Any, a: Any, mode: str) -> Any:
    gq, gr = g
    q, r = _qr_either(xp, a, mode="reduced")
    rows, cols = a.shape[-2:]
    if rows >= cols:
        return _qr_tall(xp, gq, gr, q, r)
    # Q and R's first columns decompose A's square part; the rest of R is Qᵀ times the rest of A.
    rest, grest = a[..., rows:], gr[..., rows:]
    gq = gq + xp.matmul(rest, adjoint(xp, grest))
    square = _qr_tall(xp, gq, gr[..., :rows], q, r[..., :rows])
    return xp.concat([square, xp.matmul(q, grest)], axis=len(a.shape) - 1)


_qr = op(
    "qr",
    lambda xp, a, *, mode: tuple(xp.linalg.qr(a, mode=mode)),
    multiple=True,
    conjugates=True,
    a=_qr_back,
)
_qr_either = polymorphic(_qr)


def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """(Q, R): orthogonal Q and upper triangular R with A = Q R."""
    check_matrices(A, "qr", square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode {mode!r} but expected one of 'reduced' (default), "
            "'r', or 'complete'"
        )
    if A.requires_grad and (mode == "r" or (mode == "complete" and A.size(-2) > A.size(-1))):
        raise RuntimeError(
            f"linalg.qr: the derivative of QR is not defined for mode={mode!r} and these shapes"
        )
    q, r = _qr(A, mode="complete" if mode == "complete" else "reduced")
    if mode == "r":
        q = A.new_empty(0)
    return returned("linalg_qr", out, Q=q, R=r)


# ---- singular values


def _svd_back(xp: Any, g: Any, y: Any) -> Any:
    gu, gs, gvh = g
    u, s, vh = y
    ut, v, gv = adjoint(xp, u), adjoint(xp, vh), adjoint(xp, gvh)
    squares = s * s
    gap = xp.expand_dims(squares, axis=-2) - xp.expand_dims(squares, axis=-1)
    gap = xp.where(gap == 0, xp.full_like(gap, float("inf")), gap)
    rows, cols = columns(xp, s), xp.expand_dims(s, axis=-1)

    def skew(x: Any) -> Any:
        return (x - adjoint(xp, x)) / gap

    ugu = xp.matmul(ut, gu)
    inner = skew(ugu) * rows + cols * skew(xp.matmul(vh, gv))
    if is_complex(xp, u):  # complex singular vectors have a free phase
        inner = inner + 0.5 * diagonal_of(xp, ugu - adjoint(xp, ugu)) / rows
    eye = diagonal_of(xp, xp.ones_like(inner))
    result = xp.matmul(xp.matmul(u, inner + eye * columns(xp, gs)), vh)
    m, n, k = u.shape[-2], vh.shape[-1], s.shape[-1]
    if m > k:
        scaled = gu / rows
        result = result + xp.matmul(scaled - xp.matmul(u, xp.matmul(ut, scaled)), vh)
    if n > k:
        scaled = gv / rows
        rest = adjoint(xp, scaled - xp.matmul(v, xp.matmul(vh, scaled)))
        result = result + xp.matmul(u, rest)
    return result


def _svd_recomputed(xp: Any, g: Any, a: Any) -> Any:
    return _svd_back(xp, g, _svd_either(xp, a))


_svd = op(
    "svd",
    lambda xp, a: tuple(xp.linalg.svd(a, full_matrices=False)),
    multiple=True,
    conjugates=True,
    a=_svd_recomputed,
)
_svd_either = polymorphic(_svd)


def _svd_complete_back(xp: Any, g: Any, a: Any) -> Any:
    """That of the reduced SVD: the columns that complete the bases are arbitrary."""
    (gu, gs, gvh), (u, s, vh) = g, _svd_complete_either(xp, a)
    k = s.shape[-1]
    return _svd_back(xp, (gu[..., :k], gs, gvh[..., :k, :]), (u[..., :k], s, vh[..., :k, :]))


_svd_complete = op(
    "svd_complete",
    lambda xp, a: tuple(xp.linalg.svd(a, full_matrices=True)),
    multiple=True,
    conjugates=True,
    a=_svd_complete_back,
)
_svd_complete_either = polymorphic(_svd_complete)


def _svdvals_back(xp: Any, g: Any, a: Any) -> Any:
    u, _, vh = _svd_either(xp, a)
    return xp.matmul(u * columns(xp, g), vh)


_svdvals = op("svdvals", lambda xp, a: xp.linalg.svdvals(a), a=_svdvals_back)


def _check_svd(A: Tensor, driver: str | None) -> None:
    check_matrices(A, "svd", square=False)
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with "
            "cuSOLVER backend."
        )


def svdvals(A: Tensor, *, driver: str | None = None, out: Tensor | None = None) -> Tensor:
    """The singular values of matrices, largest first."""
    _check_svd(A, driver)
    return store_out(solved("svd", DIVERGED, _svdvals, A), out, "linalg_svdvals")


def linalg_svd(
    A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None
) -> Any:
    """(U, S, Vh): orthogonal U and Vh and the singular values S with A = U diag(S) Vh."""
    _check_svd(A, driver)
    square = A._data.shape[-2] == A._data.shape[-1]
    core = _svd_complete if full_matrices and not square else _svd
    u, s, vh = solved("svd", DIVERGED, core, A)
    return returned("linalg_svd", out, U=u, S=s, Vh=vh)


def svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """(U, S, V) with A = U diag(S) Vᵀ; U and V are 0 without `compute_uv`."""
    if compute_uv:
        u, s, vh = linalg_svd(input, not some)
        return returned("svd", out, U=u, S=s, V=vh.mH)
    *batch, m, n = input._data.shape
    zeros = [input.detach().new_zeros((*batch, size, size)) for size in (m, n)]
    return returned("svd", out, U=zeros[0], S=svdvals(input), V=zeros[1])


# ---- eigenvalues of symmetric matrices


def _eigh_back(xp: Any, g: Any, a: Any) -> Any:
    gw, gv = g
    w, v = _eigh_either(xp, a)
    gap = xp.expand_dims(w, axis=-2) - xp.expand_dims(w, axis=-1)
    gap = xp.where(gap == 0, xp.full_like(gap, float("inf")), gap)
    inner = xp.matmul(adjoint(xp, v), gv)
    inner = 0.5 * (inner - adjoint(xp, inner)) / gap
    eye = diagonal_of(xp, xp.ones_like(inner))
    return xp.matmul(xp.matmul(v, inner + eye * columns(xp, gw)), adjoint(xp, v))


def _eigvalsh_back(xp: Any, g: Any, a: Any) -> Any:
    _, v = _eigh_either(xp, a)
    return xp.matmul(v * columns(xp, g), adjoint(xp, v))


_eigh = op(
    "eigh", lambda xp, a: tuple(xp.linalg.eigh(a)), multiple=True, conjugates=True, a=_eigh_back
)
_eigh_either = polymorphic(_eigh)
_eigvalsh = op("eigvalsh", lambda xp, a: xp.linalg.eigvalsh(a), a=_eigvalsh_back)


def _symmetric(A: Tensor, UPLO: str) -> Tensor:
    """The matrices with the triangle `UPLO` as the lower one, which the library reads."""
    check_matrices(A, "eigh")
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return A.mH if UPLO.upper() == "U" else A


def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """(eigenvalues, eigenvectors) of symmetric matrices, smallest first."""
    w, v = _eigh(_symmetric(A, UPLO))
    return returned("linalg_eigh", out, eigenvalues=w, eigenvectors=v)


def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of symmetric matrices, smallest first."""
    return store_out(_eigvalsh(_symmetric(A, UPLO)), out, "linalg_eigvalsh")


def _basis(A: Tensor, q: int, niter: int) -> Tensor:
    """Orthonormal columns that nearly span A's range, refined by powers of A Aᴴ."""
    start = randn(A._data.shape[-1], q, dtype=A.dtype, device=A._device)
    basis = qr(matmul(A, start))[0]
    for _ in range(niter):
        basis = qr(matmul(A.mH, basis))[0]
        basis = qr(matmul(A, basis))[0]
    return basis


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V): approximately the `q` largest singular values of A − M and their vectors."""
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
    """(U, S, V): approximately the principal components V of the rows of A."""
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
