"""Sequences of different lengths as one tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

from xptorch._core import dtype as dtypes
from xptorch._tensor.tensor import Tensor
from xptorch.ops.index.sort import sort
from xptorch.ops.shape import creation, joining

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pad_packed_sequence",
    "pad_sequence", "unpad_sequence", "pack_sequence", "unpack_sequence",
]  # fmt: skip


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences of different lengths without padding: their steps concatenated.

    Made by `pack_padded_sequence` and `pack_sequence`, accepted by the recurrent layers.

    Args:
        data: (all steps, *), step after step, the longest sequence first in each; or this and
            batch_sizes as a pair.
        batch_sizes: (steps), how many sequences have each step; on the CPU.
        sorted_indices: (n), the index of each sequence, longest first, in the original order.
        unsorted_indices: (n), the inverse; computed from `sorted_indices` by default.

    Raises:
        ValueError: `batch_sizes` is not on the CPU.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes._device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like pack_sequence "
                "and pack_padded_sequences in nn.utils.rnn. "
                "https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The sequence with its data converted, its indices on their device; see `Tensor.to`."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = [
            None if i is None else i.to(data._device)
            for i in (self.sorted_indices, self.unsorted_indices)
        ]
        return type(self)(data, self.batch_sizes, *indices)

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The sequence on a CUDA device."""
        if not args and "device" not in kwargs:
            kwargs["device"] = "cuda"
        return self.to(*args, **kwargs)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The sequence on the CPU."""
        return self.to(*args, device="cpu", **kwargs)

    def double(self) -> PackedSequence:
        """The sequence in float64."""
        return self.to(dtype=dtypes.float64)

    def float(self) -> PackedSequence:
        """The sequence in float32."""
        return self.to(dtype=dtypes.float32)

    def half(self) -> PackedSequence:
        """The sequence in float16."""
        return self.to(dtype=dtypes.float16)

    def long(self) -> PackedSequence:
        """The sequence in int64."""
        return self.to(dtype=dtypes.int64)

    def int(self) -> PackedSequence:
        """The sequence in int32."""
        return self.to(dtype=dtypes.int32)

    def short(self) -> PackedSequence:
        """The sequence in int16."""
        return self.to(dtype=dtypes.int16)

    def char(self) -> PackedSequence:
        """The sequence in int8."""
        return self.to(dtype=dtypes.int8)

    def byte(self) -> PackedSequence:
        """The sequence in uint8."""
        return self.to(dtype=dtypes.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data are on a CUDA device."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data are in pinned memory."""
        return self.data.is_pinned()

    def pin_memory(self) -> PackedSequence:
        """The sequence with its data in pinned memory."""
        indices = (self.sorted_indices, self.unsorted_indices)
        pinned = [None if i is None else i.pin_memory() for i in indices]
        return type(self)(self.data.pin_memory(), self.batch_sizes, *pinned)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one."""
    if permutation is None:
        return None
    positions = creation.arange(permutation.numel(), device=permutation._device)
    return creation.empty_like(permutation).scatter_(0, permutation, positions)


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Sequence[Any],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Sequences with padding as a `PackedSequence`.

    Args:
        input: (l, n, *), or (n, l, *) with `batch_first`.
        lengths: (n), of each sequence.
        batch_first: which of the two layouts it is.
        enforce_sorted: whether the longest must come first; if False they are sorted.

    Raises:
        RuntimeError: a length is not positive, their number is not the batch's, or they are not
            sorted where they must be.

    >>> import xptorch as torch
    >>> x = torch.tensor([[1, 2, 0], [3, 4, 5]])
    >>> p = torch.nn.utils.rnn.pack_padded_sequence(x, [2, 3], True, enforce_sorted=False)
    >>> p.data, p.batch_sizes, p.sorted_indices
    (tensor([3, 1, 4, 2, 5]), tensor([2, 2, 1]), tensor([1, 0]))
    """
    if isinstance(lengths, Tensor):
        sizes = lengths.to(dtypes.int64)
    else:
        sizes = creation.tensor(lengths, dtype=dtypes.int64, device="cpu")
    order = None
    if not enforce_sorted:
        sizes, order = sort(sizes, descending=True)
        order = order.to(input._device)
        input = input.index_select(0 if batch_first else 1, order)
    rows = input.transpose(0, 1) if batch_first else input
    counts = _counts(rows, sizes)
    data = joining.cat([step[:n] for step, n in zip(rows.unbind(0), counts, strict=False)])
    return PackedSequence(data, creation.tensor(counts, device="cpu"), order)


def _counts(rows: Tensor, lengths: Tensor) -> list[Any]:
    """How many sequences have each step."""
    if not rows.numel():
        raise RuntimeError("Cannot pack empty tensors.")
    if lengths.ndim != 1 or lengths._device.type != "cpu":
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.ndim}D "
            f"{lengths._device.type} Long tensor"
        )
    listed, n = lengths.tolist(), rows.shape[1]
    if len(listed) != n:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(listed)} "
            f"(batch_size={n})"
        )
    if listed[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if any(a < b for a, b in pairwise(listed)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    return [sum(length > t for length in listed) for t in range(listed[0])]


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: Any = 0.0,
    total_length: Any = None,
) -> tuple[Tensor, Tensor]:
    """A `PackedSequence` as one tensor with padding, and the lengths.

    Args:
        sequence: the packed sequences.
        batch_first: whether the output is (n, l, *) in place of (l, n, *).
        padding_value: what fills the gaps.
        total_length: `l`; the largest length by default.

    Raises:
        ValueError: total_length is too small.
    """
    counts = sequence.batch_sizes.tolist()
    length = len(counts)
    if total_length is not None:
        if total_length < length:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in "
                f"input, but got total_length={total_length} and max sequence length being {length}"
            )
        length = total_length
    n, data = counts[0], sequence.data
    steps = []
    for rows, count in zip(data.split(counts), counts, strict=True):
        gap = data.new_full((n - count, *data.shape[1:]), padding_value)
        steps.append(joining.cat([rows, gap]) if count < n else rows)
    steps += [data.new_full((n, *data.shape[1:]), padding_value)] * (length - len(counts))
    lengths = creation.tensor([sum(i < c for c in counts) for i in range(n)], device="cpu")
    padded = joining.stack(steps, 1 if batch_first else 0)
    order = sequence.unsorted_indices
    if order is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, order), lengths[order.cpu()]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences of different lengths as a `PackedSequence`.

    Args:
        sequences: tensors (l, *), equal but for their lengths.
        enforce_sorted: whether the longest must come first; if False they are sorted.
    """
    lengths = creation.tensor([s.shape[0] for s in sequences], device="cpu")
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that `pack_sequence` packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences of different lengths, the shorter ones padded.

    Args:
        sequences: tensors (l, *), equal but for their lengths.
        batch_first: whether the output is (n, l, *) in place of (l, n, *).
        padding_value: what fills the gaps.
        padding_side: ``"right"``, or ``"left"`` for gaps before the sequences.

    Shape: n tensors (l_i, *) → (n, l, *) or (l, n, *), with `l` the largest length.

    Raises:
        RuntimeError: there are no sequences, or their shapes do not match.

    >>> import xptorch as torch
    >>> torch.nn.utils.rnn.pad_sequence([torch.ones(1), torch.ones(3)], batch_first=True)
    tensor([[1., 0., 0.],
            [1., 1., 1.]])
    """
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    listed = list(sequences.unbind(0) if isinstance(sequences, Tensor) else sequences)
    if not listed:
        raise RuntimeError("received an empty list of sequences")
    first = listed[0]
    longest = max(s.shape[0] for s in listed)
    rows = []
    for s in listed:
        if s.shape[1:] != first.shape[1:]:
            raise RuntimeError(
                f"pad_sequence: sequences must agree in all but their length, but have shapes "
                f"{tuple(first.shape)} and {tuple(s.shape)}"
            )
        s = s.to(first.dtype)
        if s.shape[0] < longest:
            gap = first.new_full((longest - s.shape[0], *first.shape[1:]), padding_value)
            s = joining.cat([s, gap] if padding_side == "right" else [gap, s])
        rows.append(s)
    return joining.stack(rows, dim=0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences that `pad_sequence` stacked.

    Args:
        padded_sequences: (l, n, *), or (n, l, *) with `batch_first`.
        lengths: (n), of each sequence.
        batch_first: which of the two layouts it is.
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]
