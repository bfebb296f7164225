"""Convolutions, pools, padding, folding and resizing with their settings, on every array library.

Each line of the table is called as `f(functional, *inputs)` in both libraries: values and first
derivatives must be PyTorch's, on NumPy second derivatives, too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xptorch
from tests.columns import Column, host
from xptorch._core import backend as _backend
from xptorch.ops.layers.window import Geometry

torch = pytest.importorskip("torch")

Case = Callable[..., Any]
_rng = np.random.default_rng(0)


def _real(*shape: int) -> np.ndarray:
    return _rng.standard_normal(shape)


LINE, IMAGE, VOLUME = _real(2, 4, 9), _real(2, 4, 6, 7), _real(2, 4, 4, 5, 3)
PIXELS = _rng.integers(0, 3, (2, 3, 7, 8)).astype("f8")  # with many equal neighbours
FAR = np.where(PIXELS == 0, -np.inf, PIXELS)
POINTS = 0.8 * _real(2, 3, 5, 2)

CONVOLUTIONS: dict[str, tuple[Any, ...]] = {
    "one by one": (lambda F, x, w, b: F.conv2d(x, w, b), IMAGE, _real(5, 4, 1, 1), _real(5)),
    "stride": (lambda F, x, w: F.conv2d(x, w, None, (2, 3), 1), IMAGE, _real(5, 4, 3, 2)),
    "leftover": (lambda F, x, w: F.conv2d(x, w, None, 3), IMAGE, _real(5, 4, 2, 2)),
    "dilation": (lambda F, x, w: F.conv2d(x, w, None, 1, 2, (2, 1)), IMAGE, _real(5, 4, 3, 3)),
    "wide padding": (lambda F, x, w: F.conv2d(x, w, None, 1, 4), IMAGE, _real(2, 4, 2, 2)),
    "groups": (lambda F, x, w: F.conv2d(x, w, None, 2, 1, 1, 2), IMAGE, _real(6, 2, 3, 3)),
    "dense groups": (lambda F, x, w: F.conv2d(x, w, None, 1, 1, 1, 2), IMAGE, _real(6, 2, 3, 3)),
    "depthwise": (lambda F, x, w: F.conv2d(x, w, None, 1, 1, 1, 4), IMAGE, _real(4, 1, 3, 3)),
    "depthwise stride": (
        lambda F, x, w: F.conv2d(x, w, None, 2, 1, 1, 4),
        IMAGE,
        _real(8, 1, 3, 3),
    ),
    "many channels": (
        lambda F, x, w: F.conv2d(x, w, None, 2, 1),
        _real(2, 6, 5, 5),
        _real(3, 6, 3, 3),
    ),
    "same": (lambda F, x, w: F.conv2d(x, w, None, 1, "same", 2), IMAGE, _real(5, 4, 3, 3)),
    "unbatched": (lambda F, x, w: F.conv2d(x, w, None, 1, "valid"), IMAGE[0], _real(5, 4, 3, 3)),
    "no image": (lambda F, x, w, b: F.conv2d(x, w, b), IMAGE[:0], _real(5, 4, 3, 3), _real(5)),
    "line": (lambda F, x, w, b: F.conv1d(x, w, b, 2, 2), LINE, _real(3, 4, 4), _real(3)),
    "volume": (lambda F, x, w: F.conv3d(x, w, None, (1, 2, 1), 1), VOLUME, _real(3, 4, 2, 3, 2)),
    "back": (lambda F, x, w, b: F.conv_transpose2d(x, w, b), IMAGE, _real(4, 5, 3, 2), _real(5)),
    "back stride": (
        lambda F, x, w: F.conv_transpose2d(x, w, None, (2, 3), 1, (1, 2), 2),
        *(IMAGE, _real(4, 3, 3, 4)),
    ),
    "back dilation": (
        lambda F, x, w: F.conv_transpose2d(x, w, None, 1, 2, 1, dilation=2),
        *(IMAGE, _real(4, 3, 3, 3)),
    ),
    "back apart": (lambda F, x, w: F.conv_transpose2d(x, w, None, 2), IMAGE, _real(4, 3, 2, 2)),
    "back unbatched": (lambda F, x, w: F.conv_transpose1d(x, w), LINE[0], _real(4, 3, 3)),
    "back depthwise": (
        lambda F, x, w: F.conv_transpose3d(x, w, None, 2, 1, groups=4),
        *(VOLUME, _real(4, 2, 3, 2, 2)),
    ),
}
POOLS: dict[str, tuple[Any, ...]] = {
    "max": (lambda F, x: F.max_pool2d(x, 3, 2, 1), IMAGE),
    "max of equals": (lambda F, x: F.max_pool2d(x, (3, 2), (2, 1), 1), PIXELS),
    "max dilation": (lambda F, x: F.max_pool2d(x, 2, 1, 0, (3, 2)), PIXELS),
    "max ceil": (lambda F, x: F.max_pool3d(x, 2, 2, 1, ceil_mode=True), VOLUME),
    "max of one": (lambda F, x: F.max_pool1d(x, 1), LINE),
    "max unbatched": (lambda F, x: F.max_pool2d(x, 2), IMAGE[0]),
    "max changed after": (lambda F, x: F.relu(F.max_pool2d(x, 3, 2), inplace=True), PIXELS - 1),
    "average": (lambda F, x: F.avg_pool2d(x, 3, 2, 1), IMAGE),
    "average ceil": (lambda F, x: F.avg_pool2d(x, 3, 2, 1, True, False), IMAGE),
    "average apart": (lambda F, x: F.avg_pool3d(x, 2), VOLUME),
    "average divided": (lambda F, x: F.avg_pool2d(x, 2, 1, divisor_override=3), IMAGE),
    "average of all": (lambda F, x: F.avg_pool2d(x, (6, 7)), IMAGE),
    "average line": (lambda F, x: F.avg_pool1d(x, 4, 3, 2, True), LINE),
    "power": (lambda F, x: F.lp_pool2d(x * x + 1, 3.0, 2, 1), IMAGE),
    "adaptive average": (lambda F, x: F.adaptive_avg_pool2d(x, (4, None)), IMAGE),
    "adaptive even": (lambda F, x: F.adaptive_avg_pool3d(x, (2, 5, 1)), VOLUME),
    "adaptive max": (lambda F, x: F.adaptive_max_pool2d(x, (4, 5)), IMAGE),
    "adaptive line": (lambda F, x: F.adaptive_max_pool1d(x, 4), LINE[0]),
}
OTHERS: dict[str, tuple[Any, ...]] = {
    "reflect": (lambda F, x: F.pad(x, (2, 1, -1, 3), "reflect"), IMAGE),
    "replicate": (lambda F, x: F.pad(x, (2, 9, 0, 1, -1, 2), "replicate"), VOLUME),
    "circular": (lambda F, x: F.pad(x, (-3, 4), "circular"), LINE),
    "constant": (lambda F, x: F.pad(x, (1, -2, 0, 3, 1, 0), value=2.5), IMAGE),
    "unfold": (lambda F, x: F.unfold(x, (2, 3), (2, 1), 1, (1, 2)), IMAGE),
    "fold": (lambda F, x: F.fold(x, 5, 2, 2, 1, 2), _real(2, 12, 9)),
    "fold apart": (lambda F, x: F.fold(x, (4, 6), (2, 3), stride=(2, 3)), _real(12, 4)),
    "nearest": (lambda F, x: F.interpolate(x, scale_factor=1.7), IMAGE),
    "nearest exact": (lambda F, x: F.interpolate(x, 4, mode="nearest-exact"), LINE),
    "bilinear": (lambda F, x: F.interpolate(x, (9, 4), mode="bilinear"), IMAGE),
    "bilinear corners": (
        lambda F, x: F.interpolate(x, scale_factor=1.3, mode="bilinear", align_corners=True),
        IMAGE,
    ),
    "bilinear smooth": (
        lambda F, x: F.interpolate(x, (4, 3), mode="bilinear", antialias=True),
        IMAGE,
    ),
    "bicubic": (lambda F, x: F.interpolate(x, (9, 4), mode="bicubic"), IMAGE),
    "lanczos": (lambda F, x: F.interpolate(x, (3, 9), mode="lanczos", antialias=True), IMAGE),
    "trilinear": (lambda F, x: F.interpolate(x, 5, mode="trilinear"), VOLUME),
    "area": (lambda F, x: F.interpolate(x, (4, 3), mode="area"), IMAGE),
    "shuffle": (lambda F, x: F.pixel_shuffle(x, 2), IMAGE),
    "unshuffle": (lambda F, x: F.pixel_unshuffle(x[..., :6], 2), IMAGE),
    "deal": (lambda F, x: F.channel_shuffle(x, 2), IMAGE),
    **{
        f"grid {mode} {outside}": (
            lambda F, x, g, m=mode, o=outside: F.grid_sample(x, g, m, o, align_corners=False),
            *(IMAGE, POINTS),
        )
        for mode, outside in [
            *(("bilinear", "zeros"), ("bilinear", "reflection")),
            *(("nearest", "border"), ("bicubic", "border")),
        ]
    },
    "affine": (lambda F, t: F.affine_grid(t, (2, 1, 3, 4), align_corners=True), _real(2, 2, 3)),
}
TABLE = {**CONVOLUTIONS, **POOLS, **OTHERS}


def _derivatives(library: Any, name: str, inputs: list[Any], order: int) -> list[Any]:
    """The value, the gradients and, for order 2, the gradients of a sum of their squares."""
    with warnings.catch_warnings(action="ignore"):
        y = TABLE[name][0](library.nn.functional, *inputs)
    settings = {"allow_unused": True, "materialize_grads": True}
    gradients = library.autograd.grad((y * y).sum(), inputs, create_graph=order > 1, **settings)
    if order == 1:
        return [y, *gradients]
    mixture = sum(((s * s).sum() for s in gradients), start=(y * 0).sum())
    return [y, *gradients, *library.autograd.grad(mixture, inputs, **settings)]


@pytest.mark.parametrize("name", TABLE)
def test_as_in_torch(name: str, backend: Column) -> None:
    arrays = TABLE[name][1:]
    order = 2 if backend.name == "numpy" and not name.startswith("grid") else 1
    theirs = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    ours = [backend.tensor(a, requires_grad=True) for a in arrays]
    expected = _derivatives(torch, name, theirs, order)
    actual = _derivatives(xptorch, name, ours, order)
    backend.assert_close(actual, [backend.tensor(t.detach().numpy()) for t in expected])


@pytest.mark.parametrize("name", [n for n in CONVOLUTIONS if n != "no image"])
def test_in_blocks(name: str, backend: Column, monkeypatch: pytest.MonkeyPatch) -> None:
    """A convolution of a few windows at a time is the same convolution."""
    arrays = TABLE[name][1:]

    def run() -> list[Any]:
        inputs = [backend.tensor(a, requires_grad=True, strided=True) for a in arrays]
        return _derivatives(xptorch, name, inputs, 1)

    whole = run()
    monkeypatch.setattr(backend.device.xp, "block", 100)
    backend.assert_close(run(), whole)


# ---- indices of maxima


@pytest.mark.parametrize(
    "settings", [(3, 2, 1), ((2, 3), (1, 2), (0, 1), (2, 1)), (2, 2, 1, 1, True)]
)
def test_places_of_maxima(settings: tuple[Any, ...], backend: Column) -> None:
    spoilt = np.where(_rng.uniform(size=FAR.shape) < 0.2, np.nan, FAR)
    for x in (PIXELS, FAR, spoilt):
        expected = torch.nn.functional.max_pool2d(
            torch.from_numpy(x), *settings, return_indices=True
        )
        found = xptorch.nn.functional.max_pool2d(backend.tensor(x), *settings, return_indices=True)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(host(a), b.numpy())


def test_gradient_stays_inside(backend: Column) -> None:
    """In windows that hold only −∞ it goes to the first element, not to the padding."""
    x = backend.tensor(np.full((1, 1, 4, 4), -np.inf), requires_grad=True)
    xptorch.nn.functional.max_pool2d(x, 3, 2, 1).sum().backward()
    assert host(x.grad).tolist() == [[[[1, 1, 0, 0], [1, 1, 0, 0], [0] * 4, [0] * 4]]]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_unpool(axes: int, backend: Column) -> None:
    found = []
    for library, x in (
        (torch, torch.from_numpy(VOLUME)),
        (xptorch, backend.tensor(VOLUME)),
    ):
        F = library.nn.functional
        x = x.reshape(2, 4, *VOLUME.shape[2 : axes + 1], -1)
        pool, unpool = getattr(F, f"max_pool{axes}d"), getattr(F, f"max_unpool{axes}d")
        y, indices = pool(x, 2, return_indices=True)
        found.append(unpool(y, indices, 2, output_size=x.shape[2:]))
    np.testing.assert_array_equal(host(found[1]), found[0].numpy())


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_images_of_bytes(mode: str, antialias: bool, backend: Column) -> None:
    x = _rng.integers(0, 256, (2, 3, 9, 11)).astype("u1")
    settings = {"size": (6, 14), "mode": mode, "antialias": antialias}
    expected = torch.nn.functional.interpolate(torch.from_numpy(x), **settings)
    found = xptorch.nn.functional.interpolate(backend.tensor(x), **settings)
    np.testing.assert_array_equal(host(found), expected.numpy())


# ---- memory


def test_channels_stay_last() -> None:
    """A convolution returns the layout that the next one needs: no layer between may change it."""
    F = xptorch.nn.functional
    x = F.conv2d(xptorch.tensor(_real(2, 6, 8, 8)), xptorch.tensor(_real(5, 6, 3, 3)), padding=1)
    x = F.avg_pool2d(F.max_pool2d(F.relu(x * 2 + 1), 3, 1, 1), 2)
    assert x.stride() == (80, 1, 20, 5)


def test_windows_of_one_are_copies() -> None:
    F, x = xptorch.nn.functional, xptorch.ones(1, 1, 4, 4)
    for y in (
        *(F.max_pool2d(x, 1), F.unfold(x, 1), F.pad(x, (0, 0)), F.pixel_shuffle(x, 1)),
        *(F.pad(x, (0, 0, 0, 0), "reflect"), F.interpolate(x, 4), F.adaptive_max_pool2d(x, 4)),
    ):
        y.zero_()
    assert x.sum().item() == 16


def test_change_between_forward_and_backward_is_noticed() -> None:
    x = xptorch.ones(1, 1, 4, 4, requires_grad=True) * 1
    y = xptorch.nn.functional.max_pool2d(x, 2)
    x.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex128"])
def test_own_kernels_as_the_generic_ones(dtype: str, device: Any) -> None:
    """A backend's overrides agree with the base class, which uses the array API standard alone."""
    own, base = device.backend, _backend.Backend
    how = Geometry((6, 7), (3, 2), (1, 2), ((0, 0), (0, 0)), (2, 1))
    steps = (how.kernel, how.stride, how.dilation)
    x, w = ((4 * _real(*s)).astype(dtype) for s in ((2, 6, 7, 3), (3, 2, 3)))
    x, w = own.from_host(x, device.index), own.from_host(w, device.index)
    windows = own.unfold(x, *steps)
    results = [
        (windows, base.unfold(own, x, *steps)),
        (own.fold(windows, how.size, *steps), base.fold(own, windows, how.size, *steps)),
        (own.window_dot(windows, w), base.window_dot(own, windows, w)),
        (
            own.window_dot_grad(windows, own.window_dot(windows, w)),
            base.window_dot_grad(own, windows, own.window_dot(windows, w)),
        ),
    ]
    for a, b in results:
        np.testing.assert_allclose(own.to_host(a), own.to_host(b), rtol=1e-4)


# ---- mistakes

X, W = xptorch.ones(2, 4, 6, 7), xptorch.ones(6, 4, 3, 3)
MISTAKES: list[tuple[Case, type[Exception], str]] = [
    (lambda F: F.conv2d(X, W[:, :3]), RuntimeError, "to have 3 channels, but got 4"),
    (lambda F: F.conv2d(X, W, groups=2), RuntimeError, "to have 8 channels"),
    (lambda F: F.conv2d(X, W[:5, :2], groups=2), RuntimeError, "divisible by 2"),
    (lambda F: F.conv2d(X[0, 0], W), RuntimeError, r"Expected 3D \(unbatched\) or 4D"),
    (lambda F: F.conv2d(X[..., :2], W), RuntimeError, "Kernel size can't be greater"),
    (lambda F: F.conv2d(X, W, X[0, 0, 0]), RuntimeError, "expected bias to be 1-dimensional"),
    (lambda F: F.conv2d(X, W.double()), RuntimeError, "should be the same"),
    (lambda F: F.conv2d(X, W, stride=0), RuntimeError, "non-positive stride"),
    (lambda F: F.conv2d(X, W, stride=1.0), TypeError, "stride"),
    (lambda F: F.conv2d(X, W, padding=(1, 2, 3)), RuntimeError, "padding"),
    (lambda F: F.conv2d(X, W, padding="same", stride=2), RuntimeError, "strided"),
    (lambda F: F.conv2d(X.numpy(), W), TypeError, "must be Tensor"),
    (lambda F: F.conv_transpose2d(X, W), RuntimeError, "to have 6 channels"),
    (lambda F: F.conv_transpose2d(X, W[:4], output_padding=1), RuntimeError, "output padding"),
    (lambda F: F.max_pool2d(X, 2, padding=2), RuntimeError, "at most half"),
    (lambda F: F.max_pool2d(X, 9), RuntimeError, "Output size is too small"),
    (lambda F: F.max_pool2d(X, 2, 0), RuntimeError, "stride"),
    (lambda F: F.max_pool2d(X > 0, 2), NotImplementedError, "Bool"),
    (lambda F: F.avg_pool2d(X, (2, 2, 2)), RuntimeError, "two ints"),
    (lambda F: F.avg_pool2d(X, 2, divisor_override=0), RuntimeError, "divisor"),
    (lambda F: F.adaptive_avg_pool2d(X, -1), RuntimeError, "output_size"),
    (lambda F: F.adaptive_max_pool2d(X, (1, 2, 3)), RuntimeError, "output_size"),
    (lambda F: F.pad(X, (1, 2, 3)), RuntimeError, "divisible by 2"),
    (lambda F: F.pad(X, (7, 0, 0, 0), "reflect"), RuntimeError, "less than"),
    (lambda F: F.pad(X, (1, 1), "reflect"), NotImplementedError, "not supported for 4D"),
    (lambda F: F.pad(X, (1, 1), "mirror"), NotImplementedError, "mirror"),
    (lambda F: F.unfold(X, 9), RuntimeError, "at least one"),
    (lambda F: F.fold(X[0], 6, 3), RuntimeError, "divisible by the product"),
    (lambda F: F.interpolate(X), ValueError, "either size or scale_factor"),
    (lambda F: F.interpolate(X, 4, mode="linear"), NotImplementedError, "3D"),
    (lambda F: F.interpolate(X, 4, align_corners=True), ValueError, "align_corners"),
    (lambda F: F.pixel_shuffle(X, 3), RuntimeError, "divisible"),
    (lambda F: F.grid_sample(X, X), RuntimeError, "size 2 in last dimension"),
]


@pytest.mark.parametrize(("call", "error", "words"), MISTAKES)
def test_mistakes(call: Case, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(xptorch.nn.functional)
