"""The base class of learning rate schedulers."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.optim.optimizer import Optimizer


class LRScheduler:
    """Sets the learning rates of an optimizer's groups in each epoch.

    A subclass defines ``get_lr()``: the rates for `last_epoch`, computed from the previous ones (so
    that several schedulers can be used with one optimizer), and optionally
    ``_get_closed_form_lr()``: the same computed from the initial rates. It sets its own attributes
    before it calls ``super().__init__``.

    Args:
        optimizer: the optimizer whose learning rates are set.
        last_epoch: the last finished epoch when training is resumed; -1 at the start.

    Attributes:
        base_lrs: the initial rates.
        last_epoch: the epoch that the rates are for.

    Raises:
        TypeError: `optimizer` is not an optimizer.
        KeyError: `last_epoch` is given, but the groups have no ``initial_lr``.
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = check_optimizer(optimizer)
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", copied(group["lr"]))
        for i, group in enumerate(optimizer.param_groups):
            if "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    "scheduler with last_epoch >= 0: load the optimizer's state first, or leave "
                    "last_epoch at -1 to start anew"
                )
        self.base_lrs = [copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch: Any = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False
        self._get_lr_called_within_step = False

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rates that were set last, one per group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The rates for `last_epoch`."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next epoch (or, deprecated, of a given one)."""
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warn_of_epoch()
        self._update_lr(epoch)

    def _check_order(self) -> None:
        """Warn if the scheduler's first step precedes the optimizer's."""
        if not hasattr(self.optimizer.step, "hooked"):
            text = (
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before "
                "`lr_scheduler.step()`."
            )
        elif not self.optimizer._opt_called:
            text = (
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first value "
                "of the learning rate schedule is skipped. Call them in the opposite order."
            )
        else:
            return
        warnings.warn(text, UserWarning, stacklevel=4)

    def _update_lr(self, epoch: int | None = None) -> None:
        closed_form = getattr(self, "_get_closed_form_lr", None)
        with self._calling():
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                rates = self.get_lr() if closed_form is None else closed_form()
        self._set(rates)

    @contextlib.contextmanager
    def _calling(self) -> Iterator[None]:
        """A block in which `get_lr` is called by the scheduler itself and does not warn."""
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _set(self, rates: Sequence[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
            put(group, "lr", rate)
        self._last_lr = self._current()

    def _current(self) -> list[Any]:
        return [copied(group["lr"]) for group in self.optimizer.param_groups]

    def _rates(self) -> list[Any]:
        """The current rates, from which `get_lr` computes the next ones."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, "
                "please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )
        return self._current()


def warn_of_epoch() -> None:
    """Warn the caller of `step` that its argument is deprecated."""
    warnings.warn(
        "The epoch parameter in `scheduler.step()` is deprecated: call it without, once after "
        "every epoch",
        UserWarning,
        stacklevel=3,
    )


def check_optimizer(optimizer: Any) -> Optimizer:
    """Return the argument if it is an optimizer, else raise TypeError."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def copied(value: Any) -> Any:
    """A copy of a rate, which later changes of the group do not affect."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def put(group: dict[str, Any], name: str, value: Any) -> None:
    """Set an option of a group; one that is a tensor is changed in place."""
    if isinstance(group[name], Tensor):
        group[name].fill_(value.item() if isinstance(value, Tensor) else value)
    else:
        group[name] = value


def per_group(optimizer: Optimizer, name: str, value: Any) -> list[Any]:
    """A list with a value for each group, from a list or a single value for all groups."""
    if not isinstance(value, list | tuple):
        return [value] * len(optimizer.param_groups)
    if len(value) != len(optimizer.param_groups):
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has "
            f"{len(value)} values, param_groups has {len(optimizer.param_groups)}."
        )
    return list(value)
