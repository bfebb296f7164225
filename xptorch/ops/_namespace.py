"""Ops on Tensors under the array API's names and signatures: VJPs' `xp` under create_graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from xptorch._engine import op
from xptorch.ops.shape import creation

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


class Namespace:
    """Every declared op under its name; those that take a list or make constants are methods."""

    kernels: ClassVar[dict[str, Any]] = {}  # none: kernels take arrays

    def __getattr__(self, name: str) -> Any:
        try:
            call = op.OPS[name]
        except KeyError:
            raise NotImplementedError(
                f"the derivative of this operation needs {name!r}, which has no derivative"
            ) from None
        setattr(self, name, call)
        return call

    def concat(self, arrays: Sequence[Tensor], *, axis: int = 0) -> Tensor:
        return op.OPS["concat"](*arrays, axis=axis)

    def stack(self, arrays: Sequence[Tensor], *, axis: int = 0) -> Tensor:
        return op.OPS["stack"](*arrays, axis=axis)

    def astype(self, x: Tensor, dtype: Any) -> Tensor:
        from xptorch.ops._common import to_dtype

        return to_dtype(x, dtype)

    def zeros_like(self, x: Tensor) -> Tensor:
        return creation.zeros_like(x)

    def ones_like(self, x: Tensor) -> Tensor:
        return creation.ones_like(x)

    def full_like(self, x: Tensor, fill_value: complex) -> Tensor:
        return creation.full_like(x, fill_value)

    def sum(self, x: Tensor, *, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
        axis = tuple(range(x.ndim)) if axis is None else axis
        return op.OPS["sum"](x, axis=axis, keepdims=keepdims)
