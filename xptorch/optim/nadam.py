"""NAdam."""

from __future__ import annotations

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
    scalar_state,
)
from xptorch.optim.optimizer import ParamsT


class NAdam(FormulaOptimizer):
    r"""Adam with Nesterov's momentum.

    .. math::
        \mu_t = \beta_1 (1 - 0.5 \cdot 0.96^{t \psi}), \quad
        p \leftarrow p - \gamma \frac{
            \mu_{t+1} m / (1 - \prod_{i \le t+1} \mu_i)
            + (1 - \mu_t) g / (1 - \prod_{i \le t} \mu_i)
        }{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Source: Dozat, Incorporating Nesterov Momentum into Adam, 2016.

    Args:
        params: tensors or groups of them.
        lr: the learning rate :math:`\gamma`.
        betas: :math:`\beta_1, \beta_2`, the decay of `m` and `v`, which are as in Adam.
        eps: :math:`\epsilon`, against division by zero.
        weight_decay: this times `p` is added to the gradient.
        momentum_decay: :math:`\psi`.
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
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_range("momentum_decay value", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _scalars(self, group: dict[str, Any]) -> dict[str, Tensor]:
        return {**super()._scalars(group), "mu_product": scalar_state(1.0)}

    def _states(self, group: dict[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        return moment_settings(group)

    def _numbers(self, state: dict[str, Any], group: dict[str, Any], t: float) -> dict[str, Any]:
        beta1, decay = group["betas"][0], group["momentum_decay"]
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (n * decay)) for n in (t, t + 1))
        product = state["mu_product"]
        product._data *= mu
        return {"mu": mu, "mu_next": mu_next, "product": float(product._data)}

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
        mu: float,
        mu_next: float,
        product: float,
    ) -> tuple[Any, ...]:
        if weight_decay and decoupled:
            p *= 1 - lr * weight_decay
        else:
            g = decayed(g, p, weight_decay)
        m = lerp(m, g, 1 - beta1)
        v = average_square(v, g, beta2)
        scale = v / (1 - beta2**t)
        scale = xp.sqrt(scale)
        scale += eps
        p -= lr * (1 - mu) / (1 - product) * g / scale
        p -= lr * mu_next / (1 - product * mu_next) * m / scale
        return p, m, v
