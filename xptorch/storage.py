"""The memory under tensors."""

from xptorch.ops.storage import TypedStorage as TypedStorage
from xptorch.ops.storage import UntypedStorage as UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
