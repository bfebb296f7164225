"""Every exported layer is like PyTorch's: signature, repr, attributes, state, initial values."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import xptorch
from tests.nn._twins import plain

torch = pytest.importorskip("torch", reason="PyTorch is the reference")

ROWS = """
Identity(3, a=4)
Linear(3, 5)
Linear(3, 5, bias=False)
Linear(3, 5, dtype=torch.float64)
Bilinear(2, 3, 4)
Bilinear(2, 3, 4, False)
Conv1d(2, 4, 3)
Conv1d(2, 4, 4, padding="same", dilation=2, padding_mode="circular")
Conv2d(1, 32, 3, stride=2, padding=1)
Conv2d(4, 6, (3, 2), 2, (1, 0), 2, 2, False, "reflect")
Conv2d(4, 6, 3, padding="valid", dtype=torch.float64)
Conv3d(2, 2, (1, 2, 3), padding=(1, 0, 2))
ConvTranspose1d(2, 4, 3)
ConvTranspose2d(2, 4, 3, 2, 1, 1, 2, True, 2)
ConvTranspose3d(2, 2, 2, bias=False)
MaxPool1d(2)
MaxPool2d(2, 3, 1, 2, True, True)
MaxPool2d((2, 1))
MaxPool3d(2)
AvgPool1d(2)
AvgPool2d((2, 3), 1, 1, True, False, 3)
AvgPool3d(2, (1, 2, 3))
AdaptiveAvgPool1d(3)
AdaptiveAvgPool2d((None, 3))
AdaptiveAvgPool3d(1)
AdaptiveMaxPool1d(3)
AdaptiveMaxPool2d((2, 3), True)
AdaptiveMaxPool3d(1)
LPPool1d(2, 3)
LPPool2d(1.5, 3, stride=2, ceil_mode=True)
LPPool3d(2, 2)
MaxUnpool1d(2)
MaxUnpool2d(2, (1, 2), 1)
MaxUnpool3d(2)
BatchNorm1d(3)
BatchNorm1d(3, affine=False)
BatchNorm1d(3, bias=False)
BatchNorm2d(3, momentum=None, track_running_stats=False)
BatchNorm3d(3, 1e-3, dtype=torch.float64)
LayerNorm(3)
LayerNorm([3, 4], bias=False)
LayerNorm((3, 4), elementwise_affine=False)
RMSNorm(3)
RMSNorm((3, 4), 1e-6, False)
GroupNorm(2, 4)
GroupNorm(2, 4, affine=False)
GroupNorm(2, 4, bias=False)
InstanceNorm1d(3)
InstanceNorm2d(3, affine=True, track_running_stats=True)
InstanceNorm3d(3, affine=True, bias=False)
LocalResponseNorm(2)
Dropout()
Dropout(0.1, True)
Dropout1d(0.2)
Dropout2d(0.2)
Dropout3d(0.2)
AlphaDropout(0.2)
FeatureAlphaDropout(0.2)
ReLU()
ReLU(True)
ReLU6(True)
LeakyReLU()
LeakyReLU(0.2, True)
PReLU()
PReLU(3, 0.1)
RReLU()
RReLU(inplace=True)
Threshold(0.1, 20)
Threshold(0.1, 20, True)
Hardtanh()
Hardtanh(-2, 2, True)
ELU()
ELU(2, True)
CELU(2.0, True)
SELU(True)
Sigmoid()
LogSigmoid()
Tanh()
SiLU()
SiLU(True)
Mish(True)
GELU()
GELU("tanh")
GLU()
Hardsigmoid(True)
Hardswish(True)
Softplus()
Softplus(2, 10)
Softsign()
Tanhshrink()
Hardshrink()
Softshrink(0.2)
Softmax()
Softmax(1)
Softmax2d()
Softmin(1)
LogSoftmax(-1)
L1Loss()
MSELoss(reduction="sum")
SmoothL1Loss(beta=2.0)
HuberLoss("none", 2.0)
PoissonNLLLoss()
GaussianNLLLoss()
CrossEntropyLoss()
CrossEntropyLoss(torch.ones(3), label_smoothing=0.1)
NLLLoss(ignore_index=2)
BCELoss(torch.ones(3))
BCEWithLogitsLoss(pos_weight=torch.ones(2))
KLDivLoss(log_target=True)
SoftMarginLoss()
MultiLabelSoftMarginLoss()
MultiLabelMarginLoss()
MultiMarginLoss(2, 0.5, torch.ones(3))
HingeEmbeddingLoss()
MarginRankingLoss(1.0)
CosineEmbeddingLoss(0.5)
TripletMarginLoss(swap=True)
TripletMarginWithDistanceLoss()
CTCLoss(1, "sum", True)
Flatten()
Flatten(0, 2)
Unflatten(1, (2, 3))
ConstantPad1d(1, 2.0)
ConstantPad2d((1, 2, 3, 4), 2)
ConstantPad3d(1, 0)
ZeroPad1d((1, 2))
ZeroPad2d(2)
ZeroPad3d(1)
ReflectionPad1d((1, 2))
ReflectionPad2d(1)
ReflectionPad3d(1)
ReplicationPad1d(1)
ReplicationPad2d((1, 2, 3, 4))
ReplicationPad3d(1)
LazyLinear(3)
LazyLinear(3, False)
LazyConv1d(2, 3)
LazyConv2d(2, 3, groups=2, padding_mode="circular")
LazyConv3d(2, 3, bias=False)
LazyConvTranspose1d(2, 3)
LazyConvTranspose2d(2, 3, 1, 1, 0)
LazyConvTranspose3d(2, 3)
LazyBatchNorm1d()
LazyBatchNorm2d(affine=False)
LazyBatchNorm3d(track_running_stats=False)
LazyInstanceNorm1d()
LazyInstanceNorm2d(affine=True, bias=False)
LazyInstanceNorm3d()
AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10])
AdaptiveLogSoftmaxWithLoss(64, 20, [3, 5, 10], 2.0, True)
FractionalMaxPool2d(3, (4, 5))
FractionalMaxPool3d((2, 3, 2), output_ratio=0.5)
SyncBatchNorm(3)
SyncBatchNorm(3, affine=False)
CrossMapLRN2d(3)
LinearCrossEntropyLoss(3, 5, bias=True)
LinearCrossEntropyLoss(3, 5, out_features=(2,), label_smoothing=0.1)
EmbeddingBag(10, 3, mode="sum")
RNN(3, 4)
LSTM(3, 4, 2, bidirectional=True)
GRU(3, 4, batch_first=True)
RNNBase("LSTM", 3, 4)
RNNCell(3, 4)
LSTMCell(3, 4)
GRUCell(3, 4, bias=False)
RNNCellBase(3, 4, True, 2)
CircularPad1d(1)
CircularPad2d(1)
CircularPad3d(1)
Unfold((2, 3), 1, 2, 3)
Fold(2, 3)
Embedding(5, 4)
Embedding(5, 4, -1)
Embedding(5, 4, 1, max_norm=2.0, norm_type=1.0, scale_grad_by_freq=True, sparse=True)
Embedding.from_pretrained(torch.ones(3, 2), padding_idx=1)
CosineSimilarity(2, 1e-6)
PairwiseDistance(1, 1e-3, True)
PixelShuffle(2)
PixelUnshuffle(2)
ChannelShuffle(2)
Upsample(2)
Upsample(scale_factor=(2, 3), mode="bilinear", align_corners=True)
Upsample(size=(2, 3), recompute_scale_factor=True)
UpsamplingNearest2d(2)
UpsamplingBilinear2d(scale_factor=2)
MultiheadAttention(4, 2)
MultiheadAttention(4, 2, 0.1, False, batch_first=True)
MultiheadAttention(4, 1, kdim=3, vdim=5, add_bias_kv=True, add_zero_attn=True)
RNNBase("GRU", 3, 4)
RNN(3, 4)
RNN(3, 4, 2, "relu", dropout=0.5, bidirectional=True)
LSTM(3, 4, proj_size=2, num_layers=2)
LSTM(3, 4, bias=False, batch_first=True)
GRU(3, 4, 2, bidirectional=True)
RNNCellBase(3, 4, True, 2)
RNNCell(3, 4, nonlinearity="relu")
LSTMCell(3, 4, bias=False)
GRUCell(3, 4)
TransformerEncoderLayer(8, 2, 16)
TransformerDecoderLayer(8, 2, 16, 0.2, "gelu", batch_first=True, norm_first=True, bias=False)
TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 2, norm=nn.LayerNorm(8))
Transformer(8, 2, 1, 1, 16, batch_first=True)
Module()
Sequential()
ModuleList()
ModuleDict()
ParameterList()
ParameterDict()
""".strip().splitlines()

TENSORS = ("Parameter", "Buffer", "UninitializedParameter", "UninitializedBuffer")
EXPORTED = [
    name
    for name, value in vars(xptorch.nn).items()
    if isinstance(value, type) and not name.startswith("_")
]


def _built(row: str, library: Any) -> Any:
    library.manual_seed(0)
    return eval(f"nn.{row}", {"nn": library.nn, "torch": library})


@pytest.mark.parametrize("name", EXPORTED)
def test_signature(name: str) -> None:
    ours, theirs = (
        [
            (p.name, getattr(p.default, "__name__", p.default), p.kind)
            for p in inspect.signature(c.__init__).parameters.values()
        ]
        for c in (getattr(xptorch.nn, name), getattr(torch.nn, name))
    )
    assert ours == theirs or name in TENSORS


@pytest.mark.parametrize("name", EXPORTED)
def test_forward_signature(name: str) -> None:
    if name in ("Module", "ModuleList", "ModuleDict", "RNNBase", *TENSORS):
        return
    ours, theirs = (
        list(inspect.signature(getattr(library.nn, name).forward).parameters)
        for library in (xptorch, torch)
    )
    assert ours == theirs


def test_every_layer_has_a_row() -> None:
    missing = set(EXPORTED) - {row.partition("(")[0].partition(".")[0] for row in ROWS}
    missing = {name for name in missing if not name.startswith("Transformer")}
    assert missing == {*TENSORS, "Container", "NLLLoss2d"}


@pytest.mark.parametrize("row", ROWS)
def test_looks_the_same(row: str) -> None:
    ours, theirs = _built(row, xptorch), _built(row, torch)
    assert repr(ours) == repr(theirs)
    assert _settings(ours) == _settings(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours._parameters) == list(theirs._parameters)
    assert list(ours._buffers) == list(theirs._buffers)
    assert ours._version == theirs._version


def _settings(module: Any) -> Any:
    settings = {k: v for k, v in vars(module).items() if not k.startswith("_")}
    return sorted(plain({k: v for k, v in settings.items() if k != "transposed"}))


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith("Lazy")])
def test_same_seed_same_values(row: str) -> None:
    ours, theirs = _built(row, xptorch), _built(row, torch)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert str(a.dtype) == f"xp{b.dtype}", name
        # A normal distribution goes through log and cos, which may differ in the last place.
        np.testing.assert_array_max_ulp(a.numpy(), b.numpy(), maxulp=2)
    assert [p.requires_grad for p in ours.parameters()] == [
        p.requires_grad for p in theirs.parameters()
    ]


@pytest.mark.parametrize("row", ["Conv2d(8, 8, 3)", "Linear(20, 30)", "Bilinear(3, 4, 5)"])
def test_uniform_weights_are_the_same_bits(row: str) -> None:
    ours, theirs = _built(row, xptorch), _built(row, torch)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


WRONG = """
Conv2d(3, 4, 3, groups=2)
Conv2d(4, 3, 3, groups=2)
Conv2d(4, 3, 3, groups=0)
Conv2d(4, 3, 3, padding="x")
Conv2d(4, 3, 3, padding="same", stride=2)
Conv2d(4, 3, 3, padding_mode="x")
ConvTranspose2d(2, 4, 3, padding_mode="reflect")
Bilinear(0, 3, 3)
GroupNorm(3, 4)
Dropout(2)
Dropout(-0.1)
Embedding(3, 4, 5)
Embedding(3, 4, -5)
Embedding(3, 4, _weight=torch.ones(2, 4))
Embedding.from_pretrained(torch.ones(3))
Unflatten(1, 3)
Unflatten(1, (2, "x"))
MultiMarginLoss(3)
MultiMarginLoss(weight=torch.ones(2, 2))
TripletMarginLoss(-1)
TripletMarginWithDistanceLoss(margin=-1)
Hardtanh(2, 1)
HuberLoss(delta=1j)
MultiheadAttention(3, 2)
MultiheadAttention(4, 0)
""".strip().splitlines()


@pytest.mark.parametrize("row", WRONG)
def test_wrong_settings_raise_the_same_error(row: str) -> None:
    with pytest.raises(Exception) as theirs:
        _built(row, torch)
    with pytest.raises(theirs.type) as ours:
        _built(row, xptorch)
    if "padding" not in row:  # PyTorch prints the paddings as a set, in any order
        assert str(ours.value).replace("xptorch", "torch") == str(theirs.value)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("L1Loss(size_average=False)", "sum"),
        ("L1Loss(reduce=False)", "none"),
        ("CrossEntropyLoss(size_average=True)", "mean"),
    ],
)
def test_deprecated_reduction_flags(row: str, expected: str) -> None:
    with pytest.warns(UserWarning, match=f"please use reduction='{expected}' instead"):
        assert _built(row, xptorch).reduction == expected


def test_deprecated_hardtanh_names() -> None:
    with pytest.warns(FutureWarning, match="`min_value` is deprecated and renamed to `min_val`"):
        assert xptorch.nn.Hardtanh(min_value=-3).min_val == -3
