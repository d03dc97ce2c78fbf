"""Turns are what the sessions hold, and wrong gold never reaches a score."""

import json
from pathlib import Path
from typing import Any

import pytest

from callproof.config import load
from callproof.errors import UserError
from callproof.turns import GoldCall, Turn, eval_turns, read_turns

FIND = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
MESSAGES = [
    {"role": "user", "content": "Where?"},
    {"role": "assistant", "content": "Which place?"},
    {"role": "user", "content": "Bern"},
    {"role": "assistant", "tool_calls": [{"name": "find", "arguments": {"place": "Bern"}}]},
    {"role": "tool", "name": "find", "content": "here"},
    {"role": "assistant", "content": "Here."},
]


@pytest.fixture
def config_of(tmp_path: Path):
    """Write a domain and its configuration; returns a function of (sessions, eval section)."""

    def make(sessions: list[dict], turns: str = "decisions"):
        domain = tmp_path / "domain"
        (domain / "sessions").mkdir(parents=True, exist_ok=True)
        (domain / "system_prompt.md").write_text("You help.\n\n## Rules\n- Be short.\n")
        tool = {"type": "function", "function": {"name": "find", "description": "Find", "parameters": FIND}}
        (domain / "tools.json").write_text(json.dumps([tool]))
        lines = "\n".join(json.dumps(session) for session in sessions)
        (domain / "sessions" / "eval.jsonl").write_text(lines)
        path = tmp_path / "run.yaml"
        path.write_text(f"name: demo\ndata:\n  domain: {domain}\neval:\n  turns: {turns}\n")
        return load(path)

    return make


@pytest.mark.parametrize(("turns", "positions"), [("decisions", [1, 3]), ("all", [1, 3, 5])])
def test_decisions_are_replies_to_the_user_and_calls(config_of, turns: str, positions: list[int]) -> None:
    config = config_of([{"session_id": "s", "messages": MESSAGES}], turns)
    made = eval_turns(config)
    assert [turn.position for turn in made] == positions
    assert [len(turn.gold) for turn in made][:2] == [0, 1]


def test_a_turn_holds_the_conversation_up_to_its_answer_and_not_further(config_of) -> None:
    config = config_of([{"session_id": "s", "messages": MESSAGES}])
    _, second = eval_turns(config)
    assert [message["role"] for message in second.messages] == ["system", "user", "assistant", "user"]
    assert "Bern" not in json.dumps([message for message in second.messages if message["role"] == "assistant"])


def test_turns_survive_a_file(config_of, tmp_path: Path) -> None:
    config = config_of([{"session_id": "s", "messages": MESSAGES}])
    turns = eval_turns(config)
    path = tmp_path / "turns.jsonl"
    path.write_text("".join(turn.model_dump_json() + "\n" for turn in turns))
    assert list(read_turns(path)) == turns


def test_a_turn_expects_calls_or_any_call_or_none() -> None:
    def turn(**more: Any) -> Turn:
        message = {"role": "user", "content": "?"}
        return Turn(turn_id="t", session_id="s", position=1, messages=(message,), tools=None, **more)

    assert turn(gold=(GoldCall(name="find"),)).expects_call
    assert turn(gold=(), any_call=True).expects_call
    assert not turn(gold=()).expects_call
    with pytest.raises(ValueError, match="any_call: expected no gold calls"):
        turn(gold=(GoldCall(name="find"),), any_call=True)


def test_turns_written_before_there_were_optional_arguments_are_read(tmp_path: Path) -> None:
    gold = {"name": "find", "arguments": {"place": "Bern"}, "any_of": {}, "ignore": []}
    old = {"turn_id": "t", "session_id": "s", "position": 1, "messages": [], "tools": None, "gold": [gold]}
    (tmp_path / "turns.jsonl").write_text(json.dumps(old) + "\n")
    (turn,) = read_turns(tmp_path / "turns.jsonl")
    assert (turn.any_call, turn.gold[0].optional, turn.source_names) == (False, (), {})


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ({"name": "find", "arguments": {}}, "'place' is a required property"),
        ({"name": "find", "arguments": {"place": 3}}, "place: 3 is not of type 'string'"),
        ({"name": "fnd", "arguments": {}}, "unknown tool 'fnd'"),
    ],
)
def test_gold_that_its_catalog_rejects_is_an_error_with_its_line(config_of, call: dict, problem: str) -> None:
    wrong = [*MESSAGES[:3], {"role": "assistant", "tool_calls": [call]}]
    sessions = [{"session_id": "a", "messages": MESSAGES}, {"session_id": "b", "messages": wrong}]
    config = config_of(sessions)
    with pytest.raises(UserError) as caught:
        eval_turns(config)
    assert "eval.jsonl:2: message 3" in str(caught.value)
    assert problem in str(caught.value)


def test_a_malformed_turn_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    path.write_text('{"turn_id": 1}\n')
    with pytest.raises(UserError, match=r"turns.jsonl:1: "):
        list(read_turns(path))


def test_an_empty_eval_file_is_refused(config_of) -> None:
    with pytest.raises(UserError, match="is empty, holds no sessions"):
        eval_turns(config_of([]))


def test_eval_sessions_without_an_answer_are_refused(config_of) -> None:
    with pytest.raises(UserError, match="holds no tool-eval turns"):
        eval_turns(config_of([{"session_id": "s", "messages": MESSAGES[:1]}]))
