"""RMSprop."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.optim._formula import (
    FormulaOptimizer,
    average_square,
    check_lr,
    check_range,
    decayed,
    lerp,
    number,
)
from xptorch.optim.optimizer import ParamsT


class RMSprop(FormulaOptimizer):
    r"""Divides the step of each element by the root of a running average of its squared gradient.

    .. math::
        v \leftarrow \alpha v + (1 - \alpha) g^2, \quad
        b \leftarrow \mu b + \frac{g}{\sqrt{v} + \epsilon}, \quad p \leftarrow p - \gamma b

    Source: Hinton's lecture notes, 2012; centered: Graves, 2013.

    Args:
        params: tensors or groups of them.
        lr: the learning rate :math:`\gamma`.
        alpha: the decay :math:`\alpha` of the average.
        eps: :math:`\epsilon`, against division by zero.
        weight_decay: this times `p` is added to the gradient.
        momentum: :math:`\mu`.
        centered: divide by the root of the gradient's variance, not of its square.
        maximize: maximize the loss instead of minimizing it.
        foreach: accepted; it changes nothing here.
        capturable, differentiable: not supported.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_range("epsilon value", eps)
        check_range("momentum value", momentum)
        check_range("weight_decay value", weight_decay)
        check_range("alpha value", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _states(self, group: dict[str, Any]) -> dict[str, float]:
        names = ["square_avg"]
        names += ["momentum_buffer"] * (group["momentum"] > 0) + ["grad_avg"] * group["centered"]
        return dict.fromkeys(names, 0.0)

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        names = ("alpha", "eps", "weight_decay", "momentum", "centered")
        return {"lr": number(group["lr"]), **{name: group[name] for name in names}}

    @staticmethod
    def update(
        xp: Any,
        p: Any,
        g: Any,
        v: Any,
        *more: Any,
        t: float,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
    ) -> tuple[Any, ...]:
        g = decayed(g, p, weight_decay)
        v = average_square(v, g, alpha)
        buffers = list(more)
        if centered:
            mean = buffers[-1] = lerp(buffers[-1], g, 1 - alpha)
            scale = xp.sqrt(v - mean * mean)
        else:
            scale = xp.sqrt(v)
        scale += eps
        if momentum > 0:
            b = buffers[0]
            b *= momentum
            b += g / scale
            p -= lr * b
            buffers[0] = b
        else:
            p -= lr * g / scale
        return (p, v, *buffers)
