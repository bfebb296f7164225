"""oneDNN in use: what forward saves for backward, flags, threads, forks, NaN, failing libraries."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from xptorch.backends import mkldnn
from xptorch.backends.numpy import onednn
from xptorch.backends.numpy.onednn import library as dnn

import xptorch as torch
from xptorch.nn import functional as F

pytestmark = pytest.mark.skipif(not mkldnn.is_available(), reason="needs the extra onednn")

FAMILIES = (
    "layout",
    "convolution",
    "elementwise",
    "group_norm",
    "linear",
    "normalization",
    "optimizer",
    "pooling",
    "recurrent",
    "softmax",
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of primitive executions, in a list of one; the size thresholds are set to 0."""
    count = [0]
    execute = dnn.Primitive.__call__

    def counted(self: Any, *arrays: Any) -> None:
        count[0] += 1
        execute(self, *arrays)

    monkeypatch.setattr(dnn.Primitive, "__call__", counted)
    for family in FAMILIES:
        monkeypatch.setattr(import_module(f"{onednn.__name__}.{family}"), "_PAYS_FROM", 0)
    monkeypatch.setattr(dnn, "_SHARED_FROM", 0)
    yield count


def image(*shape: int) -> torch.Tensor:
    """Random values, many of which are equal."""
    torch.manual_seed(0)
    return (torch.randn(*shape) * 4).round()


LAYERS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "gelu": (F.gelu, (50, 60)),
    "gelu tanh": (lambda x: F.gelu(x, approximate="tanh"), (50, 60)),
    "silu": (F.silu, (50, 60)),
    "cross-entropy": (lambda x: F.cross_entropy(x, torch.arange(50) + 5), (50, 60)),
    "cross-entropies": (
        lambda x: F.cross_entropy(x, x[:, 0].long() + 30, reduction="none"),
        (50, 60),
    ),
    "log-softmax": (lambda x: F.log_softmax(x, -1), (5, 6, 70)),
    "silu turned": (lambda x: F.silu(x.t()), (50, 60)),
    "pool 1d": (lambda x: F.max_pool1d(x, 3, 2, 1), (2, 5, 30)),
    "pool 2d": (lambda x: F.max_pool2d(x, 3, 2, 1), (2, 16, 15, 14)),
    "pool 2d ceil": (lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True), (3, 5, 12, 14)),
    "pool 2d overlapping": (lambda x: F.max_pool2d(x, (4, 2), 1), (2, 33, 9, 8)),
    "mean 1d": (lambda x: F.avg_pool1d(x, 3, 2, 1), (2, 5, 30)),
    "mean 2d": (lambda x: F.avg_pool2d(x, (4, 3), 2, 1), (2, 16, 15, 14)),
    "mean of all": (lambda x: F.adaptive_avg_pool2d(x, 1), (2, 16, 15, 14)),
    "mean 3d": (lambda x: F.avg_pool3d(x, 2, 2), (2, 8, 6, 8, 4)),
    "pool 3d": (lambda x: F.max_pool3d(x, 2, 2), (2, 8, 6, 8, 4)),
}


def lstm(**options: Any) -> Callable[[Any], Any]:
    """An LSTM layer of x (steps, n, width): its output and final states in one flat vector."""

    def function(x: Any) -> Any:
        torch.manual_seed(1)
        layer = torch.nn.LSTM(x.shape[2], 20, **options)
        y, states = layer(x / 4)
        return torch.cat([t.flatten() for t in (y, *states)])

    return function


LAYERS |= {
    "lstm": (lstm(), (9, 5, 12)),
    "lstm no bias": (lstm(bias=False), (9, 5, 12)),
    "lstm both ways": (lstm(bidirectional=True, num_layers=2), (9, 5, 12)),
    "lstm batch first": (lstm(batch_first=True), (5, 9, 12)),
    "lstm one": (lstm(), (30, 1, 1)),
}


def derivatives(function: Callable[[Any], Any], x: Any) -> list[Any]:
    """The result, its gradient, and the gradient's gradient."""
    x = x.detach().requires_grad_()
    y = function(x)
    weight = torch.cos(torch.arange(y.numel()).reshape(y.shape))
    (first,) = torch.autograd.grad((y * weight).sum(), x, retain_graph=True)
    (gradient,) = torch.autograd.grad((y * weight).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((gradient * x).sum(), x)
    return [t.detach().numpy() for t in (y, first, second)]


@pytest.mark.parametrize("name", LAYERS)
def test_layer_and_its_derivatives_are_the_same_without(name: str, calls: list[int]) -> None:
    function, shape = LAYERS[name]
    mine = derivatives(function, image(*shape))
    assert calls[0] >= 2
    calls[0] = 0
    with mkldnn.flags(enabled=False):
        theirs = derivatives(function, image(*shape))
    assert not calls[0]
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max())


@pytest.mark.parametrize("name", ["gelu", "silu", "pool 2d", "lstm both ways"])
def test_backward_takes_what_forward_kept_when_switched_off_between(
    name: str, calls: list[int]
) -> None:
    function, shape = LAYERS[name]
    grads = []
    for before, after in ((True, False), (False, True), (False, False)):
        x = image(*shape).requires_grad_()
        with mkldnn.flags(enabled=before):
            y = function(x).sum()
        with mkldnn.flags(enabled=after):
            y.backward()
        grads.append(x.grad.numpy())
    assert calls[0]
    for grad in grads:
        np.testing.assert_allclose(grad, grads[-1], rtol=0, atol=2e-5)


def lstm_gradients(between: Callable[[], Any], times: int = 1) -> list[Any]:
    """The mean gradients of an LSTM's input, states and weights; `between` runs before backward."""
    torch.manual_seed(0)
    layer = torch.nn.LSTM(12, 20)
    given = [torch.randn(s, requires_grad=True) for s in ((9, 5, 12), (1, 5, 20), (1, 5, 20))]
    y, states = layer(given[0], tuple(given[1:]))
    loss = (y + states[0] * 2).sum() + states[1].sum()
    for t in (y, *states):  # which backward does not need
        t.zero_()
    for _ in range(times):
        between()
        loss.backward(retain_graph=True)
    return [t.grad.numpy() / times for t in (*given, *layer.parameters())]


@pytest.mark.parametrize("times", [1, 3])
def test_gradients_of_lstm_are_the_same_without(times: int, calls: list[int]) -> None:
    """oneDNN's backward can run only once after a forward."""
    mine = lstm_gradients(lambda: None, times)
    assert calls[0] == 2
    with mkldnn.flags(enabled=False):
        theirs = lstm_gradients(lambda: None)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * np.abs(b).max())


def test_threads_may_change_between_forward_and_backward(calls: list[int]) -> None:
    before = torch.get_num_threads()
    expected = lstm_gradients(lambda: None)
    try:
        for count in (before + 1, before):
            calls[0] = 0
            found = lstm_gradients(lambda count=count: torch.set_num_threads(count))
            assert calls[0] == 1  # what forward saved is for its own thread count only
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * np.abs(b).max())
    finally:
        torch.set_num_threads(before)


def test_flags_are_attributes_too(calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.backends.mkldnn.is_available()
    assert torch.backends.mkldnn.enabled
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    torch.softmax(image(40, 30), -1)
    assert not calls[0]


def test_not_a_number_goes_through(calls: list[int]) -> None:
    x = image(1, 3, 8, 8)
    x[0, 1, 2, 3] = math.nan
    assert F.max_pool2d(x, 3, 2).isnan().any()
    x = image(40, 30)
    x[3, 4], x[5, 6] = math.nan, math.inf
    rows = torch.softmax(x, -1).isnan()
    assert rows.all(1).nonzero().flatten().tolist() == [3, 5]
    assert rows.sum() == 60
    assert F.conv2d(x.reshape(1, 1, 30, 40), torch.ones(16, 1, 3, 3)).isnan().any()
    x = image(9, 5, 12)
    x[3, 2, 1] = math.nan
    nan = torch.nn.LSTM(12, 20)(x)[0].isnan()
    assert nan[3:, 2].all()
    assert nan.sum() == 6 * 20


def test_threads(calls: list[int]) -> None:
    layer, x = torch.nn.Conv2d(16, 16, 3), image(4, 16, 20, 20)
    library: Any = dnn.library()
    before, results = torch.get_num_threads(), []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(layer(x).detach().numpy())
        assert library.c.omp_get_max_threads() == count
    torch.set_num_threads(before)
    np.testing.assert_allclose(*results, rtol=0, atol=1e-4)


def test_python_threads_do_not_mix_their_arrays(calls: list[int]) -> None:
    inputs = [image(2, 16, 20, 20) * i for i in range(1, 5)]
    layer = torch.nn.Conv2d(16, 16, 3)
    expected = [layer(x).detach().numpy() for x in inputs]
    wrong = []

    def work(i: int) -> None:
        for _ in range(50):
            if not np.array_equal(layer(inputs[i]).detach().numpy(), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FORK = """
import os, signal
import numpy as np
import xptorch as torch
from xptorch.backends.numpy.onednn import library as dnn

torch.set_num_threads(2)
net = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 3), torch.nn.GELU(), torch.nn.MaxPool2d(2))
x = torch.randn(16, 8, 34, 34)
def grads():
    net.zero_grad()
    net(x).square().sum().backward()
    return net[0].weight.grad.numpy().copy()
expected = grads()
assert dnn._alone is False and dnn.library() is not None
pid = os.fork()
if pid == 0:
    signal.alarm(50)  # libgomp's threads would be waited for without end
    ok = np.allclose(grads(), expected, rtol=0, atol=1e-4 * abs(expected).max())
    os._exit(0 if ok and dnn.threads(1 << 30) == 1 else 1)
assert os.waitpid(pid, 0)[1] == 0
assert np.array_equal(grads(), expected)
"""

LAZY = """
import xptorch as torch
loaded = lambda: "libdnnl" in open("/proc/self/maps").read()
(torch.ones(3, 3) @ torch.ones(3, 3)).softmax(0)
print(loaded())
print(torch.backends.mkldnn.is_available(), loaded())
"""


def run(program: str, **environment: str) -> str:
    """The output of a program in a separate process."""
    path = {"PYTHONPATH": ":".join(sys.path)}
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **path, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert not found.stderr
    return found.stdout


def test_a_forked_process_works_on_one_thread() -> None:
    run("import warnings; warnings.simplefilter('ignore')" + FORK)


def test_it_is_loaded_when_it_is_wanted() -> None:
    assert run(LAZY) == "False\nTrue True\n"


def test_the_environment_leaves_it_out() -> None:
    assert run(LAZY, XPTORCH_ONEDNN="0") == "False\nFalse False\n"


@pytest.mark.parametrize("name", ["_counts", "_Library"])
def test_a_library_that_fails_is_not_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any) -> Any:
        if name == "_counts":
            return False
        raise OSError

    monkeypatch.setattr(dnn, name, fails)
    assert dnn.library.__wrapped__() is None
