"""Sessions are read as they are, and a wrong line is named."""

import json
from pathlib import Path

import pytest

from callproof.errors import UserError
from callproof.sessions import read_sessions

USER = {"role": "user", "content": "hi"}
CALL = {"role": "assistant", "tool_calls": [{"name": "find", "arguments": {"x": None}}]}
RESULT = {"role": "tool", "name": "find", "content": "{}"}


def write(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "sessions.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def session(*messages: dict, session_id: str = "s1") -> dict:
    return {"session_id": session_id, "messages": list(messages)}


@pytest.mark.parametrize(
    "call",
    [
        {"name": "find", "arguments": {"x": None}},
        {"id": "1", "type": "function", "function": {"name": "find", "arguments": {"x": None}}},
        {"id": "1", "type": "function", "function": {"name": "find", "arguments": '{"x": null}'}},
    ],
)
def test_every_form_of_a_call_reads_the_same_and_null_is_kept(tmp_path: Path, call: dict) -> None:
    path = write(tmp_path, session(USER, {"role": "assistant", "tool_calls": [call]}))
    ((_, read),) = read_sessions(path)
    assert read.messages[1].tool_calls[0].model_dump() == {"name": "find", "arguments": {"x": None}}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{nonsense", "malformed JSON"),
        ('{"session_id": "a", "messages": [{"role": "user", "content": "\\ud83d"}]}', "messages.0.content: holds half"),
        ("[1]", "expected a JSON object, got list"),
        (session(), "messages"),
        (session({"role": "robot", "content": "x"}), "messages.0.role"),
        (session({"role": "assistant", "content": "x"}), "expected a message of the user"),
        (session(USER, RESULT), "a tool result without a call"),
        (session(USER, CALL, RESULT, RESULT), "messages.3: a tool result without a call"),
        (session({**USER, "tool_calls": CALL["tool_calls"]}), "only the assistant calls tools"),
        (session(USER, {"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{"}]}), "no JSON object"),
        (session({**USER, "extra": 1}), "messages.0.extra"),
        ({"session_id": "", "messages": [USER]}, "session_id: expected an id"),
        ({"session_id": "a"}, "a record of no known form, its keys are 'session_id'"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(tmp_path: Path, line: object, problem: str) -> None:
    path = write(tmp_path, session(USER, session_id="fine"), "", line)
    with pytest.raises(UserError) as caught:
        list(read_sessions(path))
    assert f"{path}:3: " in str(caught.value)
    assert problem in str(caught.value)


def test_a_repeated_session_id_is_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r":2: session_id 's1' is already at .*:1; rename it"):
        list(read_sessions(write(tmp_path, session(USER), session(USER))))


def test_a_file_that_is_not_utf8_is_refused_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes(json.dumps(session(USER)).encode() + b"\n" + '{"session_id": "Zürich"}'.encode("latin-1"))
    with pytest.raises(UserError, match=r"latin.jsonl:2: is not UTF-8"):
        list(read_sessions(path))
