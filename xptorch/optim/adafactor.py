"""Adafactor."""

from __future__ import annotations

import math
from typing import Any

from xptorch._core import dtype as dtypes
from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.ops.shape import creation
from xptorch.optim._formula import increment_step, number, scalar_state
from xptorch.optim.optimizer import Closure, Optimizer, ParamsT


class Adafactor(Optimizer):
    r"""Scales the steps by running averages of squared gradients, stored per row and column only.

    .. math::
        \beta = t^{\tau}, \quad
        R \leftarrow R + \beta (\mathrm{mean}_{cols}(g^2) - R), \quad
        C \leftarrow C + \beta (\mathrm{mean}_{rows}(g^2) - C), \quad
        V = \frac{R \, C}{\max(\mathrm{mean}(R), \epsilon_1)}

    .. math::
        u = g / \sqrt{V}, \quad
        p \leftarrow p - \max(\epsilon_2, \mathrm{RMS}(p)) \min(\gamma, 1 / \sqrt{t})
            \frac{u}{\max(1, \mathrm{RMS}(u) / d)}

    Source: Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018.

    Args:
        params: tensors or groups of them.
        lr: :math:`\gamma`, the largest step relative to the parameter.
        beta2_decay: :math:`\tau`.
        eps: :math:`\epsilon_1` (the dtype's machine precision if None), :math:`\epsilon_2`.
        d: the largest RMS of an update.
        weight_decay: shrink `p` by this times lr.
        foreach: accepted; it changes nothing here.
        maximize: maximize the loss instead of minimizing it.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        at_least = {
            "Learning rate": (lr, 0),
            "epsilon1": (0 if eps[0] is None else eps[0], 0),
            "epsilon2": (eps[1], 0),
            "Clipping threshold d": (d, 1),
            "weight_decay": (weight_decay, 0),
        }
        if not beta2_decay <= 0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        for name, (value, least) in at_least.items():
            if not value >= least:
                raise ValueError(f"{name} should be >= {least} but is: {value}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    @no_grad()
    def step(self, closure: Closure = None) -> Any:
        loss = self._loss(closure)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.is_complex():
                    raise RuntimeError("Adafactor does not support complex parameters")
                self._update(p, -p.grad if group["maximize"] else p.grad, group)
        return loss

    def _update(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if not state:
            state["step"] = scalar_state()
            if g.ndim > 1:
                state["row_var"] = creation.zeros_like(g[..., :1])
                state["col_var"] = creation.zeros_like(g[..., :1, :])
            else:
                state["variance"] = creation.zeros_like(g)
        t = increment_step(state["step"])
        eps1 = dtypes.finfo(p.dtype).eps if group["eps"][0] is None else group["eps"][0]
        lr = number(group["lr"])
        weight = t ** group["beta2_decay"]
        size = math.sqrt(p.numel())
        alpha = max(group["eps"][1], p.norm().item() / size) * min(lr, 1 / math.sqrt(t))
        if group["weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        update = _variance(g, state, weight, eps1).clamp(min=eps1 * eps1).rsqrt() * g
        too_large = max(1.0, update.norm().item() / (size * group["d"]))
        p.add_(update, alpha=-alpha / too_large)


def _variance(g: Tensor, state: dict[str, Any], weight: float, eps: float) -> Tensor:
    """The estimate of the squared gradient, after the averages are updated by this gradient."""
    if g.ndim < 2:
        return state["variance"].lerp_(g.square(), weight)
    row, column = state["row_var"], state["col_var"]
    row.lerp_(g.norm(dim=-1, keepdim=True).square() / g.shape[-1], weight)
    column.lerp_(g.norm(dim=-2, keepdim=True).square() / g.shape[-2], weight)
    return (row @ column) / row.mean(dim=-2, keepdim=True).clamp(min=eps)
