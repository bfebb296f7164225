"""opt_einsum, which would choose the order of einsum's products: it is not used."""

from __future__ import annotations

enabled = False
strategy: str | None = None


def is_available() -> bool:
    """False: it is not used."""
    return False
