"""Shared by the public functions of all op families: argument checks, promotion, out=, in-place."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import BOOL as BOOL
from xptorch._core.dtype import COMPLEX as COMPLEX
from xptorch._core.dtype import FLOAT as FLOAT
from xptorch._core.dtype import INTEGER as INTEGER
from xptorch._core.dtype import can_cast as can_cast
from xptorch._core.dtype import dtype
from xptorch._core.mode import local
from xptorch._engine import graph
from xptorch._engine import inplace as _inplace
from xptorch._engine import op as _engine
from xptorch._engine.graph import broadcast as broadcast
from xptorch._engine.op import op

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])
Number = bool | int | float | complex
Dim = int | Sequence[int] | None


def is_tensor(obj: object) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, graph.setup.tensor)


def need_tensor(obj: Any, function: str, name: str = "input", position: int = 1) -> None:
    """Raise PyTorch's TypeError if `obj` is not a Tensor."""
    if not isinstance(obj, graph.setup.tensor):
        raise TypeError(
            f"{function}(): argument '{name}' (position {position}) must be Tensor, "
            f"not {type(obj).__name__}"
        )


def shape_text(shape: Iterable[int]) -> str:
    """A shape formatted as in PyTorch's messages."""
    return "[" + ", ".join(map(str, shape)) + "]"


def refuse(kernel: str, t: Tensor, *categories: int) -> None:
    """Raise PyTorch's error for a function that does not take dtypes of these categories."""
    refuse_dtype(kernel, t.dtype, *categories)


def refuse_dtype(kernel: str, dt: dtype, *categories: int) -> None:
    """`refuse` for a dtype."""
    if dt.category in categories:
        raise NotImplementedError(f'"{kernel}" not implemented for {type_name(dt)!r}')


def extremes(xp: Any, raw: Any) -> tuple[int, int]:
    """The minimum and maximum of a non-empty array of integers.

    Found by argmin and argmax, which take NumPy a quarter of the time of min and max.
    """
    flat = xp.reshape(raw, (-1,))
    return int(flat[xp.argmin(flat)]), int(flat[xp.argmax(flat)])


# ---- dims


def wrap_dim(dim: Any, ndim: int) -> int:
    """A possibly negative dim as an axis.

    Raises:
        IndexError: it is out of range.
    """
    try:
        d = dim.__index__()
    except AttributeError:
        raise TypeError(f"argument 'dim' must be int, not {type(dim).__name__}") from None
    limit = ndim or 1
    if not -limit <= d < limit:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], "
            f"but got {d})"
        )
    return d + limit if d < 0 else d


def wrap_dims(dim: Dim, ndim: int) -> tuple[int, ...]:
    """The axes given by `dim`, in its order; all axes for None."""
    if dim is None:
        return tuple(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    axes = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(axes)) < len(axes):
        repeated = next(a for a in axes if axes.count(a) > 1)
        raise RuntimeError(f"dim {repeated} appears multiple times in the list of dims")
    return axes if ndim else ()


def as_shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    """A shape given as ``(2, 3)`` or as ``((2, 3),)``."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    try:
        return tuple([s.__index__() for s in size])
    except (AttributeError, TypeError):
        bad = next(s for s in size if not hasattr(s, "__index__"))
        raise TypeError(
            f"a size must be a tuple of ints, but found element of type {type(bad).__name__}"
        ) from None


def sizes_of(
    sizes: tuple[Any, ...], named: dict[str, Any], name: str, function: str
) -> tuple[int, ...]:
    """The sizes of a call ``f(2, 3)``, ``f((2, 3))`` or ``f(name=(2, 3))``."""
    if named:
        if sizes or set(named) != {name}:
            unknown = next(iter(named))
            raise TypeError(f"{function}() got an unexpected keyword argument {unknown!r}")
        sizes = (named[name],)
    return as_shape(sizes)


_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def numpy_names(function: F) -> F:
    """Let a function accept NumPy's parameter names (axis, keepdims) as well, as PyTorch's do."""

    @functools.wraps(function)
    def renamed(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not _NUMPY_NAMES.keys().isdisjoint(kwargs):
            for theirs in _NUMPY_NAMES.keys() & kwargs.keys():
                kwargs.setdefault(_NUMPY_NAMES[theirs], kwargs.pop(theirs))
        return function(*args, **kwargs)

    return renamed  # type: ignore[return-value]


def at_axis(axis: int, part: Any) -> tuple[Any, ...]:
    """The key for an index or slice along one axis."""
    return (*(slice(None),) * axis, part, Ellipsis)


# ---- dtypes


def _cast_back(xp: Any, g: Any, a_dtype: Any) -> Any:
    return xp.astype(g, dtype=a_dtype)


cast = op("astype", lambda xp, a, *, dtype: xp.astype(a, dtype), a=_cast_back)
_to_complex = op(
    "to_complex",
    lambda xp, a, *, dtype: xp.astype(a, dtype),
    conjugates=True,
    a=lambda xp, g, a_dtype: xp.astype(xp.real(g), a_dtype),
)


def to_dtype(t: Tensor, dt: dtype) -> Tensor:
    """`t` converted to that dtype; `t` itself if it already has it."""
    on = t._device
    raw = on.raw_dtype(dt)
    if t._data.dtype == raw:
        return t
    if t.dtype.is_complex:
        if not dt.is_complex:
            warnings.warn(
                "Casting complex values to real discards the imaginary part", stacklevel=2
            )
            return to_dtype(_engine.OPS["real"](t).clone(), dt)
    elif dt.is_complex:
        graph.setup.complex = graph.setup.complex or t._requires_grad
        return _to_complex(t, dtype=raw)
    if dt.category < FLOAT:
        return graph.wrap(on.xp.astype(t._data, raw), on)
    return cast(t, dtype=raw)


def floating(t: Tensor) -> Tensor:
    """`t`, converted to the default dtype if it holds integers or bools."""
    return t if t.dtype.category >= FLOAT else to_dtype(t, dtypes.get_default_dtype())


def result_type(*operands: Any) -> dtype:
    """PyTorch's promotion: tensors with dimensions first, then 0-d tensors, then Python numbers."""
    ranks: list[dtype | None] = [None, None, None]
    for x in operands:
        if isinstance(x, graph.setup.tensor):
            rank, dt = (0 if x._data.ndim else 1), x.dtype
        else:
            rank, dt = 2, dtypes.of_scalar(x)
        before = ranks[rank]
        ranks[rank] = dt if before is None else dtypes.promote_types(before, dt)
    return _combine(_combine(ranks[0], ranks[1]), ranks[2])  # type: ignore[return-value]


def _combine(high: dtype | None, low: dtype | None) -> dtype | None:
    if high is None or low is None:
        return high or low
    if high.category == COMPLEX:
        return high
    if high.category == FLOAT:
        return high.to_complex() if low.category == COMPLEX else high
    if high.category == BOOL or low.category >= FLOAT:
        return dtypes.promote_types(high, low)
    return high


def promote(
    a: Any, b: Any, least: int = BOOL, tensors: int = 0, function: str = ""
) -> tuple[Any, Any]:
    """Two operands in the dtype they promote to; numbers are converted to values of that dtype.

    Args:
        least: the lowest category of the result: FLOAT for true division and similar functions.
        tensors: how many of the two must be Tensors.
        function: the function's name, for error messages.
    """
    kind = b.__class__
    if kind is float or kind is int:
        on = getattr(a, "_device", None)
        if on is not None and tensors < 2:
            if a._data.dtype in on.floating:
                return a, float(b)
            dt = a.dtype
            if kind is int and dt.category == INTEGER >= least and _fits(b, dt):
                return a, b
    else:
        try:
            raw = a._data.dtype
            if (
                raw == b._data.dtype
                and a._device is b._device
                and (not least or raw in a._device.floating)
            ):
                return a, b
        except AttributeError:
            pass
    if tensors:
        need_tensor(a, function)
        if tensors == 2:
            need_tensor(b, function, "other", 2)
    Tensor = graph.setup.tensor
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a._device is not b._device:
        a, b = _same_device(a, b)
    dt = result_type(a, b)
    if dt.category < least:
        dt = dtypes.get_default_dtype()
    return _as_dtype(a, dt, b), _as_dtype(b, dt, a)


def _as_dtype(x: Any, dt: dtype, other: Any) -> Any:
    if isinstance(x, graph.setup.tensor):
        return to_dtype(x, dt)
    if not is_tensor(other):
        raise TypeError(f"expected a Tensor, got {type(x).__name__} and {type(other).__name__}")
    if dt.category == FLOAT:
        return float(x)
    if dt.category == COMPLEX:
        return complex(x)
    if dt.category == BOOL:
        return bool(x)
    return int(x) if _fits(int(x), dt) else wrapped(int(x), dt)


_C_NAMES = {
    **{"bool": "bool", "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int"},
    **{"int64": "int64_t", "float16": "at::Half", "float32": "float", "float64": "double"},
}


def fitting(value: Any, dt: dtype) -> Any:
    """A Python number as a tensor of that dtype stores it.

    Raises:
        RuntimeError: it is out of the dtype's range.
    """
    if dt.is_complex:
        return complex(value)
    if dt.category == BOOL:
        return bool(value)
    fits = not (isinstance(value, complex) and value.imag)
    value = value.real if isinstance(value, complex) else value
    if dt.category == FLOAT:
        limit = dtypes.finfo(dt).max
        fits = fits and not (limit < abs(value) < math.inf)
    else:
        fits = fits and math.isfinite(value)
        whole = int(value) if fits else 0
        fits = fits and (_fits(whole, dt) or (not dt.is_signed and _fits(-whole, dt)))
    if not fits:
        name = _C_NAMES.get(dt.name, dt.name)
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    return float(value) if dt.category == FLOAT else wrapped(int(value), dt)


def _fits(value: int, dt: dtype) -> bool:
    bits = dt.itemsize * 8
    return -(1 << bits - 1) <= value < 1 << bits - 1 if dt.is_signed else 0 <= value < 1 << bits


def wrapped(value: int, dt: dtype) -> int:
    """`value` wrapped around (modulo 2^bits) to the range of an integer dtype."""
    bits = dt.itemsize * 8
    value &= (1 << bits) - 1
    return value - (1 << bits) if dt.is_signed and value >> bits - 1 else value


def _same_device(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Move a 0-d CPU tensor to the other's device; any other pair of devices is an error."""
    if a._data.ndim == 0 and a._device.type == "cpu" and b._data.ndim > 0:
        return a.to(b._device), b
    if b._data.ndim == 0 and b._device.type == "cpu":
        return a, b.to(a._device)
    raise graph.different_devices(a._device, b._device)


def common_dtype(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors converted to the dtype that they promote to together."""
    first = tensors[0]._data.dtype if tensors else None
    if all([t._data.dtype == first for t in tensors]):
        return list(tensors)
    dt = result_type(*tensors)
    return [to_dtype(t, dt) for t in tensors]


class Returned(tuple[Any, ...]):
    """A tuple of named results, such as the (values, indices) of ``max(dim=0)``."""

    function: str
    names: tuple[str, ...]

    def __new__(cls, function: str, **results: Any) -> Returned:
        new = super().__new__(cls, results.values())
        new.function, new.names = function, tuple(results)
        return new

    def __getattr__(self, name: str) -> Any:
        if name in ("names", "function") or name not in self.names:
            raise AttributeError(name)
        return self[self.names.index(name)]

    def __reduce__(self) -> tuple[Any, ...]:
        return _returned, (self.function, dict(zip(self.names, self, strict=True)))

    def __repr__(self) -> str:
        parts = (f"{n}={v!r}" for n, v in zip(self.names, self, strict=True))
        return f"xptorch.return_types.{self.function}(\n" + ",\n".join(parts) + ")"


def _returned(function: str, results: dict[str, Any]) -> Returned:
    return Returned(function, **results)


# ---- out= and in-place forms


def returned(function: str, out: Any, **results: Tensor) -> Returned:
    """Named results as `Returned`, stored in the tensors of `out` if given."""
    if out is not None:
        pairs = zip(results.items(), out, strict=True)
        results = {name: store_out(t, target, function, True) for (name, t), target in pairs}
    return Returned(function, **results)


def store_out(result: Tensor, out: Tensor | None, function: str, exact: bool = False) -> Tensor:
    """The result, stored in `out` if given.

    Args:
        exact: `out` must have the result's dtype.
    """
    if out is None:
        return result
    if local.mode.enabled and (result._requires_grad or out._requires_grad):
        raise RuntimeError(
            f"{function}(): functions with out=... arguments don't support automatic "
            "differentiation, but one of the arguments requires grad."
        )
    if exact and out.dtype is not result.dtype:
        wanted, got = (_C_NAMES.get(t.dtype.name, t.dtype.name) for t in (result, out))
        raise RuntimeError(f"Expected out tensor to have dtype {wanted}, but got {got} instead")
    check_cast(result.dtype, out.dtype)
    if out._device is not result._device:
        raise graph.different_devices(out._device, result._device)
    check_single(out)
    if out.shape != result.shape:
        out.resize_(result.shape)
    return _inplace.write(out, to_dtype(result, out.dtype))


def check_single(target: Tensor) -> None:
    """Raise if elements of a tensor to write to share a memory location, as after `expand`."""
    shape, strides = target._data.shape, target._device.xp.strides(target._data)
    if 0 not in shape and any(n > 1 and not s for n, s in zip(shape, strides, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )


def check_apart(out: Tensor | None, input: Tensor) -> None:
    """Raise if `out` overlaps the input's memory, for functions that read after they write."""
    if out is not None and out.numel() and out._device.xp.shares_memory(out._data, input._data):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor "
            "refer to a single memory location. Please clone() the tensor before performing the "
            "operation."
        )


def write(target: Tensor, result: Tensor) -> Tensor:
    """`_inplace.write`, raising PyTorch's error if elements of the target share memory."""
    if target._base is not None:
        check_single(target)
    try:
        return _inplace.write(target, result)
    except ValueError:  # NumPy makes expanded arrays read-only
        check_single(target)
        raise


def check_cast(source: dtype, target: dtype) -> None:
    """Raise if values of one dtype may not be stored in a tensor of the other."""
    if not dtypes.can_cast(source, target):
        raise RuntimeError(
            f"result type {type_name(source)} can't be cast to the desired output type "
            f"{type_name(target)}"
        )


_TYPE_NAMES = {
    **{"bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int"},
    **{"int64": "Long", "float16": "Half", "float32": "Float", "float64": "Double"},
    **{"complex64": "ComplexFloat", "complex128": "ComplexDouble"},
    **{"uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64", "bfloat16": "BFloat16"},
}


def type_name(dt: dtype) -> str:
    """A dtype's name in PyTorch's messages and tensor types: Float, Long, …"""
    return _TYPE_NAMES[dt.name]


def inplace(function: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place method of an out-of-place function."""

    @functools.wraps(function)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        _inplace.check_writable(self)
        recorded = local.mode.enabled and any(
            getattr(x, "_requires_grad", False) for x in (self, *args, *kwargs.values())
        )
        result = function(unshared(self) if recorded else self, *args, **kwargs)
        return store(self, result)

    method.__name__ = method.__qualname__ = function.__name__ + "_"
    return method


def unshared(t: Tensor) -> Tensor:
    """A copy of `t` at its gradient edge: what an op saves of it survives overwriting `t`."""
    edge = graph.gradient_edge(t) if t._requires_grad else None
    return graph.tensor_at(t._device.xp.asarray(t._data, copy=True), t._device, edge)


def store(target: Tensor, result: Tensor) -> Tensor:
    """Write a result into `target`, after checking its dtype and shape."""
    if result.dtype is not target.dtype:
        check_cast(result.dtype, target.dtype)
        result = to_dtype(result, target.dtype)
    if result._data.shape != target._data.shape:
        raise RuntimeError(
            f"output with shape {shape_text(target.shape)} doesn't match the broadcast shape "
            f"{shape_text(result.shape)}"
        )
    return write(target, result)
