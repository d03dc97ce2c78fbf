"""Causal attention for training on a CPU: in blocks of queries, each against the keys up to its end.

In bfloat16, with 4 heads of 64 and 500 to 1,000 tokens, plain matrix products in blocks take 0.5 to 0.8 of the time of
PyTorch's fused kernel for CPUs.
"""

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv

NAME = "causal_blocks"
BLOCK = 256
_MASKED = -1e4


def causal_blocks(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, scaling: float, **__: Any
) -> tuple[torch.Tensor, None]:
    """(batch, heads, tokens, width) to (batch, tokens, heads, width); rows are whole or padded on the right."""
    key, value = (repeat_kv(each, module.num_key_value_groups) for each in (key, value))
    rows, heads, length, width = query.shape
    query, key, value = (each.reshape(rows * heads, length, width) for each in (query, key, value))
    blocks = []
    for start in range(0, length, BLOCK):
        end = min(length, start + BLOCK)
        later = torch.full((end - start, end), _MASKED, dtype=query.dtype, device=query.device).triu(1 + start)
        scores = torch.baddbmm(later, query[:, start:end], key[:, :end].transpose(1, 2), alpha=scaling)
        blocks.append(scores.softmax(-1) @ value[:, :end])
    return torch.cat(blocks, 1).view(rows, heads, length, width).transpose(1, 2), None


def stands_for(config: Any) -> bool:
    """Whether a model of that configuration attends as `causal_blocks` does: to all before, without dropout."""
    plain = config.model_type in ("qwen3", "llama") and not getattr(config, "sliding_window", None)
    return plain and not getattr(config, "attention_dropout", 0.0)


def register() -> str:
    """Make it known to transformers; returns its name for `attn_implementation`."""
    AttentionInterface.register(NAME, causal_blocks)
    AttentionMaskInterface.register(NAME, lambda *_, **__: None)
    return NAME
