"""axolotl, LLaMA-Factory and TRL: what became what."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from callproof.config import OURS, RunConfig, TrainConfig, resolve_values
from callproof.errors import UserError
from train.migrate import as_yaml, migrate, nested
from train.migrate.arguments import SPECIAL
from train.migrate.others import OTHERS

AXOLOTL = """
base_model: NousResearch/Llama-3.2-1B
datasets:
  - path: teknium/GPT4-LLM-Cleaned
    type: alpaca
val_set_size: 0.1
output_dir: ./outputs/lora-out
adapter: qlora
sequence_len: 2048
sample_packing: true
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
lora_target_modules: [gate_proj, down_proj]
wandb_project:
gradient_accumulation_steps: 2
micro_batch_size: 2
num_epochs: 1
optimizer: adamw_8bit
lr_scheduler: cosine
learning_rate: 0.0002
bf16: auto
tf32: false
gradient_checkpointing: true
resume_from_checkpoint:
logging_steps: 1
flash_attention: true
warmup_ratio: 0.1
evals_per_epoch: 4
saves_per_epoch: 1
weight_decay: 0.0
special_tokens:
  pad_token: "<|end_of_text|>"
"""
FACTORY = """
model_name_or_path: meta-llama/Meta-Llama-3-8B-Instruct
trust_remote_code: true
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: all
dataset: identity,alpaca_en_demo
template: llama3
cutoff_len: 2048
max_samples: 1000
preprocessing_num_workers: 16
output_dir: saves/llama3-8b/lora/sft
logging_steps: 10
save_steps: 500
plot_loss: true
overwrite_output_dir: true
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
ddp_timeout: 180000000
val_size: 0.1
eval_strategy: steps
eval_steps: 500
"""
TRL = """
model_name_or_path: Qwen/Qwen2-0.5B
dataset_name: trl-lib/Capybara
dataset_test_split: test
use_peft: true
lora_r: 32
lora_alpha: 16
torch_dtype: bfloat16
learning_rate: 2.0e-4
num_train_epochs: 1
packing: true
eval_strategy: steps
eval_steps: 100
warmup_steps: 20
output_dir: Qwen2-0.5B-SFT
push_to_hub: false
neftune_noise_alpha: 5
"""


def translated(folder: Path, text: str) -> tuple[str, RunConfig, dict[str, str]]:
    """System, configuration, and old key -> note of what was dropped."""
    (folder / "old.yaml").write_text(text)
    system, draft = migrate([folder / "old.yaml"])
    spoken = {move.old.removesuffix(" (default)").split(".")[0] for move in draft.moves}
    assert set(yaml.safe_load(text)) <= spoken
    dropped = {move.old: move.note for move in draft.moves if move.key is None}
    return system, resolve_values(RunConfig, nested(draft)).config, dropped


def test_axolotl(tmp_path: Path) -> None:
    system, config, dropped = translated(tmp_path, AXOLOTL)
    assert system == "axolotl"
    assert config.data.train == "hf:teknium/GPT4-LLM-Cleaned:train"
    assert (config.data.eval_share, config.data.max_context_length) == (0.1, 2048)
    assert (config.lora.r, config.lora.target_modules, config.model.quantization) == (
        16,
        ("gate_proj", "down_proj"),
        "nf4",
    )
    train = config.train
    assert (train.per_device_train_batch_size, train.gradient_accumulation_steps, train.packing) == (2, 2, True)
    assert (train.save_strategy, train.lr_scheduler_type, train.bf16) == ("epoch", "cosine", "auto")
    assert train.extra == {"optim": "adamw_8bit", "tf32": False}
    assert config.model.attn_implementation == "flash_attention_2"
    assert "evals_per_epoch" in dropped
    assert config.name == "lora-out"


def test_llama_factory(tmp_path: Path) -> None:
    system, config, dropped = translated(tmp_path, FACTORY)
    assert system == "LLaMA-Factory"
    assert (config.lora.r, config.lora.alpha, config.lora.target_modules) == (8, 16, "all-linear")  # alpha: twice r
    assert (config.train.eval_steps, config.train.save_steps, config.train.seed) == (500, 500, 42)
    assert (config.model.trust_remote_code, config.train.extra) == (True, {"ddp_timeout": 180000000})
    assert dropped["max_samples"].startswith("all sessions are read")


def test_trl(tmp_path: Path) -> None:
    system, config, _ = translated(tmp_path, TRL)
    assert system == "TRL"
    assert (config.data.train, config.data.eval) == ("hf:trl-lib/Capybara:train", "hf:trl-lib/Capybara:test")
    assert (config.lora.r, config.lora.alpha, config.lora.dropout) == (32, 16, 0.05)
    assert config.train.extra == {"warmup_steps": 20, "neftune_noise_alpha": 5}
    assert (config.data.max_context_length, config.train.gradient_checkpointing) == (1024, True)
    assert config.model.dtype == "bfloat16"


KEYS = {
    line.split(": ")[0]: line.split(": ")[1].split()
    for line in (Path(__file__).parent / "schema_keys.txt").read_text().splitlines()
    if not line.startswith("#")
}
"""System -> the keys of its published schema."""


@pytest.mark.parametrize("system", OTHERS, ids=lambda system: system.name)
def test_every_key_of_a_schema_has_its_rule(system: Any) -> None:
    from trl.trainer.sft_config import SFTConfig

    known = {*system.rules, *SPECIAL, *TrainConfig.model_fields, *OURS, *SFTConfig.__dataclass_fields__}
    assert len(KEYS[system.name]) > 20
    assert [key for key in KEYS[system.name] if key not in known] == []


@pytest.mark.parametrize("system", OTHERS, ids=lambda system: system.name)
def test_a_key_that_is_left_out_is_named_with_its_reason(tmp_path: Path, system: Any) -> None:
    text = {"axolotl": AXOLOTL, "LLaMA-Factory": FACTORY, "TRL": TRL}[system.name]
    extra = {"axolotl": "dpo_beta: 0.1", "LLaMA-Factory": "use_galore: true", "TRL": "use_dora: true"}[system.name]
    _, _, dropped = translated(tmp_path, f"{text}{extra}\n")
    assert len(dropped[extra.partition(":")[0]]) > 20


def test_what_has_an_equal_is_carried_over(tmp_path: Path) -> None:
    more = "batch_size: 8\neager_attention: true\nlora_rank_pattern: {q_proj: 4}\npeft_init_lora_weights: gaussian\n"
    more += "use_tensorboard: true\neval_max_new_tokens: 99\nbfloat16: true\n"
    text = AXOLOTL.replace("gradient_accumulation_steps: 2\n", "").replace("flash_attention: true\n", "") + more
    _, config, _ = translated(tmp_path, text)
    assert (config.train.gradient_accumulation_steps, config.model.attn_implementation) == (4, "eager")  # 8 / 2
    assert (config.lora.rank_pattern, config.lora.init, config.eval.max_tokens) == ({"q_proj": 4}, "gaussian", 99)
    assert (config.train.report_to, config.model.dtype) == ("tensorboard", "bfloat16")


def test_several_datasets_and_files_are_all_read(tmp_path: Path) -> None:
    datasets = """datasets:
  - {path: json, data_files: [a.jsonl, b.jsonl]}
  - {path: c.csv, ds_type: csv}
  - {path: o/n, name: part, split: valid}
"""
    first, last = AXOLOTL.index("datasets:"), AXOLOTL.index("val_set_size")
    _, config, _ = translated(tmp_path, AXOLOTL[:first] + datasets + AXOLOTL[last:])
    assert config.data.train == ("./a.jsonl", "./b.jsonl", "./c.csv", "hf:o/n/part:valid")


@pytest.mark.parametrize("name", ["hub_token", "hf_hub_token", "swanlab_api_key"])
def test_a_secret_of_a_yaml_file_is_written_nowhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "old.yaml").write_text(f"{FACTORY}{name}: hf_secret\n")
    system, draft = migrate([tmp_path / "old.yaml"])
    assert "hf_secret" not in as_yaml(system, draft)
    assert name in as_yaml(system, draft)


def test_sections_of_two_files_come_together(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("model: {model_id: a/b}\nlora: {r: 4, lora_alpha: 8}\n")
    (tmp_path / "two.yaml").write_text("lora: {r: 16}\n")
    _, draft = migrate([tmp_path / "one.yaml", tmp_path / "two.yaml"], "x.jsonl")
    assert (draft.values["lora.r"], draft.values["lora.alpha"]) == (16, 8)


@pytest.mark.parametrize(
    ("data", "train"), [("hf:o/n", "hf:o/n:train"), ("hf:o/n:valid", "hf:o/n:valid"), ("x.jsonl", "./x.jsonl")]
)
def test_data_of_the_command_line_keep_their_name_and_split(tmp_path: Path, data: str, train: str) -> None:
    (tmp_path / "old.yaml").write_text(TRL)
    _, draft = migrate([tmp_path / "old.yaml"], data)
    assert draft.values["data.train"] == train


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a: 1\nb: 2\n", "is of no known system, its keys are a, b; known ones: llm-tuning-lab"),
        ("- a\n", "expected a mapping, got list"),
        ("a: 1\na: 2\n", "old.yaml:2: the key 'a' is given twice"),
        ("a: " + "[" * 5000, "nested too deep"),
        ("1: 2\n", "1: expected a name as key"),
        ("a: 2024-04-31\n", "old.yaml:1: malformed YAML (day"),
        ("a: [\n", "old.yaml:2: malformed YAML"),
    ],
)
def test_a_file_of_no_system_is_one_line(tmp_path: Path, text: str, named: Any) -> None:
    (tmp_path / "old.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        migrate([tmp_path / "old.yaml"])
    assert named in str(caught.value)
