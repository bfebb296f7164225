"""Recurrent layers: repr, argument checks, packed sequences, dropout, given weights."""

from __future__ import annotations

from typing import Any

import pytest

from tests.nn._twins import close, said, shape_of

torch = pytest.importorskip("torch", reason="PyTorch is the reference")

KINDS = ("LSTM", "GRU", "RNN")


def _states(torch: Any, kind: str, *shape: int) -> Any:
    return (torch.randn(*shape),) * 2 if kind == "LSTM" else torch.randn(*shape)


def _learnt(module: Any, result: Any) -> Any:
    """The outputs, and the gradients of the weights after a backward pass from all of them."""
    y, states = result
    states = states if isinstance(states, tuple) else (states,)
    data = getattr(y, "data", y) if isinstance(y, tuple) else y
    (data.square().sum() + sum((s * s).sum() * (i + 1) for i, s in enumerate(states))).backward()
    return [data.detach(), [s.detach() for s in states], [p.grad for p in module.parameters()]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_packed(kind: str, bidirectional: bool, enforce_sorted: bool) -> None:
    @close
    def scenario(torch: Any) -> Any:
        rnn = torch.nn.utils.rnn
        lengths = [5, 3, 3, 1] if enforce_sorted else [3, 1, 5, 3]
        x = rnn.pack_padded_sequence(torch.randn(5, 4, 3), lengths, enforce_sorted=enforce_sorted)
        module = getattr(torch.nn, kind)(3, 4, 2, dropout=0.5, bidirectional=bidirectional)
        first = _states(torch, kind, 4 if bidirectional else 2, 4, 4)
        return [_learnt(module, module(x)), _learnt(module, module(x, first))]

    scenario()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_layers": 3, "dropout": 0.4},
        {"bidirectional": True, "num_layers": 2, "dropout": 0.1, "bias": False},
        {"batch_first": True},
    ],
    ids=str,
)
def test_same_numbers(kind: str, settings: dict[str, Any]) -> None:
    @close
    def scenario(torch: Any) -> Any:
        module = getattr(torch.nn, kind)(3, 4, **settings)
        n = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
        results = [_learnt(module, module(torch.randn(5, 2, 3)))]
        first = _states(torch, kind, n, 5 if settings.get("batch_first") else 2, 4)
        results.append(_learnt(module, module(torch.randn(5, 2, 3), first)))
        results.append(_learnt(module, module(torch.randn(5, 3), _states(torch, kind, n, 4))))
        results.append(_learnt(module.eval(), module(torch.randn(1, 3))))
        return [repr(module), *results]

    scenario()


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@close
def test_projection(torch: Any) -> Any:
    module = torch.nn.LSTM(3, 5, 2, bidirectional=True, proj_size=2)
    x = torch.randn(4, 3, 3)
    rnn = torch.nn.utils.rnn
    packed = rnn.pack_padded_sequence(x, [4, 2, 1])
    return [
        _learnt(module, module(x)),
        _learnt(module, module(packed)),
        _learnt(module, module(x, (torch.randn(4, 3, 2), torch.randn(4, 3, 5)))),
    ]


@close
def test_half_precision_runs_through_float32(torch: Any) -> Any:
    x, h = torch.randn(3, 2, 3).half(), torch.randn(1, 2, 4).half()
    weights = [torch.randn(12, 3).half(), torch.randn(12, 4).half()]
    y, _ = torch.gru(x, h, weights, False, 1, 0.0, True, False, False)
    return [str(y.dtype).split(".")[1], shape_of(y)]


@close
def test_cells(torch: Any) -> Any:
    nn, results = torch.nn, []
    for cell in (nn.LSTMCell(3, 4), nn.GRUCell(3, 4), nn.RNNCell(3, 4, nonlinearity="relu")):
        state: Any = None
        for _ in range(3):
            state = cell(torch.randn(2, 3), state)
        tensors = state if isinstance(state, tuple) else (state,)
        sum(t.square().sum() for t in tensors).backward()
        alone = cell(torch.randn(3))
        results += [repr(cell), [p.grad for p in cell.parameters()], tensors[-1].detach()]
        results += [shape_of(alone[0] if isinstance(alone, tuple) else alone)]
    return results


@close
def test_wrong_arguments(torch: Any) -> Any:
    nn, r = torch.nn, torch.ones
    lstm, gru = nn.LSTM(3, 4, 2, bidirectional=True), nn.GRU(3, 4)
    return [
        said(lambda: lstm(r(0, 2, 3))),
        said(lambda: lstm(r(5, 2, 4))),
        said(lambda: lstm(r(5))),
        said(lambda: lstm(r(5, 2, 3), (r(2, 2, 4), r(2, 2, 4)))),
        said(lambda: lstm(r(5, 3), (r(4, 2, 4), r(4, 2, 4)))),
        said(lambda: lstm(r(5, 2, 3), (r(4, 4), r(4, 4)))),
        said(lambda: lstm(r(5, 2, 3), (r(4, 2, 4), r(4, 2, 5)))),
        [text.replace("xptorch", "torch") for text in said(lambda: lstm(r(5, 2, 3).double()))],
        said(lambda: gru(r(5, 2, 3), r(2, 4))),
        said(lambda: gru(r(5, 3), r(1, 2, 4))),
        said(lambda: gru(r(5, 2, 3), r(1, 3, 4))),
        said(lambda: gru(r(2, 2, 2, 2))),
        said(lambda: gru(r(5, 2, 3), r(1, 2, 4).double())),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_packed_input_of_the_wrong_kind(kind: str) -> None:
    @close
    def scenario(torch: Any) -> Any:
        module, pack = getattr(torch.nn, kind)(3, 4), torch.nn.utils.rnn.pack_sequence

        def error(x: Any) -> Any:
            return said(lambda: module(pack([x])))

        return [
            error(torch.ones(2, 3).double()),
            error(torch.ones(2, 3).half()),
        ]

    scenario()


@close
def test_projections_of_others_than_lstm(torch: Any) -> Any:
    gru, rnn = torch.nn.GRU, torch.nn.RNN
    settings = (True, False, 0.0, False, 2)
    made = gru(3, 4, 1, *settings)
    return [
        *(repr(made), repr(rnn(3, 4, 1, "tanh", *settings)), list(made.state_dict())),
        said(lambda: made(torch.ones(2, 2, 3))),
        said(lambda: made(torch.ones(2, 2, 3), torch.ones(1, 2, 2))),
        said(lambda: made(torch.ones(2, 2, 3), torch.ones(1, 2, 4))),
        said(lambda: gru(3, 4, 1, *settings[:4], 5)),
    ]


@close
def test_states_in_a_list_and_lengths_of_any_dtype(torch: Any) -> Any:
    lstm, pack, x = (
        torch.nn.LSTM(3, 4),
        torch.nn.utils.rnn.pack_padded_sequence,
        torch.ones(2, 2, 3),
    )
    lengths = [torch.tensor([2, 1], dtype=torch.int32), torch.tensor([2.0, 1.5])]
    packed = [pack(x, n) for n in lengths]
    states = [[torch.ones(1, 2, 4)] * 2, [torch.ones(1, 4)] * 2]
    return [
        *(lstm(x, states[0])[0].detach(), lstm(x[0], states[1])[0].detach()),
        *(lstm(p, states[0])[0].data.detach() for p in packed),
        *(p.batch_sizes for p in packed),
    ]


@close
def test_cells_check_their_input(torch: Any) -> Any:
    nn, r = torch.nn, torch.ones
    lstm, gru = nn.LSTMCell(3, 4), nn.GRUCell(3, 4)
    odd = nn.RNNCell(3, 4, nonlinearity="x")
    return [
        said(lambda: lstm(r(2, 2, 3))),
        said(lambda: lstm(r(2, 4))),
        said(lambda: lstm(r(2, 3), (r(3, 4), r(3, 4)))),
        said(lambda: lstm(r(2, 3), (r(1, 2, 4), r(1, 2, 4)))),
        said(lambda: lstm(r(2, 3), (r(2, 4), r(2, 5)))),
        said(lambda: lstm(r(2, 3), r(2, 4))),
        said(lambda: gru(r(3), r(2, 4))),
        said(lambda: gru(r(2, 3), r(2, 5))),
        said(lambda: odd(r(2, 3))),
    ]


@close
def test_wrong_settings(torch: Any) -> Any:
    nn = torch.nn
    return [
        said(lambda: nn.LSTM(3, 0)),
        said(lambda: nn.LSTM(0, 3)),
        said(lambda: nn.LSTM(3, 4, 0)),
        said(lambda: nn.LSTM(3, 4.0)),
        said(lambda: nn.LSTM(3, 4, bias=0)),
        said(lambda: nn.LSTM(3, 4, batch_first=1)),
        said(lambda: nn.LSTM(3, 4, dropout=2)),
        said(lambda: nn.LSTM(3, 4, dropout=True)),
        said(lambda: nn.LSTM(3, 4, dropout="x")),
        said(lambda: nn.LSTM(3, 4, proj_size=-1)),
        said(lambda: nn.LSTM(3, 4, proj_size=4)),
        said(lambda: nn.GRU(3, 4, proj_size=2)),
        said(lambda: nn.RNN(3, 4, nonlinearity="x")),
        said(lambda: nn.RNNBase("X", 3, 4)),
        said(lambda: repr(nn.LSTM(3, 4, dropout=0.2))),
    ]


@close
def test_surface(torch: Any) -> Any:
    nn = torch.nn
    module = nn.LSTM(3, 4, 2, True, True, 0.0, True, 2)
    cell = nn.LSTMCell(3, 4, False)
    module.flatten_parameters()
    return [
        repr(module),
        repr(nn.RNN(3, 4, 1, "relu")),
        repr(nn.RNNBase("GRU", 3, 4)),
        repr(cell),
        list(module.state_dict()),
        list(cell.state_dict()),
        [[shape_of(w) for w in layer] for layer in module.all_weights],
        [w.detach() for w in module.parameters()],
        module.get_expected_hidden_size(torch.ones(5, 2, 3), None),
        sorted(k for k in vars(nn.GRU(3, 4)) if k[0] != "_"),
    ]


@close
def test_functions_with_given_weights(torch: Any) -> Any:
    x, h = torch.randn(5, 2, 3), torch.randn(1, 2, 4)
    sizes = torch.tensor([2, 2, 1])
    results = []
    for name, gates in {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}.items():
        weights = [torch.randn(gates * 4, 3), torch.randn(gates * 4, 4)]
        first = (h, h) if name == "lstm" else h
        run, step = getattr(torch, name), getattr(torch, f"{name}_cell")
        results.append(run(x, first, weights, False, 1, 0.0, False, False, False)[0])
        results.append(run(x[:, 0], sizes, first, weights, False, 1, 0.0, False, False)[0])
        cell = step(x[0], (h[0], h[0]) if name == "lstm" else h[0], *weights)
        results.append(cell[0] if name == "lstm" else cell)
    return results


@close
def test_packing(torch: Any) -> Any:
    rnn, r = torch.nn.utils.rnn, torch.randn
    rows = [r(2, 2), r(4, 2), r(1, 2)]
    packed = rnn.pack_sequence(rows, enforce_sorted=False)
    longer = rnn.pad_packed_sequence(packed, True, -1.0, 6)
    return [
        list(packed),
        list(packed._fields),
        list(rnn.pad_packed_sequence(packed)),
        list(longer),
        rnn.unpack_sequence(packed),
        rnn.unpad_sequence(*longer, batch_first=True),
        rnn.invert_permutation(torch.tensor([2, 0, 1])),
        rnn.invert_permutation(None),
        list(packed.double()),
        packed.to("cpu") is packed,
        packed.is_cuda,
        list(rnn.PackedSequence(r(3, 2), torch.tensor([2, 1]), torch.tensor([1, 0]))),
        list(rnn.PackedSequence((r(3, 2), torch.tensor([2, 1])))),
    ]


@close
def test_packing_checks(torch: Any) -> Any:
    rnn, x = torch.nn.utils.rnn, torch.ones(5, 3, 2)
    pack = rnn.pack_padded_sequence
    return [
        said(lambda: pack(x, [5, 2, 3])),
        said(lambda: pack(x, [5, 2])),
        said(lambda: pack(x, [5, 2, 0])),
        said(lambda: pack(torch.ones(0, 3, 2), [5, 2, 1])),
        said(lambda: pack(x, torch.tensor([[5, 2, 1]]))),
        said(lambda: rnn.pad_packed_sequence(pack(x, [5, 3, 2]), total_length=3)),
        said(lambda: rnn.pack_sequence([torch.ones(2, 3), torch.ones(3, 3)])),
        said(lambda: rnn.PackedSequence(x)),
    ]


@close
def test_outputs_do_not_share_memory(torch: Any) -> Any:
    cell = torch.nn.GRU(3, 4)
    y, h = cell(torch.randn(1, 2, 3))
    with torch.no_grad():
        h.zero_()
    y.sum().backward()
    return [y.detach(), [p.grad for p in cell.parameters()]]


@close
def test_tied_weights_through_create_graph(torch: Any) -> Any:
    """A fused op's gradients treat its inputs as independent, even where one depends on another."""
    w = torch.randn(3, 3, dtype=torch.float64).requires_grad_()
    x = torch.randn(2, 3, dtype=torch.float64)
    linear = torch.nn.functional.linear
    (g,) = torch.autograd.grad(linear(linear(x, w).tanh(), w).sum(), w, create_graph=True)
    z = x.clone().requires_grad_()
    attend = torch.nn.functional.scaled_dot_product_attention
    (h,) = torch.autograd.grad(attend(z, z, z).square().sum(), z, create_graph=True)
    return [
        *[g.detach(), torch.autograd.grad(g.square().sum(), w)[0]],
        *[h.detach(), torch.autograd.grad(h.square().sum(), z)[0]],
    ]
