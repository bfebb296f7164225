"""Grad modes, as in PyTorch: each test holds for both libraries."""

from __future__ import annotations

import threading
from typing import Any

import pytest


def leaf(torch: Any, *values: float) -> Any:
    return torch.tensor(list(values), requires_grad=True)


def test_grad_modes(torch: Any) -> None:
    x = leaf(torch, 1.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
        assert torch.ones(1, requires_grad=True).requires_grad
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        assert not (x * 2).requires_grad
        with torch.inference_mode(False):
            assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    with pytest.raises(TypeError):
        torch.set_grad_enabled(1)


def test_modes_end_with_an_error(torch: Any) -> None:
    with pytest.raises(KeyError), torch.no_grad():
        raise KeyError
    assert torch.is_grad_enabled()


def test_modes_as_decorators(torch: Any) -> None:
    def enabled() -> bool:
        return torch.is_grad_enabled()

    assert not torch.no_grad()(enabled)()
    assert not torch.no_grad(enabled)()
    assert not torch.inference_mode()(enabled)()
    assert not torch.set_grad_enabled(False)(enabled)()
    assert torch.is_grad_enabled()
    with torch.no_grad():
        assert torch.enable_grad()(enabled)()
    assert torch.no_grad()(enabled).__name__ == "enabled"


def test_generators_run_in_their_mode(torch: Any) -> None:
    log: list[Any] = []

    @torch.no_grad()
    def numbers() -> Any:
        try:
            while True:
                sent = yield torch.is_grad_enabled()
                log.append((sent, torch.is_grad_enabled()))
                if sent == "end":
                    return "done"
        except ValueError:
            log.append(("error", torch.is_grad_enabled()))
            yield "caught"
        finally:
            log.append(("closed", torch.is_grad_enabled()))

    g = numbers()
    assert next(g) is False
    assert torch.is_grad_enabled()
    assert g.send("a") is False
    assert g.throw(ValueError()) == "caught"
    g.close()
    assert log == [("a", False), ("error", False), ("closed", False)]
    g = numbers()
    next(g)
    with pytest.raises(StopIteration) as end:
        g.send("end")
    assert end.value.value == "done"


def test_each_thread_has_its_mode(torch: Any) -> None:
    seen: list[bool] = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_threads_have_graphs_of_their_own(torch: Any) -> None:
    results: dict[int, float] = {}

    def work(k: int) -> None:
        x = leaf(torch, float(k))
        y = x
        for _ in range(50):
            y = y + x
        y.sum().backward()
        results[k] = x.grad.item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == dict.fromkeys(range(4), 51.0)
