"""Linear algebra beyond what PyTorch's own test database covers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import xptorch

torch: Any = pytest.importorskip("torch")


def both(function: Any, *shape: int, dtype: str = "float64") -> tuple[list[Any], list[Any]]:
    """Results and the gradient of a weighted sum of their magnitudes, in both libraries."""
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


def _ex(t: Any) -> list[Any]:
    good = t.tensor([[4.0, 1, 0], [1, 3, 1], [0, 1, 2]])
    flat = t.tensor([[1.0, 1, 2], [1, 1, 5], [2, 5, 6]])
    a = t.stack([good, t.zeros(3, 3), -good, good - 2.5])
    b, vectors = t.arange(24.0).reshape(4, 3, 2), t.arange(12.0).reshape(4, 3)
    linalg = t.linalg
    return [
        *(*linalg.inv_ex(a), *linalg.solve_ex(a, b), *linalg.solve_ex(a, vectors)),
        *(*linalg.solve_ex(a, b.mT, left=False), *linalg.solve_ex(good, vectors[0])),
        *(*linalg.cholesky_ex(a), *linalg.cholesky_ex(flat, upper=True), *linalg.inv_ex(good)),
    ]


def test_what_cannot_be_solved_is_told_or_raised() -> None:
    for mine, theirs in zip(_ex(xptorch), _ex(torch), strict=True):
        assert (mine.shape, str(mine.dtype)) == (theirs.shape, f"xp{theirs.dtype}")
        mine, theirs = mine.numpy(), theirs.numpy()
        if theirs.ndim > 1:  # without a solution: NaN here, arbitrary in PyTorch
            kept = ~np.isnan(mine)
            assert 0 in mine.shape or kept.any() or np.isnan(mine).all()
            mine, theirs = mine[kept], theirs[kept]
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    for t in (xptorch, torch):
        bad, name = t.zeros(2, 2), t.linalg.LinAlgError
        for call in (
            *(lambda: t.linalg.inv_ex(bad, check_errors=True),),
            *(lambda: t.linalg.solve_ex(bad, bad, check_errors=True),),
            *(lambda: t.linalg.cholesky_ex(bad, check_errors=True),),
        ):
            with pytest.raises(name):
                call()


def _singular(t: Any) -> list[Any]:
    tall, flat = t.tensor([[1.0, 0], [0, 1e-3], [0, 0]]), t.tensor([[1.0, 2], [2, 4]])
    low, b = t.tensor([[1.0, 0], [1, 0]]), t.ones(2, 1)
    found = [t.linalg.solve_triangular(low, b, upper=False), t.cholesky_solve(b, low)]
    found += [t.linalg.solve_triangular(low.mT, b, upper=True)]
    found += [t.linalg.solve_triangular(low, b.mT, upper=False, left=False)]
    found += [t.linalg.cond(flat, 1), t.linalg.cond(t.stack([flat, flat + t.eye(2)]), "fro")]
    for driver in (None, "gels", "gelsy", "gelsd", "gelss"):
        for rcond in (None, 1e-2):
            found += t.linalg.lstsq(tall, t.ones(3, 1), rcond=rcond, driver=driver)
    a = t.stack([flat, flat + t.eye(2), t.zeros(2, 2)]).requires_grad_()
    t.linalg.det(a).sum().backward()
    (gradient,) = t.autograd.grad(t.linalg.slogdet(a)[1][1], [a])
    return [*found, a.grad, gradient[1], t.linalg.pinv(t.zeros(0, 0), rtol=t.tensor(0.1))]


def test_singular_matrices() -> None:
    for mine, theirs in zip(_singular(xptorch), _singular(torch), strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-5)
    for t in (xptorch, torch):
        bad, name = t.tensor([[float("nan"), 0], [0, 1]]), t.linalg.LinAlgError
        for call in (t.linalg.svd, t.linalg.svdvals, t.linalg.pinv):
            with pytest.raises(name, match="non-finite"):
                call(bad)
        with pytest.raises(name):
            t.cholesky_inverse(t.zeros(2, 2))
        with pytest.raises(RuntimeError, match="greater than 1"):
            t.linalg.vander(t.ones(3), N=1)
        assert t.vander(t.ones(3), 1).shape == (3, 1)
        with pytest.raises(RuntimeError, match="same dtype"):
            t.histogram(t.ones(3), 2, weight=t.tensor([1, 2, 3]))


def test_results_are_stored_in_out() -> None:
    for t in (xptorch, torch):
        a = t.tensor([[2.0, 1, 0], [1, 3, 1]])
        square = a @ a.mT
        for call, count in (
            *((lambda out, t=t, a=a: t.linalg.qr(a, out=out), 2),),
            *((lambda out, t=t, a=a: t.linalg.svd(a, out=out), 3),),
            *((lambda out, t=t, a=a: t.svd(a, out=out), 3),),
            *((lambda out, t=t, a=square: t.linalg.eigh(a, out=out), 2),),
            *((lambda out, t=t, a=square: t.linalg.slogdet(a, out=out), 2),),
        ):
            out = tuple(t.empty(0) for _ in range(count))
            found = call(out)
            assert all(x is y for x, y in zip(found, out, strict=True))
            assert all(x.numel() for x in out)
        u, s, v = t.svd(a, compute_uv=False)
        assert (u.shape, s.shape, v.shape) == ((2, 2), (2,), (3, 3))
        assert not u.any() and not v.any()
        with pytest.raises(RuntimeError, match="driver"):
            t.linalg.svdvals(a, driver="gesvd")


def test_multi_dot_takes_the_cheapest_order(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []

    def seen(a: Any, b: Any) -> Any:
        shapes.append((*a.shape, *b.shape))
        return xptorch.matmul(a, b)

    monkeypatch.setattr("xptorch.ops.linalg.products.matmul", seen)
    column, row = xptorch.arange(50.0).unsqueeze(1), xptorch.ones(1, 50)
    expected = (column * 1225 * 2).tolist()
    assert xptorch.linalg.multi_dot([column, row, column * 2]).tolist() == expected
    assert shapes == [(1, 50, 50, 1), (50, 1, 1, 1)]
    for wrong in ([column, row[0], row], [column[None], row]):
        with pytest.raises(RuntimeError, match="must be"):
            xptorch.linalg.multi_dot(wrong)
