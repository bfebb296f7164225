"""Linear algebra: `torch.linalg`, as far as it goes."""

from xptorch.ops.linalg import matmul as matmul
from xptorch.ops.linalg import vector_norm as vector_norm

__all__ = ["matmul", "vector_norm"]
