"""Random numbers with a parameter per element of a tensor: counts, gamma and Dirichlet variates.

How many uniform numbers a sample consumes depends on their values: parameters are read on the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xptorch._core.dtype import float64
from xptorch._engine import graph
from xptorch._engine.graph import broadcast
from xptorch._engine.op import op
from xptorch.ops._common import need_tensor
from xptorch.ops.random.draws import drawn, refused, stream_of
from xptorch.ops.reduction import reduce
from xptorch.ops.special.gamma import digamma_of

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor
    from xptorch.ops.random.generator import Generator

__all__ = ["_sample_dirichlet", "_standard_gamma", "binomial", "poisson"]


def _to_device(input: Tensor, flat: Any, shape: tuple[int, ...]) -> Any:
    """Host values as an array on the input's device, in its dtype."""
    on = input._device
    return on.backend.from_host(flat.reshape(shape).astype(input.dtype.name), on.index)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson-distributed counts with the rates in the input, in its dtype.

    Raises:
        RuntimeError: a rate is negative.
    """
    need_tensor(input, "poisson")
    if not input.dtype.is_floating_point:
        raise refused("poisson_cpu", input.dtype)
    on = input._device
    if not bool(on.xp.all(input._data >= 0)):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    counts = stream_of(generator).poisson(on.backend.to_host(input._data))
    value = _to_device(input, counts, input._data.shape)
    return drawn(input, value=value) if input._requires_grad else graph.wrap(value, on)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """The number of successes in `count` trials with probability `prob`, in their dtype.

    Shape: the two broadcast.

    Raises:
        ValueError: `count` is not floating point.
        RuntimeError: the dtypes differ.
    """
    need_tensor(count, "binomial")
    need_tensor(prob, "binomial")
    if not count.dtype.is_floating_point:
        name = count.dtype.name.capitalize()
        raise ValueError(f"binomial only supports floating-point dtypes for count, got: {name}")
    if prob.dtype is not count.dtype:
        raise RuntimeError(
            f"Found dtype {prob.dtype.name} but expected {count.dtype.name}: binomial takes both "
            "in the same dtype"
        )
    if count.dtype.name == "float16":
        raise refused("binomial_cpu", count.dtype)
    on, shape = count._device, broadcast(count._data.shape, prob._data.shape)
    both = [on.backend.to_host(on.xp.broadcast_to(t._data, shape)) for t in (count, prob)]
    value = _to_device(count, stream_of(generator).binomial(*both), shape)
    if count._requires_grad or prob._requires_grad:
        return drawn(count * prob, value=value)
    return graph.wrap(value, on)


def _gamma_forward(xp: Any, a: Any, *, value: Any) -> Any:
    return value


def _gamma_vjp(xp: Any, g: Any, a: Any, y: Any) -> Any:
    """The VJP by a: how a gamma variate changes with its shape a at a fixed quantile.

    ∂y/∂a = −(∂P/∂a)/p with the distribution function P(a, y) = p · y · Σ tₙ, where
    tₙ = yⁿ Γ(a)/Γ(a + n + 1), and ∂tₙ/∂a contains the digamma function.
    """
    shape, x = xp.astype(a, xp.float64), xp.astype(y, xp.float64)
    if not x.size:
        return g
    term, psi = 1 / shape, digamma_of(xp, shape + 1)
    total, weighed = term, term * psi
    highest = float(xp.max(x))
    for n in range(1, int(highest + 12 * highest**0.5) + 60):
        term = term * x / (shape + n)
        psi = psi + 1 / (shape + n)
        total, weighed = total + term, weighed + term * psi
    return g * xp.astype(x * (weighed - total * xp.log(x)), g.dtype)


_gamma = op("standard_gamma", _gamma_forward, a=_gamma_vjp)


def _standard_gamma(self: Tensor, generator: Generator | None = None) -> Tensor:
    """Gamma-distributed numbers of scale 1; the input holds their shapes.

    The gradient is that of the reparametrised sample.
    """
    need_tensor(self, "_standard_gamma")
    if self.dtype.name not in ("float32", "float64"):
        raise refused("gamma_cpu", self.dtype)
    on = self._device
    numbers = stream_of(generator).standard_gamma(on.backend.to_host(self._data))
    value = _to_device(self, numbers, self._data.shape)
    value = on.xp.clip(value, on.xp.finfo(value.dtype).smallest_normal, None)
    return _gamma(self, value=value)


def _beta_derivative(xp: Any, x: Any, a: Any, b: Any) -> Any:
    """How a beta variate x changes with `a` at a fixed quantile, divided by 1 − x.

    ∂x/∂a = −(∂I/∂a)/p with the distribution function I(a, b) = p x (1 − x)/a · Σ tₙ, where
    tₙ = (a + b)ₙ/(a + 1)ₙ xⁿ; above the mean, the series of the reflected 1 − x converges faster.
    """
    low = x <= (a + 1) / (a + b + 2)
    z, c = xp.where(low, x, 1 - x), xp.where(low, a, b)
    total, term, n = xp.zeros_like(x), 1 / c, 0
    psi, fixed = digamma_of(xp, a + b), digamma_of(xp, a)
    moving = fixed + 1 / a  # the digamma function of a + 1 + n
    log = xp.log(x)
    while n < 100_000:
        part = term * xp.where(low, moving - psi - log, log + psi - fixed)
        total = total + part
        if n % 32 == 31 and bool(xp.all(xp.abs(part) <= 1e-14 * xp.abs(total))):
            break
        psi, moving = psi + 1 / (a + b + n), moving + 1 / (a + 1 + n)
        term = term * z * (a + b + n) / (c + 1 + n)
        n += 1
    return x * total


def _dirichlet_vjp(xp: Any, g: Any, a: Any, y: Any) -> Any:
    wide, x = xp.astype(a, xp.float64), xp.astype(y, xp.float64)
    rest = xp.sum(wide, axis=-1, keepdims=True) - wide
    inward = g - xp.sum(g * y, axis=-1, keepdims=True)
    return xp.astype(_beta_derivative(xp, x, wide, rest), g.dtype) * inward


_dirichlet = op("dirichlet", _gamma_forward, a=_dirichlet_vjp)


def _sample_dirichlet(self: Tensor, generator: Generator | None = None) -> Tensor:
    """Dirichlet-distributed samples along the last axis; the input holds the concentrations.

    The gradient is that of the reparametrised sample.
    """
    need_tensor(self, "_sample_dirichlet")
    if self.dtype.name not in ("float32", "float64"):
        raise refused("dirichlet", self.dtype)
    on, wide = self._device, self.detach().to(float64)
    numbers = stream_of(generator).standard_gamma(on.backend.to_host(wide._data))
    parts = _to_device(wide, numbers, self._data.shape)
    parts = graph.wrap(parts, on).clamp(min=on.xp.finfo(parts.dtype).smallest_normal)
    shares = (parts / reduce.sum(parts, -1, keepdim=True)).to(self.dtype)
    limits = on.xp.finfo(shares._data.dtype)
    shares = shares.clamp(limits.smallest_normal, 1 - float(limits.eps) / 2)
    return _dirichlet(self, value=shares._data) if self._requires_grad else shares
