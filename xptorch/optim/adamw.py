"""Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.optim.adam import Adam
from xptorch.optim.optimizer import ParamsT


class AdamW(Adam):
    r"""Adam whose weight decay shrinks the parameter instead of adding to the gradient.

    .. math::
        p \leftarrow (1 - \gamma \lambda)\, p, \quad \text{then the step of Adam}

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019.

    Args:
        params: tensors or groups of them.
        lr: the learning rate :math:`\gamma`.
        betas: the decay of Adam's two running averages.
        eps: against division by zero.
        weight_decay: :math:`\lambda`.
        amsgrad: divide by the largest average of squares so far.
        maximize: maximize the loss instead of minimizing it.
        foreach, fused: accepted; they change nothing here.
        capturable, differentiable: not supported.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # checkpoints of older releases lack the option
            group["decoupled_weight_decay"] = True
