"""The base model as training needs it: weights' type, quantisation, and the adapter on it."""

import re
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM

from callproof.config import RunConfig
from callproof.errors import UserError

from ..cpu import has_bf16
from ..rows.data import from_pretrained

COMPUTE_TYPE = torch.bfloat16
"""Of the products of a quantised base."""


def load_base(config: RunConfig, on_gpu: bool) -> Any:
    """The base model, quantised as `model.quantization` says.

    Raises:
        UserError: it cannot be loaded, or lacks a module that section lora names.
    """
    options: dict[str, Any] = {"dtype": _dtype(config, on_gpu)}
    if config.model.attn_implementation:
        options["attn_implementation"] = config.model.attn_implementation
    if config.model.quantization == "nf4":
        options["quantization_config"] = _nf4()
    model = from_pretrained(AutoModelForCausalLM, config.model, **options)
    check_modules(config, [name for name, _ in model.named_modules()])
    return model


def with_adapter(config: RunConfig, model: Any) -> tuple[Any, LoraConfig | None]:
    """The model to train, and the settings of the fresh LoRA to put on it; None where `model.lora_path` is on it."""
    if config.model.lora_path:
        return PeftModel.from_pretrained(model, str(config.model.lora_path), is_trainable=True), None
    return model, fresh_lora(config)


def fresh_lora(config: RunConfig) -> LoraConfig:
    """PEFT's settings of the adapter that section lora describes."""
    return LoraConfig(task_type="CAUSAL_LM", **config.lora.peft_settings)


def use_bf16(config: RunConfig, on_gpu: bool) -> bool:
    """Whether to autocast; automatically where the hardware has bf16 products, for emulated ones are slow."""
    if config.train.bf16 != "auto":
        return config.train.bf16
    if config.model.dtype == "float16":
        return False
    if on_gpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return has_bf16()


def _dtype(config: RunConfig, on_gpu: bool) -> torch.dtype:
    if config.model.dtype == "auto":
        return torch.bfloat16 if on_gpu else torch.float32
    return getattr(torch, config.model.dtype)


def _nf4() -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=COMPUTE_TYPE,
    )


def check_modules(config: RunConfig, names: list[str]) -> None:
    """Raise a UserError where section lora names what matches no module: PEFT leaves that out without a word."""
    lora = config.lora
    targets = () if isinstance(lora.target_modules, str) else lora.target_modules
    patterns = [("target_modules", re.escape(name)) for name in targets]
    patterns += [(key, name) for key in ("rank_pattern", "alpha_pattern") for name in getattr(lora, key)]
    for key, pattern in patterns:
        try:
            matches = any(re.fullmatch(rf"(.*\.)?({pattern})", name) for name in names)
        except re.error as error:
            raise UserError(f"lora.{key}", f"{pattern!r} is no pattern ({error})", "correct it") from None
        if not matches:
            problem = f"no module of {config.model.base_model} is called {pattern!r}"
            raise UserError(f"lora.{key}", problem, "correct the name")
