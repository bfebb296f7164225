"""Householder reflections: QR decompositions in LAPACK's packed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xptorch._engine import op
from xptorch._engine.graph import wrap
from xptorch.ops._common import need_tensor, returned, store_out
from xptorch.ops.linalg.decompositions import adjoint, check_matrices, is_complex
from xptorch.ops.linalg.decompositions import qr as linalg_qr
from xptorch.ops.linalg.products import matmul
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["geqrf", "orgqr", "ormqr", "qr"]


def qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """`linalg.qr`, reduced if `some`."""
    q, r = linalg_qr(input, "reduced" if some else "complete")
    return returned("qr", out, Q=q, R=r)


def geqrf(input: Tensor, *, out: Any = None) -> Any:
    """(a, tau): R with the Householder vectors below its diagonal, and the vectors' factors."""
    check_matrices(input, "geqrf", square=False)
    if input.requires_grad:
        raise RuntimeError("the derivative for 'geqrf' is not implemented.")
    on, xp, a = input._device, input._device.xp, input._data
    *batch, m, n = a.shape
    rows = xp.reshape(xp.arange(m, device=a.device), (m, 1))
    cols = xp.reshape(xp.arange(n, device=a.device), (1, n))
    taus = []
    for k in range(min(m, n)):
        head, tail = a[..., k : k + 1, k : k + 1], a[..., k + 1 :, k : k + 1]
        v, tau, beta = _reflection(xp, head, tail)
        full = xp.concat([xp.zeros((*batch, k, 1), dtype=a.dtype, device=a.device), v], axis=-2)
        factor = xp.conj(tau) if is_complex(xp, a) else tau
        reflected = a - factor * xp.matmul(full, xp.matmul(adjoint(xp, full), a))
        a = xp.where(cols > k, reflected, a)
        a = xp.where(xp.logical_and(cols == k, rows > k), full, a)
        a = xp.where(xp.logical_and(cols == k, rows == k), beta, a)
        taus.append(tau[..., 0, 0])
    empty = xp.zeros((*batch, 0), dtype=a.dtype, device=a.device)
    tau = wrap(xp.stack(taus, axis=-1) if taus else empty, on)
    return returned("geqrf", out, a=wrap(a, on), tau=tau)


def _reflection(xp: Any, head: Any, tail: Any) -> tuple[Any, Any, Any]:
    """(v, tau, beta): the adjoint of 1 − tau v vᴴ maps the column to (beta, 0, …)."""
    real = xp.real(head) if is_complex(xp, head) else head
    rest = xp.sum(xp.abs(tail) ** 2, axis=-2, keepdims=True)
    size = xp.sqrt(xp.abs(head) ** 2 + rest)
    beta = xp.where(real < 0, size, -size)
    flat = xp.logical_and(rest == 0, xp.abs(head) == xp.abs(real))  # nothing to reflect
    one = xp.ones_like(head)
    safe = xp.where(flat, xp.ones_like(beta), beta)
    tau = xp.where(flat, xp.zeros_like(head), (safe - head) / safe)
    below = tail / xp.where(flat, one, head - beta)
    last = xp.where(flat, head, xp.astype(beta, head.dtype))
    return xp.concat([one, below], axis=-2), tau, last


def _vectors(A: Tensor, tau: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Each reflection's vector (…, m, 1), including its 1 and the zeros above, and its factor."""
    below = A.tril(-1) + creation.eye(*A._data.shape[-2:], dtype=A.dtype, device=A._device)
    count = tau._data.shape[-1]
    return [(below[..., k : k + 1], tau[..., k, None, None]) for k in range(count)]


def householder_product(A: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The first columns of the product of the reflections that `geqrf` returns."""
    check_matrices(A, "householder_product", square=False)
    m, n = A._data.shape[-2:]
    if m < n:
        raise RuntimeError(
            "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to "
            "input.shape[-1]"
        )
    if n < tau._data.shape[-1]:
        raise RuntimeError(
            "torch.linalg.householder_product: input.shape[-1] must be greater than or equal to "
            "tau.shape[-1]"
        )
    _same_kind(A, tau, "torch.linalg.householder_product")
    eye = creation.eye(m, n, dtype=A.dtype, device=A._device)
    q = eye.expand((*A._data.shape[:-2], m, n))
    for v, factor in reversed(_vectors(A, tau)):
        q = q - factor * matmul(v, matmul(v.mH, q))
    if not tau._data.shape[-1]:  # a constant, but connected to A in the graph
        q = op.OPS["fill"](A, value=0) + q
    return store_out(q, out, "linalg_householder_product")


def _same_kind(A: Tensor, tau: Tensor, name: str) -> None:
    if A.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal "
            f"to {tau.ndim} and input.ndim is equal to {A.ndim}"
        )
    if A.ndim > 2 and tau._data.shape[:-1] != A._data.shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.shape[:-1])}"
        )
    if tau.dtype is not A.dtype:
        raise RuntimeError(
            f"{name}: tau dtype {tau.dtype.name} does not match input dtype {A.dtype.name}"
        )


def orgqr(input: Tensor, input2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`linalg.householder_product`."""
    return householder_product(input, input2, out=out)


def ormqr(
    input: Tensor,
    tau: Tensor,
    other: Tensor,
    left: bool = True,
    transpose: bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Q C (C Q if not `left`) for the full Q of `geqrf`, or its adjoint."""
    need_tensor(input, "ormqr")
    if input.ndim < 2 or other.ndim < 2:
        name = "input" if input.ndim < 2 else "other"
        raise RuntimeError(f"torch.ormqr: {name} must have at least 2 dimensions.")
    m, axis = input._data.shape[-2], -2 if left else -1
    if other._data.shape[axis] < tau._data.shape[-1]:
        raise RuntimeError(
            f"torch.ormqr: other.shape[{axis}] must be greater than or equal to tau.shape[-1]"
        )
    if other._data.shape[axis] != m:
        raise RuntimeError(f"torch.ormqr: other.shape[{axis}] must be equal to input.shape[-2]")
    if tau._data.shape[-1] > input._data.shape[-1]:
        raise RuntimeError(
            "torch.ormqr: tau.shape[-1] must be less than or equal to input.shape[-1]"
        )
    _same_kind(input, tau, "torch.ormqr")
    if other.dtype is not input.dtype:
        raise RuntimeError(
            f"torch.ormqr: other dtype {other.dtype.name} does not match input dtype "
            f"{input.dtype.name}"
        )
    steps = _vectors(input, tau)
    c = other
    for v, factor in steps if left == transpose else reversed(steps):
        f = factor.conj() if transpose else factor
        c = c - f * (matmul(v, matmul(v.mH, c)) if left else matmul(matmul(c, v), v.mH))
    return store_out(c.clone() if c is other else c, out, "ormqr")
