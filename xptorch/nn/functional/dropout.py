"""Dropout: elements or whole channels set to 0 at random, in training."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from xptorch.ops.layers import dropout as ops

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training each element becomes 0 with probability p, else is divided by 1 − p."""
    _check(p)
    function = ops.dropout_ if inplace else ops.dropout
    return function(input, p, training)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of (n, c, l) or (c, l)."""
    _check(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            "dropout1d: Expected 2D or 3D input, but received a "
            f"{input.ndim}D input. Note that dropout1d exists to provide channel-wise dropout on "
            "inputs with 1 spatial dimension, a channel dimension, and an optional batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    return _of_channels(input, p, training, inplace, batched=input.ndim == 3)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of (n, c, h, w)."""
    _check(p)
    if input.ndim not in (3, 4):
        warnings.warn(_unusual("dropout2d", input.ndim, "2", "3D or 4D"), stacklevel=2)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. This behavior will change in a future release to interpret the input as one "
            "without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _of_channels(input, p, training, inplace)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of (n, c, d, h, w) or (c, d, h, w)."""
    _check(p)
    if input.ndim not in (4, 5):
        warnings.warn(_unusual("dropout3d", input.ndim, "3", "4D or 5D"), stacklevel=2)
    return _of_channels(input, p, training, inplace, batched=input.ndim == 5)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout for SELU networks: it preserves mean and variance (Klambauer et al. 2017)."""
    _check(p)
    function = ops.alpha_dropout_ if inplace else ops.alpha_dropout
    return function(input, p, training)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels (axis 1)."""
    _check(p)
    function = ops.feature_alpha_dropout_ if inplace else ops.feature_alpha_dropout
    return function(input, p, training)


def _of_channels(
    input: Tensor, p: float, training: bool, inplace: bool, batched: bool = True
) -> Tensor:
    function = ops.feature_dropout_ if inplace else ops.feature_dropout
    if batched:
        return function(input, p, training)
    if inplace:
        function(input.unsqueeze(0), p, training)
        return input
    return function(input.unsqueeze(0), p, training).squeeze(0)


def _unusual(name: str, ndim: int, spatial: str, usual: str) -> str:
    return (
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an "
        "error in a future release. To retain the behavior and silence this warning, please use "
        f"dropout instead. Note that {name} exists to provide channel-wise dropout on inputs with "
        f"{spatial} spatial dimensions, a channel dimension, and an optional batch dimension (i.e. "
        f"{usual} inputs)."
    )
