"""Zip archives with uncompressed, aligned records, and files that are written atomically."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import secrets
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

_ALIGNMENT = 64  # in bytes, of records in the file, so that they can be memory-mapped
_HEADER = 30  # bytes of a zip record's header before its name
_INFLATED, _RATIO = 1 << 26, 16  # bytes that any file may unpack to; else times its own size
_ZIP64_EXTRA = 20  # bytes that zipfile adds to the header of a record of 2 GiB and more


class CheckpointError(pickle.UnpicklingError, RuntimeError):
    """A file is not a checkpoint, or is damaged."""


class Writer:
    """Writes records ``<prefix>/<name>`` into a zip archive.

    Args:
        file: a seekable binary file.
        prefix: the folder in the archive.
    """

    def __init__(self, file: IO[bytes], prefix: str) -> None:
        self.file = file
        self.prefix = prefix
        self.zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, strict_timestamps=False)

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Add a record."""
        info = zipfile.ZipInfo(f"{self.prefix}/{name}")
        size = memoryview(data).nbytes
        large = size > zipfile.ZIP64_LIMIT
        start = self.file.tell() + _HEADER + len(info.filename.encode()) + 4
        padding = -(start + _ZIP64_EXTRA * large) % _ALIGNMENT
        info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
        with self.zip.open(info, "w", force_zip64=large) as record:
            record.write(data)

    def close(self) -> None:
        """Write the archive's directory."""
        self.zip.close()


class Reader:
    """Reads the records of a zip archive and checks them.

    Args:
        file: a seekable binary file.
        label: the file's name in error messages.

    Raises:
        CheckpointError: it is not a zip archive, is damaged, or does not contain a checkpoint.
    """

    def __init__(self, file: IO[bytes], label: str) -> None:
        self.file = file
        self.label = label
        self.size = file.seek(0, os.SEEK_END)
        try:
            self.zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, struct.error) as e:
            raise CheckpointError(f"{label} is a damaged or truncated checkpoint: {e}") from e
        names = [n for n in self.zip.namelist() if n.count("/") == 1 and n.endswith("/data.pkl")]
        if len(names) != 1:
            raise CheckpointError(f"{label} is no checkpoint: the archive has no data.pkl")
        self.prefix = names[0].removesuffix("data.pkl")
        self.left = max(_INFLATED, _RATIO * self.size)
        self._check_extents()

    def _check_extents(self) -> None:
        """Raise if records overlap: each byte of the file could be read a thousand times."""
        records = sorted(self.zip.infolist(), key=lambda info: info.header_offset)
        ends = [info.header_offset + _HEADER + info.compress_size for info in records]
        starts = [*(info.header_offset for info in records[1:]), self.size]
        if any(end > start for end, start in zip(ends, starts, strict=True)):
            raise CheckpointError(f"{self.label} is damaged or truncated: its records overlap")

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.zip.NameToInfo

    def locate(self, name: str) -> tuple[int, zipfile.ZipInfo]:
        """The offset of a record's data, and its entry in the archive's directory."""
        info = self.zip.NameToInfo.get(self.prefix + name)
        if info is None:
            raise CheckpointError(f"{self.label} is damaged: it has no record {name!r}")
        self.file.seek(info.header_offset)
        header = self.file.read(_HEADER)
        if len(header) < _HEADER or header[:4] != b"PK\3\4":
            raise CheckpointError(f"{self.label} is damaged at the record {name!r}")
        start = info.header_offset + _HEADER + sum(struct.unpack("<HH", header[26:]))
        if start + info.compress_size > self.size:
            raise CheckpointError(f"{self.label} is truncated in the record {name!r}")
        return start, info

    def read(self, name: str) -> bytearray:
        """The bytes of a record.

        Raises:
            CheckpointError: it does not exist, or its checksum is wrong.
        """
        start, info = self.locate(name)
        if info.compress_type != zipfile.ZIP_STORED:
            return self._inflate(info)
        self.file.seek(start)
        data = read_exactly(self.file, info.compress_size, self.label)
        if zlib.crc32(data) != info.CRC:
            raise CheckpointError(
                f"{self.label} is damaged: the checksum of the record {name!r} is wrong"
            )
        return data

    def _inflate(self, info: zipfile.ZipInfo) -> bytearray:
        """The bytes of a compressed record, if they are no more than the directory claims."""
        self.left -= info.file_size
        if self.left < 0:
            raise CheckpointError(
                f"{self.label} is compressed: what it unpacks to is out of proportion to its size"
            )
        try:
            with self.zip.open(info) as record:
                data = bytearray(record.read(info.file_size))
                if record.read(1):
                    raise CheckpointError(f"{self.label} is damaged: a record is too long")
                return data
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as e:
            raise CheckpointError(f"{self.label} is damaged: {e}") from e


def read_exactly(file: IO[bytes], count: int, label: str) -> bytearray:
    """The next `count` bytes of a file."""
    data = bytearray(count)
    view, done = memoryview(data), 0
    while done < count:
        chunk: Any
        if hasattr(file, "readinto"):
            chunk = file.readinto(view[done:])
        else:
            piece = file.read(count - done)
            chunk = len(piece)
            view[done : done + chunk] = piece
        if not chunk:
            raise CheckpointError(f"{label} is truncated")
        done += chunk
    return data


@contextlib.contextmanager
def atomic_write(path: str) -> Iterator[IO[bytes]]:
    """A file to write, which replaces `path` when all of it is written and synced to disk.

    If anything fails, `path` is left unchanged. A file that can be written to, in a folder that
    cannot, is written over in place, once all is complete.
    """
    path = os.path.realpath(path)  # a symbolic link stays one, and points to the new file
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        with open(path, "wb") as file:  # a device or a pipe: nothing to replace
            yield file
        return
    mark = _temporary_mark(os.path.basename(path))
    _remove_leftovers(folder, mark)
    temporary = os.path.join(folder, f"{mark}{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        open(temporary, "xb").close()
    except PermissionError:  # of the folder
        if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise
        yield from _written_over(path)
        return
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _written_over(path: str) -> Iterator[IO[bytes]]:
    """A file to write, which is copied into `path` when it is complete."""
    import tempfile  # rarely needed

    with tempfile.TemporaryFile() as whole:
        yield whole
        whole.seek(0)
        with open(path, "r+b") as target:
            shutil.copyfileobj(whole, target)
            target.truncate()
            target.flush()
            os.fsync(target.fileno())


def _temporary_mark(name: str) -> str:
    """How the names of temporary files for a file begin, on this machine."""
    host = zlib.crc32(os.fsencode(os.uname().nodename)) if hasattr(os, "uname") else 0
    return f".{zlib.crc32(os.fsencode(name)):08x}-{host:08x}-"


def _remove_leftovers(folder: str, mark: str) -> None:
    """Remove the temporary files of saves whose process was killed."""
    if os.name != "posix":  # elsewhere a process cannot be asked for without harm
        return
    pattern = re.compile(re.escape(mark) + r"(\d{1,10})-[0-9a-f]{16}\.tmp")
    for name in os.listdir(folder):
        found = pattern.fullmatch(name)
        if found and not _is_running(int(found[1])):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _sync_folder(folder: str) -> None:
    """Sync the directory entry of the new name to disk, if the system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
