"""Random numbers that equal PyTorch's on the CPU.

A `Generator` is a Mersenne Twister (MT19937) whose 32-bit outputs each distribution consumes in
the same order and number as PyTorch's CPU kernels, and transforms with the same roundings. All
draws are made on the host, whatever the tensor's device, so a seed gives the same numbers on every
backend. The methods here take a count and return flat NumPy arrays; the functions of the public
namespace (`rand`, `randn`, …) call them from sampling.py.

Source: Matsumoto & Nishimura 1998 (MT19937).
"""

from __future__ import annotations

import contextlib
import math
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from xptorch._core import device as devices
from xptorch._engine import graph
from xptorch.ops.random import rejection
from xptorch.ops.random.transforms import (
    BLOCK,
    Array,
    box_muller32,
    box_muller64,
    cast,
    f32,
    f64,
    fma64,
    libm,
)

DEFAULT_SEED = 67280421310721  # of a generator that nobody seeded
STATE = np.dtype(  # PyTorch's 5056 bytes; `left`: numbers before the next twist, plus one
    [
        *[("seed", "<u8"), ("left", "<i4"), ("seeded", "<i4"), ("next", "<u8")],
        *[("key", "<u8", 624), ("normal", "<f8", 3), ("has_normal", "<i8")],
        *[("float_normal", "<f4"), ("has_float_normal", "<i4")],
    ]
)


class Generator:
    """A stream of random numbers, with its seed and state.

    Args:
        device: the device of the tensors that it is for. The draws themselves are always made
            on the host, so generators of different devices yield the same numbers.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> g.initial_seed()
        0
    """

    def __init__(self, device: Any = "cpu") -> None:
        self._device = device if device == "cpu" else devices.resolve(device)
        self._bits = np.random.MT19937(0)
        self._legacy = np.random.RandomState(self._bits)  # draws from the same stream
        self._seed_stream(DEFAULT_SEED)

    # ---- seed and state

    @property
    def device(self) -> devices.device:
        """The device of the tensors that this generator is for."""
        return devices.resolve(self._device)

    def manual_seed(self, seed: int) -> Generator:
        """Restart the stream from `seed` and return the generator.

        Args:
            seed: an integer of at most 64 bits; negative ones are taken modulo 2⁶⁴. The
                stream depends on its lowest 32 bits only.

        Raises:
            RuntimeError: `seed` is not an integer.
            ValueError: `seed` is longer than 64 bits.
        """
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"Overflow when unpacking long long: the seed {seed} exceeds 64 bits")
        self._seed_stream(int(seed) % 2**64)
        return self

    def _seed_stream(self, seed: int) -> None:
        self._legacy.seed(seed % 2**32)
        self._seed, self._fresh = seed, True
        self._normal: float | None = None  # the unused second number of a Box-Muller pair
        self._float_normal = (0.0, 0)  # the same in single precision: stored, never used on the CPU

    def seed(self) -> int:
        """Seed the generator from the operating system's randomness and return the seed."""
        self._seed_stream(secrets.randbits(53))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the current stream began with."""
        return self._seed

    def get_state(self) -> Any:
        """The state as a uint8 tensor of 5056 elements, byte for byte in PyTorch's layout."""
        return _tensor_of(self.state_bytes())

    def set_state(self, new_state: Any) -> Generator:
        """Load a state that `get_state` returned, here or in PyTorch.

        Raises:
            TypeError: `new_state` is not a uint8 tensor.
            RuntimeError: it does not have 5056 elements, or they are no valid state.
        """
        if not isinstance(new_state, graph.setup.tensor):
            got = type(new_state).__name__
            raise TypeError(f"expected a torch.ByteTensor, but got {got}")
        if new_state.dtype.name != "uint8":
            raise TypeError("RNG state must be a torch.ByteTensor")
        host = new_state._device.backend.to_host(new_state._data)
        self.load_state_bytes(np.ascontiguousarray(host).tobytes())
        return self

    def state_bytes(self) -> bytes:
        """The state as bytes, in PyTorch's layout."""
        inner: Any = self._bits.state["state"]
        state = np.zeros((), STATE)
        position = 0 if self._fresh else inner["pos"]
        state["seed"], state["seeded"], state["key"] = self._seed, 1, inner["key"]
        state["next"], state["left"] = position, 1 if self._fresh else 625 - position
        if self._normal is not None:
            state["normal"][1], state["has_normal"] = self._normal, 1
        state["float_normal"], state["has_float_normal"] = self._float_normal
        return state.tobytes()

    def load_state_bytes(self, data: bytes) -> None:
        """Load a state from `state_bytes` or from PyTorch."""
        if len(data) != STATE.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE.itemsize} "
                f"but found the input RNG state size to be {len(data)}"
            )
        state = np.frombuffer(data, STATE)[0]
        left, position = int(state["left"]), int(state["next"])
        if state["seeded"] != 1 or not 0 < left <= 624 or position > 624:
            raise RuntimeError("Invalid mt19937 state")
        inner: Any = {"key": state["key"].astype(np.uint32), "pos": 624 if left == 1 else position}
        self._bits.state = {"bit_generator": "MT19937", "state": inner}
        self._seed, self._fresh = int(state["seed"]), left == 1 and position == 0
        self._normal = float(state["normal"][1]) if state["has_normal"] else None
        self._float_normal = (float(state["float_normal"]), int(state["has_float_normal"]))

    graphsafe_get_state = get_state
    graphsafe_set_state = set_state

    def clone_state(self) -> Generator:
        """A new generator in the same state."""
        twin = Generator(self._device)
        twin.load_state_bytes(self.state_bytes())
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return Generator, (str(self._device),), self.state_bytes()

    def __setstate__(self, state: bytes) -> None:
        self.load_state_bytes(state)

    # ---- the raw stream

    def _draw32(self, n: int) -> Array:
        if n:
            self._fresh = False
        return self._bits.random_raw(n)

    def _draw64(self, n: int) -> Array:
        if n < 1024:
            raw = self._draw32(2 * n)
            return raw[0::2] << np.uint64(32) | raw[1::2]
        self._fresh = False  # the same two draws per number, in one call
        return self._legacy.randint(0, 2**64, n, np.uint64)

    def _uniform32(self, n: int) -> Array:
        """Multiples of 2⁻²⁴ in [0, 1), in single precision: one draw per number."""
        bits = self._draw32(n).astype(np.uint32)
        bits &= np.uint32(2**24 - 1)
        return bits.astype(f32) * f32(2.0**-24)

    def _uniform64(self, n: int) -> Array:
        """Multiples of 2⁻⁵³ in [0, 1), in double precision: two draws per number."""
        return (self._draw64(n) & np.uint64(2**53 - 1)) * 2.0**-53

    @contextlib.contextmanager
    def _uniforms(self) -> Iterator[Callable[[], float]]:
        """A function that returns the numbers of `_uniform64` one by one, for loops in Python."""
        used, before, fresh = 0, self._bits.state, self._fresh

        def feed() -> Iterator[float]:
            nonlocal used, before
            while True:
                before, used = self._bits.state, 0
                for value in self._uniform64(1024).tolist():
                    used += 1
                    yield value

        yield feed().__next__
        self._bits.state = before
        self._fresh = fresh and used == 0
        self._draw32(2 * used)

    # ---- distributions

    def uniform(self, n: int, dtype: Any = "float32", low: float = 0.0, high: float = 1.0) -> Array:
        """`n` numbers uniformly distributed over [low, high)."""
        name = dtype_name(dtype)
        x = self._uniform64(n) if name == "float64" else self._uniform32(n)
        if (low, high) != (0.0, 1.0):
            if name == "float64":
                x = fma64(x, high - low, low)
            else:
                a, b = f32(low), f32(high)
                x = (x * f64(b - a) + f64(a)).astype(f32)
        elif name not in ("float16", "bfloat16"):
            return x
        x = cast(x, name)
        top, bottom = cast(np.array([high, low]), name)
        hit = x == top  # rounded up to the excluded bound
        if hit.any():
            x[hit] = bottom
        return x

    def normal(
        self,
        n: int,
        dtype: Any = "float32",
        mean: float = 0.0,
        std: float = 1.0,
        contiguous: bool = True,
    ) -> Array:
        """`n` normally distributed numbers.

        Contiguous tensors of 16 elements or more are filled in blocks of 8 pairs, others pair by
        pair in double precision; an unused second number is saved for the next call.
        """
        name = dtype_name(dtype)
        if n < 16 or not contiguous:
            x = self._normal_pairs(n, exact=name == "float64" or n < 16)
            return cast(x if (mean, std) == (0.0, 1.0) else fma64(x, std, mean), name)
        fill, transform = (
            (self._uniform64, box_muller64)
            if name == "float64"
            else (self._uniform32, box_muller32)
        )
        whole = n // 16 * 16
        u = fill(whole if name in ("float16", "bfloat16") else n)
        x = np.empty(n, u.dtype)
        x[:whole] = transform(u[:whole], mean, std)
        if n % 16:
            x[-16:] = transform(fill(16), mean, std)
        return cast(x, name)

    def _normal_pairs(self, n: int, exact: bool) -> Array:
        left = [] if self._normal is None or n == 0 else [self._normal]
        pairs = (n - len(left) + 1) // 2
        u = self._uniform64(2 * pairs)
        radius = np.sqrt(-2.0 * libm(math.log1p, -u[1::2], exact))
        angle = 2.0 * math.pi * u[0::2]
        x = np.empty(2 * pairs)
        x[0::2] = radius * libm(math.cos, angle, exact)
        x[1::2] = radius * libm(math.sin, angle, exact)
        if 2 * pairs + len(left) > n:
            last = math.sqrt(-2.0 * math.log1p(-u[-1])) * math.sin(angle[-1])
            self._normal = x[-1] = last
        elif n:
            self._normal = None
        return np.concatenate([left, x])[:n]

    def log_normal(
        self, n: int, dtype: Any = "float32", mean: float = 1.0, std: float = 2.0
    ) -> Array:
        """`n` numbers whose logarithms are normally distributed."""
        name = dtype_name(dtype)
        exact = name == "float64"
        x = self._normal_pairs(n, exact)
        return cast(libm(math.exp, fma64(x, std, mean), exact), name)

    def exponential(self, n: int, dtype: Any = "float32", lambd: float = 1.0) -> Array:
        """`n` exponentially distributed numbers: -log(1 - u) / lambd."""
        name = dtype_name(dtype)
        return cast(-1.0 / lambd * libm(math.log1p, -self._uniform64(n), name == "float64"), name)

    def cauchy(
        self, n: int, dtype: Any = "float32", median: float = 0.0, sigma: float = 1.0
    ) -> Array:
        """`n` Cauchy-distributed numbers: median + sigma tan(π (u - 1/2))."""
        name = dtype_name(dtype)
        angle = math.pi * (self._uniform64(n) - 0.5)
        return cast(fma64(libm(math.tan, angle, name == "float64"), sigma, median), name)

    def geometric(self, n: int, p: float, dtype: Any = "float32") -> Array:
        """`n` counts of tries until the first success: ⌈log u / log(1 - p)⌉."""
        name = dtype_name(dtype)
        u = self._uniform64(n)
        with np.errstate(divide="ignore"):
            tries = np.ceil(np.log(u) / math.log1p(-p))
        return cast(tries, name)

    def bernoulli(self, n: int, p: float) -> Array:
        """`n` bools, each true with the probability `p`."""
        limit = np.uint64(math.ceil(p * 2**53))
        hit = np.empty(n, np.bool_)
        for start in range(0, n, BLOCK):
            part = hit[start : start + BLOCK]
            np.less(self._draw64(len(part)) & np.uint64(2**53 - 1), limit, out=part)
        return hit

    def random(self, n: int, dtype: Any = "int64") -> Array:
        """`n` integers from 0 up to the last of the consecutive ones that `dtype` represents."""
        name = dtype_name(dtype)
        if name not in _RANGES:
            raise NotImplementedError(f'"random_kernel_cpu" not implemented for {name!r}')
        raw = self._draw64(n) if name in ("int64", "float64") else self._draw32(n)
        return cast((raw % np.uint64(_RANGES[name])).astype(np.int64), name)

    def randint(self, n: int, low: int, high: int, dtype: Any = "int64") -> Array:
        """`n` integers from `low` to `high - 1`; from -2⁶³ to 2⁶³ - 1 where `high` is 2⁶³."""
        span = high - low
        raw = self._draw64(n) if span >= 2**28 else self._draw32(n)
        if span < 2**64:
            raw = raw % np.uint64(span) + np.uint64(low % 2**64)
        return cast(raw.view(np.int64), dtype_name(dtype))

    def randperm(self, n: int) -> Array:
        """The numbers 0 to n - 1 in random order, as int64 (Fisher-Yates)."""
        count = max(n - 1, 0)
        raw = self._draw32(count) if n < (2**32 - 1) // 20 else self._draw64(count)
        step = np.arange(count, dtype=np.uint64)
        order = list(range(n))
        for i, j in enumerate((raw % (np.uint64(n) - step) + step).tolist()):
            order[i], order[j] = order[j], order[i]
        return np.array(order, np.int64)

    def poisson(self, rates: Array) -> Array:
        """A Poisson-distributed count for each element of the array `rates`, flat, as float64."""
        with self._uniforms() as draw:
            counts = [
                rejection.poisson(rate, draw) for rate in np.asarray(rates, f64).ravel().tolist()
            ]
        return np.array(counts, f64)

    def binomial(self, counts: Array, shares: Array) -> Array:
        """Binomially distributed counts for two arrays of the same shape, flat, as float64."""
        pairs = zip(counts.ravel(), shares.ravel(), strict=True)
        with self._uniforms() as draw:
            return np.array([rejection.binomial(n, p, draw) for n, p in pairs], f64)

    def standard_gamma(self, shapes: Array) -> Array:
        """A gamma-distributed number of scale 1 for each element of `shapes`, flat, as float64."""
        with self._uniforms() as draw:
            normal = partial(self._one_normal, draw)
            return np.array([rejection.gamma(s, draw, normal) for s in shapes.ravel()], f64)

    def _one_normal(self, draw: Callable[[], float]) -> float:
        """The next of the numbers that `_normal_pairs` returns."""
        kept, self._normal = self._normal, None
        if kept is not None:
            return kept
        angle = 2.0 * math.pi * draw()
        radius = math.sqrt(-2.0 * math.log1p(-draw()))
        self._normal = radius * math.sin(angle)
        return radius * math.cos(angle)


_RANGES = {
    **{"bool": 2, "uint8": 2**8, "int8": 2**7, "int16": 2**15, "int32": 2**31, "int64": 2**63},
    **{"float16": 2**11 + 1, "bfloat16": 2**8 + 1, "float32": 2**24 + 1, "float64": 2**53 + 1},
}


def dtype_name(dtype: Any) -> str:
    """The name of a dtype given as a name, as NumPy's or as this library's."""
    if isinstance(dtype, str):
        return dtype
    return str(getattr(dtype, "name", None) or np.dtype(dtype).name)


default_generator = Generator()


def _tensor_of(data: bytes) -> Any:
    cpu = devices.resolve("cpu")
    array = np.frombuffer(data, np.uint8)
    return graph.wrap(cpu.backend.from_host(array, cpu.index), cpu)
