"""Linear layers of few rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from xptorch.backends import _blas
from xptorch.backends._threads import share

_FEW_ROWS = 256  # up to which a product of that shape takes a quarter less the other way round


def linear_forward(a: Any, weight: Any, bias: Any) -> Any:
    n, k = weight.shape
    rows = a.size // k if k else 0
    work = rows * n * k
    same = a.dtype == weight.dtype and (bias is None or bias.dtype == a.dtype)
    if not (same and rows <= _FEW_ROWS and 2 * rows <= n and work >= _blas.PAYS_FROM):
        return NotImplemented
    x = a.reshape(rows, k).transpose()
    y = np.empty((rows, n), a.dtype)

    def part(start: int, stop: int) -> None:
        turned = np.matmul(weight[start:stop], x).transpose()
        if bias is None:
            y[:, start:stop] = turned
        else:  # the addition turns it back
            np.add(turned, bias[start:stop], out=y[:, start:stop])

    share(part, n, work * _blas.EACH)
    return y.reshape(*a.shape[:-1], n)
