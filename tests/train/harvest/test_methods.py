"""DPO and KTO learn from rejected answers, on rows of the same encoder, and leave an adapter that serves."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import run_verb

from callproof.config import check_adapter_folder, load
from callproof.errors import UserError
from train.loop.methods import learning
from train.loop.methods.sft import scaling
from train.rows.data import encode_sessions, load_encoder
from train.rows.encode import IGNORED, scaled
from train.rows.preferences import prompt_and_answer

pytest_plugins = ["small_run_plugin"]

REJECTED = [
    {"tool_calls": [{"name": "find", "arguments": {"car": "pink"}}]},
    {"raw": '<tool_call>\n{"name": '},
]


@pytest.fixture
def rejecting(small_run: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A small run whose first answers each have rejected ones beside them."""

    def write(method: str, **train: Any) -> Path:
        path = small_run(method, train={"method": method, "max_steps": 5, "logging_steps": 1, **train})
        file = tmp_path / "small" / "sessions" / "train.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        for line in lines:
            line["messages"][1]["rejected"] = REJECTED
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write


def test_five_steps_of_dpo_lower_the_loss_and_leave_an_adapter_that_serves(rejecting) -> None:
    path = rejecting("dpo", learning_rate=2e-3)
    done = run_verb("train", "--config", path)
    config = load(path)
    manifest = json.loads((config.output_dir / "manifest.json").read_text())
    history = json.loads((config.output_dir / "checkpoints/checkpoint-5/trainer_state.json").read_text())["log_history"]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-3)  # the model is its own reference
    assert losses[-1] < 0.6
    assert (manifest["method"], manifest["config"]["train"]["method"], manifest["steps"]) == ("dpo", "dpo", 5)
    assert manifest["data"]["train"]["rows"] == 40  # 10 sessions, 2 pairs each
    assert not check_adapter_folder(config.adapter_dir, config.model.base_model, None).notes
    assert sorted(file.name for file in config.adapter_dir.iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    assert "5 steps of DPO" in (config.adapter_dir / "README.md").read_text()
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == 5


@pytest.mark.parametrize(("method", "begins"), [("dpo", math.log(2)), ("kto", 0.5)])
def test_a_training_that_goes_on_from_an_adapter_has_it_as_its_reference_and_resumes(
    rejecting, tmp_path, method: str, begins: float
) -> None:
    first = load(rejecting("sft", max_steps=2))
    run_verb("train", "--config", tmp_path / "sft.yaml")
    words = (rejecting(method, max_steps=4, save_steps=2, learning_rate=2e-3), f"model.lora_path={first.adapter_dir}")
    run_verb("train", "--config", *words)
    config = load(tmp_path / f"{method}.yaml")
    weights, checkpoints = config.adapter_dir / "adapter_model.safetensors", config.output_dir / "checkpoints"
    whole = weights.read_bytes()
    history = json.loads((checkpoints / "checkpoint-4/trainer_state.json").read_text())["log_history"]
    assert next(entry["loss"] for entry in history if "loss" in entry) == pytest.approx(begins, abs=1e-3)
    assert whole != (first.adapter_dir / "adapter_model.safetensors").read_bytes()
    assert not any(path.is_dir() for path in (*config.adapter_dir.iterdir(), *(checkpoints / "checkpoint-2").iterdir()))
    shutil.rmtree(checkpoints / "checkpoint-4")
    state = json.loads((checkpoints / "run.json").read_text())
    (checkpoints / "run.json").write_text(json.dumps({**state, "finished": False}))
    done = run_verb("train", "--config", *words, "--resume")
    assert json.loads(done.stdout.splitlines()[-1])["resumed_from"] == [2]
    assert weights.read_bytes() == whole


def test_a_pair_has_one_prompt_and_answers_that_differ_in_the_mistake(rejecting) -> None:
    config = load(rejecting("dpo"))
    encoder = load_encoder(config.model)
    right, wrong, _, raw = encode_sessions("train", config, encoder, limit=1).rows[:4]
    prompt, chosen = prompt_and_answer(right)
    assert (right.right, wrong.right, raw.right) == (True, False, False)
    assert prompt_and_answer(wrong)[0] == prompt_and_answer(raw)[0] == prompt
    assert encoder.tokenizer.decode(prompt).endswith("<|im_start|>assistant\n")
    said = [encoder.tokenizer.decode(prompt_and_answer(row)[1]) for row in (wrong, raw)]
    assert said == [
        '<tool_call>\n{"name": "find", "arguments": {"car": "pink"}}\n</tool_call><|im_end|>',
        '<tool_call>\n{"name": <|im_end|>',
    ]
    assert [chosen[-1], prompt_and_answer(raw)[1][-1]] == [encoder.tokenizer.eos_token_id] * 2


def test_our_columns_are_those_that_trl_makes_of_the_same_prompts_and_answers(rejecting) -> None:
    """KTO's answers of neighbours are turned by one within each batch, as TRL's own preparation turns them."""
    config = load(rejecting("kto", per_device_train_batch_size=4))
    rows = encode_sessions("train", config, load_encoder(config.model)).rows
    dataset = learning("kto").dataset(rows, config)
    answers, turned = list(dataset["completion_ids"]), list(dataset["KL_completion_ids"])
    assert sum(dataset["label"]) == sum(row.right for row in rows)
    for at in range(0, len(answers), 4):
        batch = answers[at : at + 4]
        assert turned[at : at + 4] == [batch[-1], *batch[:-1]]


def test_a_loss_scale_multiplies_the_loss_of_its_message_alone(rejecting) -> None:
    config = load(rejecting("sft"))
    encoder = load_encoder(config.model)
    row = encode_sessions("train", config, encoder, limit=1).rows[0]
    spans = _spans(row.labels)
    (weighted,) = scaled([row], [3.0, *[1.0] * (len(spans) - 1)])
    assert [set(weighted.loss_scales[start:end]) for start, end in spans] == [{3.0}, *[{1.0}] * (len(spans) - 1)]
    assert {scale for scale, label in zip(weighted.loss_scales, row.labels, strict=True) if label == IGNORED} == {0.0}
    collate = scaling(lambda examples: {"labels": torch.zeros(len(examples), 5)})
    batch = collate([{"loss_scales": [1.0, 3.0]}, {"loss_scales": [0.0, 2.0, 1.0]}])
    assert batch["loss_scales"].tolist() == [[1, 3, 0, 0, 0], [0, 2, 1, 0, 0]]


def _spans(labels: list[int]) -> list[tuple[int, int]]:
    edges = [at for at in range(1, len(labels)) if (labels[at] == IGNORED) != (labels[at - 1] == IGNORED)]
    edges += [len(labels)] * (len(edges) % 2)
    return list(zip(edges[::2], edges[1::2], strict=True))


def test_the_loss_of_a_scaled_row_is_worked_out_by_hand(rejecting) -> None:
    """Scaling every message by 3 triples the loss, and scaling one adds twice the loss of its tokens."""
    from train.loop.loss import supervised_loss
    from train.loop.trainer import make_trainer

    config = load(rejecting("sft"))
    encoder = load_encoder(config.model)
    row = encode_sessions("train", config, encoder, limit=1).rows[0]
    spans = _spans(row.labels)
    scaled_row = scaled([row], [3.0, *[1.0] * (len(spans) - 1)])[0]
    trainer = make_trainer(config, encoder, [scaled_row])
    trainer.model.eval()
    batch = trainer.data_collator(
        [{"input_ids": row.input_ids, "labels": row.labels, "loss_scales": scaled_row.loss_scales}]
    )
    plain = {key: value for key, value in batch.items() if key in ("input_ids", "labels")}
    only_first = [label if at < spans[0][1] else IGNORED for at, label in enumerate(row.labels)]
    with torch.no_grad():
        whole = supervised_loss(trainer.model, plain).item()
        first = supervised_loss(trainer.model, {**plain, "labels": torch.tensor([only_first])}).item()
        weighed = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=1).item()
    assert weighed == pytest.approx(whole + 2 * first, rel=1e-5)


def test_a_method_that_finds_no_rejected_answer_is_refused(small_run) -> None:
    config = load(small_run(train={"method": "dpo"}))
    with pytest.raises(UserError, match="no message of 10 sessions has a rejected answer"):
        encode_sessions("train", config, load_encoder(config.model))


@pytest.mark.parametrize(
    ("train", "problem"),
    [
        ({"method": "dpo", "packing": True}, "packing: is for method sft"),
        ({"method": "kto", "loss_weights": {"name": 2}}, "loss_weights: is for method sft"),
        ({"beta": 0.2}, "beta: is for method dpo and kto"),
    ],
)
def test_settings_of_another_method_are_refused(small_run, train: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        load(small_run(train=train))


def test_arguments_of_trl_are_those_of_the_method(rejecting) -> None:
    from train.loop.arguments import check_extra

    path = rejecting("dpo")
    check_extra(load(path, ['train.extra={"label_smoothing": 0.1}', "train.beta=0.3"]))
    with pytest.raises(UserError, match="TRL's DPOConfig has no neftune"):
        check_extra(load(path, ['train.extra={"neftune": 5}']))
