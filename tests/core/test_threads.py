"""Threads: how many, work parallelised over them, errors raised in them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from xptorch.backends.numpy import blas, openblas, parallel
from xptorch.backends.numpy.onednn import library

import xptorch


@pytest.fixture(params=["our own", "oneDNN's"])
def two_threads(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    run: Any = parallel._pool.run_on_own_threads
    if request.param == "oneDNN's":
        if (found := library.library()) is None:
            pytest.skip("needs the extra onednn")
        run = found.team.run
    monkeypatch.setattr(parallel._pool, "run", run)
    before = xptorch.get_num_threads()
    xptorch.set_num_threads(2)
    yield
    xptorch.set_num_threads(before)


def test_count_is_set_for_matrix_products_too(two_threads: None) -> None:
    assert xptorch.get_num_threads() == 2
    xptorch.set_num_threads(1)
    assert xptorch.get_num_threads() == openblas.get_threads() == 1


@pytest.mark.parametrize(("count", "error"), [(0, RuntimeError), (True, TypeError)])
def test_bad_counts(count: int, error: type[Exception]) -> None:
    for function in (xptorch.set_num_threads, xptorch.set_num_interop_threads):
        with pytest.raises(error):
            function(count)


def test_the_environment_sets_the_count() -> None:
    program = "import xptorch; print(xptorch.get_num_threads())"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={"OMP_NUM_THREADS": "3", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "3\n"


def test_every_part_is_done_once(two_threads: None) -> None:
    seen = [0] * 7

    def chunk(start: int, stop: int) -> None:
        assert openblas.get_threads() == 1
        for i in range(start, stop):
            seen[i] += 1

    parallel.parallel_for(chunk, 7, 1e9)
    assert seen == [1] * 7


def test_parts_run_side_by_side_on_threads_that_stay(two_threads: None) -> None:
    """Thread-local data, such as the kernels' workspaces, outlives a call."""
    own = threading.local()
    met = threading.Barrier(2, timeout=30)
    kept: list[set[int]] = [set(), set()]

    def chunk(start: int, stop: int) -> None:
        met.wait()
        own.calls = getattr(own, "calls", 0) + 1
        kept[start].add(own.calls)
        assert np.geterr()["divide"] == "ignore" or threading.current_thread() is main

    main = threading.current_thread()
    for _ in range(3):
        parallel.parallel_for(chunk, 2, 1e9)
    assert kept == [{1, 2, 3}, {1, 2, 3}]


def test_an_error_in_any_part_arrives(two_threads: None) -> None:
    def chunk(start: int, stop: int) -> None:
        if stop == 7:
            raise ValueError("the last part")

    with pytest.raises(ValueError, match="the last part"):
        parallel.parallel_for(chunk, 7, 1e9)


def test_an_interrupt_arrives(two_threads: None) -> None:
    def chunk(start: int, stop: int) -> None:
        if threading.current_thread() is main:
            raise KeyboardInterrupt

    main = threading.current_thread()
    with pytest.raises(KeyboardInterrupt):
        parallel.parallel_for(chunk, 2, 1e9)


def test_shared_work_inside_shared_work_stays_on_its_thread(two_threads: None) -> None:
    total = [0]

    def inner(start: int, stop: int) -> None:
        total[0] += stop - start

    parallel.parallel_for(lambda start, stop: parallel.parallel_for(inner, 4, 1e9), 2, 1e9)
    assert total == [8]


@pytest.mark.parametrize(
    ("a", "b"), [((5, 3, 200, 180), (5, 3, 180, 190)), ((2, 900, 70), (70, 300))]
)
def test_shared_products(a: tuple[int, ...], b: tuple[int, ...], two_threads: None) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    np.testing.assert_allclose(blas.matmul(x, y), np.matmul(x, y), rtol=1e-12, atol=1e-12)
    out = np.empty(np.matmul(x, y).shape)
    assert blas.matmul(x.swapaxes(0, -2).copy().swapaxes(0, -2), y, out=out) is out
    np.testing.assert_allclose(out, np.matmul(x, y), rtol=1e-12, atol=1e-12)
