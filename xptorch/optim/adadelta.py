"""Adadelta."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.optim._formula import (
    FormulaOptimizer,
    average_square,
    check_lr,
    check_range,
    decayed,
    number,
)
from xptorch.optim.optimizer import ParamsT


class Adadelta(FormulaOptimizer):
    r"""Scales the steps by the running averages of squared gradients and of squared steps.

    .. math::
        v \leftarrow \rho v + (1 - \rho) g^2, \quad
        d = \frac{\sqrt{u + \epsilon}}{\sqrt{v + \epsilon}}\, g, \quad
        u \leftarrow \rho u + (1 - \rho) d^2, \quad p \leftarrow p - \gamma d

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012.

    Args:
        params: tensors or groups of them.
        lr: the factor :math:`\gamma` of the step.
        rho: the decay :math:`\rho` of both averages.
        eps: :math:`\epsilon`.
        weight_decay: this times `p` is added to the gradient.
        maximize: maximize the loss instead of minimizing it.
        foreach: accepted; it changes nothing here.
        capturable, differentiable: not supported.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_range("epsilon value", eps)
        check_range("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _states(self, group: dict[str, Any]) -> dict[str, float]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        names = ("rho", "eps", "weight_decay")
        return {"lr": number(group["lr"]), **{name: group[name] for name in names}}

    @staticmethod
    def update(
        xp: Any,
        p: Any,
        g: Any,
        v: Any,
        u: Any,
        *,
        t: float,
        lr: float,
        rho: float,
        eps: float,
        weight_decay: float,
    ) -> tuple[Any, ...]:
        g = decayed(g, p, weight_decay)
        v = average_square(v, g, rho)
        d = xp.sqrt(u + eps)
        d /= xp.sqrt(v + eps)
        d *= g
        u = average_square(u, d, rho)
        p -= lr * d
        return p, v, u
