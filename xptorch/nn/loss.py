"""Losses of regression and classification: how far an output is from the target.

Each has a `reduction`: ``"mean"``, ``"sum"`` or ``"none"``. `size_average` and `reduce` are its
deprecated forms.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.linear import Linear
from xptorch.nn.module import Module
from xptorch.nn.parameter import declared

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LinearCrossEntropyLoss",
    "MSELoss",
    "MultiLabelSoftMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
]


def _reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that the deprecated flags specify, or the one given."""
    if size_average is None and reduce is None:
        return reduction
    summed = "sum" if size_average is False else "mean"
    meant = "none" if reduce is False else summed
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead.",
        stacklevel=5,
    )
    return meant


class _Loss(Module):
    reduction: str

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.reduction = _reduction(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    weight = declared("_buffers")

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


# ---- regression


class L1Loss(_Loss):
    r""":math:`|x - y|`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (*) twice → () or, with ``"none"``, (*).
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    r""":math:`(x - y)^2`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (*) twice → () or, with ``"none"``, (*).

    >>> import xptorch as torch
    >>> torch.nn.MSELoss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    r""":math:`(x - y)^2 / (2 \beta)` where :math:`|x - y| < \beta`, else :math:`|x - y| - \beta/2`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        beta: where the quadratic part ends.

    Shape: (*) twice → () or, with ``"none"``, (*).
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    r"""Quadratic near 0, linear beyond δ.

    .. math:: (x - y)^2 / 2 \text{ where } |x - y| < \delta,
        \text{ else } \delta |x - y| - \delta^2 / 2

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        delta: where the quadratic part ends.

    Shape: (*) twice → () or, with ``"none"``, (*).

    Raises:
        TypeError: `delta` is not a number.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not isinstance(delta, (int, float)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class PoissonNLLLoss(_Loss):
    r""":math:`e^x - y x`, or :math:`x - y \log(x + \epsilon)` without `log_input`.

    Args:
        log_input: whether the input is the logarithm of the rate.
        full: add Stirling's approximation of :math:`\log y!`.
        eps: keeps the logarithm finite.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (*) twice → () or, with ``"none"``, (*).
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            *(log_input, target),
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(_Loss):
    r""":math:`\frac12 (\log \max(v, \epsilon) + (x - y)^2 / \max(v, \epsilon))`.

    Args:
        full: add the constant :math:`\frac12 \log 2\pi`.
        eps: the smallest variance.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (n, *) for input and target; the variance as the input, without its last axis, or with 1
    there → () or, with ``"none"``, (n, *).
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


# ---- classification


class CrossEntropyLoss(_WeightedLoss):
    r"""Cross-entropy of raw scores: :math:`-w_y \log \mathrm{softmax}(x)_y`.

    Args:
        weight: (c), of each class.
        ignore_index: a class whose targets are ignored.
        reduction: ``"mean"`` (by the weights of the targets), ``"sum"`` or ``"none"``.
        label_smoothing: the fraction of a target that is spread over all classes.

    Shape: (c), (n, c) or (n, c, *) with targets of classes (), (n) or (n, *), or of probabilities
    in the input's shape → () or, with ``"none"``, as the targets of classes.

    >>> import xptorch as torch
    >>> torch.nn.CrossEntropyLoss()(torch.zeros(3, 4), torch.tensor([0, 1, 3]))
    tensor(1.3863)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            *(input, target),
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    r"""Negative log likelihood: :math:`-w_y x_y`, the input being log-probabilities.

    Args:
        weight: (c), of each class.
        ignore_index: a class whose targets are ignored.
        reduction: ``"mean"`` (by the weights of the targets), ``"sum"`` or ``"none"``.

    Shape: (c), (n, c) or (n, c, *) with targets (), (n) or (n, *) → () or, with ``"none"``, as the
    targets.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(
            *(input, target),
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class NLLLoss2d(NLLLoss):
    """The deprecated name of `NLLLoss`."""

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        warnings.warn(
            "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in "
            "replacement and see https://pytorch.org/docs/main/nn.html#torch.nn.NLLLoss for more "
            "details.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class LinearCrossEntropyLoss(_WeightedLoss):
    r"""`CrossEntropyLoss` of the logits of a linear map, :math:`x W^T + b`.

    Args:
        in_features: size of the input's last axis.
        num_classes: the number `c` of classes.
        out_features: the sizes of further axes of the targets.
        bias: whether there is a `b`.
        device: where the map lives.
        dtype: of the map.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: (c), of each class.
        ignore_index: a class whose targets are ignored.
        label_smoothing: the fraction of a target that is spread over all classes.
        options: only None: the logits are computed at once, not in chunks.

    Shape: (n, in_features) with targets (n, *out_features), or (in_features) with () → ().
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
    ) -> None:
        super().__init__(weight=weight, reduction=reduction)
        if options is not None:
            raise NotImplementedError("LinearCrossEntropyLoss: options (chunking)")
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(
                f"expected weight shape to be ({num_classes},), got {tuple(weight.shape)}"
            )
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(
                f"expected label_smoothing to be in range [0, 1], got {label_smoothing}"
            )
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.options = options
        flat = num_classes * math.prod(out_features)
        self.linear = Linear(in_features, flat, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            *(input, self.linear.weight.reshape(*shape, -1), target),
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )


class BCELoss(_WeightedLoss):
    r"""Binary cross-entropy of probabilities: :math:`-w (y \log x + (1 - y) \log(1 - x))`.

    Args:
        weight: of each element, broadcast.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (*) twice → () or, with ``"none"``, (*).
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    r"""Binary cross-entropy of raw scores: `BCELoss` of :math:`\sigma(x)`, without overflow.

    Args:
        weight: of each element, broadcast.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        pos_weight: of the positive term, broadcast.

    Shape: (*) twice → () or, with ``"none"``, (*).
    """

    weight = declared("_buffers")
    pos_weight = declared("_buffers")

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            *(input, target),
            weight=self.weight,
            pos_weight=self.pos_weight,
            reduction=self.reduction,
        )


class KLDivLoss(_Loss):
    r""":math:`y (\log y - x)`, the input being log-probabilities.

    Args:
        reduction: ``"mean"`` (over all elements), ``"batchmean"`` (over samples, the definition),
            ``"sum"`` or ``"none"``.
        log_target: whether the target is given as log-probabilities.

    Shape: (*) twice → () or, with ``"none"``, (*).
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class SoftMarginLoss(_Loss):
    r""":math:`\log(1 + e^{-y x})`, the targets being 1 or −1.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (*) twice → () or, with ``"none"``, (*).
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    r"""Binary cross-entropy of raw scores, the mean over the classes.

    Args:
        weight: (c), of each class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape: (n, c) twice → () or, with ``"none"``, (n).
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(
            input, target, weight=self.weight, reduction=self.reduction
        )


class CTCLoss(_Loss):
    """Connectionist temporal classification: minus the log-probability of all alignments.

    Args:
        blank: the class that represents no label.
        reduction: ``"mean"`` (each divided by its target's length first), ``"sum"``, ``"none"``.
        zero_infinity: infinite losses, of targets too long for their input, become 0.

    Shape: log-probabilities (t, n, c) or (t, c); targets (n, s) or concatenated; lengths (n)
    or () → () or, with ``"none"``, (n).

    Source: Graves et al., Connectionist temporal classification (2006).
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor
    ) -> Tensor:
        return F.ctc_loss(
            *(log_probs, targets, input_lengths, target_lengths),
            *(self.blank, self.reduction, self.zero_infinity),
        )
