"""PyTorch's format before zip, of release 1.5 and older: five pickles, then the storages' bytes."""

from __future__ import annotations

import os
import pickle
import struct
import sys
from typing import IO, Any

import numpy as np

from xptorch.serialization.archive import CheckpointError, read_exactly
from xptorch.serialization.storage import (
    Restore,
    Run,
    Storage,
    StorageLayout,
    dtype_of,
    itemsize,
    storage_id,
)
from xptorch.serialization.unpickler import RestrictedUnpickler, UnpicklingError

_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle
_VERSION = 1001


def save_legacy(file: IO[bytes], data: bytes, storages: StorageLayout, protocol: int) -> None:
    """Write a file of an object's pickle and its storages."""
    system = {
        "protocol_version": _VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    for head in (_MAGIC, _VERSION, system):
        pickle.dump(head, file, protocol)
    file.write(data)
    spans = list(storages.used())
    pickle.dump([str(span.key) for span in spans], file, protocol)
    for span in spans:
        file.write(struct.pack("<q", span.count()))
        file.write(span.memory())


def load_legacy(file: IO[bytes], label: str, run: Run, restore: Restore) -> Any:
    """Load the legacy format, older than zip: consecutive pickles, then the storages."""

    def nothing(*_: Any) -> Any:
        raise UnpicklingError("the file does not start as a checkpoint does")

    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    try:
        magic = RestrictedUnpickler(nothing, nothing).run(file)
    except pickle.UnpicklingError:
        magic = None
    if magic != _MAGIC:
        raise CheckpointError(f"{label} is no checkpoint, or it is damaged or truncated")
    if RestrictedUnpickler(nothing, nothing).run(file) != _VERSION:
        raise CheckpointError(f"{label} has an unknown version of the format before zip")
    little = RestrictedUnpickler(nothing, nothing).run(file).get("little_endian", True)
    if little != (sys.byteorder == "little"):
        raise NotImplementedError(f"{label} has the byte order of another kind of machine")
    storages: dict[str, Storage] = {}
    left = size  # bytes that storages yet unseen can have

    def load_persistent(key: Any) -> Storage:
        nonlocal left
        cls, name, location, count, *view = storage_id(key)
        if view and view[0] is not None:
            raise NotImplementedError(f"{label} has storages that are views, as very old files do")
        if name not in storages:
            dtype = dtype_of(cls)
            left -= count * itemsize(dtype)
            if left < 0:
                raise CheckpointError(f"{label} is damaged or truncated")
            memory = np.zeros(count * itemsize(dtype), np.uint8)
            storages[name] = restore(Storage(memory, dtype, False), location)
            if storages[name].device.type != "cpu":  # its bytes must be read before they are copied
                raise NotImplementedError(
                    f"{label} has the format before zip: load it with map_location='cpu'"
                )
        return storages[name]

    result = run(file, load_persistent)
    stored = RestrictedUnpickler(nothing, nothing).run(file)
    if type(stored) is not list or len(stored) != len(storages) or set(stored) != set(storages):
        raise CheckpointError(f"{label} is damaged: it lacks storages of its tensors")
    for name in stored:
        read_exactly(file, 8, label)  # the count of elements, which is known already
        storages[name].fill(read_exactly(file, storages[name].nbytes(), label))
    return result
