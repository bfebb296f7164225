"""Linear algebra beside what PyTorch's own database covers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import xptorch

torch: Any = pytest.importorskip("torch")


def both(function: Any, *shape: int, dtype: str = "float64") -> tuple[list[Any], list[Any]]:
    """Results and gradients of a random projection of them, in both libraries."""
    rng = np.random.default_rng(4)
    array = rng.standard_normal(shape)
    if dtype == "complex128":
        array = array + 1j * rng.standard_normal(shape)
    found = []
    for library in (xptorch, torch):
        x = library.from_numpy(array.copy()).requires_grad_()
        library.manual_seed(1)
        ys = [y for y in function(library, x) if y.dtype != library.int32]
        loss = sum(
            (y * library.arange(1.0, y.numel() + 1).reshape(y.shape)).abs().sum() for y in ys
        )
        grad = library.autograd.grad(loss, [x])
        found.append([t.detach().resolve_conj().numpy() for t in (*ys, *grad)])
    return found[0], found[1]


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 5, 3), (2, 3, 5)])
@pytest.mark.parametrize("name", ["lu", "lu_factor", "lu_factor_ex"])
def test_lu(name: str, shape: Any, dtype: str) -> None:
    pairs = both(lambda t, a: getattr(t.linalg, name)(a), *shape, dtype=dtype)
    for mine, theirs in zip(*pairs, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-10)


def test_singular_matrices_are_told() -> None:
    for library in (xptorch, torch):
        a = library.ones(3, 3)
        assert int(library.linalg.lu_factor_ex(a).info) == 2
        with pytest.raises(RuntimeError, match=r"U\[2,2\] is zero"):
            library.linalg.lu_factor(a)
        assert library.linalg.lu(a).U.tolist()[0] == [1, 1, 1]


def test_eig_where_the_library_has_none() -> None:
    strict = xptorch.device("array_api_strict")
    a = torch.randn(2, 6, 6, dtype=torch.float64)
    w, v = xptorch.linalg.eig(xptorch.from_numpy(a.numpy()).to(strict))
    w, v = w.cpu(), v.cpu()
    left = xptorch.from_numpy(a.numpy()).to(xptorch.complex128) @ v
    assert left.allclose(v * w.unsqueeze(-2))
    expected = torch.linalg.eigvals(a).numpy()
    for mine, theirs in zip(w.numpy(), expected, strict=True):
        np.testing.assert_allclose(np.sort_complex(mine), np.sort_complex(theirs), rtol=1e-9)


def test_low_rank_from_the_same_draws() -> None:
    for name in ("svd_lowrank", "pca_lowrank"):
        found = []
        for library in (xptorch, torch):
            library.manual_seed(0)
            x = library.randn(9, 5)
            u, s, v = getattr(library, name)(x, q=3)
            found.append([s.numpy(), (u * s @ v.mT).numpy()])
        for mine, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
