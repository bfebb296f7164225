"""xptorch.cuda without a GPU: queries are answered, requests refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

import xptorch
from xptorch import cuda
from xptorch._core import registry
from xptorch._tensor import typed_tensors

pytestmark = pytest.mark.skipif(registry.works("cupy"), reason="there is a GPU")


def test_questions_are_answered() -> None:
    assert not cuda.is_available()
    assert cuda.device_count() == 0
    assert not cuda.is_initialized()
    assert not cuda.is_bf16_supported()
    for memory in (cuda.memory_allocated, cuda.max_memory_allocated, cuda.memory_reserved):
        assert memory() == 0


def test_a_broken_installation_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> bool:
        raise OSError("libcuda.so is broken")

    monkeypatch.setattr(registry, "works", broken)
    assert not cuda.is_available()


def test_what_needs_no_gpu_does_nothing() -> None:
    xptorch.manual_seed(0)
    first = xptorch.rand(2).tolist()
    xptorch.manual_seed(0)
    cuda.manual_seed(1)
    cuda.manual_seed_all(2)
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    cuda.set_device(-1)
    with cuda.device(-1), cuda.device_of(xptorch.ones(1)), cuda.stream(None):
        assert xptorch.rand(2).tolist() == first
    state = cuda.get_rng_state()
    drawn = xptorch.rand(2).tolist()
    cuda.set_rng_state(state)
    assert xptorch.rand(2).tolist() == drawn
    assert cuda.get_rng_state_all() == []


@pytest.mark.parametrize(
    "wish",
    [
        cuda.init,
        cuda.current_device,
        cuda.synchronize,
        cuda.get_device_name,
        cuda.get_device_capability,
        cuda.mem_get_info,
        cuda.current_stream,
        cuda.Event,
        lambda: cuda.set_device(0),
        lambda: cuda.device("cuda:0"),
        lambda: cuda.get_device_properties(0),
        lambda: cuda.FloatTensor(2),
        lambda: xptorch.ones(1, device="cuda"),
        lambda: xptorch.ones(1).cuda(),
        lambda: xptorch.ones(1).type(cuda.FloatTensor),
        lambda: typed_tensors.set_default_tensor_type("torch.cuda.FloatTensor"),
    ],
)
def test_wishes_are_refused(wish: Any) -> None:
    with pytest.raises(RuntimeError, match=r"'cupy'.*Backends that work here: .*numpy"):
        wish()
    assert xptorch.get_default_dtype() is xptorch.float32


def test_side_streams_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="Stream"):
        cuda.Stream()


# ---- legacy tensor types


def test_legacy_constructors() -> None:
    FloatTensor, LongTensor = typed_tensors.FloatTensor, typed_tensors.LongTensor
    assert FloatTensor([1, 2]).tolist() == [1.0, 2.0]
    assert FloatTensor(2, 3).shape == (2, 3)
    assert FloatTensor(xptorch.Size([4])).shape == (4,)
    assert FloatTensor().shape == (0,)
    assert LongTensor([1.5, 2]).tolist() == [1, 2]
    assert LongTensor((3,)).tolist() == [3]
    assert typed_tensors.ByteTensor([1]).dtype is xptorch.uint8
    assert typed_tensors.HalfTensor([1]).dtype is xptorch.float16
    for wrong in (3.5, "a", None, xptorch.ones(2).double()):
        with pytest.raises(TypeError):
            FloatTensor(wrong)


def test_legacy_types() -> None:
    x = xptorch.ones(2)
    assert isinstance(x, typed_tensors.FloatTensor)
    assert not isinstance(x, typed_tensors.LongTensor)
    assert not isinstance(x, cuda.FloatTensor)
    assert isinstance(x.long(), typed_tensors.LongTensor)
    assert x.type() == "xptorch.FloatTensor"
    assert x.type(typed_tensors.LongTensor).dtype is xptorch.int64
    assert x.type("torch.DoubleTensor").dtype is xptorch.float64
    assert typed_tensors.FloatTensor.dtype is xptorch.float32
    assert repr(typed_tensors.FloatTensor) == "<class 'xptorch.FloatTensor'>"
    typed_tensors.set_default_tensor_type(typed_tensors.DoubleTensor)
    try:
        assert xptorch.ones(1).dtype is xptorch.float64
    finally:
        typed_tensors.set_default_tensor_type("torch.FloatTensor")
    with pytest.raises(TypeError):
        typed_tensors.set_default_tensor_type(typed_tensors.LongTensor)
