"""An estimate of the GPU memory that a training takes, from config.json alone: no weights are downloaded or loaded.

For one device, without sharding. t is the number of tokens of a batch whose rows are as long as
`data.max_context_length`. Of a layer, h is the hidden size, i the intermediate size, a the width of all queries, k that
of all keys, and s the sum of the ranks of its LoRA. In bytes:

    weights      4 (float32) or 2 (bfloat16) a parameter; with nf4 linear layers 0.516 (4 bits, and constants in 8 bits
                 for each 64), the rest 2
    adapter      4 a LoRA parameter, and as many for gradients, 8 for AdamW's moments; with nf4 half of each
    activations  t (16 h + 16 i + 12 a + 12 k + 4 s) a layer in float32, t (18 h + 8 i + 10 a + 8 k + 2 s) in bfloat16:
                 what autograd keeps of a Qwen3 layer; attention keeps no scores (flash or SDPA), but
                 `eager` for each head and pair of tokens 4, or 6 with bfloat16: its weights in both. With gradient
                 checkpointing one layer of it, and 4 t h or 2 t h for each
    head         4 h t, and 4 for each logit of a tile: at most `TILE_TOKENS` by `TILE_VOCABULARY` in TRL's fused head
    runtime      `RUNTIME` for CUDA's context and the allocator's gaps

Dense decoders only: of a mixture of experts the activations come out too small.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from peft import get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from callproof.config import RunConfig

from ..adapter.model import check_modules, fresh_lora
from ..rows.data import context_length, from_pretrained, not_loaded

GIB = 2**30
NF4_BYTES = 0.516
TILE_TOKENS, TILE_VOCABULARY = 4096, 32768
RUNTIME = 1.5 * GIB


@dataclass(frozen=True)
class Estimate:
    """Bytes by part; `gpu_gib` is the memory of the GPU that they should fit into, None where none was named."""

    parts: dict[str, float]
    base_parameters: int
    lora_parameters: int
    gpu_gib: float | None

    @property
    def total_gib(self) -> float:
        return sum(self.parts.values()) / GIB

    @property
    def fits(self) -> bool | None:
        return None if self.gpu_gib is None else self.total_gib <= self.gpu_gib

    def summary(self) -> dict[str, Any]:
        """For scripts; GiB."""
        return {
            "base_parameters": self.base_parameters,
            "lora_parameters": self.lora_parameters,
            "memory_gib": {name: round(size / GIB, 3) for name, size in self.parts.items()},
            "total_gib": round(self.total_gib, 3),
            "gpu_gib": self.gpu_gib,
            "fits": self.fits,
        }

    def table(self) -> str:
        """For people."""
        sizes = {name: size / GIB for name, size in self.parts.items()} | {"total": self.total_gib}
        lines = [f"{name:<12} {size:9.2f} GiB" for name, size in sizes.items()]
        verdict = {None: "", True: ": fits", False: ": does not fit"}[self.fits]
        gpu = "" if self.gpu_gib is None else f" of {self.gpu_gib:g} GiB{verdict}"
        counts = f"{self.base_parameters:,} parameters of the base, {self.lora_parameters:,} of the adapter"
        return "\n".join([counts, *lines]) + gpu


def estimate(config: RunConfig, gpu_gib: float | None = None) -> Estimate:
    """The memory of a training on one GPU.

    Raises:
        UserError: the base's config.json cannot be had, or section lora names a module that the base lacks.
    """
    model, tokens = _on_meta(config), _tokens(config)
    text = model.config.get_text_config()
    linear = sum(module.weight.numel() for module in _linears(model))
    total = sum(parameter.numel() for parameter in model.parameters())
    adapted = get_peft_model(model, fresh_lora(config))
    lora = {name: p.numel() for name, p in adapted.named_parameters() if p.requires_grad}
    nf4, wide = config.model.quantization == "nf4", _is_wide(config)
    unit = 4 if config.model.dtype == "float32" else 2
    adapter = sum(lora.values()) * (0.5 if nf4 else 1.0)
    return Estimate(
        parts={
            "weights": linear * NF4_BYTES + (total - linear) * 2 if nf4 else total * unit,
            "adapter": 4 * adapter,
            "gradients": 4 * adapter,
            "optimizer": 8 * adapter,
            "activations": _activations(config, text, _ranks(adapted), wide),
            "head": 4 * text.hidden_size * tokens
            + 4 * min(tokens, TILE_TOKENS) * min(text.vocab_size, TILE_VOCABULARY),
            "runtime": RUNTIME,
        },
        base_parameters=total,
        lora_parameters=sum(lora.values()),
        gpu_gib=gpu_gib,
    )


def layer_bytes(text: Any, ranks: float, wide: bool) -> float:
    """Bytes that autograd keeps of one layer, a token.

    Args:
        text: the base's configuration, of its text part.
        ranks: sum of the ranks in the layer.
        wide: float32 instead of bfloat16.
    """
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    keys = (getattr(text, "num_key_value_heads", None) or text.num_attention_heads) * width
    sizes = (text.hidden_size, text.intermediate_size, text.num_attention_heads * width, keys, ranks)
    return float(sum(map(lambda n, size: n * size, (16, 16, 12, 12, 4) if wide else (18, 8, 10, 8, 2), sizes)))


def _activations(config: RunConfig, text: Any, ranks: int, wide: bool) -> float:
    tokens, layers = _tokens(config), text.num_hidden_layers
    layer = layer_bytes(text, ranks / layers, wide)
    if config.model.attn_implementation == "eager":
        layer += text.num_attention_heads * context_length(config) * (4 if wide else 6)
    if not config.train.gradient_checkpointing:
        return tokens * layer * layers
    return tokens * (layer + layers * text.hidden_size * (4 if wide else 2))


def _tokens(config: RunConfig) -> int:
    answers = 2 if config.train.method == "dpo" else 1
    return answers * config.train.per_device_train_batch_size * context_length(config)


def _on_meta(config: RunConfig) -> Any:
    settings = from_pretrained(AutoConfig, config.model)
    with torch.device("meta"):
        try:
            model = AutoModelForCausalLM.from_config(settings, trust_remote_code=config.model.trust_remote_code)
        except ValueError as error:
            raise not_loaded(config.model.base_model, error) from None
    check_modules(config, [name for name, _ in model.named_modules()])
    return model


def _is_wide(config: RunConfig) -> bool:
    """Whether matrix products run in float32: no autocast, and float32 weights."""
    return config.train.bf16 is False and config.model.dtype == "float32"


def _linears(model: Any) -> Iterator[Any]:
    head = model.get_output_embeddings()
    return (layer for layer in model.modules() if isinstance(layer, torch.nn.Linear) and layer is not head)


def _ranks(adapted: Any) -> int:
    return sum(p.shape[0] for name, p in adapted.named_parameters() if "lora_A" in name)
