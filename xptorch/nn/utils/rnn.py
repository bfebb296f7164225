"""Sequences of different lengths as one tensor."""

from __future__ import annotations

from collections.abc import Iterable

from xptorch._tensor import Tensor
from xptorch.ops import shape


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
        RuntimeError: there are no sequences, or they do not fit together.

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
            s = shape.cat([s, gap] if padding_side == "right" else [gap, s])
        rows.append(s)
    return shape.stack(rows, dim=0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences that `pad_sequence` stacked.

    Args:
        padded_sequences: (l, n, *), or (n, l, *) with `batch_first`.
        lengths: (n), of each sequence.
        batch_first: which of the two it is.
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]
