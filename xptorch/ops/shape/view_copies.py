"""Copying variants of the functions that return views: `transpose_copy`, `view_copy`, …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xptorch.ops._common import at_axis, need_tensor, store_out, wrap_dim
from xptorch.ops._factories import named
from xptorch.ops.elementwise import complex
from xptorch.ops.shape import slicing, views

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "alias_copy", "detach_copy", "diagonal_copy", "expand_copy", "narrow_copy", "permute_copy",
    "select_copy", "slice_copy", "split_copy", "split_with_sizes_copy", "squeeze_copy", "t_copy",
    "transpose_copy", "unbind_copy", "unfold_copy", "unsqueeze_copy", "view_as_complex_copy",
    "view_as_real_copy", "view_copy",
]  # fmt: skip


def in_order(t: Tensor) -> Tensor:
    """A contiguous copy of a view."""
    return views.clone(t) if t.is_contiguous() else views.contiguous(t)


def _copying(function: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    def copied(input: Tensor, *args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
        need_tensor(input, name)
        return store_out(in_order(function(input, *args, **kwargs)), out, name, exact=True)

    return named(copied, name, f"`{function.__name__}`, as a copy.")


def _several(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def copied(
        input: Tensor, *args: Any, out: Sequence[Tensor] | None = None, **kwargs: Any
    ) -> tuple[Tensor, ...] | None:
        need_tensor(input, name)
        parts = tuple(in_order(part) for part in function(input, *args, **kwargs))
        if out is None:
            return parts
        if len(out) != len(parts):
            raise RuntimeError(
                f"{name}_out() expected an out= argument of size {len(parts)}, got size {len(out)}"
            )
        for part, target in zip(parts, out, strict=True):
            store_out(part, target, name, exact=True)
        return None

    return named(copied, name, f"`{function.__name__}`, as copies.")


def _alias(input: Tensor) -> Tensor:
    """The tensor itself."""
    return input


def slice_of(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """Some of the slices along an axis: a view."""
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    return input[at_axis(wrap_dim(dim, input.ndim), slice(start, end, step))]


def _narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`narrow`."""
    if dim >= input.ndim:
        raise RuntimeError(f"narrow_copy: dim {dim} of a tensor of {input.ndim} dimensions")
    return slicing.narrow(input, dim, start, length)


def _expand(input: Tensor, size: Any, *, implicit: bool = False) -> Tensor:
    """`expand`."""
    return views.expand(input, size, implicit=implicit)


alias_copy = _copying(_alias, "alias_copy")
detach_copy = _copying(views.detach, "detach_copy")
diagonal_copy = _copying(slicing.diagonal, "diagonal_copy")
expand_copy = _copying(_expand, "expand_copy")
narrow_copy = _copying(_narrow, "narrow_copy")
permute_copy = _copying(views.permute, "permute_copy")
select_copy = _copying(slicing.select, "select_copy")
slice_copy = _copying(slice_of, "slice_copy")
squeeze_copy = _copying(views.squeeze, "squeeze_copy")
t_copy = _copying(views.t, "t_copy")
transpose_copy = _copying(views.transpose, "transpose_copy")
unfold_copy = _copying(slicing.unfold, "unfold_copy")
unsqueeze_copy = _copying(views.unsqueeze, "unsqueeze_copy")
view_as_complex_copy = _copying(complex.view_as_complex, "view_as_complex_copy")
view_as_real_copy = _copying(complex.view_as_real, "view_as_real_copy")
view_copy = _copying(views.view, "view_copy")
split_copy = _several(views.split, "split_copy")
split_with_sizes_copy = _several(views.split_with_sizes, "split_with_sizes_copy")
unbind_copy = _several(views.unbind, "unbind_copy")
