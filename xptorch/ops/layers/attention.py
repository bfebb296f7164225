"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch._core.mode import local
from xptorch._engine import graph
from xptorch._engine.op import dispatchable, op
from xptorch.ops._common import broadcast, need_tensor, shape_text, type_name
from xptorch.ops._numerics import in_float32, need_floating, total_along
from xptorch.ops.elementwise.comparison import where
from xptorch.ops.layers.softmax import softmax
from xptorch.ops.linalg import products

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor


def _transposed(xp: Any, x: Any) -> Any:
    return xp.permute_dims(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _weights(xp: Any, scores: Any, bias: Any) -> Any:
    """softmax over the last axis; a fully masked row becomes zeros."""
    if bias is not None:
        scores = scores + bias
    m = xp.softmax_shift(scores, -1)
    if bias is not None:
        m = xp.where_or_zero(m, m != -math.inf)
    e = xp.exp(scores - m)
    total = total_along(xp, e, e.ndim - 1)
    if bias is not None:
        total = xp.where(total == 0, xp.ones_like(total), total)
    e /= total
    return e


@dispatchable
def _attention_forward(
    xp: Any, q: Any, k: Any, v: Any, bias: Any, noise: Any, *, scale: float
) -> Any:
    p = _weights(xp, xp.matmul(q * scale, _transposed(xp, k)), bias)
    return xp.matmul(p if noise is None else p * noise, v), p


@dispatchable
def _attention_vjp(
    xp: Any,
    g: Any,
    needs: Any,
    q: Any,
    k: Any,
    v: Any,
    noise: Any,
    aux: Any,
    scale: float,
) -> Any:
    p = aux
    to_v = None
    if needs[2]:
        to_v = xp.matmul(_transposed(xp, p if noise is None else p * noise), g)
    d = xp.matmul(g, _transposed(xp, v))
    if noise is not None:
        d *= noise
    d -= xp.reshape(xp.vecdot(d, p), (*d.shape[:-1], 1))
    d *= p
    to_q = xp.matmul(d, k) if needs[0] else None
    to_k = xp.matmul(_transposed(xp, d), q) if needs[1] else None
    for t in (to_q, to_k):
        if t is not None:
            t *= scale
    return to_q, to_k, to_v, d if needs[3] else None, None


def _attention_reference(
    q: Tensor, k: Tensor, v: Tensor, bias: Any, noise: Any, *, scale: float
) -> Tensor:
    scores = products.matmul(q * scale, k.transpose(-2, -1))
    if bias is None:
        p = softmax(scores, -1)
    else:
        scores = scores + bias
        p = softmax(scores, -1)
        p = where((scores == -math.inf).all(-1, keepdim=True), 0.0, p)
    return products.matmul(p if noise is None else p * noise, v)


_attention = op(
    "attention",
    _attention_forward,
    vjp=_attention_vjp,
    reference=_attention_reference,
    aux=True,
    broadcast=True,
)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(Q Kᵀ · scale + mask) V.

    Args:
        attn_mask: True where attention is allowed, or values added to the scores.
        dropout_p: the probability that an attention weight is set to 0.
        is_causal: position i attends to positions up to i only.
        scale: 1 / √E by default.
        enable_gqa: key and value may have fewer heads (axis −3), each shared by several queries.

    Shape: query (n, …, l, e), key (n, …, s, e), value (n, …, s, e_v); out (n, …, l, e_v).
    """
    if local.mode.casting is not None:
        query, key, value, attn_mask = local.mode.casting(query, key, value, attn_mask)
    _check(query, key, value, attn_mask, is_causal)
    if enable_gqa:
        key, value = _shared_heads(query, key), _shared_heads(query, value)
    on = query._device
    rows, columns = query._data.shape[-2], key._data.shape[-2]
    if is_causal:
        ones = on.xp.ones((rows, columns), dtype=on.xp.bool, device=query._data.device)
        attn_mask = graph.wrap(on.xp.tril(ones), on)
    bias = attn_mask
    if attn_mask is not None and attn_mask.dtype is dtypes.bool_:
        allowed = attn_mask._data
        zero = on.xp.zeros(allowed.shape, dtype=query._data.dtype, device=allowed.device)
        bias = graph.wrap(on.xp.where(allowed, zero, on.xp.full_like(zero, -math.inf)), on)
    if scale is None:
        scale = 1 / math.sqrt(query._data.shape[-1]) if query._data.shape[-1] else math.inf
    noise = None
    if dropout_p > 0.0:
        batch = broadcast(query._data.shape[:-2], key._data.shape[:-2])
        noise = query.detach().new_empty((*batch, rows, columns)).bernoulli_(1 - dropout_p)
        noise.div_(1 - dropout_p)
    if 0 in (rows, columns) or not query.numel() or not value.numel():
        p = softmax(products.matmul(query * scale, key.transpose(-2, -1)), -1)
        return products.matmul(p, value)
    return in_float32(_attention, query, key, value, bias, noise, scale=scale)


def _check(query: Tensor, key: Tensor, value: Tensor, mask: Any, is_causal: bool) -> None:
    names = ("query", "key", "value")
    for i, (name, t) in enumerate(zip(names, (query, key, value), strict=True)):
        need_tensor(t, "scaled_dot_product_attention", name, i + 1)
    if not query.dtype is key.dtype is value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype.name} key.dtype: {key.dtype.name} and value.dtype: "
            f"{value.dtype.name} instead."
        )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim}, key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    need_floating("scaled_dot_product_attention", query)
    if mask is None:
        return
    if mask.dtype is not dtypes.bool_ and mask.dtype is not query.dtype:
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {type_name(mask.dtype)} and  query.dtype: {type_name(query.dtype)} "
            "instead."
        )
    if is_causal:
        raise RuntimeError("Explicit attn_mask should not be set when is_causal=True")


def _shared_heads(query: Tensor, t: Tensor) -> Tensor:
    wanted, heads = query.shape[-3], t.shape[-3]
    if wanted == heads:
        return t
    if heads == 0 or wanted % heads:
        raise RuntimeError(
            "Number of heads in key and value must divide the number of heads in query: "
            f"{shape_text(query.shape)} and {shape_text(t.shape)}"
        )
    return t.repeat_interleave(wanted // heads, -3)
