"""Texts of any template are learned whole, as they are."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from programs import run_program

from callproof.config import load
from callproof.errors import UserError
from callproof.turns import eval_turns
from train.rows.data import encode_sessions, load_encoder

pytest_plugins = ["small_run_plugin"]
SmallRun = Callable[..., Path]
TEXTS = [f"### Question\nWhat is {number} plus one?\n### Answer\n{number + 1}" for number in range(6)]


@pytest.fixture
def texts(small_run: SmallRun, tmp_path: Path) -> Path:
    records = [{"id": f"t{number}", "text": text, "repo": None} for number, text in enumerate(TEXTS)]
    (tmp_path / "texts.json").write_text(json.dumps(records))
    path = small_run()
    values = yaml.safe_load(path.read_text())
    values["data"] = {"domain": ".", "train": str(tmp_path / "texts.json"), "text": "as_is", "eval_share": 0.3}
    values["train"] |= {"max_steps": 2, "eval_steps": 1}
    path.write_text(yaml.safe_dump(values))
    return path


def test_every_token_of_a_text_is_learned_and_the_end_with_it(texts: Path) -> None:
    config = load(texts)
    encoder = load_encoder(config.model)
    splits = {split: encode_sessions(split, config, encoder).rows for split in ("train", "eval")}  # type: ignore
    rows = [*splits["train"], *splits["eval"]]
    assert sorted(row.text for row in rows) == sorted(text + "<|im_end|>" for text in TEXTS)
    assert splits["train"]
    assert splits["eval"]
    assert all(row.input_ids == row.labels for row in rows)
    assert {encoder.tokenizer.decode(row.input_ids) for row in rows} == {row.text for row in rows}


def test_texts_are_checked_and_trained_on_and_are_no_turns(texts: Path) -> None:
    for words in (("check", "--config", texts), ("--config", texts, "--dry-run"), ("--config", texts)):
        done = run_program("train", *words)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == 2
    with pytest.raises(UserError, match="hold no turns; evaluate with a configuration of sessions"):
        eval_turns(load(texts))


def test_a_record_without_text_is_named(texts: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.json").write_text(json.dumps([{"text": "a"}, {"input": "b"}]))
    done = run_program("train", "--config", texts, "--dry-run")
    assert "texts.json:1: expected a text that is not empty under 'text', its keys are 'input'" in done.stderr
