"""Peripheral modules: devices, flags, jit, hub, compile."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

import xptorch as torch
from xptorch import nn


def test_flags_of_libraries_are_kept_and_honest() -> None:
    backends = torch.backends
    assert not backends.cudnn.is_available()
    assert not backends.mps.is_available()
    assert not backends.mkl.is_available()
    with backends.cudnn.flags(enabled=False, benchmark=True):
        assert (backends.cudnn.enabled, backends.cudnn.benchmark) == (False, True)
    assert (backends.cudnn.enabled, backends.cudnn.benchmark) == (True, False)
    with backends.cuda.sdp_kernel(enable_flash=False):
        assert not backends.cuda.flash_sdp_enabled()
    assert backends.cuda.flash_sdp_enabled()
    with pytest.raises(AttributeError, match=r"torch\.backends\.quantum"):
        backends.quantum


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_devices_that_are_not_there() -> None:
    assert not torch.accelerator.is_available()
    assert torch.accelerator.current_accelerator() is None
    assert torch.accelerator.device_count() == torch.mps.device_count() == 0
    with pytest.raises(RuntimeError, match="none is available"):
        torch.accelerator.synchronize()
    with pytest.raises(RuntimeError, match="without MPS backend"):
        torch.mps.synchronize()
    assert not torch.xpu.is_available()
    torch.mps.manual_seed(0)
    torch.cpu.synchronize()


def test_settings() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_deterministic_debug_mode() == 1
    torch.set_deterministic_debug_mode("default")
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_float32_matmul_precision("high")
    assert torch.get_float32_matmul_precision() == "high"
    with pytest.warns(UserWarning, match="not one of"):
        torch.set_float32_matmul_precision("low")
    torch.set_float32_matmul_precision("highest")
    assert torch.set_flush_denormal(False)
    assert not torch.set_flush_denormal(True)
    assert torch.typename(torch.zeros(1)) == "xptorch.FloatTensor"
    assert torch.typename([]) == "list"


def test_compiled_modules_are_wrapped_as_pytorch_wraps_them() -> None:
    module = nn.Linear(2, 2)
    compiled = torch.compile(module, mode="reduce-overhead")
    assert list(compiled.state_dict()) == ["_orig_mod.weight", "_orig_mod.bias"]
    assert compiled._orig_mod is module
    assert compiled.weight is module.weight
    x = torch.ones(1, 2)
    assert compiled(x).tolist() == module(x).tolist()
    compiled.eval()
    assert not module.training

    @torch.compile(fullgraph=True)
    def twice(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    assert twice(x).tolist() == [[2, 2]]
    with pytest.raises(RuntimeError, match="Unrecognized mode"):
        torch.compile(twice, mode="fast")
    with pytest.raises(RuntimeError, match="Invalid backend"):
        torch.compile(twice, backend="fast")
    assert not torch.compiler.is_compiling()
    torch._dynamo.config.suppress_errors = True


def test_jit_gives_back_what_it_was_given() -> None:
    @torch.jit.script
    def f(x: torch.Tensor) -> torch.Tensor:
        return x + 1

    assert f(torch.zeros(1)).item() == 1
    module = nn.Linear(2, 2)
    assert torch.jit.trace(module, torch.ones(1, 2)) is module
    assert not torch.jit.is_scripting()
    assert torch.jit.ignore(f) is torch.jit.ignore(drop=True)(f) is torch.jit.unused(f) is f
    assert torch.jit.isinstance([1, 2], typing.List[int])  # noqa: UP006
    assert not torch.jit.isinstance({"a": "b"}, dict[str, int])
    assert torch.jit.isinstance(None, typing.Optional[int])  # noqa: UP045
    assert torch.jit.wait(torch.jit.fork(f, torch.zeros(1))).item() == 1
    with pytest.raises(NotImplementedError, match=r"jit\.save"):
        torch.jit.save(module, "file")


def test_one_process() -> None:
    dist = torch.distributed
    assert not dist.is_available()
    assert not dist.is_initialized()
    with pytest.raises(ValueError, match="has not been initialized"):
        dist.get_rank()
    with pytest.raises(NotImplementedError, match="one process"):
        dist.init_process_group("gloo")


def test_hub(tmp_path: Path) -> None:
    (tmp_path / "hubconf.py").write_text(
        "dependencies = ['math']\ndef net(n):\n    'A net.'\n    return [n]\n"
    )
    assert torch.hub.load(tmp_path, "net", 3, source="local") == [3]
    assert torch.hub.list(tmp_path, source="local") == ["net"]
    assert torch.hub.help(tmp_path, "net", source="local") == "A net."
    with pytest.raises(RuntimeError, match="Cannot find callable x"):
        torch.hub.load(tmp_path, "x", source="local")
    with pytest.raises(NotImplementedError, match="local"):
        torch.hub.load("a/b", "net")


def test_files_from_the_network(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pt")
    url = (tmp_path / "x.pt").as_uri()
    found = torch.utils.model_zoo.load_url(url, model_dir=str(tmp_path / "models"))
    assert found["a"].tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="invalid hash value"):
        torch.hub.download_url_to_file(url, tmp_path / "y.pt", hash_prefix="00zz")
    assert not (tmp_path / "y.pt").exists()


def test_trees() -> None:
    from xptorch.utils import _pytree

    tree = {"a": [1, (2, 3)], "b": None}
    leaves, spec = _pytree.tree_flatten(tree)
    assert leaves == [1, 2, 3, None]
    assert _pytree.tree_unflatten(leaves, spec) == tree
    assert _pytree.tree_map(str, tree) == {"a": ["1", ("2", "3")], "b": "None"}


def test_only_inputs_is_an_old_argument() -> None:
    x = torch.ones(1, requires_grad=True)
    assert torch.autograd.grad(2 * x, x, only_inputs=True)[0].item() == 2
    with pytest.warns(FutureWarning, match="only_inputs"):
        torch.autograd.grad(2 * x, x, only_inputs=False)
