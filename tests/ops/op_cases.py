"""The table that drives the tests of every op: add a line here for a new one.

A case names a declared op (its name in `_engine.op.OPS`), the inputs, and how to call it: the name
of a function of PyTorch's (the op's own name unless `call` is given) or a function of the library
and the inputs, with PyTorch's keyword arguments:

    case("tanh", real())
    case("sum", real(), note="dim", dim=1, keepdim=True)
    case("negative", real(), call=lambda torch, x: -x)

Each case is tested on every array library: value and dtype for every dtype of the inputs, first and
second derivative, empty and 0-d inputs, and strided inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.ops.op_case import (
    above_one,
    away,
    backward_of,
    case,
    distinct,
    index,
    mask,
    positive,
    positive_definite,
    real,
    seeded,
    unit,
)
from tests.ops.op_cases_complex import COMPLEX


def _svd_complete(torch: Any, a: Any) -> Any:
    return [t[..., :3].abs() for t in torch.linalg.svd(a.mT)[:2]]


def _cholesky_solve(torch: Any, b: Any, a: Any) -> Any:
    return torch.cholesky_solve(b, a.tril() + 2 * torch.eye(3, dtype=a.dtype, device=a.device))


def _set_rows(torch: Any, x: Any, i: Any, v: Any) -> Any:
    x = x.clone()
    x[i] = v
    return x


def _add_rows(torch: Any, x: Any, i: Any, v: Any) -> Any:
    return x.index_put((i,), v, accumulate=True)


def _scatter_prod(torch: Any, x: Any, i: Any, v: Any) -> Any:
    return x.scatter_reduce(0, i, v, "prod")


def _scatter_add(torch: Any, x: Any, i: Any, v: Any) -> Any:
    return x.scatter_add(0, i, v)


def _reflected(torch: Any, x: Any) -> Any:
    return torch.nn.functional.pad(x, (3, 1), mode="reflect")


def _repeated(torch: Any, x: Any) -> Any:
    return torch.nn.functional.pad(x, (3, 1), mode="replicate")


def _over(what: Any, name: str) -> Callable[..., Any]:
    """A function whose first argument after the input specifies what it normalises over."""
    return lambda torch, x, *rest: getattr(torch.nn.functional, name)(x, what, *rest)


def _batch_norm(torch: Any, x: Any, *rest: Any) -> Any:
    return torch.nn.functional.batch_norm(x, None, None, *rest, training=True)


def _bce_with_logits(torch: Any, x: Any, target: Any, weight: Any) -> Any:
    return torch.nn.functional.binary_cross_entropy_with_logits(
        x, target, weight, pos_weight=weight + 1, reduction="sum"
    )


def _bce(torch: Any, x: Any, target: Any) -> Any:
    return torch.nn.functional.binary_cross_entropy(x.sigmoid(), target.sigmoid())


def _ctc(torch: Any, x: Any) -> Any:
    targets = torch.tensor([[1, 2, 2], [3, 1, 0]], device=x.device)
    lengths = [torch.tensor(n, device=x.device) for n in ([6, 5], [3, 2])]
    return torch.nn.functional.ctc_loss(x.log_softmax(2), targets, *lengths)


ELEMENTWISE = [
    *[case(n, real()) for n in ("exp", "exp2", "expm1", "square", "sin", "cos", "tanh", "sinh")],
    *[case(n, real()) for n in ("cosh", "asinh", "atan", "erf", "erfc", "sigmoid")],
    *[case(n, positive()) for n in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt")],
    *[case(n, unit()) for n in ("asin", "acos", "atanh", "tan")],
    *[case(n, away()) for n in ("abs", "sign", "floor", "ceil", "trunc", "round", "reciprocal")],
    case("acosh", above_one()),
    case("negative", real(), call="neg"),
    case("clip", away(), call="clamp", min=-1.2, max=2.0),
    case("clip", away(), call="clamp", note="min", min=0.1),
    case("where_or_zero", distinct(), call=backward_of(lambda torch, x: x.amax(1))),
    *[case(n, mask()) for n in ("logical_not", "bitwise_not")],
    *[case(n, real()) for n in ("isnan", "isinf", "isfinite", "signbit")],
]

BINARY = [
    *[case(n, real(3, 4), real(3, 4)) for n in ("add", "subtract", "multiply")],
    *[case(n, real(3, 1), real(2, 1, 4), note="broadcast") for n in ("add", "subtract")],
    case("multiply", real(3, 1), real(2, 1, 4), note="broadcast"),
    case("multiply", real(), call=lambda torch, x: x * x, note="itself"),
    case("add", real(3, 4), real(4), call="add", note="alpha", alpha=2),
    case("divide", real(3, 1), away(1, 4)),
    case("divide", real(), call=lambda torch, x: 2 / (x * x + 1), note="number"),
    case("pow", positive(3, 1), real(1, 4)),
    case("pow", real(), note="number", exponent=3),
    *[case(n, distinct(3, 4), distinct(3, 4)) for n in ("maximum", "minimum")],
    case("atan2", away(3, 1), away(1, 4)),
    case("hypot", away(3, 1), away(1, 4)),
    case("logaddexp", real(3, 1), real(1, 4)),
    case("xlogy", real(3, 1), positive(1, 4)),
    case("copysign", away(3, 1), away(1, 4)),
    *[case(n, real(3, 4), away(3, 4)) for n in ("floor_divide", "remainder", "fmod")],
    *[case(n, away(3, 1), away(1, 4)) for n in ("not_equal", "less", "less_equal", "greater")],
    case("equal", away(3, 1), away(1, 4), call="eq"),
    case("greater_equal", away(3, 1), away(1, 4), call="ge"),
    *[case(f"logical_{n}", mask(3, 1), mask(1, 4)) for n in ("and", "or", "xor")],
    *[case(f"bitwise_{n}", mask(3, 1), mask(1, 4)) for n in ("and", "or", "xor")],
    *[case(f"bitwise_{n}_shift", index(50, 3, 1), index(4, 1, 4)) for n in ("left", "right")],
    case("where", mask(3, 4), real(3, 4), real(4)),
]


SPECIAL = [
    *[case(n, real()) for n in ("sinc", "i0")],
    *[case(n, real(), call=f"special.{n}") for n in ("i0e", "i1", "i1e", "erfcx")],
    case("erfinv", unit()),
    case("ndtri", positive(), call=lambda torch, x: torch.special.ndtri(x / 3)),
    case("lgamma", away()),
    case("polygamma", away(), call="digamma"),
    case("polygamma", positive(), note="2", call=lambda torch, x: torch.polygamma(2, x)),
    case("logaddexp2", real(3, 1), real(1, 4)),
    case("xlog1py", real(3, 1), positive(1, 4), call="special.xlog1py"),
    case("gcd", index(50, 3, 1), index(40, 1, 4)),
    case(
        "nextafter", real(3, 1), away(1, 4), call=lambda torch, a, b: torch.nextafter(a, b).detach()
    ),
]

_POLYNOMIALS = [f"{s}chebyshev_polynomial_{k}" for s in ("", "shifted_") for k in "tuvw"]
_POLYNOMIALS += ["hermite_polynomial_h", "hermite_polynomial_he"]
_POLYNOMIALS += ["laguerre_polynomial_l", "legendre_polynomial_p"]
SPECIAL += [
    case("igamma", positive(3, 1).constant(), positive(1, 4)),
    case("igammac", positive(3, 1).constant(), positive(1, 4)),
    case("zeta", above_one(3, 1).constant(), positive(1, 4), call="special.zeta"),
]
SPECIAL += [case(n, real(3, 1), index(8, 1, 4), call=f"special.{n}") for n in _POLYNOMIALS]

_CYLINDER = ["airy_ai", "spherical_bessel_j0", *[f"bessel_{k}{n}" for k in "jy" for n in "01"]]
_CYLINDER += [f"{s}modified_bessel_k{n}" for s in ("", "scaled_") for n in "01"]
_CYLINDER += ["modified_bessel_i0", "modified_bessel_i1"]
SPECIAL += [case(n, positive(), call=f"special.{n}") for n in _CYLINDER]

REDUCE = [
    *[
        case(name, real(3, 4, 2), note=note, **static)
        for name in ("sum", "mean", "var")
        for note, static in {
            "all": {},
            "dim": {"dim": 1},
            "dims": {"dim": (0, -1), "keepdim": True},
        }.items()
    ],
    case("var", real(3, 4), note="correction", dim=0, correction=0),
    case("root_of_variance", real(3, 4), call="std", dim=1),
    *[case(n, distinct(), call=f"a{n}", dim=1, keepdim=True) for n in ("max", "min")],
    *[case(n, distinct(), note="all") for n in ("max", "min", "argmax", "argmin")],
    *[case(n, distinct(), note="dim", dim=1) for n in ("max", "min", "argmax", "argmin")],
    *[case(n, mask(), note="all") for n in ("all", "any")],
    *[case(n, mask(), note="dim", dim=1, keepdim=True) for n in ("all", "any")],
    case("prod", away(), note="all"),
    case("prod", away(), note="dim", dim=1),
    case("cumulative_sum", real(), call="cumsum", dim=1),
    case("cumulative_prod", away(), call="cumprod", dim=0),
    case("logcumsumexp", real(), dim=1),
    case("cumulative_extreme", distinct(), call="cummax", dim=1),
]

SHAPE = [
    case("astype", real(), call=lambda torch, x: x.to(torch.float32)),
    case("reshape", real(), shape=(2, -1)),
    case("permute_dims", real(2, 3, 4), call="permute", dims=(2, 0, 1)),
    case("broadcast_to", real(3, 1), size=(2, 3, 4)),
    case("expand_dims", real(), call="unsqueeze", dim=1),
    case("squeeze", real(3, 1, 4), dim=1),
    case("flip", real(), dims=(0, 1)),
    case("roll", real(), shifts=(1, -2), dims=(0, 1)),
    case("copy", real(), call="clone"),
    case("alias", real(), call=lambda torch, x: x.view_as(x)),
    case("contiguous", real(), call=lambda torch, x: x.t().contiguous()),
    case("concat", real(3, 4), real(3, 2), call=lambda torch, *xs: torch.cat(xs, dim=1)),
    case("stack", real(3, 4), real(3, 4), call=lambda torch, *xs: torch.stack(xs, dim=1)),
    case("split", real(5, 2), split_size_or_sections=(1, 4)),
    case("unstack", real(), call="unbind", dim=1),
    case("overwrite", real(3, 4), real(4), call=lambda torch, x, y: x.clone().copy_(y)),
    case("fill", real(), call=lambda torch, x: x.clone().fill_(2.5)),
    *[
        case("pad_edges", real(2, 3, 4), call="nn.functional.pad", note=m, pad=(3, 2), mode=m)
        for m in ("reflect", "replicate", "circular")
    ],
    case(
        "pad_edges",
        real(1, 2, 4, 3),
        call="nn.functional.pad",
        note="two",
        pad=(2, 1, 0, 3),
        mode="reflect",
    ),
    case("fold_edges", real(2, 3, 4), call=backward_of(_reflected)),
    case("fold_edges", real(2, 3, 4), call=backward_of(_repeated), note="replicate"),
    case("pad", real(), call="nn.functional.pad", pad=(1, 2, 0, 1), value=0.5),
]

INDEX = [
    case("getitem", real(3, 4), call=lambda torch, x: x[1:, 2]),
    case("getitem", real(4, 3), call=lambda torch, x: x[..., None, ::2], note="step"),
    case("zeros_with", real(3, 4), call=backward_of(lambda torch, x: x[1:, 2])),
    case("take", real(4, 3), index(4, 5), call=lambda torch, x, i: x[i]),
    case("take", real(4, 3), index(12, 2, 2), note="flat"),
    case("take", real(4, 3), index(4, 5), index(3, 1), call=lambda torch, x, *i: x[i], note="two"),
    case("take", distinct(4, 3), call=lambda torch, x: x[x > 0], note="mask"),
    case("segment_sum", real(4, 3), index(4, 6), call=backward_of(lambda torch, x, i: x[i])),
    case("index_put", real(4, 3), index(4, 2), real(2, 3), call=_set_rows),
    case("index_put", real(4, 3), index(4, 6), real(6, 3), call=_add_rows, note="accumulate"),
    case("take_along_axis", real(3, 4), index(4, 3, 2), call=lambda torch, x, i: x.gather(1, i)),
    case(
        "add_along_axis",
        real(3, 4),
        index(4, 3, 6),
        call=backward_of(lambda _, x, i: x.gather(1, i)),
    ),
    case(
        "add_along_axis", real(3, 4), index(3, 2, 4), real(2, 4), call=_scatter_add, note="scatter"
    ),
    case(
        "put_along_axis",
        real(3, 4),
        index(4, 3, 1),
        real(3, 1),
        call=lambda _, x, i, v: x.scatter(1, i, v),
    ),
    *[case(n, real(4, 3)) for n in ("tril", "triu")],
    case("tril", real(2, 3, 4), note="diagonal", diagonal=-1),
    case("scatter_prod", real(3, 4), index(3, 6, 4), away(6, 4), call=_scatter_prod),
    case(
        "scatter_combine",
        distinct(3, 4),
        index(3, 6, 4),
        distinct(6, 4),
        call=lambda _, x, i, v: x.scatter_reduce(0, i, v, "amax"),
    ),
    case("diagonal", real(3, 4), offset=1),
    case("windows", real(3, 7), call=lambda torch, x: x.unfold(1, 3, 2)),
    case("as_strided", real(3, 4), call=lambda torch, x: x.contiguous().as_strided((2, 3), (3, 2))),
    case("argsort", distinct(), dim=0, descending=True),
]

LINALG = [
    case("matmul", real(3, 4), real(4, 5)),
    case("matmul", real(4), real(4), note="vectors"),
    case("matmul", real(2, 3, 4), real(4), note="vector"),
    case("matmul", real(2, 1, 3, 4), real(5, 4, 2), note="batches"),
    case(
        "matmul",
        real(2, 3, 4),
        real(2, 3, 5),
        call=lambda torch, a, b: torch.einsum("bij,bik->kj", a, b),
        note="einsum",
    ),
    *[
        case("p_norm", distinct(3, 4), call="linalg.vector_norm", note=f"{p}", ord=p, dim=1)
        for p in (0.5, 1, 2, 3, float("inf"))
    ],
]

DECOMPOSE = [
    *[
        case(n, real(3, 3), call=positive_definite(f))
        for n, f in {
            "inv": lambda torch, a: torch.linalg.inv(a),
            "cholesky": lambda torch, a: torch.linalg.cholesky(a),
            "det": lambda torch, a: torch.linalg.det(a),
            "logabsdet": lambda torch, a: torch.linalg.slogdet(a)[1],
            "sign_of_det": lambda torch, a: torch.linalg.slogdet(-a)[0],
            "eigvalsh": lambda torch, a: torch.linalg.eigvalsh(a),
            # eigenvectors and the like are unique up to their signs
            "eigh": lambda torch, a: [t.abs() for t in torch.linalg.eigh(a)],
        }.items()
    ],
    case("solve", real(3, 3), real(3, 2), call="linalg.solve"),
    case("cholesky_solve", real(3, 2), real(3, 3), call=_cholesky_solve),
    case("qr", real(4, 3), call=lambda torch, a: [t.abs() for t in torch.linalg.qr(a)]),
    case("svd", real(4, 3), call=lambda torch, a: [t.abs() for t in torch.linalg.svd(a, False)]),
    case("svd_complete", real(3, 4), call=_svd_complete),
    case("svdvals", real(3, 4), call="linalg.svdvals"),
    case("pinv", real(4, 3), call="linalg.pinv"),
    case("zero_norm", away(3, 4), call="linalg.vector_norm", ord=0, dim=1),
]

ACTIVATION = [
    *[
        case(name, away(), call=f"nn.functional.{name}", **static)
        for name, static in {
            "relu": {},
            "leaky_relu": {"negative_slope": 0.2},
            "elu": {"alpha": 1.3},
            "threshold": {"threshold": 0.3, "value": -2.0},
            "hardtanh": {"min_val": -1.1, "max_val": 1.2},
            "hardshrink": {},
            "softshrink": {},
            "gelu": {},
            "silu": {},
            "mish": {},
            "softplus": {"beta": 2, "threshold": 3},
            "logsigmoid": {},
            "hardsigmoid": {},
            "hardswish": {},
            "softsign": {},
            "tanhshrink": {},
        }.items()
    ],
    case("elu", away(), call="nn.functional.selu", note="selu"),
    case("gelu_tanh", real(), call="nn.functional.gelu", approximate="tanh"),
    case("prelu", away(2, 3, 4), real(3), call="nn.functional.prelu"),
    case("glu", real(4, 6), call="nn.functional.glu", dim=1),
]

NORMALISE = [
    *[case(n, real(2, 3, 4), dim=1) for n in ("softmax", "log_softmax", "logsumexp")],
    case("softmax", real(2, 3, 4), note="last", dim=-1),
    case("vecdot", real(), call=backward_of(lambda torch, x: x.softmax(1))),
    case("batch_norm", real(5, 3), real(3), real(3), call=_batch_norm),
    case("batch_norm", real(5, 3, 2), call=_batch_norm, note="plain"),
    case(
        "batch_norm_fixed",
        real(5, 3, 2),
        real(3).constant(),
        positive(3).constant(),
        real(3),
        real(3),
        call="nn.functional.batch_norm",
    ),
    case("layer_norm", real(2, 3, 4), real(3, 4), real(3, 4), call=_over((3, 4), "layer_norm")),
    case("layer_norm", real(2, 4), call=_over((4,), "layer_norm"), note="plain"),
    case("rms_norm", real(2, 3, 4), real(4), call=_over((4,), "rms_norm")),
    case("group_norm", real(2, 4, 3), real(4), real(4), call=_over(2, "group_norm")),
]

LOSS = [
    *[
        case(
            n,
            real(5, 4),
            index(4, 5),
            call=f"nn.functional.{f}",
            note=reduction,
            reduction=reduction,
        )
        for n, f in {"cross_entropy": "cross_entropy", "nll": "nll_loss"}.items()
        for reduction in ("none", "mean", "sum")
    ],
    case(
        "cross_entropy",
        real(2, 4, 3),
        index(4, 2, 3),
        positive(4).constant(),
        call="nn.functional.cross_entropy",
        note="weight",
        ignore_index=2,
    ),
    *[
        case(
            n,
            real(5, 4),
            distinct(5, 4),
            call=f"nn.functional.{n}_loss",
            note=reduction,
            reduction=reduction,
        )
        for n in ("mse", "l1", "smooth_l1", "huber")
        for reduction in ("none", "mean")
    ],
    case("bce_with_logits", real(5, 4), unit(5, 4), positive(4).constant(), call=_bce_with_logits),
    case("bce", real(5, 4), real(5, 4), call=_bce),
    case("ctc", real(6, 2, 4), call=_ctc),
]

NET = [
    case("linear", real(2, 3, 4), real(5, 4), real(5), call="nn.functional.linear"),
    case("linear", real(3, 4), real(5, 4), call="nn.functional.linear", note="no bias"),
    case(
        "embedding",
        real(5, 3),
        index(5, 2, 4),
        call=lambda torch, w, i: torch.nn.functional.embedding(i, w),
    ),
    case("dropout", real(), call=seeded(lambda torch, x: torch.nn.functional.dropout(x, 0.4))),
    case("dirichlet", positive(), call=seeded(lambda torch, x: torch._sample_dirichlet(x.exp()))),
    case("standard_gamma", positive(), call=seeded(lambda torch, x: torch._standard_gamma(x + 1))),
    case("random", real(), call=seeded(lambda torch, x: x.clone().uniform_(-1, 1))),
    case(
        "attention",
        real(2, 3, 4),
        real(2, 5, 4),
        real(2, 5, 3),
        call="nn.functional.scaled_dot_product_attention",
    ),
    case(
        "attention",
        real(2, 3, 4),
        real(2, 3, 4),
        real(2, 3, 4),
        note="causal",
        call="nn.functional.scaled_dot_product_attention",
        is_causal=True,
    ),
]


def _recurrent(name: str, *how: Any) -> Callable[..., Any]:
    """torch.lstm and related functions, with settings `how`; 2-d inputs are packed as 3 and 2."""

    def call(torch: Any, x: Any, h: Any, *rest: Any) -> Any:
        h, weights = (h, rest) if name != "lstm" else ((h, rest[0]), rest[1:])
        run = getattr(torch, name)
        if x.ndim == 3:
            return run(x, h, weights, True, *how, False)
        sizes = torch.tensor([3, 2], device="cpu")
        return run(x, sizes, h, weights, True, *how)

    return call


_ONE_WAY, _BOTH_WAYS = (1, 0.0, False, False), (1, 0.0, False, True)
_GATED = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def _weights(gates: int) -> list[Any]:
    """Weights for inputs of two features and states of three."""
    return [real(3 * gates, 2), real(3 * gates, 3), real(3 * gates), real(3 * gates)]


RECURRENT = [
    *[
        case(
            f"{name.partition('_')[0]}_layer",
            *[real(3, 2, 2), real(1, 2, 3), real(1, 2, 3)][: 3 if name == "lstm" else 2],
            *_weights(gates),
            call=_recurrent(name, *_ONE_WAY),
            note=name.partition("_")[2],
        )
        for name, gates in _GATED.items()
    ],
    *[
        case(
            f"{name.partition('_')[0]}_layer",
            *[real(5, 2), real(2, 3, 3), real(2, 3, 3)][: 3 if name == "lstm" else 2],
            *_weights(gates),
            *_weights(gates),
            call=_recurrent(name, *_BOTH_WAYS),
            note="packed",
        )
        for name, gates in _GATED.items()
        if name != "rnn_relu"
    ],
]

_POOL = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}


def _linear(torch: Any, x: Any) -> Any:
    return torch.nn.functional.interpolate(x, scale_factor=1.7, mode="linear")


def _max_pool(torch: Any, x: Any) -> Any:
    return torch.nn.functional.max_pool1d(x, 3, 2)


def _avg_pool(torch: Any, x: Any) -> Any:
    return torch.nn.functional.avg_pool1d(x, 3, 2)


WINDOW = [
    case(
        "unfold",
        real(2, 3, 7, 5),
        call="nn.functional.unfold",
        kernel_size=(3, 2),
        stride=2,
        padding=1,
    ),
    case(
        "fold",
        real(2, 18, 6),
        call="nn.functional.fold",
        output_size=(5, 4),
        kernel_size=(3, 2),
        stride=(2, 1),
    ),
    case("convolve", real(2, 4, 9), real(6, 2, 3), real(6), call="nn.functional.conv1d", groups=2),
    case(
        "convolve",
        real(2, 3, 6, 7),
        real(4, 3, 3, 2),
        call="nn.functional.conv2d",
        note="2d",
        stride=(2, 1),
        padding=1,
        dilation=(1, 2),
    ),
    case(
        "convolve",
        real(1, 2, 4, 5, 4),
        real(3, 2, 1, 3, 3),
        call="nn.functional.conv3d",
        note="3d",
        padding="same",
    ),
    case(
        "convolve_input",
        real(2, 4, 5, 4),
        real(4, 3, 3, 2),
        real(3),
        call="nn.functional.conv_transpose2d",
        stride=2,
        padding=1,
        output_padding=1,
    ),
    case(
        "convolve_weight",
        real(4, 3, 3, 2),
        real(2, 3, 6, 7),
        call=backward_of(lambda torch, w, x: torch.nn.functional.conv2d(x, w)),
    ),
    case(
        "sum_channels",
        real(4),
        real(2, 3, 6),
        real(4, 3, 2),
        call=backward_of(lambda torch, b, x, w: torch.nn.functional.conv1d(x, w, b)),
    ),
    case("max_pool", distinct(2, 3, 7, 8), call="nn.functional.max_pool2d", **_POOL),
    case("max_pool_backward", distinct(2, 3, 7), call=backward_of(_max_pool)),
    case("pick_max", distinct(2, 3, 7), call=backward_of(backward_of(_max_pool))),
    case("avg_pool", real(2, 3, 7, 8), call="nn.functional.avg_pool2d", **_POOL),
    case("avg_pool", real(2, 3, 7), call="nn.functional.avg_pool1d", note="1d", kernel_size=3),
    case("avg_pool_backward", real(2, 3, 7), call=backward_of(_avg_pool)),
    case("resample", real(2, 3, 5), call=_linear),
]

CASES = [
    *(*ELEMENTWISE, *BINARY, *SPECIAL, *REDUCE, *SHAPE, *INDEX, *LINALG, *DECOMPOSE),
    *(*ACTIVATION, *NORMALISE, *LOSS, *NET, *RECURRENT, *WINDOW, *COMPLEX),
]
