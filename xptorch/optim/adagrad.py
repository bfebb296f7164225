"""Adagrad."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.optim._formula import (
    FormulaOptimizer,
    check_lr,
    check_range,
    decayed,
    full_state,
    number,
    scalar_state,
)
from xptorch.optim.optimizer import ParamsT


class Adagrad(FormulaOptimizer):
    r"""Divides the step of each element by the root of the sum of its squared gradients.

    .. math::
        s \leftarrow s + g^2, \quad
        p \leftarrow p - \frac{\gamma}{1 + (t - 1) \eta} \frac{g}{\sqrt{s} + \epsilon}

    Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods, 2011.

    Args:
        params: tensors or groups of them.
        lr: the learning rate :math:`\gamma`.
        lr_decay: :math:`\eta`.
        weight_decay: this times `p` is added to the gradient.
        initial_accumulator_value: the initial value of `s`.
        eps: :math:`\epsilon`, against division by zero.
        maximize: maximize the loss instead of minimizing it.
        foreach, fused: accepted; they change nothing here.
        differentiable: not supported.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_range("lr_decay value", lr_decay)
        check_range("weight_decay value", weight_decay)
        check_range("initial_accumulator_value value", initial_accumulator_value)
        check_range("epsilon value", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                start = full_state(p, initial_accumulator_value)
                self.state[p] = {"step": scalar_state(), "sum": start}

    def share_memory(self) -> None:
        """Not available: the state cannot be moved to shared memory.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("Adagrad: share_memory() is not supported")

    def _states(self, group: dict[str, Any]) -> dict[str, float]:
        return {"sum": self.defaults["initial_accumulator_value"]}

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        names = ("lr_decay", "weight_decay", "eps")
        return {"lr": number(group["lr"]), **{name: group[name] for name in names}}

    @staticmethod
    def update(
        xp: Any,
        p: Any,
        g: Any,
        s: Any,
        *,
        t: float,
        lr: float,
        lr_decay: float,
        weight_decay: float,
        eps: float,
    ) -> tuple[Any, ...]:
        g = decayed(g, p, weight_decay)
        s += g * g
        scale = xp.sqrt(s)
        scale += eps
        p -= lr / (1 + (t - 1) * lr_decay) * g / scale
        return p, s
