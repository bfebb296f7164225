"""nn.init fills tensors as PyTorch does: the same numbers from the same seed, the same errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import xptorch
from tests.nn._twins import both, said

torch = pytest.importorskip("torch", reason="PyTorch is the reference")

CALLS = [
    ("uniform_", (5, 3), (-1.0, 2.0)),
    ("normal_", (5, 3), (1.0, 2.0)),
    ("normal_", (40, 3), ()),
    ("trunc_normal_", (50, 3), ()),
    ("trunc_normal_", (5, 3), (1.0, 0.5, 0.2, 1.5)),
    ("trunc_normal_", (50, 3), (0.0, 0.02)),
    ("trunc_normal_", (50, 3), (0.0, 1.0, 0.5, 5.0)),
    ("trunc_normal_", (50, 3), (0.0, 1.0, -0.1, 0.2)),
    ("trunc_normal_", (5, 3), (1.0, 0.5, 2.0, 2.5)),
    ("trunc_normal_", (5, 3), (0.0, 1.0, -3.0, -1.0)),
    ("constant_", (5, 3), (0.3,)),
    ("ones_", (5, 3), ()),
    ("zeros_", (5, 3), ()),
    ("eye_", (5, 3), ()),
    ("dirac_", (4, 3, 3), ()),
    ("dirac_", (4, 2, 3, 4), (2,)),
    ("dirac_", (2, 5, 1, 2, 3), ()),
    ("xavier_uniform_", (5, 3, 2, 2), (2.0,)),
    ("xavier_normal_", (20, 3), ()),
    ("kaiming_uniform_", (5, 3), ()),
    ("kaiming_uniform_", (5, 3, 2), (0.2, "fan_out")),
    ("kaiming_normal_", (20, 3), (0, "fan_out", "relu")),
    ("kaiming_normal_", (20, 3), (0, "FAN_IN", "tanh")),
    ("orthogonal_", (5, 3), ()),
    ("orthogonal_", (3, 5), (2.0,)),
    ("orthogonal_", (4, 3, 2), ()),
    ("orthogonal_", (0, 3), ()),
    ("sparse_", (10, 4), (0.35,)),
    ("sparse_", (3, 3), (2.0, 0.1)),
]


@pytest.mark.parametrize(("name", "shape", "args"), CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(name: str, shape: tuple[int, ...], args: tuple[Any, ...], dtype: str) -> None:
    values = []
    for library in (xptorch, torch):
        library.manual_seed(7)
        p = library.nn.Parameter(library.zeros(shape, dtype=getattr(library, dtype)))
        assert getattr(library.nn.init, name)(p, *args) is p
        assert p.grad_fn is None
        assert p._version >= 1 or p.numel() == 0
        values.append((p.detach().numpy(), library.rand(1).item()))
    (ours, next_ours), (theirs, next_theirs) = values
    assert next_ours == next_theirs, "the random stream went elsewhere"
    if name in ("uniform_", "kaiming_uniform_", "xavier_uniform_"):
        np.testing.assert_array_equal(ours, theirs)
    else:
        resolution = np.finfo(dtype).eps
        np.testing.assert_allclose(ours, theirs, rtol=20 * resolution, atol=4 * resolution)


@pytest.mark.parametrize("name", ["uniform_", "normal_", "trunc_normal_", "kaiming_uniform_"])
def test_generator(name: str) -> None:
    drawn = []
    for library in (xptorch, torch):
        generator = library.Generator().manual_seed(3)
        t = getattr(library.nn.init, name)(library.empty(4, 5), generator=generator)
        drawn.append(t.numpy())
    np.testing.assert_allclose(*drawn, rtol=2e-6)


@both
def test_gains(torch: Any) -> Any:
    gain = torch.nn.init.calculate_gain
    names = ("linear", "conv2d", "conv_transpose1d", "sigmoid", "tanh", "relu", "selu", "other")
    return [
        *(said(lambda n=n: gain(n)) for n in (*names, "leaky_relu")),
        *(said(lambda p=p: gain("leaky_relu", p)) for p in (0.2, 1, True, "x")),
    ]


@both
def test_errors_and_warnings(torch: Any) -> Any:
    init = torch.nn.init
    e = torch.zeros
    calls = [
        *(lambda: init._calculate_fan_in_and_fan_out(e(3)), lambda: init.xavier_uniform_(e(3))),
        lambda: init._calculate_fan_in_and_fan_out(e(3, 4, 5, 6)),
        *(lambda: init.kaiming_uniform_(e(3, 4), mode="x"), lambda: init.kaiming_normal_(e(3))),
        *(lambda: init.kaiming_uniform_(e(3, 0)), lambda: init.kaiming_normal_(e(3, 0))),
        *(
            lambda: init.eye_(e(3)),
            lambda: init.dirac_(e(3, 3)),
            lambda: init.dirac_(e(3, 3, 3), 2),
        ),
        *(lambda: init.orthogonal_(e(3)), lambda: init.sparse_(e(3), 0.1)),
        lambda: init.kaiming_uniform_(e(2, 2), nonlinearity="x"),
        *(lambda: init.constant(e(2), 1), lambda: init.eye(e(2, 2))),
        *(lambda: init.uniform_(e(2), 3, 1), lambda: init.normal_(e(2), 0, -1)),
    ]
    return [said(call) for call in calls]


def test_an_unlikely_truncation_warns() -> None:
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        xptorch.nn.init.trunc_normal_(xptorch.empty(3), 10, 1)


def test_deprecated_names_draw_the_same() -> None:
    init = xptorch.nn.init
    for old in ("uniform", "normal", "xavier_uniform", "kaiming_normal", "orthogonal"):
        xptorch.manual_seed(0)
        expected = getattr(init, old + "_")(xptorch.empty(3, 3))
        xptorch.manual_seed(0)
        with pytest.warns(FutureWarning, match=f"`nn.init.{old}` is now deprecated"):
            found = getattr(init, old)(xptorch.empty(3, 3))
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_orthogonal_is_orthogonal() -> None:
    w = xptorch.nn.init.orthogonal_(xptorch.empty(4, 7)).numpy()
    np.testing.assert_allclose(w @ w.T, np.eye(4), atol=1e-6)


def test_nothing_else_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xptorch.nn.init.trunc_normal_(xptorch.empty(3), 0.5, 1.0, -1.0, 1.0)
