"""Supervised fine-tuning: token rows -> TRL's SFTTrainer with PEFT -> an adapter that vLLM can serve."""

import contextlib
import math
import sys
import time
from typing import Any

from callproof.config import RunConfig
from train.data import from_pretrained, load_tokenizer
from train.encode import Encoder, Row
from train.manifest import write_manifest
from train.prepare import training_rows
from train.prompts import write_eval_prompts


def train_adapter(config: RunConfig) -> dict[str, Any]:
    """Train one adapter into `config.adapter_dir` and write `manifest.json` beside it.

    Returns:
        The manifest, see `train.manifest`.

    Raises:
        UserError: wrong data, base model or configuration.
    """
    begun = time.perf_counter()
    tokenizer = load_tokenizer(config.model)
    encoder = Encoder(tokenizer)
    train_rows, eval_rows = training_rows(config, encoder)
    write_eval_prompts(config, encoder)
    _say(f"{config.name}: {train_rows.counts()}")
    trainer = make_trainer(config, tokenizer, train_rows.rows)
    with contextlib.redirect_stdout(sys.stderr):
        result = trainer.train()
    trainer.model.save_pretrained(str(config.adapter_dir))
    loss = token_loss(trainer, eval_rows.rows)
    figures = {
        "train_loss": result.training_loss,
        "eval_loss": loss,
        "perplexity": math.exp(loss),
        "steps": result.global_step,
        "trainable_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "seconds": round(time.perf_counter() - begun, 1),
    }
    return write_manifest(config, tokenizer.chat_template, {"train": train_rows, "eval": eval_rows}, figures)


def make_trainer(config: RunConfig, tokenizer: Any, rows: list[Row]) -> Any:
    """TRL's trainer over ready rows: no templating, no truncation, a fresh LoRA."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    from train import attention

    on_gpu = torch.cuda.is_available()
    model = from_pretrained(AutoModelForCausalLM, config.model, dtype=_dtype(config, on_gpu))
    model.config.pad_token_id = tokenizer.pad_token_id
    bf16 = _has_bf16(on_gpu) if config.train.bf16 == "auto" else config.train.bf16
    if bf16 and not on_gpu and not config.train.packing and attention.stands_for(model.config):
        model.set_attn_implementation(attention.register())
    data = {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    return _trainer_class(on_gpu)(
        model=model,
        args=_arguments(config, on_gpu, bf16, max(len(row.input_ids) for row in rows)),
        train_dataset=Dataset.from_dict({**data, "length": [len(row.input_ids) for row in rows]}),
        processing_class=tokenizer,
        peft_config=_lora(config),
    )


def _trainer_class(on_gpu: bool) -> Any:
    """TRL's trainer; on a CPU with the model's own loss, for TRL's fused one takes a third of the time there."""
    from transformers import Trainer
    from trl.trainer.sft_trainer import SFTTrainer

    if on_gpu:
        return SFTTrainer

    class CpuTrainer(SFTTrainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            return Trainer.compute_loss(self, model, {**inputs, "use_cache": False}, return_outputs, num_items_in_batch)

    return CpuTrainer


def _lora(config: RunConfig) -> Any:
    from peft import LoraConfig

    targets = config.lora.target_modules
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        use_rslora=config.lora.use_rslora,
        bias="none",
    )


def _arguments(config: RunConfig, on_gpu: bool, bf16: bool, longest: int) -> Any:
    from trl.trainer.sft_config import SFTConfig

    settings = config.train
    return SFTConfig(
        output_dir=str(config.output_dir / "checkpoints"),
        seed=settings.seed,
        num_train_epochs=settings.num_train_epochs,
        max_steps=settings.max_steps,
        per_device_train_batch_size=settings.per_device_train_batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.lr_scheduler_type,
        warmup_steps=settings.warmup_ratio,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        gradient_checkpointing=settings.gradient_checkpointing,
        bf16=bf16,
        use_cpu=not on_gpu,
        packing=settings.packing,
        max_length=config.data.max_context_length if settings.packing else longest,
        train_sampling_strategy="random" if settings.packing else "group_by_length",
        logging_steps=settings.logging_steps,
        report_to=settings.report_to,
        save_strategy="no",
        dataloader_pin_memory=on_gpu,
    )


def _dtype(config: RunConfig, on_gpu: bool) -> Any:
    import torch

    if config.model.dtype == "auto":
        return torch.bfloat16 if on_gpu else torch.float32
    return getattr(torch, config.model.dtype)


def _has_bf16(on_gpu: bool) -> bool:
    """Whether bf16 products are done by the hardware; emulated ones are slower than float32."""
    import torch

    if on_gpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def token_loss(trainer: Any, rows: list[Row], batch_size: int = 8) -> float:
    """Mean cross-entropy a supervised token (nats), each token weighing the same."""
    import torch

    ordered = sorted(rows, key=lambda row: len(row.input_ids))
    trainer.model.eval()
    total = count = 0.0
    for at in range(0, len(ordered), batch_size):
        chunk = [{"input_ids": row.input_ids, "labels": row.labels} for row in ordered[at : at + batch_size]]
        batch = trainer._prepare_inputs(trainer.data_collator(chunk))
        supervised = sum(row.supervised for row in ordered[at : at + batch_size])
        with torch.no_grad(), trainer.compute_loss_context_manager():
            total += trainer.model(**batch).loss.item() * supervised
        count += supervised
    return total / count


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
