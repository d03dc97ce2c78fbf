"""A wrong input costs a user one line and a second, not a traceback after minutes."""

import json
import re
from pathlib import Path

import pytest
from conftest import ROOT, run_verb

TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
TALK = [
    {"role": "user", "content": "go"},
    {"role": "assistant", "tool_calls": [{"name": "find", "arguments": {}}]},
]


@pytest.fixture
def domain(tmp_path: Path) -> Path:
    """A valid domain with one session; tests spoil a part of it."""
    (tmp_path / "domain" / "sessions").mkdir(parents=True)
    (tmp_path / "domain" / "system_prompt.md").write_text("You help.\n")
    (tmp_path / "domain" / "tools.json").write_text(json.dumps([TOOL]))
    for split in ("train", "eval"):
        line = json.dumps({"session_id": split, "messages": TALK})
        (tmp_path / "domain" / "sessions" / f"{split}.jsonl").write_text(line + "\n")
    (tmp_path / "run.yaml").write_text(f"name: demo\ndata:\n  domain: {tmp_path / 'domain'}\n")
    return tmp_path / "domain"


def refusal(config: Path, command: str = "run") -> str:
    lines = run_verb("train", command, "--config", config, code=2).stderr.splitlines()
    assert [line for line in lines if line.startswith(("error: ", "Traceback", "internal"))] == lines[-1:]
    return lines[-1]


@pytest.mark.parametrize("name", ["car_sales", "insurance", "qwen3-4b"])
def test_nothing_would_spoil_a_training_with_the_configurations_of_the_repository(name: str, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = run_verb("train", "check", "--config", f"configs/{name}.yaml", "--stats", "model.base_model=org/absent")
    found = json.loads(done.stdout)
    assert found["spoiled"] == []
    assert found["splits"]["train"]["sessions"] == 720
    assert "org/absent: is not on this machine" in found["no_tokens"]


def test_a_word_after_the_options_overrides_the_file(domain: Path) -> None:
    done = run_verb("train", "config", "--config", domain.parent / "run.yaml", "--json", "lora.r=8", "train.seed=7")
    found = json.loads(done.stdout)
    assert found["lora.r"] == {"value": 8, "source": "command line"}
    assert found["name"] == {"value": "demo", "source": f"{domain.parent / 'run.yaml'}:1"}


def test_the_resolved_configuration_has_a_source_on_each_line(domain: Path) -> None:
    printed = run_verb("train", "config", "--config", domain.parent / "run.yaml", "train.seed=7").stdout
    assert re.search(r"^  seed: 7 +# command line$", printed, re.MULTILINE)
    assert re.search(r"^  r: 16 +# default$", printed, re.MULTILINE)


def test_the_committed_schema_is_what_the_command_prints() -> None:
    assert run_verb("train", "config", "--schema").stdout == (ROOT / "configs/schema.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ["run", "check", "config"])
def test_a_wrong_override_is_refused_by_every_verb(domain: Path, verb: str) -> None:
    error = run_verb("train", verb, "--config", domain.parent / "run.yaml", "lora.rank=8", code=2).stderr
    assert error.startswith("error: command line: unknown key 'lora.rank'")


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    assert "absent.yaml: cannot be read" in refusal(tmp_path / "absent.yaml")


def test_an_unknown_key_is_named_with_the_nearest_valid_one(domain: Path) -> None:
    config = domain.parent / "run.yaml"
    config.write_text(config.read_text() + "lora:\n  rank: 8\n")
    assert "unknown key 'lora.rank'" in refusal(config)


@pytest.mark.parametrize("part", ["system_prompt.md", "tools.json", "sessions/train.jsonl", "sessions/eval.jsonl"])
def test_a_missing_part_of_the_domain_is_named(domain: Path, part: str) -> None:
    (domain / part).unlink()
    assert f"{domain / part}: cannot be read" in refusal(domain.parent / "run.yaml")


def test_a_malformed_line_is_named_with_its_number(domain: Path) -> None:
    path = domain / "sessions" / "train.jsonl"
    path.write_text(path.read_text() + '{"session_id": \n')
    assert f"{path}:2: malformed JSON" in refusal(domain.parent / "run.yaml")


def test_parameters_that_are_no_json_schema_are_named_with_their_tool_and_stop_nothing(domain: Path) -> None:
    broken = {"type": "function", "function": {"name": "find", "parameters": {"type": "objekt"}}}
    (domain / "tools.json").write_text(json.dumps([broken]))
    done = run_verb("train", "--config", domain.parent / "run.yaml", "--dry-run")
    (line,) = (line for line in done.stderr.splitlines() if "tools.json" in line)
    assert "tool 'find'" in line


def test_a_gold_call_that_the_catalog_rejects_is_named_with_its_line(domain: Path) -> None:
    wrong = [TALK[0], {"role": "assistant", "tool_calls": [{"name": "fnid", "arguments": {}}]}]
    path = domain / "sessions" / "train.jsonl"
    path.write_text(path.read_text() + json.dumps({"session_id": "x", "messages": wrong}) + "\n")
    assert f"{path}:2: message 1: call of 'fnid' is rejected" in refusal(domain.parent / "run.yaml")


def test_a_base_model_that_is_not_there_is_named(domain: Path) -> None:
    config = domain.parent / "run.yaml"
    config.write_text(config.read_text() + "model:\n  base_model: models/absent\n")
    assert "models/absent: base model folder not found" in refusal(config)


def test_sessions_that_are_all_too_long_leave_nothing_to_train_on(domain: Path) -> None:
    config = domain.parent / "run.yaml"
    config.write_text(config.read_text() + "  max_context_length: 5\nmodel:\n  base_model: models/tiny\n")
    assert "(1 over 5 tokens)" in refusal(config)


def test_help_shows_examples_and_needs_no_torch() -> None:
    assert "callproof train --config configs/car_sales.yaml" in run_verb("train", "--help").stdout
    assert "import torch" not in (ROOT / "train" / "__main__.py").read_text()


def test_a_later_pass_needs_a_model_of_an_earlier_one(tmp_path: Path) -> None:
    nowhere = run_verb("train", "base", "--from", tmp_path / "none", "--out", tmp_path / "out", code=2).stderr
    assert nowhere.startswith(f"error: --from {tmp_path / 'none'}: is no folder of a model; name one that")
