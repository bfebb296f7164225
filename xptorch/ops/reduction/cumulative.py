"""Along an axis: running sums, products and extremes, differences, integrals of curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import COMPLEX, FLOAT
from xptorch._engine.op import op
from xptorch.ops._common import (
    at_axis,
    need_tensor,
    numpy_names,
    refuse,
    returned,
    shape_text,
    store_out,
    to_dtype,
    wrap_dim,
    wrap_dims,
)
from xptorch.ops._factories import named
from xptorch.ops._numerics import in_float32
from xptorch.ops.elementwise import comparison
from xptorch.ops.index.scatter import gather
from xptorch.ops.reduction.reduce import widened
from xptorch.ops.shape import creation
from xptorch.ops.shape.joining import cat

if TYPE_CHECKING:
    from xptorch._core.dtype import dtype
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "diff", "gradient",
    "logcumsumexp", "trapezoid", "trapz",
]  # fmt: skip


def _reversed_sum(xp: Any, g: Any, axis: int) -> Any:
    return xp.flip(xp.cumulative_sum(xp.flip(g, axis=axis), axis=axis), axis=axis)


_cumsum = op(
    "cumulative_sum",
    lambda xp, a, *, axis: xp.cumulative_sum(a, axis=axis, dtype=a.dtype),
    a=lambda xp, g, axis: _reversed_sum(xp, g, axis),
)


def _cumprod_back(xp: Any, g: Any, a: Any, y: Any, axis: int) -> Any:
    if not bool(xp.any(a == 0, axis=None, keepdims=False)):
        return _reversed_sum(xp, g * y, axis) / a
    # A zero cannot be divided out: leave each factor out in turn.
    parts = []
    for k in range(a.shape[axis]):
        here = at_axis(axis, slice(k, k + 1))
        others = xp.concat(
            [
                a[at_axis(axis, slice(0, k))],
                xp.ones_like(a[here]),
                a[at_axis(axis, slice(k + 1, None))],
            ],
            axis=axis,
        )
        running = xp.cumulative_prod(others, axis=axis)[at_axis(axis, slice(k, None))]
        parts.append(
            xp.sum(running * g[at_axis(axis, slice(k, None))], axis=(axis,), keepdims=True)
        )
    return xp.concat(parts, axis=axis)


_cumprod = op(
    "cumulative_prod",
    lambda xp, a, *, axis: xp.cumulative_prod(a, axis=axis, dtype=a.dtype),
    a=_cumprod_back,
)


# ---- scans: each element combined with all before it, in doubling steps


def _before(x: Any, axis: int, step: int) -> tuple[Any, Any, Any]:
    """The first `step` elements along an axis, those after them, and those `step` before these."""
    return (
        x[at_axis(axis, slice(step))],
        x[at_axis(axis, slice(step, None))],
        x[at_axis(axis, slice(-step))],
    )


def _scan(xp: Any, x: Any, axis: int, combine: Callable[..., Any]) -> Any:
    step = 1
    while step < x.shape[axis]:
        head, tail, earlier = _before(x, axis, step)
        x = xp.concat([head, combine(earlier, tail)], axis=axis)
        step *= 2
    return x


def _logcumsumexp_back(xp: Any, g: Any, a: Any, y: Any, axis: int) -> Any:
    """exp(aᵢ − yᵢ) rᵢ with rᵢ = gᵢ + exp(yᵢ − yᵢ₊₁) rᵢ₊₁: no exponential exceeds 1."""
    nothing = y == -math.inf
    _, later, earlier = _before(y, axis, 1)
    _, empty, _ = _before(nothing, axis, 1)
    share = xp.where(empty, xp.zeros_like(later), xp.exp(earlier - later))
    step, n = 1, y.shape[axis]
    while step < n:
        more = share * g[at_axis(axis, slice(step, None))]
        rest = g[at_axis(axis, slice(n - step, None))]
        g = xp.concat([g[at_axis(axis, slice(n - step))] + more, rest], axis=axis)
        if step * 2 < n:
            _, next_share, this_share = _before(share, axis, step)
            share = this_share * next_share
        step *= 2
    return g * xp.where(nothing, xp.zeros_like(a), xp.exp(a - y))


_logcumsumexp = op(
    "logcumsumexp",
    lambda xp, a, *, axis: _scan(xp, a, axis, xp.logaddexp),
    a=_logcumsumexp_back,
)


def _extreme_indices_forward(xp: Any, a: Any, *, axis: int, largest: bool) -> Any:
    """The index of each running extreme: the last of equals, the last NaN once there is one."""
    n = a.shape[axis]
    shape = tuple(n if i == axis else 1 for i in range(len(a.shape)))
    places = xp.reshape(xp.arange(n, dtype=xp.int64, device=a.device), shape)
    places = xp.broadcast_to(places, a.shape)
    step = 1
    while step < n:
        head, tail, earlier = _before(a, axis, step)
        first, own, theirs = _before(places, axis, step)
        wins = tail >= earlier if largest else tail <= earlier
        if xp.isdtype(a.dtype, "real floating"):
            wins = xp.logical_or(xp.isnan(tail), xp.logical_and(wins, ~xp.isnan(earlier)))
        a = xp.concat([head, xp.where(wins, tail, earlier)], axis=axis)
        places = xp.concat([first, xp.where(wins, own, theirs)], axis=axis)
        step *= 2
    return places


_extreme_indices = op("cumulative_extreme", _extreme_indices_forward)


def _running(name: str, largest: bool, doc: str) -> Callable[..., Any]:
    @numpy_names
    def function(input: Tensor, dim: int, *, out: Any = None) -> Any:
        need_tensor(input, name)
        refuse(f"{name}_cpu", input, COMPLEX)
        axis = wrap_dim(dim, input.ndim)
        if input.ndim:
            source = to_dtype(input, dtypes.uint8) if input.dtype is dtypes.bool_ else input
            indices = _extreme_indices(source, axis=axis, largest=largest)
            values = gather(input, axis, indices)
        else:
            values, indices = input.clone(), creation.zeros_like(input, dtype=dtypes.int64)
        return returned(name, out, values=values, indices=indices)

    return named(function, name, doc)


cummax = _running("cummax", True, "(values, indices) of running maxima along an axis.")
cummin = _running("cummin", False, "(values, indices) of running minima along an axis.")


@numpy_names
def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """Logarithms of running sums of exponentials along an axis."""
    need_tensor(input, "logcumsumexp")
    refuse("logcumsumexp_out_cpu", input, dtypes.BOOL, dtypes.INTEGER, COMPLEX)
    axis = wrap_dim(dim, input.ndim)
    result = in_float32(_logcumsumexp, input, axis=axis) if input.ndim else input.clone()
    return store_out(result, out, "logcumsumexp")


# ---- sums and products


@numpy_names
def cumsum(
    input: Tensor, dim: int, *, dtype: dtype | None = None, out: Tensor | None = None
) -> Tensor:
    """Running sums along an axis."""
    input = widened(input, dtype, out, "cumsum")
    axis = wrap_dim(dim, input.ndim)
    result = in_float32(_cumsum, input, axis=axis) if input.ndim else input.clone()
    return store_out(result, out, "cumsum")


@numpy_names
def cumprod(
    input: Tensor, dim: int, *, dtype: dtype | None = None, out: Tensor | None = None
) -> Tensor:
    """Running products along an axis."""
    input = widened(input, dtype, out, "cumprod")
    axis = wrap_dim(dim, input.ndim)
    result = in_float32(_cumprod, input, axis=axis) if input.ndim else input.clone()
    return store_out(result, out, "cumprod")


# ---- differences and areas


@numpy_names
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """n-th differences of neighbours along an axis."""
    need_tensor(input, "diff")
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    axis = wrap_dim(dim, input.ndim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    for t in (prepend, append):
        if t is not None and t.ndim != input.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    if not n:
        return store_out(input.clone(), out, "diff")
    parts = [t for t in (prepend, input, append) if t is not None]
    t = cat(parts, axis) if len(parts) > 1 else input
    for _ in range(min(n, t._data.shape[axis])):
        size = t._data.shape[axis]
        a, b = t.narrow(axis, 1, size - 1), t.narrow(axis, 0, size - 1)
        t = comparison.logical_xor(a, b) if t.dtype is dtypes.bool_ else a - b
    return store_out(t, out, "diff")


def _steps(y: Tensor, x: Tensor | None, dx: Any, axis: int) -> Any:
    """The distances between a curve's points, shaped to broadcast with pairs of neighbours."""
    if x is None:
        return dx
    if x.ndim == 1:
        if x.numel() != y._data.shape[axis]:
            raise RuntimeError(
                "trapezoid(): There must be one `x` value for each sample point, got "
                f"{shape_text(x.shape)} for {shape_text(y.shape)}"
            )
        return diff(x).reshape((-1,) + (1,) * (y.ndim - 1 - axis))
    return diff(x, dim=axis - y.ndim)


def _areas(y: Tensor, x: Tensor | None, dx: Any, dim: int) -> tuple[Tensor, int]:
    """The areas under the segments of a curve."""
    need_tensor(y, "trapezoid", "y")
    axis = wrap_dim(dim, y.ndim)
    if y.dtype is dtypes.bool_ or (x is not None and x.dtype is dtypes.bool_):
        raise RuntimeError(
            "trapezoid: received a bool input for `x` or `y`, but bool is not supported"
        )
    n = y._data.shape[axis]
    low, high = y.narrow(axis, 0, max(n - 1, 0)), y.narrow(axis, min(1, n), max(n - 1, 0))
    return (low + high) * _steps(y, x, dx, axis) / 2.0, axis - y.ndim


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The area under a curve through the points `y` at `x`, or `dx` apart."""
    areas, axis = _areas(y, x, dx, dim)
    return areas.sum(axis)


trapz = trapezoid


def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1
) -> Tensor:
    """Running sums of the areas that `trapezoid` adds up."""
    areas, axis = _areas(y, x, dx, dim)
    return areas.cumsum(axis)


def gradient(
    input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Derivatives along axes by central differences, one-sided at the edges.

    Args:
        spacing: the distance between neighbours: a number, one for each axis, or coordinates.
        edge_order: 1 or 2, the order of the estimate at the edges.
    """
    need_tensor(input, "gradient")
    axes = wrap_dims(dim, input.ndim)
    spacing = 1 if spacing is None else spacing
    single = not isinstance(spacing, (list, tuple))
    spacings = [spacing] * len(axes) if single else list(spacing)
    if len(spacings) != len(axes):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
            f"equal to 'self.dim() = {input.ndim}' or of the length of dim, but got a list of "
            f"length {len(spacings)}"
        )
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if input.dtype is dtypes.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if any(input._data.shape[a] < edge_order + 1 for a in axes):
        raise RuntimeError(
            "torch.gradient expected each dimension size to be at least edge_order+1"
        )
    pairs = zip(axes, spacings, strict=True)
    return tuple(
        in_float32(_slope, input, axis=a, spacing=s, edge_order=edge_order) for a, s in pairs
    )


def _slope(x: Tensor, axis: int, spacing: Any, edge_order: int) -> Tensor:
    n = x._data.shape[axis]
    tail = (-1,) + (1,) * (x.ndim - 1 - axis)
    dt = x.dtype.to_real() if x.dtype.category >= FLOAT else dtypes.get_default_dtype()
    points = creation.arange(n, dtype=dt, device=x._device)
    places = spacing if isinstance(spacing, type(x)) and spacing.ndim else points * spacing
    gaps = diff(places).reshape(tail)
    slopes = diff(x, dim=axis) / gaps
    low, high = slopes.narrow(axis, 0, n - 2), slopes.narrow(axis, 1, n - 2)
    left, right = gaps.narrow(0, 0, n - 2), gaps.narrow(0, 1, n - 2)
    middle = (low * right + high * left) / (left + right)
    first, last = slopes.narrow(axis, 0, 1), slopes.narrow(axis, n - 2, 1)
    if edge_order == 2:
        # The two nearest slopes, extrapolated linearly to the edge.
        first = first + (first - slopes.narrow(axis, 1, 1)) * _edge_weight(gaps, 0, 1)
        last = last + (last - slopes.narrow(axis, n - 3, 1)) * _edge_weight(gaps, n - 2, n - 3)
    return cat([first, middle, last], axis)


def _edge_weight(gaps: Tensor, edge: int, inner: int) -> Tensor:
    a, b = gaps.narrow(0, edge, 1), gaps.narrow(0, inner, 1)
    return a / (a + b)
