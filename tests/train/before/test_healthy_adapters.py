"""Adapters that PEFT itself makes, on small random bases of several families: none of them is refused."""

from pathlib import Path
from typing import Any

import pytest

from callproof.config import check_adapter_folder

FAMILIES = {
    "llama": ("LlamaConfig", {}),
    "qwen2": ("Qwen2Config", {}),
    "qwen3": ("Qwen3Config", {"head_dim": 16}),
    "mistral": ("MistralConfig", {}),
    "gemma": ("GemmaConfig", {"head_dim": 16}),
    "gemma3": ("Gemma3TextConfig", {"head_dim": 16}),
    "phi3": ("Phi3Config", {"pad_token_id": 0}),
}
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
KINDS: dict[str, dict[str, Any]] = {
    "all linear": {"r": 8, "target_modules": "all-linear"},
    "rsLoRA": {"r": 8, "use_rslora": True, "target_modules": "all-linear"},
    "patterns": {"r": 8, "rank_pattern": {"down_proj": 2, r"layers\.1\.mlp\..*": 3}, "target_modules": "all-linear"},
    "some layers": {"r": 4, "layers_to_transform": [1], "target_modules": ["down_proj"]},
}


def base_of(family: str, folder: Path, **changes: Any) -> Path:
    import transformers

    name, more = FAMILIES[family]
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    settings = {**sizes, "num_key_value_heads": 1, "vocab_size": 100, "max_position_embeddings": 64, **more, **changes}
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, name)(**settings))
    model.save_pretrained(folder, max_shard_size="20KB" if family == "llama" else "50GB")
    return folder


def adapter_on(base: Path, folder: Path, **settings: Any) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora" in name:
                parameter.fill_(0.01)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_what_peft_makes_is_served(family: str, tmp_path: Path) -> None:
    base = base_of(family, tmp_path / "base")
    kinds = {**KINDS, **({} if family == "phi3" else {"attention": {"r": 16, "target_modules": ATTENTION}})}
    for kind, settings in kinds.items():
        assert check_adapter_folder(adapter_on(base, tmp_path / kind, **settings), str(base)).notes == (), kind


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_adapters_on_the_embedding_are_served_where_vllm_takes_them(family: str, tied: bool, tmp_path: Path) -> None:
    base = base_of(family, tmp_path / "base", tie_word_embeddings=tied)
    settings = {"r": 4, "target_modules": ["q_proj", "embed_tokens"], "ensure_weight_tying": False}
    assert check_adapter_folder(adapter_on(base, tmp_path / "adapter", **settings), str(base)).notes == ()


@pytest.mark.parametrize("rank", [1, 3, 64, 512])
def test_every_rank_up_to_the_highest_is_served(rank: int, tmp_path: Path) -> None:
    base = base_of("qwen3", tmp_path / "base")
    adapter = adapter_on(base, tmp_path / "adapter", r=rank, target_modules=["q_proj"])
    assert check_adapter_folder(adapter, str(base)).notes == ()


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "mistral", "gemma", "gemma3"])
def test_shapes_by_rule_are_those_of_the_weights(family: str, tmp_path: Path) -> None:
    from callproof.config.servable.base_modules import base_modules

    base = base_of(family, tmp_path / "base")
    by_weights = base_modules(str(base))
    for file in base.glob("*.safetensors*"):
        file.unlink()
    by_rule = base_modules(str(base))
    assert by_weights is not None
    assert by_rule is not None
    linear = {module: shape for module, shape in by_weights.shapes.items() if shape}
    assert by_rule.shapes == linear
