"""Functions and methods outside PyTorch's OpInfo database, compared with PyTorch call by call."""

from __future__ import annotations

import operator
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is the reference")

import torch

import xptorch

CALLS: dict[str, Callable[[Any], Any]] = {
    "as_strided over a view": lambda t: t.arange(12.0).view(3, 4)[1:].as_strided((2, 2), (1, 2), 3),
    "as_strided writes through": lambda t: _write_through(t),
    "fill of an expanded tensor": lambda t: t.ones(1, 3).expand(2, 3).zero_(),
    "invert": lambda t: ~t.ones(2),
    "storage": lambda t: _of_storage(t.arange(6.0)[2:]),
    "set_": lambda t: t.empty(0).set_(t.arange(6.0), 1, (2, 2), (1, 2)),
    "new sizes": lambda t: list(t.ones(1).new(2, 3).shape),
    "new data": lambda t: t.ones(1).long().new([1.5, 2]),
    "new other dtype": lambda t: t.ones(1).new(t.ones(1).long()),
    "resize": lambda t: t.arange(6.0).resize(2, 3),
    "channels_last": lambda t: _formats(t, t.arange(24.0).view(2, 3, 2, 2)),
    "channels_last of a matrix": lambda t: t.ones(2, 2).contiguous(memory_format=t.channels_last),
    "in place at the top": lambda t: t.exp_(t.ones(2)),
    "apply_": lambda t: t.arange(3.0).apply_(lambda v: v * v),
    "map_": lambda t: t.ones(3).map_(t.arange(3.0), lambda a, b: a + b),
    "native_dropout": lambda t: _seeded(t, lambda: t.native_dropout(t.ones(50), 0.4, True)),
    "native_dropout off": lambda t: t.native_dropout(t.ones(5), 0.4, False),
    "kl_div": lambda t: t.kl_div(t.ones(2, 2), t.ones(2, 2) / 2),
    "kl_div sum": lambda t: t.kl_div(t.ones(2, 2), t.ones(2, 2) / 2, 2),
    "triplets": lambda t: t.triplet_margin_loss(t.ones(2, 2), t.zeros(2, 2), t.ones(2, 2), 1.0),
    "norm_except_dim": lambda t: t.norm_except_dim(t.arange(6.0).view(2, 3), 2, 1),
    "conv_tbc": lambda t: t.conv_tbc(
        t.arange(30.0).view(5, 2, 3), t.ones(2, 3, 4), t.arange(4.0), 1
    ),
    "grid_sampler": lambda t: t.grid_sampler(t.ones(1, 1, 3, 3), t.zeros(1, 2, 2, 2), 0, 1, True),
    "frobenius_norm": lambda t: t.frobenius_norm(t.arange(6.0).view(2, 3), [0, 1]),
    "nuclear_norm": lambda t: t.nuclear_norm(t.arange(6.0).view(2, 3)),
    "histogram range": lambda t: t.histogram(t.arange(6.0), 3, range=(4, 1)),
    "frombuffer": lambda t: t.frombuffer(bytearray(range(8)), dtype=t.int16, offset=2, count=2),
    "frombuffer short": lambda t: t.frombuffer(bytearray(8), dtype=t.int16, offset=9),
    "asarray": lambda t: t.asarray([1, 2], copy=False),
    "from_dlpack": lambda t: t.utils.dlpack.from_dlpack(t.arange(3.0)),
    "range": lambda t: t.range(1, 2, 0.5),
    "polygamma": lambda t: t.arange(1.0, 4.0).polygamma_(2),
    "rdiv": lambda t: t.arange(3.0).__rdiv__(2.0),
    "delete": lambda t: t.ones(2).__delitem__(0),
    "is_nonzero": lambda t: t.is_nonzero(t.ones(2)),
    "is_complex": lambda t: t.is_complex(3),
    "typename": lambda t: t.typename(3),
    "dim_order": lambda t: t.ones(2, 3, 4).permute(2, 0, 1).dim_order(),
    "zeta at the ends": lambda t: t.special.zeta(
        t.tensor([0.5, 1.0, 2.0, 3.0, 2.5, 2.0, 3.0]), t.tensor([1.0, 2.0, 0, -1, -1.5, t.inf, 0.1])
    ),
    "igamma at the ends": lambda t: t.igamma(
        t.tensor([0.0, 0, 1, -1, 1, t.inf, 2]), t.tensor([0.0, 1, 0, 1, -1, 1, t.inf])
    ),
    "igamma far out": lambda t: t.igammac(
        t.tensor([0.5, 5, 80, 1e4]).double(), t.tensor([20.0, 40, 120, 10100]).double()
    ),
    "igamma of a": lambda t: t.igamma(t.ones(1, requires_grad=True), t.ones(1)).backward(),
    "linspace": lambda t: [
        t.linspace(a, b, n, dtype=t.int64)
        for a, b, n in ((117, 83, 7), (88, -35, 10), (-27, -30, 31), (3.7, -9.2, 17))
    ],
    "linspace of bytes": lambda t: t.linspace(-16, 11, 39, dtype=t.uint8),
    "segments": lambda t: [
        t.segment_reduce(t.arange(6.0), kind, lengths=t.tensor([2, 0, 4]), initial=3.0)
        for kind in ("sum", "mean", "prod", "max", "min")
    ],
    "segments by offsets": lambda t: t.segment_reduce(
        t.arange(6.0), "sum", offsets=t.tensor([0, 2, 6])
    ),
    "square three times": lambda t: _third_derivative(t),
}


def _write_through(t: Any) -> Any:
    x = t.arange(12.0).requires_grad_()
    v = x * 1
    v.as_strided((2, 2), (1, 2), 3).mul_(5)
    return [v, *t.autograd.grad((v * v).sum(), x)]


def _of_storage(x: Any) -> Any:
    s, bytes_ = x.storage(), x.untyped_storage()
    return [s.tolist(), len(s), s.nbytes(), bytes_.nbytes(), s.data_ptr() == bytes_.data_ptr()]


def _formats(t: Any, y: Any) -> Any:
    z = y.contiguous(memory_format=t.channels_last)
    kept = [z, z.clone(), z.contiguous(), y.to(memory_format=t.channels_last)]
    kept.append(z.clone(memory_format=t.contiguous_format))
    flags = [z.is_contiguous(), z.is_contiguous(memory_format=t.channels_last)]
    return [*kept, [k.stride() for k in kept], flags]


def _seeded(t: Any, function: Callable[[], Any]) -> Any:
    t.manual_seed(3)
    return function()


def _third_derivative(t: Any) -> Any:
    y = x = t.tensor([2.0, 3.0], requires_grad=True)
    for _ in range(3):
        y = t.autograd.grad((t.square(x) if y is x else y).sum(), x, create_graph=True)[0]
    return y


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_as_in_torch(call: Callable[[Any], Any]) -> None:
    assert _outcome(xptorch, call) == _about(_outcome(torch, call))


def _outcome(library: Any, call: Callable[[Any], Any]) -> Any:
    with warnings.catch_warnings(action="ignore"):
        try:
            return _plain(call(library))
        except Exception as error:
            return type(error)


def _plain(value: Any) -> Any:
    """Values as nested lists."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return [str(value.dtype).rpartition(".")[2], list(value.shape), value.tolist()]
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _about(value: Any) -> Any:
    """The same value, whose floats compare equal up to rounding."""
    if isinstance(value, list):
        return [_about(v) for v in value]
    return pytest.approx(value, rel=1e-5, nan_ok=True) if isinstance(value, float) else value


def test_an_array_made_of_a_tensor_is_a_copy() -> None:
    t = xptorch.zeros(3)
    np.array(t)[0] = 1
    np.array(t.storage())[0] = 1
    np.array(t, dtype="f4")[0] = 1
    assert t.tolist() == [0, 0, 0]
    np.asarray(t)[0] = 1
    assert t.tolist() == [1, 0, 0]
    with pytest.raises(ValueError, match="copy"):
        t.__array__("f8", copy=False)


class TestViewsOfConvolutions:
    """Their results are stored channels last: a view aliases them, or refuses in-place changes."""

    @staticmethod
    def result(**options: Any) -> Any:
        return xptorch.nn.functional.conv2d(
            xptorch.ones(2, 2, 4, 4), xptorch.ones(3, 2, 3, 3), **options
        )

    @pytest.mark.parametrize("recorded", [True, False])
    def test_a_change_of_the_view_reaches_the_tensor(self, recorded: bool) -> None:
        y = self.result(bias=xptorch.zeros(3, requires_grad=recorded)).relu()
        z = (y * y).detach()  # y is saved, which does not matter
        flat = y.view(2, -1)
        flat.mul_(0)
        assert not y.any() and z.all()
        y.add_(1)
        assert flat.all()

    def test_of_shared_memory_it_is_to_be_read_only(self) -> None:
        for alias in (lambda y: y.detach(), lambda y: y[0], lambda y: y.numpy(), lambda y: y.data):
            y = self.result()
            other = alias(y)
            flat = y.view(2, -1)
            assert flat.all() and other.all()
            for write in (lambda t: t.detach().zero_(), lambda t: t.data.zero_()):
                with pytest.raises(RuntimeError, match="cannot be changed in place"):
                    write(flat)
            for write in (lambda t: t.zero_(), lambda t: t[0].mul_(2), lambda t: t.relu_()):
                with pytest.raises(RuntimeError, match="cannot be changed in place"):
                    write(flat)
            with pytest.raises(RuntimeError, match="cannot be changed in place"):
                flat[0] = 1


@pytest.mark.parametrize("change", [lambda t: t.mul_(2), lambda t: t[0].zero_()])
@pytest.mark.parametrize("axes", [(2, 0, 1), (2, 1, 0), (1, 0, 2)])
def test_changes_through_as_strided_of_memory_in_another_order(axes: Any, change: Any) -> None:
    def gradient(library: Any) -> Any:
        x = library.arange(24.0).reshape(3, 4, 2).requires_grad_()
        y = x.permute(axes) * 1.5
        part = library.as_strided(y, (2, 3), (9, 2), 1)
        change(part)
        (y.sin().sum() + (part * 3).sum()).backward()
        return x.grad

    ours, theirs = gradient(xptorch), gradient(torch)
    assert ours.reshape(-1).tolist() == pytest.approx(theirs.reshape(-1).tolist())


def test_devices_that_are_not_there() -> None:
    for t in (xptorch, torch):
        with pytest.raises(RuntimeError, match="negative"):
            t.device(-1)
        if not t.cuda.is_available():
            with pytest.raises(AssertionError):
                t.ones(1).cuda()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolution(axes: int, transposed: bool) -> None:
    def found(library: Any) -> Any:
        x = library.arange(2.0 * 4 * 5**axes).reshape(2, 4, *[5] * axes) % 7
        w = library.arange(4.0 * 2 * 2**axes).reshape(4, 2, *[2] * axes) % 3
        rest = [2] * axes, [1] * axes, [1] * axes, transposed, [int(transposed)] * axes, 2
        with pytest.raises(RuntimeError, match="dimensional input"):
            library.convolution(x[0], w, None, *rest)
        return library.convolution(x, w, None, *rest)

    ours, theirs = found(xptorch), found(torch)
    assert ours.shape == theirs.shape
    assert ours.tolist() == theirs.tolist()


OUT_IS_EXACT: dict[str, Callable[..., Any]] = {
    "mm": lambda t, x, out: t.mm(x, x, out=out),
    "addmm": lambda t, x, out: t.addmm(x, x, x, out=out),
    "matmul": lambda t, x, out: t.matmul(x, x, out=out),
    "diag": lambda t, x, out: t.diag(x[0], out=out),
    "tril": lambda t, x, out: t.tril(x, out=out),
    "softmax": lambda t, x, out: t.softmax(x, 0, out=out),
    "norm": lambda t, x, out: t.norm(x, out=out),
    "gather": lambda t, x, out: t.gather(x, 0, x.long(), out=out),
    "scatter_add": lambda t, x, out: t.scatter_add(x, 0, x.long(), x, out=out),
    "index_select": lambda t, x, out: t.index_select(x, 0, t.tensor([0]), out=out),
    "quantile": lambda t, x, out: t.quantile(x, 0.5, out=out),
    "sort": lambda t, x, out: t.sort(x, out=(out, t.empty(0, dtype=t.int64))),
    "max": lambda t, x, out: t.max(x, 0, out=(out, t.empty(0, dtype=t.int64))),
}


@pytest.mark.parametrize("name", OUT_IS_EXACT)
def test_out_of_another_dtype_is_refused(name: str) -> None:
    for library in (xptorch, torch):
        x = library.ones(2, 2) - library.eye(2)
        OUT_IS_EXACT[name](library, x, library.empty(0))
        with pytest.raises(RuntimeError):
            OUT_IS_EXACT[name](library, x, library.empty(0, dtype=library.float64))


@pytest.mark.parametrize("weight", [0.5, [1, 1, 1]])
def test_lerp_is_not_of_integers(weight: Any) -> None:
    for library in (xptorch, torch):
        x = library.arange(3)
        w = library.tensor(weight) if isinstance(weight, list) else weight
        with pytest.raises(NotImplementedError, match="not implemented for 'Long'"):
            library.lerp(x, x, w)


def test_layers_stand_where_pytorch_has_them() -> None:
    homes = vars(torch.nn.modules).items()
    names = [
        f"{home}.{name}"
        for home, module in homes
        if isinstance(module, types.ModuleType) and not home.startswith("_")
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, torch.nn.Module)
        if kind.__module__ == module.__name__ and not name.startswith("_")
    ]
    assert len(names) > 140
    missing = [n for n in names if not operator.attrgetter(n)(_Known(xptorch.nn.modules))]
    assert missing == []


class _Known:
    """A module whose absent names are None."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.value, name, None)
        return _Known(found) if isinstance(found, types.ModuleType) else found
