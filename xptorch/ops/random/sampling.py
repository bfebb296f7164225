"""Random tensors: PyTorch's functions over the generators of generator.py.

Every number is drawn on the host and moved to the tensor's device, so a seed gives PyTorch's CPU
numbers on every backend. A tensor in another memory order (a transpose, a slice) is filled in the
order of its memory, as PyTorch does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import BOOL, COMPLEX
from xptorch._core.dtype import dtype as Dtype
from xptorch._engine import graph
from xptorch._engine.grad_mode import no_grad
from xptorch.ops._common import (
    as_shape,
    is_tensor,
    need_tensor,
    shape_text,
    store_out,
    to_dtype,
    type_name,
)
from xptorch.ops.elementwise import arithmetic
from xptorch.ops.random.draws import (
    DIGITS,
    continuous_sampler,
    drawn,
    fill,
    integer_bounds,
    integer_sampler,
    like,
    new,
    normal_sampler,
    overwrite,
    refused,
    sample,
    stream_of,
    uniform_sampler,
    writable_strides,
)
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor
    from xptorch.ops.random.generator import Generator


# ---- new tensors


def _size(function: str, size: tuple[Any, ...], rest: dict[str, Any]) -> tuple[int, ...]:
    if not size and "size" not in rest:
        raise TypeError(f"{function}() received an invalid combination of arguments: no size")
    return as_shape(size or (rest.pop("size"),))


def rand(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """Numbers uniformly distributed over [0, 1).

    Args:
        size: the shape, as numbers or as one tuple.
        generator: the stream to draw from; the default one if None.
        out: a tensor to write to.
        dtype: a floating-point or complex dtype; the default dtype if None.
        device: the result's device; the draws are made on the host.
        requires_grad: whether operations on the result are recorded.

    Raises:
        NotImplementedError: `dtype` is neither floating-point nor complex.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> torch.rand(2, generator=g)
        tensor([0.4963, 0.7682])
    """
    shape = _size("rand", size, kwargs)
    sampler = uniform_sampler(0.0, 1.0, generator)
    return new("rand", sampler, shape, dtype, device, out, requires_grad, kwargs)


def randn(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """Standard normal numbers; the variance of complex ones is 1, half in each part.

    Args:
        size, generator, out, dtype, device, requires_grad: as in `rand`.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> torch.randn(2, generator=g)
        tensor([ 1.5410, -0.2934])
    """
    shape = _size("randn", size, kwargs)
    sampler = normal_sampler(0.0, 1.0, generator)
    return new("randn", sampler, shape, dtype, device, out, requires_grad, kwargs)


def randint(
    *args: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """``randint(low=0, high, size)``: integers from `low` to `high` - 1, int64 by default.

    Raises:
        RuntimeError: `low` is not below `high`, or the dtype cannot hold them.
        ValueError: a bound is longer than 64 bits.
    """
    numbers = list(args)
    size = kwargs.pop("size") if "size" in kwargs else numbers.pop() if numbers else None
    low, high = _low_high("randint", numbers, kwargs)
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"randint(): argument 'size' must be tuple of ints, not {type(size).__name__}"
        )
    sampler = integer_sampler(low, high, generator)
    dt = dtype or (dtypes.int64 if out is None else None)
    return new("randint", sampler, as_shape(tuple(size)), dt, device, out, requires_grad, kwargs)


def _low_high(function: str, numbers: list[Any], named: dict[str, Any]) -> tuple[int, int]:
    high = named.pop("high") if "high" in named else numbers.pop() if numbers else None
    low = named.pop("low") if "low" in named else numbers.pop() if numbers else 0
    if numbers or high is None:
        raise TypeError(f"{function}() received an invalid combination of arguments")
    return _integer(function, low), _integer(function, high)


def _integer(function: str, value: Any) -> int:
    if not hasattr(value, "__index__"):
        raise TypeError(
            f"{function}() received an invalid combination of arguments: "
            f"expected int, got {type(value).__name__}"
        )
    number: int = value.__index__()
    if not -(2**63) <= number < 2**63:
        raise ValueError("Overflow when unpacking long long")
    return number


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """The numbers from 0 to n - 1 in random order, int64 by default.

    Raises:
        RuntimeError: `n` is negative, or the dtype cannot hold n - 1.
    """
    if not hasattr(n, "__index__"):
        raise TypeError(
            f"randperm(): argument 'n' (position 1) must be int, not {type(n).__name__}"
        )
    count = n.__index__()
    g = stream_of(generator)

    def draw(n: int, dt: Dtype, dense: bool) -> Any:
        if dt.is_complex or dt.name in ("bool", "uint16", "uint32", "uint64"):
            raise refused("randperm", dt)
        if dt.is_floating_point and n > 2 ** DIGITS[dt.name] + 1:
            most = 2 ** DIGITS[dt.name] + 1
            raise RuntimeError(f"n cannot be greater than {most} for {type_name(dt)} type.")
        if not dt.is_floating_point and n - 1 > dtypes.iinfo(dt).max:
            raise RuntimeError(f"value cannot be converted to type {dt.name}_t without overflow")
        return g.randperm(n).astype(dt.name)

    dt = dtype or (dtypes.int64 if out is None else None)
    return new("randperm", draw, (count,), dt, device, out, requires_grad, kwargs)


def rand_like(input: Tensor, *, generator: Generator | None = None, **kwargs: Any) -> Tensor:
    """`rand` in the shape and, unless given, the dtype and device of `input`."""
    return like("rand_like", uniform_sampler(0.0, 1.0, generator), input, kwargs)


def randn_like(input: Tensor, *, generator: Generator | None = None, **kwargs: Any) -> Tensor:
    """`randn` in the shape and, unless given, the dtype and device of `input`."""
    return like("randn_like", normal_sampler(0.0, 1.0, generator), input, kwargs)


def randint_like(
    input: Tensor, *args: Any, generator: Generator | None = None, **kwargs: Any
) -> Tensor:
    """``randint_like(input, low=0, high)``: `randint` in the shape, dtype and device of `input`."""
    low, high = _low_high("randint_like", list(args), kwargs)
    return like("randint_like", integer_sampler(low, high, generator), input, kwargs)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    **kwargs: Any,
) -> Tensor:
    """Normally distributed numbers, of shape `size` or in the broadcast shape of mean and std.

    Args:
        mean: a number or a tensor.
        std: a number or a tensor, not negative; it broadcasts with `mean`.
        size: the shape where both are numbers.
        generator: the stream to draw from; the default one if None.
        out: a tensor to write to.
        kwargs: dtype, device and requires_grad, as in `rand`, where both are numbers.

    Raises:
        RuntimeError: a deviation is negative.
        TypeError: both are numbers and `size` is missing, or one is a tensor and it is given.
    """
    tensors = [x for x in (mean, std) if is_tensor(x)]
    if (not tensors) != (size is not None) or isinstance(size, int):
        raise TypeError("normal() received an invalid combination of arguments")
    if tensors:
        creation.options(kwargs, "normal")
        dt = tensors[0].dtype if out is None else out.dtype
        return store_out(_normal_of(mean, std, tensors, dt, generator), out, "normal")
    dt, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    requires_grad = kwargs.pop("requires_grad", False)
    sampler = normal_sampler(float(mean), float(std), generator)
    return new("normal", sampler, as_shape(tuple(size)), dt, device, out, requires_grad, kwargs)


def _normal_of(
    mean: Any, std: Any, tensors: list[Tensor], dt: Dtype, generator: Generator | None
) -> Tensor:
    first = tensors[0]
    if is_tensor(std):
        if std.dtype.is_complex:
            raise RuntimeError("normal expects standard deviation to be non-complex")
        if not bool(std._device.xp.all(std._data >= 0)):
            raise RuntimeError("normal expects all elements of std >= 0.0")
    scale = 1.0 if is_tensor(std) else float(std)
    sampler = normal_sampler(0.0, scale, generator)
    both = first if len(tensors) == 1 else arithmetic.add(mean, std)
    shape = both._data.shape
    with no_grad():
        value = new("normal", sampler, shape, dt, first._device, None, False, {})
        if is_tensor(std):
            value = to_dtype(arithmetic.mul(value, std), dt)
        value = to_dtype(arithmetic.add(value, mean), dt)
    return drawn(both, value=value._data) if both._requires_grad else value


def bernoulli(
    input: Tensor,
    p: float | None = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Ones and zeros of the input's dtype: one with the probability given by the input, or `p`.

    Raises:
        RuntimeError: a probability is outside [0, 1].
    """
    need_tensor(input, "bernoulli")
    target = input if out is None else out
    chance: Any = input if p is None else p
    value = ones_and_zeros(chance, input._data.shape, target.dtype, target._device, None, generator)
    result = drawn(input, value=value) if input._requires_grad else graph.wrap(value, input._device)
    return store_out(result, out, "bernoulli")


def ones_and_zeros(
    p: Any,
    shape: Sequence[int],
    dt: Dtype,
    on: Any,
    strides: Sequence[int] | None,
    generator: Generator | None,
) -> Any:
    g, xp = stream_of(generator), on.xp
    if dt.is_complex or dt.name in ("uint16", "uint32", "uint64"):
        raise refused("bernoulli_scalar_cpu_", dt)
    if not is_tensor(p):
        if not 0.0 <= p <= 1.0:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        mask = sample(lambda n, dt, dense: g.bernoulli(n, float(p)), shape, dt, strides)
        return xp.astype(on.backend.from_host(mask, on.index), on.raw_dtype(dt))
    if not p.dtype.is_floating_point:
        raise refused("bernoulli_tensor_cpu_p_", p.dtype)
    if p._device is not on:
        raise graph.different_devices(p._device, on)
    chance = _expanded(p, shape)
    if not bool(xp.all((chance >= 0) & (chance <= 1))):
        raise RuntimeError("bernoulli expects every p to be in [0, 1]")
    wide = dtypes.float64 if p.dtype is dtypes.float64 else dtypes.float32
    u = sample(lambda n, dt, dense: g.uniform(n, dt), shape, wide, strides)
    return xp.astype(on.backend.from_host(u, on.index) < chance, on.raw_dtype(dt))


def _expanded(p: Tensor, shape: Sequence[int]) -> Any:
    extra = len(shape) - len(p.shape)
    fits = zip(p.shape, shape[extra:], strict=True) if extra >= 0 else [(0, 1)]
    if any(have not in (1, want) for have, want in fits):
        raise RuntimeError(
            "The expanded size of the tensor must match the existing size. "
            f"Target sizes: {shape_text(shape)}.  Tensor sizes: {shape_text(p.shape)}"
        )
    return p._device.xp.broadcast_to(p._data, tuple(shape))


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn with the weights in the input, or in each of its rows.

    Without replacement, and for one sample, these are the indices of the largest ``weight / e``
    with exponentially distributed e; with replacement, each is the first index at which the
    cumulative weight reaches a uniform number.

    Args:
        input: weights, not negative, of shape (categories,) or (rows, categories).
        num_samples: how many indices to draw from each row.
        replacement: whether an index may be drawn more than once.
        generator: the stream to draw from; the default one if None.
        out: an int64 tensor to write to.

    Shape:
        Output: (num_samples,) or (rows, num_samples).

    Raises:
        RuntimeError: the weights are no distribution, or `num_samples` is not possible.
    """
    need_tensor(input, "multinomial")
    num_samples = _count(input, num_samples, replacement, out)
    on, xp, g = input._device, input._device.xp, stream_of(generator)
    w, shape = input._data, (*input._data.shape[:-1], num_samples)
    w = w if w.ndim == 2 else xp.expand_dims(w, axis=0)
    if math.prod(w.shape):
        _check_weights(xp, w)
    if not replacement or num_samples == 1:
        e = sample(lambda n, dt, dense: g.exponential(n, dt), w.shape, input.dtype, xp.strides(w))
        score = w / on.backend.from_host(e, on.index)
        if num_samples == 1 and w.shape[0]:
            index = xp.argmax(score, axis=1, keepdims=True)
        else:
            index = xp.argsort(-score, axis=1, stable=True)[:, :num_samples]
    else:
        u = on.backend.from_host(g.uniform(w.shape[0] * num_samples, "float64"), on.index)
        index = _inverse(on, w, xp.reshape(u, (-1, num_samples)))
    index = xp.astype(index, on.raw_dtype(dtypes.int64))
    return store_out(graph.wrap(xp.reshape(index, shape), on), out, "multinomial")


def _count(input: Tensor, num_samples: Any, replacement: bool, out: Tensor | None) -> int:
    if not hasattr(num_samples, "__index__"):
        raise TypeError(
            "multinomial(): argument 'num_samples' (position 2) must be int, "
            f"not {type(num_samples).__name__}"
        )
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {type_name(out.dtype)}")
    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: "
            f"{type_name(input.dtype)}"
        )
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > input._data.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    if input._data.shape[-1] > 2**24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    return num_samples.__index__()


def _check_weights(xp: Any, w: Any) -> None:
    if not bool(xp.all(xp.isfinite(w) & (w >= 0))):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not bool(xp.all(xp.any(w > 0, axis=1))):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


def _inverse(on: Any, w: Any, u: Any) -> Any:
    """For each row, the first index at which the cumulative weight reaches each of `u`."""
    xp, double = on.xp, on.raw_dtype(dtypes.float64)
    if w.dtype != double:
        w = xp.astype(w, on.raw_dtype(dtypes.float32))
    total = xp.cumulative_sum(w, axis=1)
    total = xp.astype(total / total[:, -1:], double)
    rows = [xp.searchsorted(total[i, :-1], u[i, ...]) for i in range(total.shape[0])]
    return xp.stack(rows) if rows else xp.astype(u, on.raw_dtype(dtypes.int64))


# ---- in place


def uniform_(
    input: Tensor, *bounds: float, generator: Generator | None = None, **kwargs: float
) -> Tensor:
    """``uniform_(from=0, to=1)``: fill with numbers uniformly distributed over [from, to)."""
    low, high = _from_to("uniform_", bounds, kwargs, (0.0, 1.0))
    return fill(input, uniform_sampler(float(low), float(high), generator))


def _from_to(
    function: str, bounds: tuple[Any, ...], named: dict[str, Any], default: tuple[Any, Any]
) -> tuple[Any, Any]:
    if len(bounds) + len(named) > 2 or set(named) - {"from", "to"}:
        raise TypeError(f"{function}() received an invalid combination of arguments")
    names = [name for name in ("from", "to") if name not in named]
    given = named | dict(zip(names, bounds, strict=False))
    return given.get("from", default[0]), given.get("to", default[1])


def normal_(
    input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with normally distributed numbers."""
    return fill(input, normal_sampler(float(mean), float(std), generator))


def random_(
    input: Tensor, *bounds: Any, generator: Generator | None = None, **kwargs: Any
) -> Tensor:
    """``random_(from=0, to=None)``: fill with integers from `from` to `to` - 1.

    A single bound is `to`. Without bounds: all integers from 0 that the dtype holds exactly.
    """
    low, high = _from_to("random_", bounds, kwargs, (0, None))
    if not bounds and not kwargs:
        g = stream_of(generator)
        if input.dtype.is_complex:
            raise refused("random_kernel_cpu", input.dtype)
        return fill(input, lambda n, dt, dense: g.random(n, dt))
    if len(bounds) == 1 and not kwargs:
        low, high = 0, low
        if high is None:
            raise TypeError("random_() received an invalid combination of arguments")
    high = None if high is None else _integer("random_", high)
    sampler = integer_sampler(_integer("random_", low), high, generator)
    if input.dtype.is_complex:
        integer_bounds(0, 1, input.dtype)
    return fill(input, sampler)


def bernoulli_(input: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with ones, with probability `p` (a number or a broadcastable tensor), and zeros."""
    on, strides = input._device, writable_strides(input)
    value = ones_and_zeros(p, input._data.shape, input.dtype, on, strides, generator)
    return overwrite(input, value)


def exponential_(
    input: Tensor, lambd: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with exponentially distributed numbers: density lambd e^(-lambd x)."""
    g = stream_of(generator)
    if not lambd > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    numbers = continuous_sampler(
        "exponential_", RuntimeError, lambda n, dt: g.exponential(n, dt, lambd)
    )
    return fill(input, numbers)


def geometric_(input: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with the number of tries until the first success of probability `p`."""
    g = stream_of(generator)
    if not 0.0 < p < 1.0:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    dt = input.dtype
    if dt.category in (BOOL, COMPLEX) or dt.name in ("uint16", "uint32", "uint64"):
        raise refused("geometric_cpu", dt)
    return fill(input, lambda n, dt, dense: g.geometric(n, p, dt))


def cauchy_(
    input: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with Cauchy-distributed numbers."""
    g = stream_of(generator)
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    numbers = continuous_sampler(
        "cauchy_", RuntimeError, lambda n, dt: g.cauchy(n, dt, median, sigma)
    )
    return fill(input, numbers)


def log_normal_(
    input: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers whose logarithms are normally distributed."""
    g = stream_of(generator)
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    numbers = continuous_sampler(
        "log_normal_", NotImplementedError, lambda n, dt: g.log_normal(n, dt, mean, std)
    )
    return fill(input, numbers)


__all__ = [
    *("bernoulli", "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_"),
    *("multinomial", "normal", "normal_", "rand", "rand_like", "randint"),
    *("randint_like", "randn", "randn_like", "random_", "randperm", "uniform_"),
]
