"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from xptorch._engine.op import dispatchable
from xptorch._tensor.tensor import Tensor
from xptorch.optim._formula import (
    FormulaOptimizer,
    check_lr,
    check_range,
    decayed,
    full_state,
    number,
)
from xptorch.optim._multi_tensor import ParameterUpdate, apply
from xptorch.optim.optimizer import Closure, ParamsT


class SGD(FormulaOptimizer):
    r"""Gradient descent, optionally with momentum.

    .. math::
        g \leftarrow g + \lambda p, \quad b \leftarrow \mu b + (1 - \tau) g, \quad
        p \leftarrow p - \gamma\, (g + \mu b \text{ if nesterov else } b)

    In the first step :math:`b = g`.

    Args:
        params: tensors or groups of them.
        lr: the learning rate :math:`\gamma`.
        momentum: :math:`\mu`; if it is 0, `b` is omitted.
        dampening: :math:`\tau`.
        weight_decay: :math:`\lambda`.
        nesterov: use Nesterov momentum.
        maximize: maximize the loss instead of minimizing it.
        foreach, fused: accepted; they change nothing here.
        differentiable: not supported.

    Raises:
        ValueError: an option is out of range, or `nesterov` without momentum or with dampening.

    Example:
        >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> p.grad = torch.tensor([1.0, 1.0])
        >>> torch.optim.SGD([p], lr=0.5).step()
        >>> p.tolist()
        [0.5, 1.5]
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_range("momentum value", momentum)
        check_range("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def step(self, closure: Closure = None) -> Any:
        loss = self._loss(closure)
        for group, flat_groups in self._groups():
            updates = []
            plain = {"lr": number(group["lr"]), "weight_decay": number(group["weight_decay"])}
            names = ("momentum", "dampening", "nesterov")
            later = plain | {"first": False} | {name: group[name] for name in names}
            first = later | {"first": True}
            for p, g in self._gradients(group):
                if group["momentum"] == 0:
                    updates.append(ParameterUpdate(p, g, (), plain))
                    continue
                state = self.state[p]
                known = state.get("momentum_buffer") is not None
                if not known:
                    state["momentum_buffer"] = full_state(p)
                numbers = later if known else first
                updates.append(ParameterUpdate(p, g, (state["momentum_buffer"],), numbers))
            apply(momentum_update if group["momentum"] else _plain, updates, flat_groups)
        return loss


def _plain(xp: Any, p: Any, g: Any, *, lr: float, weight_decay: float) -> tuple[Any]:
    p -= lr * decayed(g, p, weight_decay)
    return (p,)


@dispatchable
def momentum_update(
    xp: Any,
    p: Any,
    g: Any,
    b: Any,
    *,
    first: bool,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> tuple[Any, Any]:
    g = decayed(g, p, weight_decay)
    if first:
        b = xp.assign(b, ..., g)
    else:
        b *= momentum
        b += g if dampening == 0 else g * (1 - dampening)
    p -= lr * (g + momentum * b if nesterov else b)
    return p, b
