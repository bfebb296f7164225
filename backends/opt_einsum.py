"""opt_einsum, which would optimise the contraction order of einsum: it is not used."""

from __future__ import annotations

enabled = False
strategy: str | None = None


def is_available() -> bool:
    """False: it is not used."""
    return False
