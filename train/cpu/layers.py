"""Qwen3 layers built on the operations of train/cpu/functions.py.

The loss looks at supervised positions alone, about a fifth of a session's tokens. In the last layer the others are
needed as keys and values only, so its queries, output and MLP are computed at supervised positions alone.
"""

from typing import Any

import torch
from peft.tuners import lora
from torch import nn
from transformers.models.qwen3.modeling_qwen3 import Qwen3Attention, Qwen3DecoderLayer, Qwen3RMSNorm, repeat_kv

from .functions import MASKED, CausalAttention, HeadNorm, LoraProduct, Norm


class QuickNorm(Qwen3RMSNorm):
    """A norm of a layer or of the model; the norms of the heads are computed by `QuickAttention`."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return Norm.apply(hidden_states, self.weight, self.variance_epsilon)  # pyright: ignore[reportReturnType]


class QuickAttention(Qwen3Attention):
    """Causal attention without a mask: rows must be unpadded, or padded on the right, where the loss ignores it.

    With a cache of keys and values (generation) it is Qwen3's own attention.
    """

    def forward(
        self, hidden_states: Any, position_embeddings: Any, attention_mask: Any, past_key_values: Any = None, **kw: Any
    ) -> Any:
        if past_key_values is not None:
            return super().forward(hidden_states, position_embeddings, attention_mask, past_key_values, **kw)
        query = self.heads(self.q_proj(hidden_states), position_embeddings, self.q_norm).flatten(0, 1)
        key, value = self.keys_and_values(hidden_states, position_embeddings)
        attended = CausalAttention.apply(query, key, value, self.scaling)
        return self.o_proj(self.joined(attended, len(hidden_states))), None

    def at(self, hidden: torch.Tensor, position_embeddings: Any, positions: torch.Tensor) -> torch.Tensor:
        """The output at some positions alone.

        Takes hidden (rows, tokens, width) and positions (rows, some); returns (rows, some, width).
        """
        rotations = tuple(_taken(part.expand(len(hidden), -1, -1), positions) for part in position_embeddings)
        query = self.heads(self.q_proj(_taken(hidden, positions)), rotations, self.q_norm).flatten(0, 1)
        key, value = self.keys_and_values(hidden, position_embeddings)
        later = torch.arange(hidden.shape[1]) > positions.unsqueeze(-1)
        mask = torch.zeros(later.shape, dtype=query.dtype).masked_fill_(later, MASKED)
        scores = torch.bmm(query * self.scaling, key.transpose(1, 2)).unflatten(0, (len(hidden), -1))
        attended = torch.bmm((scores + mask.unsqueeze(1)).flatten(0, 1).softmax(-1), value)
        return self.o_proj(self.joined(attended, len(hidden)))

    def heads(self, projected: torch.Tensor, position_embeddings: Any, norm: Any) -> torch.Tensor:
        """Heads normed and rotated: (rows, tokens, heads * width) to (rows, heads, tokens, width)."""
        whole = projected.unflatten(-1, (-1, self.head_dim))
        return HeadNorm.apply(whole, norm.weight, *position_embeddings, norm.variance_epsilon)  # pyright: ignore[reportReturnType]

    def keys_and_values(self, hidden: torch.Tensor, position_embeddings: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values, each (query heads of all rows, tokens, width).

        Where several query heads share one key head (grouped-query attention), it is repeated for each of them.
        """
        key = self.heads(self.k_proj(hidden), position_embeddings, self.k_norm)
        value = self.v_proj(hidden).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        groups = self.num_key_value_groups
        return repeat_kv(key, groups).flatten(0, 1), repeat_kv(value, groups).flatten(0, 1)

    def joined(self, attended: torch.Tensor, rows: int) -> torch.Tensor:
        """(heads of all rows, tokens, width) to (rows, tokens, heads * width)."""
        return attended.unflatten(0, (rows, -1)).transpose(1, 2).flatten(2)


class LastLayer(Qwen3DecoderLayer):
    """The last layer: computed at the `supervised` positions (rows, some) alone, where they are given.

    Takes (rows, tokens, width); returns (rows, some, width), or (rows, tokens, width) without `supervised`.
    """

    def forward(self, hidden_states: torch.Tensor, *args: Any, supervised: Any = None, **named: Any) -> torch.Tensor:
        if supervised is None:
            return super().forward(hidden_states, *args, **named)
        normed = self.input_layernorm(hidden_states)
        hidden = _taken(hidden_states, supervised)
        hidden = hidden + self.self_attn.at(normed, named["position_embeddings"], supervised)  # pyright: ignore
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class QuickLora(lora.Linear):
    """A linear layer with one plain LoRA on it."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        base: Any = self.get_base_layer()
        if self.disable_adapters or self.merged:
            return base(x, *args, **kwargs)
        (name,) = self.active_adapters
        down, up = self.lora_A[name].weight, self.lora_B[name].weight
        return LoraProduct.apply(x, base.weight, down, up, self.scaling[name])  # pyright: ignore[reportReturnType]


def quicken(model: nn.Module) -> None:
    """Replace the classes of a model's Qwen3 layers, and of the LoRA on them, by those above.

    Results stay the same; other models are left alone. Rows must be unpadded or padded on the right, without packing or
    sharding.
    """
    layers = [module for module in model.modules() if type(module) is Qwen3DecoderLayer]
    if not layers or any(layer.self_attn.sliding_window or layer.self_attn.attention_dropout for layer in layers):
        return
    layers[-1].__class__ = LastLayer
    for module in model.modules():
        if type(module) is Qwen3RMSNorm:
            module.__class__ = QuickNorm
        elif type(module) is Qwen3Attention:
            module.__class__ = QuickAttention
        elif type(module) is lora.Linear and _plain(module):
            module.__class__ = QuickLora


def gathers(model: nn.Module) -> bool:
    """Whether the model accepts `supervised` positions, and makes logits for them alone."""
    return any(isinstance(module, LastLayer) for module in model.modules())


def _plain(module: Any) -> bool:
    """One adapter, no dropout, no bias, no variant such as DoRA."""
    (name, *more) = module.active_adapters
    dropout = module.lora_dropout[name]
    biased = module.get_base_layer().bias is not None or module.lora_B[name].bias is not None
    return not (more or biased or module.lora_variant or getattr(dropout, "p", 0.0))


def _taken(hidden: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Gather (rows, tokens, width) at positions (rows, some): (rows, some, width)."""
    rows = torch.arange(len(hidden)).unsqueeze(1) * hidden.shape[1]
    return hidden.flatten(0, 1).index_select(0, (rows + positions).flatten()).unflatten(0, positions.shape)
