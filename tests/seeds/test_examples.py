"""The examples of docs/explanation/seeds.md in the five systems' formats: read, checked and trained."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from programs import ROOT, run_program

from callproof.config import Split, load
from callproof.turns import eval_turns, split_sessions
from train.cli import main

EXAMPLES = Path("docs/examples")


@pytest.fixture(autouse=True)
def in_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def checked(capsys: pytest.CaptureFixture[str], name: str, *words: str) -> tuple[dict[str, Any], str]:
    """The JSON of `check`, and what it shows."""
    code = main(["check", "--config", str(EXAMPLES / name), *words])
    out, err = capsys.readouterr()
    result = json.loads(out.splitlines()[-1])
    assert code == (1 if result["spoiled"] else 0), err
    return result, err


def test_agent_sessions_of_a_glob_are_read_with_text_and_calls(capsys: pytest.CaptureFixture[str]) -> None:
    result, _ = checked(capsys, "lab.yaml", "--stats")
    sides = result["splits"].values()
    assert sum(side["sessions"] for side in sides) == 20
    lines = [line for number in (1, 2) for line in (EXAMPLES / f"lab/agent-session-{number}.jsonl").open()]
    answers = [
        message.get("tool_calls") or "<tool_call>" in message["content"]
        for record in map(json.loads, lines)
        for message in (*record["request"]["messages"], record["response"])
        if message["role"] == "assistant"
    ]
    assert sum(side["responses"]["calls"] for side in sides) == sum(map(bool, answers)) == 25
    assert sum(side["responses"]["text"] for side in sides) == len(answers) - 25


def test_statistics_tell_number_mean_length_and_kinds_of_responses(capsys: pytest.CaptureFixture[str]) -> None:
    result, shown = checked(capsys, "chats.yaml", "--stats")
    tokens = result["splits"]["train"]["tokens"]
    figures = {re.split(r" {2,}", line.strip())[0]: line.split()[-2:] for line in shown.splitlines()}
    assert figures["sessions"] == ["19", "5"]
    assert figures["mean row"][0] == str(round(tokens["total"] / tokens["rows"])) == "46"
    assert (figures["text"], figures["calls"]) == (["22", "5"], ["0", "0"])


def test_an_example_is_shown_with_its_id_its_line_and_its_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    result, shown = checked(capsys, "chats.yaml", "--num-examples", "1")
    title = next(line for line in shown.splitlines() if line.startswith("─"))
    assert "chats.jsonl:1 (docs/examples/chats.jsonl:1): 94 tokens, 23 supervised" in title
    assert result["splits"]["train"]["tokens"]["percentiles"]["100"] == 94


@pytest.mark.parametrize(
    ("words", "count"), [(("--num-examples=3",), 3), (("--num-examples=3", "--stats"), 3), (("--stats",), 0)]
)
def test_as_many_examples_are_shown_as_are_wanted(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], count: int
) -> None:
    _, shown = checked(capsys, "questions.yaml", *words)
    assert shown.count(" supervised ─") == count


def test_evaluation_has_files_of_its_own() -> None:
    words = ("data.train=agent-session-1.jsonl", "data.eval=agent-session-2.jsonl", "data.eval_share=0")
    config = load(EXAMPLES / "lab.yaml", words)
    files: dict[Split, str] = {"train": "agent-session-1.jsonl", "eval": "agent-session-2.jsonl"}
    for split, file in files.items():
        assert {place.rsplit("/", 1)[1].split(":")[0] for place, _ in split_sessions(config, split)} == {file}


def test_a_tool_that_is_added_to_the_catalogue_is_in_the_prompt(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "lab", tmp_path / "lab")
    catalogue = tmp_path / "lab" / "tool_catalogue.json"
    tools = json.loads(catalogue.read_text())
    extra = {"name": "wash_car", "description": "Wash a car.", "parameters": {"type": "object", "properties": {}}}
    catalogue.write_text(json.dumps([*tools, {"type": "function", "function": extra}]))
    config = load(EXAMPLES / "lab.yaml", (f"data.domain={tmp_path / 'lab'}", f"data.tools={catalogue}"))
    system = next(iter(eval_turns(config))).messages[0]["content"]
    assert '"wash_car"' in system
    assert '"search_vehicles"' in system


def test_a_question_may_have_no_context() -> None:
    records = [json.loads(line) for line in (EXAMPLES / "questions.jsonl").open()]
    (bare,) = (record["input"] for record in records if "context" not in record)
    config = load(EXAMPLES / "questions.yaml")
    asked = [session.messages[0].content for split in ("train", "eval") for _, session in split_sessions(config, split)]
    assert f"Question: {bare}" in asked
    assert f"Note: {records[4]['context'][0]}\nQuestion: {records[4]['input']}" in asked


def trained(name: str, folder: Path, *words: str) -> dict[str, Any]:
    """The summary of a training of one step."""
    small = ("train.max_steps=1", "train.per_device_train_batch_size=1", f"train.output_dir={folder}")
    done = run_program("train", "--config", EXAMPLES / name, *small, *words)
    assert done.returncode == 0, done.stderr
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    return {"said": done.stderr, **json.loads(done.stdout.splitlines()[-1])}


def test_agent_sessions_train_with_preamble_and_catalogue_in_the_prompt(tmp_path: Path) -> None:
    assert trained("lab.yaml", tmp_path, "data.eval_share=0.05")["steps"] == 1
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["config"]["prompt"]["preamble"], manifest["config"]["prompt"]["catalog"]) == ("builtin", "text")


def test_chats_train_and_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    assert trained("chats.yaml", tmp_path)["steps"] == 1
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    written = weights.stat().st_mtime_ns
    assert "the run is finished already" in trained("chats.yaml", tmp_path, "--resume")["said"]
    assert weights.stat().st_mtime_ns == written


def test_instructions_train_and_the_output_folder_holds_all_of_the_run(tmp_path: Path) -> None:
    trained("pairs.yaml", tmp_path, "train.save_steps=1")
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert {"manifest.json", "adapter/adapter_model.safetensors", "checkpoints/checkpoint-1"} <= names
    assert {"perplexity", "train_loss"} <= json.loads((tmp_path / "manifest.json").read_text()).keys()


def test_a_prepared_dataset_is_trained_on(tmp_path: Path) -> None:
    config, rows = EXAMPLES / "questions.yaml", tmp_path / "rows"
    made = run_program("train", "prepare", "--config", config, "--out", rows)
    assert made.returncode == 0, made.stderr
    trained("questions.yaml", tmp_path / "out", f"data.prepared={rows}")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["data"]["train"]["rows"] == json.loads(made.stdout.splitlines()[-1])["train"]["rows"] == 12


def test_a_saved_dataset_of_texts_is_learned_whole(capsys: pytest.CaptureFixture[str]) -> None:
    result, _ = checked(capsys, "pairs.yaml", "data.train=docs/examples/text_column", "data.text=as_is", "--stats")
    tokens = [side["tokens"] for side in result["splits"].values()]
    assert sum(side["rows"] for side in tokens) == 16
    assert all(side["total"] == side["supervised"] for side in tokens)
