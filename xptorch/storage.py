"""The storage classes: the memory of tensors."""

from xptorch.ops.shape.storage import TypedStorage as TypedStorage
from xptorch.ops.shape.storage import UntypedStorage as UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
