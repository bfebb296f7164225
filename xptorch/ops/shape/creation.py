"""New tensors: from data, filled with one value, ranges, and like another tensor."""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.device import resolve
from xptorch._core.dtype import dtype as Dtype
from xptorch._core.mode import local
from xptorch._engine import graph
from xptorch._engine.op import OPS
from xptorch._tensor import interop
from xptorch.ops._common import (
    as_shape,
    fitting,
    is_tensor,
    need_tensor,
    refuse_dtype,
    store_out,
    to_dtype,
    wrapped,
)
from xptorch.ops.shape.memory_order import axes_of, inverse, like_order, preserves_format

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "arange", "as_tensor", "asarray", "empty", "empty_like", "eye", "from_dlpack", "from_numpy",
    "frombuffer", "full", "full_like", "linspace", "logspace", "ones", "ones_like", "range",
    "scalar_tensor", "tensor", "zeros", "zeros_like",
]  # fmt: skip

_SHARED = {"layout", "pin_memory", "memory_format", "names"}


def options(kwargs: dict[str, Any], function: str) -> dict[str, Any]:
    """Check the keyword arguments that all creation functions share, and return them."""
    layout = kwargs.get("layout")
    if layout is not None and str(layout).rpartition(".")[2] != "strided":
        raise NotImplementedError(f"{function}: layout {layout} is not supported, only strided")
    if kwargs.get("names") is not None:
        raise NotImplementedError(f"{function}: named dimensions are not supported")
    unknown = set(kwargs) - _SHARED
    if unknown:
        raise TypeError(f"{function}() got an unexpected keyword argument {unknown.pop()!r}")
    return kwargs


def leaf(t: Tensor, requires_grad: bool) -> Tensor:
    """The new tensor, with `requires_grad` set if requested."""
    return t.requires_grad_() if requires_grad else t


# ---- from data


def tensor(
    data: Any,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor that holds a copy of `data`: a number, nested sequences, an array, a tensor."""
    if is_tensor(data):
        copy = data.detach().clone().to(device=device or data.device, dtype=dtype or data.dtype)
        return leaf(copy, requires_grad)
    return leaf(_from_host(data, dtype, device), requires_grad)


def _from_host(data: Any, dtype: Dtype | None, device: Any) -> Tensor:
    array, found = interop.host_array(data, dtype)
    on = resolve(device)
    on.raw_dtype(found)
    array = local.mode.run(array.astype, interop.as_host(found))
    return graph.wrap(on.backend.from_host(array, on.index), on)


def as_tensor(data: Any, dtype: Dtype | None = None, device: Any = None) -> Tensor:
    """`data` as a tensor, sharing its memory where dtype and device allow."""
    if is_tensor(data):
        return data.to(device=device or data.device, dtype=dtype or data.dtype)
    on = resolve(device)
    if hasattr(data, "__array_interface__") and on.type == "cpu" and data.flags.writeable:
        shared = from_numpy(data)
        return shared if dtype is None else to_dtype(shared, dtype)
    return _from_host(data, dtype, on)


def asarray(
    obj: Any,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`obj` as a tensor: always copied if `copy` is True, never if False, if needed for None.

    Raises:
        ValueError: a copy was needed but forbidden.
    """
    if copy:
        made = tensor(obj, dtype=dtype, device=device)
    else:
        made = as_tensor(obj, dtype, device)
        if copy is False and not _shares(made, obj):
            raise ValueError("can't alias arbitrary objects without a copy")
    if requires_grad and not made.requires_grad:
        made = made.detach() if made is obj else made
    return leaf(made, requires_grad)


def _shares(made: Tensor, obj: Any) -> bool:
    if is_tensor(obj):
        return made is obj
    memory = getattr(obj, "__array_interface__", None)
    return memory is not None and memory["data"][0] == made.data_ptr()


def frombuffer(
    buffer: Any, *, dtype: Dtype, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A CPU tensor that shares the memory of a Python buffer, such as a bytearray.

    Args:
        dtype: how to read the bytes.
        count: the number of elements; all of them if −1.
        offset: the number of bytes to skip.

    Raises:
        ValueError: the buffer is too short, or does not hold whole elements.
    """
    size, item = memoryview(buffer).nbytes, dtype.itemsize
    if not size or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({size} bytes) minus 1"
        )
    if count < 0 and (size - offset) % item:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a "
            f"multiple of element size ({item})"
        )
    if count > 0 and offset + count * item > size:
        raise ValueError(
            f"requested buffer length ({count} * {item} bytes) after offset ({offset} bytes) must "
            f"not be greater than actual buffer length ({size} bytes)"
        )
    shared = graph.wrap(interop.from_buffer(buffer, dtype, count, offset), resolve("cpu"))
    return leaf(shared, requires_grad)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor from an array of any library that supports DLPack, sharing memory if possible."""
    if is_tensor(ext_tensor):
        shared = ext_tensor.detach()
    else:
        on = resolve(device)
        if copy is False:
            raise NotImplementedError("from_dlpack: copy=False")
        shared = graph.wrap(on.xp.from_dlpack(ext_tensor), on)
        shared._memory_shared = True
    shared = shared if device is None else shared.to(device)
    return shared.clone() if copy else shared


def range(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """Values from start to end, end included, in steps: PyTorch's old form of `arange`."""
    options(kwargs, "range")
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior "
        "is inconsistent with Python's range builtin. Instead, use torch.arange, which produces "
        "values in [start, end).",
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    count = int((end - start) / step) + 1
    dtype = dtype or (out.dtype if out is not None else dtypes.get_default_dtype())
    if not dtype.is_floating_point:
        start, step = int(start), int(step)
    made = _stepped(start, step, count, dtype, resolve(device))
    return leaf(store_out(made, out, "range"), requires_grad)


def from_numpy(ndarray: Any) -> Tensor:
    """A CPU tensor that shares the NumPy array's memory.

    Raises:
        TypeError: not a NumPy array, or of an unsupported dtype.
        ValueError: an array with negative strides.
    """
    if not hasattr(ndarray, "__array_interface__") or not hasattr(ndarray, "strides"):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    interop.numpy_dtype(ndarray.dtype)
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().)"
        )
    shared = graph.wrap(ndarray, resolve("cpu"))
    shared._memory_shared = True
    return shared


def scalar_tensor(
    s: Any,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """A number as a 0-dimensional tensor, of the default dtype."""
    options(kwargs, "scalar_tensor")
    dtype = dtype or dtypes.get_default_dtype()
    return _filled(s, (), dtype, device, requires_grad, None, "scalar_tensor")


# ---- filled with one value


def _filled(
    value: Any,
    size: tuple[int, ...],
    dtype: Dtype,
    device: Any,
    requires_grad: bool,
    out: Tensor | None,
    function: str,
    order: Sequence[int] = (),
) -> Tensor:
    """A tensor filled with one value.

    Args:
        order: the axes in memory order, the outermost first; contiguous if empty.
    """
    if any(s < 0 for s in size):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(size)}: {list(size)}"
        )
    on = resolve(device if out is None or device is not None else out.device)
    try:
        raw = on.raw_dtype(dtype)
    except AttributeError:
        kind = type(dtype).__name__
        raise TypeError(f"{function}(): argument 'dtype' must be a dtype, not {kind}") from None
    if value != 0 and value != 1:
        value = fitting(value, dtype)
    permuted = list(order) != sorted(order)
    size = tuple([size[axis] for axis in order]) if permuted else size
    if value == 0 and not isinstance(value, complex):
        data = on.xp.zeros(size, dtype=raw, device=on.raw)
    else:
        data = on.xp.full(size, value, dtype=raw, device=on.raw)
    made = graph.wrap(data, on)
    if permuted:  # a view, which distinguishes this order from one that an op chose
        made = OPS["permute_dims"](made, axes=inverse(order))
    return leaf(store_out(made, out, function), requires_grad)


def zeros(
    *size: Any,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """A tensor of zeros of that shape."""
    return _constant(0, size, out, dtype, device, requires_grad, kwargs, "zeros")


def ones(
    *size: Any,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """A tensor of ones of that shape."""
    return _constant(1, size, out, dtype, device, requires_grad, kwargs, "ones")


def empty(
    *size: Any,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """A tensor of that shape with unspecified values (they are zeros here)."""
    return _constant(0, size, out, dtype, device, requires_grad, kwargs, "empty")


def _constant(
    value: int,
    size: tuple[Any, ...],
    out: Tensor | None,
    dtype: Dtype | None,
    device: Any,
    requires_grad: bool,
    kwargs: dict[str, Any],
    name: str,
) -> Tensor:
    if not size and "size" in kwargs:
        size = (kwargs.pop("size"),)
    elif not size:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    size = as_shape(size)
    options(kwargs, name)
    dtype = dtype or (out.dtype if out is not None else dtypes.get_default_dtype())
    kept = preserves_format(kwargs.get("memory_format"))
    order = () if kept else axes_of(kwargs["memory_format"], len(size))
    return _filled(value, size, dtype, device, requires_grad, out, name, order)


def full(
    size: Any,
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """A tensor of that shape, filled with one value; by default in the value's own dtype."""
    options(kwargs, "full")
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
    if is_tensor(fill_value):
        if fill_value.ndim:
            raise TypeError("full(): argument 'fill_value' (position 2) must be Number, not Tensor")
        dtype, fill_value = dtype or fill_value.dtype, fill_value.item()
    dtype = dtype or (out.dtype if out is not None else dtypes.of_scalar(fill_value))
    shape = as_shape(tuple(size) or ((),))
    return _filled(fill_value, shape, dtype, device, requires_grad, out, "full")


def zeros_like(input: Tensor, **kwargs: Any) -> Tensor:
    """Zeros of the input's shape, by default of its dtype and on its device."""
    return _like(input, 0, kwargs, "zeros_like")


def ones_like(input: Tensor, **kwargs: Any) -> Tensor:
    """Ones of the input's shape, by default of its dtype and on its device."""
    return _like(input, 1, kwargs, "ones_like")


def empty_like(input: Tensor, **kwargs: Any) -> Tensor:
    """A tensor of the input's shape with unspecified values."""
    return _like(input, 0, kwargs, "empty_like")


def full_like(input: Tensor, fill_value: Any, **kwargs: Any) -> Tensor:
    """One value in the input's shape, by default of its dtype and on its device."""
    value = fill_value.item() if is_tensor(fill_value) else fill_value
    return _like(input, value, kwargs, "full_like")


def _like(input: Tensor, value: Any, kwargs: dict[str, Any], name: str) -> Tensor:
    need_tensor(input, name)
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    requires_grad = kwargs.pop("requires_grad", False)
    options(kwargs, name)
    on = device if device is not None else input._device
    order = like_order(input, kwargs.get("memory_format"))
    size = input._data.shape
    return _filled(value, size, dtype or input.dtype, on, requires_grad, None, name, order)


# ---- ranges


def arange(
    *bounds: Any,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """Values from start (0) to end, end excluded, in steps of step (1).

    Raises:
        RuntimeError: step is 0 or has the wrong sign.
    """
    start, end, step = _bounds(bounds, kwargs)
    options(kwargs, "arange")
    if dtype is None:
        floats = any(isinstance(v, float) for v in (start, end, step))
        dtype = dtypes.get_default_dtype() if floats else dtypes.int64
        dtype = out.dtype if out is not None else dtype
    count, start, step = _progression(start, end, step, dtype)
    made = _stepped(start, step, count, dtype, resolve(device))
    return leaf(store_out(made, out, "arange"), requires_grad)


def _stepped(start: Any, step: Any, count: int, dtype: Dtype, on: Any) -> Tensor:
    """start + i·step, computed in float64 or int64 so that rounding errors do not accumulate."""
    wide = on.raw_dtype(dtypes.float64 if dtype.is_floating_point else dtypes.int64)
    steps = on.xp.arange(count, dtype=wide, device=on.raw)
    return graph.wrap(local.mode.run(on.xp.astype, start + steps * step, on.raw_dtype(dtype)), on)


def _progression(start: Any, end: Any, step: Any, dtype: Dtype) -> tuple[int, Any, Any]:
    """The number of values, the first, and the step, as numbers of the dtype's kind."""
    refuse_dtype("arange_cpu", dtype, dtypes.BOOL, dtypes.COMPLEX)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is dtypes.int64:
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ValueError("step must be nonzero")
        return -(-(end - start) // step), start, step
    count = math.ceil((end - start) / step)
    if not dtype.is_floating_point:
        start, step = int(start), int(step)
    return count, start, step


def _bounds(bounds: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
    values = [b.item() if is_tensor(b) else b for b in bounds]
    named: dict[str, Any] = {k: kwargs.pop(k) for k in ("start", "end", "step") if k in kwargs}
    if len(values) == 1 and "end" not in named:
        values = [0, *values]
    names = [n for n in ("start", "end", "step") if n not in named]
    named.update(zip(names, values, strict=False))
    if "end" not in named or any(isinstance(v, str) for v in named.values()):
        raise TypeError("arange() received an invalid combination of arguments")
    named = {n: v.item() if hasattr(v, "item") else v for n, v in named.items()}
    return named.get("start", 0), named["end"], named.get("step", 1)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """`steps` evenly spaced values from start to end, both included."""
    options(kwargs, "linspace")
    start, end = _ends(start, end, steps, "linspace")
    dtype = dtype or (out.dtype if out is not None else dtypes.get_default_dtype())
    refuse_dtype("linspace_cpu", dtype, dtypes.BOOL)
    on = resolve(device)
    data = on.xp.astype(_even(start, end, steps, dtype, on), on.raw_dtype(dtype))
    return leaf(store_out(graph.wrap(data, on), out, "linspace"), requires_grad)


def _ends(start: Any, end: Any, steps: Any, name: str) -> tuple[Any, Any]:
    """Both ends as Python numbers, after checking the arguments."""
    if isinstance(steps, bool) or not hasattr(steps, "__index__"):
        raise TypeError(f"{name}() received an invalid combination of arguments")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    for which, v in (("start", start), ("end", end)):
        if is_tensor(v) and v.ndim:
            raise RuntimeError(
                f"{name} only supports 0-dimensional start and end tensors, but got {which} with "
                f"{v.ndim} dimension(s)."
            )
    return tuple(v.item() if hasattr(v, "item") else v for v in (start, end))


def _even(start: Any, end: Any, steps: int, dtype: Dtype, on: Any) -> Any:
    """Evenly spaced values, computed from both ends and rounded as in PyTorch."""
    if dtype.is_complex:
        ends = [complex(x) for x in (start, end)]
        parts = ([e.real for e in ends], [e.imag for e in ends])
        re, im = (_even(a, b, steps, dtype.to_real(), on) for a, b in parts)
        return on.xp.astype(re, on.xp.complex128) + on.xp.astype(im, on.xp.complex128) * 1j
    if not dtype.is_floating_point:
        start, end = (wrapped(int(v), dtype) for v in (start, end))
    narrow = dtype if dtype.is_floating_point else dtypes.float64
    start, end = _rounded(start, narrow), _rounded(end, narrow)
    gap = _rounded((end - start) / max(steps - 1, 1), narrow)
    half = dtype is dtypes.float16  # for which the products are rounded, too
    raw = on.raw_dtype(dtype if half else dtypes.float64)
    index = on.xp.arange(steps, dtype=raw, device=on.raw)
    left = steps - 1 - index
    # The gap in two parts whose products are exact: each value is rounded once.
    high = 0.0 if half else _rounded(gap, dtypes.float32)
    low = gap - high
    return on.xp.where(
        index < max(steps // 2, 1),
        start + index * high + index * low,
        end - left * high - left * low,
    )


def _rounded(value: float, dtype: Dtype) -> float:
    """A number rounded to a floating-point dtype."""
    code = {2: "e", 4: "f", 8: "d"}[dtype.itemsize]
    try:
        return struct.unpack(code, struct.pack(code, value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """base raised to the values of `linspace`."""
    options(kwargs, "logspace")
    start, end = _ends(start, end, steps, "logspace")
    dtype = dtype or (out.dtype if out is not None else dtypes.get_default_dtype())
    refuse_dtype("logspace_cpu", dtype, dtypes.BOOL)
    on = resolve(device)
    wide = dtypes.complex128 if dtype.is_complex else dtypes.float64
    powers = on.xp.astype(_even(start, end, steps, dtype, on), on.raw_dtype(wide))
    data = local.mode.run(on.xp.astype, base**powers, on.raw_dtype(dtype))
    return leaf(store_out(graph.wrap(data, on), out, "logspace"), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """The n × m matrix with ones on its diagonal."""
    options(kwargs, "eye")
    for name, size in (("n", n), ("m", m)):
        if size is not None and size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    on = resolve(device)
    dtype = dtype or (out.dtype if out is not None else dtypes.get_default_dtype())
    raw = on.raw_dtype(dtype)
    data = on.xp.eye(n, n if m is None else m, dtype=raw, device=on.raw)
    return leaf(store_out(graph.wrap(data, on), out, "eye"), requires_grad)
