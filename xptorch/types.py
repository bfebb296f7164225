"""Names for the types of arguments."""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias

from xptorch._core.device import device as device
from xptorch._core.dtype import dtype as dtype
from xptorch._tensor.size import Size
from xptorch._tensor.tensor import Tensor

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number: TypeAlias = builtins.int | builtins.float | builtins.bool
Device: TypeAlias = device | str | builtins.int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Storage: TypeAlias = Any
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]
_dtype: TypeAlias = dtype
_device: TypeAlias = device
_size: TypeAlias = Size | list[builtins.int] | tuple[builtins.int, ...]
_int, _float, _bool = builtins.int, builtins.float, builtins.bool
