"""A softmax over many classes, with smaller matrices for the rare ones."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.container import ModuleList, Sequential
from xptorch.nn.linear import Linear
from xptorch.nn.module import Module
from xptorch.ops.shape import creation, joining

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    r"""The log-probability of each sample's class, and the mean loss, over classes in clusters.

    Classes are ordered by frequency. The head decides among the first `cutoffs[0]` classes and the
    clusters of the others; a cluster's tail decides among its own, with a matrix smaller than the
    last one's by `div_value`: :math:`\log p(y) = \log p(cluster) + \log p(y \mid cluster)`.

    Args:
        in_features: size of the input's last axis.
        n_classes: the number of classes.
        cutoffs: where clusters begin, increasing.
        div_value: how much smaller each cluster's projection is than the one before it.
        head_bias: whether the head has a bias.
        device: where the parameters live.
        dtype: of the parameters.

    Shape: input (n, in_features) or (in_features), target (n) or () → `output` as the target,
    `loss` ().

    Raises:
        ValueError: cutoffs that are not an increasing sequence of numbers below `n_classes`.
        RuntimeError: a target is out of range, or does not match the input.

    Source: Grave et al., Efficient softmax approximation for GPUs (2016).
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or cutoffs[0] <= 0
            or cutoffs[-1] > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
                "order, where each value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        options = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **options)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            between = int(in_features // (div_value ** (i + 1)))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            down = Linear(in_features, between, bias=False, **options)
            self.tail.append(Sequential(down, Linear(between, size, bias=False, **options)))

    def reset_parameters(self) -> None:
        """Re-initialise all weights."""
        self.head.reset_parameters()
        for down, up in self.tail:
            down.reset_parameters()
            up.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        _check(input_, target_)
        alone = target_.ndim == 0
        x, target = (input_.unsqueeze(0), target_.unsqueeze(0)) if alone else (input_, target_)
        if len(target) and not (int(target.min()) >= 0 and int(target.max()) < self.n_classes):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )
        in_head = target
        output = creation.zeros(len(target), dtype=x.dtype, device=x.device)
        for i, tail in enumerate(self.tail):
            low, high = self.cutoffs[i : i + 2]
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if len(rows):
                inner = F.log_softmax(tail(x[rows]), dim=1)
                chosen = inner.gather(1, (target[rows] - low).unsqueeze(1)).squeeze(1)
                output = output.index_add(0, rows, chosen)
                in_head = in_head.index_fill(0, rows, self.shortlist_size + i)
        head = F.log_softmax(self.head(x), dim=1)
        output = output + head.gather(1, in_head.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output.squeeze(0) if alone else output, loss)

    def _full(self, input: Tensor, head_output: Tensor) -> Tensor:
        head = F.log_softmax(head_output, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            cluster = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(tail(input), dim=1) + cluster)
        return joining.cat(parts, 1)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (n, in_features) → (n, n_classes)."""
        return self._full(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each sample: (n, in_features) → (n)."""
        head_output = self.head(input)
        best = head_output.argmax(dim=1)
        rows = (best >= self.shortlist_size).nonzero().squeeze(1)
        if not len(rows):
            return best
        # Only samples for which the head predicts a cluster need the tails.
        full = self._full(input[rows], head_output[rows])
        return best.index_copy(0, rows, full.argmax(dim=1))


def _check(input: Tensor, target: Tensor) -> None:
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.ndim == 1 and input.shape[0] != target.shape[0]:
        raise RuntimeError("Input and target should have the same size in the batch dimension.")
    if input.ndim != target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with size {input.shape}"
        )
