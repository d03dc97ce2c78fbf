"""The configuration that an import writes to begin with."""

import json
import re
from pathlib import Path

BASE = "Qwen/Qwen3-4B-Instruct-2507"

_TEXT = """\
# Written by `callproof train import`; every key: callproof train config --config THIS_FILE
#   callproof train check --config {path}     look at the data, with the base's tokenizer
#   callproof train --config {path}           train the adapter
name: {name}

data:
  domain: {domain}   # paths are relative to where commands are run, so this one is absolute
  train: train.jsonl
  eval: eval.jsonl
  max_context_length: 8192   # tokens; longer sessions are left out, `check` says how many

model:
  base_model: {base}
  dtype: {dtype}

lora:
  r: 32
  alpha: 32

train:                       # for one GPU of 24 GB; does it fit? callproof train --config ... --dry-run --gpu 24
  num_train_epochs: 2
  per_device_train_batch_size: 2
  gradient_accumulation_steps: 8
  learning_rate: 3.0e-4      # for billions of parameters
  gradient_checkpointing: true

serve:
  tool_call_parser: {parser}
  max_model_len: 8192

eval:
  max_tokens: 512
"""


def starting_configuration(out: Path, base: str) -> str:
    """The text of `config.yaml` for the domain in the folder `out`.

    Args:
        base: of the model, a hub id or a folder.
    """
    folder = is_folder(base)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", out.resolve().name).lstrip("_.-") or "imported"
    return _TEXT.format(
        path=out.resolve() / "config.yaml",
        name=json.dumps(name),
        domain=json.dumps(str(out.resolve())),
        base=json.dumps(str(Path(base).resolve()) if folder else base),
        dtype="auto" if folder else "bfloat16",
        parser="hermes            # what its template writes" if base == BASE else "auto",
    )


def is_folder(base: str) -> bool:
    return Path(base).is_dir()
