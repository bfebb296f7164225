"""Attention, as functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch import _dtype
from xptorch.nn.functional.dropout import dropout
from xptorch.ops import comparison, linalg, shape
from xptorch.ops._common import to_dtype
from xptorch.ops.attention import scaled_dot_product_attention
from xptorch.ops.linear import linear
from xptorch.ops.memory import constant_pad
from xptorch.ops.softmax import softmax

if TYPE_CHECKING:
    from xptorch._tensor import Tensor

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads over projected queries, keys and values: concat(heads) Wᵒ.

    Args:
        query, key, value: (l, n, e), (s, n, e_k), (s, n, e_v); or without the batch axis n.
        key_padding_mask: (n, s), True at keys to leave out, or numbers added to the scores.
        attn_mask: (l, s) or (n · heads, l, s), True at pairs to leave out, or numbers to add.
        is_causal: a hint that attn_mask is the causal mask.
        need_weights: return the attention weights too.
        average_attn_weights: their mean over the heads, not each head's.
        static_k, static_v: (n · heads, s, e / heads), in place of the projected ones.

    Returns:
        The output (l, n, e), and the weights (n, l, s) or (n, heads, l, s), or None.
    """
    batched = _check_dims(query, key, value, key_padding_mask, attn_mask, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None
    else:
        is_causal = False
    same = query is key and key is value
    if not batched:
        query, key, value = (t.unsqueeze(1) for t in (query, key, value))
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, n, width = query.shape
    if width != embed_dim_to_check:
        raise AssertionError(
            f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}"
        )
    head = width // num_heads
    if head * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
    else:
        weights = _split(in_proj_weight)
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
    if key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
        )
    if same and in_proj_weight is not None and not use_separate_proj_weight:
        q, k, v = linear(query, in_proj_weight, in_proj_bias).chunk(3, -1)
    else:
        biases = _split(in_proj_bias)
        parts = zip((query, key, value), weights, biases, strict=True)
        q, k, v = (linear(x, w, b) for x, w, b in parts)  # type: ignore[arg-type]
    mask = _as_scores(attn_mask, q, "attn_mask")
    if mask is not None:
        mask = _with_batch(mask, length, key.shape[0], n * num_heads)
    padding = _as_scores(key_padding_mask, q, "key_padding_mask")
    if bias_k is not None and bias_v is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value.")
        k, v = shape.cat([k, bias_k.repeat(1, n, 1)]), shape.cat([v, bias_v.repeat(1, n, 1)])
        mask, padding = _one_more(mask), _one_more(padding)
    q = _by_head(q, n, num_heads, head)
    k, v = (
        _by_head(x, n, num_heads, head) if given is None else _static(given, n * num_heads, head)
        for x, given in ((k, static_k), (v, static_v))
    )
    if add_zero_attn:
        zeros = k.new_zeros(n * num_heads, 1, head)
        k, v = shape.cat([k, zeros], 1), shape.cat([v, zeros], 1)
        mask, padding = _one_more(mask), _one_more(padding)
    mask = _joined(mask, padding, n, num_heads, k.shape[1])
    out, shares = _attend(q, k, v, mask, dropout_p if training else 0.0, need_weights, is_causal, n)
    out = linear(
        out.transpose(0, 1).reshape(length * n, width), out_proj_weight, out_proj_bias
    ).view(length, n, out_proj_weight.shape[0])
    if shares is not None:
        shares = shares.view(n, num_heads, length, k.shape[1])
        if average_attn_weights:
            shares = shares.mean(1)
        shares = shares if batched else shares.squeeze(0)
    return (out if batched else out.squeeze(1)), shares


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Any, p: float, weights: bool, causal: bool, n: int
) -> tuple[Tensor, Tensor | None]:
    """(n · heads, l, d) each; the weights only where they are wanted."""
    if weights:
        scores = linalg.matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(-2, -1))
        shares = softmax(scores if mask is None else scores + mask, -1)
        if p > 0.0:
            shares = dropout(shares, p)
        return linalg.matmul(shares, v), shares
    q, k, v = (x.view(n, x.shape[0] // n, *x.shape[1:]) for x in (q, k, v))
    if mask is not None:
        mask = mask.view(-1, 1 if mask.shape[0] == 1 else q.shape[1], *mask.shape[1:])
    out = scaled_dot_product_attention(q, k, v, mask, p, causal)
    return out.reshape(-1, *out.shape[2:]), None


def _check_dims(q: Any, k: Any, v: Any, padding: Any, mask: Any, heads: int) -> bool:
    """Whether there is a batch axis."""
    if q.ndim not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {q.ndim}-D tensor"
        )
    if k.ndim != q.ndim or v.ndim != q.ndim:
        raise AssertionError(
            f"For {q.ndim}-D query expected key and value of as many dimensions, but found "
            f"{k.ndim}-D and {v.ndim}-D tensors"
        )
    if padding is not None and padding.ndim != q.ndim - 1:
        raise AssertionError(
            f"For {q.ndim}-D query expected key_padding_mask to be None or {q.ndim - 1}-D but "
            f"found {padding.ndim}-D tensor instead"
        )
    if mask is not None:
        if mask.ndim not in (2, 3):
            raise AssertionError(
                f"expected attn_mask to be None, 2-D, or 3-D but found {mask.ndim}-D tensor instead"
            )
        wanted = (heads, q.shape[0], k.shape[0])
        if q.ndim == 2 and mask.ndim == 3 and tuple(mask.shape) != wanted:
            raise AssertionError(f"Expected attn_mask shape to be {wanted} but got {mask.shape}")
    return bool(q.ndim == 3)


def _split(packed: Tensor | None) -> tuple[Any, Any, Any]:
    if packed is None:
        return None, None, None
    first, second, third = packed.chunk(3, 0)
    return first, second, third


def _as_scores(mask: Tensor | None, like: Tensor, name: str) -> Tensor | None:
    """A mask as numbers to add."""
    if mask is None or mask.is_floating_point():
        return mask
    if mask.dtype is not _dtype.bool_:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return to_dtype(comparison.where(mask, -math.inf, 0.0), like.dtype)


def _with_batch(mask: Tensor, length: int, source: int, heads: int) -> Tensor:
    wanted = (length, source) if mask.ndim == 2 else (heads, length, source)
    if tuple(mask.shape) != wanted:
        raise RuntimeError(
            f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {wanted}."
        )
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _one_more(mask: Tensor | None) -> Tensor | None:
    """A further column that nothing masks."""
    if mask is None:
        return None
    return constant_pad(mask, (*[(0, 0)] * (mask.ndim - 1), (0, 1)), 0.0)


def _by_head(x: Tensor, n: int, heads: int, head: int) -> Tensor:
    return x.reshape(x.shape[0], n * heads, head).transpose(0, 1)


def _static(given: Tensor, rows: int, head: int) -> Tensor:
    if given.shape[0] != rows or given.shape[2] != head:
        raise AssertionError(
            f"expecting static_k and static_v of sizes ({rows}, *, {head}), but got {given.shape}"
        )
    return given


def _joined(mask: Any, padding: Any, n: int, heads: int, source: int) -> Tensor | None:
    if padding is None:
        return mask  # type: ignore[no-any-return]
    if tuple(padding.shape) != (n, source):
        raise AssertionError(
            f"expecting key_padding_mask shape of {(n, source)}, but got {padding.shape}"
        )
    wide = padding.view(n, 1, 1, source).expand(n, heads, 1, source).reshape(-1, 1, source)
    return wide if mask is None else mask + wide  # type: ignore[no-any-return]
