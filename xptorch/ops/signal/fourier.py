"""Discrete Fourier transforms: three ops, and PyTorch's `torch.fft` over them.

y_k = c Σ_j x_j exp(∓2πi jk / n); the factor c is 1, 1/√n or 1/n, by `norm` and direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import FLOAT
from xptorch._engine import graph
from xptorch._engine.op import op, polymorphic
from xptorch.ops._common import (
    at_axis,
    floating,
    need_tensor,
    store_out,
    to_dtype,
    type_name,
    wrap_dim,
)
from xptorch.ops._factories import named
from xptorch.ops.elementwise.complex import conj
from xptorch.ops.shape import creation
from xptorch.ops.shape.arrangement import roll
from xptorch.ops.shape.copy_and_fill import constant_pad

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

_SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


# ---- the ops, over arrays of the transform's size


def _fftn_forward(xp: Any, a: Any, *, axes: Any, norm: str, inverse: bool) -> Any:
    return (xp.fft.ifftn if inverse else xp.fft.fftn)(a, axes=axes, norm=norm)


def _fftn_back(xp: Any, g: Any, axes: Any, norm: str, inverse: bool) -> Any:
    # The transform's matrix is symmetric.
    return _fftn_either(xp, g, axes=axes, norm=norm, inverse=inverse)


_fftn = op("fftn", _fftn_forward, a=_fftn_back)
_fftn_either = polymorphic(_fftn)


def _scale_paired(xp: Any, x: Any, axis: int, n: int, factor: float) -> Any:
    """Half a spectrum, scaling the coefficients that represent two of the full spectrum."""
    count = x.shape[axis]
    end = count - 1 if n % 2 == 0 else count
    parts = [(0, 1), (1, end), (end, count)]
    first, inner, last = (x[at_axis(axis, slice(a, b))] for a, b in parts)
    return xp.concat([first, inner * factor, last], axis=axis)


def _rfft_back(xp: Any, g: Any, a_shape: Any, axis: int, norm: str) -> Any:
    n = a_shape[axis]
    halved = _scale_paired(xp, g, axis, n, 0.5)
    return _irfft_either(xp, halved, axis=axis, norm=_SWAPPED[norm], n=n)


def _irfft_back(xp: Any, g: Any, axis: int, norm: str, n: int) -> Any:
    return _scale_paired(xp, _rfft_either(xp, g, axis=axis, norm=_SWAPPED[norm]), axis, n, 2.0)


_rfft = op(
    "rfft",
    lambda xp, a, *, axis, norm: xp.fft.rfft(a, axis=axis, norm=norm),
    conjugates=True,
    a=_rfft_back,
)
_rfft_either = polymorphic(_rfft)
_irfft = op(
    "irfft",
    lambda xp, a, *, axis, norm, n: xp.fft.irfft(a, n=n, axis=axis, norm=norm),
    a=_irfft_back,
)
_irfft_either = polymorphic(_irfft)


# ---- arguments


def _norm(norm: str | None) -> str:
    if norm is not None and norm not in _SWAPPED:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return norm or "backward"


def _ready(input: Any, name: str) -> Tensor:
    """The input as a floating-point or complex tensor of single or double precision."""
    need_tensor(input, f"fft_{name}")
    x = floating(input)
    if x.dtype is dtypes.float16:
        raise RuntimeError("Unsupported dtype Half")
    return x


def _as_complex(x: Tensor) -> Tensor:
    return to_dtype(x, x.dtype.to_complex())


def _sized(x: Tensor, axes: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """x cropped, or padded with zeros, at the end of each axis."""
    now = x._data.shape
    if all(now[a] == n for a, n in zip(axes, sizes, strict=True)):
        return x
    widths = [(0, 0)] * x.ndim
    for a, n in zip(axes, sizes, strict=True):
        widths[a] = (0, n - now[a])
    return constant_pad(x, tuple(widths), 0.0)


def _points(n: int) -> int:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _axes(x: Tensor, s: Any, dim: Any, half: bool = False) -> tuple[list[int], list[int]]:
    """Axes and sizes of a transform; for a half spectrum (`half`) the size of the full one."""
    s = (s,) if isinstance(s, int) else s
    dim = (dim,) if isinstance(dim, int) else dim
    if dim is not None:
        axes = [wrap_dim(d, x.ndim) for d in dim]
        if len(set(axes)) < len(axes):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(axes):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    elif s is not None and len(s) > x.ndim:
        raise RuntimeError(
            f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions."
        )
    else:
        axes = list(range(x.ndim - (x.ndim if s is None else len(s)), x.ndim))
    given = [-1] * len(axes) if s is None else list(s)
    sizes = [x._data.shape[a] if n == -1 else n for a, n in zip(axes, given, strict=True)]
    if half and axes and given[-1] == -1:
        sizes[-1] = 2 * (sizes[-1] - 1)
    return axes, [_points(n) for n in sizes]


# ---- complex to complex, real to half, half to real; of several axes the last one is halved


def _whole(input: Tensor, s: Any, dim: Any, norm: str, name: str) -> Tensor:
    """Complex to complex."""
    x = _as_complex(_ready(input, name))
    axes, sizes = _axes(x, s, dim)
    x = _sized(x, axes, sizes)
    return _fftn(x, axes=tuple(axes), norm=norm, inverse=name[0] == "i") if axes else x


def _to_half(input: Tensor, s: Any, dim: Any, norm: str, name: str) -> Tensor:
    """Real to half the spectrum: the rest is its conjugate."""
    x = _ready(input, name)
    inverse = name[0] == "i"
    if x.dtype.is_complex:
        what = type_name(x.dtype)
        if name in ("ihfft2", "ihfftn"):
            raise RuntimeError(f"Only supports floating-point dtypes, but found: {what}")
        valued = "real" if name.endswith("fft") else "real-valued"
        raise RuntimeError(f"{name} expects a {valued} input tensor, but got {what}")
    axes, sizes = _axes(x, s, dim)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    graph.setup.complex = graph.setup.complex or x._requires_grad
    half = _rfft(_sized(x, axes, sizes), axis=axes[-1], norm=_SWAPPED[norm] if inverse else norm)
    half = conj(half) if inverse else half
    if len(axes) == 1:
        return half
    return _fftn(half, axes=tuple(axes[:-1]), norm=norm, inverse=inverse)


def _from_half(input: Tensor, s: Any, dim: Any, norm: str, name: str) -> Tensor:
    """Half the spectrum to real."""
    x = _as_complex(_ready(input, name))
    inverse = name[0] == "i"
    axes, sizes = _axes(x, s, dim, half=True)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    x = _sized(x, axes, [*sizes[:-1], sizes[-1] // 2 + 1])
    if len(axes) > 1:
        x = _fftn(x, axes=tuple(axes[:-1]), norm=norm, inverse=inverse)
    if inverse:
        return _irfft(x, axis=axes[-1], norm=norm, n=sizes[-1])
    return _irfft(conj(x), axis=axes[-1], norm=_SWAPPED[norm], n=sizes[-1])


# ---- public functions

Transform = Callable[..., "Tensor"]


def _along_one(name: str, transform: Transform, doc: str) -> Any:
    def function(
        input: Tensor,
        n: int | None = None,
        dim: int = -1,
        norm: str | None = None,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        need_tensor(input, f"fft_{name}")
        if not input.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        sizes = None if n is None else (_points(n),)
        result = transform(input, sizes, (dim,), _norm(norm), name)
        return store_out(result, out, f"fft_{name}")

    return named(function, name, doc)


def _along_several(name: str, transform: Transform, doc: str) -> Any:
    default: Any = (-2, -1) if name.endswith("2") else None

    def function(
        input: Tensor,
        s: Any = None,
        dim: Any = default,
        norm: str | None = None,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        return store_out(transform(input, s, dim, _norm(norm), name), out, f"fft_{name}")

    return named(function, name, doc)


def _family(stem: str, transform: Transform, doc: str) -> tuple[Any, Any, Any]:
    """A transform along one axis, along two and along several."""
    return (
        _along_one(stem, transform, f"{doc} along one axis."),
        _along_several(f"{stem}2", transform, f"{doc} along two axes."),
        _along_several(f"{stem}n", transform, f"{doc} along several axes, or all."),
    )


fft, fft2, fftn = _family("fft", _whole, "The Fourier transform")
ifft, ifft2, ifftn = _family("ifft", _whole, "The inverse Fourier transform")
rfft, rfft2, rfftn = _family("rfft", _to_half, "Half the Fourier transform of real numbers")
irfft, irfft2, irfftn = _family("irfft", _from_half, "The inverse of `rfft`: real numbers")
hfft, hfft2, hfftn = _family(
    "hfft", _from_half, "The real Fourier transform of a Hermitian signal, given by its half,"
)
ihfft, ihfft2, ihfftn = _family("ihfft", _to_half, "The inverse of `hfft`: half a signal")


def _shifts(input: Tensor, dim: Any, round_up: int) -> Tensor:
    dims = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = [wrap_dim(d, input.ndim) for d in dims]
    if not axes:
        raise RuntimeError("`shifts` required")
    return roll(input, [(input._data.shape[a] + round_up) // 2 for a in axes], axes)


def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The frequency 0 moved from the start of the axes to their middle."""
    need_tensor(input, "fft_fftshift")
    return _shifts(input, dim, 0)


def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    need_tensor(input, "fft_ifftshift")
    return _shifts(input, dim, 1)


def _frequencies(name: str, doc: str, negative: bool) -> Any:
    def function(
        n: int,
        d: float = 1.0,
        *,
        out: Tensor | None = None,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        dt = dtype or dtypes.get_default_dtype()
        if dt.category < FLOAT:
            raise RuntimeError(f"{name} requires a floating point or complex dtype")
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
        creation.options({"layout": layout}, name)
        count = n if negative else n // 2 + 1
        whole = creation.arange(count, dtype=dt.to_real(), device=device)
        if negative:
            whole = roll(whole - n // 2, -(n // 2), 0) if n else whole
        result = to_dtype(whole * (1.0 / (n * d) if n * d else math.inf), dt)
        return creation.leaf(store_out(result, out, f"fft_{name}"), requires_grad)

    return named(function, name, doc)


fftfreq = _frequencies(
    "fftfreq", "The frequencies of `fft`'s results, for samples `d` apart.", negative=True
)
rfftfreq = _frequencies(
    "rfftfreq", "The frequencies of `rfft`'s results, for samples `d` apart.", negative=False
)
