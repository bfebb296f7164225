"""Building blocks of the optimizers: checks of options, states, and formulas over arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from xptorch._core import dtype as dtypes
from xptorch._engine import graph
from xptorch._tensor.tensor import Tensor
from xptorch.ops.elementwise.complex import view_as_real
from xptorch.ops.shape import creation
from xptorch.optim._multi_tensor import FlatGroups, ParameterUpdate, apply
from xptorch.optim.optimizer import Closure, Optimizer


def check_range(name: str, value: Any) -> None:
    """Raise ValueError unless value >= 0."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {name}: {value}")


def check_lr(lr: Any, foreach: bool | None = None, capturable: bool = False) -> None:
    """Raise ValueError unless the learning rate is a scalar >= 0."""
    if isinstance(lr, Tensor):
        if foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        if lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
    check_range("learning rate", lr)


def check_betas(betas: Any, foreach: bool | None = None, capturable: bool = False) -> None:
    """Raise ValueError unless the betas are in [0, 1), both numbers or both 1-element tensors."""
    if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
        raise ValueError("betas must be either both floats or both Tensors")
    for i, beta in enumerate(betas[:2]):
        if isinstance(beta, Tensor):
            if foreach and not capturable:
                raise ValueError(
                    f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True"
                )
            if beta.numel() != 1:
                raise ValueError(f"Tensor betas[{i}] must be 1-element")
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


def number(value: Any) -> float:
    """An option, which may be a one-element tensor, as a Python number."""
    return value.item() if isinstance(value, Tensor) else value


def moment_settings(group: dict[str, Any]) -> dict[str, Any]:
    """The settings that the formulas of Adam and its variants take from a group."""
    beta1, beta2 = map(number, group["betas"])
    return {
        "lr": number(group["lr"]),
        "beta1": beta1,
        "beta2": beta2,
        "eps": group["eps"],
        "weight_decay": group["weight_decay"],
        "decoupled": group["decoupled_weight_decay"],
    }


def scalar_state(value: float = 0.0) -> Tensor:
    """A scalar state, such as the step count: on the CPU, whichever device the parameter is on."""
    wide = dtypes.get_default_dtype() is dtypes.float64
    dt = dtypes.float64 if wide else dtypes.float32
    return creation.tensor(value, dtype=dt, device="cpu")


def full_state(p: Tensor, value: float = 0.0) -> Tensor:
    """A state filled with one value, of the shape, dtype and device of a parameter."""
    xp, x = p._device.xp, p._data
    start = complex(value, value) if p.dtype.is_complex else value
    made = xp.full_like(x, start) if value else xp.zeros_like(x)
    return graph.wrap(made, p._device)


def increment_step(step: Tensor) -> float:
    """Add one to a step count and return it."""
    t: float = step._data.item() + 1
    step._data[...] = t
    return t


# ---- the optimizers that are defined by a formula


class FormulaOptimizer(Optimizer):
    """An optimizer that is a formula over a parameter, its gradient and a few states.

    A subclass defines the formula as `update`, and its inputs in `_states` and `_settings`.
    """

    update: ClassVar[Callable[..., tuple[Any, ...]]]
    _newer_options: ClassVar[dict[str, Any]] = {  # options that checkpoints of older releases lack
        **dict.fromkeys(("amsgrad", "nesterov", "decoupled_weight_decay", "centered"), False),
        **dict.fromkeys(("maximize", "capturable", "differentiable"), False),
        **dict.fromkeys(("foreach", "fused"), None),
    }

    def _check_group(self, group: dict[str, Any]) -> None:
        """Raise for options that exclude each other, or that XPTorch does not support.

        `foreach` and `fused` only select how PyTorch groups the work: here they change nothing.
        """
        if group.get("fused") and group["differentiable"]:
            raise RuntimeError("`fused` does not support `differentiable`")
        if group.get("fused") and group["foreach"]:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        for name in ("differentiable", "capturable"):
            if group.get(name):
                raise NotImplementedError(f"{type(self).__name__}: {name}=True is not supported")

    def _initialise_transient(self) -> None:
        super()._initialise_transient()
        self._flat_groups: dict[int, FlatGroups] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self._newer_options.items():
                if name in self.defaults:
                    group.setdefault(name, value)
        for s in self.state.values():
            if isinstance(s.get("step"), int | float):  # as older releases saved it
                s["step"] = scalar_state(float(s["step"]))

    def _states(self, group: dict[str, Any]) -> dict[str, float]:
        """The names of the states that `update` takes, and their initial values."""
        raise NotImplementedError

    def _scalars(self, group: dict[str, Any]) -> dict[str, Tensor]:
        """The scalar states, with their initial values."""
        return {"step": scalar_state()}

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments of `update` that depend on the group only."""
        raise NotImplementedError

    def _numbers(self, state: dict[str, Any], group: dict[str, Any], t: float) -> dict[str, Any]:
        """Further keyword arguments of `update`, which depend on the parameter."""
        return {}

    def step(self, closure: Closure = None) -> Any:
        loss = self._loss(closure)
        for group, flat_groups in self._groups():
            starts, settings = self._states(group), self._settings(group)
            updates: list[ParameterUpdate] = []
            numbers: dict[str, Any] = {}
            for p, g in self._gradients(group):
                state = self.state[p]
                if "step" not in state:
                    state.update(self._scalars(group))
                    state.update({name: full_state(p, start) for name, start in starts.items()})
                t = increment_step(state["step"])
                own = self._numbers(state, group, t)
                if t != numbers.get("t") or own:
                    numbers = {"t": t, **settings, **own}
                item = ParameterUpdate(p, g, tuple([state[n] for n in starts]), numbers)
                if graph.setup.complex and p.dtype.is_complex:
                    item = _real_and_imaginary(item)
                updates.append(item)
            apply(self.update, updates, flat_groups)
        return loss

    def _groups(self) -> Iterator[tuple[dict[str, Any], FlatGroups]]:
        """Each group, with the flat groups of its small parameters."""
        for i, group in enumerate(self.param_groups):
            yield group, self._flat_groups.setdefault(i, [])

    def _gradients(self, group: dict[str, Any]) -> Iterator[tuple[Tensor, Any]]:
        """Each parameter of a group that has a gradient, and the gradient's array."""
        maximize = group["maximize"]
        for p in group["params"]:
            grad = p._grad
            if grad is not None:
                g = grad._data
                yield p, -g if maximize else g


def _real_and_imaginary(item: ParameterUpdate) -> ParameterUpdate:
    """The update over real and imaginary parts as separate elements, as PyTorch does it.

    Raises:
        NotImplementedError: the array library has no writable views.
    """
    p, g, states, settings = item
    parts = view_as_real(p.detach())
    if not p._device.xp.shares_memory(parts._data, p._data):
        raise NotImplementedError(f"{p._device.backend.name}: optimizers of complex parameters")
    graph.bump_version(p)
    gradients = view_as_real(graph.wrap(g, p._device))._data
    return ParameterUpdate(parts, gradients, tuple([view_as_real(s) for s in states]), settings)


def lerp(start: Any, end: Any, weight: float) -> Any:
    """`start`, changed in place to start + weight · (end − start)."""
    if weight < 0.5:
        change = end - start
        change *= weight
        start += change
    else:  # the same value, exact if weight is 1
        start -= end
        start *= 1 - weight
        start += end
    return start


def decayed(g: Any, p: Any, weight_decay: float) -> Any:
    """The gradient g + weight_decay · p."""
    if weight_decay == 0:
        return g
    decay = p * weight_decay
    decay += g
    return decay


def average_square(average: Any, g: Any, beta: float) -> Any:
    """`average`, changed in place to beta · average + (1 − beta) · g²."""
    square = g * (1 - beta)
    square *= g
    average *= beta
    average += square
    return average
