"""Layers of Llama's shape built on the operations of train/cpu/functions.py.

A class here goes before one of transformers: Llama, Qwen2 and Qwen3 have the same layers, but for biases and a norm of
each head. The loss looks at supervised positions alone, about a fifth of a session's tokens. In the last layer the
others are needed as keys and values only, so its queries, output and MLP are computed at supervised positions alone.
"""

from typing import Any

import torch
from peft.tuners import lora
from torch import nn
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaDecoderLayer, LlamaRMSNorm, repeat_kv
from transformers.models.qwen2.modeling_qwen2 import Qwen2Attention, Qwen2DecoderLayer, Qwen2RMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3Attention, Qwen3DecoderLayer, Qwen3RMSNorm

from .functions import MASKED, CausalAttention, HeadNorm, LoraProduct, Norm, Rotation


class QuickNorm(nn.Module):
    """A norm of a layer or of the model; the norms of the heads are computed by `QuickAttention`."""

    weight: Any
    variance_epsilon: Any

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return Norm.apply(hidden_states, self.weight, self.variance_epsilon)  # pyright: ignore[reportReturnType]


class QuickAttention(nn.Module):
    """Causal attention without a mask: rows must be unpadded, or padded on the right, where the loss ignores it.

    With a cache of keys and values (generation) it is the model's own attention. Its heads have a norm in Qwen3 alone.
    """

    q_proj: Any
    k_proj: Any
    v_proj: Any
    o_proj: Any
    scaling: Any
    head_dim: Any
    num_key_value_groups: Any

    def forward(
        self, hidden_states: Any, position_embeddings: Any, attention_mask: Any, past_key_values: Any = None, **kw: Any
    ) -> Any:
        if past_key_values is not None:
            return super().forward(hidden_states, position_embeddings, attention_mask, past_key_values, **kw)  # pyright: ignore
        query = self.heads(self.q_proj(hidden_states), position_embeddings, "q_norm").flatten(0, 1)
        key, value = self.keys_and_values(hidden_states, position_embeddings)
        attended = CausalAttention.apply(query, key, value, self.scaling)
        return self.o_proj(self.joined(attended, len(hidden_states))), None

    def at(self, hidden: torch.Tensor, position_embeddings: Any, positions: torch.Tensor) -> torch.Tensor:
        """The output at some positions alone.

        Takes hidden (rows, tokens, width) and positions (rows, some); returns (rows, some, width).
        """
        rotations = tuple(_taken(part.expand(len(hidden), -1, -1), positions) for part in position_embeddings)
        query = self.heads(self.q_proj(_taken(hidden, positions)), rotations, "q_norm").flatten(0, 1)
        key, value = self.keys_and_values(hidden, position_embeddings)
        later = torch.arange(hidden.shape[1]) > positions.unsqueeze(-1)
        mask = torch.zeros(later.shape, dtype=query.dtype).masked_fill_(later, MASKED)
        scores = torch.bmm(query * self.scaling, key.transpose(1, 2)).unflatten(0, (len(hidden), -1))
        attended = torch.bmm((scores + mask.unsqueeze(1)).flatten(0, 1).softmax(-1), value)
        return self.o_proj(self.joined(attended, len(hidden)))

    def heads(self, projected: torch.Tensor, position_embeddings: Any, norm_name: str) -> torch.Tensor:
        """Heads rotated, after their norm if they have one.

        (rows, tokens, heads * width) to (rows, heads, tokens, width).
        """
        whole, norm = projected.unflatten(-1, (-1, self.head_dim)), getattr(self, norm_name, None)
        if norm is None:
            return Rotation.apply(whole, *position_embeddings)  # pyright: ignore[reportReturnType]
        return HeadNorm.apply(whole, norm.weight, *position_embeddings, norm.variance_epsilon)  # pyright: ignore[reportReturnType]

    def keys_and_values(self, hidden: torch.Tensor, position_embeddings: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values, each (query heads of all rows, tokens, width).

        Where several query heads share one key head (grouped-query attention), it is repeated for each of them.
        """
        key = self.heads(self.k_proj(hidden), position_embeddings, "k_norm")
        value = self.v_proj(hidden).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        groups = self.num_key_value_groups
        return repeat_kv(key, groups).flatten(0, 1), repeat_kv(value, groups).flatten(0, 1)

    def joined(self, attended: torch.Tensor, rows: int) -> torch.Tensor:
        """(heads of all rows, tokens, width) to (rows, tokens, heads * width)."""
        return attended.unflatten(0, (rows, -1)).transpose(1, 2).flatten(2)


class LastLayer(nn.Module):
    """The last layer: computed at the `supervised` positions (rows, some) alone, where they are given.

    Takes (rows, tokens, width); returns (rows, some, width), or (rows, tokens, width) without `supervised`.
    """

    self_attn: Any
    mlp: Any
    input_layernorm: Any
    post_attention_layernorm: Any

    def forward(self, hidden_states: torch.Tensor, *args: Any, supervised: Any = None, **named: Any) -> torch.Tensor:
        if supervised is None:
            return super().forward(hidden_states, *args, **named)  # pyright: ignore
        normed = self.input_layernorm(hidden_states)
        hidden = _taken(hidden_states, supervised)
        hidden = hidden + self.self_attn.at(normed, named["position_embeddings"], supervised)
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


def _before(quick: type[nn.Module], *kinds: type[nn.Module]) -> dict[type[nn.Module], type[nn.Module]]:
    """Class of transformers -> the same with what `quick` does differently."""
    return {kind: type(f"Quick{kind.__name__}", (quick, kind), {}) for kind in kinds}


LAST = _before(LastLayer, LlamaDecoderLayer, Qwen2DecoderLayer, Qwen3DecoderLayer)
QUICK = {
    **_before(QuickNorm, LlamaRMSNorm, Qwen2RMSNorm, Qwen3RMSNorm),
    **_before(QuickAttention, LlamaAttention, Qwen2Attention, Qwen3Attention),
}


def quicken(model: nn.Module) -> None:
    """Replace the classes of a model's layers, and of the LoRA on them, by those above.

    Results stay the same; models that are no Llama, Qwen2 or Qwen3 are left alone, and so are those with a window of
    attention. Rows must be unpadded or padded on the right, without packing or sharding.
    """
    layers: list[Any] = [module for module in model.modules() if type(module) in LAST]
    if not layers or any(_windowed(layer.self_attn) or layer.self_attn.attention_dropout for layer in layers):
        return
    layers[-1].__class__ = LAST[type(layers[-1])]
    for module in model.modules():
        if type(module) is lora.Linear:
            if _plain(module):
                module.__class__ = QuickLora
        else:
            module.__class__ = QUICK.get(type(module), type(module))


def _windowed(attention: Any) -> bool:
    return bool(getattr(attention, "sliding_window", None))


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
