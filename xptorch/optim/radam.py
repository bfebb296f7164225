"""RAdam."""

from __future__ import annotations

import math
from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.optim._formula import (
    FormulaOptimizer,
    average_square,
    check_betas,
    check_lr,
    check_range,
    decayed,
    lerp,
    moment_settings,
)
from xptorch.optim.optimizer import ParamsT


class RAdam(FormulaOptimizer):
    r"""Adam that scales the steps only once the variance of the average of squares is small.

    .. math::
        \rho_\infty = \frac{2}{1 - \beta_2} - 1, \quad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \quad
        r = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}
            {(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}}

    .. math::
        p \leftarrow p - \gamma \frac{m}{1 - \beta_1^t} \cdot
            \left( \rho_t > 5 \text{ ? } r \frac{\sqrt{1 - \beta_2^t}}{\sqrt{v} + \epsilon} : 1
            \right)

    Source: Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, 2020.

    Args:
        params: tensors or groups of them.
        lr: the learning rate :math:`\gamma`.
        betas: :math:`\beta_1, \beta_2`, the decay of `m` and `v`, which are as in Adam.
        eps: :math:`\epsilon`, against division by zero.
        weight_decay: this times `p` is added to the gradient.
        decoupled_weight_decay: shrink `p` by lr · weight_decay instead, as AdamW does.
        maximize: maximize the loss instead of minimizing it.
        foreach: accepted; it changes nothing here.
        capturable, differentiable: not supported.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _states(self, group: dict[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        return moment_settings(group)

    @staticmethod
    def update(
        xp: Any,
        p: Any,
        g: Any,
        m: Any,
        v: Any,
        *,
        t: float,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
    ) -> tuple[Any, ...]:
        if weight_decay and decoupled:
            p *= 1 - lr * weight_decay
        else:
            g = decayed(g, p, weight_decay)
        m = lerp(m, g, 1 - beta1)
        v = average_square(v, g, beta2)
        change = m / (1 - beta1**t)
        change *= lr
        correction2 = 1 - beta2**t
        limit = 2 / (1 - beta2) - 1
        rho = limit - 2 * t * beta2**t / correction2
        if rho > 5:
            r = (rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)
            scale = xp.sqrt(v)
            scale += eps
            change *= math.sqrt(correction2) / scale
            change *= math.sqrt(r)
        p -= change
        return p, m, v
