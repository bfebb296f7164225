"""`torch.functional`: functions of several tensors, also available in xptorch."""

from xptorch.nn import functional as F
from xptorch.ops.index.indexing import unravel_index
from xptorch.ops.index.sort import unique, unique_consecutive
from xptorch.ops.linalg.decompositions import pca_lowrank, svd_lowrank
from xptorch.ops.linalg.einsum import einsum
from xptorch.ops.linalg.lu import lu
from xptorch.ops.linalg.norms import cdist, norm
from xptorch.ops.linalg.products import chain_matmul, tensordot
from xptorch.ops.shape.arrangement import atleast_1d, atleast_2d, atleast_3d, meshgrid
from xptorch.ops.shape.slicing import block_diag, cartesian_prod
from xptorch.ops.shape.views import broadcast_shapes, broadcast_tensors, split
from xptorch.ops.signal.stft import istft, stft

__all__ = [
    "F", "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes",
    "broadcast_tensors", "cartesian_prod", "cdist", "chain_matmul", "einsum", "istft", "lu",
    "meshgrid", "norm", "pca_lowrank", "split", "stft", "svd_lowrank", "tensordot", "unique",
    "unique_consecutive", "unravel_index",
]  # fmt: skip
