"""The configuration to begin with, for a domain in a folder; of `callproof init` and `callproof train import`."""

import json
import re
from pathlib import Path

from .settings import BATCH, Settings

BASE = "Qwen/Qwen3-4B-Instruct-2507"
CONFIG = "config.yaml"

_TEXT = """\
# To begin with; every key, its default and its meaning: callproof train config --config THIS_FILE
#   callproof train check --config {path}     look at the data, with the base's tokenizer
#   callproof train --config {path}           train the adapter
name: {name}

data:
  domain: {domain}   # paths are relative to where commands are run, so this one is absolute
  train: train.jsonl
  eval: eval.jsonl
  max_context_length: {context}   # tokens; longer sessions are left out, `check` says how many

# prompt:                      # system prompt and tools are shown as they are written, unless:
#   date_line: true            # the date of a session stands behind the first paragraph of the domain's system prompt
#   shuffle_sections: true     # sections and bullets in another order for each session, so that none is learnt
#   shuffle_tools: true        # likewise the tools

model:
  base_model: {base}
{model}
lora:
  r: {rank}
  alpha: 32

train:                       # for {size} on {device}; does it fit? --dry-run --gpu {gib}
{train}
serve:
  tool_call_parser: {parser}
  max_model_len: {context}
{serve}
eval:
  max_tokens: {answer}
"""


def starting_configuration(out: Path, base: str, settings: Settings) -> str:
    """The text of `config.yaml` for the domain in the folder `out`.

    Args:
        base: of the model, a hub id or a folder.
        settings: for that base, see `settings_for`.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", out.resolve().name).lstrip("_.-") or "imported"
    return _TEXT.format(
        path=out.resolve() / CONFIG,
        name=json.dumps(name),
        domain=json.dumps(str(out.resolve())),
        base=json.dumps(str(Path(base).resolve()) if is_folder(base) else base),
        context=settings.context,
        model=_model(settings),
        rank=16 if settings.is_small else 32,
        size=settings.size,
        device=settings.device,
        gib=f"{settings.gpu_gib:g}" if settings.gpu_gib else "24",
        train=_train(settings),
        parser="hermes            # what its template writes" if base == BASE else "auto",
        serve="" if not settings.gpu_gib else "  max_num_seqs: 256\n  max_num_batched_tokens: 8192\n",
        answer=256 if settings.is_small else 512,
    )


def is_folder(base: str) -> bool:
    return Path(base).is_dir()


def _model(settings: Settings) -> str:
    if not settings.gpu_gib or settings.is_small:
        return "  dtype: auto\n"
    quantized = "  quantization: nf4          # QLoRA; needs bitsandbytes\n" if settings.quantized else ""
    return f"  dtype: bfloat16\n{quantized}"


def _train(settings: Settings) -> str:
    if settings.is_small:
        return (
            "  num_train_epochs: 3\n"
            f"  per_device_train_batch_size: {settings.batch}\n"
            f"  learning_rate: {_decimal(settings.rate)}      # so small a model takes twenty times the usual\n"
            "  adam_beta2: 0.98           # of some hundred steps; 0.999 remembers a thousand\n"
            "  loss_weights: {decision: 3, name: 2, text: 0.1}\n"
        )
    return (
        "  num_train_epochs: 2\n"
        f"  per_device_train_batch_size: {settings.batch}\n"
        f"  gradient_accumulation_steps: {BATCH // settings.batch}\n"
        f"  learning_rate: {_decimal(settings.rate)}      # 3e-4 is usual for billions of parameters\n"
        "  gradient_checkpointing: true\n"
    )


def _decimal(rate: float) -> str:
    """As YAML reads a number: 3.0e-4, where 3e-4 would be text."""
    return f"{rate:.1e}".replace("e-0", "e-")
