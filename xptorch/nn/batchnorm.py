"""BatchNorm over 1, 2 and 3 axes, with a base class shared by instance norms."""

from __future__ import annotations

from typing import Any, ClassVar

from xptorch._core import dtype as dtypes
from xptorch._engine.inplace import store
from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn import init
from xptorch.nn.module import Module
from xptorch.nn.parameter import declared, empty_parameter
from xptorch.ops.shape import creation

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"]


class _NormBase(Module):
    """Scale, shift and running statistics of channels."""

    _version = 2  # 2 added num_batches_tracked
    _dims: ClassVar[tuple[int, ...]]  # how many dimensions an input may have

    weight = declared("_parameters")
    bias = declared("_parameters")
    running_mean = declared("_buffers")
    running_var = declared("_buffers")
    num_batches_tracked = declared("_buffers")

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            new = empty_parameter(num_features, device=device, dtype=dtype) if wanted else None
            self.register_parameter(name, new)
        self._register_statistics(device, dtype)
        self.reset_parameters()

    def _register_statistics(self, device: Any, dtype: Any) -> None:
        mean = var = count = None
        if self.track_running_stats:
            mean = creation.zeros(self.num_features, device=device, dtype=dtype)
            var = creation.ones(self.num_features, device=device, dtype=dtype)
            count = creation.tensor(0, dtype=dtypes.int64, device=device)
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)
        self.register_buffer("num_batches_tracked", count)

    def reset_running_stats(self) -> None:
        """Reset the statistics: mean 0, variance 1, no batches."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Reset the statistics; scale 1, shift 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self._dims:
            expected = " or ".join(f"{d}D" for d in self._dims)
            raise ValueError(f"expected {expected} input (got {input.ndim}D input)")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *lists: Any
    ) -> None:
        key = prefix + "num_batches_tracked"
        old = local_metadata.get("version") is None or local_metadata["version"] < 2
        if old and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            state_dict[key] = creation.tensor(0) if count is None else count
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *lists)


class _BatchNorm(_NormBase):
    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            count = self.num_batches_tracked
            if count is not None:
                store(count, count._data + 1)
                if self.momentum is None:
                    factor = 1.0 / float(count)
        mean, var = self.running_mean, self.running_var
        by_batch = self.training or (mean is None and var is None)
        if self.training and not self.track_running_stats:
            mean = var = None
        return F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, factor, self.eps)


class BatchNorm1d(_BatchNorm):
    """Normalises each channel over the batch, and over one axis if there is one.

    Args and formula: as `BatchNorm2d`.

    Shape: (n, c) or (n, c, l), the same out.
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    r"""Normalises each channel over the batch.

    .. math:: y = \gamma (x - \mu) / \sqrt{v + \epsilon} + \beta

    In training μ and v are the batch's mean and (biased) variance, and the running statistics take
    a step towards them: :math:`r \leftarrow (1 - momentum)·r + momentum·s`, with the unbiased
    variance. In evaluation the running statistics replace the batch's.

    Args:
        num_features: the channels `c`.
        eps: keeps the denominator nonzero.
        momentum: the running statistics' step; None takes the mean over all batches.
        affine: whether there are γ and β.
        track_running_stats: whether there are running statistics; without them the batch's are used
            in evaluation, too.
        device: where parameters and statistics live.
        dtype: of parameters and statistics.
        bias: whether there is a β.

    Attributes:
        weight: (c), γ, ones at first.
        bias: (c), β, zeros at first.
        running_mean: (c), zeros at first.
        running_var: (c), ones at first.
        num_batches_tracked: (), how many batches they include.

    Shape: (n, c, h, w), the same out.

    Raises:
        ValueError: the input does not have 4 dimensions, or has one value per channel in training.

    Source: Ioffe & Szegedy, Batch normalization (2015).
    """

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalises each channel over the batch and three axes.

    Args and formula: as `BatchNorm2d`.

    Shape: (n, c, d, h, w), the same out.
    """

    _dims = (5,)


class SyncBatchNorm(_BatchNorm):
    """Normalises over the batches of all processes; there is one, so as `BatchNorm2d` does.

    Args: as `BatchNorm2d`, and

        process_group: only None.

    Shape: (n, c, *), the same out.

    Raises:
        NotImplementedError: a process group.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            *(num_features, eps, momentum, affine, track_running_stats, device, dtype), bias=bias
        )
        if process_group is not None:
            raise NotImplementedError("SyncBatchNorm: process_group")
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")
        if input.shape[1] == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """The module with all its BatchNorms replaced by this layer, with the same tensors."""
        if isinstance(module, _BatchNorm):
            settings = (module.num_features, module.eps, module.momentum, module.affine)
            biased = module.bias is not None
            new = cls(*settings, module.track_running_stats, process_group, bias=biased)
            new._parameters.update(module._parameters)
            new._buffers.update(module._buffers)
            new.training = module.training
            return new
        for name, child in module.named_children():
            module.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return module
