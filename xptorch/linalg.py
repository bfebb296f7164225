"""Linear algebra: norms, systems, decompositions, under PyTorch's names in `torch.linalg`."""

from xptorch.ops.linalg.decompositions import (
    LinAlgError,
    eigh,
    eigvalsh,
    qr,
    solve_triangular,
    svdvals,
)
from xptorch.ops.linalg.decompositions import linalg_cholesky as cholesky
from xptorch.ops.linalg.decompositions import linalg_svd as svd
from xptorch.ops.linalg.eig import eig, eigvals
from xptorch.ops.linalg.householder import householder_product
from xptorch.ops.linalg.inverses import (
    cholesky_ex,
    cond,
    det,
    inv,
    inv_ex,
    lstsq,
    matrix_exp,
    matrix_power,
    matrix_rank,
    pinv,
    slogdet,
    solve,
    solve_ex,
    tensorinv,
    tensorsolve,
)
from xptorch.ops.linalg.inverses import linalg_vander as vander
from xptorch.ops.linalg.lu import linalg_lu as lu
from xptorch.ops.linalg.lu import linalg_lu_solve as lu_solve
from xptorch.ops.linalg.lu import lu_factor, lu_factor_ex
from xptorch.ops.linalg.norms import linalg_norm as norm
from xptorch.ops.linalg.norms import matrix_norm, vector_norm
from xptorch.ops.linalg.products import linalg_cross as cross
from xptorch.ops.linalg.products import matmul, multi_dot, vecdot
from xptorch.ops.shape.slicing import linalg_diagonal as diagonal

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh",
    "eigvals", "eigvalsh", "householder_product", "inv", "inv_ex", "lstsq", "lu", "lu_factor",
    "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power",
    "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex",
    "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot",
    "vector_norm",
]  # fmt: skip
