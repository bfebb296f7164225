"""Resilient backpropagation."""

from __future__ import annotations

from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.optim._formula import (
    FormulaOptimizer,
    check_lr,
    number,
)
from xptorch.optim.optimizer import ParamsT


class Rprop(FormulaOptimizer):
    r"""Steps by the sign of the gradient alone, with a separate step size for each element.

    .. math::
        \eta \leftarrow \mathrm{clip}(\eta \cdot (\eta^+ \text{ if } g g' > 0,\
            \eta^- \text{ if } g g' < 0)), \quad
        p \leftarrow p - \eta\, \mathrm{sign}(g)

    :math:`g'` is the previous step's gradient; where the sign has changed, `g` counts as 0.

    Source: Riedmiller and Braun, A Direct Adaptive Method for Faster Backpropagation, 1993.

    Args:
        params: tensors or groups of them.
        lr: the initial step size.
        etas: :math:`\eta^-, \eta^+`.
        step_sizes: the smallest and the largest step size.
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
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _states(self, group: dict[str, Any]) -> dict[str, float]:
        return {"prev": 0.0, "step_size": number(group["lr"])}

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"etas": group["etas"], "step_sizes": group["step_sizes"]}

    @staticmethod
    def update(
        xp: Any,
        p: Any,
        g: Any,
        before: Any,
        size: Any,
        *,
        t: float,
        etas: tuple[float, float],
        step_sizes: tuple[float, float],
    ) -> tuple[Any, ...]:
        agreement = g * before
        sign_changed = agreement < 0
        factor = xp.ones_like(g)
        factor = xp.where(sign_changed, factor * etas[0], factor)
        factor = xp.where(agreement > 0, xp.ones_like(g) * etas[1], factor)
        low, high = (xp.full_like(size, limit) for limit in step_sizes)
        size = xp.assign(size, ..., xp.minimum(xp.maximum(size * factor, low), high))
        g = xp.where(sign_changed, xp.zeros_like(g), g)
        p -= xp.sign(g) * size
        before = xp.assign(before, ..., g)
        return p, before, size
