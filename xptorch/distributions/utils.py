"""Helpers of the distributions: broadcasting of parameters, probabilities and logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xptorch
from xptorch._tensor.tensor import Tensor
from xptorch.ops.random.sampling import normal

euler_constant = 0.57721566490153286060


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the tensors' dtype and device.

    Raises:
        ValueError: a value is neither a number nor a tensor.
    """
    if not all(isinstance(v, (Tensor, int, float)) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing "
            "__torch_function__."
        )
    like: dict[str, Any] = {"dtype": xptorch.get_default_dtype()}
    for v in values:
        if isinstance(v, Tensor):
            like = {"dtype": v.dtype, "device": v.device}
            break
    tensors = [v if isinstance(v, Tensor) else xptorch.tensor(v, **like) for v in values]
    return tuple(xptorch.broadcast_tensors(*tensors))


def parameter_shape(shape: Any, *values: Any) -> Any:
    """The batch shape: `shape`, or () if all parameters were given as numbers."""
    return xptorch.Size() if all(isinstance(v, (int, float)) for v in values) else shape


def sum_rightmost(value: Any, count: int) -> Any:
    """The sum over the last `count` axes."""
    return value.sum(tuple(range(-count, 0))) if count else value


_sum_rightmost = sum_rightmost


def standard_normal(shape: Any, like: Any) -> Any:
    """Standard normal values in the dtype and on the device of a tensor."""
    return normal(
        xptorch.zeros(shape, dtype=like.dtype, device=like.device),
        xptorch.ones(shape, dtype=like.dtype, device=like.device),
    )


def clamp_probs(probs: Any) -> Any:
    """Probabilities clamped to [eps, 1 − eps], where eps is the dtype's machine epsilon."""
    eps = xptorch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities from log-odds, or from logarithms of weights along the last axis."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """The inverse of `logits_to_probs`."""
    clamped = clamp_probs(probs)
    return clamped.log() - (-clamped).log1p() if is_binary else clamped.log()


def one_given(probs: Any, logits: Any) -> tuple[str, Any]:
    """The name and the value of the argument that is given.

    Raises:
        ValueError: both are given, or neither.
    """
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return ("logits", logits) if probs is None else ("probs", probs)


class lazy_property:
    """A property that is computed on the first access, and then cached."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self.name = function.__name__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with xptorch.enable_grad():
            value = self.function(instance)
        instance.__dict__[self.name] = value
        return value


class GivenByOdds:
    """Has probabilities or their log-odds as its parameter; the other is computed lazily."""

    def _take(self: Any, probs: Any, logits: Any, *total_count: Any) -> Any:
        """Set the given parameter, and the number of trials; returns the batch shape."""
        name, given = one_given(probs, logits)
        self.__dict__[name], *count = broadcast_all(given, *total_count)
        if count:
            self.total_count = count[0].type_as(self._param)
        return parameter_shape(self._param.size(), given, *total_count)

    @lazy_property
    def logits(self) -> Any:
        """The log-odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def _param(self) -> Any:
        return given_of(self)

    @property
    def param_shape(self) -> Any:
        """The parameter's shape."""
        return self._param.size()


def counted(distribution: Any, n: int, dtype: Any, expand: bool) -> Any:
    """The values 0 to n − 1 along a new first axis."""
    batch = distribution._batch_shape
    values = xptorch.arange(n, dtype=dtype, device=distribution._param.device)
    values = values.reshape((-1,) + (1,) * len(batch))
    return values.expand((-1, *batch)) if expand else values


def given_of(distribution: Any) -> Any:
    """Its `probs` if they are given or computed, else its `logits`."""
    known = distribution.__dict__
    return known["probs"] if "probs" in known else known["logits"]


def taken_from(holder: str, name: str, doc: str) -> property:
    """A property that returns an attribute of the distribution's attribute `holder`."""
    return property(lambda self: getattr(getattr(self, holder), name), doc=doc)


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The elements of lower triangles, row after row."""
    n = mat.shape[-1]
    rows, cols = xptorch.tril_indices(n, n, diag, device=mat.device)
    return mat[..., rows, cols]
