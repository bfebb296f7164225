"""A layer and the BatchNorm after it as one layer, for evaluation."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from xptorch._tensor.tensor import Tensor
from xptorch.nn.module import Module
from xptorch.nn.parameter import Parameter

__all__ = [
    *("fuse_conv_bn_eval", "fuse_conv_bn_weights"),
    *("fuse_linear_bn_eval", "fuse_linear_bn_weights"),
]

M = TypeVar("M", bound=Module)


def fuse_conv_bn_eval(conv: M, bn: Any, transpose: bool = False) -> M:
    r"""A convolution that does what `conv` and then `bn` do in evaluation.

    .. math:: w' = w \, \gamma / \sqrt{v + \epsilon}, \quad
        b' = (b - \mu) \, \gamma / \sqrt{v + \epsilon} + \beta

    Args:
        conv: the convolution.
        bn: the BatchNorm after it.
        transpose: whether the convolution is a transposed one.

    Raises:
        AssertionError: one of them is in training mode, or has no running statistics.
    """
    _check_eval(conv, bn)
    fused: Any = copy.deepcopy(conv)
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    fused.weight, fused.bias = fuse_conv_bn_weights(
        *(fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias),
        transpose,
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight and the bias of `fuse_conv_bn_eval`."""
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_eval(linear: M, bn: Any) -> M:
    """A linear layer that does what `linear` and then `bn` do in evaluation.

    Raises:
        AssertionError: one of them is in training mode, or their sizes do not match.
    """
    _check_eval(linear, bn)
    fused: Any = copy.deepcopy(linear)
    if bn.num_features not in (fused.out_features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={fused.out_features} and bn.num_features={bn.num_features}"
        )
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    fused.weight, fused.bias = fuse_linear_bn_weights(
        *(fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """The weight and the bias of `fuse_linear_bn_eval`."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _fused(
    w: Tensor,
    b: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    gamma: Tensor | None,
    beta: Tensor | None,
    shape: list[int],
) -> tuple[Parameter, Parameter]:
    scale = (var + eps).rsqrt()
    if gamma is not None:
        scale = scale * gamma
    bias = (-mean if b is None else b - mean) * scale
    if beta is not None:
        bias = bias + beta
    trained = (mean if b is None else b).requires_grad
    weight = (w * scale.reshape(shape)).to(w.dtype)
    return Parameter(weight, w.requires_grad), Parameter(bias.to(w.dtype), trained)


def _check_eval(*modules: Module) -> None:
    if any(m.training for m in modules):
        raise AssertionError("Fusion only for eval!")
