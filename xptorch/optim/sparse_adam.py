"""SparseAdam."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.optim._formula import check_betas, number
from xptorch.optim.optimizer import Closure, Optimizer, ParamsT


class SparseAdam(Optimizer):
    """Adam for sparse gradients. Gradients are always dense here, so `step` raises an error.

    Args:
        params: tensors or groups of them.
        lr: the learning rate.
        betas: the decay of both averages.
        eps: against division by zero.
        maximize: maximize the loss instead of minimizing it.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        lr = number(lr)
        for name, value in (("learning rate", lr), ("epsilon value", eps)):
            if not value > 0:
                raise ValueError(f"Invalid {name}: {value}")
        check_betas(betas)
        defaults = {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize}
        super().__init__(params, defaults)

    def step(self, closure: Closure = None) -> Any:
        """Raise RuntimeError if a parameter has a gradient: it is dense."""
        loss = self._loss(closure)
        if any(p.grad is not None for group in self.param_groups for p in group["params"]):
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead"
            )
        return loss
