"""What layers add to their functions: modes, running statistics, checks, choices of arguments."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import xptorch
from tests.nn._twins import close, plain, said, shape_of

torch = pytest.importorskip("torch", reason="PyTorch is the reference")


@close
def test_batch_norm_counts_and_remembers(torch: Any) -> Any:
    x = torch.randn(4, 3, 5)
    seen = []
    for momentum in (0.1, None):
        m = torch.nn.BatchNorm1d(3, momentum=momentum)
        for batch in (x, x * 2):
            seen.append([m(batch).detach(), m.state_dict()])
        m.eval()
        seen.append([m(x).detach(), m.num_batches_tracked])
        m.reset_running_stats()
        seen.append(m.state_dict())
    bare = torch.nn.BatchNorm1d(3, affine=False, track_running_stats=False)
    return [*seen, bare(x), bare.eval()(x)]


@close
def test_norms_check_their_input(torch: Any) -> Any:
    nn, e = torch.nn, torch.ones
    return [
        said(lambda: nn.BatchNorm1d(3)(e(2, 3, 1, 1))),
        said(lambda: nn.BatchNorm2d(3)(e(2, 3))),
        said(lambda: nn.BatchNorm3d(3)(e(2, 3, 1, 1))),
        said(lambda: nn.BatchNorm1d(3)(e(1, 3)))[0],
        said(lambda: nn.InstanceNorm2d(3)(e(4, 5))),
        said(lambda: nn.InstanceNorm2d(3, affine=True)(e(2, 4, 5, 5))),
        said(lambda: nn.InstanceNorm1d(3, affine=True)(e(4, 5))),
        said(lambda: shape_of(nn.InstanceNorm2d(3)(e(2, 4, 5, 5)))),
        said(lambda: shape_of(nn.InstanceNorm1d(3)(e(3, 5)))),
        said(lambda: nn.Softmax2d()(e(2, 3))),
    ]


@close
def test_instance_norm(torch: Any) -> Any:
    x = torch.randn(2, 3, 4)
    m = torch.nn.InstanceNorm1d(3, affine=True, track_running_stats=True)
    return [m(x).detach(), m(x[0]).detach(), m.state_dict(), m.eval()(x).detach()]


@close
def test_sizes_of_transposed_convolutions(torch: Any) -> Any:
    m = torch.nn.ConvTranspose2d(2, 4, 3, stride=2)
    x = torch.ones(1, 2, 5, 5)
    sizes = ([12, 12], (11, 12), (1, 4, 12, 12), (20, 12), (4, 12, 12), (12,))
    return [
        *(said(lambda s=s: shape_of(m(x, output_size=s))) for s in sizes),
        *(said(lambda s=s: shape_of(m(x[0], s))) for s in ((12, 12), (4, 12, 12))),
    ]


@close
def test_padding_modes_of_convolutions(torch: Any) -> Any:
    x = torch.randn(1, 2, 7)
    seen = []
    for mode in ("zeros", "reflect", "replicate", "circular"):
        for padding in (2, "same"):
            m = torch.nn.Conv1d(2, 3, 4, dilation=2, padding=padding, padding_mode=mode)
            seen.append(m(x).detach())
    return seen


@close
def test_dropout_follows_the_mode(torch: Any) -> Any:
    x = torch.ones(4, 6)
    m = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Dropout(1.0))
    drawn = [m[0](x), m[1](x)]
    m.eval()
    return [*drawn, m(x) is x, m(x)]


@close
def test_padding_rows_of_an_embedding(torch: Any) -> Any:
    m = torch.nn.Embedding(4, 2, padding_idx=1)
    m(torch.tensor([[0, 1], [1, 3]])).sum().backward()
    pretrained = torch.nn.Embedding.from_pretrained(torch.ones(3, 2))
    return [m.weight, m.weight.grad, pretrained(torch.tensor([2])), pretrained.weight]


@close
def test_losses_pass_their_settings_on(torch: Any) -> Any:
    nn = torch.nn
    scores, classes = torch.randn(4, 3), torch.tensor([0, 2, 1, 2])
    x, y = torch.rand(4, 3), torch.rand(4, 3)
    signs = torch.tensor([1.0, -1.0, 1.0, 1.0])
    weight = torch.tensor([1.0, 2.0, 0.5])
    return [
        *(nn.CrossEntropyLoss(weight, reduction=r)(scores, classes) for r in ("mean", "none")),
        nn.CrossEntropyLoss(ignore_index=2, label_smoothing=0.1)(scores, classes),
        nn.NLLLoss(weight, ignore_index=0, reduction="sum")(scores.log_softmax(1), classes),
        nn.BCELoss(weight)(x, y),
        nn.BCEWithLogitsLoss(weight, pos_weight=weight * 2)(scores, y),
        nn.KLDivLoss(reduction="batchmean", log_target=True)(scores, y),
        *(nn.L1Loss()(x, y), nn.MSELoss(reduction="sum")(x, y), nn.SmoothL1Loss(beta=0.1)(x, y)),
        *(nn.HuberLoss(delta=0.1)(x, y), nn.PoissonNLLLoss(full=True)(x, y)),
        nn.GaussianNLLLoss(full=True)(x, y, y + 1),
        *(nn.HingeEmbeddingLoss(0.5)(x[:, 0], signs), nn.SoftMarginLoss()(x[:, 0], signs)),
        nn.MarginRankingLoss(0.5)(x[:, 0], y[:, 0], signs),
        nn.CosineEmbeddingLoss(0.2)(x, y, signs),
        nn.TripletMarginLoss(0.5, swap=True)(x, y, scores),
        nn.TripletMarginWithDistanceLoss(margin=0.5)(x, y, scores),
        nn.MultiMarginLoss(2, 0.5, weight)(scores, classes),
        nn.MultiLabelSoftMarginLoss(weight)(scores, (y > 0.5).float()),
    ]


@close
def test_attention(torch: Any) -> Any:
    m = torch.nn.MultiheadAttention(4, 2, batch_first=True)
    other = torch.nn.MultiheadAttention(4, 2, kdim=3, vdim=5, add_bias_kv=True)
    x, k, v = torch.randn(2, 3, 4), torch.randn(6, 2, 3), torch.randn(6, 2, 5)
    q = torch.randn(5, 2, 4)
    mask = torch.tensor([[False, True, True]] * 3).tril()
    results = [
        *(m(x, x, x), m(x, x, x, need_weights=False), m(x[0], x[0], x[0], attn_mask=mask)),
        *(other(q, k, v), m.eval()(x, x, x, average_attn_weights=False)),
    ]
    return [[t if t is None else t.detach() for t in pair] for pair in results]


def test_flatten_and_unflatten() -> None:
    x = xptorch.ones(2, 3, 4)
    assert plain(list(xptorch.nn.Flatten()(x).shape)) == [2, 12]
    assert plain(list(xptorch.nn.Unflatten(1, (3, 1))(x).shape)) == [2, 3, 1, 4]


@pytest.mark.parametrize("name", ["BatchNorm1d", "InstanceNorm1d", "GroupNorm", "LayerNorm"])
def test_norms_refuse_parameters_of_another_dtype(name: str) -> None:
    @close
    def scenario(torch: Any) -> Any:
        args = {"GroupNorm": (2, 4), "LayerNorm": (3,), "InstanceNorm1d": (4, 1e-5, 0.1, True)}
        kinds, notes = (torch.float16, torch.bfloat16, torch.float32, torch.float64), []
        for own in kinds:
            for other in kinds:
                layer = getattr(torch.nn, name)(*args.get(name, (4,))).to(other)
                notes.append(said(lambda: str(layer(torch.ones(2, 4, 3, dtype=own)).dtype)[-7:]))
        return notes

    scenario()


@close
def test_dropout3d_of_few_axes_and_pools_of_bfloat16(torch: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drop = torch.nn.Dropout3d()
        results = [drop(torch.ones(shape)) for shape in ((3,), (2, 3), (2, 3, 4), (3, 2, 2, 2))]
    x = torch.randn(1, 2, 4, 4).bfloat16()
    return [*results, list(torch.nn.MaxPool2d(2, return_indices=True)(x))]


@close
def test_complex_numbers_have_no_order(torch: Any) -> Any:
    F, z = torch.nn.functional, torch.tensor([1 + 1j, -2j])
    return [
        *(said(lambda: f(z)) for f in (torch.relu, F.relu6, F.hardtanh)),
        *(said(lambda: z.clone().relu_()), said(lambda: torch.maximum(z, z.real))),
        *(said(lambda: torch.min(z, z)), said(lambda: F.cosine_similarity(z, z, dim=0))),
    ]


@close
def test_losses_of_two_dtypes(torch: Any) -> Any:
    F, x, y = torch.nn.functional, torch.randn(3), torch.rand(3).double()
    results = []
    for loss in (F.huber_loss, F.soft_margin_loss, F.smooth_l1_loss, F.mse_loss):
        results += [loss(x, y), loss(y, x), loss(x, y, reduction="none")]
    z = torch.tensor([1j])
    return [*results, said(lambda: F.kl_div(z, z, reduction="sum"))]
