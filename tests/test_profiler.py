"""Profiles: ops, steps of the backward pass and named ranges, by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import xptorch as torch
from xptorch.profiler import ProfilerAction, ProfilerActivity, profile, record_function, schedule


def test_ops_and_ranges() -> None:
    x = torch.randn(4, 4, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU]) as p:
        with record_function("mine"):
            y = x @ x
        y.relu().sum().backward()
    x @ x
    counts = {e.key: e.count for e in p.key_averages()}
    assert counts["mine"] == counts["matmul"] == counts["relu"] == counts["ReluBackward0"] == 1
    mine = next(e for e in p.key_averages() if e.key == "mine")
    assert mine.cpu_time_total >= mine.self_cpu_time_total > 0
    table = p.key_averages().table(sort_by="self_cpu_time_total", row_limit=2)
    assert table.count("\n") == 7
    assert "Self CPU time total" in table


def test_operators_have_their_ops_names() -> None:
    x = torch.ones(4)
    with profile() as p:
        x * x + x / x - torch.mul(x, x)
    counts = {e.key: e.count for e in p.key_averages()}
    assert counts == {"multiply": 2, "add": 1, "divide": 1, "subtract": 1}


def test_schedules() -> None:
    action = schedule(wait=1, warmup=1, active=2, repeat=1)
    none, save = ProfilerAction.NONE, ProfilerAction.RECORD_AND_SAVE
    expected = [none, ProfilerAction.WARMUP, ProfilerAction.RECORD, save, none, none]
    assert [action(i) for i in range(6)] == expected
    seen = []
    with profile(schedule=action, on_trace_ready=lambda p: seen.append(len(p.events()))) as p:
        for _ in range(6):
            torch.ones(2) + 1
            p.step()
    assert seen == [2]


def test_traces(tmp_path: Path) -> None:
    with profile(on_trace_ready=torch.profiler.tensorboard_trace_handler(str(tmp_path))):
        torch.ones(2).exp()
    (file,) = tmp_path.iterdir()
    assert [e["name"] for e in json.loads(file.read_text())["traceEvents"]] == ["exp"]


def test_old_names_and_what_is_not_supported() -> None:
    with torch.autograd.profiler.profile() as p:
        torch.ones(2).exp()
    assert [e.key for e in p.key_averages()] == ["exp"]
    with pytest.raises(NotImplementedError, match="with_stack"):
        profile(with_stack=True)


def test_timer() -> None:
    from xptorch.utils.benchmark import Timer

    measured = Timer("x + x", globals={"x": torch.ones(2)}).timeit(10)
    assert measured.number_per_run == 10
    assert 0 < measured.median == measured.mean < 1
    assert "Measurement of x + x" in repr(measured)
