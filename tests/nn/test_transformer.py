"""Transformers: the same numbers as PyTorch's, masks, padding, settings, errors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import xptorch
from tests.nn._twins import close, said, shape_of

torch = pytest.importorskip("torch", reason="PyTorch is the reference")


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    """In float64, without PyTorch's warnings that it cannot skip padding (nested tensors)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*nested.*")
        for library in (torch, xptorch):
            library.set_default_dtype(library.float64)
        yield
        for library in (torch, xptorch):
            library.set_default_dtype(library.float32)


def _learnt(module: Any, y: Any) -> Any:
    y.square().sum().backward()
    return [y.detach(), [p.grad for p in module.parameters()]]


def _padding(torch: Any, additive: bool = False) -> Any:
    mask = torch.tensor([[False, False, True], [False, False, False]])
    return torch.zeros(2, 3).masked_fill(mask, -math.inf) if additive else mask


SETTINGS = [
    {},
    {"batch_first": True, "norm_first": True, "activation": "gelu"},
    {"batch_first": True, "bias": False, "dropout": 0.0},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_layers(settings: dict[str, Any]) -> None:
    @close
    def scenario(torch: Any) -> Any:
        nn = torch.nn
        encoder = nn.TransformerEncoderLayer(4, 2, 8, **settings)
        decoder = nn.TransformerDecoderLayer(4, 2, 8, **settings)
        turn = (lambda x: x) if settings.get("batch_first") else (lambda x: x.transpose(0, 1))
        x, memory = turn(torch.randn(2, 3, 4)), turn(torch.randn(2, 5, 4))
        causal = nn.Transformer.generate_square_subsequent_mask(3)
        results = [
            [repr(encoder), repr(decoder), list(decoder.state_dict())],
            _learnt(encoder, encoder(x)),
            _learnt(encoder, encoder(x, causal, is_causal=True)),
            _learnt(encoder, encoder(x, causal, _padding(torch, additive=True))),
            _learnt(encoder, encoder(x[0], torch.randn(3, 3) > 2) if turn(x) is x else encoder(x)),
            _learnt(decoder, decoder(x, memory)),
            _learnt(decoder, decoder(x, memory, causal, torch.randn(3, 5), tgt_is_causal=True)),
            _learnt(decoder, decoder(x, memory, tgt_key_padding_mask=_padding(torch))),
        ]
        return [*results, encoder.eval()(x).detach(), decoder.eval()(x, memory).detach()]

    scenario()


@close
def test_whole(torch: Any) -> Any:
    net = torch.nn.Transformer(4, 2, 2, 2, 8, batch_first=True)
    x, y = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    mask = net.generate_square_subsequent_mask(5)
    out = net(x, y, tgt_mask=mask, src_key_padding_mask=_padding(torch))
    return [
        [repr(net), list(net.state_dict())],
        [p.detach() for p in net.parameters()],
        _learnt(net, out),
        net(x[0], y[0]).detach(),
        net.generate_square_subsequent_mask(3, dtype=torch.float64),
    ]


@close
def test_padding_becomes_zeros_in_evaluation(torch: Any) -> Any:
    nn = torch.nn
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    plain = nn.TransformerEncoder(layer, 2).eval()
    normed = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(4)).eval()
    x, hole = torch.randn(2, 3, 4), torch.tensor([[False, True, False], [False] * 3])
    with torch.no_grad():
        results = [
            plain(x, src_key_padding_mask=_padding(torch)),
            normed(x, src_key_padding_mask=_padding(torch, additive=True)),
            plain(x, src_key_padding_mask=hole),
            plain(x, mask=torch.zeros(3, 3) > 0, src_key_padding_mask=_padding(torch)),
        ]
    return [*results, plain(x, src_key_padding_mask=_padding(torch)).detach()]


@close
def test_given_activation_and_parts(torch: Any) -> Any:
    nn = torch.nn
    layer = nn.TransformerEncoderLayer(4, 2, 8, activation=nn.GELU())
    other = nn.TransformerEncoderLayer(4, 2, 8, activation=torch.tanh, dropout=0.0)
    net = nn.Transformer(4, 2, 1, 1, 8, custom_encoder=nn.Identity(), custom_decoder=nn.Identity())
    return [
        repr(layer),
        [m.activation_relu_or_gelu for m in (layer, other, nn.TransformerEncoderLayer(4, 2, 8))],
        other(torch.ones(2, 1, 4)).detach(),
        repr(net),
    ]


@close
def test_what_it_refuses_and_warns_of(torch: Any) -> Any:
    nn, r = torch.nn, torch.ones
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    decoder = nn.TransformerDecoderLayer(4, 2, 8)
    net = nn.Transformer(4, 2, 1, 1, 8, batch_first=True)
    x, mask = r(3, 2, 4), r(3, 3).triu(1) > 0
    return [
        said(lambda: nn.TransformerEncoderLayer(4, 2, 8, activation="x")),
        said(lambda: nn.TransformerEncoderLayer(4, 3, 8)),
        said(lambda: layer(x, is_causal=True)),
        said(lambda: layer(x, src_mask=r(3, 3).int())),
        said(lambda: shape_of(layer(x, mask, torch.zeros(2, 3)))),
        said(lambda: decoder(x, x, tgt_is_causal=True)),
        said(lambda: decoder(x, x, tgt_mask=r(3, 3).int())),
        said(lambda: shape_of(decoder(x, x, tgt_mask=mask, tgt_key_padding_mask=r(2, 3)))),
        said(lambda: net(r(2, 3, 4), r(3, 3, 4))),
        said(lambda: net(r(2, 3, 5), r(2, 3, 4))),
    ]


@close
def test_reasons_against_nested_tensors(torch: Any) -> Any:
    nn = torch.nn

    def built(*sizes: int, **settings: Any) -> Any:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            layer = nn.TransformerEncoderLayer(*sizes, **{"batch_first": True, **settings})
            net = nn.TransformerEncoder(layer, 1)
        return [net.use_nested_tensor, [str(w.message) for w in caught]]

    return [
        built(4, 2, 8),
        built(4, 2, 8, batch_first=False),
        built(4, 2, 8, norm_first=True),
        built(4, 2, 8, activation=torch.tanh),
        built(4, 2, 8, bias=False),
        built(6, 3, 8),
    ]


@close
def test_attention_over_nothing(torch: Any) -> Any:
    attend = torch.nn.MultiheadAttention(4, 2)
    shapes = []
    for n, length in ((0, 2), (3, 0), (0, 0)):
        x, padding = torch.ones(length, n, 4), torch.zeros(n, length).bool()
        for settings in ({}, {"key_padding_mask": padding}, {"need_weights": False}):
            y, weights = attend(x, x, x, **settings)
            shapes.append([shape_of(y), None if weights is None else shape_of(weights)])
    return shapes
