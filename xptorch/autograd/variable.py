"""Variable: the tensors of autograd before PyTorch 0.4, now a name of any tensor."""

from __future__ import annotations

import warnings
from typing import Any

from xptorch._engine import graph
from xptorch.ops.shape import creation


class _VariableMeta(type):
    def __instancecheck__(cls, obj: object) -> bool:
        return isinstance(obj, graph.setup.tensor)


class Variable(metaclass=_VariableMeta):
    """A detached tensor that shares another's memory; every tensor is a Variable.

    Args:
        data: a tensor; an empty one by default.
        requires_grad: whether gradients flow to it.
        volatile: has no effect, as in PyTorch; use `no_grad`.

    Raises:
        TypeError: `data` is not a tensor.
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False) -> Any:
        if volatile:
            warnings.warn(
                "volatile was removed and now has no effect. Use `with xptorch.no_grad():` "
                "instead.",
                stacklevel=2,
            )
        if data is None:
            data = creation.empty(0)
        elif not isinstance(data, graph.setup.tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        t = data.detach()
        return t.requires_grad_() if requires_grad else t
