"""Inverses, determinants, linear systems, pseudo-inverses, ranks, powers, exponentials."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import FLOAT
from xptorch._engine import op as _engine
from xptorch._engine.op import op
from xptorch.ops._common import (
    Returned,
    is_tensor,
    need_tensor,
    returned,
    store_out,
    to_dtype,
    type_name,
)
from xptorch.ops._numerics import in_float32
from xptorch.ops.elementwise.comparison import clamp, where
from xptorch.ops.linalg import norms
from xptorch.ops.linalg.decompositions import (
    DIVERGED,
    SINGULAR,
    LinAlgError,
    adjoint,
    check_matrices,
    check_square,
    diagonal_of,
    from_lower,
    inv_op,
    inverse_of,
    is_complex,
    linalg_cholesky,
    matrix_transpose,
    solved,
    solved_for,
    svdvals,
)
from xptorch.ops.linalg.lu import lu_factor_ex
from xptorch.ops.linalg.products import matmul
from xptorch.ops.shape import creation
from xptorch.ops.shape.joining import cat

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "det", "inverse", "logdet", "matrix_exp", "matrix_power", "pinverse", "slogdet", "vander",
]  # fmt: skip


# ---- inverses and determinants


def _per_matrix(xp: Any, x: Any) -> Any:
    """One number per matrix, (…), as (…, 1, 1)."""
    return xp.expand_dims(xp.expand_dims(x, axis=-1), axis=-1)


def _inverse_if(xp: Any, regular: Any, a: Any, otherwise: float) -> Any:
    """Inverses of the regular matrices, `otherwise` for singular ones, which affect no other."""
    regular = _per_matrix(xp, regular)
    inverses = inverse_of(xp, xp.where(regular, a, diagonal_of(xp, xp.ones_like(a))))
    return xp.where(regular, inverses, xp.full_like(inverses, otherwise))


_det = op(
    "det",
    lambda xp, a: xp.linalg.det(a),
    a=lambda xp, g, a, y: (
        _per_matrix(xp, g * y) * matrix_transpose(xp, _inverse_if(xp, y != 0, a, 0.0))
    ),
)
_logabsdet = op(
    "logabsdet",
    lambda xp, a: xp.linalg.slogdet(a)[1],
    a=lambda xp, g, a, y: (
        _per_matrix(xp, g) * adjoint(xp, _inverse_if(xp, y != -math.inf, a, math.nan))
    ),
)


def _sign_back(xp: Any, g: Any, a: Any, y: Any) -> Any:
    """A real sign is constant; a complex one has a phase."""
    if not is_complex(xp, a):
        return xp.zeros_like(a)
    rotation = _per_matrix(xp, xp.imag(xp.conj(g) * y))
    return rotation * (adjoint(xp, _inverse_if(xp, y != 0, a, math.nan)) * -1j)


_sign_of_det = op(
    "sign_of_det", lambda xp, a: xp.linalg.slogdet(a)[0], conjugates=True, a=_sign_back
)


def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverses of square matrices.

    Raises:
        LinAlgError: a matrix is singular.
    """
    check_matrices(A, "inv")
    return store_out(solved("inv", SINGULAR, inv_op, A), out, "linalg_inv")


inverse = inv


def det(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinants of square matrices."""
    check_matrices(input, "det")
    return store_out(_det(input), out, "linalg_det")


def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """(sign, logabsdet): the determinants' signs and the logarithms of their magnitudes."""
    check_matrices(A, "slogdet")
    return returned("slogdet", out, sign=_sign_of_det(A), logabsdet=_logabsdet(A))


def logdet(input: Tensor) -> Tensor:
    """The logarithms of determinants; NaN for negative ones."""
    sign, size = slogdet(input)
    if sign.dtype.is_complex:
        return sign.log() + size
    return where(sign < 0, float("nan"), size)


# ---- systems


def _is_vector(A: Tensor, B: Tensor) -> bool:
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and B._data.shape == A._data.shape[:-1])


def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """X with A X = B, or X A = B if not `left`.

    Raises:
        LinAlgError: a matrix is singular.
    """
    check_matrices(A, "solve")
    vector = _is_vector(A, B)
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for "
            "left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    if A.dtype is not B.dtype:
        raise RuntimeError(
            "linalg.solve: Expected A and B to have the same dtype, but found A of type "
            f"{type_name(A.dtype)} and B of type {type_name(B.dtype)} instead"
        )
    b = B.unsqueeze(-1) if vector else B
    x = solved_for(A, b, left, "solve")
    return store_out(x.squeeze(-1) if vector else x, out, "linalg_solve")


# ---- pseudo-inverse, rank, powers


def _pinv_back(xp: Any, g: Any, a: Any, y: Any) -> Any:
    gt, yt = adjoint(xp, g), adjoint(xp, y)
    if a.shape[-2] <= a.shape[-1]:
        k = xp.matmul(gt, y)
        ky = xp.matmul(k, yt)
        outer = xp.matmul(xp.matmul(yt, y), gt - xp.matmul(k, a))
        return ky - adjoint(xp, xp.matmul(y, k)) - xp.matmul(xp.matmul(a, y), ky) + outer
    k = xp.matmul(y, gt)
    yk = xp.matmul(yt, k)
    outer = xp.matmul(xp.matmul(gt - xp.matmul(a, k), y), yt)
    return yk - adjoint(xp, xp.matmul(k, y)) - xp.matmul(xp.matmul(yk, y), a) + outer


def _pinv_forward(xp: Any, a: Any, *, rtol: Any, hermitian: bool) -> Any:
    if hermitian:
        a = from_lower(xp, a)
    return xp.linalg.pinv(a, rtol=rtol)


_pinv = op("pinv", _pinv_forward, conjugates=True, a=_pinv_back)


def _tolerance(A: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """(atol, rtol): below them singular values count as 0; rtol is relative to the largest."""
    if rtol is None:
        known = atol is not None and (is_tensor(atol) or atol > 0)
        rtol = 0.0 if known else dtypes.finfo(A.dtype).eps * max(A._data.shape[-2:])
    return 0.0 if atol is None else atol, rtol


def pinv(
    A: Tensor,
    *,
    atol: Any = None,
    rtol: Any = None,
    hermitian: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """The Moore-Penrose inverses of matrices."""
    check_matrices(A, "pinv", square=hermitian)
    if not A.numel():
        return store_out(A.mH.clone(), out, "linalg_pinv")
    atol, rtol = _tolerance(A, atol, rtol)
    if is_tensor(atol) or is_tensor(rtol) or atol:
        values = svdvals(A.detach())
        largest = values[..., 0]
        limit = clamp(largest * rtol, min=atol) / largest
        rtol = limit._data
    result = solved("svd", DIVERGED, _pinv, A, rtol=rtol, hermitian=hermitian)
    return store_out(result, out, "linalg_pinv")


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`linalg.pinv` with a relative tolerance."""
    return pinv(input, rtol=rcond)


def matrix_rank(
    A: Tensor,
    *,
    atol: Any = None,
    rtol: Any = None,
    hermitian: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """How many singular values exceed the tolerance."""
    check_matrices(A, "matrix_rank", square=hermitian)
    atol, rtol = _tolerance(A, atol, rtol)
    values = svdvals(A.detach())
    if not values.numel():
        return store_out(values.new_zeros(values._data.shape[:-1], dtype=dtypes.int64), out, "rank")
    atol, rtol = (t.unsqueeze(-1) if is_tensor(t) else t for t in (atol, rtol))
    limit = clamp(values[..., :1] * rtol, min=atol)
    return store_out((values > limit).sum(-1), out, "linalg_matrix_rank")


def matrix_power(A: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """The n-th powers of square matrices; of their inverses for negative n."""
    need_tensor(A, "linalg_matrix_power", "A")
    check_square(A, "matrix_power")
    if n < 0:
        A, n = inv(A), -n
    result = None
    while n:
        if n % 2:
            result = A if result is None else matmul(result, A)
        A, n = (matmul(A, A) if n > 1 else A), n // 2
    if result is None:
        eye = creation.eye(A._data.shape[-1], dtype=A.dtype, device=A._device)
        result = _engine.OPS["fill"](A, value=0) + eye
    return store_out(result, out, "linalg_matrix_power")


def cond(A: Tensor, p: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The condition numbers of matrices: the norm times that of the inverse."""
    check_matrices(A, "cond", square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        values = svdvals(A)
        best, worst = values[..., 0], values[..., -1]
        return store_out(worst / best if p == -2 else best / worst, out, "linalg_cond")
    inverse, info = inv_ex(A)
    result = norms.matrix_norm(A, p) * norms.matrix_norm(inverse, p)
    return store_out(where(info != 0, math.inf, result), out, "linalg_cond")


def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse of A as a map from its last axes to its first `ind`."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    first, last = A._data.shape[:ind], A._data.shape[ind:]
    n = math.prod(first)
    if n != math.prod(last):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {math.prod(last)} != {n}"
        )
    return store_out(inv(A.reshape(n, n)).reshape((*last, *first)), out, "linalg_tensorinv")


def tensorsolve(A: Tensor, B: Tensor, dims: Any = None, *, out: Tensor | None = None) -> Tensor:
    """X with ``tensordot(A, X, X.ndim) = B``."""
    if dims is not None:
        rest = [i for i in range(A.ndim) if i not in [d % A.ndim for d in dims]]
        A = A.permute(*rest, *[d % A.ndim for d in dims])
    shape = A._data.shape[B.ndim :]
    n = math.prod(shape)
    if n != B.numel():
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {n} != {B.numel()}"
        )
    x = solve(A.reshape(n, n), B.reshape(n)).reshape(shape)
    return store_out(x, out, "linalg_tensorsolve")


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers N − 1 … 0 of the elements of a vector, in columns."""
    need_tensor(x, "vander", "x")
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x._data.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    result = _powers(x, n)
    return result if increasing else result.flip(-1)


def linalg_vander(x: Tensor, N: int | None = None) -> Tensor:
    """Powers 0 … N − 1 of the elements, as a new last axis."""
    need_tensor(x, "linalg_vander", "x")
    if x.ndim == 0:
        x = x.reshape(1)
    n = x._data.shape[-1] if N is None else N
    if n < 2:
        raise RuntimeError("N must be greater than 1.")
    return _powers(x, n)


def _powers(x: Tensor, n: int) -> Tensor:
    source = to_dtype(x, dtypes.int64) if x.dtype.category < FLOAT else x
    ones = creation.ones_like(source).unsqueeze(-1)
    powers = source.unsqueeze(-1).expand((*source._data.shape, max(n - 1, 0))).cumprod(-1)
    return cat([ones, powers], -1)[..., :n]


def matrix_exp(A: Tensor) -> Tensor:
    """The exponentials of square matrices, by scaling, Taylor's series and squaring."""
    need_tensor(A, "linalg_matrix_exp", "A")
    return in_float32(_matrix_exp, A)


def _matrix_exp(A: Tensor) -> Tensor:
    check_matrices(A, "matrix_exp")
    if not A.numel():
        return A.clone()
    size = float(A.detach().abs().sum(-1).amax())
    squarings = max(0, math.ceil(math.log2(size / 0.5))) if 0 < size < math.inf else 0
    x = A / 2**squarings
    eye = creation.eye(A._data.shape[-1], dtype=A.dtype, device=A._device)
    result = eye + x / 14
    for k in range(13, 0, -1):
        result = eye + matmul(x, result) / k
    for _ in range(squarings):
        result = matmul(result, result)
    return result


def lstsq(A: Tensor, B: Tensor, *, rcond: Any = None, driver: str | None = None) -> Any:
    """(solution, residuals, rank, singular_values) of the least squares problem A X ≈ B."""
    check_matrices(A, "lstsq", square=False)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    rows, cols = A._data.shape[-2:]
    vector = B.ndim == A.ndim - 1
    b = B.unsqueeze(-1) if vector else B
    if b.ndim < 2 or b._data.shape[-2] != rows:
        raise RuntimeError(
            f"linalg.lstsq: input.size(-2) should match other.size(-{1 if vector else 2})"
        )
    if driver == "gels":  # assumes full rank
        rcond, rank = None, A.new_empty(0, dtype=dtypes.int64)
    else:
        rank = matrix_rank(A, rtol=rcond)
    x = matmul(pinv(A, rtol=rcond), b)
    residuals = x.abs().reshape(-1)[:0]
    if rows > cols and driver in ("gels", "gelsd", "gelss") and bool((rank == cols).all()):
        gap = matmul(A, x) - b
        residuals = (gap.abs() ** 2).sum(-2)
    values = (
        svdvals(A.detach())
        if driver in ("gelsd", "gelss")
        else A.new_empty(0, dtype=A.dtype.to_real())
    )
    return Returned(
        "linalg_lstsq",
        solution=x.squeeze(-1) if vector else x,
        residuals=residuals,
        rank=rank,
        singular_values=values,
    )


# ---- the _ex functions: results with an `info` on failures, instead of an error


def _pivot(matrix: Tensor) -> int:
    """The first pivot, from 1, that is 0: the last one if only the solver rounds it to 0."""
    return int(lu_factor_ex(matrix)[2]) or matrix._data.shape[-1]


def _minor(matrix: Tensor) -> int:
    """The order of the first leading minor that is not positive-definite."""
    n = matrix._data.shape[-1]
    return next((k for k in range(1, n) if _fails(linalg_cholesky, matrix[:k, :k])), n)


def _fails(call: Callable[[Tensor], Any], A: Tensor) -> bool:
    try:
        call(A)
    except LinAlgError:
        return True
    return False


def _with_info(
    A: Tensor,
    call: Callable[[Tensor], Tensor],
    trial: Callable[[Tensor], Tensor],
    locate: Callable[[Tensor], int],
    check: bool,
) -> tuple[Tensor, Tensor]:
    """(result, info): NaN, and the failure's position, for each matrix on which `trial` fails."""
    *batch, n, _ = A._data.shape
    try:
        return call(A), creation.zeros(batch, dtype=dtypes.int32, device=A._device)
    except LinAlgError:
        if check:
            raise
    each = [locate(m) if _fails(trial, m) else 0 for m in A.detach().reshape(-1, n, n)]
    info = creation.tensor(each, dtype=dtypes.int32, device=A._device).reshape(batch)
    bad = (info != 0)[..., None, None]
    eye = creation.eye(n, dtype=A.dtype, device=A._device)
    return where(bad, math.nan, call(where(bad, eye, A))), info


def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """(inverse, info): `info` is 0, or the pivot, from 1, that is 0 in a singular matrix."""
    inverse, info = _with_info(A, inv, inv, _pivot, check_errors)
    return returned("linalg_inv_ex", out, inverse=inverse, info=info)


def solve_ex(
    A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """(result, info): `info` is 0, or the pivot, from 1, that is 0 in a singular matrix."""
    vector = left and _is_vector(A, B)
    b = B.unsqueeze(-1) if vector else B
    x, info = _with_info(A, lambda a: solve(a, b, left=left), inv, _pivot, check_errors)
    return returned("linalg_solve_ex", out, result=x.squeeze(-1) if vector else x, info=info)


def cholesky_ex(
    A: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """(L, info): `info` is 0, or the order of the first minor that is not positive-definite."""
    factor = partial(linalg_cholesky, upper=upper)
    lower, info = _with_info(A, factor, linalg_cholesky, _minor, check_errors)
    return returned("linalg_cholesky_ex", out, L=lower, info=info)
