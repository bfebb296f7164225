"""Products of matrices and vectors."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.dtype import FLOAT
from xptorch._core.mode import local
from xptorch._engine.graph import sum_to
from xptorch._engine.op import op
from xptorch.ops._common import (
    broadcast,
    is_tensor,
    need_tensor,
    refuse,
    result_type,
    shape_text,
    store_out,
    to_dtype,
    wrap_dims,
)
from xptorch.ops._factories import named
from xptorch.ops._numerics import in_float32
from xptorch.ops.shape.views import broadcast_tensors

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "chain_matmul", "cross", "dot", "ger",
    "inner", "kron", "matmul", "mm", "mv", "outer", "tensordot", "vdot",
]  # fmt: skip


def _transpose(xp: Any, x: Any) -> Any:
    n = len(x.shape)
    return xp.permute_dims(x, axes=(*range(n - 2), n - 1, n - 2))


def _grad_left(xp: Any, g: Any, b: Any, a_shape: tuple[int, ...]) -> Any:
    """g bᵀ, summed over the axes along which a was broadcast."""
    result = xp.matmul(g, _transpose(xp, b))
    return result if result.shape == a_shape else sum_to(xp, result, a_shape)


def _grad_right(xp: Any, g: Any, a: Any, b_shape: tuple[int, ...]) -> Any:
    """aᵀ g, summed over the axes along which b was broadcast: in one product if b is a matrix."""
    if len(b_shape) == 2 and len(a.shape) > 2:
        a, g = (xp.reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1])) for x in (a, g))
    result = xp.matmul(_transpose(xp, a), g)
    return result if result.shape == b_shape else sum_to(xp, result, b_shape)


_matmul = op("matmul", lambda xp, a, b: xp.matmul(a, b), a=_grad_left, b=_grad_right)


def _check_dtypes(a: Tensor, b: Tensor) -> None:
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {a.dtype.name} != {b.dtype.name}"
        )
    refuse("addmm_impl_cpu_", a, dtypes.BOOL)


def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Matrix product; vectors as rows or columns, leading axes broadcast."""
    need_tensor(input, "matmul")
    need_tensor(other, "matmul", "other", 2)
    a, b = input, other
    if local.mode.casting is not None:
        a, b = local.mode.casting(a, b)
    x, y = a._data.shape, b._data.shape
    if not x or not y:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {len(x)}D and {len(y)}D"
        )
    if a._data.dtype != b._data.dtype or a.dtype is dtypes.bool_:
        _check_dtypes(a, b)
    if x[-1] != y[max(len(y) - 2, 0)]:
        raise RuntimeError(_mismatch(x, y))
    if len(x) >= 2 and len(y) >= 2:
        if len(x) > 2 and len(y) > 2 and x[:-2] != y[:-2]:
            broadcast(x[:-2], y[:-2])
        result = _matmul(a, b)
    else:
        left = a.unsqueeze(0) if len(x) == 1 else a
        right = b.unsqueeze(-1) if len(y) == 1 else b
        result = _matmul(left, right)
        shape = result._data.shape
        shape = shape[:-1] if len(y) == 1 else shape
        if len(x) == 1:
            shape = shape[: len(shape) - 1 - (len(y) > 1)] + shape[len(shape) - (len(y) > 1) :]
        result = result.reshape(shape)
    return result if out is None else store_out(result, out, "matmul", True)


def _mismatch(x: tuple[int, ...], y: tuple[int, ...]) -> str:
    if len(x) == 1 and len(y) == 1:
        return (
            f"inconsistent tensor size, expected tensor {shape_text(x)} and src {shape_text(y)} "
            "to have the same number of elements, but got "
            f"{x[0]} and {y[0]} elements respectively"
        )
    if len(y) == 1:
        return f"size mismatch, got input ({x[-2]}), mat ({x[-2]}x{x[-1]}), vec ({y[0]})"
    rows = math.prod(x[:-1]) if len(x) > 1 else 1
    return f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x[-1]} and {y[-2]}x{y[-1]})"


def _exact(name: str, dims: tuple[int, int], doc: str) -> Any:
    """matmul restricted to inputs with `dims` axes."""

    def function(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
        need_tensor(input, name)
        need_tensor(mat2, name, "mat2", 2)
        if (input.ndim, mat2.ndim) != dims:
            raise RuntimeError(
                f"{name}: expected tensors of {dims[0]} and {dims[1]} dimensions, got "
                f"{shape_text(input.shape)} and {shape_text(mat2.shape)}"
            )
        if name == "bmm" and input._data.shape[0] != mat2._data.shape[0]:
            raise RuntimeError(
                "Expected size for first two dimensions of batch2 tensor to be: "
                f"[{input._data.shape[0]}, {input._data.shape[2]}] but got: "
                f"[{mat2._data.shape[0]}, {mat2._data.shape[1]}]."
            )
        result = matmul(input, mat2)
        return result if out is None else store_out(result, out, name, True)

    return named(function, name, doc)


mm = _exact("mm", (2, 2), "The product of two matrices.")
bmm = _exact("bmm", (3, 3), "The products of pairs of matrices.")
mv = _exact("mv", (2, 1), "The product of a matrix and a vector.")
dot = _exact("dot", (1, 1), "The inner product of two vectors.")


def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inner product of two vectors, the first conjugated."""
    return dot(input.conj(), other, out=out)


def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Products summed over the last axis of both."""
    if input.ndim == 0 or other.ndim == 0:
        return store_out(input * other, out, "inner")
    if input._data.shape[-1] != other._data.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{shape_text(input.shape)} and {shape_text(other.shape)}"
        )
    return store_out(tensordot(input, other, ([-1], [-1])), out, "inner", True)


def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All products of the elements of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D argument self, but got {input.ndim}-D")
    return store_out(input.unsqueeze(1) * vec2.unsqueeze(0), out, "outer")


ger = outer


def _scaled_sum(name: str, product: Any, doc: str) -> Any:
    """beta · input + alpha · product(a, b), where input broadcasts to the product."""

    def compute(input: Tensor, a: Tensor, b: Tensor, *, beta: Any, alpha: Any) -> Tensor:
        result = product(a, b)
        if result.dtype.category < FLOAT:
            beta, alpha = int(beta), int(alpha)
        if alpha != 1:
            result = result * alpha
        start = input.expand(result._data.shape)
        if beta == 0:  # 0 · input would propagate NaN
            return result
        return (start if beta == 1 else start * beta) + result

    def function(
        input: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Any = None
    ) -> Tensor:
        need_tensor(input, name)
        if local.mode.casting is not None:
            input, a, b = local.mode.casting(input, a, b)
        _check_dtypes(input, a)
        result = in_float32(compute, input, a, b, beta=beta, alpha=alpha)
        return store_out(result, out, name, True)

    return named(function, name, doc)


addmm = _scaled_sum("addmm", mm, "beta · input + alpha · a b, of matrices.")
addmv = _scaled_sum("addmv", mv, "beta · input + alpha · a b, of a matrix and a vector.")
baddbmm = _scaled_sum("baddbmm", bmm, "beta · input + alpha · a b, of batches of matrices.")
addbmm = _scaled_sum(
    "addbmm",
    lambda a, b: to_dtype(bmm(a, b).sum(0), a.dtype),
    "beta · input + alpha · Σ a b, summed over a batch of matrices.",
)


def addr(
    input: Tensor,
    vec1: Tensor,
    vec2: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta · input + alpha · vec1 vec2ᵀ."""
    dt = result_type(input, vec1, vec2)
    if dt is dtypes.bool_:
        product = outer(vec1, vec2) & bool(alpha)
        both = (input & bool(beta)) | product
        return store_out(both if beta else product, out, "addr")
    for which, value in (("beta", beta), ("alpha", alpha)):
        if dt.category < FLOAT and isinstance(value, float):
            raise RuntimeError(
                f"For integral input tensors, argument {which} must not be a floating point number."
            )

    def compute(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        scaled = outer(a, b) * alpha
        return x * beta + scaled if beta else scaled.expand(scaled._data.shape)

    return store_out(in_float32(compute, input, vec1, vec2), out, "addr")


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Products summed over several axes of both."""
    left, right = _contracted_dims(a, b, dims)
    if a.dtype is not b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    for i, j in zip(left, right, strict=True):
        m, n = a._data.shape[i], b._data.shape[j]
        if m == n:
            continue
        if 1 not in (m, n):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {m} in dim {i} and "
                f"second has size {n} in dim {j}"
            )
        if m == 1:
            b = to_dtype(b.sum(j, True), b.dtype)
        else:
            a = to_dtype(a.sum(i, True), a.dtype)
    free_a = [i for i in range(a.ndim) if i not in left]
    free_b = [i for i in range(b.ndim) if i not in right]
    n = math.prod(a._data.shape[i] for i in left)
    rows = a.permute(*free_a, *left).reshape(math.prod(a._data.shape[i] for i in free_a), n)
    cols = b.permute(*right, *free_b).reshape(n, math.prod(b._data.shape[i] for i in free_b))
    shape = [a._data.shape[i] for i in free_a] + [b._data.shape[i] for i in free_b]
    return store_out(matmul(rows, cols).reshape(shape), out, "tensordot", True)


def _contracted_dims(a: Tensor, b: Tensor, dims: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if is_tensor(dims):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        return tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    left, right = (
        wrap_dims((d,) if isinstance(d, int) else tuple(d), t.ndim)
        for d, t in zip(dims, (a, b), strict=True)
    )
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    return left, right


def chain_matmul(*matrices: Any, out: Tensor | None = None) -> Tensor:
    """The product of several matrices, `linalg.multi_dot`."""
    result = multi_dot(matrices) if len(matrices) > 1 else matrices[0]
    return store_out(result, out, "chain_matmul", True)


def multi_dot(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """The product of several matrices, in the order that takes the fewest multiplications.

    The first and last may be vectors.
    """
    items = list(tensors)
    last = len(items) - 1
    if last < 1:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(items)}")
    for i, t in enumerate(items):
        if t.ndim != 2 and (t.ndim != 1 or 0 < i < last):
            wanted = "2D" if 0 < i < last else "1D or 2D"
            raise RuntimeError(f"multi_dot(): tensor {i} must be {wanted} but got {t.ndim}D")
    sizes = [math.prod(items[0].shape[:-1]), *[t._data.shape[0] for t in items[1:]]]
    sizes.append(math.prod(items[-1].shape[1:]))

    @cache
    def best(i: int, j: int) -> tuple[int, int]:
        """(multiplications, where to split) of the product of items i to j."""
        edge = sizes[i] * sizes[j + 1]
        parts = ((best(i, k)[0] + best(k + 1, j)[0] + edge * sizes[k + 1], k) for k in range(i, j))
        return min(parts, default=(0, i))

    def product(i: int, j: int) -> Tensor:
        k = best(i, j)[1]
        return items[i] if i == j else matmul(product(i, k), product(k + 1, j))

    return store_out(product(0, last), out, "linalg_multi_dot", True)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """Products of conj(x) and y summed over one axis, the others broadcast."""
    return store_out(
        to_dtype((x.conj() * y).sum(dim), result_type(x, y)), out, "linalg_vecdot", True
    )


def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Any = None) -> Tensor:
    """The cross product along an axis of size 3 (the first such axis by default)."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    if dim is None:
        dim = next((i for i, n in enumerate(input._data.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return linalg_cross(input, other, dim=dim, out=out)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """The cross product along an axis of size 3, the others broadcast."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    if input.size(dim) != 3 or other.size(dim) != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.size(dim)} and "
            f"{other.size(dim)}"
        )
    a, b = broadcast_tensors(input, other)
    result = a.roll(-1, dim) * b.roll(-2, dim) - a.roll(-2, dim) * b.roll(-1, dim)
    return store_out(result, out, "linalg_cross", True)


def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product."""
    n = max(input.ndim, other.ndim)
    a = input.reshape((1,) * (n - input.ndim) + input._data.shape)
    b = other.reshape((1,) * (n - other.ndim) + other._data.shape)
    left = a.reshape([k for s in a._data.shape for k in (s, 1)])
    right = b.reshape([k for s in b._data.shape for k in (1, s)])
    shape = [i * j for i, j in zip(a._data.shape, b._data.shape, strict=True)]
    return store_out((left * right).reshape(shape), out, "kron")
