"""Norms within one sample: layer, group, RMS, instance and local response normalisation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn import init
from xptorch.nn.batchnorm import _NormBase
from xptorch.nn.module import Module
from xptorch.nn.parameter import declared, empty_parameter

__all__ = [
    "CrossMapLRN2d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


class LayerNorm(Module):
    r"""Normalises over the last axes.

    .. math:: y = \gamma (x - \mu) / \sqrt{v + \epsilon} + \beta

    μ and v are the mean and (biased) variance of each sample over these axes.

    Args:
        normalized_shape: the sizes of these axes (a number: of the last one).
        eps: keeps the denominator nonzero.
        elementwise_affine: whether there are γ and β.
        bias: whether there is a β.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight: γ, of normalized_shape, ones at first.
        bias: β, of normalized_shape, zeros at first.

    Shape: (*, *normalized_shape), the same out.

    Source: Ba et al., Layer normalization (2016).
    """

    weight = declared("_parameters")
    bias = declared("_parameters")

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        affine = elementwise_affine
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            shape = self.normalized_shape
            new = empty_parameter(*shape, device=device, dtype=dtype) if wanted else None
            self.register_parameter(name, new)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        _reset(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    r"""Divides by the root mean square over the last axes.

    .. math:: y = \gamma \, x / \sqrt{\mathrm{mean}(x^2) + \epsilon}

    Args:
        normalized_shape: the sizes of these axes (a number: of the last one).
        eps: keeps the denominator nonzero; the dtype's machine precision by default.
        elementwise_affine: whether there is a γ.
        device: where the parameter lives.
        dtype: of the parameter.

    Attributes:
        weight: γ, of normalized_shape, ones at first.

    Shape: (*, *normalized_shape), the same out.

    Source: Zhang & Sennrich, Root mean square layer normalization (2019).
    """

    weight = declared("_parameters")

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        new = None
        if elementwise_affine:
            new = empty_parameter(*self.normalized_shape, device=device, dtype=dtype)
        self.register_parameter("weight", new)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    r"""Normalises each group of channels.

    .. math:: y = \gamma (x - \mu) / \sqrt{v + \epsilon} + \beta

    μ and v are the mean and (biased) variance of each sample over a group and all further axes.

    Args:
        num_groups: into how many groups the channels are divided.
        num_channels: the channels `c`.
        eps: keeps the denominator nonzero.
        affine: whether there are γ and β.
        device: where the parameters live.
        dtype: of the parameters.
        bias: whether there is a β.

    Attributes:
        weight: (c), γ, ones at first.
        bias: (c), β, zeros at first.

    Shape: (n, c, *), the same out.

    Raises:
        ValueError: `num_groups` does not divide `num_channels`.

    Source: Wu & He, Group normalization (2018).
    """

    weight = declared("_parameters")
    bias = declared("_parameters")

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            new = empty_parameter(num_channels, device=device, dtype=dtype) if wanted else None
            self.register_parameter(name, new)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        _reset(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    r"""Divides each channel by the energy of its neighbours.

    .. math:: y_c = x_c (k + \frac{\alpha}{size} \sum_{c' \text{ near } c} x_{c'}^2)^{-\beta}

    Args:
        size: how many channels are summed over.
        alpha: α.
        beta: β.
        k: k.

    Shape: (n, c, *), the same out.

    Source: Krizhevsky et al., ImageNet classification with deep convolutional networks (2012).
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """`LocalResponseNorm` of images (n, c, h, w); the same arguments."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        return super().forward(input)


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            *(num_features, eps, momentum, affine, track_running_stats, device, dtype), bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        unbatched = input.ndim == self._dims[0]
        axis = 0 if unbatched else 1
        if input.shape[axis] != self.num_features:
            self._complain(axis, input.shape[axis])
        output = F.instance_norm(
            *(input.unsqueeze(0) if unbatched else input, self.running_mean, self.running_var),
            *(self.weight, self.bias, self.training or not self.track_running_stats),
            *(0.0 if self.momentum is None else self.momentum, self.eps),
        )
        return output.squeeze(0) if unbatched else output

    def _complain(self, axis: int, size: int) -> None:
        if self.affine:
            raise ValueError(
                f"expected input's size at dim={axis} to match num_features "
                f"({self.num_features}), but got: {size}."
            )
        warnings.warn(
            f"input's size at dim={axis} does not match num_features. You can silence this "
            "warning by not passing in num_features, which is not used because affine=False",
            stacklevel=4,
        )

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        if local_metadata.get("version") is None and not self.track_running_stats:
            names = ("running_mean", "running_var")
            found = [n for n in names if prefix + n in state_dict]
            for name in found:
                del state_dict[prefix + name]
            if found:
                quoted = " and ".join(f'"{prefix}{n}"' for n in found)
                me = type(self).__name__
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {quoted} for {me} with "
                    "track_running_stats=False. If state_dict is a checkpoint saved before "
                    f"0.4.0, this may be expected because {me} does not track running stats by "
                    "default since 0.4.0. Please remove these keys from state_dict. If the "
                    f"running stats are actually needed, instead set track_running_stats=True in "
                    f"{me} to enable them. See the documentation of {me} for details."
                )
        super()._load_from_state_dict(
            *(state_dict, prefix, local_metadata, strict),
            *(missing_keys, unexpected_keys, error_msgs),
        )


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each sample over one axis.

    Args and formula: as `InstanceNorm2d`.

    Shape: (n, c, l) or (c, l), the same out.
    """

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    r"""Normalises each channel of each sample.

    .. math:: y = \gamma (x - \mu) / \sqrt{v + \epsilon} + \beta

    Args:
        num_features: the channels `c`.
        eps: keeps the denominator nonzero.
        momentum: the running statistics' step.
        affine: whether there are γ and β.
        track_running_stats: whether to keep running statistics, used in evaluation.
        device: where parameters and statistics live.
        dtype: of parameters and statistics.
        bias: whether there is a β.

    Shape: (n, c, h, w) or (c, h, w), the same out.

    Source: Ulyanov et al., Instance normalization (2016).
    """

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each sample over three axes.

    Args and formula: as `InstanceNorm2d`.

    Shape: (n, c, d, h, w) or (c, d, h, w), the same out.
    """

    _dims = (4, 5)


def _as_tuple(shape: int | Sequence[int]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _reset(norm: Any) -> None:
    if norm.weight is not None:
        init.ones_(norm.weight)
    if norm.bias is not None:
        init.zeros_(norm.bias)
