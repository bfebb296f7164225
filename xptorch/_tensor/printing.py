"""The repr of a tensor, identical to PyTorch's."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import COMPLEX, FLOAT

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed.

    Args:
        precision: digits after the decimal point.
        threshold: tensors of more elements are summarised.
        edgeitems: how many elements a summary shows at each end of an axis.
        linewidth: characters of a line.
        profile: "default", "short" or "full"; the other arguments change it.
        sci_mode: always or never use scientific notation; None: depending on the values.
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"profile must be one of {', '.join(_PROFILES)}, got {profile!r}")
        for f in fields(_Options):
            if f.name != "sci_mode":
                setattr(_options, f.name, getattr(_PROFILES[profile], f.name))
    given = {
        **{"precision": precision, "threshold": threshold, "edgeitems": edgeitems},
        "linewidth": linewidth,
    }
    for name, value in given.items():
        if value is not None:
            setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """How tensors are printed, as the arguments of `set_printoptions`."""
    return {f.name: getattr(_options, f.name) for f in fields(_Options)}


class printoptions:
    """`set_printoptions` for the length of a block."""

    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = kwargs

    def __enter__(self) -> None:
        self.before = get_printoptions()
        set_printoptions(**{"sci_mode": _options.sci_mode, **self.kwargs})

    def __exit__(self, *exc: object) -> None:
        set_printoptions(**self.before)


def tensor_text(t: Tensor, contents: str | None = None) -> str:
    """The result of `repr` for a tensor.

    Args:
        contents: replaces the numbers.
    """
    prefix = "tensor("
    suffixes = []
    if t._device.type != "cpu":
        suffixes.append(f"device='{t.device}'")
    dtype, usual = t.dtype, _usual_dtypes()
    if contents is None and t.numel() == 0:
        if t.dim() != 1:
            suffixes.append(f"size={tuple(t.shape)}")
        if dtype is not dtypes.get_default_dtype():
            suffixes.append(f"dtype={dtype}")
        contents = "[]"
    else:
        if dtype not in usual:
            suffixes.append(f"dtype={dtype}")
        if contents is None:
            contents = _numbers_text(t, len(prefix))
    # The property, which updates a view after changes of its base.
    if t.grad_fn is not None:
        suffixes.append(f"grad_fn=<{t.grad_fn.name()}>")
    elif t.requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + contents, suffixes, len(prefix))


def _usual_dtypes() -> tuple[dtypes.dtype, ...]:
    """The dtypes that are not printed."""
    default = dtypes.get_default_dtype()
    return default, default.to_complex(), dtypes.int64, dtypes.bool_


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """Text and suffixes, on new lines where they would not fit, and the closing parenthesis."""
    parts = [text]
    width = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if width + len(suffix) + 2 > _options.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            width = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            width += len(suffix) + 2
    return "".join(parts) + ")"


# ---- numbers


def _numbers_text(t: Tensor, indent: int) -> str:
    summarise = t.numel() > _options.threshold
    shown = _edges(t) if summarise else t._data
    values = t._device.backend.to_host(shown).tolist()
    flat = list(_flatten(values))
    formatter = _Complex(flat) if t.dtype.category == COMPLEX else _Numbers(flat, t.dtype)
    sizes = t._data.shape if summarise else None
    return _nested(values, tuple(shown.shape), sizes, formatter, indent)


def _edges(t: Tensor) -> Any:
    """The elements that a summary shows: only these are copied to the host."""
    x, n = t._data, _options.edgeitems
    for axis, size in enumerate(t._data.shape):
        if size > 2 * n:
            before = (slice(None),) * axis
            ends = [x[(*before, slice(0, n), ...)], x[(*before, slice(size - n, size), ...)]]
            x = t._device.xp.concat(ends, axis=axis)
    return x


def _flatten(values: Any) -> Any:
    if isinstance(values, list):
        for v in values:
            yield from _flatten(v)
    else:
        yield values


def _nested(values: Any, shape: Any, sizes: Any, formatter: Any, indent: int) -> str:
    """Nested lists as text; `sizes` is the whole tensor's shape where this is a summary of it."""
    if not shape:
        return formatter.format(values)
    cut = sizes is not None and sizes[0] > 2 * _options.edgeitems
    if len(shape) == 1:
        return _vector(values, cut, formatter, indent)
    inner_sizes = None if sizes is None else sizes[1:]
    rows = [_nested(v, shape[1:], inner_sizes, formatter, indent + 1) for v in values]
    if cut:
        rows.insert(_options.edgeitems, "...")
    joint = "," + "\n" * (len(shape) - 1) + " " * (indent + 1)
    return "[" + joint.join(rows) + "]"


def _vector(values: list[Any], cut: bool, formatter: Any, indent: int) -> str:
    texts = [formatter.format(v) for v in values]
    if cut:
        texts.insert(_options.edgeitems, " ...")
    per_line = max(1, (_options.linewidth - indent) // (formatter.width + 2))
    lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


class _Numbers:
    """Formats the numbers of one tensor, all with the same width and notation."""

    def __init__(self, values: list[Any], dtype: dtypes.dtype) -> None:
        self.floating = dtype.category == FLOAT
        self.scientific = False
        self.whole = True
        self.width = 1
        if self.floating:
            self._choose([v for v in values if v != 0 and math.isfinite(v)])
        else:
            self.width = max([len(str(v)) for v in values], default=1)

    def _choose(self, values: list[float]) -> None:
        """Choose the notation by the finite numbers other than 0."""
        if not values:
            return
        digits = _options.precision
        high, low = max(map(abs, values)), min(map(abs, values))
        self.whole = all(v == math.ceil(v) for v in values)
        self.scientific = high / low > 1000.0 or high > 1.0e8 or (not self.whole and low < 1.0e-4)
        if _options.sci_mode is not None:
            self.scientific = _options.sci_mode
        if self.scientific:
            widths = [len(f"{v:.{digits}e}") for v in values]
        elif self.whole:
            widths = [len(f"{v:.0f}") + 1 for v in values]
        else:
            widths = [len(f"{v:.{digits}f}") for v in values]
        self.width = max(1, *widths)

    def format(self, value: Any) -> str:
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = f"{value:{self.width}.{_options.precision}e}"
        elif self.whole:
            text = f"{value:.0f}" + "." * math.isfinite(value)
        else:
            text = f"{value:.{_options.precision}f}"
        return text.rjust(self.width)


class _Complex:
    """Formats complex numbers: the real and the imaginary parts have separate widths."""

    def __init__(self, values: list[complex]) -> None:
        self.real = _Numbers([v.real for v in values], dtypes.float64)
        self.imaginary = _Numbers([v.imag for v in values], dtypes.float64)
        self.width = self.real.width + self.imaginary.width + 1

    def format(self, value: complex) -> str:
        imaginary = self.imaginary.format(value.imag).lstrip() + "j"
        sign = "" if imaginary[0] in "+-" else "+"
        return self.real.format(value.real) + sign + imaginary
