"""Complex numbers: real and imaginary parts, construction, and functions that are not holomorphic.

A gradient of a complex number is ∂L/∂re + i ∂L/∂im, as in PyTorch. The ops here with complex
results set `conjugates`; all others are holomorphic, and the engine conjugates for them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._engine import graph
from xptorch._engine.op import op, polymorphic
from xptorch.ops._common import floating, need_tensor, store_out, type_name
from xptorch.ops.elementwise import comparison
from xptorch.ops.shape import creation
from xptorch.ops.shape.views import broadcast_tensors

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "adjoint", "angle", "complex", "conj", "conj_physical", "imag", "isreal", "polar", "real",
    "resolve_conj", "resolve_neg", "view_as_complex", "view_as_real",
]  # fmt: skip


# ---- real and imaginary parts


def _imag_back(xp: Any, g: Any, a_dtype: Any) -> Any:
    return xp.astype(g, a_dtype) * 1j


_real = op(
    "real", lambda xp, a: xp.real(a), view=True, a=lambda xp, g, a_dtype: xp.astype(g, a_dtype)
)
_imag = op("imag", lambda xp, a: xp.imag(a), view=True, a=_imag_back)
_conj = op("conj", lambda xp, a: xp.conj(a), conjugates=True, a=lambda xp, g: xp.conj(g))


def _join(xp: Any, a: Any, b: Any, *, dtype: Any) -> Any:
    return xp.astype(a, dtype) + xp.astype(b, dtype) * 1j


_complex = op(
    "complex",
    _join,
    conjugates=True,
    a=lambda xp, g: xp.real(g),
    b=lambda xp, g: xp.imag(g),
)


def _pairs(xp: Any, a: Any, *, dtype: Any) -> Any:
    if hasattr(a, "view"):
        return xp.expand_dims(a, axis=-1).view(dtype)
    return xp.stack([xp.real(a), xp.imag(a)], axis=-1)


def _from_pairs(xp: Any, a: Any, *, dtype: Any) -> Any:
    if hasattr(a, "view"):
        return a.view(dtype)[..., 0]
    return _join(xp, a[..., 0], a[..., 1], dtype=dtype)


def _pairs_back(xp: Any, g: Any, a_dtype: Any) -> Any:
    parts = xp.astype(g, a_dtype)
    return parts[..., 0] + parts[..., 1] * 1j


_view_as_real = op("view_as_real", _pairs, view=True, a=_pairs_back)
_view_as_complex = op(
    "view_as_complex",
    _from_pairs,
    view=True,
    conjugates=True,
    a=lambda xp, g: xp.stack([xp.real(g), xp.imag(g)], axis=len(g.shape)),
)


def real(input: Tensor) -> Tensor:
    """The real parts, a view; a real tensor itself."""
    need_tensor(input, "real")
    return _real(input) if input.dtype.is_complex else input


def imag(input: Tensor) -> Tensor:
    """The imaginary parts of complex numbers, a view.

    Raises:
        RuntimeError: the tensor is real.
    """
    need_tensor(input, "imag")
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _imag(input)


def view_as_real(input: Tensor) -> Tensor:
    """The real and imaginary parts along a new last axis, a view.

    Raises:
        RuntimeError: the tensor is real.
    """
    need_tensor(input, "view_as_real")
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return _view_as_real(input, dtype=input._device.raw_dtype(input.dtype.to_real()))


def view_as_complex(input: Tensor) -> Tensor:
    """Complex numbers of the pairs along the last axis, a view.

    Raises:
        RuntimeError: the tensor is not floating-point, or its last axis is not of size 2 and
            contiguous.
    """
    need_tensor(input, "view_as_complex")
    dt = input.dtype
    if not dt.is_floating_point:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a "
            f"tensor of scalar type: {type_name(dt)}"
        )
    if input.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input._data.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    steps = input.stride()
    if steps[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % 2 for s in steps[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    return _view_as_complex(input, dtype=_complex_dtype(input))


def _complex_dtype(t: Tensor) -> Any:
    """The array library's complex dtype for a real tensor; also enables complex gradients."""
    if t.dtype is dtypes.float16:
        raise NotImplementedError("complex numbers of half precision (complex32)")
    graph.setup.complex = True
    return t._device.raw_dtype(t.dtype.to_complex())


def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """real + i · imag.

    Raises:
        RuntimeError: the parts are not floating-point, or have different dtypes.
    """
    need_tensor(real, "complex", "real")
    need_tensor(imag, "complex", "imag", 2)
    a, b = real.dtype, imag.dtype
    if not a.is_floating_point or not b.is_floating_point:
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{type_name(a)} and {type_name(b)}"
        )
    if a is not b:
        raise RuntimeError(
            f"Expected object of scalar type {type_name(a)} but got scalar type {type_name(b)} for "
            "second argument"
        )
    re, im = broadcast_tensors(real, imag)
    return store_out(_complex(re, im, dtype=_complex_dtype(real)), out, "complex", exact=True)


def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """abs · exp(i · angle), the complex numbers of given magnitudes and angles."""
    need_tensor(abs, "polar", "abs")
    need_tensor(angle, "polar", "angle", 2)
    if abs.dtype is angle.dtype and abs.dtype.is_floating_point:
        abs, angle = abs * angle.cos(), abs * angle.sin()
    return complex(abs, angle, out=out)


# ---- conjugates


def conj(input: Tensor) -> Tensor:
    """The complex conjugates; a real tensor itself."""
    need_tensor(input, "conj")
    return _conj(input) if input.dtype.is_complex else input


def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The same as `conj`, which is never lazy here."""
    return store_out(conj(input), out, "conj_physical")


def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: conjugation is never lazy."""
    return input


def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: negation is never lazy."""
    return input


def adjoint(input: Tensor) -> Tensor:
    """The conjugate transposes of matrices."""
    return input.mH


# ---- magnitude and direction


def _sgn_forward(xp: Any, a: Any) -> Any:
    size = xp.abs(a)
    return a / xp.where(size == 0, xp.ones_like(size), size)


def _sgn_back(xp: Any, g: Any, a: Any, y: Any) -> Any:
    """Only the component of `g` perpendicular to the number changes its direction."""
    size = _magnitude_of(xp, a)
    zero = size == 0
    across = g - y * xp.astype(xp.real(xp.conj(y) * g), y.dtype)
    return xp.where(zero, xp.zeros_like(g), across / xp.where(zero, xp.ones_like(size), size))


# For complex numbers; `abs` and `sign` are for real ones, and save fewer arrays.
sgn = op("sgn", _sgn_forward, conjugates=True, a=_sgn_back)
_sgn_of = polymorphic(sgn)
magnitude = op("magnitude", lambda xp, a: xp.abs(a), a=lambda xp, g, a: g * _sgn_of(xp, a))
_magnitude_of = polymorphic(magnitude)


def _angle_back(xp: Any, g: Any, a: Any) -> Any:
    size = _magnitude_of(xp, a)
    safe = xp.where(size == 0, xp.full_like(size, math.inf), size)
    return g * (a * 1j / safe / safe)


_angle = op("angle", lambda xp, a: xp.atan2(xp.imag(a), xp.real(a)), a=_angle_back)


def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in the complex plane: of real numbers 0, or π for negative ones."""
    need_tensor(input, "angle")
    if input.dtype.is_complex:
        result: Any = _angle(input)
    else:
        x = floating(input)
        angles = comparison.where(x < 0, math.pi, x * 0)
        result = comparison.where(comparison.isinf(x.detach()) & (x > 0), 0.0, angles)
    return store_out(result, out, "angle")


def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part is 0."""
    need_tensor(input, "isreal")
    if input.dtype.is_complex:
        return _imag(input) == 0
    return creation.ones_like(input, dtype=dtypes.bool_)
