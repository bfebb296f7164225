"""einsum: sums of products of any number of tensors, as batched matrix products."""

from __future__ import annotations

import math
import string
from typing import TYPE_CHECKING, Any

from xptorch.ops.linalg.products import matmul

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = ["einsum"]


def einsum(*args: Any) -> Tensor:
    """Sums of products of tensors, in Einstein notation: ``einsum("ij,jk->ik", a, b)``."""
    equation, operands = args[0], args[1:]
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not isinstance(equation, str):
        equation, operands = _from_lists(args)
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


def _from_lists(args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The equation and operands of ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""

    def text(subscripts: Any) -> str:
        letters = string.ascii_uppercase + string.ascii_lowercase
        return "".join("..." if s is Ellipsis else letters[s] for s in subscripts)

    pairs = len(args) // 2
    terms = ",".join(text(args[2 * i + 1]) for i in range(pairs))
    result = "->" + text(args[-1]) if len(args) % 2 else ""
    return terms + result, args[: 2 * pairs : 2]


def _parse_einsum(equation: str, operands: Any) -> tuple[list[list[str]], list[str]]:
    left, arrow, right = equation.partition("->")
    parts = left.split(",")
    if len(parts) != len(operands):
        more = "fewer" if len(parts) > len(operands) else "more"
        raise RuntimeError(
            f"einsum(): {more} operands were provided than specified in the equation"
        )
    pairs = zip(parts, operands, strict=True)
    dots = max((t.ndim - len(p) + 3 for p, t in pairs if "..." in p), default=0)
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
            raise RuntimeError(
                f"einsum(): invalid subscript given, subscripts must be in [a-zA-Z], got {c}"
            )
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
    """The diagonal along each subscript that one operand repeats."""
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
    """Two operands contracted to one by a batched matrix product."""
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
