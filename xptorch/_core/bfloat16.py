"""bfloat16 on NumPy, through the package ml_dtypes: 16-bit floats with float32's range.

As in PyTorch, an op on bfloat16 computes in float32 and rounds its result once. Programs without
bfloat16 have no overhead: only the first such tensor wraps `local.mode.run`, through which the
engine calls all array code, in a function that casts to float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xptorch._core import dtype as dtypes
from xptorch._core.mode import local, ops_by_forward
from xptorch._core.registry import BackendError

_raw: Any = None  # NumPy's dtype, once ml_dtypes is loaded
_NATIVE = ("astype", "to_complex")  # their arguments specify the result's dtype


def activate(on: Any) -> Any:
    """Register bfloat16 with a device; returns its dtype in the array library.

    Raises:
        BackendError: ml_dtypes is not installed.
        NotImplementedError: the device's library is not NumPy.
    """
    global _raw
    if on.backend.name != "numpy":
        raise NotImplementedError(f"bfloat16 is not supported on the device {on}, only on cpu")
    if _raw is None:
        try:
            import ml_dtypes
        except ImportError:
            raise BackendError(
                "bfloat16 needs the package ml_dtypes: pip install ml_dtypes"
            ) from None
        _raw = on.xp.empty((0,), dtype=ml_dtypes.bfloat16).dtype
    if _raw not in on.dtype_of:
        on.dtype_of[_raw] = dtypes.bfloat16
        on.floating |= {_raw}
    if getattr(local.mode.run, "wide", False) is False:
        local.mode.run = _wide(local.mode.run)
    return _raw


def _wide(narrow: Callable[..., Any]) -> Callable[..., Any]:
    """A `local.mode.run` that computes ops on bfloat16 in float32."""

    def run(function: Any, *args: Any, **static: Any) -> Any:
        node = getattr(function, "__self__", None)
        if hasattr(node, "op"):  # the backward function of a node
            return _backward(narrow, function, node, *args)
        op = _op_of(function)
        if op is None or op.view or op.name in _NATIVE or not any(map(_is_bfloat16, args[1:])):
            return narrow(function, *args, **static)
        xp, *arrays = args
        first = next(x for x in arrays if getattr(x, "dtype", None) in _FLOATS)
        wider = {k: xp.float32 if _is_dtype(v) else v for k, v in static.items()}
        y = narrow(function, xp, *[_widened(xp, x) for x in arrays], **wider)
        if not _is_bfloat16(first):
            return y
        return (_rounded(xp, y[0]), y[1]) if op.aux else _rounded(xp, y)

    run.wide = True  # type: ignore[attr-defined]
    return run


def _op_of(function: Any) -> Any:
    """The op whose forward this is, or None."""
    try:
        return ops_by_forward.get(function)
    except TypeError:  # not hashable
        return None


def _backward(narrow: Any, step: Any, node: Any, xp: Any, g: Any, saved: dict[str, Any]) -> Any:
    """The gradients of a node, in bfloat16 where its inputs are bfloat16."""
    given = g if isinstance(g, tuple) else (g,)
    coming = any(map(_is_bfloat16, given))
    if node.op.name in _NATIVE or not (coming or any(map(_is_bfloat16, saved.values()))):
        return narrow(step, xp, g, saved)
    wide = tuple([_widened(xp, x) for x in given])
    kept = {k: xp.float32 if _is_dtype(v) else _widened(xp, v) for k, v in saved.items()}
    grads = narrow(step, xp, wide if isinstance(g, tuple) else wide[0], kept)
    found = []
    for edge, x in zip(node.edges, grads, strict=True):
        data = getattr(edge, "_data", None)
        found.append(_rounded(xp, x) if (coming if data is None else _is_bfloat16(data)) else x)
    return found


class _Floats:
    """The dtypes of floating-point arrays on NumPy."""

    def __contains__(self, dtype: Any) -> bool:
        return dtype.__class__ is _raw.__class__ or getattr(dtype, "kind", "") == "f"


_FLOATS = _Floats()


def _is_bfloat16(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(map(_is_bfloat16, x))
    # By class: other libraries' dtypes cannot always be compared with NumPy's.
    return getattr(x, "dtype", None).__class__ is _raw.__class__ and hasattr(x, "shape")


def _is_dtype(x: Any) -> bool:
    """Whether a static argument is the dtype bfloat16 itself."""
    return x.__class__ is _raw.__class__


def _widened(xp: Any, x: Any) -> Any:
    if not _is_bfloat16(x):
        return x
    if isinstance(x, (list, tuple)):
        return type(x)([_widened(xp, part) for part in x])
    return x.astype(xp.float32)


def _rounded(xp: Any, y: Any) -> Any:
    if isinstance(y, (list, tuple)):
        return tuple([_rounded(xp, part) for part in y])
    return xp.asarray(y).astype(_raw) if getattr(y, "dtype", None) == xp.float32 else y
