"""Exchange of tensors with other libraries, without copies where memory is shared."""

from xptorch.ops.create import from_dlpack
from xptorch.ops.query import to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
