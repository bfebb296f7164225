"""Lazy layers: sizes that are not specified are taken from the first input."""

from __future__ import annotations

import itertools
from typing import Any

from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.nn import batchnorm, conv, linear, normalization
from xptorch.nn.module import Module
from xptorch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from xptorch.ops.shape import creation

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
]

Axes = conv.Axes


class LazyModuleMixin(Module):
    """What lazy layers share; precedes the layer's own class among the bases.

    A subclass uses `UninitializedParameter` and `UninitializedBuffer` where shapes are not known
    and defines ``initialize_parameters(*inputs)``, which materializes them. After the first call
    the layer is one of `cls_to_become`.
    """

    cls_to_become: type[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialize what is not initialized, from the inputs of `forward`."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether there is a parameter or buffer without a shape."""
        return any(map(is_lazy, [*self._parameters.values(), *self._buffers.values()]))

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        # `module` may be a shallow copy, which has the hooks of this one.
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _lazy_load_hook(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, own in itertools.chain(self._parameters.items(), self._buffers.items()):
            given = state_dict.get(prefix + name)
            if given is not None and is_lazy(own) and not is_lazy(given):
                with no_grad():
                    own.materialize(given.shape)  # type: ignore[union-attr]

    def _load_tensor(
        self, name: str, key: str, target: Any, value: Any, assign: bool
    ) -> str | None:
        if is_lazy(target) and is_lazy(value):
            return None
        return super()._load_tensor(name, key, target, value, assign)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        for name, value in self._own_state().items():
            kept = keep_vars or is_lazy(value)
            destination[prefix + name] = value if kept else value.detach()


class LazyLinear(LazyModuleMixin, linear.Linear):
    """A `Linear` that takes `in_features` from the last axis of its first input.

    Args:
        out_features: size of the output's last axis.
        bias: whether there is a bias.
        device: where the parameters live.
        dtype: of the parameters.

    Shape: (*, any) → (*, out_features).

    >>> import xptorch as torch
    >>> layer = torch.nn.LazyLinear(3)
    >>> layer(torch.ones(2, 4)).shape, layer
    (xptorch.Size([2, 3]), Linear(in_features=4, out_features=3, bias=True))
    """

    cls_to_become = linear.Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Re-initialise weight and bias, once they are materialized."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        if self.has_uninitialized_params():
            self.in_features = input.shape[-1]
            self.weight.materialize((self.out_features, self.in_features))
            if self.bias is not None:
                self.bias.materialize((self.out_features,))
            self.reset_parameters()
        if self.in_features == 0:  # the weights were loaded
            self.in_features = self.weight.shape[-1]


class _LazyConv(LazyModuleMixin, conv._ConvNd):
    """What lazy convolutions share."""

    def _set_uninitialized(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Re-initialise weight and bias, once they are materialized."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._channels_of(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        self.weight.materialize((first, second // self.groups, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _channels_of(self, input: Tensor) -> int:
        alone = self._axes + 1
        if input.ndim not in (alone, alone + 1):
            raise RuntimeError(
                f"Expected {alone}D (unbatched) or {alone + 1}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return input.shape[input.ndim - alone]


class _LazyConvolution(_LazyConv, conv._Convolution):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Axes,
        stride: Axes = 1,
        padding: Axes | str = 0,
        dilation: Axes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            *(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        )
        self._set_uninitialized(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConvolution, conv.Conv1d):
    """A `Conv1d` that takes `in_channels` from its first input. Args: as `Conv1d`, without it."""

    cls_to_become = conv.Conv1d


class LazyConv2d(_LazyConvolution, conv.Conv2d):
    """A `Conv2d` that takes `in_channels` from its first input. Args: as `Conv2d`, without it.

    >>> import xptorch as torch
    >>> layer = torch.nn.LazyConv2d(8, 3)
    >>> layer(torch.ones(1, 5, 9, 9)).shape, layer
    (xptorch.Size([1, 8, 7, 7]), Conv2d(5, 8, kernel_size=(3, 3), stride=(1, 1)))
    """

    cls_to_become = conv.Conv2d


class LazyConv3d(_LazyConvolution, conv.Conv3d):
    """A `Conv3d` that takes `in_channels` from its first input. Args: as `Conv3d`, without it."""

    cls_to_become = conv.Conv3d


class _LazyConvTranspose(_LazyConv, conv._ConvTransposeNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Axes,
        stride: Axes = 1,
        padding: Axes = 0,
        output_padding: Axes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Axes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            *(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation),
            padding_mode,
        )
        self._set_uninitialized(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTranspose, conv.ConvTranspose1d):
    """A `ConvTranspose1d` that takes `in_channels` from its first input. Args: as that."""

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, conv.ConvTranspose2d):
    """A `ConvTranspose2d` that takes `in_channels` from its first input. Args: as that."""

    cls_to_become = conv.ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, conv.ConvTranspose3d):
    """A `ConvTranspose3d` that takes `in_channels` from its first input. Args: as that."""

    cls_to_become = conv.ConvTranspose3d


class _LazyNormBase(LazyModuleMixin, batchnorm._NormBase):
    """What lazy norms share."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, bias=bias)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = creation.tensor(0, device=device)

    def reset_parameters(self) -> None:
        """Reset the statistics; scale 1, shift 0; once they are materialized."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
                if tensor is not None:
                    tensor.materialize((self.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyNormBase, batchnorm.BatchNorm1d):
    """A `BatchNorm1d` that takes `num_features` from its first input. Args: as that."""

    cls_to_become = batchnorm.BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, batchnorm.BatchNorm2d):
    """A `BatchNorm2d` that takes `num_features` from its first input. Args: as that."""

    cls_to_become = batchnorm.BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, batchnorm.BatchNorm3d):
    """A `BatchNorm3d` that takes `num_features` from its first input. Args: as that."""

    cls_to_become = batchnorm.BatchNorm3d


class LazyInstanceNorm1d(_LazyNormBase, normalization.InstanceNorm1d):
    """An `InstanceNorm1d` that takes `num_features` from its first input. Args: as that."""

    cls_to_become = normalization.InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, normalization.InstanceNorm2d):
    """An `InstanceNorm2d` that takes `num_features` from its first input. Args: as that."""

    cls_to_become = normalization.InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, normalization.InstanceNorm3d):
    """An `InstanceNorm3d` that takes `num_features` from its first input. Args: as that."""

    cls_to_become = normalization.InstanceNorm3d
