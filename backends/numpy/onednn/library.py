"""oneDNN through ctypes: https://oneapi-src.github.io/oneDNN/v3.2/ (oneapi/dnnl/dnnl.h).

A primitive is built once per shapes, memory layouts and number of threads, which costs
milliseconds; executing it costs microseconds. So primitives are cached for the next call.

libgomp's threads spin for some milliseconds while they wait for the next call. Shorter waits made
whole training steps no faster; OMP_WAIT_POLICY and GOMP_SPINCOUNT change it.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from ctypes import byref, c_char, c_float, c_int, c_int64, c_size_t, c_void_p
from functools import cache, lru_cache
from typing import Any

import numpy as np
from xptorch.backends import mkldnn
from xptorch.backends.numpy import parallel
from xptorch.backends.numpy.blas import matmul
from xptorch.backends.numpy.onednn.openmp import Team

from xptorch._core.backend import Array

_DISTRIBUTION = "onednn-cpu-gomp"
_F32, _ANY = 3, 1  # dnnl_data_type_t, dnnl_format_tag_t
_EXEC_ARG, _IMPLEMENTATION = 255, 8  # dnnl_query_t
_BINARY = {"add": 0x1FFF0, "mul": 0x1FFF1, "sub": 0x1FFF5}  # dnnl_alg_kind_t
_ELTWISE = {"sqrt": (0x25, 0, 0), "inverse": (0x30, 1, -1)}  # and alpha, beta
_POST_OP = 32768  # DNNL_ARG_ATTR_MULTIPLE_POST_OP_BASE

FORWARD, BACKWARD = 64, 128  # dnnl_prop_kind_t
SRC, DST, WEIGHTS, BIAS, MEAN, VARIANCE, SCALE, SHIFT = 1, 17, 33, 41, 49, 50, 51, 52
WORKSPACE, DIFF_SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_SCALE, DIFF_SHIFT = 64, 129, 145, 161, 255, 256

_HEAD = object.__basicsize__  # offset at which an ndarray stores its data pointer


class Unsupported(Exception):
    """The library has no fast implementation of it."""


# ---- the library


class _Library:
    """The loaded library, one engine and one stream."""

    def __init__(self, path: str) -> None:
        self.c = ctypes.CDLL(path)
        quick = ctypes.PyDLL(path)  # for calls too short to release the interpreter lock
        version = self.c.dnnl_version
        version.restype = ctypes.POINTER(c_int)
        if version()[0] != 3:
            raise OSError(f"{path} is oneDNN {version()[0]}, not 3")
        self.lock = threading.Lock()  # a primitive's arrays are set before it is executed
        self.c.dnnl_primitive_desc_query_md.restype = c_void_p
        self.c.dnnl_memory_desc_get_size.restype = c_size_t
        self.engine, self.stream = c_void_p(), c_void_p()
        check(self.c.dnnl_engine_create(byref(self.engine), c_int(1), c_size_t(0)))
        check(self.c.dnnl_stream_create(byref(self.stream), self.engine, c_int(1)))
        self.set_handle = quick.dnnl_memory_set_data_handle
        self.set_handle.argtypes = c_void_p, c_void_p
        self.run = self.c.dnnl_primitive_execute
        self.run.argtypes = c_void_p, c_void_p, c_int, c_void_p
        self.set_threads = quick.omp_set_num_threads  # of libgomp, for the calling thread
        self.set_threads.argtypes = (c_int,)
        self.get_threads = quick.omp_get_max_threads
        self.team = Team(self.c, quick)
        self.sgemm = self.c.dnnl_sgemm
        matrix = c_void_p, c_int64
        self.sgemm.argtypes = (c_char, c_char, *[c_int64] * 3, c_float, *matrix, *matrix)
        self.sgemm.argtypes += c_float, *matrix

    def multiply(self, a: Array, b: Array, out: Array, add: bool = False) -> None:
        """out = a @ b, or out += a @ b: matrices of float32, dense in C or Fortran order."""
        (m, k), n = a.shape, b.shape[1]
        # For each matrix: whether it is transposed, its leading dimension, and its address.
        trans_a, a_line = (b"N", k) if a.flags.c_contiguous else (b"T", m)
        trans_b, b_line = (b"N", n) if b.flags.c_contiguous else (b"T", k)
        first, second = (address(a), a_line), (address(b), b_line)
        with self.lock:
            self.set_threads(threads(m * n * k // PRODUCT))
            check(self.sgemm(trans_a, trans_b, m, n, k, 1, *first, *second, add, address(out), n))


def address(x: Array) -> int:
    """The address of an array's data; `x.ctypes.data` takes eight times as long."""
    return c_void_p.from_address(id(x) + _HEAD).value or 0


def check(status: int) -> None:
    if status:
        raise Unsupported(f"oneDNN's status {status}")


@cache
def library() -> _Library | None:
    """oneDNN, loaded and checked at the first call; None where it is not to be used."""
    if os.environ.get("XPTORCH_ONEDNN") == "0" or sys.implementation.name != "cpython":
        return None
    from importlib.metadata import PackageNotFoundError, files

    try:
        found = [f for f in files(_DISTRIBUTION) or () if f.name == "libdnnl.so.3"]
        loaded = _Library(str(found[0].locate())) if found else None
        if loaded is None or not _counts(loaded):
            return None
    except (PackageNotFoundError, OSError, AttributeError, Unsupported):
        return None
    parallel.use_runner(loaded.team.run)
    return loaded


def _counts(lib: _Library) -> bool:
    """Whether a product is correct: it would not be if, say, `address` were wrong."""
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((4, 3), np.float32).T
    if address(a) != a.ctypes.data:
        return False
    lib.multiply(a, b, y := np.zeros((2, 4), np.float32))
    return bool((y == a @ b).all())


def handles(worth: bool, *arrays: Array | None) -> bool:
    """Whether it is worth it, the arrays are float32, and the library is available and enabled.

    The library is loaded at the first call that is worth it.
    """
    if not worth or not mkldnn.enabled:
        return False
    return all(x is None or x.dtype.char == "f" for x in arrays) and library() is not None


def finite(x: Array, pays_from: int) -> bool:
    """Whether x is large enough for oneDNN, and free of NaN, infinity and values near 1e19."""
    if not handles(x.size >= pays_from, x):
        return False
    vector = x.ravel(order="K")
    return math.isfinite(matmul(vector, vector))


_alone = False  # in a forked process, where libgomp waits for threads that do not exist

# Elements of a single pass from which several threads are faster. With fewer, moving the arrays
# between the cores' caches takes longer. PRODUCT multiplications count as one element.
_SHARED_FROM = 1 << 16
PRODUCT = 16


def threads(work: int) -> int:
    """How many threads to build a primitive for and to execute it on.

    Args:
        work: elements of a single pass or, divided by PRODUCT, multiplications of a product.
    """
    return 1 if _alone or work < _SHARED_FROM else parallel.threads()


def _forked() -> None:
    global _alone
    _alone = library.cache_info().currsize > 0
    if _alone and (lib := library()) is not None:
        lib.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


# ---- primitives and descriptors


def kept(make: Callable[..., Any]) -> Callable[..., Any]:
    """Cache what `make` builds for its arguments; None where the library is not fast at it.

    The last argument is the number of threads to build it for.
    """

    @lru_cache(maxsize=512)
    def built(*args: Any) -> Any:
        lib: Any = library()
        lib.set_threads(args[-1])
        try:
            return make(*args)
        except Unsupported:
            return None

    return built


class Handle:
    """An object of the library, destroyed with the last reference to it."""

    def __init__(self, make: str, *args: Any) -> None:
        lib: Any = library()
        kind = make.partition("_create")[0]
        kind = "primitive_desc" if kind.endswith("primitive_desc") else kind
        self.value = c_void_p()
        self._destroy = getattr(lib.c, f"dnnl_{kind}_destroy")
        check(getattr(lib.c, f"dnnl_{make}")(byref(self.value), *args))

    def __del__(self) -> None:
        if self.value:
            self._destroy(self.value)


def dims(values: Sequence[int]) -> Any:
    return (c_int64 * 12)(*values)


def dense(shape: Sequence[int], order: Sequence[int] | None = None) -> Handle:
    """The descriptor of a float32 array whose axes have that order in memory."""
    strides, step = [0] * len(shape), 1
    for axis in reversed(order or range(len(shape))):
        strides[axis], step = step, step * shape[axis]
    args = c_int(len(shape)), dims(shape), c_int(_F32), dims(strides)
    return Handle("memory_desc_create_with_strides", *args)


def channels_last(shape: Sequence[int]) -> Handle:
    """The descriptor of an array (n, c, s…) that is stored as (n, s…, c)."""
    return dense(shape, (0, *range(2, len(shape)), 1))


def free(shape: Sequence[int]) -> Handle:
    """The descriptor of a float32 array in whichever memory format the library prefers."""
    args = c_int(len(shape)), dims(shape), c_int(_F32), c_int(_ANY)
    return Handle("memory_desc_create_with_tag", *args)


def describe(name: str, *args: Any, attributes: Handle | None = None) -> Handle:
    """The descriptor of a primitive; integers among the arguments are passed as C int."""
    lib: Any = library()
    raw = [a.value if isinstance(a, Handle) else c_int(a) if type(a) is int else a for a in args]
    special = attributes and attributes.value
    found = Handle(f"{name}_primitive_desc_create", lib.engine, *raw, special)
    text = ctypes.c_char_p()
    lib.c.dnnl_primitive_desc_query(found.value, c_int(_IMPLEMENTATION), c_int(0), byref(text))
    slow = (text.value or b"").startswith((b"ref", b"simple"))
    if slow and not name.startswith("lstm"):  # whose fast implementations have such names, too
        raise Unsupported(f"{name} has only a reference implementation")
    return found


def argument(primitive: Handle, which: int) -> c_void_p:
    """The memory descriptor that a primitive requires for an argument."""
    lib: Any = library()
    query = lib.c.dnnl_primitive_desc_query_md
    return c_void_p(query(primitive.value, c_int(_EXEC_ARG), c_int(which)))


def size(description: c_void_p) -> int:
    """The size in bytes of an array with that descriptor."""
    lib: Any = library()
    return int(lib.c.dnnl_memory_desc_get_size(description))


class _Argument(ctypes.Structure):
    _fields_ = [("which", c_int), ("memory", c_void_p)]


class Primitive:
    """An executable primitive, called on arrays in the order of `arguments`."""

    def __init__(self, description: Handle, arguments: Sequence[int]) -> None:
        lib = library()
        assert lib is not None
        self.lib, self.description = lib, description
        self.threads = lib.get_threads()  # with more, its memory might not suffice
        self.primitive = Handle("primitive_create", description.value)
        self.memories = [
            Handle("memory_create", argument(description, which), lib.engine, c_void_p())
            for which in arguments
        ]
        self.values = [memory.value for memory in self.memories]
        self.places: list[int] = []
        pairs = map(_Argument, arguments, self.values)
        self.arguments = (_Argument * len(arguments))(*pairs)

    def __call__(self, *arrays: Array) -> None:
        lib = self.lib
        with lib.lock:
            lib.set_threads(self.threads)
            places = [address(x) for x in arrays]
            if places != self.places:  # training reuses the same ones
                for memory, place in zip(self.values, places, strict=True):
                    lib.set_handle(memory, place)
                self.places = places
            status = lib.run(self.primitive.value, lib.stream, len(arrays), self.arguments)
        if status:
            raise RuntimeError(f"oneDNN failed with status {status}")


def reorder(of: c_void_p, to: c_void_p) -> Primitive:
    """A primitive that copies an array to another memory layout."""
    lib: Any = library()
    lib.set_threads(threads(size(to) // 4))
    args = of, lib.engine, to, lib.engine, None
    return Primitive(Handle("reorder_primitive_desc_create", *args), (SRC, DST))


def chain(first: str, a: Handle, b: Handle, *steps: Any) -> Primitive:
    """A fused chain of elementwise operations on an array like `a`, in one pass.

    Its arguments: the two operands of `first`, the result, then the second operands of the steps.

    Args:
        first: the first operation, on `a` and `b`; the latter may have a single element.
        *steps: ("add", descriptor), or another operation on the intermediate result and an array;
            ("sqrt",) or ("inverse",); ("sum",), which adds the previous content of the result.
    """
    lib: Any = library()
    post, attributes = Handle("post_ops_create"), Handle("primitive_attr_create")
    arguments = [SRC, SRC + 1, DST]
    for i, (name, *other) in enumerate(steps):
        args: tuple[Any, ...]
        if name == "sum":
            args = ("sum", c_float(1), c_int(0), c_int(0))
        elif other:
            args = ("binary", c_int(_BINARY[name]), other[0].value)
            arguments.append(_POST_OP * (i + 1) | SRC + 1)
        else:
            kind, alpha, beta = _ELTWISE[name]
            args = ("eltwise", c_int(kind), c_float(alpha), c_float(beta))
        check(getattr(lib.c, f"dnnl_post_ops_append_{args[0]}")(post.value, *args[1:]))
    check(lib.c.dnnl_primitive_attr_set_post_ops(attributes.value, post.value))
    return Primitive(describe("binary", _BINARY[first], a, b, a, attributes=attributes), arguments)
