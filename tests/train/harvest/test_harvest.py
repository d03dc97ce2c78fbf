"""What an adapter answered wrongly comes back as the next training; what evaluation holds out never does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import run_verb
from fake_endpoint import FakeEndpoint

from evaluate.cli import main as evaluate
from train.cli import main as train

pytest_plugins = ["small_run_plugin"]

ANSWERS = {
    "crimson": '<tool_call>\n{"name": "find", "arguments": {"car": "scarlet"}}\n</tool_call>',
    "navy": '<tool_call>\n{"name": "book", "arguments": {"room": "navy"}}\n</tool_call>',
    "olive": "Which car do you mean?",
    "teal": '<tool_call>\n{"name": "find", ',
    "amber": '<tool_call>\n{"name": "find", "arguments": {"car": "amber"}}\n</tool_call>',
}
"""What the model says of each colour: another argument, another tool, no call, half a call, and what is right."""
CALLED_FOR_NOTHING = '<tool_call>\n{"name": "book", "arguments": {"room": "any"}}\n</tool_call>'


def talk(name: str, colour: str, number: int) -> dict[str, Any]:
    """A call and a word of thanks; each session has words of its own."""
    own = " ".join(f"w{number}x{place}" for place in range(12))
    messages = [
        {"role": "user", "content": f"Please find a {colour} car, {own}."},
        {"role": "assistant", "tool_calls": [{"name": "find", "arguments": {"car": colour}}]},
        {"role": "tool", "name": "find", "content": "{}"},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": f"Thanks, {own}."},
        {"role": "assistant", "content": "You are welcome."},
    ]
    return {"session_id": name, "tags": [colour], "messages": messages}


def answer(payload: dict[str, Any]) -> str:
    said = payload["messages"][-1]["content"]
    if said.startswith("Thanks"):
        return CALLED_FOR_NOTHING if "w0x0" in said else "You are welcome."
    return next(text for colour, text in ANSWERS.items() if colour in said)


@pytest.fixture
def config(small_run: Callable[..., Path], tmp_path: Path) -> Path:
    """A configuration with training, development and eval sessions, none like another."""
    path = small_run()
    sessions = tmp_path / "small" / "sessions"
    for first, split, colours in ((0, "dev", ANSWERS), (50, "eval", ("amber", "olive")), (90, "train", ("amber",))):
        lines = [talk(f"{split}-{at}", colour, first + at) for at, colour in enumerate(colours)]
        (sessions / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def run(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Path]:
    """Evaluates a split with the answers above; gives the folder of the run."""

    def evaluated(split: str) -> Path:
        out = tmp_path / "runs"
        with FakeEndpoint(answer, models=["small"]) as fake:
            words = ["--endpoint", fake.url, "--config", str(config), "--model", "small", "--out", str(out)]
            assert evaluate([*words, "--run-id", split, f"data.eval=sessions/{split}.jsonl"]) == 0
        capsys.readouterr()
        return out / split

    return evaluated


def harvest(run: Path, config: Path, out: Path, *words: str) -> list[dict[str, Any]]:
    assert train(["harvest", str(run), "--config", str(config), "--out", str(out), *words]) == 0
    return [json.loads(line) for line in (out / "sessions.jsonl").read_text().splitlines()]


def test_wrong_answers_stand_beside_the_recorded_ones_as_minimal_pairs(run, config, tmp_path, capsys) -> None:
    found = harvest(run("dev"), config, tmp_path / "next", "--as", "dpo")
    rejected = {
        session["tags"][0]: [
            message.get("rejected") for message in session["messages"] if message["role"] == "assistant"
        ]
        for session in found
    }
    assert rejected == {
        "crimson": [
            [{"tool_calls": [{"name": "find", "arguments": {"car": "scarlet"}}]}],
            None,
            [{"tool_calls": [{"name": "book", "arguments": {"room": "any"}}]}],
        ],
        "navy": [[{"tool_calls": [{"name": "book", "arguments": {"room": "navy"}}]}], None, None],
        "olive": [[{"raw": "Which car do you mean?"}], None, None],
        "teal": [[{"raw": '<tool_call>\n{"name": "find", '}], None, None],
    }
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    counts = {key: last[key] for key in ("sessions", "failed_turns", "rejected", "kept_out", "changed_turns")}
    assert counts == {"sessions": 4, "failed_turns": 5, "rejected": 5, "kept_out": 0, "changed_turns": 0}


def test_the_report_names_tools_arguments_and_slices_by_their_mistakes(run, config, tmp_path) -> None:
    harvest(run("dev"), config, tmp_path / "next")
    needs = json.loads((tmp_path / "next" / "needs.json").read_text())
    find, book = needs["tools"]
    assert (find["name"], find["answers"], find["wrong"], find["trained"]) == ("find", 5, 4, 1)
    assert find["kinds"] == {"missing": 3, "wrong arguments": 1}
    assert find["examples"] == ["book called in its place"]
    assert (book["name"], book["wrong"], book["kinds"], book["trained"]) == ("book", 2, {"not asked for": 2}, 0)
    (argument,) = needs["arguments"]
    assert (argument["name"], argument["answers"], argument["wrong"]) == ("find.car", 2, 1)
    assert argument["examples"] == ['car: expected "crimson", got "scarlet"']
    wrong = {need["name"]: (need["answers"], need["wrong"]) for need in needs["slices"]}
    assert wrong["one call"] == (5, 4)
    assert wrong["no call"] == (5, 1)
    assert wrong["tag crimson"] == (2, 2)


def test_for_sft_failed_turns_weigh_more_and_the_training_sessions_are_learned_again(run, config, tmp_path) -> None:
    found = harvest(run("dev"), config, tmp_path / "next", "--as", "sft", "--weight", "4")
    scales = {each["tags"][0]: [message.get("loss_scale") for message in each["messages"]] for each in found}
    assert scales["crimson"] == [None, 4.0, None, None, None, 4.0]
    assert scales["olive"] == [None, 4.0, None, None, None, None]
    following = yaml.safe_load((tmp_path / "next" / "config.yaml").read_text())
    domain = tmp_path / "small"
    assert following["data"]["train"] == [str(tmp_path / "next" / "sessions.jsonl"), f"{domain}/sessions/train.jsonl"]
    assert following["train"]["method"] == "sft"
    assert run_verb("train", "check", "--config", tmp_path / "next" / "config.yaml", "--stats")


def test_the_next_configuration_trains(run, config, tmp_path) -> None:
    harvest(run("dev"), config, tmp_path / "next", "--as", "dpo")
    out = tmp_path / "trained"
    words = ("train.max_steps=2", "train.logging_steps=1", f"train.output_dir={out}", "model.base_model=models/tiny")
    run_verb("train", "--config", tmp_path / "next" / "config.yaml", *words)
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["name"], manifest["method"], manifest["steps"]) == ("small-dpo", "dpo", 2)
    assert manifest["config"]["train"]["learning_rate"] == pytest.approx(5e-4)  # a tenth
    assert manifest["data"]["train"]["rows"] == 10  # five pairs


def test_a_run_on_the_eval_sessions_gives_nothing(run, config, tmp_path, capsys) -> None:
    path = run("eval")
    assert harvested_error(path, config, tmp_path / "next", capsys).startswith(
        f"{config}: all 2 sessions of the runs are held out as its eval sessions, or nearly alike; evaluate on other"
    )
    assert not (tmp_path / "next").exists()


def test_an_eval_session_under_another_name_is_kept_out_by_what_it_says(run, config, tmp_path, capsys) -> None:
    sessions = tmp_path / "small" / "sessions"
    copied = talk("renamed", "olive", 51)
    copied["messages"][5]["content"] += " Bye."
    with (sessions / "dev.jsonl").open("a") as file:
        file.write(json.dumps(copied) + "\n")
    found = harvest(run("dev"), config, tmp_path / "next", "--as", "kto")
    assert "renamed" not in [session["session_id"] for session in found]
    assert len(found) == 4
    assert "1 eval sessions are kept out, such as 'renamed'" in capsys.readouterr().err


def test_sessions_that_have_changed_since_the_run_are_counted_and_left_out(run, config, tmp_path, capsys) -> None:
    path = run("dev")
    file = tmp_path / "small" / "sessions" / "dev.jsonl"
    file.write_text(file.read_text().replace("a navy car", "a wide navy car"))
    found = harvest(path, config, tmp_path / "next", "--as", "dpo")
    assert "navy" not in [session["tags"][0] for session in found]
    assert "2 turns are left out: they ask something else than the run did" in capsys.readouterr().err


def harvested_error(run: Path, config: Path, out: Path, capsys: Any, *words: str) -> str:
    from callproof.errors import UserError

    capsys.readouterr()
    with pytest.raises(UserError) as raised:
        train(["harvest", str(run), "--config", str(config), "--out", str(out), *words])
    return str(raised.value)


@pytest.mark.parametrize(
    ("words", "problem"),
    [(["--model", "other"], "is not in"), (["--as", "dpo", "--out", "."], "exists and is not empty")],
)
def test_what_is_wrong_is_named(run, config, tmp_path, capsys, words, problem) -> None:
    assert problem in harvested_error(run("dev"), config, tmp_path / "next", capsys, *words)
    assert "is no run" in harvested_error(tmp_path / "none", config, tmp_path / "next", capsys)


def test_eval_sessions_that_are_a_share_of_training_are_refused(run, config, tmp_path, capsys) -> None:
    path = run("dev")
    values = yaml.safe_load(config.read_text())
    values["data"]["eval_share"] = 0.2
    config.write_text(yaml.safe_dump(values))
    assert "data.eval_share: takes eval sessions out of" in harvested_error(path, config, tmp_path / "next", capsys)
