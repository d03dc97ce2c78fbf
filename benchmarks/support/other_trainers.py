"""Other programs that train a LoRA, each of an environment of its own, on ready token rows."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset, DatasetDict

from callproof.config import RunConfig
from callproof.errors import UserError


class Task(NamedTuple):
    """What is to be trained once: rows of `input_ids` and `labels`, and the LoRA of a configuration.

    folder: empty, for what a program reads and writes.
    """

    config: RunConfig
    rows: list[dict[str, list[int]]]
    rank: int
    alpha: float
    bf16: bool
    on_gpu: bool
    folder: Path

    @property
    def base(self) -> str:
        return str(Path(self.config.model.base_model).absolute())

    @property
    def attended(self) -> list[dict[str, list[int]]]:
        """The rows with the mask that both programs want."""
        return [{**row, "attention_mask": [1] * len(row["input_ids"])} for row in self.rows]


def check_programs(programs: dict[str, str | None]) -> None:
    """Refuse programs that are not there, before anything is measured; name -> program, or None."""
    for name, program in programs.items():
        if program and not shutil.which(program):
            raise UserError(f"--{name} {program}", "is no program that can be run", "name its path, or leave it out")


def llamafactory(program: str, task: Task) -> float:
    """Seconds of LLaMA-Factory's `train`, by its own `train_runtime`."""
    folder, settings = task.folder, task.config.train
    DatasetDict({"train": Dataset.from_list(task.attended)}).save_to_disk(folder / "rows")
    options = {
        **{"stage": "sft", "do_train": True, "finetuning_type": "lora", "template": "empty"},
        **{"model_name_or_path": task.base, "lora_target": "all", "lora_rank": task.rank, "lora_alpha": task.alpha},
        **{"tokenized_path": str(folder / "rows"), "dataset": "rows", "output_dir": str(folder / "out")},
        **{"per_device_train_batch_size": settings.per_device_train_batch_size, "overwrite_output_dir": True},
        **{"gradient_accumulation_steps": settings.gradient_accumulation_steps, "num_train_epochs": 1},
        **{"disable_gradient_checkpointing": not settings.gradient_checkpointing, "bf16": task.bf16},
        **{"learning_rate": settings.learning_rate, "save_strategy": "no", "report_to": "none"},
        **{"use_cpu": not task.on_gpu},
    }
    _run([program, "train", _written(folder, options)])
    return json.loads((folder / "out" / "train_results.json").read_text(encoding="utf-8"))["train_runtime"]


def axolotl(program: str, task: Task) -> float:
    """Seconds of axolotl's `train`, by its own `train_runtime`.

    On a CPU it refuses bfloat16, so that it trains in float32 there, and its kernels, which need a GPU, are off.
    """
    folder, settings = task.folder, task.config.train
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in task.attended), encoding="utf-8")
    kernels = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel")
    rows = {"path": str(folder / "rows.jsonl"), "ds_type": "json", "split": "train", "type": None}
    options = {
        **{"base_model": task.base, "adapter": "lora", "lora_target_linear": True, "datasets": [rows]},
        **{"lora_r": task.rank, "lora_alpha": task.alpha, "dataset_prepared_path": str(folder / "prepared")},
        **{"output_dir": str(folder / "out"), "sequence_len": max(len(row["input_ids"]) for row in task.rows)},
        **{"micro_batch_size": settings.per_device_train_batch_size, "sample_packing": False},
        **{"gradient_accumulation_steps": settings.gradient_accumulation_steps, "num_epochs": 1},
        **{"pad_to_sequence_len": False, "gradient_checkpointing": settings.gradient_checkpointing},
        **{"learning_rate": settings.learning_rate, "optimizer": "adamw_torch", "lr_scheduler": "linear"},
        **{"bf16": task.bf16 and task.on_gpu, "save_strategy": "no", "attn_implementation": "sdpa"},
        **({} if task.on_gpu else dict.fromkeys(kernels, False)),
    }
    said = _run([program, "train", _written(folder, options), "--launcher", "python"])
    if not (times := re.findall(r"'train_runtime': '?([\d.]+)", said)):
        raise UserError(program, "tells no train_runtime", "see its words above, or leave it out")
    return float(times[-1])


def _written(folder: Path, options: dict[str, Any]) -> str:
    """The file of a program's options; JSON is YAML."""
    path = folder / "options.yaml"
    path.write_text(json.dumps(options), encoding="utf-8")
    return str(path)


def _run(command: list[str]) -> str:
    """What a program says, which goes to stderr as it comes."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1"}
    said: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        for line in process.stdout or ():
            said.append(line)
            print(line, end="", file=sys.stderr, flush=True)
    if process.returncode:
        raise UserError(command[0], f"ended with code {process.returncode}", "see its words above, or leave it out")
    return "".join(said)
