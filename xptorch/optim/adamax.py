"""Adamax."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.optim._formula import (
    FormulaOptimizer,
    check_betas,
    check_lr,
    check_range,
    decayed,
    lerp,
    number,
)
from xptorch.optim.optimizer import ParamsT


class Adamax(FormulaOptimizer):
    r"""Adam with a decaying maximum of the gradient's magnitude in place of the average of squares.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        u \leftarrow \max(\beta_2 u, |g| + \epsilon), \quad
        p \leftarrow p - \frac{\gamma}{1 - \beta_1^t} \frac{m}{u}

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015.

    Args:
        params: tensors or groups of them.
        lr: the learning rate :math:`\gamma`.
        betas: :math:`\beta_1, \beta_2`.
        eps: :math:`\epsilon`, against division by zero.
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
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_range("epsilon value", eps)
        check_betas(betas)
        check_range("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _states(self, group: dict[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        beta1, beta2 = group["betas"]
        settings = {name: group[name] for name in ("eps", "weight_decay")}
        return {"lr": number(group["lr"]), "beta1": beta1, "beta2": beta2, **settings}

    @staticmethod
    def update(
        xp: Any,
        p: Any,
        g: Any,
        m: Any,
        u: Any,
        *,
        t: float,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
    ) -> tuple[Any, ...]:
        g = decayed(g, p, weight_decay)
        m = lerp(m, g, 1 - beta1)
        u *= beta2
        u = xp.assign(u, ..., xp.maximum(u, xp.abs(g) + eps))
        p -= lr / (1 - beta1**t) * m / u
        return p, m, u
