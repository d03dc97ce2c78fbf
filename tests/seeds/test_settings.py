"""Every setting that docs/explanation/seeds.md names reaches what it sets: the trainer, PEFT, the base, evaluation."""

from typing import Any

import pytest
import torch
from programs import ROOT

from callproof.config import RunConfig, load
from callproof.turns import eval_turns
from train.adapter.model import fresh_lora, load_base, use_bf16
from train.loop.arguments import arguments

CARS = ROOT / "configs" / "car_sales.yaml"


@pytest.fixture(autouse=True)
def in_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def cars(*words: str) -> RunConfig:
    return load(CARS, words)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("train.num_train_epochs=2", "num_train_epochs", 2),
        ("train.learning_rate=2e-4", "learning_rate", 2e-4),
        ("train.per_device_train_batch_size=1", "per_device_train_batch_size", 1),
        ("train.gradient_accumulation_steps=8", "gradient_accumulation_steps", 8),
        ("train.gradient_checkpointing=true", "gradient_checkpointing", True),
        ("train.weight_decay=0.01", "weight_decay", 0.01),
        ("train.lr_scheduler_type=cosine", "lr_scheduler_type", "cosine"),
        ("train.warmup_ratio=0.1", "warmup_steps", 0.1),
        ("train.bf16=true", "bf16", True),
        ("train.bf16=false", "bf16", False),
        ("train.seed=7", "seed", 7),
        ("train.max_steps=100", "max_steps", 100),
        ("train.logging_steps=3", "logging_steps", 3),
        ("train.eval_steps=50", "eval_steps", 50),
        ("train.save_steps=100", "save_steps", 100),
        ("train.eval_strategy=epoch", "eval_strategy", "epoch"),
        ("train.save_strategy=epoch", "save_strategy", "epoch"),
        ("train.save_total_limit=3", "save_total_limit", 3),
        ("train.extra.ddp_find_unused_parameters=false", "ddp_find_unused_parameters", False),
        ("train.extra.adam_beta1=0.85", "adam_beta1", 0.85),
    ],
)
def test_a_setting_of_the_loop_reaches_the_trainer(words: str, field: str, value: Any) -> None:
    made = getattr(arguments(cars(words), False, 10), field)
    assert getattr(made, "value", made) == value


@pytest.mark.parametrize(
    ("word", "field", "value"),
    [
        ("lora.r=64", "r", 64),
        ("lora.alpha=128", "lora_alpha", 128),
        ("lora.dropout=0.05", "lora_dropout", 0.05),
        ("lora.target_modules=[q_proj,v_proj]", "target_modules", {"q_proj", "v_proj"}),
        ("lora.bias=none", "bias", "none"),
        ("lora.task_type=CAUSAL_LM", "task_type", "CAUSAL_LM"),
    ],
)
def test_a_setting_of_the_adapter_reaches_peft(word: str, field: str, value: Any) -> None:
    made = getattr(fresh_lora(cars(word)), field)
    assert getattr(made, "value", made) == value


@pytest.mark.parametrize(("name", "kind"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_setting_of_the_base_reaches_its_loading(name: str, kind: torch.dtype, attention: str) -> None:
    words = ("model.base_model=models/tiny", f"model.dtype={name}", f"model.attn_implementation={attention}")
    base = load_base(cars(*words), False)
    assert base.dtype == kind
    assert base.config._attn_implementation == attention  # transformers has no public name for it


def test_float16_weights_leave_bf16_off() -> None:
    assert use_bf16(cars("model.dtype=float16"), False) is False


def test_as_many_sessions_are_evaluated_as_are_wanted() -> None:
    turns = list(eval_turns(cars("eval.max_sessions=3")))
    assert [*dict.fromkeys(turn.session_id for turn in turns)] == [f"car_sales-eval-{n:04}" for n in (1, 2, 3)]
