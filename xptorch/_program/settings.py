"""Settings that PyTorch programs change: stored and returned, without effect on results.

Sums and products here are computed at full precision, in an order that does not change from run to
run, which satisfies every requested precision, and determinism.
"""

from __future__ import annotations

import warnings

__all__ = [
    *("are_deterministic_algorithms_enabled", "get_deterministic_debug_mode"),
    *("get_float32_matmul_precision", "is_deterministic_algorithms_warn_only_enabled"),
    *("set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal"),
    *("set_warn_always", "is_warn_always_enabled", "use_deterministic_algorithms"),
]


class _Settings:
    precision = "highest"
    deterministic = False
    warn_only = False
    warn_always = False


_set = _Settings()


def set_float32_matmul_precision(precision: str) -> None:
    """Allow matrix products of float32 to be less precise ("high", "medium"): they never are."""
    if precision not in ("highest", "high", "medium"):
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current"
            "setFloat32MatmulPrecision call has no effect.",
            stacklevel=2,
        )
        return
    _set.precision = precision


def get_float32_matmul_precision() -> str:
    """The setting of `set_float32_matmul_precision`."""
    return _set.precision


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Request results that are the same in every run: on the CPU they always are.

    Args:
        mode: whether an operation that has no such algorithm is to raise an error.
        warn_only: whether it is to warn instead.
    """
    if not isinstance(mode, bool):
        raise TypeError(
            "_set_deterministic_algorithms(): argument 'mode' (position 1) must be bool, "
            f"not {type(mode).__name__}"
        )
    _set.deterministic, _set.warn_only = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms` was requested."""
    return _set.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether only warnings were requested."""
    return _set.warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by number or word: 0 default, 1 warn, 2 error."""
    if not isinstance(debug_mode, int | str):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    words = ("default", "warn", "error")
    if isinstance(debug_mode, str) and debug_mode not in words:
        raise RuntimeError(
            "invalid value of debug_mode, expected one of `default`, `warn`, `error`, "
            f"but got {debug_mode}"
        )
    level = words.index(debug_mode) if isinstance(debug_mode, str) else debug_mode
    if level not in range(3):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {level}")
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0: not requested, 1: warn, 2: error."""
    return _set.deterministic * (1 if _set.warn_only else 2)


def set_flush_denormal(mode: bool) -> bool:
    """Request that denormal numbers count as zero; returns False if it cannot, as here."""
    return not mode


def set_warn_always(b: bool, /) -> None:
    """Store the setting; whether warnings are shown depends on Python's filters only."""
    _set.warn_always = bool(b)


def is_warn_always_enabled() -> bool:
    """The setting of `set_warn_always`."""
    return _set.warn_always
