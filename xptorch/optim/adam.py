"""Adam."""

from __future__ import annotations

import math
from typing import Any

from xptorch._engine.op import dispatchable
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


@dispatchable
def adam_update(
    xp: Any,
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    largest: Any = None,
    *,
    t: float,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> tuple[Any, ...]:
    """The formula of Adam and AdamW; p and the states are changed in place."""
    if weight_decay and decoupled:
        p *= 1 - lr * weight_decay
    elif weight_decay:
        g = decayed(g, p, weight_decay)
    m = lerp(m, g, 1 - beta1)
    v = average_square(v, g, beta2)
    if largest is not None:
        largest = xp.assign(largest, ..., xp.maximum(largest, v))
    # m / correction1 / (sqrt(v / correction2) + eps), rearranged to save two passes
    root = math.sqrt(1 - beta2**t)
    denominator = xp.sqrt(v if largest is None else largest)
    denominator += eps * root
    change = m / denominator
    change *= lr * root / (1 - beta1**t)
    p -= change
    return (p, m, v) if largest is None else (p, m, v, largest)


class Adam(FormulaOptimizer):
    r"""Scales the step of each element by running averages of its gradient and squared gradient.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        p \leftarrow p - \gamma \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015.

    Args:
        params: tensors or groups of them.
        lr: the learning rate :math:`\gamma`.
        betas: :math:`\beta_1, \beta_2`.
        eps: :math:`\epsilon`, against division by zero.
        weight_decay: this times `p` is added to the gradient.
        amsgrad: divide by the largest `v` so far.
        foreach, fused: accepted; they change nothing here.
        maximize: maximize the loss instead of minimizing it.
        capturable, differentiable: not supported.
        decoupled_weight_decay: shrink `p` by lr · weight_decay instead, as AdamW does.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr, foreach, capturable)
        check_range("epsilon value", eps)
        check_betas(betas, foreach, capturable)
        check_range("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _states(self, group: dict[str, Any]) -> dict[str, float]:
        states = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        return states | {"max_exp_avg_sq": 0.0} if group["amsgrad"] else states

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        return moment_settings(group)

    update = staticmethod(adam_update)
