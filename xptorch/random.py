"""The default generator of random numbers: its seed and its state.

The generator itself is in ops/random/generator.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from xptorch.ops.random.generator import Generator as Generator
from xptorch.ops.random.generator import default_generator as default_generator


def manual_seed(seed: Any) -> Generator:
    """Seed the default generator with ``int(seed)`` and return it.

    Raises:
        ValueError: `seed` is longer than 64 bits.
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator from the operating system's randomness; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator's stream began with."""
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The default generator's state, a uint8 tensor of 5056 elements."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Set the default generator's state to one that `get_rng_state` returned."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: Any = None,
) -> Iterator[None]:
    """A context manager that restores the default generator's state at the end of the block.

    Args:
        devices: accepted as in PyTorch; there is one stream, on the host, so it changes nothing.
        enabled: False: restore nothing.
        device_type: like `devices`.
    """
    before = default_generator.state_bytes()
    try:
        yield
    finally:
        if enabled:
            default_generator.load_state_bytes(before)
