"""L-BFGS."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from xptorch._engine.grad_mode import enable_grad, no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.ops.elementwise.complex import view_as_real
from xptorch.ops.shape.creation import zeros_like
from xptorch.ops.shape.joining import cat
from xptorch.optim._formula import check_lr, number
from xptorch.optim.optimizer import Optimizer, ParamsT

Closure = Callable[[], Any]

# The names of the saved state, in the order of PyTorch's state dict.
_MEMORY: tuple[str, ...] = (
    "func_evals",
    "n_iter",
    "al",
    "d",
    "t",
    "old_dirs",
    "old_stps",
    "ro",
    "H_diag",
)
_MEMORY += ("prev_flat_grad", "prev_loss")


class LBFGS(Optimizer):
    r"""Newton's method with the inverse Hessian estimated from the last steps.

    .. math::
        p \leftarrow p - t\, H g, \quad t = \gamma \text{ or found by a line search}

    where `H` is applied by the two-loop recursion over the last `history_size` pairs of steps and
    changes of the gradient. One call of `step` makes up to `max_iter` such steps and calls the
    closure for each. All parameters form one vector: only one group is supported.

    Source: Nocedal and Wright, Numerical Optimization, 2006, algorithms 7.4, 7.5, 3.5 and 3.6.

    Args:
        params: tensors.
        lr: :math:`\gamma`, the first step size that is tried.
        max_iter: steps in one call of `step`.
        max_eval: calls of the closure in one call of `step`; ``max_iter * 5 // 4`` if None.
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when neither parameters nor loss change by more.
        history_size: the number of pairs that are stored.
        line_search_fn: ``"strong_wolfe"`` or None.

    Raises:
        ValueError: there are several groups, or `lr` is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        memory = self.state[self._params[0]]
        order = dict.fromkeys((*memory, *_MEMORY))
        with no_grad():
            loss = self._step(closure)
        memory.update({name: memory.pop(name) for name in order if name in memory})
        return loss

    def _step(self, closure: Closure) -> Any:
        group = self.param_groups[0]
        memory = self.state[self._params[0]]
        memory.setdefault("func_evals", 0)
        memory.setdefault("n_iter", 0)
        with enable_grad():
            first_loss = closure()
        memory["func_evals"] += 1
        loss, gradient, evaluations = float(first_loss), self._gradient(), 1
        if _largest(gradient) <= group["tolerance_grad"]:
            return first_loss
        for n in range(1, group["max_iter"] + 1):
            memory["n_iter"] += 1
            d = memory["d"] = _direction(memory, gradient, group["history_size"])
            memory["prev_flat_grad"], memory["prev_loss"] = gradient, loss
            t = memory["t"] = number(group["lr"])
            if memory["n_iter"] == 1:
                t = memory["t"] = min(1.0, 1.0 / gradient.abs().sum().item()) * t
            slope = gradient.dot(d).item()
            if slope > -group["tolerance_change"]:
                break
            calls = 0
            if group["line_search_fn"] is not None:
                start = _Point(0.0, loss, gradient, slope)
                limit = min(25, group["max_eval"] - evaluations)
                found, calls = self._search(closure, start, t, d, group["line_search_fn"], limit)
                loss, gradient, t = found.loss, found.gradient, found.t
                memory["t"] = t
                self._move(t, d)
            else:
                self._move(t, d)
                if n != group["max_iter"]:
                    loss, gradient, calls = *self._evaluate(closure), 1
            evaluations += calls
            memory["func_evals"] += calls
            if (
                n == group["max_iter"]
                or evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(d * t) <= group["tolerance_change"]
                or abs(loss - memory["prev_loss"]) < group["tolerance_change"]
            ):
                break
        return first_loss

    def _gradient(self) -> Tensor:
        """The gradients of all parameters as one vector, zeros where there is none."""
        parts = [zeros_like(p) if p.grad is None else p.grad for p in self._params]
        return cat([_numbers(g).reshape(-1) for g in parts], 0)

    def _move(self, t: float, d: Tensor) -> None:
        """Add `t` times the vector to the parameters."""
        offset = 0
        for p in map(_numbers, self._params):
            p.add_(d[offset : offset + p.numel()].reshape(p.shape), alpha=t)
            offset += p.numel()

    def _evaluate(self, closure: Closure) -> tuple[float, Tensor]:
        with enable_grad():
            loss = float(closure())
        return loss, self._gradient()

    def _search(
        self, closure: Closure, start: _Point, t: float, d: Tensor, name: str, limit: int
    ) -> tuple[_Point, int]:
        if name != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        origin = [p.clone() for p in self._params]

        def evaluate(t: float) -> _Point:
            self._move(t, d)
            loss, gradient = self._evaluate(closure)
            for p, x in zip(self._params, origin, strict=True):
                p.copy_(x)
            return _Point(t, loss, gradient, gradient.dot(d).item())

        return _strong_wolfe(evaluate, start, t, _largest(d), limit)


def _numbers(t: Tensor) -> Tensor:
    """The tensor; if complex, a view with real and imaginary parts as separate elements."""
    return view_as_real(t) if t.dtype.is_complex else t


def _largest(x: Tensor) -> float:
    return float(x.abs().max().item())


def _direction(memory: dict[str, Any], gradient: Tensor, history_size: int) -> Tensor:
    """The direction of the next step, after the last step is added to the history."""
    if memory["n_iter"] == 1:
        memory.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
        return -gradient
    changes, steps, ro = memory["old_dirs"], memory["old_stps"], memory["ro"]
    y = gradient - memory["prev_flat_grad"]
    s = memory["d"] * memory["t"]
    ys = y.dot(s)
    if ys.item() > 1e-10:  # else the curvature would not stay positive
        if len(changes) == history_size:
            for history in (changes, steps, ro):
                history.pop(0)
        changes.append(y)
        steps.append(s)
        ro.append(1.0 / ys)
        memory["H_diag"] = ys / y.dot(y)
    al = memory.setdefault("al", [None] * history_size)
    d = -gradient
    for i in reversed(range(len(changes))):
        al[i] = steps[i].dot(d) * ro[i]
        d = d - al[i] * changes[i]
    d = d * memory["H_diag"]
    for i in range(len(changes)):
        d = d + (al[i] - changes[i].dot(d) * ro[i]) * steps[i]
    return d


# ---- the line search


class _Point(NamedTuple):
    """A point on the line: step size, loss, gradient, and directional derivative (slope)."""

    t: float
    loss: float
    gradient: Tensor
    slope: float


def _strong_wolfe(
    evaluate: Callable[[float], _Point],
    start: _Point,
    t: float,
    length: float,
    limit: int,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
) -> tuple[_Point, int]:
    """A point that satisfies the strong Wolfe conditions, and the number of evaluations."""

    def too_high(p: _Point) -> bool:
        return p.loss > start.loss + c1 * p.t * start.slope

    def flat(p: _Point) -> bool:
        return abs(p.slope) <= -c2 * start.slope

    # Increase the step until two points bracket such a point.
    before, new, tries = start, evaluate(t), 0
    while tries < limit:
        worse = too_high(new) or (tries > 1 and new.loss >= before.loss)
        if flat(new) and not worse:
            return new, tries + 1
        if worse or new.slope >= 0:
            low, high = before, new
            break
        bounds = (new.t + 0.01 * (new.t - before.t), new.t * 10)
        t = _minimum_of_cubic(before, new, *bounds)
        before, new, tries = new, evaluate(t), tries + 1
    else:
        low, high = start, new
    # Then shrink the bracket.
    slow = False
    if high.loss < low.loss:
        low, high = high, low
    while tries < limit and abs(high.t - low.t) * length >= tolerance_change:
        left, right = sorted((low, high), key=lambda p: p.t)
        t = _minimum_of_cubic(left, right, left.t, right.t)
        margin = 0.1 * (right.t - left.t)
        near_end = min(right.t - t, t - left.t) < margin
        if near_end and (slow or t >= right.t or t <= left.t):
            t = right.t - margin if abs(t - right.t) < abs(t - left.t) else left.t + margin
            near_end = False
        slow = near_end
        new, tries = evaluate(t), tries + 1
        if too_high(new) or new.loss >= low.loss:
            high = new
            if high.loss < low.loss:
                low, high = high, low
            continue
        if flat(new):
            low = new
            break
        if new.slope * (high.t - low.t) >= 0:
            high = low
        low = new
    return low, tries + 1


def _minimum_of_cubic(a: _Point, b: _Point, lowest: float, highest: float) -> float:
    """The step at the minimum, within bounds, of the cubic through two points and their slopes."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (lowest + highest) / 2
    d2 = math.sqrt(square)
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, lowest), highest)
