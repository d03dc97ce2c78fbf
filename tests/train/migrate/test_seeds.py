"""The five systems' own configurations, rebuilt from their READMEs, run after `migrate` without an edit."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from programs import ROOT, run_program
from small_hub import Hub
from small_hub import hub as hub

from callproof.config import RunConfig, load
from callproof.turns import split_sessions

TINY = str(ROOT / "models/tiny")
CHAT: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "user", "content": f"Is {n} even?"},
            {"role": "assistant", "content": "no" if n % 2 else "yes"},
        ]
    }
    for n in range(30)
]
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
AGENT = [
    {
        "request": {"system": "You help.", "tools": None, "messages": [{"role": "user", "content": f"Go {n}"}]},
        "response": {"role": "assistant", "content": "Gone."},
    }
    for n in range(30)
]


def lines(path: Path, records: list[dict[str, Any]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def seed_000(folder: Path) -> list[str]:
    lines(folder / "data/agent-session-1.jsonl", AGENT)
    (folder / "data/tool_catalogue.json").write_text(json.dumps([TOOL]))
    env = f'export LLM_MODEL__BASE_MODEL="{TINY}"\nexport LLM_MODEL__TORCH_DTYPE="bfloat16"\n'
    env += f'export LLM_DATA__DATA_DIR="{folder}/data"\nexport LLM_DATA__MAX_LENGTH="4096"\n'
    env += 'export LLM_LORA__R="16"\nexport LLM_LORA__LORA_ALPHA="32"\nexport LLM_TRAINING__NUM_TRAIN_EPOCHS="2"\n'
    env += f'export LLM_TRAINING__LEARNING_RATE="2e-4"\nexport LLM_TRAINING__OUTPUT_DIR="{folder}/out/lora-ckpt"\n'
    (folder / "old.env").write_text(env)
    return [str(folder / "old.env")]


def seed_001(folder: Path) -> list[str]:
    config = {
        "model_name": TINY, "lora_path": None, "lora_rank": 8, "lora_alpha": 32, "lora_dropout": 0.05, "epochs": 3,
        "batch_size": 4, "learning_rate": 3e-4, "max_length": None, "model_save_path": str(folder / "my_lora_model"),
        "response_template": "<|im_start|>assistant\n", "lora_target_modules": "all-linear",
        "lora_modules_to_save": ["lm_head", "embed_token"], "tokenizer_padding_side": "left",
        "attn_implementation": "flash_attention_2",
    }  # fmt: skip
    whole = {"config": config, "file": lines(folder / "training_data.jsonl", CHAT)}
    (folder / "old.json").write_text(json.dumps(whole))
    return [str(folder / "old.json")]


CAR_SALES = """
data:
  load_module: "car_sales"
  dataset_name: "{data}"
  timezone: "Europe/Zurich"
  sysprompt_path: "{folder}/sysprompt.md"
  tools_path: "{folder}/tool_calls.json"
  tokenizer: "{model}"
  max_context_length: 4096
  drop_oversized: true
  n_tool_sessions_eval: 64
model:
  base_model_name: "{model}"
  torch_dtype: "bfloat16"
  pad_token_fallback: "eos"
lora:
  r: 64
  alpha: 128
  dropout: 0.05
  target_modules: [q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]
  bias: "none"
  task_type: "CAUSAL_LM"
train:
  output_dir: "{folder}/checkpoints/car-sales-sft"
  seed: 42
  report_to: "wandb"
  per_device_train_batch_size: 1
  per_device_eval_batch_size: 1
  gradient_accumulation_steps: 8
  gradient_checkpointing: true
  num_train_epochs: 3
  learning_rate: 0.0002
  weight_decay: 0.0
  lr_scheduler_type: "cosine"
  warmup_ratio: 0.1
  bf16: true
  fp16: false
  ddp_find_unused_parameters: false
  logging_steps: 10
  eval_strategy: "epoch"
  save_strategy: "epoch"
  save_total_limit: 2
  overwrite_output_dir: false
  remove_unused_columns: false
  push_to_hub: true
  hub_model_id: "Salesteq/SmolLM2-360M-CarSales"
  hub_private_repo: true
eval:
  max_new_tokens_eval: 256
  temperature: 0.0
"""


def seed_002(folder: Path) -> list[str]:
    (folder / "sysprompt.md").write_text("You sell cars.\n\n## Rules\n- Be kind.\n")
    (folder / "tool_calls.json").write_text(json.dumps([TOOL]))
    data = lines(folder / "talks.jsonl", CHAT)
    (folder / "old.yaml").write_text(CAR_SALES.format(folder=folder, model=TINY, data=data))
    return [str(folder / "old.yaml")]


def seed_003(folder: Path) -> list[str]:
    from datasets import Dataset

    records = [{"input": f"What is {n}?", "context": ["a", "b"], "response": "A number."} for n in range(30)]
    Dataset.from_list(records).save_to_disk(str(folder / "rows"))
    prepare = {
        "source_config": {"method": "load_from_disk", "kwargs": {"dataset_path": str(folder / "rows")}},
        "base_model": TINY,
        "prompt_format_config": {"method": "UserAssistantFormat"},
        "dataset_writer_config": {"method": "save_to_disk", "kwargs": {"dataset_path": "/tmp/train"}},
    }
    tune = {
        "base_model": TINY,
        "train_dataset_config": {"method": "load_from_disk", "kwargs": {"dataset_path": "/tmp/train"}},
        "local_output": str(folder / "finetune"),
        "training_arguments": {"max_steps": 2, "adam_beta1": 0.85},
    }
    for name, values in (("dataprep_train", prepare), ("finetune", tune)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return [str(folder / "dataprep_train.yaml"), str(folder / "finetune.yaml")]


def seed_004(folder: Path) -> list[str]:
    records = [{"instance_id": f"i{n}", "task_id": f"t{n}", **record} for n, record in enumerate(CHAT)]
    (folder / "swe.json").write_text(json.dumps(records))
    config = {
        "run_name": "swe-lora",
        "model": {"model_id": "meta-llama/Llama-3.2-1B", "use_4bit_quantization": False},
        "paths": {"dataset_path": str(folder / "swe.json"), "output_dir": str(folder / "adapters")},
        "dataset": {"use_text_column": False},
        "lora": {
            "r": 8,
            "lora_alpha": 16,
            "lora_dropout": 0.05,
            "target_modules": ["q_proj", "v_proj"],
            "bias": "none",
        },
        "training": {"per_device_train_batch_size": 2, "max_steps": 2, "learning_rate": "2e-4", "report_to": "none"},
    }
    (folder / "train_config.yaml").write_text(yaml.safe_dump(config))
    (folder / ".env").write_text(f"HF_TOKEN=hf_secret\nMODEL_ID={TINY}\nWANDB_API_KEY=disabled\n")
    return [str(folder / "train_config.yaml"), str(folder / ".env")]


SEEDS: dict[str, Callable[[Path], list[str]]] = {
    "000": seed_000, "001": seed_001, "002": seed_002, "003": seed_003, "004": seed_004,
}  # fmt: skip


def migrated(folder: Path, seed: str) -> tuple[Path, str]:
    """The new file, and what is said on stderr."""
    out = folder / "new.yaml"
    done = run_program("train", "migrate", *SEEDS[seed](folder), "--out", out)
    assert done.returncode == 0, done.stderr
    return out, done.stderr


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_s_configuration_is_checked_and_fits_without_an_edit(tmp_path: Path, seed: str) -> None:
    out, _ = migrated(tmp_path, seed)
    for words in (("--config", out, "--dry-run"), ("check", "--config", out, "--stats")):
        done = run_program("train", *words)
        # generated sessions resemble each other, which `check` says with exit code 1
        assert done.returncode in (0, 1 if words[0] == "check" else 0), done.stderr
    assert load(out).model.base_model == TINY


PLAN: dict[str, tuple[int, int]] = {"000": (2, 8), "001": (3, 4), "002": (3, 8)}
"""Epochs, and sessions a step; the others say max_steps: 2."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_s_configuration_trains_without_an_edit(tmp_path: Path, seed: str, hub: tuple[str, type[Hub]]) -> None:
    out, _ = migrated(tmp_path, seed)
    environment = {
        **os.environ, "WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path / "wandb"), "HF_ENDPOINT": hub[0],
        "HF_TOKEN": "hf_x", "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "train", "--config", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    if seed == "002" and not find_spec("wandb"):
        assert "package wandb is not installed" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    config = load(out)
    manifest = json.loads((config.output_dir / "manifest.json").read_text())
    sessions = manifest["data"]["train"]["sessions"]
    assert sessions + manifest["data"]["eval"]["sessions"] == 30
    epochs, size = PLAN.get(seed, (0, 1))
    steps = epochs * math.ceil(sessions / size) or 2
    assert (manifest["name"], json.loads(done.stdout.splitlines()[-1])["steps"]) == (config.name, steps)
    saved = json.loads((config.adapter_dir / "adapter_config.json").read_text())
    assert saved["r"] == config.lora.r
    assert (config.adapter_dir / "adapter_model.safetensors").stat().st_size > 10_000
    pushed = {"README.md", "adapter_config.json", "adapter_model.safetensors"} if seed == "002" else set()
    assert set(hub[1].files) & pushed == pushed
    assert bool(hub[1].files) is (seed == "002")


def test_nothing_of_seed_002_is_lost_in_silence(tmp_path: Path) -> None:
    out, said = migrated(tmp_path, "002")
    config: RunConfig = load(out)
    assert (config.lora.r, config.lora.alpha, config.lora.dropout) == (64, 128, 0.05)
    assert (config.train.eval_strategy, config.train.save_strategy, config.train.report_to) == (
        "epoch",
        "epoch",
        "wandb",
    )
    assert config.train.extra == {"ddp_find_unused_parameters": False}
    assert (config.eval.max_sessions, config.eval.max_tokens) == (64, 256)
    assert (config.train.max_grad_norm, config.name) == (1.0, "SmolLM2-360M-CarSales")
    text = out.read_text()

    def keys(tree: dict[str, Any], above: str = "") -> list[str]:
        pairs = [(f"{above}{key}", value) for key, value in tree.items()]
        return [
            inner for key, value in pairs for inner in (keys(value, f"{key}.") if isinstance(value, dict) else [key])
        ]

    for key in keys(yaml.safe_load((tmp_path / "old.yaml").read_text())):
        assert key in said
        assert key in text
    assert "remove_unused_columns: false - rows are encoded" in text
    assert "the old default" in text


def test_a_lab_folder_without_catalogue_gets_one_of_its_calls(tmp_path: Path) -> None:
    files, out = seed_000(tmp_path), tmp_path / "new.yaml"
    (tmp_path / "data/tool_catalogue.json").unlink()
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": '{"what": "x"}'}}
    answer = {"role": "assistant", "content": None, "tool_calls": [call]}
    lines(tmp_path / "data/agent-session-1.jsonl", [{**record, "response": answer} for record in AGENT])
    done = run_program("train", "migrate", *files, "--out", out)
    assert done.returncode == 0, done.stderr
    (tool,) = json.loads((tmp_path / "new.tools.json").read_text())
    parameters = {"type": "object", "properties": {"what": {}}}
    assert tool == {"type": "function", "function": {"name": "find", "parameters": parameters}}
    assert "made of recorded calls" in done.stderr
    tried = run_program("train", "--config", out, "--dry-run")
    assert tried.returncode == 0, tried.stderr


MODULE = """
def build_datasets(cfg):
    rows = [{{"id": str(n), "input": f"{{cfg.data.dataset_name}} {{n}}?", "response": "Yes."}} for n in range(9)]
    return {returned}, [], [], cfg["data"]["max_context_length"]
"""


@pytest.mark.parametrize(("returned", "taken"), [("rows[:6], rows[6:]", True), ("[{'input_ids': [1]}], []", False)])
def test_a_domain_module_of_seed_002_gives_the_sessions_unless_it_makes_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returned: str, taken: bool
) -> None:
    (tmp_path / "car_sales.py").write_text(MODULE.format(returned=returned))
    files, out = seed_002(tmp_path), tmp_path / "new.yaml"
    done = run_program("train", "migrate", *files, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert load(out).data.load_module == ("car_sales" if taken else None)
    assert ("makes rows of tokens" in done.stderr) is not taken
    monkeypatch.syspath_prepend(tmp_path)
    config = load(out)
    assert sum(1 for split in ("train", "eval") for _ in split_sessions(config, split)) == (9 if taken else 30)


@pytest.mark.parametrize("files", ["a.jsonl", ["a.jsonl"], {"train": ["a.jsonl"], "test": "b.jsonl"}])
def test_load_dataset_of_files_reads_the_files(tmp_path: Path, files: Any) -> None:
    kwargs = {"path": "json", "data_files": files, "split": "train"}
    old = {"base_model": TINY, "source_config": {"method": "load_dataset", "kwargs": kwargs}}
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(old))
    done = run_program("train", "migrate", tmp_path / "old.yaml", "--out", tmp_path / "new.yaml")
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "new.yaml").data.train == "./a.jsonl"


def test_a_secret_is_not_copied(tmp_path: Path) -> None:
    out, said = migrated(tmp_path, "004")
    assert "hf_secret" not in out.read_text() + said
    assert "HF_TOKEN" in out.read_text()
    assert load(out).train.learning_rate == 2e-4


def test_unknown_keys_are_named_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(json.dumps({"model_name": "x", "lora_rank": 8, "lora_rang": 9, "zzz": 1}))
    done = run_program("train", "migrate", tmp_path / "old.json", "--out", tmp_path / "new.yaml")
    assert done.returncode == 2
    assert "unknown keys of kylis_kit LoRA server (seed 001): lora_rang, zzz" in done.stderr
    assert not (tmp_path / "new.yaml").exists()


def test_an_unknown_training_argument_is_named_before_anything_is_written(tmp_path: Path) -> None:
    files = seed_003(tmp_path)
    tune = yaml.safe_load(Path(files[1]).read_text())
    tune["training_arguments"] |= {"optimm": "x", "weight_decaying": 1}
    Path(files[1]).write_text(yaml.safe_dump(tune))
    done = run_program("train", "migrate", *files, "--out", tmp_path / "new.yaml")
    assert done.returncode == 2
    assert "TRL's SFTConfig has no optimm (did you mean optim?), weight_decaying" in done.stderr
    assert not (tmp_path / "new.yaml").exists()
