"""Averages of models during training: stochastic weight averaging, exponential averages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.nn.batchnorm import _BatchNorm
from xptorch.nn.module import Module
from xptorch.ops.shape import creation
from xptorch.optim._scheduler import LRScheduler, check_optimizer, per_group
from xptorch.optim.optimizer import Optimizer

__all__ = [
    "AveragedModel",
    "update_bn",
    "SWALR",
    "get_ema_multi_avg_fn",
    "get_swa_multi_avg_fn",
    "get_ema_avg_fn",
    "get_swa_avg_fn",
]

Average = Callable[[Any, Any, Any], Any]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    r"""The exponential average as a function: :math:`decay · average + (1 - decay) · value`."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Average:
    r"""The mean as a function: :math:`average + (value - average) / (n + 1)`."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def _for_lists(average: Average) -> Average:
    @no_grad()
    def update(averaged: Iterable[Tensor], current: Iterable[Tensor], num_averaged: Any) -> None:
        for a, c in zip(averaged, current, strict=True):
            a.copy_(average(a, c, num_averaged))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Average:
    """`get_ema_avg_fn` for lists of tensors, in place."""
    return _for_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Average:
    """`get_swa_avg_fn` for lists of tensors, in place."""
    return _for_lists(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model that contains the average of its parameters.

    Args:
        model: the model.
        device: the device of the copy.
        avg_fn: ``avg_fn(average, value, num_averaged)`` returns the new average of one tensor; the
            mean by default.
        multi_avg_fn: the same for lists of tensors, in place.
        use_buffers: whether buffers are averaged, too, and not copied.

    Attributes:
        module: the copy.
        n_averaged: the number of models that were averaged.

    Raises:
        AssertionError: both functions are given.

    Source: Izmailov et al., Averaging Weights Leads to Wider Optima, 2018.

    >>> import xptorch as torch
    >>> model = torch.nn.Linear(2, 1)
    >>> average = torch.optim.swa_utils.AveragedModel(model)
    >>> average.update_parameters(model)
    >>> average.n_averaged
    tensor(1)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Average | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", creation.tensor(0, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Include the model's current parameters in the average."""
        own, given = self._averaged(self.module), self._averaged(model)
        given = [p.detach().to(a.device) for a, p in zip(own, given, strict=True)]
        own = [a.detach() for a in own]
        if self.n_averaged == 0:
            for a, p in zip(own, given, strict=True):
                a.copy_(p)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(own, given, self.n_averaged)
        else:
            _for_lists(self.avg_fn or get_swa_avg_fn())(own, given, self.n_averaged)
        if not self.use_buffers:
            for a, b in zip(self.module.buffers(), model.buffers(), strict=True):
                a.detach().copy_(b.detach().to(a.device))
        self.n_averaged += 1

    def _averaged(self, model: Module) -> list[Tensor]:
        buffers: Iterable[Tensor] = model.buffers() if self.use_buffers else ()
        return list(itertools.chain(model.parameters(), buffers))


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Recompute the running statistics of a model's BatchNorms over all of the data.

    Args:
        loader: yields batches; the first item of a tuple or list is the input.
        model: the model.
        device: the device to which batches are moved.
    """
    momenta: dict[_BatchNorm, float | None] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
            module.momentum = None  # the mean over all batches
    if not momenta:
        return
    was_training = model.training
    model.train()
    for batch in loader:
        input = batch[0] if isinstance(batch, list | tuple) else batch
        model(input if device is None else input.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    r"""Anneals the rate to a fixed value, at which the subsequent models are averaged.

    .. math:: \gamma_t = (1 - a_t)\, \gamma_0 + a_t\, \gamma_{swa}

    where :math:`a_t` is :math:`t / n`, or :math:`(1 - \cos(\pi t / n)) / 2`, up to 1.

    Args:
        optimizer: the optimizer whose learning rates are set.
        swa_lr: the final rate, or a list with one for each group.
        anneal_epochs: `n`, the number of epochs until it is reached.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: the last finished epoch when training is resumed.

    Raises:
        ValueError: the strategy is unknown, the epochs are negative, or a list has a wrong length.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = per_group(check_optimizer(optimizer), "swa_lr", swa_lr)
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _weight(self, step: int) -> float:
        """The weight of the final rate after `step` steps."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[Any]:
        rates = self._rates()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._weight(step - 1), self._weight(step)
        new = []
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            last = group["swa_lr"]
            # From the current rate, so that another scheduler may change it, too.
            first = last if before == 1 else (rate - before * last) / (1 - before)
            new.append(last * now + first * (1 - now))
        return new
