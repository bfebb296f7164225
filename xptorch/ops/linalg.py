"""Matrix products, einsum, and norms; `xptorch.linalg`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch import _dtype
from xptorch._engine import op
from xptorch._graph import sum_to
from xptorch.ops._common import (
    COMPLEX,
    FLOAT,
    Dim,
    deliver,
    is_tensor,
    need_tensor,
    refuse,
    shape_text,
    to_dtype,
    wrap_dims,
)
from xptorch.ops.reduce import spread

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "cdist", "chain_matmul", "cross",
    "dist", "dot", "einsum", "ger", "inner", "kron", "matmul", "mm", "mv", "norm", "outer",
    "tensordot", "vdot",
]  # fmt: skip


def _flip(xp: Any, x: Any) -> Any:
    n = len(x.shape)
    return xp.permute_dims(x, axes=(*range(n - 2), n - 1, n - 2))


def _left(xp: Any, g: Any, b: Any, a_shape: tuple[int, ...]) -> Any:
    """g bᵀ, with rows of one matrix taken together where `a` has batches and `b` has none."""
    result = xp.matmul(g, _flip(xp, b))
    return result if result.shape == a_shape else sum_to(xp, result, a_shape)


def _right(xp: Any, g: Any, a: Any, b_shape: tuple[int, ...]) -> Any:
    """aᵀ g."""
    if len(b_shape) == 2 and len(a.shape) > 2:
        a = xp.reshape(a, shape=(-1, a.shape[-1]))
        g = xp.reshape(g, shape=(-1, g.shape[-1]))
    result = xp.matmul(_flip(xp, a), g)
    return result if result.shape == b_shape else sum_to(xp, result, b_shape)


_matmul = op("matmul", lambda xp, a, b: xp.matmul(a, b), a=_left, b=_right)


def _check_dtypes(a: Tensor, b: Tensor, name: str) -> None:
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {a.dtype.name} != {b.dtype.name}"
        )
    refuse(f"{name}_impl_cpu_", a, _dtype.BOOL)


def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Matrix product; vectors as rows or columns, leading axes broadcast."""
    need_tensor(input, "matmul")
    need_tensor(other, "matmul", "other", 2)
    a, b = input, other
    x, y = a._data.shape, b._data.shape
    if not x or not y:
        raise RuntimeError(
            "both arguments to matmul need to be at least 1D, but they are "
            f"{len(x)}D and {len(y)}D"
        )
    if a._data.dtype != b._data.dtype or a.dtype is _dtype.bool_:
        _check_dtypes(a, b, "addmm")
    if x[-1] != y[max(len(y) - 2, 0)]:
        raise RuntimeError(_mismatch(x, y))
    if len(x) >= 2 and len(y) >= 2:
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
    return result if out is None else deliver(result, out, "matmul")


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


def _exact(name: str, dims: tuple[int, int]) -> Any:
    """matmul for given numbers of axes only."""

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
        return matmul(input, mat2, out=out)

    function.__name__ = function.__qualname__ = name
    return function


mm, bmm = _exact("mm", (2, 2)), _exact("bmm", (3, 3))
mv, dot = _exact("mv", (2, 1)), _exact("dot", (1, 1))
inner_product = dot


def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inner product of two vectors."""
    return dot(input, other, out=out)  # type: ignore[no-any-return]


def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Products summed over the last axis of both."""
    if input.ndim == 0 or other.ndim == 0:
        return deliver(input * other, out, "inner")
    if input._data.shape[-1] != other._data.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{shape_text(input.shape)} and {shape_text(other.shape)}"
        )
    return deliver(tensordot(input, other, ([-1], [-1])), out, "inner")


def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All products of the elements of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D argument self, but got {input.ndim}-D")
    return deliver(input.unsqueeze(1) * vec2.unsqueeze(0), out, "outer")


ger = outer


def _scaled_sum(name: str, product: Any) -> Any:
    def function(
        input: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Any = None
    ) -> Tensor:
        result = product(a, b)
        if alpha != 1:
            result = result * alpha
        if beta != 0:  # 0 · input would keep NaN
            result = (input if beta == 1 else input * beta) + result
        else:
            result = result.expand(result.shape)
        if is_tensor(input) and input.dtype is not a.dtype:
            _check_dtypes(input, a, name)
        return deliver(result, out, name)

    function.__name__ = function.__qualname__ = name
    return function


addmm, addmv = _scaled_sum("addmm", mm), _scaled_sum("addmv", mv)
addr, baddbmm = _scaled_sum("addr", outer), _scaled_sum("baddbmm", bmm)
addbmm = _scaled_sum("addbmm", lambda a, b: bmm(a, b).sum(0))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Products summed over several axes of both."""
    if is_tensor(dims):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0 or dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims >= 0 and within range, but got dims={dims}")
        left, right = tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    else:
        left, right = wrap_dims(tuple(dims[0]), a.ndim), wrap_dims(tuple(dims[1]), b.ndim)
    for i, j in zip(left, right, strict=True):
        if a._data.shape[i] != b._data.shape[j]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a._data.shape[i]} in "
                f"dim {i} and second has size {b._data.shape[j]} in dim {j}"
            )
    free_a = [i for i in range(a.ndim) if i not in left]
    free_b = [i for i in range(b.ndim) if i not in right]
    n = math.prod(a._data.shape[i] for i in left)
    rows = a.permute(*free_a, *left).reshape(math.prod(a._data.shape[i] for i in free_a), n)
    cols = b.permute(*right, *free_b).reshape(n, math.prod(b._data.shape[i] for i in free_b))
    shape = [a._data.shape[i] for i in free_a] + [b._data.shape[i] for i in free_b]
    return deliver(matmul(rows, cols).reshape(shape), out, "tensordot")


# ---- einsum


def einsum(*args: Any) -> Tensor:
    """Sums of products of tensors, by Einstein's notation: ``einsum("ij,jk->ik", a, b)``."""
    equation, operands = args[0], args[1:]
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not isinstance(equation, str):
        raise NotImplementedError("einsum with lists of subscripts; pass an equation")
    labels, result = _parse_einsum(equation.replace(" ", ""), operands)
    terms = [_only_once(t, s) for t, s in zip(operands, labels, strict=True)]
    tensor, subs = terms[0]
    for k, (other, more) in enumerate(terms[1:], 1):
        later = set(result).union(*(s for _, s in terms[k + 1 :]))
        tensor, subs = _contract(tensor, subs, other, more, later)
    extra = [i for i, s in enumerate(subs) if s not in result]
    if extra:
        tensor = tensor.sum(tuple(extra))
        subs = [s for s in subs if s in result]
    return tensor.permute(*[subs.index(s) for s in result]) if result else tensor.reshape(())


def _parse_einsum(equation: str, operands: Any) -> tuple[list[list[str]], list[str]]:
    left, arrow, right = equation.partition("->")
    parts = left.split(",")
    if len(parts) != len(operands):
        more = "fewer" if len(parts) > len(operands) else "more"
        raise RuntimeError(
            f"einsum(): {more} operands were provided than specified in the equation"
        )
    dots = max(
        (t.ndim - len(p.replace("...", "")) for p, t in zip(parts, operands, strict=True) if "..." in p),
        default=0,
    )
    fill = [f"<{i}>" for i in range(dots)]
    labels = [_labels(p, fill, t.ndim) for p, t in zip(parts, operands, strict=True)]
    every = [s for subs in labels for s in subs]
    if arrow:
        result = _labels(right, fill, None)
        for s in result:
            if s not in every and s not in fill:
                raise RuntimeError(
                    f"einsum(): output subscript {s} does not appear in the equation for any "
                    "input operand"
                )
            if result.count(s) > 1:
                raise RuntimeError(
                    f"einsum(): output subscript {s} appears more than once in the output"
                )
    else:
        result = fill + sorted(s for s in set(every) if every.count(s) == 1 and s not in fill)
    return labels, result


def _labels(part: str, fill: list[str], ndim: int | None) -> list[str]:
    before, dots, after = part.partition("...")
    for c in before + after:
        if not c.isalpha():
            raise RuntimeError(f"einsum(): invalid subscript given, subscripts must be in [a-zA-Z], got {c}")
    named = len(before) + len(after)
    middle: list[str] = []
    if dots:
        count = len(fill) if ndim is None else ndim - named
        middle = fill[len(fill) - count :] if count else []
    if ndim is not None and named + len(middle) != ndim:
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({named + len(middle)}) does not "
            f"match the number of dimensions ({ndim}) for an operand and no ellipsis was given"
        )
    return [*before, *middle, *after]


def _only_once(t: Tensor, subs: list[str]) -> tuple[Tensor, list[str]]:
    """Repeated subscripts of one operand taken as diagonals."""
    subs = list(subs)
    while len(set(subs)) < len(subs):
        s = next(s for s in subs if subs.count(s) > 1)
        i = subs.index(s)
        j = subs.index(s, i + 1)
        t = t.diagonal(0, i, j)
        subs = [x for k, x in enumerate(subs) if k not in (i, j)] + [s]
    return t, subs


def _contract(
    a: Tensor, x: list[str], b: Tensor, y: list[str], keep: set[str]
) -> tuple[Tensor, list[str]]:
    """Two operands to one by a batched matrix product."""
    for s in set(x) & set(y):
        m, n = a._data.shape[x.index(s)], b._data.shape[y.index(s)]
        if m != n and 1 not in (m, n):
            raise RuntimeError(
                f"einsum(): operands do not broadcast with remapped shapes: subscript {s} has "
                f"size {m} and {n}"
            )
    batch = [s for s in x if s in y and s in keep]
    summed = [s for s in x if s in y and s not in keep]
    only_a, only_b = [s for s in x if s not in y], [s for s in y if s not in x]
    sizes = {s: n for t, subs in ((b, y), (a, x)) for s, n in zip(subs, t._data.shape, strict=True)}
    for t, subs in ((a, x), (b, y)):
        for s, n in zip(subs, t._data.shape, strict=True):
            sizes[s] = max(sizes[s], n) if n != 0 and sizes[s] != 0 else 0
    left = _grouped(a, x, (batch, only_a, summed), sizes)
    right = _grouped(b, y, (batch, summed, only_b), sizes)
    shape = [sizes[s] for s in (*batch, *only_a, *only_b)]
    return matmul(left, right).reshape(shape), [*batch, *only_a, *only_b]


def _grouped(t: Tensor, subs: list[str], groups: Any, sizes: dict[str, int]) -> Tensor:
    order = [s for group in groups for s in group]
    t = t.permute(*[subs.index(s) for s in order]) if order else t
    t = t.expand([sizes[s] for s in order]) if order else t
    return t.reshape([math.prod(sizes[s] for s in group) for group in groups])


def chain_matmul(*matrices: Any, out: Tensor | None = None) -> Tensor:
    """The product of several matrices, from left to right."""
    result = matrices[0]
    for m in matrices[1:]:
        result = mm(result, m)
    return deliver(result, out, "chain_matmul")


# ---- norms


def _norm_back(
    xp: Any, g: Any, a: Any, y: Any, a_shape: Any, axis: Any, keepdims: bool, power: float
) -> Any:
    size = spread(xp, y, a_shape, axis, keepdims)
    g = spread(xp, g, a_shape, axis, keepdims)
    at_zero = size == 0
    safe = xp.where(at_zero, xp.ones_like(size), size)
    if power == 2:
        slope = a / safe
    else:
        small = xp.abs(a)
        small = xp.where(small == 0, xp.ones_like(small), small)
        slope = xp.sign(a) * (small / safe) ** (power - 1)
    return xp.where(at_zero, xp.zeros_like(g), g * slope)


def _norm_forward(xp: Any, a: Any, *, axis: Any, keepdims: bool, power: float) -> Any:
    if power == 2:
        return xp.sqrt(xp.sum(a * a, axis=axis, keepdims=keepdims))
    return xp.sum(xp.abs(a) ** power, axis=axis, keepdims=keepdims) ** (1 / power)


_p_norm = op("p_norm", _norm_forward, a=_norm_back)


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """(Σ|x|^p)^(1/p) over all axes or those named; p may be ±∞, and 0 counts what is not 0."""
    if dtype is not None:
        x = to_dtype(x, dtype)
    if x.dtype.category < FLOAT:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. "
            f"Got {x.dtype.name}"
        )
    axes = wrap_dims(None if dim == () else dim, x.ndim)
    if ord in (math.inf, -math.inf):
        magnitude = x.abs()
        if not magnitude.numel() and ord > 0:
            return deliver(magnitude.sum(axes, keepdim), out, "linalg_vector_norm")
        pick = magnitude.amax if ord > 0 else magnitude.amin
        result = pick(axes, keepdim) if axes else magnitude
    elif ord == 0:
        result = to_dtype(x != 0, x.dtype).sum(axes, keepdim)
    elif ord == 1:
        result = x.abs().sum(axes, keepdim)
    else:
        magnitude = x.abs() if x.dtype.category == COMPLEX else x
        result = _p_norm(magnitude, axis=axes, keepdims=keepdim, power=float(ord))
    return deliver(result, out, "linalg_vector_norm")


def norm(
    input: Tensor,
    p: Any = "fro",
    dim: Dim = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: Any = None,
) -> Tensor:
    """The vector norm over the axes ("fro" and None are 2)."""
    if p == "nuc":
        raise NotImplementedError("norm(p='nuc')")
    order = 2 if p in ("fro", None) else p
    return vector_norm(input, order, dim, keepdim, dtype=dtype, out=out)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference of all elements."""
    return vector_norm(input - other, p)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """Distances of every row of x1 to every row of x2."""
    if x1.ndim < 2 or x2.ndim < 2:
        raise RuntimeError("cdist only supports at least 2D tensors")
    if x1._data.shape[-1] != x2._data.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} "
            f"X2: {x2.shape[-1]}"
        )
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Any = None) -> Tensor:
    """The cross product along an axis of size 3 (the first such axis by default)."""
    if dim is None:
        dim = next((i for i, n in enumerate(input._data.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    if input.size(dim) != 3 or other.size(dim) != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3.")
    a, b = input, other
    result = a.roll(-1, dim) * b.roll(-2, dim) - a.roll(-2, dim) * b.roll(-1, dim)
    return deliver(result, out, "linalg_cross")


def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product."""
    n = max(input.ndim, other.ndim)
    a = input.reshape((1,) * (n - input.ndim) + input._data.shape)
    b = other.reshape((1,) * (n - other.ndim) + other._data.shape)
    left = a.reshape([k for s in a._data.shape for k in (s, 1)])
    right = b.reshape([k for s in b._data.shape for k in (1, s)])
    shape = [i * j for i, j in zip(a._data.shape, b._data.shape, strict=True)]
    return deliver((left * right).reshape(shape), out, "kron")
