"""Embeddings: rows of a table, looked up by index, singly or summed in bags."""

from __future__ import annotations

from typing import Any, Self

from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn import init
from xptorch.nn.module import Module, unusual
from xptorch.nn.parameter import Parameter, declared, empty_parameter

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """What Embedding and EmbeddingBag share: the table, which may have a padding row."""

    _padding_name: str

    weight = declared("_parameters")

    def _make_table(
        self, padding_idx: int | None, given: Tensor | None, frozen: bool, device: Any, dtype: Any
    ) -> None:
        rows, columns = self.num_embeddings, self.embedding_dim
        if padding_idx is not None:
            if not -rows <= padding_idx < rows:
                raise AssertionError(f"{self._padding_name} must be within num_embeddings")
            padding_idx %= rows
        self.padding_idx = padding_idx
        if given is None:
            self.weight = empty_parameter(rows, columns, device=device, dtype=dtype)
            self.weight.requires_grad_(not frozen)
            self.reset_parameters()
        elif list(given.shape) != [rows, columns]:
            raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
        else:
            self.weight = Parameter(given, requires_grad=not frozen)

    def reset_parameters(self) -> None:
        """Draw the table from the standard normal distribution; the padding row is zero."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def _repr_with(self, **usual: Any) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}{unusual(self, usual)}"


def _sizes(embeddings: Tensor) -> Any:
    if embeddings.ndim != 2:
        raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
    return embeddings.shape


class Embedding(_Table):
    r"""A table of vectors, looked up by index: :math:`y_i = W[x_i]`.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: size of each row.
        padding_idx: a row that starts as zeros and gets no gradient.
        max_norm: rows longer than this are scaled down to it, in place, when they are looked up.
        norm_type: the degree of that norm.
        scale_grad_by_freq: divide a row's gradient by how often it is in the batch.
        sparse: sparse gradients; not supported here, so looking up raises.
        device: where the table lives.
        dtype: of the table.

    Attributes:
        weight: (num_embeddings, embedding_dim), from the standard normal distribution.

    Shape: any, of integers → (*, embedding_dim).

    Raises:
        AssertionError: `padding_idx` is not a row of the table.
        NotImplementedError: when looked up, if `sparse`.

    >>> import xptorch as torch
    >>> torch.nn.Embedding(10, 3)(torch.tensor([[1, 2], [4, 9]])).shape
    xptorch.Size([2, 2, 3])
    """

    _padding_name = "Padding_idx"

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self._make_table(padding_idx, _weight, _freeze, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            *(input, self.weight, self.padding_idx, self.max_norm, self.norm_type),
            *(self.scale_grad_by_freq, self.sparse),
        )

    def extra_repr(self) -> str:
        return self._repr_with(
            padding_idx=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, sparse=False
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """An Embedding of a given table.

        Args:
            embeddings: (rows, dimensions), the table.
            freeze: whether it is excluded from training.
            padding_idx: as in the constructor, like the others.
        """
        rows, columns = _sizes(embeddings)
        return cls(
            *(rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse),
            _weight=embeddings,
            _freeze=freeze,
        )


class EmbeddingBag(_Table):
    r"""Sums, means or maxima of rows of a table: :math:`y_i = \sum_{j \in bag_i} W[x_j]`.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: size of each row.
        max_norm: rows longer than this are scaled down to it, in place, when they are looked up.
        norm_type: the degree of that norm.
        scale_grad_by_freq: divide a row's gradient by how often it is in the batch.
        mode: "sum", "mean" or "max".
        sparse: sparse gradients; not supported here, so looking up raises.
        include_last_offset: the last offset is the end of the indices, not a further bag.
        padding_idx: a row that starts as zeros, is excluded from its bag and gets no gradient.
        device: where the table lives.
        dtype: of the table.

    Attributes:
        weight: (num_embeddings, embedding_dim), from the standard normal distribution.

    Shape: (bags, indices per bag), or (indices) and offsets (bags) → (bags, embedding_dim).

    Raises:
        AssertionError: `padding_idx` is not a row of the table.
        NotImplementedError: when looked up, if `sparse`.

    >>> import xptorch as torch
    >>> bag = torch.nn.EmbeddingBag(10, 3, mode="sum")
    >>> bag(torch.tensor([1, 2, 4, 5]), torch.tensor([0, 3])).shape
    xptorch.Size([2, 3])
    """

    _padding_name = "padding_idx"

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        self._make_table(padding_idx, _weight, False, device, dtype)

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        return F.embedding_bag(
            *(input, self.weight, offsets, self.max_norm, self.norm_type),
            *(self.scale_grad_by_freq, self.mode, self.sparse, per_sample_weights),
            *(self.include_last_offset, self.padding_idx),
        )

    def extra_repr(self) -> str:
        text = self._repr_with(max_norm=None, norm_type=2, scale_grad_by_freq=False)
        return f"{text}, mode={self.mode!r}{unusual(self, {'padding_idx': None})}"

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """An EmbeddingBag of a given table.

        Args:
            embeddings: (rows, dimensions), the table.
            freeze: whether it is excluded from training.
            max_norm: as in the constructor, like the others.
        """
        rows, columns = _sizes(embeddings)
        bag = cls(
            *(rows, columns, max_norm, norm_type, scale_grad_by_freq, mode, sparse),
            _weight=embeddings,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        bag.weight.requires_grad = not freeze
        return bag
