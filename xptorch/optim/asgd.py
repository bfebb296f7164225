"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.optim._formula import (
    FormulaOptimizer,
    check_lr,
    check_range,
    decayed,
    number,
    scalar_state,
)
from xptorch.optim.optimizer import ParamsT


class ASGD(FormulaOptimizer):
    r"""Gradient descent that also computes the average of the parameters, from step `t0` on.

    .. math::
        p \leftarrow (1 - \lambda \eta_t)\, p - \eta_t g, \quad
        a \leftarrow a + \mu_t (p - a), \quad
        \eta_{t+1} = \frac{\gamma}{(1 + \lambda \gamma t)^\alpha}, \quad
        \mu_{t+1} = \frac{1}{\max(1, t - t_0)}

    The average is ``state[p]["ax"]``.

    Source: Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992.

    Args:
        params: tensors or groups of them.
        lr: the learning rate :math:`\gamma`.
        lambd: :math:`\lambda`.
        alpha: :math:`\alpha`.
        t0: the step at which averaging starts.
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
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_range("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _scalars(self, group: dict[str, Any]) -> dict[str, Tensor]:
        eta, mu = scalar_state(number(group["lr"])), scalar_state(1.0)
        return {**super()._scalars(group), "eta": eta, "mu": mu}

    def _states(self, group: dict[str, Any]) -> dict[str, float]:
        return {"ax": 0.0}

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"lambd": group["lambd"], "weight_decay": group["weight_decay"]}

    def _numbers(self, state: dict[str, Any], group: dict[str, Any], t: float) -> dict[str, Any]:
        """This step's eta and mu; the next step's go into the state."""
        now = {name: state[name].item() for name in ("eta", "mu")}
        lr = number(group["lr"])
        eta = lr / (1 + group["lambd"] * lr * t) ** group["alpha"]
        state["eta"].copy_(scalar_state(eta))
        state["mu"].copy_(scalar_state(1 / max(1, t - group["t0"])))
        return now

    @staticmethod
    def update(
        xp: Any,
        p: Any,
        g: Any,
        a: Any,
        *,
        t: float,
        lambd: float,
        weight_decay: float,
        eta: float,
        mu: float,
    ) -> tuple[Any, ...]:
        g = decayed(g, p, weight_decay)
        p *= 1 - lambd * eta
        p -= eta * g
        if mu == 1:
            a = xp.assign(a, ..., p)
        else:
            a += (p - a) * mu
        return p, a
