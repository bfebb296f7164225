"""Averaged models, the update of their BatchNorm statistics, and SWALR."""

from __future__ import annotations

from typing import Any

import pytest

from tests.nn._twins import both, near, said

AVERAGES = {
    "plain": lambda S: {},
    "own": lambda S: {"avg_fn": lambda a, m, n: (a + m) / 2},
    "ema": lambda S: {"avg_fn": S.get_ema_avg_fn(0.9)},
    "swa": lambda S: {"avg_fn": S.get_swa_avg_fn()},
    "emas": lambda S: {"multi_avg_fn": S.get_ema_multi_avg_fn(0.9)},
    "swas": lambda S: {"multi_avg_fn": S.get_swa_multi_avg_fn()},
    "buffers": lambda S: {"use_buffers": True},
}


@pytest.mark.parametrize("kind", AVERAGES)
def test_averages(kind: str) -> None:
    def scenario(torch: Any) -> Any:
        S, nn = torch.optim.swa_utils, torch.nn
        net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        average = S.AveragedModel(net, **AVERAGES[kind](S))
        seen: list[Any] = [repr(average)]
        for i in range(3):
            for p in net.parameters():
                p.data += i + 0.5
            net(torch.randn(4, 2))
            average.update_parameters(net)
            seen.append({k: v.clone() for k, v in average.state_dict().items()})
        batches = [torch.randn(4, 2) for _ in range(3)]
        S.update_bn(batches, average)
        S.update_bn([(x, 0) for x in batches], net.eval())
        S.update_bn(batches, nn.Linear(2, 2))
        seen += [dict(net.state_dict()), net.training, net[1].momentum]
        return [*seen, dict(average.state_dict()), average(batches[0])]

    near(scenario)()


@both
def test_swalr(torch: Any) -> Any:
    S, w = torch.optim.swa_utils, torch.nn.Parameter(torch.ones(1))
    groups = [{"params": [w]}, {"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.2}]
    seen: list[Any] = []
    for settings in (
        {"swa_lr": 0.05},
        {"swa_lr": 0.05, "anneal_epochs": 3, "anneal_strategy": "linear"},
        {"swa_lr": [0.05, 0.1], "anneal_epochs": 0},
    ):
        optimizer = torch.optim.SGD([dict(g) for g in groups], lr=0.5)
        scheduler = S.SWALR(optimizer, **settings)
        for _ in range(12):
            optimizer.step()
            scheduler.step()
            seen.append([round(rate, 12) for rate in scheduler.get_last_lr()])
        seen.append(sorted(scheduler.state_dict()))
    for wrong in ({"anneal_strategy": "x"}, {"anneal_epochs": -1}, {"swa_lr": [0.1]}):
        seen.append(said(lambda: S.SWALR(optimizer, **{"swa_lr": 0.1, **wrong})))
    seen.append(said(lambda: S.get_ema_avg_fn(2)))
    seen.append(said(lambda: S.AveragedModel(torch.nn.ReLU(), avg_fn=len, multi_avg_fn=len)))
    return seen


@both
def test_mistakes_with_newer_optimizers(torch: Any) -> Any:
    matrix, vector = (torch.nn.Parameter(torch.ones(s)) for s in ((2, 3), (2,)))
    seen = [said(lambda: torch.optim.Muon([vector]))]
    for name, wrong in (
        *(("Muon", w) for w in ({"lr": -1}, {"momentum": -1}, {"weight_decay": -1})),
        *(("Muon", w) for w in ({"adjust_lr_fn": "x"}, {"lr": torch.ones(2)})),
        *(("Adafactor", w) for w in ({"lr": -1}, {"beta2_decay": 0.1}, {"eps": (-1, 1)})),
        *(("Adafactor", w) for w in ({"eps": (None, -1)}, {"d": 0.5}, {"weight_decay": -1})),
        ("Adafactor", {"lr": torch.ones(2)}),
        *(("SparseAdam", w) for w in ({"lr": -1}, {"eps": 0}, {"betas": (1.0, 0.9)})),
    ):
        seen.append(said(lambda: getattr(torch.optim, name)([matrix], **wrong)))
    matrix.grad = torch.ones(2, 3)
    for optimizer in (
        torch.optim.SparseAdam([matrix], lr=torch.tensor(0.5)),
        torch.optim.Muon([matrix], ns_steps=200),
        torch.optim.Muon([matrix], ns_coefficients=(1, 2)),
    ):
        seen += [repr(optimizer), said(optimizer.step)]
    return seen
