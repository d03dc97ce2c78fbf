"""Evaluation while training: answers of the model in training, figures of `evaluate`, the best step as the adapter."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import run_verb

from callproof.config import load
from callproof.turns import eval_turns
from train.loop.evaluation import Evaluator
from train.loop.trainer import make_trainer
from train.rows.data import encode_sessions, load_encoder

pytest_plugins = ["small_run_plugin"]
SmallRun = Callable[..., Path]
MAX_TOKENS = 24


class Workplace:
    """A trainer of models/tiny that has not trained yet, and what evaluators of it are made of."""

    def __init__(self, config_path: Path) -> None:
        self.config = load(config_path)
        self.encoder = load_encoder(self.config.model)
        self.turns = eval_turns(self.config)
        self.rows = encode_sessions("eval", self.config, self.encoder).rows
        self.trainer = make_trainer(self.config, self.encoder, self.rows)

    def evaluator(self, batch_size: int) -> Evaluator:
        return Evaluator(self.encoder, self.rows, self.turns, MAX_TOKENS, batch_size)


@pytest.fixture
def workplace(small_run: SmallRun) -> Workplace:
    return Workplace(small_run())


def test_an_answer_does_not_depend_on_what_is_asked_beside_it(workplace: Workplace) -> None:
    alone = workplace.evaluator(1).answers(workplace.trainer)
    assert len({len(turn.messages) for turn in workplace.turns}) > 1
    assert workplace.evaluator(8).answers(workplace.trainer) == alone
    assert set(alone) == {turn.turn_id for turn in workplace.turns}


def test_an_answer_is_what_the_model_finds_most_likely_token_by_token(workplace: Workplace) -> None:
    import torch

    turn = workplace.turns[0]
    text, reason = workplace.evaluator(8).answers(workplace.trainer)[turn.turn_id]
    ids = workplace.evaluator(8)._prompt(turn)
    start = len(ids)
    for _ in range(MAX_TOKENS):
        with torch.no_grad():
            ids.append(int(workplace.trainer.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] in workplace.encoder.template.ends:
            break
    ended = ids[-1] in workplace.encoder.template.ends
    assert reason == ("stop" if ended else "length")
    assert text == workplace.encoder.tokenizer.decode(ids[start : -1 if ended else None], skip_special_tokens=True)


def test_the_base_keeps_its_own_sampling(workplace: Workplace) -> None:
    base = workplace.trainer.model.get_base_model()
    own = base.generation_config
    workplace.evaluator(8).answers(workplace.trainer)
    assert base.generation_config is own


def test_loss_weighs_tokens_and_not_rows(workplace: Workplace) -> None:
    losses = [Evaluator(workplace.encoder, [row], [], 1, 1).loss(workplace.trainer) for row in workplace.rows]
    tokens = [row.supervised for row in workplace.rows]
    assert len(set(tokens)) > 1
    expected = sum(loss * count for loss, count in zip(losses, tokens, strict=True)) / sum(tokens)
    assert workplace.evaluator(8).loss(workplace.trainer) == pytest.approx(expected, abs=1e-5)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_best_step_becomes_the_adapter_and_training_stops_early(small_run: SmallRun) -> None:
    train: dict[str, Any] = {
        "max_steps": 12, "eval_steps": 1, "metric_for_best_model": "eval_perplexity", "early_stopping_patience": 1,
        "learning_rate": 1.0, "lr_scheduler_type": "constant", "warmup_ratio": 0,
    }  # fmt: skip
    path = small_run(train=train)
    summary = json.loads(run_verb("train", "--config", path).stdout.splitlines()[-1])
    config = load(path)
    manifest = json.loads((config.output_dir / "manifest.json").read_text())
    found = {entry["step"]: entry["eval_perplexity"] for entry in manifest["evaluations"]}
    assert manifest["steps"] == max(found) < 12
    assert manifest["best_step"] == summary["best_step"] == min(found, key=lambda step: found[step]) < manifest["steps"]
    assert {"eval_turn_exact", "eval_tool_f1", "eval_hallucination_rate"} <= set(manifest["evaluations"][0])
    best = config.output_dir / "checkpoints" / f"checkpoint-{manifest['best_step']}"
    assert sha256(config.adapter_dir / "adapter_model.safetensors") == sha256(best / "adapter_model.safetensors")
    assert manifest["perplexity"] == pytest.approx(found[manifest["best_step"]], rel=1e-4)
