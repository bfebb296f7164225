"""Checkpoints: to PyTorch and back, damaged files, and hostile ones."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xptorch
from xptorch import serialization
from xptorch.serialization.archive import CheckpointError

DTYPES = [
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
]
VALUES: dict[str, Any] = {
    "ints": [1, -5, 70_000, 3_000_000_000, 1 << 100],
    "floats": [2.5, float("inf")],
    "texts": ["s", "é中", ""],
    "others": [None, True, 1j, b"abc", bytearray(b"xy"), {1, 2}],
    "nested": {"a": [1, (2, [3])], 5: {}, (1, 2): ()},
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "counter": collections.Counter("aab"),
    "ordered": collections.OrderedDict(b=1, a=2),
}


class Plain:
    """A class that is not allowed in checkpoints by default."""

    def __init__(self, value: Any) -> None:
        self.value = value


def saved(obj: Any, **kwargs: Any) -> io.BytesIO:
    file = io.BytesIO()
    serialization.save(obj, file, **kwargs)
    file.seek(0)
    return file


def round_trip(obj: Any, **kwargs: Any) -> Any:
    return serialization.load(saved(obj), **kwargs)


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference")


def from_torch(torch: Any, obj: Any, **kwargs: Any) -> Any:
    """The object that we load from PyTorch's file."""
    file = io.BytesIO()
    torch.save(obj, file, **kwargs)
    file.seek(0)
    return serialization.load(file)


def to_torch(torch: Any, obj: Any) -> Any:
    """The object that PyTorch loads from our file."""
    return torch.load(saved(obj), weights_only=True)


# ---- to PyTorch and back


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(torch: Any, dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    x = xptorch.from_numpy(array)
    theirs = torch.from_numpy(array)
    legacy = {"_use_new_zipfile_serialization": False}
    there = to_torch(torch, x)
    assert there.dtype is theirs.dtype
    back = [from_torch(torch, theirs), from_torch(torch, theirs, **legacy), round_trip(x)]
    assert all(t.dtype is x.dtype for t in back)
    for t in (there, *back):
        np.testing.assert_array_equal(t.numpy(), array)


def test_values(torch: Any) -> None:
    special = {
        "dtype": xptorch.float64,
        "device": xptorch.device("cpu"),
        "size": xptorch.Size([2, 3]),
    }
    assert round_trip({**VALUES, **special}) == {**VALUES, **special}
    assert to_torch(torch, VALUES) == VALUES
    assert from_torch(torch, VALUES) == VALUES
    there = to_torch(torch, special)
    assert list(there.values()) == [torch.float64, torch.device("cpu"), torch.Size([2, 3])]
    assert from_torch(torch, there) == special
    assert round_trip(b"") == b""


def test_a_list_in_itself() -> None:
    x: list[Any] = [1]
    x.append(x)
    again = round_trip(x)
    assert again[1] is again


def test_state_dicts_keep_their_metadata(torch: Any) -> None:
    state = collections.OrderedDict(weight=xptorch.ones(2))
    state._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]
    assert to_torch(torch, state)._metadata == {"": {"version": 1}}
    assert round_trip(state)._metadata == {"": {"version": 1}}


def test_a_training_state_of_pytorch(torch: Any) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    opt = torch.optim.AdamW(net.parameters())
    net(torch.ones(4, 3)).sum().backward()
    opt.step()
    state = {"net": net.state_dict(), "opt": opt.state_dict(), "epoch": 3}
    for legacy in (True, False):
        read = from_torch(torch, state, _use_new_zipfile_serialization=legacy)
        assert read["epoch"] == 3
        assert type(read["net"]) is collections.OrderedDict
        assert read["net"]._metadata == net.state_dict()._metadata
        assert read["opt"]["param_groups"] == state["opt"]["param_groups"]
        for key, value in state["net"].items():
            np.testing.assert_array_equal(read["net"][key].numpy(), value.numpy())
        step = read["opt"]["state"][0]["step"]
        assert (step.item(), step.dtype) == (1.0, xptorch.float32)


def test_parameters(torch: Any) -> None:
    p = xptorch.nn.Parameter(xptorch.ones(2))
    frozen = xptorch.nn.Parameter(xptorch.ones(2), requires_grad=False)
    first, second, third = round_trip([p, p, frozen])
    assert first is second
    assert (type(first), first.requires_grad) == (xptorch.nn.Parameter, True)
    assert (type(third), third.requires_grad) == (xptorch.nn.Parameter, False)
    theirs = to_torch(torch, [p, p, frozen])
    assert theirs[0] is theirs[1]
    assert isinstance(theirs[0], torch.nn.Parameter)
    read = from_torch(torch, theirs[:1])[0]
    assert isinstance(read, xptorch.nn.Parameter) and read.tolist() == [1, 1]


def test_tensors_keep_attributes_and_requires_grad(torch: Any) -> None:
    x = xptorch.ones(2, requires_grad=True)
    x.note = "hi"
    p = xptorch.nn.Parameter(xptorch.ones(1))
    p.note = "there"
    for read in (round_trip([x, p]), to_torch(torch, [x, p])):
        assert [t.note for t in read] == ["hi", "there"]
        assert read[0].requires_grad


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_protocols(protocol: int) -> None:
    everything = {**VALUES, "many": list(range(300)), "x": xptorch.ones(2)}
    again = serialization.load(saved(everything, pickle_protocol=protocol))
    assert again.pop("x").tolist() == everything.pop("x").tolist()
    assert again == everything


# ---- memory


def test_views_keep_sharing(torch: Any) -> None:
    x = xptorch.arange(10.0)
    views = {"x": x, "part": x[2:5], "turned": x.reshape(2, 5).T, "again": x}
    there = to_torch(torch, views)
    there["x"][2] = 99
    assert there["part"][0] == 99 and there["turned"][2, 0] == 99 and there["again"][2] == 99
    here = round_trip(views)
    here["x"][2] = 99
    assert here["part"].tolist() == [99, 3, 4]
    assert here["turned"][2].tolist() == [99, 7]
    assert here["again"][2].item() == 99
    base = torch.arange(12.0).reshape(3, 4)
    read = from_torch(torch, [base.t(), base[1], base])
    read[2][1, 0] = -1
    assert read[0][0, 1].item() == -1 and read[1][0].item() == -1


def test_memory_that_no_tensor_shows_is_not_written() -> None:
    x = xptorch.full((1000, 10), 7.0)
    assert len(saved(x[:, 0]).getvalue()) < 8000
    assert len(saved(x[:5]).getvalue()) < 4000
    assert len(saved([x[:5], x[-5:]]).getvalue()) < 5000
    assert round_trip(x[:, 0]).shape == (1000,)


def test_odd_shapes(torch: Any) -> None:
    x = [
        xptorch.zeros(0),
        xptorch.zeros(3, 0),
        xptorch.tensor(5.0),
        xptorch.ones(1).expand(3, 4),
        xptorch.arange(6).flip(0),
        xptorch.arange(24).reshape(2, 3, 4).permute(2, 0, 1)[:, :, 1],
    ]
    for read in (round_trip(x), to_torch(torch, x)):
        for a, b in zip(read, x, strict=True):
            assert tuple(a.shape) == tuple(b.shape) and a.tolist() == b.tolist()


def test_loaded_tensors_can_be_written_to(tmp_path: Path) -> None:
    serialization.save(xptorch.zeros(100), tmp_path / "x.pt")
    for mmap in (False, True):
        x = serialization.load(tmp_path / "x.pt", mmap=mmap)
        x += 1
        assert x.sum().item() == 100
    assert serialization.load(tmp_path / "x.pt").sum().item() == 0


def test_mapped_files_of_pytorch(torch: Any, tmp_path: Path) -> None:
    torch.save({"x": torch.arange(5)}, tmp_path / "x.pt")
    assert serialization.load(tmp_path / "x.pt", mmap=True)["x"].tolist() == [0, 1, 2, 3, 4]
    serialization.save(xptorch.arange(3), tmp_path / "y.pt")
    assert torch.load(tmp_path / "y.pt", mmap=True).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="path"):
        serialization.load(saved(1), mmap=True)


def test_storages_are_aligned(tmp_path: Path) -> None:
    x = [xptorch.full((n,), n + 0.25) for n in (3, 5, 7)]
    data = saved(x).getvalue()
    for t in x:
        assert data.index(t.numpy().tobytes()) % 64 == 0


def test_the_other_byte_order() -> None:
    other = "big" if sys.byteorder == "little" else "little"
    data = struct.pack(">2f" if other == "big" else "<2f", 1.5, -2.0)
    with zipfile.ZipFile(saved(xptorch.zeros(2))) as source:
        pickled = source.read("archive/data.pkl")
    file = archive(pickled, data, byteorder=other.encode())
    assert serialization.load(file).tolist() == [1.5, -2.0]


# ---- devices


def test_devices(device: Any) -> None:
    x = xptorch.arange(6.0).reshape(2, 3).T.to(device)
    tied = round_trip([x, x.clone(), x], map_location=str(device))
    assert all(t.device == device and t.tolist() == x.tolist() for t in tied)
    assert round_trip(x, map_location="cpu").device == xptorch.device("cpu")
    assert round_trip(x, map_location=device).device == device


def test_map_location() -> None:
    cpu = xptorch.device("cpu")
    seen: list[Any] = []

    def remember(storage: Any, location: str) -> Any:
        seen.append((location, str(storage.device), storage.nbytes()))
        return storage

    choices = [
        None,
        "cpu",
        cpu,
        {"cuda:0": "cpu"},
        remember,
        lambda storage, location: storage.cpu(),
        lambda storage, location: None,
    ]
    for map_location in choices:
        read = round_trip(xptorch.ones(3), map_location=map_location)
        assert read.device == cpu and read.tolist() == [1, 1, 1]
    assert seen == [("cpu", "cpu", 12)]
    with pytest.raises(TypeError, match="map_location"):
        round_trip(xptorch.ones(1), map_location=3)
    with pytest.raises(TypeError, match="map_location"):
        round_trip(xptorch.ones(1), map_location=lambda storage, location: "cpu")
    with pytest.raises(RuntimeError, match="tagged with moon"):
        round_trip(xptorch.ones(1), map_location={"cpu": "moon"})


def test_the_default_backend_takes_the_place_of_the_cpu(device: Any) -> None:
    with device:
        assert round_trip(xptorch.ones(1)).device == device


# ---- files


def test_paths_and_files(tmp_path: Path) -> None:
    for path in (tmp_path / "a.pt", str(tmp_path / "b"), tmp_path / "é.pt", tmp_path / ".hidden"):
        serialization.save([1], path)
        assert serialization.load(path) == [1]
        with open(path, "rb") as file:
            assert serialization.load(file) == [1]
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert archive.namelist()[0] == "a/data.pkl"

    class Pipe:
        data = b""

        def write(self, data: bytes) -> None:
            self.data += data

    pipe = Pipe()
    serialization.save([2], pipe)  # type: ignore[arg-type]
    assert serialization.load(io.BytesIO(pipe.data)) == [2]


def test_pytorch_reads_our_files(torch: Any, tmp_path: Path) -> None:
    serialization.save({"x": xptorch.arange(3)}, tmp_path / "x.pt")
    assert torch.load(tmp_path / "x.pt")["x"].tolist() == [0, 1, 2]


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    serialization.save([1], path)
    before = path.stat().st_mode

    class Unwritable:
        def __reduce__(self) -> Any:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        serialization.save([1, Unwritable()], path)
    with pytest.raises(OSError, match="disk full"):
        serialization.save(Full(), path)
    assert serialization.load(path) == [1]
    path.chmod(0o640)
    serialization.save([2], path)
    assert (serialization.load(path), path.stat().st_mode & 0o777) == ([2], 0o640)
    assert os.listdir(tmp_path) == ["x.pt"]
    assert before & 0o777 == 0o666 & ~_umask()


class Full(list[Any]):
    """Fails when the file is being written, not before."""

    def __reduce__(self) -> Any:
        tensor = xptorch.ones(1)
        tensor._device = _FullDevice()  # type: ignore[assignment]
        return list, ([tensor],)


class _FullDevice:
    type = "cpu"

    @property
    def backend(self) -> Any:
        raise OSError("disk full")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "x.pt", tmp_path / "x.pt"
    link.symlink_to(target)
    serialization.save([1], link)
    assert link.is_symlink() and serialization.load(target) == [1]


def test_file_errors(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Parent directory"):
        serialization.save(1, tmp_path / "none" / "x.pt")
    with pytest.raises(IsADirectoryError):
        serialization.save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        serialization.load(tmp_path / "none.pt")
    with pytest.raises(AttributeError, match="write"):
        serialization.save(1, 3)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="seek"):
        serialization.load(3)  # type: ignore[arg-type]


def test_damaged_files() -> None:
    whole = saved({"x": xptorch.arange(100.0)}).getvalue()
    position = whole.index(xptorch.arange(100.0).numpy().tobytes()) + 10
    flipped = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as z:
        z.writestr("readme", "a")
    cases = [b"", b"hello world", whole[:300], whole[:-30], flipped, pickle.dumps([1])]
    for data in [*cases, other.getvalue()]:
        with pytest.raises(CheckpointError):
            serialization.load(io.BytesIO(data))
    assert issubclass(CheckpointError, pickle.UnpicklingError)
    assert issubclass(CheckpointError, RuntimeError)


def test_torchscript_is_refused() -> None:
    with pytest.raises(RuntimeError, match="TorchScript"):
        serialization.load(archive(b"\x80\x02N.", constants=b""))


# ---- what a file may contain


def archive(pickled: bytes, storage: bytes = bytes(16), **records: bytes) -> io.BytesIO:
    """A checkpoint of given bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("a/data.pkl", pickled)
        z.writestr("a/data/0", storage)
        for name, data in records.items():
            z.writestr(f"a/{name}" + ".pkl" * (name == "constants"), data)
    file.seek(0)
    return file


class System:
    def __reduce__(self) -> Any:
        return os.system, ("echo no",)


def test_weights_only_runs_nothing() -> None:
    for obj, name in [(System(), r"\w+\.system"), (Plain(1), "Plain"), (len, "len")]:
        with pytest.raises(pickle.UnpicklingError, match=name):
            round_trip(obj)
    with pytest.raises(pickle.UnpicklingError, match="add_safe_globals"):
        round_trip(Plain(1), weights_only=True)
    assert round_trip(Plain([xptorch.ones(2)]), weights_only=False).value[0].tolist() == [1, 1]


HOSTILE = {
    "a call of a result": b"\x80\x02K\x01)R.",
    "a function's attributes": b"\x80\x02ctorch\nSize\n}X\x01\0\0\0aK\x01sb.",
    "a class's attributes": b"\x80\x02ccollections\nOrderedDict\nN}X\x01\0\0\0aK\x01s\x86b.",
    "a method of a dict": b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\0\0\0itemsK\x01sb.",
    "a new tensor": b"\x80\x02ctorch\nTensor\n)\x81.",
    "memory": b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\0\0\0\0\0\x01\x85R.",
    "text as code": b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0rot13\x86R.",
    "old opcodes": b'(S"ls"\nios\nsystem\n.',
    "extensions": b"\x80\x02\x82\x01.",
    "nothing": b"\x80\x02R.",
    "no mark": b"\x80\x02t.",
    "no end": b"\x80\x02K\x01",
    "a list as key": b"\x80\x02}]K\x01s.",
    "a tuple's append": b"\x80\x02)K\x01a.",
    "an id of its own": b"\x80\x02K\x01Q.",
    "the future": b"\x80\x09K\x01.",
}


@pytest.mark.parametrize("pickled", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles(pickled: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        serialization.load(archive(pickled))


def view(offset: int, size: tuple[int, ...], stride: tuple[int, ...], count: int = 4) -> bytes:
    """The pickle of a float32 tensor over a storage of `count` elements."""

    def ints(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", v) for v in values) + b"t"

    storage = b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu"
    storage += ints((count,))[1:-1] + b"tQ"
    rest = ints((offset,))[1:-1] + ints(size) + ints(stride)
    end = b"\x89ccollections\nOrderedDict\n)RtR."
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + storage + rest + end


@pytest.mark.parametrize(
    "arguments",
    [
        (1, (4,), (1,)),
        (-1, (2,), (1,)),
        (0, (4,), (-1,)),
        (0, (-4,), (1,)),
        (0, (4,), (1, 1)),
        (0, (1 << 40,), (1,)),
        (0, (1 << 62,), (0,)),
        (0, (4,), (1,), 1 << 40),
        (0, (4,), (1,), -1),
    ],
)
def test_views_stay_inside_their_storage(arguments: Any) -> None:
    assert serialization.load(archive(view(0, (2, 2), (2, 1)))).tolist() == [[0, 0], [0, 0]]
    with pytest.raises(pickle.UnpicklingError):
        serialization.load(archive(view(*arguments)))


def test_tensors_take_no_private_attributes() -> None:
    pickled = view(0, (4,), (1,))[:-1] + b"}X\x05\0\0\0_dataK\x01sb."
    with pytest.raises(pickle.UnpicklingError):
        serialization.load(archive(pickled))
    x = xptorch.ones(1)
    x.__dict__["shape"] = "x"
    with pytest.raises(pickle.UnpicklingError, match="shape"):
        round_trip(x)


def test_what_pytorch_has_and_we_do_not(torch: Any) -> None:
    with pytest.raises(pickle.UnpicklingError, match="_rebuild_sparse_tensor"):
        from_torch(torch, torch.eye(2).to_sparse())
    with pytest.raises(pickle.UnpicklingError, match="float8_e5m2"):
        from_torch(torch, torch.zeros(2, dtype=torch.float8_e5m2))


def test_safe_globals() -> None:
    assert serialization.get_safe_globals() == []
    with serialization.safe_globals([Plain]):
        assert serialization.get_safe_globals() == [Plain]
        assert round_trip(Plain(xptorch.ones(2))).value.tolist() == [1, 1]
    serialization.add_safe_globals([(Plain, "elsewhere.Plain")])
    try:
        assert serialization.get_safe_globals() == [(Plain, "elsewhere.Plain")]
        with pytest.raises(pickle.UnpicklingError):
            round_trip(Plain(1))
    finally:
        serialization.clear_safe_globals()
    assert serialization.get_safe_globals() == []


# ---- options


def test_options(torch: Any) -> None:
    with pytest.raises(RuntimeError, match="pickle_module"):
        round_trip(1, pickle_module=pickle, weights_only=True)
    assert round_trip(Plain(1), pickle_module=pickle).value == 1
    assert round_trip(1, weights_only=False, encoding="latin1") == 1
    with pytest.raises(TypeError):
        round_trip(1, weights_only=False, foo=1)
    with pytest.warns(UserWarning, match="weights_only=False"):
        round_trip(1, encoding="latin1")
    file = io.BytesIO()
    torch.save(torch.ones(1), file, _use_new_zipfile_serialization=False)
    for location in ({"cpu": "array_api_strict"}, "array_api_strict"):
        file.seek(0)
        with pytest.raises(NotImplementedError, match="map_location='cpu'"):
            serialization.load(file, map_location=location)


def test_whole_modules(torch: Any) -> None:
    net = xptorch.nn.Sequential(xptorch.nn.Linear(2, 3), xptorch.nn.ReLU())
    read = round_trip(net, weights_only=False)
    x = xptorch.ones(1, 2)
    assert read(x).tolist() == net(x).tolist()
    with pytest.raises(pickle.UnpicklingError, match="Sequential"):
        round_trip(net)
    with pytest.raises(pickle.UnpicklingError, match=r"torch\.nn\.modules\.linear\.Linear"):
        from_torch(torch, torch.nn.Linear(2, 2))


def test_the_format_before_zip_is_written(torch: Any, tmp_path: Path) -> None:
    whole = xptorch.arange(10.0)
    obj = {
        "view": whole[2:5],
        "whole": whole,
        "transposed": xptorch.arange(6).reshape(2, 3).T,
        "parameter": xptorch.nn.Parameter(xptorch.ones(2)),
        "empty": xptorch.zeros(0, 3),
        "plain": [1, "a", None],
    }
    path, legacy = tmp_path / "old.pt", {"_use_new_zipfile_serialization": False}
    serialization.save(obj, path, **legacy)
    assert not zipfile.is_zipfile(path)
    for read in (torch.load(path, weights_only=True), serialization.load(path)):
        for name, value in obj.items():
            found = read[name]
            assert (found.tolist() if hasattr(value, "tolist") else found) == (
                value.tolist() if hasattr(value, "tolist") else value
            )
        read["whole"][2] = 7.0
        assert read["view"][0].item() == 7.0
    file = saved(obj, **legacy)
    assert file.getvalue() == path.read_bytes()
    wide = xptorch.tensor([1, 2], dtype=xptorch.uint32)  # which PyTorch writes but does not read
    assert serialization.load(saved(wide, **legacy)).tolist() == [1, 2]
