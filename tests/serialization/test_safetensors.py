"""safetensors' own functions for PyTorch, on xptorch's tensors."""

from __future__ import annotations

from pathlib import Path

import pytest

import xptorch


def test_files_go_and_come(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    from tests.program.test_alias import ran

    out = ran(
        "import xptorch; xptorch.as_torch(); import torch\n"
        "from safetensors.torch import load_file, load_model, save_file, save_model\n"
        "from safetensors import safe_open\n"
        f"path = {str(tmp_path / 'x.safetensors')!r}\n"
        "save_file({'a': torch.arange(6.0).reshape(2, 3), 'b': torch.ones(2).long()}, path)\n"
        "found = load_file(path)\n"
        "print(found['a'].tolist(), found['b'].dtype is torch.int64)\n"
        "with safe_open(path, 'pt') as file:\n"
        "    print(file.get_slice('a')[:1].tolist())\n"
        "net, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)\n"
        "save_model(net, path); load_model(other, path)\n"
        "print(torch.equal(net.weight, other.weight))\n"
    )
    assert out == "[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]] True\n[[0.0, 1.0, 2.0]]\nTrue\n"


def test_storages_from_files(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(8)))
    storage = xptorch.UntypedStorage.from_file(tmp_path / "x", nbytes=6)
    assert storage[2:4].tolist() == [2, 3]
    assert storage[5] == 5
    assert xptorch.asarray(storage[4:], dtype=xptorch.uint8).tolist() == [4, 5]


def test_devices_that_have_only_a_name() -> None:
    assert str(xptorch.device("mps:0")) == "mps:0"
    with pytest.raises(NotImplementedError, match="'meta'"):
        xptorch.zeros(1, device="meta")
