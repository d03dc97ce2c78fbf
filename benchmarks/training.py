"""What training costs: supervised tokens per second of `train`, and of the usual ways to train on the same sessions.

    python benchmarks/training.py                   # all arms, interleaved in one run
    python benchmarks/training.py --quick           # about a minute: fewer sessions, one round

Arms, each a fresh adapter on the same base, over the same sessions, once:
    ours       train.sft as the configuration says
    usual      the same with the layers as transformers and PEFT have them, where `ours` has those of train.cpu
    recipe     transformers.Trainer over the same token rows, labels masked, with the settings that such recipes carry:
               batches of one, eight of them a step, gradient checkpointing, a LoRA dropout of 0.05
    padded-N   the same without checkpointing and dropout: shuffled batches of N, padded
    trl        `trl sft` with its defaults: batches of 8, its own templating, loss on every token, gradient
               checkpointing; its max_length is lifted, so that it cuts nothing

All have the same LoRA, precision and sessions, and except in `recipe` an optimizer step has the same number of rows, at
least as many as in `ours`. Only `trainer.train()` is timed. In every arm, tokens are those of the sessions and
supervised tokens those of their assistant turns, without padding, so that a ratio of rates is a ratio of times. Rounds
rotate the order of the arms. On a GPU the base is a randomly initialised model of Qwen3-0.6B's shape, and MFU is
printed: the arithmetic of the forward pass and of the backward pass through frozen weights, without recomputation,
divided by the device's dense bfloat16 peak. Prints a table and one line of JSON: medians, and ratios with their spread.
"""

import argparse
import contextlib
import copy
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import torch
from datasets import Dataset
from peft import get_peft_model
from transformers import (
    AutoModelForCausalLM,
    DataCollatorForSeq2Seq,
    Qwen3Config,
    Qwen3ForCausalLM,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from callproof.config import RunConfig, load
from callproof.turns import Domain, split_sessions, template_messages
from train.loop.trainer import make_trainer
from train.rows.data import encode_sessions, load_tokenizer
from train.rows.encode import Encoder

WANTED = 1.5
PADDED = (1, 2, 4, 8)
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}

Arm = Callable[[], Any]


class Bench:
    """The arms: each makes a trainer that is ready to train on the same sessions."""

    def __init__(self, config: RunConfig, sessions: int, scratch: Path) -> None:
        self._scratch = scratch
        once = {"num_train_epochs": 1.0, "max_steps": -1, "output_dir": scratch / "ours", "logging_steps": 10**6}
        self._config = config.model_copy(update={"train": config.train.model_copy(update=once)})
        self._tokenizer = load_tokenizer(config.model)
        self._rows = encode_sessions("train", config, Encoder(self._tokenizer), limit=sessions).rows
        self._talks = _talks(config, sessions)
        self.tokens = sum(len(row.input_ids) for row in self._rows)
        self.supervised = sum(row.supervised for row in self._rows)
        sample = self.ours()
        self.model_config, self._lora = sample.model.config, sample.model.peft_config["default"]
        self._bf16, self._dtype = sample.args.bf16, next(sample.model.base_model.model.parameters()).dtype

    def arms(self, sizes: tuple[int, ...]) -> dict[str, Arm]:
        """Name -> arm."""
        padded = {f"padded-{size}": lambda size=size: self.padded(size) for size in sizes}
        usual = {} if torch.cuda.is_available() else {"usual": self.usual}
        return {"ours": self.ours, **usual, "recipe": self.recipe, **padded, "trl": self.trl}

    def flops(self) -> float:
        """Arithmetic of one pass over the sessions that no way of training a LoRA can do without."""
        shape = self.model_config
        heads = shape.num_attention_heads * shape.head_dim
        inner = 2 * heads + 2 * shape.num_key_value_heads * shape.head_dim + 3 * shape.intermediate_size
        weights = shape.hidden_size * (shape.num_hidden_layers * inner + shape.vocab_size)
        attended = sum(len(row.input_ids) ** 2 for row in self._rows)
        return 4 * weights * self.tokens + 6 * heads * shape.num_hidden_layers * attended

    def ours(self) -> Any:
        return make_trainer(self._config, self._tokenizer, self._rows)

    def usual(self) -> Any:
        with patch("train.loop.trainer.quicken"):
            return self.ours()

    def recipe(self) -> Any:
        lora = copy.copy(self._lora)
        lora.lora_dropout = 0.05
        return self._trainer("recipe", lora, size=1, accumulated=8, checkpointing=True)

    def padded(self, size: int) -> Any:
        accumulated = max(1, self._rows_a_step // size)
        checkpointing = self._config.train.gradient_checkpointing
        return self._trainer(f"padded-{size}", self._lora, size, accumulated, checkpointing)

    def _trainer(self, name: str, lora: Any, size: int, accumulated: int, checkpointing: bool) -> Any:
        model = AutoModelForCausalLM.from_pretrained(self._config.model.base_model, dtype=self._dtype)
        rows = [{"input_ids": row.input_ids, "labels": row.labels} for row in self._rows]
        return Trainer(
            model=get_peft_model(model, lora),
            args=TrainingArguments(
                per_device_train_batch_size=size,
                gradient_accumulation_steps=accumulated,
                gradient_checkpointing=checkpointing,
                **self._common(name),
            ),
            train_dataset=Dataset.from_list(rows),
            data_collator=DataCollatorForSeq2Seq(self._tokenizer, label_pad_token_id=-100),
        )

    def trl(self) -> Any:
        base = self._config.model.base_model
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(base, dtype=self._dtype),
            args=SFTConfig(max_length=None, **self._common("trl")),
            train_dataset=Dataset.from_list(self._talks, on_mixed_types="use_json"),
            processing_class=self._tokenizer,
            peft_config=self._lora,
        )
        held = sum(len(ids) for ids in trainer.train_dataset["input_ids"])
        assert held == self.tokens, f"trl holds {held} tokens of the sessions, ours {self.tokens}"
        return trainer

    @property
    def _rows_a_step(self) -> int:
        return self._config.train.per_device_train_batch_size * self._config.train.gradient_accumulation_steps

    def _common(self, name: str) -> dict[str, Any]:
        return {
            "output_dir": str(self._scratch / name),
            "num_train_epochs": 1,
            "learning_rate": self._config.train.learning_rate,
            "bf16": self._bf16,
            "use_cpu": not torch.cuda.is_available(),
            "dataloader_pin_memory": torch.cuda.is_available(),
            "logging_strategy": "no",
            "save_strategy": "no",
            "report_to": "none",
        }


def _talks(config: RunConfig, sessions: int) -> list[dict[str, Any]]:
    """Messages and tools of the same sessions, for a trainer that templates them itself."""
    domain = Domain(config)
    located_sessions = islice(split_sessions(config, "train"), sessions)
    talks = [domain.conversation(session, where) for where, session in located_sessions]
    return [{"messages": template_messages(talk.messages), "tools": json.dumps(talk.tools)} for talk in talks]


def measure(arms: dict[str, Arm], supervised: int, rounds: int) -> dict[str, list[float]]:
    """Arm -> seconds of each round after a warm-up round."""
    seconds_by_arm: dict[str, list[float]] = {name: [] for name in arms}
    names = list(arms)
    for number in range(-1, rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            with contextlib.redirect_stdout(sys.stderr):
                trainer = arms[name]()
                began = time.perf_counter()
                trainer.train()
                seconds = time.perf_counter() - began
            if number >= 0:
                seconds_by_arm[name].append(seconds)
            print(f"round {number}: {name} {supervised / seconds:.0f} supervised tokens/s", file=sys.stderr, flush=True)
    return seconds_by_arm


def print_result(seconds_by_arm: dict[str, list[float]], bench: Bench) -> None:
    """Print the table, and a line of JSON."""
    seconds = {name: statistics.median(ratios_of_arm) for name, ratios_of_arm in seconds_by_arm.items()}
    ratios = {
        name: [
            ratios_of_arm / ours
            for ratios_of_arm, ours in zip(seconds_by_arm[name], seconds_by_arm["ours"], strict=True)
        ]
        for name in seconds_by_arm
    }
    peak = _peak()
    print(f"{'arm':<12}{'tokens/s':>10}{'supervised/s':>14}{'MFU':>8}{'ours is':>10}{'lowest':>9}{'highest':>9}")
    for name, ratios_of_arm in ratios.items():
        mfu = f"{bench.flops() / seconds[name] / peak:.1%}" if peak else "-"
        rates = f"{bench.tokens / seconds[name]:>10.0f}{bench.supervised / seconds[name]:>14.0f}{mfu:>8}"
        spread = (statistics.median(ratios_of_arm), min(ratios_of_arm), max(ratios_of_arm))
        print(f"{name:<12}{rates}{spread[0]:>8.2f} x{spread[1]:>7.2f} x{spread[2]:>7.2f} x")
    fastest = min((name for name in seconds_by_arm if name.startswith("padded")), key=lambda name: seconds[name])
    for name, description in (("recipe", "the usual recipe"), (fastest, "the fastest with padding")):
        print(f"ours against {name}, {description}: {statistics.median(ratios[name]):.2f} x, wanted {WANTED} x")
    line = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} cores",
        "tokens": bench.tokens,
        "supervised_tokens": bench.supervised,
        "supervised_per_s": {
            name: round(bench.supervised / ratios_of_arm, 1) for name, ratios_of_arm in seconds.items()
        },
        "ours_against": {
            name: {
                "median": round(statistics.median(ratios_of_arm), 3),
                "min": round(min(ratios_of_arm), 3),
                "max": round(max(ratios_of_arm), 3),
            }
            for name, ratios_of_arm in ratios.items()
            if name != "ours"
        },
        "mfu": {name: round(bench.flops() / ratios_of_arm / peak, 4) for name, ratios_of_arm in seconds.items()}
        if peak
        else None,
    }
    print(json.dumps(line))


def _peak() -> float | None:
    """Dense bfloat16 operations a second of the GPU, if there is one and it is known."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return next((peak for part, peak in PEAKS.items() if part in name), None)


def random_base(config: RunConfig, folder: Path) -> RunConfig:
    """The configuration with a base of Qwen3-0.6B's shape, randomly initialised, with its own base's tokenizer."""
    shape = Qwen3Config(
        vocab_size=151936,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
    )
    Qwen3ForCausalLM(shape).bfloat16().save_pretrained(folder)
    load_tokenizer(config.model).save_pretrained(folder)
    return config.model_copy(update={"model": config.model.model_copy(update={"base_model": str(folder)})})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/car_sales.yaml"), help="default: %(default)s")
    parser.add_argument("--sessions", type=int, default=48, help="a round and arm (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="after the warm-up (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="8 sessions, one round, padded batches of 1 and 8 only")
    args = parser.parse_args()
    sessions, rounds, sizes = (8, 1, (1, 8)) if args.quick else (args.sessions, args.rounds, PADDED)
    transformers_logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        config = load(args.config)
        if torch.cuda.is_available():
            config = random_base(config, Path(folder) / "base")
        bench = Bench(config, sessions, Path(folder))
        seconds_by_arm = measure(bench.arms(sizes), bench.supervised, rounds)
    print_result(seconds_by_arm, bench)


if __name__ == "__main__":
    main()
