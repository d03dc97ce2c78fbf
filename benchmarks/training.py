"""What training costs: supervised tokens per second of `train`, and of the usual ways to train on the same sessions.

    python benchmarks/training.py                   # all arms, interleaved in one run
    python benchmarks/training.py --quick           # about a minute: fewer sessions, one round
    python benchmarks/training.py --shape qwen3-4b  # a randomly initialised model of this shape (benchmarks/shapes.py)
    python benchmarks/training.py --config configs/car_sales_smollm2.yaml --sessions 8 --arms ours,padded-2,trl-2

Arms, each a fresh adapter on the same base, over the same sessions, once:
    ours       train.sft as the configuration says
    usual      the same with the layers as transformers and PEFT have them, where `ours` has those of train.cpu
    recipe     transformers.Trainer over the same token rows, labels masked, with the settings that such recipes carry:
               batches of one, eight of them a step, gradient checkpointing, a LoRA dropout of 0.05
    padded-N   the same without checkpointing and dropout: shuffled batches of N, padded
    trl        `trl sft` with its defaults: batches of 8, its own templating, loss on every token, gradient
               checkpointing; its max_length is lifted, so that it cuts nothing
    trl-N      the same with as many rows a step as `ours`
    even, liger, flash, packed
               on a GPU, where the package is installed: ours with TRL's own fused loss (all tokens weigh alike), with
               liger's kernels, with flash attention, with flash attention and packed rows
    llamafactory, axolotl
               the `train` of LLaMA-Factory and of axolotl on the same token rows, where --llamafactory and --axolotl
               name their programs (their dependencies need an environment of their own); the time is their own
               `train_runtime`. On a CPU axolotl trains in float32, for it refuses bfloat16 there

All have the same LoRA and sessions, but for axolotl the same precision, and except in `recipe` an optimizer step has
the same number of rows, at least as many as in `ours`. Only `trainer.train()` is timed. In every arm, tokens are those
of the sessions and supervised tokens those of their assistant turns, without padding, so that a ratio of rates is a
ratio of times. Rounds rotate the order of the arms. Memory is the peak of an arm, of the GPU's or of this process. On a
GPU, MFU is the arithmetic of the forward pass and of the backward pass through frozen weights, without recomputation,
divided by the device's dense bfloat16 peak. Prints a table and one line of JSON: medians, and ratios with their spread.
"""

import argparse
import contextlib
import copy
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import torch
from callproof.train.loop.trainer import make_trainer
from callproof.train.rows.data import encode_sessions, load_encoder
from datasets import Dataset
from peft import get_peft_model
from shapes import SHAPES, random_base
from support.other_trainers import Task, axolotl, check_programs, llamafactory
from transformers import (
    AutoModelForCausalLM,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from callproof.config import LossWeights, RunConfig, load
from callproof.console import Parser, positive
from callproof.errors import EXIT_PASS, UserError, exit_with
from callproof.turns import Domain, split_sessions, template_messages

PADDED = (1, 2, 4, 8)
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}

VARIANTS: dict[str, tuple[str | None, dict[str, dict[str, Any]]]] = {
    "even": (None, {"train": {"loss_weights": LossWeights()}}),
    "liger": ("liger_kernel", {"train": {"extra": {"use_liger_kernel": True}}}),
    "flash": ("flash_attn", {"model": {"attn_implementation": "flash_attention_2"}}),
    "packed": ("flash_attn", {"model": {"attn_implementation": "flash_attention_2"}, "train": {"packing": True}}),
}
"""Arms of `ours` on a GPU: the package that is needed, and what differs in the configuration."""


class Cost(NamedTuple):
    """Of one arm in one round; the memory of another program is not known."""

    seconds: float
    peak_gib: float | None


Arm = Callable[[], Cost]


class Bench:
    """The arms: each makes a trainer that is ready to train on the same sessions."""

    def __init__(self, config: RunConfig, sessions: int, scratch: Path) -> None:
        self._scratch = scratch
        once = {"num_train_epochs": 1.0, "max_steps": -1, "output_dir": scratch / "ours", "logging_steps": 10**6}
        self._config = config.model_copy(update={"train": config.train.model_copy(update=once)})
        self._encoder = load_encoder(config.model)
        self._tokenizer = self._encoder.tokenizer
        self._rows = encode_sessions("train", config, self._encoder, limit=sessions).rows
        self._talks = _talks(config, sessions)
        self.tokens = sum(len(row.input_ids) for row in self._rows)
        self.supervised = sum(row.supervised for row in self._rows)
        sample = self.ours()
        self.model_config, self._lora = sample.model.config, sample.model.peft_config["default"]
        self._bf16, self._dtype = sample.args.bf16, next(sample.model.base_model.model.parameters()).dtype

    def arms(self, sizes: tuple[int, ...], programs: dict[str, str | None]) -> dict[str, Arm]:
        """Name -> arm; `programs`: of other trainers, by their names."""
        on_gpu, rows = torch.cuda.is_available(), self._rows_a_step
        variants = {
            name: partial(self.ours, changes)
            for name, (package, changes) in VARIANTS.items()
            if on_gpu and (package is None or find_spec(package))
        }
        makers = {
            "ours": self.ours,
            **({} if on_gpu else {"usual": self.usual}),
            **variants,
            "recipe": self.recipe,
            **{f"padded-{size}": partial(self.padded, size) for size in sizes},
            "trl": self.trl,
            f"trl-{rows}": partial(self.trl, rows),
        }
        arms: dict[str, Arm] = {name: partial(_timed, make) for name, make in makers.items()}
        others = {"llamafactory": llamafactory, "axolotl": axolotl}
        return arms | {
            name: partial(self.other, others[name], program) for name, program in programs.items() if program
        }

    def flops(self) -> float:
        """Arithmetic of one pass over the sessions that no way of training a LoRA can do without."""
        shape = self.model_config
        heads = shape.num_attention_heads * shape.head_dim
        inner = 2 * heads + 2 * shape.num_key_value_heads * shape.head_dim + 3 * shape.intermediate_size
        weights = shape.hidden_size * (shape.num_hidden_layers * inner + shape.vocab_size)
        attended = sum(len(row.input_ids) ** 2 for row in self._rows)
        return 4 * weights * self.tokens + 6 * heads * shape.num_hidden_layers * attended

    def ours(self, changes: dict[str, dict[str, Any]] | None = None) -> Any:
        """As the configuration says, but for the changes in its sections."""
        sections = {
            name: getattr(self._config, name).model_copy(update=values) for name, values in (changes or {}).items()
        }
        return make_trainer(self._config.model_copy(update=sections), self._encoder, self._rows)

    def usual(self) -> Any:
        with patch("callproof.train.loop.trainer.quicken"):
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

    def trl(self, size: int | None = None) -> Any:
        """TRL's trainer; `size`: rows of a batch, in place of its default."""
        base, batch = self._config.model.base_model, {"per_device_train_batch_size": size} if size else {}
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(base, dtype=self._dtype),
            args=SFTConfig(max_length=None, **batch, **self._common("trl")),
            train_dataset=Dataset.from_list(self._talks, on_mixed_types="use_json"),
            processing_class=self._tokenizer,
            peft_config=self._lora,
        )
        held = sum(len(ids) for ids in trainer.train_dataset["input_ids"])
        assert held == self.tokens, f"trl holds {held} tokens of the sessions, ours {self.tokens}"
        return trainer

    def other(self, train: Callable[[str, Task], float], program: str) -> Cost:
        """Another program's training on the same rows, with as many a step."""
        rows = [{"input_ids": row.input_ids, "labels": row.labels} for row in self._rows]
        rank, alpha, on_gpu = self._lora.r, self._lora.lora_alpha, torch.cuda.is_available()
        with tempfile.TemporaryDirectory(dir=self._scratch) as place:
            task = Task(self._config, rows, rank, alpha, self._bf16, on_gpu, Path(place))
            return Cost(train(program, task), None)

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


def _timed(make: Callable[[], Any]) -> Cost:
    """What the training of the trainer that is made takes."""
    gc.collect()
    with contextlib.redirect_stdout(sys.stderr):
        trainer = make()
        _forget_peak()
        began = time.perf_counter()
        trainer.train()
        return Cost(time.perf_counter() - began, _peak_gib())


def _forget_peak() -> None:
    """Let the peak of memory begin anew."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def _peak_gib() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20


def measure(arms: dict[str, Arm], supervised: int, rounds: int) -> dict[str, list[Cost]]:
    """Arm -> cost of each round after a warm-up round; an arm that a GPU has no memory for is left out."""
    costs: dict[str, list[Cost]] = {name: [] for name in arms}
    names = list(arms)
    for number in range(-1, rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            if name not in costs:
                continue
            try:
                cost = arms[name]()
            except torch.OutOfMemoryError:
                if name == "ours":
                    raise UserError("ours", "the GPU has too little memory for it", "give a smaller --shape") from None
                print(f"{name}: the GPU has too little memory for it", file=sys.stderr, flush=True)
                del costs[name]
                continue
            if number >= 0:
                costs[name].append(cost)
            rate = f"{supervised / cost.seconds:.0f} supervised tokens/s"
            print(f"round {number}: {name} {rate}", file=sys.stderr, flush=True)
    return costs


def print_result(costs: dict[str, list[Cost]], bench: Bench) -> None:
    """Print the table, and a line of JSON."""
    seconds = {name: statistics.median(cost.seconds for cost in rounds) for name, rounds in costs.items()}
    memory = {
        name: max((cost.peak_gib for cost in rounds if cost.peak_gib), default=None) for name, rounds in costs.items()
    }
    ratios = {
        name: [cost.seconds / ours.seconds for cost, ours in zip(rounds, costs["ours"], strict=True)]
        for name, rounds in costs.items()
    }
    peak = _peak()
    heads = f"{'arm':<14}{'tokens/s':>10}{'supervised/s':>14}{'MFU':>8}{'GiB':>7}"
    print(f"{heads}{'ours is':>10}{'lowest':>9}{'highest':>9}")
    for name, of_arm in ratios.items():
        mfu = f"{bench.flops() / seconds[name] / peak:.1%}" if peak else "-"
        gib = "-" if memory[name] is None else f"{memory[name]:.1f}"
        rates = f"{bench.tokens / seconds[name]:>10.0f}{bench.supervised / seconds[name]:>14.0f}{mfu:>8}{gib:>7}"
        spread = (statistics.median(of_arm), min(of_arm), max(of_arm))
        print(f"{name:<14}{rates}{spread[0]:>8.2f} x{spread[1]:>7.2f} x{spread[2]:>7.2f} x")
    line = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} cores",
        "model": bench.model_config.name_or_path,
        "tokens": bench.tokens,
        "supervised_tokens": bench.supervised,
        "tokens_per_s": {name: round(bench.tokens / value, 1) for name, value in seconds.items()},
        "supervised_per_s": {name: round(bench.supervised / value, 1) for name, value in seconds.items()},
        "peak_gib": {name: gib and round(gib, 2) for name, gib in memory.items()},
        "ours_against": {
            name: {
                "median": round(statistics.median(of_arm), 3),
                "min": round(min(of_arm), 3),
                "max": round(max(of_arm), 3),
            }
            for name, of_arm in ratios.items()
            if name != "ours"
        },
        "mfu": {name: round(bench.flops() / value / peak, 4) for name, value in seconds.items()} if peak else None,
    }
    print(json.dumps(line))


def _peak() -> float | None:
    """Dense bfloat16 operations a second of the GPU, if there is one and it is known."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return next((peak for part, peak in PEAKS.items() if part in name), None)


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/car_sales.yaml"), help="default: %(default)s")
    parser.add_argument("--shape", choices=SHAPES, help="of a random base; default: the configuration's own base")
    parser.add_argument("--sessions", type=positive, default=48, help="a round and arm (default %(default)s)")
    parser.add_argument("--rounds", type=positive, default=3, help="after the warm-up (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="8 sessions, one round, padded batches of 1 and 8 only")
    parser.add_argument("--arms", metavar="NAME,NAME", help="these alone, `ours` among them (default: all)")
    parser.add_argument("--llamafactory", metavar="PROGRAM", help="the llamafactory-cli to measure as well")
    parser.add_argument("--axolotl", metavar="PROGRAM", help="the axolotl to measure as well")
    args = parser.parse_args()
    programs = {"llamafactory": args.llamafactory, "axolotl": args.axolotl}
    check_programs(programs)
    sessions, rounds, sizes = (8, 1, (1, 8)) if args.quick else (args.sessions, args.rounds, PADDED)
    transformers_logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        config = load(args.config)
        if args.shape:
            config = random_base(args.shape, config, Path(folder) / args.shape)
        bench = Bench(config, sessions, Path(folder))
        arms = _chosen(bench.arms(sizes, programs), args.arms)
        print_result(measure(arms, bench.supervised, rounds), bench)
    return EXIT_PASS


def _chosen(arms: dict[str, Arm], names: str | None) -> dict[str, Arm]:
    """The arms of `--arms`; all of them must be there."""
    if names is None:
        return arms
    wanted = names.split(",")
    if "ours" not in wanted:
        raise UserError(f"--arms {names}", "has no `ours`, which the others are compared with", "add it")
    if unknown := [name for name in wanted if name not in arms]:
        raise UserError(f"--arms {names}", f"there is no {', '.join(unknown)} here", f"choose from {', '.join(arms)}")
    return {name: arms[name] for name in wanted}


if __name__ == "__main__":
    exit_with(main)
