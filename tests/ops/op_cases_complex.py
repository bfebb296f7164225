"""Op cases of complex numbers: their inputs are pairs of real ones, and so are their results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.ops.op_case import OpCase, away, case, real


def of_complex(function: Any) -> Callable[..., Any]:
    """A function of complex numbers, with arguments and result as pairs along the last axis."""

    def call(torch: Any, *pairs: Any) -> Any:
        pairs = [single(torch, x) for x in pairs]
        y = function(torch, *[torch.complex(x[..., 0], x[..., 1]) for x in pairs])
        return torch.view_as_real(y) if y.is_complex() else y

    return call


def single(torch: Any, x: Any) -> Any:
    """x in float32 if in half precision, of which there are no complex numbers."""
    return x.float() if x.dtype is torch.float16 else x


def _part(name: str) -> Callable[..., Any]:
    def call(torch: Any, x: Any) -> Any:
        return torch.abs(getattr(torch, name)(x.detach().to(torch.complex128)))

    return call


def _elementwise(name: str, note: str) -> OpCase:
    squared = of_complex(lambda torch, z: getattr(torch, name)(z) ** 2)
    return case(name, away(3, 2), call=squared, note=note)


def _complex(torch: Any, a: Any, b: Any) -> Any:
    return torch.view_as_real(torch.complex(single(torch, a), single(torch, b)) ** 2)


def _view_as_complex(torch: Any, x: Any) -> Any:
    pairs = torch.stack([single(torch, x)[..., 0], single(torch, x)[..., 1]], -1)
    return torch.view_as_real(torch.view_as_complex(pairs) ** 2)


def _to_complex(torch: Any, x: Any) -> Any:
    return torch.view_as_real(x.double().to(torch.complex128) * (2 + 3j))


def _fft(torch: Any, z: Any) -> Any:
    return torch.fft.fft2(z, s=(4, 2), norm="ortho")


def _half(torch: Any, x: Any) -> Any:
    return torch.view_as_real(torch.fft.rfft(single(torch, x), dim=1))


def _lu(torch: Any, x: Any) -> Any:
    return torch.linalg.lu_factor_ex(x)[0]


def _eig(torch: Any, x: Any) -> Any:
    w, v = torch.linalg.eig(x)
    return (w * w * w).sum(-1).real, (v @ torch.diag_embed(w) @ torch.linalg.inv(v)).abs()


def _sign_of_det(torch: Any, z: Any) -> Any:
    return torch.linalg.slogdet(z)[0]


COMPLEX = [
    case("lu", real(3, 3), call=_lu),
    case("lu", real(2, 4, 3), call=_lu, note="tall"),
    case("lu", real(3, 4), call=_lu, note="wide"),
    case("eig", real(3, 3), call=_eig),
    case("eigvals", real(3, 3), call=lambda torch, x: (torch.linalg.eigvals(x) ** 3).sum().real),
    case("sign_of_det", real(3, 3, 2), call=of_complex(_sign_of_det), note="complex"),
    case("fftn", real(3, 3, 2), call=of_complex(_fft)),
    case("fftn", real(3, 3, 2), call=of_complex(lambda t, z: t.fft.ifft(z, dim=-1)), note="back"),
    case("rfft", real(3, 4), call=_half),
    case("rfft", real(3, 5), call=_half, note="odd"),
    case("irfft", real(3, 3, 2), call=of_complex(lambda torch, z: torch.fft.irfft(z, n=5, dim=1))),
    case("irfft", real(3, 4, 2), call=of_complex(lambda t, z: t.fft.hfft(z, dim=1)), note="even"),
    *[case(n, real(), call=_part(n)) for n in ("real", "imag", "conj")],
    *[_elementwise(n, "parts") for n in ("real", "imag", "conj")],
    case("angle", away(3, 2), call=of_complex(lambda torch, z: torch.angle(z))),
    case("magnitude", away(3, 2), call=of_complex(lambda torch, z: torch.abs(z))),
    case("sgn", away(3, 2), call=of_complex(lambda torch, z: torch.sgn(z))),
    case("view_as_real", real(3, 2), call=of_complex(lambda torch, z: torch.view_as_real(z) ** 2)),
    case("view_as_complex", real(3, 2), call=_view_as_complex),
    case("complex", real(3, 1), real(4), call=_complex),
    case("to_complex", real(3, 4), call=_to_complex),
    *[_elementwise(n, "complex") for n in ("exp", "sin", "tanh", "sqrt", "log")],
    *[
        case(n, real(3, 1, 2), away(4, 2), call=of_complex(call), note="complex")
        for n, call in (
            ("multiply", lambda torch, a, b: a * b),
            ("divide", lambda torch, a, b: a / b),
            ("pow", lambda torch, a, b: a**b),
        )
    ],
    case("matmul", real(3, 4, 2), real(4, 5, 2), call=of_complex(lambda t, a, b: a @ b), note="C"),
]
