"""Checkpoints: PyTorch's .pt files, written and read without PyTorch.

A file is a zip archive without compression. ``data.pkl`` is the pickle of the object, in which a
tensor is a view (offset, size, stride) of a storage; ``data/0``, ``data/1``, … are the storages'
bytes. The names in the pickle are PyTorch's, so that PyTorch reads the file, too.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import pickle
import secrets
import shutil
import struct
import sys
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Generic, TypeAlias, TypeVar, cast

import numpy as np

from xptorch import _backend, _dtype, _engine
from xptorch._backend import device
from xptorch._tensor import Size, Tensor
from xptorch._unpickler import Known, Machine, Refused
from xptorch.nn.parameter import Parameter

FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
MapLocation: TypeAlias = Callable[["Storage", str], Any] | device | str | Mapping[str, str] | None

_ALIGNMENT = 64  # of storages in the file, so that it can be mapped into memory
_STORAGES = {  # PyTorch's storage classes; other dtypes go as UntypedStorage
    **{"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage"},
    **{"int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage"},
    **{"int8": "CharStorage", "uint8": "ByteStorage", "bool": "BoolStorage"},
    **{"complex64": "ComplexFloatStorage", "complex128": "ComplexDoubleStorage"},
    "bfloat16": "BFloat16Storage",
}
_MAGIC = 0x1950A86A20F9469CFC6C  # what a file of the format before zip starts with
_LEGACY_VERSION = 1001


class CheckpointError(pickle.UnpicklingError, RuntimeError):
    """A file is no checkpoint, or is damaged."""
