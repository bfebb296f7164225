"""Which functions are methods of Tensor, which have in-place forms, and the operators."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from xptorch._core.dtype import FLOAT, dtype
from xptorch._engine.codegen import compiled_lazily, operator_source
from xptorch._tensor.tensor import Tensor
from xptorch.ops._common import inplace, to_dtype
from xptorch.ops.elementwise import arithmetic, combinations, comparison, complex, predicates
from xptorch.ops.index import indexing, scatter, sort
from xptorch.ops.layers import activation, softmax
from xptorch.ops.linalg import decompositions, householder, inverses, lu, norms, products
from xptorch.ops.random import sampling
from xptorch.ops.reduction import cumulative, histogram, reduce, statistics
from xptorch.ops.shape import (
    arrangement,
    copy_and_fill,
    creation,
    slicing,
    storage,
    strided,
    view_copies,
    views,
)
from xptorch.ops.signal import stft
from xptorch.ops.special import bessel, elementary, error_functions, gamma

METHODS: dict[ModuleType, str] = {
    arithmetic: """
        abs abs_ absolute absolute_ acos+ acosh+ add+ arccos+ arccosh+ arcsin+ arcsinh+ arctan+
        arctanh+ asin+ asinh+ atan+ atanh+ ceil+ cos+ cosh+ div+ divide+ erf+ erfc+ exp+ exp2+
        expm1+ fix+
        float_power float_power_ floor+ floor_divide+ fmod+ frac+ log+ log10+ log1p+ log2+ maximum
        minimum mul+ multiply+ neg+ negative+ positive pow+ reciprocal+ remainder+ round+ rsqrt+
        sgn+ sigmoid+ sign+ sin+ sinh+ sqrt+ square+ sub+ subtract+ tan+ tanh+ true_divide+ trunc+
    """,
    combinations: """
        addcdiv+ addcmul+ arctan2+ atan2+ deg2rad+ frexp gcd+ heaviside+ hypot+ lcm+ ldexp+ lerp+
        nextafter+ rad2deg+
    """,
    elementary: "logaddexp logaddexp2 logit+ sinc+ xlogy+",
    complex: "adjoint angle conj conj_physical+ isreal resolve_conj resolve_neg",
    gamma: "digamma+ igamma+ igammac+ lgamma+ mvlgamma+",
    bessel: "i0+",
    error_functions: "erfinv+",
    comparison: """
        allclose bitwise_and+ bitwise_left_shift+ bitwise_not+ bitwise_or+ bitwise_right_shift+
        bitwise_xor+ clamp+ clamp_max+ clamp_min+ clip+ copysign+ eq+ equal fmax fmin ge+ greater+
        greater_equal+ gt+ isclose isfinite isinf isnan isneginf isposinf le+ less+ less_equal+
        logical_and+ logical_not+ logical_or+ logical_xor+ lt+ masked_fill+ nan_to_num+ ne+
        not_equal+ signbit
    """,
    views: """
        broadcast_to chunk clone contiguous detach expand expand_as flatten is_contiguous moveaxis
        movedim permute
        ravel reshape reshape_as split split_with_sizes squeeze sum_to_size swapaxes swapdims t
        transpose unbind unflatten unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze view
        view_as
    """,
    view_copies: "narrow_copy",
    arrangement: """
        dsplit flip fliplr flipud hsplit repeat roll rot90 tensor_split tile vsplit
    """,
    slicing: """
        diag diag_embed diagflat diagonal diagonal_scatter fill_diagonal_ narrow repeat_interleave
        select select_scatter slice_scatter trace tril+ triu+ unfold
    """,
    indexing: """
        argwhere index_put+ masked_scatter+ masked_select nonzero nonzero_static put+ take
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
    histogram: "histogram",
    storage: "new resize resize_as set_ storage storage_type untyped_storage",
    predicates: """
        apply_ as_subclass dim_order is_complex is_conj is_distributed is_floating_point is_neg
        is_nonzero is_same_size is_set_to is_shared is_signed map2_ map_
        record_stream
    """,
    strided: "as_strided as_strided_scatter new_empty_strided",
    products: """
        addbmm+ addmm+ addmv+ addr+ baddbmm+ bmm cross dot ger inner kron matmul mm mv outer vdot
    """,
    householder: "geqrf orgqr ormqr qr",
    lu: "lu lu_solve triangular_solve",
    norms: "dist norm renorm+",
    decompositions: """
        cholesky cholesky_inverse cholesky_solve svd
    """,
    inverses: """
        det inverse logdet matrix_exp matrix_power pinverse slogdet
    """,
    stft: "istft stft",
    activation: "hardshrink prelu relu+",
    softmax: "log_softmax logsumexp softmax",
    copy_and_fill: """
        copy_ fill_ resize_ resize_as_ zero_
    """,
    sampling: """
        bernoulli bernoulli_ cauchy_ exponential_ geometric_ log_normal_ multinomial normal_
        random_ uniform_
    """,
}  # a + marks an in-place form as well, with an underscore

IN_PLACE = """
    abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ as_strided_ asin_
    asinh_ atan_ atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ cos_ cosh_ deg2rad_ detach_ erf_
    erfc_ exp2_ exp_ expm1_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_
    log_ logit_ nan_to_num_ neg_ negative_ rad2deg_ reciprocal_ round_ rsqrt_ sigmoid_ sin_ sinc_
    sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_ conj_physical_
"""  # methods that are also functions of xptorch

CASTS = {
    **{"bool": "bool", "byte": "uint8", "char": "int8", "short": "int16", "int": "int32"},
    **{"long": "int64", "half": "float16", "float": "float32", "double": "float64"},
    **{"cfloat": "complex64", "cdouble": "complex128", "bfloat16": "bfloat16"},
}


def _operator(function: Callable[..., Any], swapped: bool = False) -> Callable[..., Any]:
    """The operator method of a function; if it rejects `other`, Python tries `other`'s operator."""

    def forward(self: Tensor, other: Any) -> Any:
        try:
            return function(self, other)
        except TypeError:
            return _otherwise(function, self, other)

    def backward(self: Tensor, other: Any) -> Any:
        try:
            return function(other, self)
        except TypeError:
            return _otherwise(lambda a, b: function(b, a), self, other)

    return backward if swapped else forward


def _otherwise(function: Callable[..., Any], self: Tensor, other: Any) -> Any:
    """After a TypeError: arrays are converted to tensors, errors about numbers are re-raised."""
    if isinstance(other, (Tensor, int, float)):
        raise
    if hasattr(other, "__array_interface__"):
        return function(self, creation.as_tensor(other, device=self._device))
    return NotImplemented


def _reversed(self: Tensor) -> Tensor:
    return arrangement.flip(self, 0) if self.ndim else self


def _cast_to(target: dtype) -> Callable[..., Any]:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        t = to_dtype(self, target)
        return t if memory_format is None else t.to(memory_format=memory_format)

    method.__doc__ = f"The tensor as {target.name}."
    return method


def _become(function: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place form of a function that changes only the shape or strides."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        result = function(self, *args, **kwargs)
        for name in ("_data", "_node", "_requires_grad"):
            setattr(self, name, getattr(result, name))
        if self._base is not None:
            self._view_ops = (*self._view_ops, lambda x: function(x, *args, **kwargs))
        return self

    method.__doc__ = f"`{function.__name__}` of the tensor itself."
    return method


def _over(self: Tensor, other: Any) -> Tensor:
    """`other` divided by the tensor, computed as in PyTorch's ``__rdiv__``."""
    return self.reciprocal() * other


def _invert(self: Tensor) -> Tensor:
    """Bitwise not; logical not for bools."""
    if self.dtype.category >= FLOAT:
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return comparison.bitwise_not(self)


def _no_deletion(self: Tensor, key: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


def _polygamma(self: Tensor, n: int) -> Tensor:
    """The n-th derivative of the digamma function."""
    return gamma.polygamma(n, self)


_polygamma_in_place = inplace(_polygamma)


def _where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """The tensor's elements where the condition holds, else those of `other`."""
    return comparison.where(condition, self, other)


def _reversed_axes(t: Tensor) -> Tensor:
    return views.permute(t, *reversed(range(t.ndim)))


def _matrix_transpose(t: Tensor) -> Tensor:
    if t.ndim < 2:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices. "
            f"Got {t.ndim}-D tensor."
        )
    return views.transpose(t, -2, -1)


def _part(function: Callable[..., Any]) -> property:
    def assign(self: Tensor, value: Any) -> None:
        copy_and_fill.copy_(function(self), value)

    return property(function, assign)


def _adjoint(t: Tensor) -> Tensor:
    return complex.conj(_matrix_transpose(t))


def _adjoint_of_matrix(t: Tensor) -> Tensor:
    if t.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {t.ndim}-D tensor."
        )
    return _adjoint(t) if t.ndim else complex.conj(t)


def install() -> dict[str, Any]:
    """Add the methods to Tensor; returns the in-place ones that are also functions of xptorch.

    Called once, when the package is imported.
    """
    from xptorch._core.dtype import DTYPES

    for module, names in METHODS.items():
        for word in names.split():
            name = word.removesuffix("+")
            function = getattr(module, name)
            setattr(Tensor, name, function)
            if word != name:
                method = inplace(function)
                method.__name__ = method.__qualname__ = name + "_"
                setattr(Tensor, name + "_", method)
    methods: Any = Tensor
    for name in ("squeeze", "swapaxes", "swapdims", "t", "transpose", "unsqueeze"):
        setattr(Tensor, name + "_", _become(getattr(views, name)))
    methods.as_strided_ = _become(strided.as_strided)
    for name, target in CASTS.items():
        setattr(Tensor, name, _cast_to(DTYPES[target]))
    e, c = arithmetic, comparison
    pairs: dict[str, Callable[..., Any]] = {
        **{"add": e.add, "sub": e.sub, "mul": e.mul, "truediv": e.div},
        **{"floordiv": e.floor_divide, "mod": e.remainder, "pow": e.pow, "matmul": products.matmul},
        **{"and": c.bitwise_and, "or": c.bitwise_or, "xor": c.bitwise_xor},
        **{"lshift": c.bitwise_left_shift, "rshift": c.bitwise_right_shift},
    }
    for name, function in pairs.items():
        setattr(Tensor, f"__{name}__", _operator(function))
        setattr(Tensor, f"__r{name}__", _operator(function, swapped=True))
        if name != "matmul":
            setattr(Tensor, f"__i{name}__", getattr(Tensor, function.__name__ + "_"))
    ops: list[Any] = [e._add, e._sub, e._mul, e._div]
    for core in ops:
        name = f"__{core.op.operator.__name__}__"
        general = getattr(Tensor, name)
        setattr(Tensor, name, compiled_lazily(core.op, operator_source, _otherwise=general))
    for function in (c.eq, c.ne, c.lt, c.le, c.gt, c.ge):
        setattr(Tensor, f"__{function.__name__}__", _operator(function))
    methods.__getitem__, methods.__setitem__ = indexing.getitem, indexing.setitem
    methods.__neg__, methods.__pos__, methods.__abs__ = e.neg, e.positive, e.abs
    methods.__invert__, methods.__reversed__ = _invert, _reversed
    methods.__rdiv__ = _over
    methods.__div__, methods.__idiv__ = methods.__truediv__, methods.__itruediv__
    methods.__long__, methods.__nonzero__ = Tensor.__int__, Tensor.__bool__
    methods.__delitem__ = _no_deletion
    methods.const_data_ptr = Tensor.data_ptr
    methods.polygamma, methods.polygamma_ = _polygamma, _polygamma_in_place
    methods.where = _where
    methods.T = property(_reversed_axes)
    methods.mT = property(_matrix_transpose)
    for part in ("real", "imag"):
        setattr(Tensor, part, _part(getattr(complex, part)))
    methods.mH = property(_adjoint)
    methods.H = property(_adjoint_of_matrix)
    return {name: getattr(Tensor, name) for name in IN_PLACE.split()}
