"""Schedulers that raise and lower the rate during a run, and the momentum inversely."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from xptorch.optim._scheduler import LRScheduler, check_optimizer, per_group, put
from xptorch.optim.optimizer import Optimizer


def _momentum_of(group: dict[str, Any]) -> float:
    """A group's momentum, or its beta1."""
    return group["betas"][0] if "betas" in group else group["momentum"]


def _set_momentum(group: dict[str, Any], value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def _check_momentum(optimizer: Optimizer) -> bool:
    """Whether beta1 is cycled, not momentum; raises ValueError if there is neither."""
    if "betas" not in optimizer.defaults and "momentum" not in optimizer.defaults:
        raise ValueError(
            "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
        )
    return "betas" in optimizer.defaults


class CyclicLR(LRScheduler):
    r"""Cycles the rate linearly between two bounds, with one step per batch.

    .. math:: \gamma_t = \mathrm{base} + (\mathrm{max} - \mathrm{base}) \cdot x \cdot s

    where `x` rises from 0 to 1 in `step_size_up` steps and falls to 0 in `step_size_down`, and `s`
    is 1 (triangular), halves with each cycle (triangular2), or is ``gamma ** t`` (exp_range).

    Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017.

    Args:
        optimizer: the optimizer whose learning rates are set.
        base_lr: the lower bound, or a list with one for each group.
        max_lr: the upper bound, or a list with one for each group.
        step_size_up: steps from the lower to the upper bound.
        step_size_down: steps from the upper to the lower bound; `step_size_up` if None.
        mode: ``"triangular"``, ``"triangular2"`` or ``"exp_range"``.
        gamma: the base of `s` in exp_range.
        scale_fn: a function that computes `s`, used instead of the mode's.
        scale_mode: whether `scale_fn` is called with the number of the ``"cycle"`` or of
            ``"iterations"``.
        cycle_momentum: cycle the momentum (or beta1) inversely to the rate.
        base_momentum: the momentum's lower bound, or a list with one for each group.
        max_momentum: the momentum's upper bound, or a list with one for each group.
        last_epoch: the last finished batch when training is resumed.

    Raises:
        ValueError: the mode is unknown, the length of a list is not the number of groups, or the
            optimizer has no momentum to cycle.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = check_optimizer(optimizer)
        base_lrs = per_group(optimizer, "base_lr", base_lr)
        if last_epoch == -1:
            for rate, group in zip(base_lrs, optimizer.param_groups, strict=True):
                put(group, "lr", rate)
        self.max_lrs = per_group(optimizer, "max_lr", max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        exp_range = scale_fn is None and mode == "exp_range"
        self.scale_mode = "iterations" if exp_range else scale_mode if scale_fn else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _check_momentum(optimizer)
            self.base_momentums = per_group(optimizer, "base_momentum", base_momentum)
            self.max_momentums = per_group(optimizer, "max_momentum", max_momentum)
            if last_epoch == -1:
                self._start_momentums()
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _start_momentums(self) -> None:
        groups = self.optimizer.param_groups
        for low, high, group in zip(self.base_momentums, self.max_momentums, groups, strict=True):
            _set_momentum(group, high)
            group["max_momentum"], group["base_momentum"] = high, low

    def scale_fn(self, x: float) -> float:
        """The factor by which the amplitude of a cycle (or step) is multiplied."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular2":
            return 1 / (2.0 ** (x - 1))
        return self.gamma**x if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list[Any]:
        self._rates()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            pairs = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, pairs, strict=True):
                _set_momentum(group, high - (high - low) * height)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in pairs]

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; for a callable object as `scale_fn`, its attributes."""
        state = super().state_dict()
        function = state.pop("_scale_fn_custom")
        state["_scale_fn_custom"] = None
        if function is not None and hasattr(function, "__dict__"):
            is_object = not hasattr(function, "__code__")
            state["_scale_fn_custom"] = function.__dict__.copy() if is_object else None
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` returned; `scale_fn` stays the one passed to the constructor."""
        state = dict(state_dict)
        attributes = state.pop("_scale_fn_custom")
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)
        super().load_state_dict(state)


class OneCycleLR(LRScheduler):
    r"""Raises the rate to `max_lr` once, then lowers it to almost 0, with one step per batch.

    It starts from ``max_lr / div_factor`` and ends at ``max_lr / div_factor / final_div_factor``.

    Source: Smith and Topin, Super-Convergence, 2018.

    Args:
        optimizer: the optimizer whose learning rates are set.
        max_lr: the highest rate, or a list with one for each group.
        total_steps: the number of steps.
        epochs, steps_per_epoch: alternatively, two factors of the number of steps.
        pct_start: the fraction of the steps in which the rate rises.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: cycle the momentum (or beta1) inversely to the rate.
        base_momentum: the momentum's lower bound, or a list with one for each group.
        max_momentum: the momentum's upper bound, or a list with one for each group.
        div_factor: `max_lr` divided by the first rate.
        final_div_factor: the first rate divided by the last.
        three_phase: fall to the first rate in as many steps as it rose, and then to the last.
        last_epoch: the last finished step when training is resumed.

    Raises:
        ValueError: options are missing or out of range, or there are more than `total_steps` steps.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = check_optimizer(optimizer)
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._schedule_phases = _phases(
            float(pct_start * self.total_steps), self.total_steps, three_phase
        )
        self._anneal_func_type = anneal_strategy
        highest = per_group(optimizer, "max_lr", max_lr)
        if last_epoch == -1:
            for rate, group in zip(highest, optimizer.param_groups, strict=True):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _check_momentum(optimizer)
            high = per_group(optimizer, "max_momentum", max_momentum)
            low = per_group(optimizer, "base_momentum", base_momentum)
            if last_epoch == -1:
                for group, h, b in zip(optimizer.param_groups, high, low, strict=True):
                    _set_momentum(group, h)
                    group["max_momentum"], group["base_momentum"] = h, b
        super().__init__(optimizer, last_epoch)

    def _annealed(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list[Any]:
        self._rates()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        begin = 0.0
        for phase in self._schedule_phases:
            if step <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            begin = phase["end_step"]
        part = (step - begin) / (phase["end_step"] - begin)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._annealed(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                _set_momentum(group, self._annealed(*ends, part))
        return rates


def _total_steps(total: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total is None and (epochs is None or steps_per_epoch is None):
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    given: dict[str, Any] = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    if total is not None:
        given = {"total_steps": total}
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {value}")
    return math.prod(given.values())


def _phases(rise: float, total: int, three: bool) -> list[dict[str, Any]]:
    """For each phase its last step, and the group's options that it starts from and ends at."""
    corners = [("initial_lr", "max_momentum"), ("max_lr", "base_momentum")]
    if three:
        corners.append(("initial_lr", "max_momentum"))
    corners.append(("min_lr", "max_momentum"))
    ends = [rise - 1, 2 * rise - 2, total - 1] if three else [rise - 1, total - 1]
    return [
        {
            "end_step": end,
            "start_lr": start[0],
            "end_lr": stop[0],
            "start_momentum": start[1],
            "end_momentum": stop[1],
        }
        for end, start, stop in zip(ends, corners[:-1], corners[1:], strict=True)
    ]
