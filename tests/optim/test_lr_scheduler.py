"""Learning rate schedulers, against PyTorch's."""

from __future__ import annotations

import importlib
import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import xptorch
from tests.nn._twins import both
from xptorch.optim import lr_scheduler

Make = Callable[[Any, Any], Any]
SIMPLE: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("LambdaLR", (lambda t: 0.9**t,), {}),
    ("MultiplicativeLR", (lambda t: 0.9 + 0.01 * t,), {}),
    ("StepLR", (3,), {}),
    ("StepLR", (1,), {"gamma": 0.7}),
    ("MultiStepLR", ([2, 4, 4, 0],), {}),
    ("ConstantLR", (), {"factor": 0.4, "total_iters": 4}),
    ("LinearLR", (), {"total_iters": 6}),
    ("LinearLR", (), {"total_iters": 3, "start_factor": 1.0, "end_factor": 0.2}),
    ("ExponentialLR", (0.8,), {}),
    ("CosineAnnealingLR", (5,), {"eta_min": 0.01}),
    ("PolynomialLR", (), {"total_iters": 6, "power": 1.7}),
    ("CosineAnnealingWarmRestarts", (3,), {"T_mult": 2, "eta_min": 0.02}),
]
CYCLES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("CyclicLR", (0.1, 0.5), {"step_size_up": 3}),
    ("CyclicLR", (0.1, 0.5), {"step_size_up": 2, "step_size_down": 4, "mode": "triangular2"}),
    (
        "CyclicLR",
        ([0.1, 0.2], [0.5, 0.6]),
        {"step_size_up": 2, "mode": "exp_range", "gamma": 0.9, "base_momentum": 0.5},
    ),
    (
        "CyclicLR",
        (0.1, 0.5),
        {"scale_fn": lambda x: 0.5**x, "scale_mode": "iterations", "cycle_momentum": False},
    ),
    ("OneCycleLR", (0.5,), {"total_steps": 20}),
    (
        "OneCycleLR",
        ([0.5, 0.7],),
        {"epochs": 4, "steps_per_epoch": 5, "three_phase": True, "anneal_strategy": "linear"},
    ),
]
ALL = SIMPLE + CYCLES
IDS = [f"{name}-{i}" for i, (name, _, _) in enumerate(ALL)]


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference")


def optimizer(torch: Any, as_tensor: bool = False) -> Any:
    """SGD with two groups at rates 0.1 and 0.2."""
    rates = [0.1, 0.2]
    if as_tensor:
        rates = [torch.tensor(rate, dtype=torch.float64) for rate in rates]
    groups = [{"params": [torch.ones(1, requires_grad=True)], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, momentum=0.9)


def rates(opt: Any) -> list[float]:
    return [float(g["lr"]) for g in opt.param_groups] + [g["momentum"] for g in opt.param_groups]


def assert_same(torch: Any, run: Make) -> None:
    """`run(library, its lr_scheduler module)` returns the same numbers for both libraries."""
    seen = []
    for library in (xptorch, torch):
        module = importlib.import_module(f"{library.__name__}.optim.lr_scheduler")
        with warnings.catch_warnings(action="ignore"):
            seen.append(run(library, module))
    ours, theirs = seen
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("as_tensor", [False, True], ids=["numbers", "tensors"])
@pytest.mark.parametrize(("name", "args", "options"), ALL, ids=IDS)
def test_rates(torch: Any, name: str, args: Any, options: Any, as_tensor: bool) -> None:
    def run(library: Any, module: Any) -> Any:
        opt = optimizer(library, as_tensor)
        scheduler = getattr(module, name)(opt, *args, **options)
        seen = [rates(opt)]
        for _ in range(15):
            opt.step()
            scheduler.step()
            last = [float(rate) for rate in scheduler.get_last_lr()]
            seen.append([*rates(opt), *last, scheduler.last_epoch])
        return seen

    assert_same(torch, run)


@pytest.mark.parametrize("last_epoch", [0, 3, 5])
@pytest.mark.parametrize(("name", "args", "options"), ALL, ids=IDS)
def test_resumed(torch: Any, name: str, args: Any, options: Any, last_epoch: int) -> None:
    def run(library: Any, module: Any) -> Any:
        opt = optimizer(library)
        for i, group in enumerate(opt.param_groups):
            group.update(initial_lr=0.3 * (i + 1), max_lr=0.5, min_lr=0.001)
            group.update(max_momentum=0.9, base_momentum=0.8)
        scheduler = getattr(module, name)(opt, *args, **options, last_epoch=last_epoch)
        seen = [rates(opt)]
        for _ in range(8):
            opt.step()
            scheduler.step()
            seen.append(rates(opt))
        return seen

    assert_same(torch, run)


@pytest.mark.parametrize(("name", "args", "options"), ALL, ids=IDS)
def test_given_epochs_and_reloading(torch: Any, name: str, args: Any, options: Any) -> None:
    def run(library: Any, module: Any) -> Any:
        opt = optimizer(library)
        scheduler = getattr(module, name)(opt, *args, **options)
        seen = []
        for epoch in (1, 3, 7, 2, None, None, 0, None):
            opt.step()
            scheduler.step(epoch)
            seen.append(rates(opt))
        again = optimizer(library)
        twin = getattr(module, name)(again, *args, **options)
        twin.load_state_dict(scheduler.state_dict())
        again.load_state_dict(opt.state_dict())
        for _ in range(4):
            again.step()
            twin.step()
            seen.append(rates(again))
        return seen

    assert_same(torch, run)


@pytest.mark.parametrize("seed", range(20))
def test_composed(torch: Any, seed: int) -> None:
    rng = random.Random(seed)
    parts = [rng.choice(SIMPLE) for _ in range(rng.choice([1, 2, 3]))]
    milestones = sorted(rng.sample(range(1, 12), len(parts) - 1))
    kind = rng.choice(["chained", "sequential", "nested"])

    def run(library: Any, module: Any) -> Any:
        opt = optimizer(library)
        inner = [getattr(module, name)(opt, *args, **options) for name, args, options in parts]
        if kind == "chained":
            scheduler = module.ChainedScheduler(inner)
        else:
            scheduler = module.SequentialLR(opt, inner, milestones)
        if kind == "nested":
            last = module.ExponentialLR(opt, 0.5)
            scheduler = module.SequentialLR(opt, [scheduler, last], [9])
        seen = [rates(opt)]
        for _ in range(14):
            opt.step()
            scheduler.step()
            seen.append([*rates(opt), *scheduler.get_last_lr()])
        scheduler.load_state_dict(scheduler.state_dict())
        return seen

    assert_same(torch, run)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "max", "patience": 1},
        {"patience": 0, "cooldown": 2, "factor": 0.5},
        {"threshold_mode": "abs", "threshold": 0.3, "patience": 2},
        {"min_lr": [0.05, 0.01], "patience": 0},
        {"patience": 1, "eps": 0.02},
    ],
)
def test_plateaus(torch: Any, options: dict[str, Any]) -> None:
    def run(library: Any, module: Any) -> Any:
        opt, rng, seen = optimizer(library), random.Random(1), []
        scheduler = module.ReduceLROnPlateau(opt, **options)
        for i in range(40):
            scheduler.step(rng.random() if i % 3 else library.tensor(1.0))
            counts = [scheduler.num_bad_epochs, scheduler.cooldown_counter, scheduler.best]
            seen.append([*rates(opt), *counts])
        return seen

    assert_same(torch, run)


def test_a_tensor_rate_keeps_its_identity() -> None:
    rate = xptorch.tensor(0.5)
    opt = xptorch.optim.SGD([xptorch.ones(1, requires_grad=True)], lr=rate)
    scheduler = lr_scheduler.ExponentialLR(opt, 0.5)
    opt.step()
    scheduler.step()
    assert opt.param_groups[0]["lr"] is rate and rate.item() == 0.25
    assert scheduler.base_lrs[0].item() == 0.5


# ---- state dicts


class Decay:
    """A callable with state."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, t: float) -> float:
        return float(self.rate**t)


@both
def test_state_dicts(torch: Any) -> Any:
    module = importlib.import_module(f"{torch.__name__}.optim.lr_scheduler")
    states = []
    for name, args, options in [*ALL, ("ReduceLROnPlateau", (), {})]:
        states.append(getattr(module, name)(optimizer(torch), *args, **options).state_dict())
    opt = optimizer(torch)
    parts = [module.ConstantLR(opt), module.ExponentialLR(opt, 0.9)]
    states.append(module.SequentialLR(opt, parts, [3]).state_dict())
    states.append(module.ChainedScheduler(parts).state_dict())
    own = module.LambdaLR(optimizer(torch), Decay(0.5))
    states.append(own.state_dict())
    other = module.LambdaLR(optimizer(torch), Decay(0.1))
    other.load_state_dict(own.state_dict())
    cycles = [
        module.CyclicLR(optimizer(torch), 0.1, 0.5, scale_fn=Decay(rate)) for rate in (0.3, 0.4)
    ]
    cycles[1].load_state_dict(cycles[0].state_dict())
    return [states, other.lr_lambdas[0].rate, cycles[1].scale_fn(1)]


# ---- errors and warnings


@both
def test_errors(torch: Any) -> Any:
    m = importlib.import_module(f"{torch.__name__}.optim.lr_scheduler")
    opt, other = optimizer(torch), optimizer(torch)
    adagrad = torch.optim.Adagrad([torch.ones(1, requires_grad=True)])
    step = m.StepLR(opt, 1)
    return [
        _said(lambda: call())
        for call in [
            lambda: m.StepLR(3, 1),
            lambda: m.ReduceLROnPlateau(3),
            lambda: m.LambdaLR(opt, [len]),
            lambda: m.ConstantLR(opt, factor=2),
            lambda: m.LinearLR(opt, start_factor=0),
            lambda: m.LinearLR(opt, end_factor=2),
            lambda: m.ReduceLROnPlateau(opt, factor=1.0),
            lambda: m.ReduceLROnPlateau(opt, mode="x"),
            lambda: m.ReduceLROnPlateau(opt, threshold_mode="x"),
            lambda: m.ReduceLROnPlateau(opt, min_lr=[1]),
            lambda: m.CyclicLR(adagrad, 0.1, 0.2),
            lambda: m.CyclicLR(opt, 0.1, 0.2, mode="x"),
            lambda: m.CyclicLR(opt, [0.1], 0.2),
            lambda: m.CosineAnnealingWarmRestarts(opt, 0),
            lambda: m.CosineAnnealingWarmRestarts(opt, 1, T_mult=0),
            lambda: m.CosineAnnealingWarmRestarts(opt, 1, eta_min="a"),
            lambda: m.CosineAnnealingWarmRestarts(opt, 1).step(-1),
            lambda: m.OneCycleLR(opt, 0.1),
            lambda: m.OneCycleLR(opt, 0.1, total_steps=0),
            lambda: m.OneCycleLR(opt, 0.1, epochs=0, steps_per_epoch=1),
            lambda: m.OneCycleLR(opt, 0.1, total_steps=5, pct_start=2),
            lambda: m.OneCycleLR(opt, 0.1, total_steps=5, anneal_strategy="x"),
            lambda: m.SequentialLR(opt, [], []),
            lambda: m.SequentialLR(opt, [step, step], [1, 2]),
            lambda: m.SequentialLR(other, [step], []),
            lambda: m.SequentialLR(opt, [3], []),
            lambda: m.SequentialLR(opt, [m.ReduceLROnPlateau(opt)], []),
            lambda: m.ChainedScheduler([]),
            lambda: m.ChainedScheduler([step, m.StepLR(other, 1)]),
            lambda: m.ChainedScheduler([step, m.ReduceLROnPlateau(opt)]),
            lambda: m.LRScheduler(opt),
        ]
    ]


def _said(call: Callable[[], Any]) -> list[str]:
    try:
        call()
    except Exception as e:
        return [type(e).__name__, str(e)]
    return []


def test_resuming_needs_the_initial_rates() -> None:
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(optimizer(xptorch), 1, last_epoch=3)


def test_more_steps_than_were_said() -> None:
    opt = optimizer(xptorch)
    scheduler = lr_scheduler.OneCycleLR(opt, 0.1, total_steps=2)
    for _ in range(2):
        opt.step()
        scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        scheduler.step()


def test_order_of_steps() -> None:
    scheduler = lr_scheduler.StepLR(optimizer(xptorch), 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    scheduler.step()
    opt = optimizer(xptorch)
    scheduler = lr_scheduler.StepLR(opt, 1)
    opt.step = lambda: None
    with pytest.warns(UserWarning, match="overridden"):
        scheduler.step()


def test_misuse_warns() -> None:
    opt = optimizer(xptorch)
    scheduler = lr_scheduler.StepLR(opt, 1)
    opt.step()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(5)
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()
    with pytest.warns(UserWarning, match="epoch parameter"):
        lr_scheduler.ReduceLROnPlateau(opt).step(1.0, 3)


@both
def test_a_sequence_may_leave_its_first_schedulers_out(torch: Any) -> Any:
    m = importlib.import_module(f"{torch.__name__}.optim.lr_scheduler")
    rates = []
    for milestones in ([0, 2], [0, 0]):
        opt = optimizer(torch)
        parts = [m.ConstantLR(opt), m.ExponentialLR(opt, 0.5), m.StepLR(opt, 1)]
        scheduler = m.SequentialLR(opt, parts, milestones)
        for _ in range(4):
            rates.append(scheduler.get_last_lr())
            opt.step()
            scheduler.step()
    return rates


def test_own_schedulers() -> None:
    class Halved(lr_scheduler.LRScheduler):
        def get_lr(self) -> list[Any]:
            return [base / 2**self.last_epoch for base in self.base_lrs]

    opt = optimizer(xptorch)
    scheduler = Halved(opt)
    opt.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.05, 0.1]
    assert issubclass(lr_scheduler._LRScheduler, lr_scheduler.LRScheduler)
