"""Multi-head attention, and the choice of implementation: only the mathematical one exists."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator, Sequence
from typing import Any

from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn import init
from xptorch.nn.linear import NonDynamicallyQuantizableLinear
from xptorch.nn.module import Module
from xptorch.nn.parameter import declared, empty_parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    r"""Attention in several parallel heads, between linear maps.

    .. math:: y = \mathrm{concat}_h(\mathrm{softmax}(Q_h K_h^T / \sqrt{d}) V_h) \, W^O

    Args:
        embed_dim: size of queries and outputs, divided among the heads.
        num_heads: the number of heads.
        dropout: the probability of zeroing an attention weight, in training.
        bias: whether the maps have biases.
        add_bias_kv: whether a learned key and value are appended to all others.
        add_zero_attn: whether a key and value of zeros are appended to all others.
        kdim: size of the keys; embed_dim by default.
        vdim: size of the values; embed_dim by default.
        batch_first: whether the shapes are (n, l, e) in place of (l, n, e).
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        in_proj_weight: (3 · embed_dim, embed_dim), the maps of queries, keys and values; three
            separate `q_proj_weight`, … where their sizes differ.
        in_proj_bias: (3 · embed_dim), zeros at first.
        out_proj: the map after the heads.

    Shape: queries (l, n, e) or (l, e), keys (s, n, kdim), values (s, n, vdim) → (l, n, e), and the
    attention weights (n, l, s), or None unless `need_weights`.

    Raises:
        ValueError, AssertionError: `num_heads` does not divide `embed_dim`, or is not positive.

    Source: Vaswani et al., Attention is all you need (2017).
    """

    in_proj_weight = declared("_parameters")
    in_proj_bias = declared("_parameters")
    q_proj_weight = declared("_parameters")
    k_proj_weight = declared("_parameters")
    v_proj_weight = declared("_parameters")
    bias_k = declared("_parameters")
    bias_v = declared("_parameters")

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, "
                f"got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        self._register_maps(bias, device, dtype)
        for name in ("bias_k", "bias_v"):
            added = None
            if add_bias_kv:
                added = empty_parameter(1, 1, embed_dim, device=device, dtype=dtype)
            setattr(self, name, added)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _register_maps(self, bias: bool, device: Any, dtype: Any) -> None:
        e = self.embed_dim
        one = {"in_proj_weight": (3 * e, e)}
        three = {"q_proj_weight": (e, e), "k_proj_weight": (e, self.kdim)}
        three["v_proj_weight"] = (e, self.vdim)
        used, unused = (one, three) if self._qkv_same_embed_dim else (three, one)
        for name, shape in used.items():
            self.register_parameter(name, empty_parameter(*shape, device=device, dtype=dtype))
        for name in unused:
            self.register_parameter(name, None)
        new = empty_parameter(3 * e, device=device, dtype=dtype) if bias else None
        self.register_parameter("in_proj_bias", new)
        self.out_proj = NonDynamicallyQuantizableLinear(e, e, bias=bias, device=device, dtype=dtype)

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            weight = getattr(self, name)
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for added in (self.bias_k, self.bias_v):
            if added is not None:
                init.xavier_normal_(added)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        transposed = self.batch_first and query.ndim == 3
        if transposed:
            # Identical tensors stay identical: they are projected by one product.
            each = {id(t): t.transpose(0, 1) for t in (query, key, value)}
            query, key, value = each[id(query)], each[id(key)], each[id(value)]
        output, weights = F.multi_head_attention_forward(
            *(query, key, value, self.embed_dim, self.num_heads),
            *(self.in_proj_weight, self.in_proj_bias, self.bias_k, self.bias_v),
            *(self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias),
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return output.transpose(0, 1) if transposed else output, weights


class SDPBackend(enum.IntEnum):
    """PyTorch's implementations of scaled dot product attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    __repr__, __str__ = enum.Enum.__repr__, enum.Enum.__str__


@contextlib.contextmanager
def sdpa_kernel(
    backends: Sequence[SDPBackend] | SDPBackend, set_priority: bool = False
) -> Iterator[None]:
    """A block whose attention may use any of these implementations: all give the same values.

    Args:
        backends: one, or several.
        set_priority: whether their order matters; here it does not.

    Raises:
        AssertionError: `backends` is neither a backend nor a list or tuple.
    """
    if not isinstance(backends, (SDPBackend, list, tuple)):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    yield
