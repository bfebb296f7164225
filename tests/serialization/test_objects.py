"""What files hold besides tensors: whole modules, buffers, the states of NumPy's generators."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest

import xptorch
from xptorch import serialization


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference")


def saved(library: Any, obj: Any) -> io.BytesIO:
    file = io.BytesIO()
    library.save(obj, file)
    file.seek(0)
    return file


MODULES: dict[str, Any] = {
    "MultiheadAttention": lambda t: t.nn.MultiheadAttention(8, 2),
    "MultiheadAttention, other sizes": lambda t: t.nn.MultiheadAttention(8, 2, kdim=3, vdim=5),
    "Transformer": lambda t: t.nn.Transformer(8, 2, 1, 1, 16, batch_first=True),
    "LSTM": lambda t: t.nn.LSTM(3, 4, num_layers=2),
    "a net": lambda t: t.nn.Sequential(
        t.nn.Conv2d(1, 2, 3), t.nn.BatchNorm2d(2), t.nn.ReLU(), t.nn.Embedding(3, 4)
    ),
    "buffers": lambda t: _with_buffers(t),
}


def _with_buffers(t: Any) -> Any:
    net = t.nn.Linear(2, 2)
    net.register_buffer("a", t.arange(3))
    net.b = t.nn.Buffer(t.arange(2.0))
    net.c = t.nn.Buffer(t.arange(4.0), persistent=False)
    return net


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_whole_modules_go_both_ways(torch: Any, make: Any) -> None:
    for writer, reader in [(torch, xptorch), (xptorch, xptorch)]:
        net = make(writer)
        read = reader.load(saved(writer, net), weights_only=False)
        expected = {k: v.tolist() for k, v in net.state_dict().items()}
        assert {k: v.tolist() for k, v in read.state_dict().items()} == expected
        assert {k: v.tolist() for k, v in read.named_buffers()} == {
            k: v.tolist() for k, v in net.named_buffers()
        }
        assert repr(read) == repr(net)


def test_buffers_are_pytorchs(torch: Any) -> None:
    ours = torch.load(saved(xptorch, xptorch.nn.Buffer(xptorch.arange(3), persistent=False)))
    assert (ours._is_buffer, ours.persistent, ours.tolist()) == (True, False, [0, 1, 2])
    theirs = serialization.load(saved(torch, torch.nn.Buffer(torch.arange(3), persistent=False)))
    assert (type(theirs), theirs.persistent) == (xptorch.nn.Buffer, False)


def test_states_of_numpys_generators(torch: Any) -> None:
    state = {"numpy": np.random.RandomState(3).get_state(), "x": [1]}
    allowed = [np._core.multiarray._reconstruct, np.ndarray, np.dtype, type(np.dtype(np.uint32))]
    for file in (saved(xptorch, state), saved(torch, state)):
        with pytest.raises(pickle.UnpicklingError, match="_reconstruct"):
            serialization.load(file)
        file.seek(0)
        with serialization.safe_globals(allowed):
            read = serialization.load(file)
        assert np.array_equal(read["numpy"][1], state["numpy"][1])
