"""Parts of complex numbers; of real tensors they are trivial, and differentiable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch import _dtype
from xptorch._engine import op
from xptorch.ops import comparison, create
from xptorch.ops._common import deliver, floating, need_tensor

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

__all__ = [
    "adjoint", "angle", "conj", "conj_physical", "imag", "isreal", "numel", "real", "resolve_conj",
    "resolve_neg",
]  # fmt: skip

_real = op("real", lambda xp, a: xp.asarray(xp.real(a), copy=True))
_imag = op("imag", lambda xp, a: xp.asarray(xp.imag(a), copy=True))
_conj = op("conj", lambda xp, a: xp.conj(a))


def real(input: Tensor) -> Tensor:
    """The real parts; a real tensor itself."""
    need_tensor(input, "real")
    return _real(input) if input.dtype.is_complex else input


def imag(input: Tensor) -> Tensor:
    """The imaginary parts of complex numbers.

    Raises:
        RuntimeError: the tensor is real.
    """
    need_tensor(input, "imag")
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _imag(input)


def conj(input: Tensor) -> Tensor:
    """The complex conjugates; a real tensor itself."""
    need_tensor(input, "conj")
    return _conj(input) if input.dtype.is_complex else input


def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`conj`, at once."""
    return deliver(conj(input), out, "conj_physical")


def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: no conjugation is ever put off."""
    return input


def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: no negation is ever put off."""
    return input


def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part is 0."""
    need_tensor(input, "isreal")
    if input.dtype.is_complex:
        return _imag(input) == 0
    return create.ones_like(input, dtype=_dtype.bool_)


def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in the complex plane: of real numbers 0, or π for negative ones."""
    need_tensor(input, "angle")
    if input.dtype.is_complex:
        result: Any = _imag(input).atan2(_real(input))
    else:
        x = floating(input)
        turned = comparison.where(x < 0, math.pi, x * 0)
        result = comparison.where(comparison.isinf(x.detach()) & (x > 0), 0.0, turned)
    return deliver(result, out, "angle")


def adjoint(input: Tensor) -> Tensor:
    """The conjugate transposes of matrices."""
    return input.mH


def numel(input: Tensor) -> int:
    """How many elements the tensor has."""
    need_tensor(input, "numel")
    return input.numel()
