"""The functions of nn.functional over fused ops, with their options, on every array library.

Each line of the table is called as `f(functional, *inputs)` in both libraries; values and all
first derivatives must be PyTorch's. The ops themselves are tested by the table of op cases.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import xptorch
from tests.columns import Column, host

torch = pytest.importorskip("torch")

Case = Callable[..., Any]
_rng = np.random.default_rng(0)


def _real(*shape: int) -> np.ndarray:
    return _rng.standard_normal(shape)


def _uniform(*shape: int) -> np.ndarray:
    return _rng.uniform(0.1, 0.9, shape)


def _classes(high: int, *shape: int) -> np.ndarray:
    return _rng.integers(0, high, shape)


def _signs(*shape: int) -> np.ndarray:
    return np.where(_real(*shape) > 0, 1, -1)


def _allowed(*shape: int) -> np.ndarray:
    return np.tril(np.ones(shape, bool))


X, Y, Z, W = _real(4, 6), _real(4, 6), _real(4, 6), _uniform(6)
IMAGES, LABELS = _real(3, 4, 5, 2), _classes(4, 3, 5, 2)

ACTIVATIONS: dict[str, tuple[Any, ...]] = {
    "celu": (lambda F, x: F.celu(x, 0.7), X),
    "selu": (lambda F, x: F.selu(x), X),
    "relu6": (lambda F, x: F.relu6(4 * x), X),
    "leaky_relu steep": (lambda F, x: F.leaky_relu(x, 1.5), X),
    "relu in place": (lambda F, x: F.relu(x * 1.0, inplace=True), X),
    "elu_": (lambda F, x: F.elu_(x * 1.0, 1.5), X),
    "prelu one weight": (lambda F, x, w: F.prelu(x, w), X, _uniform(1)),
    "rrelu": (lambda F, x: F.rrelu(x), X),
    "glu first": (lambda F, x: F.glu(x, 0), X),
    "softmin": (lambda F, x: F.softmin(x, 0), X),
    "softmax large": (lambda F, x: F.softmax(x, -1), 30 * _real(80, 70)),
    "log_softmax 4d": (lambda F, x: F.log_softmax(x, 1), IMAGES),
}

LOSSES: dict[str, tuple[Any, ...]] = {
    "cross_entropy smooth": (
        lambda F, x, t, w: F.cross_entropy(x, t, w.detach(), label_smoothing=0.2, ignore_index=1),
        IMAGES,
        LABELS,
        _uniform(4),
    ),
    "cross_entropy soft": (
        lambda F, x, p, w: F.cross_entropy(x, p, w.detach(), label_smoothing=0.1),
        X,
        _uniform(4, 6),
        W,
    ),
    "cross_entropy one": (lambda F, x: F.cross_entropy(x[0], x[0] * 0 + 1 / 6), X),
    "nll ignored": (
        lambda F, x, t: F.nll_loss(x, t, ignore_index=2, reduction="none"),
        IMAGES,
        LABELS,
    ),
    "bce weight": (
        lambda F, x, t, w: F.binary_cross_entropy(x, t, w.detach()),
        _uniform(4, 6),
        _uniform(4, 6),
        W,
    ),
    "bce logits": (
        lambda F, x, t, w: F.binary_cross_entropy_with_logits(
            x, t, w.detach(), pos_weight=3 * w.detach()
        ),
        X,
        _uniform(4, 6),
        W,
    ),
    "mse weighted": (lambda F, x, y, w: F.mse_loss(x, y, weight=w), X, Y, _uniform(4, 6)),
    "smooth_l1 beta": (lambda F, x, y: F.smooth_l1_loss(x, y, beta=0.4), X, Y),
    "huber sum": (lambda F, x, y: F.huber_loss(x, y, "sum", 0.6), X, Y),
    "kl_div": (lambda F, x, y: F.kl_div(x, y, reduction="batchmean"), X, _uniform(4, 6)),
    "kl_div log": (lambda F, x, y: F.kl_div(x, y, log_target=True, reduction="sum"), X, Y),
    "poisson": (
        lambda F, x, t: F.poisson_nll_loss(x, t.detach(), full=True),
        X,
        3 * _uniform(4, 6),
    ),
    "gaussian": (lambda F, x, y, v: F.gaussian_nll_loss(x, y, v, full=True), X, Y, _uniform(4, 1)),
    "hinge": (lambda F, x, t: F.hinge_embedding_loss(x, t), X, _signs(4, 6)),
    "ranking": (lambda F, x, y, t: F.margin_ranking_loss(x, y, t, 0.3), X, Y, _signs(4, 6)),
    "cosine": (lambda F, x, y, t: F.cosine_embedding_loss(x, y, t, 0.1), X, Y, _signs(4)),
    "triplet": (lambda F, *xs: F.triplet_margin_loss(*xs, swap=True, p=3), X, Y, Z),
    "triplet with": (lambda F, *xs: F.triplet_margin_with_distance_loss(*xs), X, Y, Z),
    "soft margin": (lambda F, x, t: F.soft_margin_loss(x, t), X, _signs(4, 6)),
    "multilabel soft": (
        lambda F, x, t, w: F.multilabel_soft_margin_loss(x, t, w),
        X,
        _uniform(4, 6),
        W,
    ),
    "multi margin": (
        lambda F, x, t, w: F.multi_margin_loss(x, t, 2, weight=w.detach()),
        X,
        _classes(6, 4),
        W,
    ),
    "multilabel margin": (
        lambda F, x, t: F.multilabel_margin_loss(x, t),
        X[:2],
        np.array([[3, 0, -1, 1, 2, 5], [1, -1, -1, 0, 0, 0]]),
    ),
    "linear cross_entropy": (
        lambda F, x, w, t: F.linear_cross_entropy(x, w, t),
        X,
        _real(5, 6),
        _classes(5, 4),
    ),
}

NORMS: dict[str, tuple[Any, ...]] = {
    "batch channels last": (
        lambda F, x, w, b: F.batch_norm(x.permute(0, 3, 1, 2), None, None, w, b, True),
        _real(3, 40, 32, 6),
        W,
        _real(6),
    ),
    "batch 1d": (lambda F, x, w: F.batch_norm(x, None, None, w, training=True), IMAGES[0], W[:5]),
    "instance": (lambda F, x, w, b: F.instance_norm(x, weight=w, bias=b), IMAGES, W[:4], W[1:5]),
    "layer wide": (
        lambda F, x, w, b: F.layer_norm(x, (80,), w, b),
        _real(90, 80),
        _real(80),
        _real(80),
    ),
    "local response": (lambda F, x: F.local_response_norm(x, 3, alpha=0.5), IMAGES),
    "normalize": (lambda F, x: F.normalize(x, 3.0, 0), X),
}

OTHERS: dict[str, tuple[Any, ...]] = {
    "bilinear": (lambda F, *xs: F.bilinear(*xs), X, _real(4, 3), _real(2, 6, 3), _real(2)),
    "linear vector": (lambda F, x, w: F.linear(x, w), X, W),
    "embedding": (
        lambda F, w, i: F.embedding(i, w, padding_idx=-1, scale_grad_by_freq=True),
        _real(5, 3),
        _classes(5, 4, 2),
    ),
    "embedding max_norm": (
        lambda F, w, i: F.embedding(i, w * 1.0, max_norm=0.8),
        _real(5, 3),
        _classes(5, 4),
    ),
    **{
        f"embedding_bag {mode}": (
            lambda F, w, i, o, mode=mode: F.embedding_bag(i, w, o, mode=mode, padding_idx=2),
            _real(5, 3),
            _classes(5, 9),
            np.array([0, 4, 4]),
        )
        for mode in ("sum", "mean", "max")
    },
    "one_hot": (lambda F, x, i: F.one_hot(i, 7) * x, X[:1, :1], _classes(6, 3, 2)),
    "attention mask": (
        lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m, scale=0.3),
        _real(2, 3, 4, 5),
        _real(2, 3, 6, 5),
        _real(2, 3, 6, 2),
        _allowed(4, 6),
    ),
    "attention bias": (
        lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
        _real(2, 3, 4, 5),
        _real(2, 3, 6, 5),
        _real(2, 3, 6, 2),
        _real(3, 1, 6),
    ),
    "attention shared heads": (
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True),
        _real(2, 4, 3, 5),
        _real(2, 2, 3, 5),
        _real(2, 2, 3, 5),
    ),
    "multi-head": (
        lambda F, x, p, o: F.multi_head_attention_forward(
            x, x, x, 4, 2, p, None, None, None, True, 0.0, o, None
        )[0],
        _real(3, 2, 4),
        _real(12, 4),
        _real(4, 4),
    ),
    "cosine_similarity": (lambda F, x, y: F.cosine_similarity(x, y, 0), X, Y),
    "pairwise_distance": (lambda F, x, y: F.pairwise_distance(x, y, 1.5, keepdim=True), X, Y),
    "pdist": (lambda F, x: F.pdist(x), X),
}

TABLE = {**ACTIVATIONS, **LOSSES, **NORMS, **OTHERS}
names = pytest.mark.parametrize("name", TABLE)


@names
def test_as_in_torch(name: str, backend: Column) -> None:
    function, *arrays = TABLE[name]
    theirs = [torch.from_numpy(a.copy()) for a in arrays]
    ours = [backend.tensor(a, requires_grad=a.dtype == np.float64) for a in arrays]
    for t in theirs:
        t.requires_grad_(t.is_floating_point())
    expected = list(_value_and_gradients(torch, function, theirs))
    actual = list(_value_and_gradients(xptorch, function, ours))
    backend.assert_close(actual, [backend.tensor(t.detach().numpy()) for t in expected])


def _value_and_gradients(library: Any, function: Case, inputs: list[Any]) -> Iterator[Any]:
    with warnings.catch_warnings(action="ignore"):
        y = function(library.nn.functional, *inputs)
    yield y
    wanted = [x for x in inputs if x.requires_grad]
    results = (y * y).sum()
    yield from library.autograd.grad(results, wanted, allow_unused=True, materialize_grads=True)


# ---- randomness


@pytest.mark.parametrize(
    "call",
    [
        lambda F, x: F.dropout(x, 0.3),
        lambda F, x: F.dropout1d(x[:, :, 0], 0.3),
        lambda F, x: F.dropout2d(x, 0.3),
        lambda F, x: F.dropout3d(x, 0.3),
        lambda F, x: F.alpha_dropout(x, 0.3, True),
        lambda F, x: F.feature_alpha_dropout(x, 0.3, True),
        lambda F, x: F.rrelu(x, training=True),
        lambda F, x: F.gumbel_softmax(x, hard=True),
        lambda F, x: F.gumbel_softmax(x, 0.5, dim=1),
        lambda F, x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.2),
    ],
)
def test_same_seed_same_numbers(call: Case, backend: Column) -> None:
    torch.manual_seed(3)
    xptorch.manual_seed(3)
    expected = call(torch.nn.functional, torch.from_numpy(IMAGES.astype("f4")))
    actual = call(xptorch.nn.functional, backend.tensor(IMAGES.astype("f4")))
    np.testing.assert_allclose(host(actual), expected.numpy(), rtol=1e-5, atol=1e-6)


# ---- running statistics


@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_running_statistics(name: str, backend: Column) -> None:
    found = []
    for library, tensor in ((torch, torch.tensor), (xptorch, backend.tensor)):
        mean, var = tensor(W[:4]), tensor(W[1:5])
        function = getattr(library.nn.functional, name)
        function(tensor(IMAGES), mean, var, None, None, True, 0.3)
        found.append([t.numpy() if library is torch else host(t) for t in (mean, var)])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


# ---- extreme values


def test_logits_far_apart() -> None:
    x = xptorch.tensor([[1e4, 0.0], [-1e4, 3e3]], requires_grad=True)
    loss = xptorch.nn.functional.cross_entropy(x, xptorch.tensor([1, 1]))
    loss.backward()
    assert loss.item() == 5000.0
    assert x.grad.tolist() == [[0.5, -0.5], [0.0, 0.0]]


def test_softmax_of_rows_far_apart() -> None:
    """A row far below the others must not underflow."""
    x = np.zeros((100, 50), "f4")
    x[7] -= 1000
    y = xptorch.nn.functional.softmax(xptorch.tensor(x), 1)
    assert y[7].tolist() == pytest.approx([0.02] * 50)


def test_rows_masked_out_are_zero() -> None:
    q = xptorch.ones(1, 2, 3)
    nothing = xptorch.zeros(2, 2) != 0
    y = xptorch.nn.functional.scaled_dot_product_attention(q, q, q, nothing)
    assert y.tolist() == [[[0.0] * 3] * 2]


def test_norms_of_large_means() -> None:
    x = xptorch.tensor((1e4 + _real(64, 32)).astype("f4"))
    for y in (
        xptorch.nn.functional.layer_norm(x, (32,)),
        xptorch.nn.functional.batch_norm(x, None, None, training=True),
    ):
        assert float(y.mean()) == pytest.approx(0, abs=1e-3)
        assert float((y * y).mean()) == pytest.approx(1, abs=1e-2)


# ---- mistakes


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda F, x, t: F.cross_entropy(x, t + 6), IndexError),
        (lambda F, x, t: F.cross_entropy(x, t[:2]), ValueError),
        (lambda F, x, t: F.cross_entropy(x, t, reduction="all"), ValueError),
        (lambda F, x, t: F.binary_cross_entropy(x, x), RuntimeError),
        (lambda F, x, t: F.linear(x, x[:, :5]), RuntimeError),
        (lambda F, x, t: F.layer_norm(x, (5,)), RuntimeError),
        (lambda F, x, t: F.batch_norm(x[:1], None, None, training=True), ValueError),
        (lambda F, x, t: F.group_norm(x, 4), RuntimeError),
        (lambda F, x, t: F.embedding(t + 4, x), IndexError),
        (lambda F, x, t: F.embedding(t, x, sparse=True), NotImplementedError),
        (lambda F, x, t: F.dropout(x, 1.5), ValueError),
        (lambda F, x, t: F.gelu(t), NotImplementedError),
        (lambda F, x, t: F.hardtanh(x, 2, 1), ValueError),
    ],
)
def test_mistakes(call: Case, error: type[Exception]) -> None:
    x, t = xptorch.tensor(X), xptorch.tensor(_classes(4, 4))
    with pytest.raises(error):
        call(xptorch.nn.functional, x, t)


def test_older_arguments_warn() -> None:
    x = xptorch.ones(2)
    with pytest.warns(UserWarning, match="reduction='sum'"):
        y = xptorch.nn.functional.mse_loss(x, x * 3, size_average=False)
    assert y.item() == 8.0
    with pytest.warns(UserWarning, match="target size"):
        xptorch.nn.functional.l1_loss(x, x[:1])


@pytest.mark.parametrize("name", ["silu", "mish", "softplus", "logsigmoid"])
def test_slopes_keep_small_values(name: str) -> None:
    """Where a sigmoid is far below the rounding of 1, gradients are small, not 0."""
    results = []
    for library in (torch, xptorch):
        x = library.tensor([-30.0, -20.0, 20.0, 30.0]).requires_grad_()
        y = getattr(library.nn.functional, name)(x)
        (gradient,) = library.autograd.grad(y.sum(), x)
        results.append([*y.tolist(), *gradient.tolist()])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)


def test_bce_of_a_confident_answer_still_has_a_slope() -> None:
    x = xptorch.tensor([-20.0]).requires_grad_()
    xptorch.nn.functional.binary_cross_entropy_with_logits(x, xptorch.zeros(1)).backward()
    np.testing.assert_allclose(x.grad.tolist(), [np.exp(-20.0)], rtol=1e-5)
