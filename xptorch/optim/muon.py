"""Muon."""

from __future__ import annotations

import math
from typing import Any

from xptorch._core import dtype as dtypes
from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.ops.shape import creation
from xptorch.optim._formula import number
from xptorch.optim.optimizer import Closure, Optimizer, ParamsT


class Muon(Optimizer):
    r"""Steps along the orthogonal matrix nearest to the running average of the gradient.

    .. math::
        B \leftarrow B + (1 - \mu)(g - B), \quad
        O = \mathrm{NS}(g + \mu (B - g)), \quad
        p \leftarrow p - \gamma \lambda p - \gamma' O

    NS makes all singular values nearly 1: `ns_steps` times, in bfloat16's precision,
    :math:`X \leftarrow a X + (b G + c G^2) X` with :math:`G = X X^T`.
    :math:`\gamma'` is :math:`\gamma \sqrt{\max(1, rows / columns)}`.

    Source: Jordan, Muon: An optimizer for hidden layers in neural networks, 2024.

    Args:
        params: matrices or groups of them.
        lr: the learning rate :math:`\gamma`.
        weight_decay: :math:`\lambda`.
        momentum: :math:`\mu`.
        nesterov: whether O is computed from :math:`g + \mu (B - g)` instead of B.
        ns_coefficients: :math:`a, b, c`.
        eps: the lower bound of the norm that X is divided by initially.
        ns_steps: the number of NS steps.
        adjust_lr_fn: ``"match_rms_adamw"`` makes :math:`\gamma'` be
            :math:`0.2 \gamma \sqrt{\max(rows, columns)}`; ``"original"`` is the default.

    Raises:
        ValueError: an option is out of range, or a parameter is not a matrix.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        not_negative = {"Learning rate": lr, "momentum": momentum, "weight decay": weight_decay}
        for name, value in not_negative.items():
            if not value >= 0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{p.shape}"
                    )

    @no_grad()
    def step(self, closure: Closure = None) -> Any:
        loss = self._loss(closure)
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for p in group["params"]:
                g = p.grad
                if g is None:
                    continue
                if p.is_complex():
                    raise RuntimeError("Muon does not support complex parameters")
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = creation.zeros_like(g)
                average = state["momentum_buffer"].lerp_(g, 1 - momentum)
                direction = g.lerp(average, momentum) if group["nesterov"] else average
                update = _orthogonalized(
                    direction, group["ns_coefficients"], group["ns_steps"], group["eps"]
                )
                p.mul_(1 - lr * group["weight_decay"])
                adjusted = number(lr * _scale(group["adjust_lr_fn"], *p.shape))
                p.add_(update.to(p.dtype), alpha=-adjusted)
        return loss


def _scale(how: str | None, rows: int, columns: int) -> float:
    if how == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))


def _rounded(x: Tensor) -> Tensor:
    """A float64 tensor rounded to the eight bits that bfloat16 has, as float32."""
    far = x * (2.0**45 + 1)
    return (far - (far - x)).float()


def _orthogonalized(g: Tensor, coefficients: Any, steps: int, eps: float) -> Tensor:
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = creation.tensor(coefficients, dtype=dtypes.float32).tolist()
    x = _rounded(g.double())
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = _rounded(x.double() / _rounded(x.norm().double()).double().clamp(min=eps))
    for _ in range(steps):
        # Products are summed in float32, and rounded once with what is added to them.
        gram = _rounded((x @ x.T).double())
        mix = _rounded(b * gram.double() + c * (gram @ gram).double())
        x = _rounded(a * x.double() + (mix @ x).double())
    return x.T if tall else x
