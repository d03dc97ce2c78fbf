"""`train.extra` reaches TRL whole, or is refused before anything is trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from programs import run_program

from callproof.config import load
from callproof.errors import UserError
from train.loop.arguments import arguments, check_extra

pytest_plugins = ["small_run_plugin"]
SmallRun = Callable[..., Path]


def test_every_field_of_trl_passes_or_is_refused_with_the_key_to_set(small_run: SmallRun) -> None:
    import dataclasses

    from trl.trainer.sft_config import SFTConfig

    refused, passed = {}, set()
    for field in dataclasses.fields(SFTConfig):
        if not field.init:
            continue
        default = None if field.default is dataclasses.MISSING else field.default
        value = getattr(default, "value", default)
        path = small_run(train={"extra": {field.name: value}})
        try:
            assert load(path).train.extra == {field.name: value}
            passed.add(field.name)
        except UserError as error:
            refused[field.name] = str(error)
    assert all(f"{name} is " in text for name, text in refused.items())
    assert {"learning_rate", "output_dir", "fp16", "loss_type", "max_length"} <= set(refused)
    assert {"optim", "neftune_noise_alpha", "ddp_find_unused_parameters", "adam_beta1", "deepspeed"} <= passed


def test_extra_reaches_trl(small_run: SmallRun) -> None:
    extra = {"optim": "adamw_torch", "adam_beta1": 0.8, "lr_scheduler_kwargs": {"num_cycles": 2}, "data_seed": 3}
    config = load(small_run(train={"extra": extra, "lr_scheduler_type": "cosine_with_restarts"}))
    check_extra(config)
    made = arguments(config, False, 10)
    assert (made.optim, made.adam_beta1, made.lr_scheduler_kwargs, made.data_seed) == (
        "adamw_torch", 0.8, {"num_cycles": 2}, 3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"optimm": "x", "zzz": 1}, "train.extra: TRL's SFTConfig has no optimm (did you mean optim?), zzz"),
        ({"adam_beta1": "much"}, "train.extra.adam_beta1: expected float, got 'much'"),
        ({"adam_beta1": True}, "train.extra.adam_beta1: expected float, got True"),
        ({"dataloader_num_workers": 1.5}, "train.extra.dataloader_num_workers: expected int"),
        ({"neftune_noise_alpha": [1]}, "train.extra.neftune_noise_alpha: expected float or null"),
        ({"optim": "sgdd"}, "train.extra: TRL refuses it ("),
    ],
)
def test_wrong_names_and_values_are_refused_before_training(small_run: SmallRun, extra: dict, named: str) -> None:
    with pytest.raises(UserError) as caught:
        check_extra(load(small_run(train={"extra": extra})))
    assert named in str(caught.value)


@pytest.mark.parametrize("words", [("--dry-run",), ("check",), ()])
def test_the_command_line_says_it_in_one_line(small_run: SmallRun, words: tuple[str, ...]) -> None:
    verb = [word for word in words if word == "check"]
    options = [word for word in words if word != "check"]
    path = small_run(train={"extra": {"optimm": "x"}})
    done = run_program("train", *verb, "--config", path, *options)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: train.extra: TRL's SFTConfig has no optimm")


def test_ours_are_all_named_at_once_without_torch(small_run: SmallRun) -> None:
    with pytest.raises(UserError) as caught:
        load(small_run(train={"extra": {"learning_rate": 1, "fp16": True, "eval_accumulation_steps": 2}}))
    text = str(caught.value)
    assert "learning_rate is a key of section train: set train.learning_rate" in text
    assert "fp16 is refused: set model.dtype and train.bf16" in text
    assert "eval_accumulation_steps is refused: evaluation is callproof's own" in text


def test_epochs_give_the_rhythm_of_evaluations_and_checkpoints(small_run: SmallRun) -> None:
    train: dict[str, Any] = {
        "max_steps": -1, "num_train_epochs": 2, "per_device_train_batch_size": 5,
        "eval_strategy": "epoch", "save_strategy": "epoch", "metric_for_best_model": "eval_perplexity",
    }  # fmt: skip
    path = small_run(train=train, eval={"max_tokens": 2})
    done = run_program("train", "--config", path)
    assert done.returncode == 0, done.stderr
    import json

    manifest = json.loads((load(path).output_dir / "manifest.json").read_text())
    assert [evaluation["step"] for evaluation in manifest["evaluations"]] == [2, 4]  # 10 rows, 5 a step
    kept = sorted(folder.name for folder in (load(path).output_dir / "checkpoints").glob("checkpoint-*"))
    assert kept == ["checkpoint-2", "checkpoint-4"]


def test_an_epoch_takes_no_steps(small_run: SmallRun) -> None:
    with pytest.raises(UserError, match="eval_strategy epoch takes no eval_steps, but they are 5"):
        load(small_run(train={"eval_strategy": "epoch", "eval_steps": 5}))


def test_the_context_is_that_of_the_base_where_none_is_said(small_run: SmallRun) -> None:
    from train.rows.data import context_length

    path = small_run()
    text = path.read_text().replace("data:\n", "data:\n  max_context_length: null\n")
    path.write_text(text)
    assert context_length(load(path)) == 4096  # max_position_embeddings of models/tiny
