"""Transformers: layers of attention and feed-forward nets, for encoding and for decoding."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from xptorch._engine import grad_mode
from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn import init
from xptorch.nn.activation import GELU, ReLU
from xptorch.nn.attention import MultiheadAttention
from xptorch.nn.container import ModuleList
from xptorch.nn.dropout import Dropout
from xptorch.nn.functional.multi_head import additive, check_same_kind
from xptorch.nn.linear import Linear
from xptorch.nn.module import Module
from xptorch.nn.normalization import LayerNorm
from xptorch.ops.elementwise import comparison
from xptorch.ops.shape import creation

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
    "TransformerEncoderLayer",
]  # fmt: skip

Activation = str | Callable[[Tensor], Tensor]
_ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu}


def _activation(given: Activation) -> Any:
    if not isinstance(given, str):
        return given
    if given not in _ACTIVATIONS:
        raise RuntimeError(f"activation should be relu/gelu, not {given}")
    return _ACTIVATIONS[given]


def _kind(activation: Any) -> int:
    """1 for ReLU, 2 for GELU, 0 for others: PyTorch's codes."""
    if activation is F.relu or isinstance(activation, ReLU):
        return 1
    return 2 if activation is F.gelu or isinstance(activation, GELU) else 0


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


class _Layer(Module):
    """What layers of encoder and decoder share: attentions, feed-forward net, norms, dropout."""

    _attentions: tuple[str, ...]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        settings: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        for name in self._attentions:
            attention = MultiheadAttention(
                d_model, nhead, dropout, batch_first=batch_first, **settings
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, **settings)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **settings)
        self.norm_first = norm_first
        count = len(self._attentions) + 1
        for i in range(count):
            setattr(self, f"norm{i + 1}", LayerNorm(d_model, layer_norm_eps, **settings))
        for i in range(count):
            setattr(self, f"dropout{i + 1}", Dropout(dropout))
        self._set_activation(_activation(activation))

    def _set_activation(self, chosen: Any) -> None:
        self.activation = chosen

    def _apply_blocks(self, x: Tensor, *blocks: Callable[[Tensor], Tensor]) -> Tensor:
        """Each block with a residual connection, and a norm before it or after the sum."""
        for i, block in enumerate(blocks, 1):
            norm = getattr(self, f"norm{i}")
            x = x + block(norm(x)) if self.norm_first else norm(x + block(x))
        return x

    # The blocks have PyTorch's names, for subclasses that override them.

    def _sa_block(
        self,
        x: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        is_causal: bool = False,
    ) -> Tensor:
        masks = (key_padding_mask, False, attn_mask)
        return self.dropout1(self.self_attn(x, x, x, *masks, is_causal=is_causal)[0])


class TransformerEncoderLayer(_Layer):
    r"""Self-attention and a feed-forward net, each with a residual connection and a norm.

    .. math:: x' = \mathrm{norm}(x + \mathrm{attention}(x)), \quad
        y = \mathrm{norm}(x' + W_2 \, \mathrm{act}(W_1 x'))

    Args:
        d_model: features of input and output.
        nhead: the number of heads.
        dim_feedforward: features inside the feed-forward net.
        dropout: in training: of attention weights, inside the net, and of both before the sums.
        activation: "relu", "gelu", or a function.
        layer_norm_eps: the eps of the norms.
        batch_first: whether the shapes are (n, l, e) in place of (l, n, e).
        norm_first: whether the norms precede attention and net, instead of following the sums.
        bias: whether linear maps and norms have biases.
        device: where the parameters live.
        dtype: of the parameters.

    Shape: (l, n, e) or (l, e) → the same.

    Raises:
        RuntimeError: the activation is an unknown name.

    Source: Vaswani et al., Attention is all you need (2017).

    >>> import xptorch as torch
    >>> torch.nn.TransformerEncoderLayer(8, 2, 16)(torch.ones(5, 3, 8)).shape
    xptorch.Size([5, 3, 8])
    """

    _attentions = ("self_attn",)

    def _set_activation(self, chosen: Any) -> None:
        self.activation_relu_or_gelu = _kind(chosen)
        super()._set_activation(chosen)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Encode.

        Args:
            src: the input.
            src_mask: (l, l) or (n · heads, l, l), True at pairs to leave out, or values to add.
            src_key_padding_mask: (n, l), True at positions to leave out, or values to add.
            is_causal: a promise that src_mask is causal.
        """
        padding, mask = src_key_padding_mask, src_mask
        check_same_kind(padding, mask, "src_key_padding_mask", "src_mask")
        padding = additive(padding, src.dtype, "src_key_padding_mask")
        mask = additive(mask, src.dtype, "src_mask")
        attend = partial(
            self._sa_block, attn_mask=mask, key_padding_mask=padding, is_causal=is_causal
        )
        return self._apply_blocks(src, attend, self._ff_block)

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(_Layer):
    r"""Self-attention, attention to an encoder's output, and a feed-forward net.

    Args:
        d_model: features of input and output.
        nhead: the number of heads.
        dim_feedforward: features inside the feed-forward net.
        dropout: in training: of attention weights, inside the net, and of all before the sums.
        activation: "relu", "gelu", or a function.
        layer_norm_eps: the eps of the norms.
        batch_first: whether the shapes are (n, l, e) in place of (l, n, e).
        norm_first: whether the norms precede attention and net, instead of following the sums.
        bias: whether linear maps and norms have biases.
        device: where the parameters live.
        dtype: of the parameters.

    Shape: (l, n, e) and memory (s, n, e), or both without n → (l, n, e).

    Raises:
        RuntimeError: the activation is an unknown name.

    >>> import xptorch as torch
    >>> layer = torch.nn.TransformerDecoderLayer(8, 2, 16)
    >>> layer(torch.ones(5, 3, 8), torch.ones(7, 3, 8)).shape
    xptorch.Size([5, 3, 8])
    """

    _attentions = ("self_attn", "multihead_attn")

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Decode.

        Args:
            tgt: the input.
            memory: the encoder's output.
            tgt_mask, memory_mask: (l, l) and (l, s), or one for each n · heads; True at pairs to
                leave out, or values to add.
            tgt_key_padding_mask, memory_key_padding_mask: (n, l) and (n, s), True at positions
                to leave out, or values to add.
            tgt_is_causal, memory_is_causal: promises that the masks are causal.
        """
        attend = partial(
            self._sa_block,
            attn_mask=tgt_mask,
            key_padding_mask=tgt_key_padding_mask,
            is_causal=tgt_is_causal,
        )
        cross_attend = partial(
            self._mha_block,
            mem=memory,
            attn_mask=memory_mask,
            key_padding_mask=memory_key_padding_mask,
            is_causal=memory_is_causal,
        )
        return self._apply_blocks(tgt, attend, cross_attend, self._ff_block)

    def _mha_block(
        self,
        x: Tensor,
        mem: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        is_causal: bool = False,
    ) -> Tensor:
        masks = (key_padding_mask, False, attn_mask)
        return self.dropout2(self.multihead_attn(x, mem, mem, *masks, is_causal=is_causal)[0])

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """A stack of encoder layers.

    Args:
        encoder_layer: the layer, of which copies are made.
        num_layers: how many.
        norm: applied after the last layer.
        enable_nested_tensor: whether padding may be left out in evaluation. This saves nothing
            here, but, as in PyTorch, the outputs at padding are zeros then.
        mask_check: whether padding is left out only where it follows the sequences.

    Shape: as the layer's.

    >>> import xptorch as torch
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> torch.nn.TransformerEncoder(layer, 2)(torch.ones(3, 5, 8)).shape
    xptorch.Size([3, 5, 8])
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        reason = _against_nesting(encoder_layer)
        self.use_nested_tensor = enable_nested_tensor and not reason
        self.mask_check = mask_check
        if enable_nested_tensor and reason:
            warnings.warn(
                "enable_nested_tensor is True, but self.use_nested_tensor is False because "
                f"{reason}",
                stacklevel=2,
            )

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Encode; the arguments are the layer's."""
        padding = src_key_padding_mask
        check_same_kind(padding, mask, "src_key_padding_mask", "mask")
        padding = additive(padding, src.dtype, "src_key_padding_mask")
        bias = additive(mask, src.dtype, "mask")
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=bias, is_causal=bool(is_causal), src_key_padding_mask=padding)
        if mask is None and padding is not None and self._nests(src, padding):
            x = comparison.where((padding == -math.inf).unsqueeze(-1), 0.0, x)
        return x if self.norm is None else self.norm(x)

    def _nests(self, src: Tensor, padding: Tensor) -> bool:
        """Whether PyTorch would leave padding out."""
        if self.training or not self.use_nested_tensor or src.ndim != 3:
            return False
        needed = src.requires_grad or any(p.requires_grad for p in self.layers.parameters())
        if grad_mode.is_grad_enabled() and needed:
            return False
        kept = padding != -math.inf
        return not self.mask_check or bool((kept[:, 1:] <= kept[:, :-1]).all())


def _against_nesting(layer: Any) -> str:
    """Why PyTorch would not leave padding out in evaluation; empty if it would."""
    if not isinstance(layer, TransformerEncoderLayer):
        return "encoder_layer was not TransformerEncoderLayer"
    attention, hint = layer.self_attn, "(use batch_first for better inference performance)"
    reasons = {
        "encoder_layer.norm_first was True": layer.norm_first,
        f"encoder_layer.self_attn.batch_first was not True{hint}": not attention.batch_first,
        "encoder_layer.self_attn was passed bias=False": attention.in_proj_bias is None,
        "encoder_layer.self_attn._qkv_same_embed_dim was not True": (
            not attention._qkv_same_embed_dim
        ),
        "encoder_layer.activation_relu_or_gelu was not True": not layer.activation_relu_or_gelu,
        "encoder_layer.norm1.eps was not equal to encoder_layer.norm2.eps": (
            layer.norm1.eps != layer.norm2.eps
        ),
        "encoder_layer.self_attn.num_heads is odd": attention.num_heads % 2 == 1,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


class TransformerDecoder(Module):
    """A stack of decoder layers.

    Args:
        decoder_layer: the layer, of which copies are made.
        num_layers: how many.
        norm: applied after the last layer.

    Shape: as the layer's.
    """

    def __init__(
        self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None
    ) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Decode; the arguments are the layer's."""
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of one sequence, and a decoder of another that attends to it.

    Args:
        d_model: features of inputs and outputs.
        nhead: the number of heads.
        num_encoder_layers, num_decoder_layers: how many layers.
        dim_feedforward: features inside the feed-forward nets.
        dropout, activation, layer_norm_eps, norm_first: see `TransformerEncoderLayer`.
        custom_encoder, custom_decoder: modules to use in place of the default ones.
        batch_first: whether the shapes are (n, l, e) in place of (l, n, e).
        bias: whether linear maps and norms have biases.
        device: where the parameters live.
        dtype: of the parameters.

    Shape: (s, n, e), (l, n, e), or both without n → (l, n, e).

    Raises:
        RuntimeError: when called, if batch or feature sizes of the two differ.

    Source: Vaswani et al., Attention is all you need (2017).

    >>> import xptorch as torch
    >>> net = torch.nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    >>> net(torch.ones(3, 7, 8), torch.ones(3, 5, 8)).shape
    xptorch.Size([3, 5, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        end = (bias, device, dtype)
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        layer += (batch_first, norm_first, *end)  # type: ignore[assignment]
        norm = {"bias": bias, "device": device, "dtype": dtype}
        if custom_encoder is None:
            one = TransformerEncoderLayer(*layer)
            last = LayerNorm(d_model, layer_norm_eps, **norm)
            custom_encoder = TransformerEncoder(one, num_encoder_layers, last)
        self.encoder = custom_encoder
        if custom_decoder is None:
            other = TransformerDecoderLayer(*layer)
            last = LayerNorm(d_model, layer_norm_eps, **norm)
            custom_decoder = TransformerDecoder(other, num_decoder_layers, last)
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Encode src, decode tgt; the masks are those of the layers."""
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """A causal mask: 0 on and below the diagonal, −inf above.

        >>> import xptorch as torch
        >>> torch.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        full = creation.full((sz, sz), -math.inf, dtype=dtype, device=device)
        return full.triu(1)
