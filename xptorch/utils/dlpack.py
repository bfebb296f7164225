"""Exchange of tensors with other libraries by DLPack, without copies where memory is shared."""

from xptorch.ops.elementwise.predicates import to_dlpack
from xptorch.ops.shape.creation import from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
