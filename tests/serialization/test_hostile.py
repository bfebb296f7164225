"""Files that lie: none reads outside its storages, hangs, fills memory or runs what it names."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xptorch
from xptorch import serialization
from xptorch.serialization import CheckpointError

ROOT = Path(__file__).parent.parent.parent
BIG = (1 << 61) + 1


def archive(pickled: bytes, storage: bytes = bytes(16), **records: bytes) -> bytes:
    """A checkpoint of given bytes, with one storage."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("a/data.pkl", pickled)
        z.writestr("a/data/0", storage)
        for name, data in records.items():
            z.writestr(f"a/{name}", data)
    return file.getvalue()


class Global:
    """Pickled as a global of that name."""

    def __init__(self, name: str) -> None:
        self.name = name


class Call:
    """Pickled as the call of a global, and a state for its result."""

    def __init__(self, name: str, *args: Any, state: Any = None) -> None:
        self.name, self.args, self.state = name, args, state


class Storage:
    """Pickled as the persistent id of the storage ``data/0``."""

    def __init__(self, cls: str = "torch FloatStorage", count: Any = 4, location: Any = "cpu"):
        self.cls, self.count, self.location = cls, count, location


class Pickler(pickle._Pickler):
    """Writes what an honest pickler would not."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        write: Callable[[bytes], Any] = self.write  # type: ignore[attr-defined]
        if isinstance(obj, Global):
            write(b"c" + obj.name.replace(" ", "\n").encode() + b"\n")
        elif isinstance(obj, Storage):
            self.save(("storage", Global(obj.cls), "0", obj.location, obj.count))
            write(b"Q")
        elif isinstance(obj, Call):
            self.save(Global(obj.name))
            self.save(obj.args)
            write(b"R")
            if obj.state is not None:
                self.save(obj.state)
                write(b"b")
        else:
            super().save(obj, save_persistent_id)  # type: ignore[misc]


def pickled(obj: Any) -> bytes:
    file = io.BytesIO()
    Pickler(file, 2).dump(obj)
    return file.getvalue()


def tensor(offset: Any, size: Any, stride: Any, storage: Any = None, **metadata: Any) -> Call:
    """A tensor over a storage of four float32."""
    more = (metadata,) if metadata else ()
    name = "torch._utils _rebuild_tensor_v2"
    return Call(name, storage or Storage(), offset, size, stride, False, (), *more)


def refused(data: bytes, **options: Any) -> str:
    """What is said of a file that cannot be loaded: little, whatever it holds."""
    with pytest.raises((pickle.UnpicklingError, RuntimeError)) as raised:
        serialization.load(io.BytesIO(data), **options)
    assert len(str(raised.value)) < 1_000
    return str(raised.value)


VIEWS = {
    "wraps at 2**64": (0, (BIG,), (8,)),
    "wraps on two axes": (0, (1 << 31, 1 << 31), (1 << 33, 8)),
    "offset wraps": ((1 << 62), (4,), (1,)),
    "one element too far": (1, (4,), (1,)),
    "one step too far": (0, (2,), (4,)),
    "negative offset": (-1, (1,), (1,)),
    "negative size": (0, (-1,), (1,)),
    "negative stride": (3, (4,), (-1,)),
    "no length in common": (0, (2, 2), (1,)),
    "more axes than there are": (0, (1,) * 65, (1,) * 65),
    "bool size": (0, (True,), (1,)),
    "bool offset": (False, (1,), (1,)),
    "float stride": (0, (1,), (1.0,)),
    "huge offset": (1 << 200, (1,), (1,)),
    "huge size": (0, (1 << 200,), (0,)),
    "huge stride": (0, (1,), (1 << 200,)),
    "text": (0, "aa", "bb"),
    "a dict": (0, {1: 1}, {1: 1}),
    "a tensor for a size": (0, tensor(0, (1 << 40,), (0,)), (1,)),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_no_view_leaves_its_storage(view: Any) -> None:
    refused(archive(pickled(tensor(*view))))
    swapped = archive(pickled(tensor(*view)), byteorder=b"big")
    refused(swapped)


@pytest.mark.parametrize(("cls", "size"), [("Byte", 1), ("Half", 2), ("Float", 4), ("Double", 8)])
def test_extents_do_not_wrap_around(cls: str, size: int) -> None:
    """NumPy computes a view's extent in 64 bits: these come to few bytes, or to none."""
    storage = Storage(f"torch {cls}Storage", count=16 // size)
    for bits in range(59, 66):
        for step in (1, 3, 8, 1 << 20):
            for n in ((1 << bits) // step // size, (1 << bits) // step // size + 1):
                view = tensor(0, (n,), (step,), storage)
                refused(archive(pickled(view)))


def test_views_inside_are_loaded() -> None:
    values = np.arange(4, dtype=np.float32).tobytes()
    for view, expected in [
        ((1, (3,), (1,)), [1, 2, 3]),
        ((0, (2, 2), (1, 2)), [[0, 2], [1, 3]]),
        ((0, (3, 2), (0, 3)), [[0, 3]] * 3),
        ((3, (), ()), 3),
        ((4, (0,), (1,)), []),
        ((9, (5, 0), (1, 1)), [[]] * 5),
    ]:
        t = serialization.load(io.BytesIO(archive(pickled(tensor(*view)), values)))
        assert t.tolist() == expected
        big = np.arange(4, dtype=">f4").tobytes()
        t = serialization.load(io.BytesIO(archive(pickled(tensor(*view)), big, byteorder=b"big")))
        assert t.tolist() == expected


def test_an_expanded_view_of_the_other_byte_order_takes_no_memory() -> None:
    data = archive(pickled(tensor(0, (1 << 40,), (0,))), byteorder=b"big")
    assert serialization.load(io.BytesIO(data)).shape == (1 << 40,)


@pytest.mark.parametrize("device", ["array_api_strict", "torch"])
def test_an_expanded_view_is_not_copied_to_a_device(device: str) -> None:
    pytest.importorskip(device)
    said = refused(archive(pickled(tensor(0, (1 << 40,), (0,)))), map_location=device)
    assert "map_location='cpu'" in said


def laughs(depth: int = 30, make: Any = list) -> Any:
    """A few hundred bytes of pickle whose text has 2**depth elements."""
    x: Any = make()
    for _ in range(depth):
        x = make((x, x))
    return x


COLLIDING = {k * ((1 << 61) - 1): 0 for k in range(40_000)}  # all of hash 0
ENDLESS = tensor(0, (1 << 40,), (0,))  # to iterate over it takes for ever
OBJECTS = {
    "laughs as a size": tensor(0, laughs(), (1,)),
    "laughs as an offset": tensor(laughs(), (1,), (1,)),
    "laughs as a count": tensor(0, (1,), (1,), Storage(count=laughs())),
    "laughs as a location": tensor(0, (1,), (1,), Storage(location=laughs())),
    "laughs as metadata": tensor(0, (1,), (1,), conj=laughs(), other=laughs()),
    "laughs as a function": Call("torch._tensor _rebuild_from_type_v2", laughs(), 0, (), {}),
    "laughs as a key": {laughs(make=tuple): 1},
    "laughs in a set": {laughs(make=tuple)},
    "laughs as text to encode": Call("_codecs encode", laughs(), "latin1"),
    "laughs as an encoding": Call("_codecs encode", "a", laughs()),
    "laughs as a parameter": Call("torch._utils _rebuild_parameter", laughs(), True, ()),
    "laughs as an attribute": Call("torch._tensor _rebuild_from_type_v2",
        Global("torch._utils _rebuild_tensor_v2"), Global("torch Tensor"), (), laughs()),
    "a key of many levels": b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.",
    "keys of one hash": COLLIDING,
    "a set of one hash": set(COLLIDING),
    "pairs of one hash": Call("collections OrderedDict", [(k, 0) for k in COLLIDING]),
    "an endless dict": Call("collections OrderedDict", ENDLESS),
    "an endless count": Call("collections Counter", ENDLESS),
    "an endless set": Call("builtins set", ENDLESS),
    "an endless size": Call("torch Size", ENDLESS),
    "endless bytes": Call("builtins bytearray", ENDLESS),
    "a count of huge": Call("builtins bytearray", 1 << 40),
    "a long name": Call("torch " + "x" * 10_000),
    "a long module": Call("y" * 10_000 + " x"),
    "memory by interface": Call("collections OrderedDict",
        state={"__array_interface__": {"data": (8, False), "shape": (9,), "typestr": "|u1"}}),
    "another class": Call("collections OrderedDict", state={"__class__": 1}),
    "an interface of a tensor": Call("torch._tensor _rebuild_from_type_v2",
        Global("torch._utils _rebuild_tensor_v2"), Global("torch Tensor"),
        (Storage(), 0, (1,), (1,), False, ()), {"__array_interface__": {}}),
    "bools of other bytes": Call("torch._utils _rebuild_tensor_v2",
        Storage("torch BoolStorage"), 0, (4,), (1,), False, ()),
    "an unknown device": tensor(0, (1,), (1,), Storage(location="torch")),
    "a device that none is": tensor(0, (1,), (1,), Storage(location="cuda:" + "9" * 40)),
    "a device of another library": tensor(0, (1,), (1,), Storage(location="array_api_strict")),
}  # fmt: skip

WATCHED = """
import io, json, os, re, sys, time, xptorch
before = set(sys.modules)
data, cpu = sys.stdin.buffer.read(), time.process_time()
try:
    said = repr(type(xptorch.load(io.BytesIO(data))))
except Exception as error:
    said = f"{type(error).__name__}: {error}"
heavy = sorted({"torch", "array_api_strict", "cupy"} & (set(sys.modules) - before))
peak = 0  # of this program; what getrusage says begins with the parent's
if os.path.exists("/proc/self/status"):
    peak = int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) // 1024
print(json.dumps([said, time.process_time() - cpu, peak, heavy]))
"""


@pytest.mark.parametrize("obj", OBJECTS.values(), ids=OBJECTS)
def test_small_files_stay_small(obj: Any) -> None:
    """Each is refused, in a process of its own, soon and in little memory."""
    pickle_of_it = obj if isinstance(obj, bytes) else pickled(obj)
    run = subprocess.run(
        [sys.executable, "-c", WATCHED],
        input=archive(pickle_of_it, b"\xff" * 16),
        capture_output=True,
        check=True,
        timeout=50,
        cwd=ROOT,
    )
    said, seconds, megabytes, heavy = json.loads(run.stdout)
    assert said.startswith(("UnpicklingError", "CheckpointError", "RuntimeError")), said
    assert len(said) < 1_000
    assert (heavy, seconds < 10, megabytes < 500) == ([], True, True), (seconds, megabytes)


def test_honest_keys_are_loaded() -> None:
    keys = {i: (i, str(i)) for i in range(5_000)} | {(i, ("a", 1.5)): i for i in range(5_000)}
    file = io.BytesIO()
    serialization.save([keys, {*range(5_000)}, {None: 1, True: 2, b"x": 3}], file)
    file.seek(0)
    assert serialization.load(file) == [keys, {*range(5_000)}, {None: 1, True: 2, b"x": 3}]


# ---- the archive


def zipped(records: dict[str, bytes], compress: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compress) as z:
        for name, data in records.items():
            z.writestr(name, data)
    return file.getvalue()


def test_compressed_records_stay_in_proportion() -> None:
    t = pickled(tensor(0, (4,), (1,)))
    data = zipped({"a/data.pkl": t, "a/data/0": np.arange(4, dtype=np.float32).tobytes()})
    assert serialization.load(io.BytesIO(data)).tolist() == [0, 1, 2, 3]
    bomb = zipped({"a/data.pkl": t, "a/data/0": bytes(1 << 28)})
    assert len(bomb) < 1 << 20 and "out of proportion" in refused(bomb)
    # the directory claims less than there is
    claim = struct.pack("<I", 1 << 28)
    assert refused(bomb.replace(claim, struct.pack("<I", 16)))


def test_records_do_not_overlap() -> None:
    """A thousand names of one record would be a thousand times its size in memory."""
    data = zipped({"a/data.pkl": b"\x80\x02N.", "a/data/0": bytes(100)}, zipfile.ZIP_STORED)
    entry = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    end = data.index(b"PK\5\6")
    again = data[entry:end].replace(b"a/data/0", b"a/data/1")
    count, size = struct.unpack("<HI", data[end + 10 : end + 16])
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, count + 1, count + 1, size + len(again))
    assert "overlap" in refused(data[:end] + again + bytes(tail))


@pytest.mark.parametrize("order", [b"", b"middle", b"\xff\xfe", b"little\n"])
def test_unknown_byte_orders(order: bytes) -> None:
    assert "byte order" in refused(archive(b"\x80\x02N.", byteorder=order))


def legacy(obj: Any, stored: list[Any], data: bytes, count: int = 4) -> bytes:
    """A file of the format before zip."""
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    pickles = [pickle.dumps(x, 2) for x in head] + [pickled(obj), pickle.dumps(stored, 2)]
    return b"".join(pickles) + struct.pack("<q", count) + data


def test_legacy_files_hold_all_their_storages() -> None:
    values = np.arange(4, dtype=np.float32).tobytes()

    def over(name: str, count: int = 4) -> Any:
        storage = Storage(count=count)
        storage.cls = "torch FloatStorage"
        return tensor(0, (4,), (1,), storage)

    whole = legacy(over("0"), ["0"], values)
    assert serialization.load(io.BytesIO(whole)).tolist() == [0, 1, 2, 3]
    assert "lacks storages" in refused(legacy(over("0"), [], values))
    assert refused(legacy(over("0"), ["0", "0"], values * 2))
    assert refused(legacy(over("0"), {"0": 1}, values))  # type: ignore[arg-type]
    assert refused(legacy(over("0", 1 << 40), ["0"], values))


# ---- bits of PyTorch's tensors


def test_conj_and_neg_bits() -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor([1 + 2j, -3.5j])
    for t in (x.conj(), torch._neg_view(x), x.conj().imag, x.conj()[1:], x.reshape(1, 2).mH):
        file = io.BytesIO()
        torch.save(t, file)
        file.seek(0)
        assert serialization.load(file).tolist() == t.tolist()


# ---- saving


def test_leftovers_of_killed_saves_are_removed(tmp_path: Path) -> None:
    """A save that is killed leaves its temporary file, and the next save of that name finds it."""
    path = tmp_path / "x.pt"
    program = """
import os, signal, sys
import xptorch
class Killer:
    def __reduce__(self):
        return int, ()
from xptorch.serialization import archive
archive.Writer.close = lambda self: os.kill(os.getpid(), signal.SIGKILL)
xptorch.save(xptorch.ones(3), sys.argv[1])
"""
    for _ in range(2):
        run = subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT)
        assert run.returncode == -9
    assert not path.exists() and len(os.listdir(tmp_path)) == 1  # the second removed the first's
    other = tmp_path / f".{zlib.crc32(b'y.pt'):08x}-00000000-1-{'0' * 16}.tmp"
    other.touch()  # another file's, or another machine's
    serialization.save(xptorch.ones(2), path)
    assert sorted(os.listdir(tmp_path)) == sorted([other.name, "x.pt"])
    assert serialization.load(path).tolist() == [1, 1]


def test_a_file_in_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "x.pt"
    serialization.save(xptorch.zeros(1000), path)
    path.chmod(0o666)
    for parent in (tmp_path, *tmp_path.parents):
        if "pytest" in str(parent):  # its folders are its user's alone
            parent.chmod(0o755)
    folder.chmod(0o555)
    program = """
import os, sys, tempfile, xptorch
xptorch.ones(1)
if os.getuid() == 0:
    os.seteuid(65534)
xptorch.save([1, 2], sys.argv[1])
try:
    xptorch.save(1, os.path.dirname(sys.argv[1]) + "/new.pt")
except PermissionError:
    os.seteuid(os.getuid())
    print(xptorch.load(sys.argv[1]))
"""
    try:
        run = subprocess.run(
            [sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True
        )
        assert run.stdout == "[1, 2]\n", run.stderr
        assert os.listdir(folder) == ["x.pt"]
    finally:
        folder.chmod(0o755)


def test_an_error_while_writing_over_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    serialization.save([1], path)
    with pytest.raises(CheckpointError):
        serialization.load(io.BytesIO(path.read_bytes()[:50]))
    assert serialization.load(path) == [1]
