"""Multi-head attention over projected queries, keys and values."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch.nn.functional.dropout import dropout
from xptorch.ops._common import to_dtype
from xptorch.ops.elementwise import comparison
from xptorch.ops.layers.attention import scaled_dot_product_attention
from xptorch.ops.layers.linear import linear
from xptorch.ops.layers.softmax import softmax
from xptorch.ops.linalg import products
from xptorch.ops.shape import joining
from xptorch.ops.shape.copy_and_fill import constant_pad

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

Triple = tuple[Any, Any, Any]


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
    """Multi-head attention over projected queries, keys and values: concat(heads) Wᵒ.

    Args:
        query, key, value: (l, n, e), (s, n, e_k), (s, n, e_v); or without the batch axis n.
        key_padding_mask: (n, s), True at keys to leave out, or values added to the scores.
        attn_mask: (l, s) or (n · heads, l, s), True at pairs to leave out, or values to add.
        static_k, static_v: (n · heads, s, e / heads), in place of the projected ones.
    Returns: the output (l, n, e), and the weights (n, l, s) or (n, heads, l, s), or None.
    """
    batched = _check_dims(query, key, value, key_padding_mask, attn_mask, num_heads)
    check_same_kind(key_padding_mask, attn_mask, "key_padding_mask", "attn_mask")
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    is_causal = is_causal and key_padding_mask is None and not need_weights
    inputs = (query, key, value) if batched else _with_batch_axis(query, key, value)
    if not batched and key_padding_mask is not None:
        key_padding_mask = key_padding_mask.unsqueeze(0)
    length, n, width = inputs[0].shape
    head = _head_width(width, embed_dim_to_check, num_heads)
    weights = (q_proj_weight, k_proj_weight, v_proj_weight)
    packed = None if use_separate_proj_weight else in_proj_weight
    q, k, v = _projected(inputs, weights, packed, in_proj_bias)
    mask = None if is_causal else attn_mask
    masks = _masks(mask, key_padding_mask, q, length, k.shape[0], n * num_heads)
    given = ((bias_k, bias_v), (static_k, static_v))
    q, k, v, mask = _by_heads(q, k, v, masks, *given, add_zero_attn, num_heads, head)
    out, shares = _attend(q, k, v, mask, dropout_p * training, need_weights, is_causal)
    out = linear(out.transpose(0, 1).reshape(length, n, width), out_proj_weight, out_proj_bias)
    if shares is not None:
        shares = shares.view(n, num_heads, *shares.shape[1:])
        shares = shares.mean(1) if average_attn_weights else shares
    if batched:
        return out, shares
    return out.squeeze(1), None if shares is None else shares.squeeze(0)


def _by_heads(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    masks: tuple[Any, Any],
    extra: tuple[Any, Any],
    fixed: tuple[Any, Any],
    add_zero: bool,
    heads: int,
    head: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Queries, keys and values as (n · heads, length, head), and their combined mask."""
    n, (mask, padding) = q.shape[1], masks
    if extra[0] is not None and extra[1] is not None:
        if fixed[0] is not None or fixed[1] is not None:
            raise AssertionError("bias cannot be added to static key or value.")
        k, v = (joining.cat([x, b.repeat(1, n, 1)]) for x, b in zip((k, v), extra, strict=True))
        mask, padding = _one_more(mask), _one_more(padding)
    q = _by_head(q, n, heads, head)
    k, v = (
        _by_head(x, n, heads, head) if given is None else _static(given, n * heads, head)
        for x, given in zip((k, v), fixed, strict=True)
    )
    if add_zero:
        k, v = (joining.cat([x, x.new_zeros(n * heads, 1, head)], 1) for x in (k, v))
        mask, padding = _one_more(mask), _one_more(padding)
    return q, k, v, _joined(mask, padding, n, heads, k.shape[1])


def _masks(
    mask: Any, padding: Any, like: Tensor, length: int, source: int, heads: int
) -> tuple[Any, Any]:
    """Both masks as values to add to the scores."""
    mask = additive(mask, like.dtype, "attn_mask")
    if mask is not None:
        mask = _with_heads(mask, length, source, heads)
    return mask, additive(padding, like.dtype, "key_padding_mask")


def _with_batch_axis(q: Tensor, k: Tensor, v: Tensor) -> Triple:
    """The inputs with a batch axis of size 1; three identical inputs stay identical."""
    if q is k and k is v:
        return (q.unsqueeze(1),) * 3
    return q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1)


def _head_width(width: int, expected: int, heads: int) -> int:
    if width != expected:
        raise AssertionError(f"was expecting embedding dimension of {expected}, but got {width}")
    if width % heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {heads}")
    return width // heads


def _projected(inputs: Triple, weights: Triple, packed: Any, bias: Any) -> Triple:
    """Queries, keys and values: by one matrix product if the three inputs are the same tensor."""
    query, key, value = inputs
    if key.shape[:2] != value.shape[:2] or (packed is not None and key.shape != value.shape):
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
    if packed is not None and query is key and key is value:
        q, k, v = linear(query, packed, bias).chunk(3, -1)
        return q, k, v
    parts = zip(inputs, weights if packed is None else _split(packed), _split(bias), strict=True)
    q, k, v = (linear(x, w, b) for x, w, b in parts)
    return q, k, v


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Any, p: float, weights: bool, causal: bool
) -> tuple[Tensor, Tensor | None]:
    """The output, (n · heads, l, d), and the weights if requested."""
    if weights:
        scores = products.matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(-2, -1))
        shares = softmax(scores if mask is None else scores + mask, -1)
        if p > 0.0:
            shares = dropout(shares, p)
        return products.matmul(shares, v), shares
    return scaled_dot_product_attention(q, k, v, mask, p, causal), None


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


def _split(packed: Tensor | None) -> Triple:
    if packed is None:
        return None, None, None
    first, second, third = packed.chunk(3, 0)
    return first, second, third


def additive(mask: Tensor | None, dtype: dtypes.dtype, name: str) -> Tensor | None:
    """A mask as values to add to the scores.

    Raises:
        AssertionError: its dtype is neither bool nor floating-point.
    """
    if mask is None or mask.is_floating_point():
        return mask
    if mask.dtype is not dtypes.bool_:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return to_dtype(comparison.where(mask, -math.inf, 0.0), dtype)


def check_same_kind(mask: Tensor | None, other: Tensor | None, name: str, its_name: str) -> None:
    """Warn, as PyTorch does, about two masks of different dtypes."""
    if mask is None or other is None or mask.dtype is other.dtype:
        return
    warnings.warn(
        f"Support for mismatched {name} and {its_name} is deprecated. Use same type for both "
        "instead.",
        stacklevel=3,
    )


def _with_heads(mask: Tensor, length: int, source: int, heads: int) -> Tensor:
    wanted = (length, source) if mask.ndim == 2 else (heads, length, source)
    if tuple(mask.shape) != wanted:
        raise RuntimeError(
            f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {wanted}."
        )
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _one_more(mask: Tensor | None) -> Tensor | None:
    """The mask with a further, unmasked column."""
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
        return mask
    if tuple(padding.shape) != (n, source):
        raise AssertionError(
            f"expecting key_padding_mask shape of {(n, source)}, but got {padding.shape}"
        )
    wide = padding.view(n, 1, 1, source).expand(n, heads, 1, source).flatten(0, 1)
    return wide if mask is None else mask + wide
