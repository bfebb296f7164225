"""Rarely used layers and helpers: fused, parallel, adaptive, deprecated names."""

from __future__ import annotations

import copy
import importlib
from typing import Any

import pytest

import xptorch
from tests.nn._twins import both, near, said


@near
def test_fusion(torch: Any) -> Any:
    U, nn, results = torch.nn.utils, torch.nn, []
    for layer, norm, x in (
        (nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), torch.randn(4, 2, 5, 5)),
        (nn.Conv1d(2, 3, 2, bias=False), nn.BatchNorm1d(3, affine=False), torch.randn(4, 2, 5)),
        (nn.ConvTranspose2d(2, 3, 2), nn.BatchNorm2d(3, bias=False), torch.randn(4, 2, 5, 5)),
        (nn.Linear(2, 3), nn.BatchNorm1d(3), torch.randn(5, 2)),
    ):
        norm(layer(x))
        layer.eval(), norm.eval()
        if isinstance(layer, nn.Linear):
            fused = U.fuse_linear_bn_eval(layer, norm)
        else:
            fused = U.fuse_conv_bn_eval(layer, norm, isinstance(layer, nn.ConvTranspose2d))
        assert torch.allclose(fused(x), norm(layer(x)), atol=1e-6)
        results += [repr(fused), dict(fused.state_dict()), fused.bias.requires_grad]
    layer = nn.Linear(2, 3).eval()
    results.append(said(lambda: U.fuse_linear_bn_eval(layer, nn.BatchNorm1d(4).eval())))
    results.append(said(lambda: U.fuse_linear_bn_eval(layer, nn.BatchNorm1d(3))))
    return results


@near
def test_sync_batchnorm_of_one_process(torch: Any) -> Any:
    nn = torch.nn
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Sequential(nn.BatchNorm2d(3, momentum=0.2)))
    norm = net[1][0]
    same = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    results = [same is net, net[1][0].weight is norm.weight, repr(net)]
    alone = nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(3, affine=False).eval())
    results += [repr(alone), alone.training]
    x = torch.randn(4, 2, 3, 3)
    results += [net(x), net.eval()(x), dict(net.state_dict())]
    return [*results, said(lambda: nn.SyncBatchNorm(2)(torch.ones(2)))]


@near
def test_data_parallel_over_one_device(torch: Any) -> Any:
    nn, x = torch.nn, torch.randn(3, 2)
    net = nn.Linear(2, 2)
    parallel = nn.DataParallel(net)
    results = [repr(parallel), list(parallel.state_dict()), parallel.device_ids, parallel(x)]
    state = parallel.state_dict()
    nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    results += [list(state), list(state._metadata)]
    if torch is xptorch:  # PyTorch needs a GPU
        assert (nn.parallel.data_parallel(net, x) == net(x)).all()
    return [*results, said(lambda: nn.parallel.DistributedDataParallel(net))]


@near
def test_adaptive_softmax(torch: Any) -> Any:
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10, 15], div_value=2.0, head_bias=True)
    x, target = torch.randn(8, 16), torch.tensor([0, 19, 7, 12, 4, 5, 10, 15])
    out = layer(x, target)
    out.loss.backward()
    results = [out.output, out.loss, [p.grad for p in layer.parameters()]]
    results += [layer.log_prob(x), layer.predict(x * 10), tuple(layer(x[0], target[1]))]
    C = torch.nn.AdaptiveLogSoftmaxWithLoss
    for cutoffs in ([], [5, 5], [0, 3], [20], [3.5]):
        results.append(said(lambda: C(16, 20, cutoffs)))
    results.append(said(lambda: layer(x, target + 1)))
    results.append(said(lambda: layer(x[:3], target)))
    results.append(said(lambda: layer(x, target[None])))
    return results


@near
def test_fractional_pools(torch: Any) -> Any:
    F, results = torch.nn.functional, []
    x = torch.randn(2, 3, 9, 11).requires_grad_()
    values, indices = F.fractional_max_pool2d(x, (2, 3), output_size=(4, 5), return_indices=True)
    values.square().sum().backward()
    results += [values, indices, x.grad, F.fractional_max_pool2d(x, 3, output_ratio=(0.5, 0.5))]
    x = torch.randn(3, 7, 8, 9)
    results += [F.fractional_max_pool3d(x, (2, 3, 2), output_size=(3, 1, 4))]
    results += list(F.fractional_max_pool3d_with_indices(x, 2, output_ratio=(0.5, 0.6, 0.7)))
    layer = torch.nn.FractionalMaxPool2d
    for settings in ({}, {"output_size": 2, "output_ratio": 0.5}, {"output_ratio": 1.5}):
        results.append(said(lambda: layer(3, **settings))[0])
    results.append(said(lambda: F.fractional_max_pool2d(x, 3))[0])
    results.append(said(lambda: F.fractional_max_pool2d(x, 3, output_size=8))[0])
    return results


@near
def test_gradients_of_convolutions(torch: Any) -> Any:
    G, F, results = torch.nn.grad, torch.nn.functional, []
    for n in (1, 2, 3):
        x, w = (torch.randn(*s, *[k] * n) for s, k in (((2, 4), 6), ((6, 2), 3)))
        x.requires_grad_(), w.requires_grad_()
        settings = {"stride": 2, "padding": 1, "dilation": 1, "groups": 2}
        g = torch.randn(getattr(F, f"conv{n}d")(x, w, **settings).shape)
        to_x = getattr(G, f"conv{n}d_input")(x.shape, w, g, **settings)
        to_w = getattr(G, f"conv{n}d_weight")(x, w.shape, g, **settings)
        results += [to_x, to_w]
        results += torch.autograd.grad((to_x**2).sum() + (to_w**2).sum(), (x, w))
    return results


@both
def test_deprecated_names_say_so(torch: Any) -> Any:
    nn, F, x = torch.nn, torch.nn.functional, torch.arange(4.0).reshape(1, 1, 2, 2)
    return [
        said(lambda: repr(nn.NLLLoss2d())),
        said(lambda: repr(nn.Container(a=nn.ReLU()))),
        said(lambda: F.upsample_nearest(x, scale_factor=2).tolist()),
        said(lambda: F.upsample_bilinear(x, size=(3, 3)).tolist()),
        said(lambda: F.upsample(x, size=(1, 1)).tolist()),
    ]


@both
def test_small_helpers(torch: Any) -> Any:
    nn = torch.nn
    Backend, kernel = nn.attention.SDPBackend, nn.attention.sdpa_kernel
    q = torch.ones(1, 1, 2, 2)
    with kernel([Backend.MATH]):
        out = nn.functional.scaled_dot_product_attention(q, q, q)
    torch.manual_seed(1)
    skipped = nn.utils.skip_init(nn.Linear, 3, 2)
    make = nn.factory_kwargs
    return [
        *(out, repr(skipped), torch.rand(2), repr(Backend.MATH), int(Backend.CUDNN_ATTENTION)),
        said(lambda: kernel(3).__enter__()),
        said(lambda: nn.utils.skip_init(nn.Sequential)),
        *(make(None), make({"device": "cpu"}), said(lambda: make({"a": 1}))),
        said(lambda: make({"device": 1, "factory_kwargs": {"device": 2}})),
        nn.modules.utils._pair(3),
        nn.modules.utils._reverse_repeat_tuple((1, 2), 2),
        nn.modules.utils._list_with_default([None, 2], [5, 6, 7]),
    ]


@pytest.mark.parametrize(
    "path",
    [
        *("conv.Conv2d", "batchnorm._BatchNorm", "instancenorm.InstanceNorm1d", "utils._triple"),
        *("module.Module", "adaptive.AdaptiveLogSoftmaxWithLoss", "channelshuffle.ChannelShuffle"),
        *("loss._Loss", "lazy.LazyModuleMixin", "linear.Identity", "container.Sequential"),
        *("loss.TripletMarginLoss", "rnn.LSTMCell", "conv.LazyConv2d", "conv._ConvTransposeNd"),
        *(
            "container.ParameterList",
            "instancenorm.LazyInstanceNorm1d",
            "pixelshuffle.PixelShuffle",
        ),
    ],
)
def test_longer_paths(path: str) -> None:
    home, name = path.split(".")
    module = importlib.import_module(f"xptorch.nn.modules.{home}")
    assert getattr(module, name) is getattr(getattr(xptorch.nn.modules, home), name)
    if not name.startswith("_") and hasattr(xptorch.nn, name):
        assert getattr(module, name) is getattr(xptorch.nn, name)
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    assert getattr(getattr(torch.nn.modules, home), name).__name__ == getattr(module, name).__name__


def test_a_fused_layer_is_a_copy() -> None:
    layer, norm = xptorch.nn.Linear(2, 2).eval(), xptorch.nn.BatchNorm1d(2).eval()
    before = copy.deepcopy(layer.weight)
    xptorch.nn.utils.fuse_linear_bn_eval(layer, norm)
    assert (layer.weight == before).all()
