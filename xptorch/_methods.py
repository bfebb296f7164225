"""Which functions are methods of Tensor, which have in-place forms, and the operators."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from xptorch._dtype import dtype
from xptorch._tensor import Tensor
from xptorch.ops import (
    activation,
    bessel,
    comparison,
    cumulative,
    decompositions,
    elementwise,
    gamma,
    index,
    inverses,
    layout,
    linalg,
    memory,
    normal,
    norms,
    random,
    reduce,
    scatter,
    shape,
    slicing,
    softmax,
    sort,
    special,
    statistics,
)
from xptorch.ops._common import inplace, to_dtype

METHODS: dict[ModuleType, str] = {
    elementwise: """
        abs+ absolute+ acos+ acosh+ add+ arccos+ arccosh+ arcsin+ arcsinh+ arctan+ arctanh+ asin+
        asinh+ atan+ atanh+ ceil+ cos+ cosh+ div+ divide+ erf+ erfc+ exp+ exp2+ expm1+ fix+
        float_power float_power_ floor+ floor_divide+ fmod+ frac+ log+ log10+ log1p+ log2+ maximum
        minimum mul+ multiply+ neg+ negative+ positive pow+ reciprocal+ remainder+ round+ rsqrt+
        sgn+ sigmoid+ sign+ sin+ sinh+ sqrt+ square+ sub+ subtract+ tan+ tanh+ true_divide+ trunc+
    """,
    special: """
        addcdiv+ addcmul+ arctan2+ atan2+ deg2rad+ gcd+ heaviside+ hypot+ lcm+ ldexp+ lerp+
        logaddexp logaddexp2 logit+ nextafter+ rad2deg+ sinc+ xlogy+
    """,
    gamma: "digamma+ lgamma+ mvlgamma+",
    bessel: "i0+",
    normal: "erfinv+",
    comparison: """
        allclose bitwise_and+ bitwise_left_shift+ bitwise_not+ bitwise_or+ bitwise_right_shift+
        bitwise_xor+ clamp+ clamp_max+ clamp_min+ clip+ copysign+ eq+ equal fmax fmin ge+ greater+
        greater_equal+ gt+ isclose isfinite isinf isnan isneginf isposinf le+ less+ less_equal+
        logical_and+ logical_not+ logical_or+ logical_xor+ lt+ masked_fill+ nan_to_num+ ne+
        not_equal+ signbit
    """,
    shape: """
        broadcast_to chunk clone contiguous detach expand expand_as flatten moveaxis movedim permute
        ravel reshape reshape_as split split_with_sizes squeeze sum_to_size swapaxes swapdims t
        transpose unbind unflatten unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze view
        view_as
    """,
    layout: """
        dsplit flip fliplr flipud hsplit repeat roll rot90 tensor_split tile vsplit
    """,
    slicing: """
        diag diag_embed diagflat diagonal diagonal_scatter fill_diagonal_ narrow repeat_interleave
        select select_scatter slice_scatter trace tril+ triu+ unfold
    """,
    index: """
        argwhere index_put+ masked_scatter+ masked_select nonzero put+ take
    """,
    scatter: """
        gather index_add+ index_copy+ index_fill+ index_reduce+ index_select scatter+ scatter_add+
        scatter_reduce+ take_along_dim
    """,
    reduce: """
        all amax amin aminmax any argmax argmin count_nonzero max mean min nanmean nansum prod std
        sum var
    """,
    cumulative: """
        cummax cummin cumprod+ cumsum+ diff logcumsumexp
    """,
    sort: """
        argsort bincount msort sort topk unique unique_consecutive
    """,
    statistics: """
        corrcoef cov histc kthvalue median mode nanmedian nanquantile quantile
    """,
    linalg: """
        addbmm+ addmm+ addmv+ addr+ baddbmm+ bmm cross dot ger inner kron matmul mm mv outer vdot
    """,
    norms: "dist norm renorm+",
    decompositions: """
        cholesky cholesky_inverse cholesky_solve svd
    """,
    inverses: """
        det inverse logdet matrix_exp matrix_power pinverse slogdet
    """,
    activation: "hardshrink prelu relu+",
    softmax: "log_softmax logsumexp softmax",
    memory: """
        copy_ fill_ resize_ resize_as_ set_ zero_
    """,
    random: """
        bernoulli bernoulli_ cauchy_ exponential_ geometric_ log_normal_ multinomial normal_
        random_ uniform_
    """,
}  # a + stands for an in-place form as well, with an underscore

CASTS = {
    **{"bool": "bool", "byte": "uint8", "char": "int8", "short": "int16", "int": "int32"},
    **{"long": "int64", "half": "float16", "float": "float32", "double": "float64"},
    **{"cfloat": "complex64", "cdouble": "complex128"},
}


def _swapped(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, other: Any) -> Tensor:
        return function(other, self)

    return method


def _cast_to(target: dtype) -> Callable[..., Any]:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return to_dtype(self, target)

    return method


def _become(function: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place form of a function that changes only the shape."""

    def method(self: Tensor, *args: Any) -> Tensor:
        result = function(self, *args)
        for name in ("_data", "_node", "_needs"):
            setattr(self, name, getattr(result, name))
        if self._base is not None:
            self._replay = (*self._replay, lambda x: function(x, *args))
        return self

    return method


def _where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    return comparison.where(condition, self, other)


def _reversed_axes(t: Tensor) -> Tensor:
    return shape.permute(t, *reversed(range(t.ndim)))


def _matrix_transpose(t: Tensor) -> Tensor:
    if t.ndim < 2:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices. "
            f"Got {t.ndim}-D tensor."
        )
    return shape.transpose(t, -2, -1)


def _adjoint(t: Tensor) -> Tensor:
    if t.dtype.is_complex:
        raise NotImplementedError("the adjoint of complex matrices")
    return _matrix_transpose(t)


def _adjoint_of_matrix(t: Tensor) -> Tensor:
    if t.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {t.ndim}-D tensor."
        )
    return _adjoint(t) if t.ndim else t


def install() -> None:
    """Give Tensor its methods; called once, when the package is imported."""
    from xptorch._dtype import DTYPES

    for module, names in METHODS.items():
        for word in names.split():
            name = word.removesuffix("+")
            function = getattr(module, name)
            setattr(Tensor, name, function)
            if word != name:
                method = inplace(function)
                method.__name__ = method.__qualname__ = name + "_"
                setattr(Tensor, name + "_", method)
    for name in ("squeeze", "swapaxes", "swapdims", "t", "transpose", "unsqueeze"):
        setattr(Tensor, name + "_", _become(getattr(shape, name)))
    for name, target in CASTS.items():
        setattr(Tensor, name, _cast_to(DTYPES[target]))
    e, c = elementwise, comparison
    methods: Any = Tensor
    operators: dict[str, Callable[..., Any]] = {
        **{"__add__": e.add, "__radd__": e.add, "__sub__": e.sub, "__rsub__": _swapped(e.sub)},
        **{"__mul__": e.mul, "__rmul__": e.mul, "__truediv__": e.div},
        **{"__rtruediv__": _swapped(e.div), "__floordiv__": e.floor_divide},
        **{"__rfloordiv__": _swapped(e.floor_divide), "__mod__": e.remainder},
        **{"__rmod__": _swapped(e.remainder), "__pow__": e.pow, "__rpow__": _swapped(e.pow)},
        **{"__matmul__": linalg.matmul, "__rmatmul__": _swapped(linalg.matmul)},
        **{"__getitem__": index.getitem, "__setitem__": index.setitem},
        **{"__neg__": e.neg, "__pos__": e.positive, "__abs__": e.abs},
        **{"__eq__": c.eq, "__ne__": c.ne, "__lt__": c.lt, "__le__": c.le},
        **{"__gt__": c.gt, "__ge__": c.ge, "__invert__": c.bitwise_not},
        **{"__and__": c.bitwise_and, "__or__": c.bitwise_or, "__xor__": c.bitwise_xor},
        **{"__rand__": c.bitwise_and, "__ror__": c.bitwise_or, "__rxor__": c.bitwise_xor},
        **{"__lshift__": c.bitwise_left_shift, "__rshift__": c.bitwise_right_shift},
        **{"__iadd__": methods.add_, "__isub__": methods.sub_, "__imul__": methods.mul_},
        **{"__itruediv__": methods.div_, "__ifloordiv__": methods.floor_divide_},
        **{"__ilshift__": methods.bitwise_left_shift_, "__irshift__": methods.bitwise_right_shift_},
        **{"__imod__": methods.remainder_, "__ipow__": methods.pow_},
        **{"__iand__": methods.bitwise_and_, "__ior__": methods.bitwise_or_},
        **{"__ixor__": methods.bitwise_xor_},
    }
    for name, function in operators.items():
        setattr(Tensor, name, function)
    methods.where = _where
    methods.T = property(_reversed_axes)
    methods.mT = property(_matrix_transpose)
    methods.mH = property(_adjoint)
    methods.H = property(_adjoint_of_matrix)
