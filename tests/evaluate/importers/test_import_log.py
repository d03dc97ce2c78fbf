"""Logged chat completions as turns: every common shape says the same, and what cannot be gold is left out, counted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callproof.catalog import Catalog
from callproof.errors import UserError
from callproof.sessions import read_sessions
from callproof.turns import Turn, read_turns
from evaluate.cli import main
from evaluate.importers.openai_log import read_log
from evaluate.importers.turns_file import Import, write_imported

SYSTEM, USER = {"role": "system", "content": "Be short."}, {"role": "user", "content": "Weather in Bern?"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "parameters": SCHEMA}
TOOLS = [{"type": "function", "function": FUNCTION}]
CALL = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Bern"}'}}
ANSWER = {"role": "assistant", "content": None, "tool_calls": [CALL]}
REQUEST = {"model": "gpt", "messages": [SYSTEM, USER], "tools": TOOLS}
RESPONSE = {"id": "c1", "choices": [{"index": 0, "message": ANSWER, "finish_reason": "tool_calls"}]}


def of(message: dict[str, Any], finish_reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": finish_reason}]}


def text(content: str) -> dict[str, Any]:
    return of({"role": "assistant", "content": content})


def chunks() -> list[dict[str, Any]]:
    name, rest = {"name": "get_weather", "arguments": '{"ci'}, {"arguments": 'ty": "Bern"}'}
    deltas = [{"role": "assistant", "tool_calls": [{"index": 0, "id": "1", "function": name}]}]
    deltas += [{"tool_calls": [{"index": 0, "function": rest}]}]
    found: list[dict[str, Any]] = [{"choices": [{"delta": delta}]} for delta in deltas]
    return [*found, {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}]


LEGACY = {"role": "assistant", "content": None, "function_call": CALL["function"]}
EVENTS = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks()) + "data: [DONE]\n\n"
CUT = of({"role": "assistant", "content": "It is"}, "length")
SHAPES: dict[str, dict[str, Any]] = {
    "bodies": {"request": REQUEST, "response": RESPONSE},
    "bodies as text": {"request": json.dumps(REQUEST), "response": json.dumps(RESPONSE)},
    "bodies inside": {"request": {"url": "/v1", "body": REQUEST}, "response": {"status_code": 200, "body": RESPONSE}},
    "bodies inside as text": {"request": {"body": json.dumps(REQUEST)}, "response": {"body": json.dumps(RESPONSE)}},
    "body fields": {"request_body": REQUEST, "response_body": RESPONSE},
    "short names": {"req": REQUEST, "res": RESPONSE},
    "input and output": {"input": {"messages": [SYSTEM, USER], "tools": TOOLS}, "output": ANSWER},
    "input as a list": {"input": [SYSTEM, USER], "output": [ANSWER], "metadata": {"tools": TOOLS}},
    "flat": {**REQUEST, "response": RESPONSE},
    "tools among parameters": {"messages": [SYSTEM, USER], "model_parameters": {"tools": TOOLS}, "response": RESPONSE},
    "choices beside messages": {**REQUEST, "choices": RESPONSE["choices"]},
    "conversation with its answer": {"messages": [SYSTEM, USER, ANSWER], "tools": TOOLS},
    "answer beside messages": {"messages": [SYSTEM, USER], "tools": TOOLS, "completion": ANSWER},
    "answer as a chat completion in text": {"messages": [SYSTEM, USER], "tools": TOOLS, "output": json.dumps(RESPONSE)},
    "answer without a role": {"messages": [SYSTEM, USER], "tools": TOOLS, "response": {"tool_calls": [CALL]}},
    "messages as text": {"messages": json.dumps([SYSTEM, USER, ANSWER]), "tools": json.dumps(TOOLS)},
    "flat tools": {"messages": [SYSTEM, USER], "tools": [FUNCTION], "response": RESPONSE},
    "tools as text": {"messages": [SYSTEM, USER], "tools": json.dumps(TOOLS), "response": RESPONSE},
    "prompt and completion": {"prompt": [SYSTEM, USER], "completion": [ANSWER], "tools": TOOLS},
    "Anthropic's parts": {
        "messages": [
            SYSTEM,
            USER,
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "1", "name": "get_weather", "input": {"city": "Bern"}}],
            },
        ],
        "tools": [{"name": "get_weather", "input_schema": SCHEMA}],
    },
    "functions": {
        "request": {"messages": [SYSTEM, USER], "functions": [FUNCTION]},
        "response": of(LEGACY, "function_call"),
    },
    "chunks": {"request": REQUEST, "response": chunks()},
    "server-sent events": {"request": REQUEST, "response": EVENTS},
    "call left in the text": {
        "request": REQUEST,
        "response": text('<tool_call>{"name": "get_weather", "arguments": {"city": "Bern"}}</tool_call>'),
    },
}


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., tuple[list[Turn], Import]]:
    def run(*rows: dict[str, Any]) -> tuple[list[Turn], Import]:
        path, out = tmp_path / "log.jsonl", tmp_path / "turns.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        found = write_imported(read_log(path), out)
        return list(read_turns(out)), found

    return run


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_says_the_same(imported, shape: str) -> None:
    (turn,), found = imported(SHAPES[shape])
    assert (found.skipped, found.bad_gold) == ([], [])
    assert turn.messages == (SYSTEM, USER)
    assert turn.tools is not None
    assert Catalog.from_wire(turn.tools) == Catalog.from_wire(TOOLS)
    assert [(call.name, call.arguments) for call in turn.gold] == [("get_weather", {"city": "Bern"})]
    assert (turn.turn_id, turn.position) == ("1", 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_training_reads_of_every_shape_what_evaluation_reads(shape: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps(SHAPES[shape]) + "\n")
    ((_, session),) = read_sessions(tmp_path / "log.jsonl")
    *before, answer = session.messages
    said = [(message.role, message.content) for message in before]
    assert (session.system, said) == ("Be short.", [("user", "Weather in Bern?")])
    assert [(call.name, call.arguments) for call in answer.tool_calls] == [("get_weather", {"city": "Bern"})]
    assert session.tools == Catalog.from_wire(TOOLS)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"messages": [USER]}, "there is no answer"),
        ({"messages": [USER], "completion": CUT}, "the answer was cut off"),
        ({"messages": [USER], "answer": json.dumps(CUT)}, "the answer was cut off"),
        ({"messages": [USER, {**ANSWER, "weight": 0}], "tools": TOOLS}, "context only"),
        ({"messages": [USER, {"role": "assistant", "content": "<tool_call>{"}]}, "tool_call"),
    ],
)
def test_bare_messages_without_gold_are_skipped(imported, answer: dict[str, Any], reason: str) -> None:
    _, found = imported(answer, SHAPES["bodies"])
    assert len(found.skipped) == 1
    assert reason in found.skipped[0]


def test_an_answer_without_a_call_wants_none(imported) -> None:
    rows = [{"request": REQUEST, "response": text("Where?")}, {"input": [USER], "output": "It is sunny."}]
    turns, _ = imported(*rows)
    assert [turn.expects_call for turn in turns] == [False, False]
    assert turns[1].tools is None


MALFORMED = of({**ANSWER, "tool_calls": [{"function": {"name": "get_weather", "arguments": "{"}}]})
SKIPPED: dict[str, tuple[dict[str, Any], str]] = {
    "embedding": ({"request": {"input": "x"}, "response": {"data": []}}, "the request has no messages"),
    "status": ({"request": REQUEST, "response": {"status_code": 500, "body": "oops"}}, "failed with status 500"),
    "error": ({"request": REQUEST, "response": {"error": {"message": "quota"}}}, "the request failed"),
    "error beside": ({"request": REQUEST, "response": None, "error": "timeout"}, 'the request failed: "timeout"'),
    "no response": ({"request": REQUEST}, "there is no answer"),
    "no choices": ({"request": REQUEST, "response": {"choices": []}}, "the answer has no choices"),
    "cut off": ({"request": REQUEST, "response": CUT}, "the answer was cut off"),
    "broken stream": ({"request": REQUEST, "response": chunks()[:1]}, "the stream broke off"),
    "malformed call": ({"request": REQUEST, "response": MALFORMED}, "malformed call (bad_arguments)"),
    "malformed block": ({"request": REQUEST, "response": text("<tool_call>{")}, "malformed call (invalid_json)"),
    "empty": ({"request": REQUEST, "response": text(" ")}, "the answer is empty"),
    "parts": ({"request": REQUEST, "response": of({"role": "assistant", "content": [5]})}, "a part of type 'int'"),
    "other tools": ({"request": {**REQUEST, "tools": [{"type": "web"}]}, "response": RESPONSE}, "no `function`"),
    "malformed body": ({"request": "{", "response": RESPONSE}, "malformed JSON"),
    "list of something": ({"request": REQUEST, "response": [1]}, "not of the chunks of a stream"),
    "number": ({"request": REQUEST, "response": 5}, "the answer is int"),
    "calls forbidden": ({"request": {**REQUEST, "tool_choice": "none"}, "response": text("No.")}, "tool_choice: none"),
    "filtered": (
        {"request": REQUEST, "response": of({**ANSWER, "tool_calls": None, "content": "I"}, "content_filter")},
        "the answer was filtered",
    ),
    "foreign call": (
        {"request": REQUEST, "response": text('[TOOL_CALLS] [{"name": "get_weather", "arguments": {}}]')},
        "malformed call (foreign_format)",
    ),
    "bare JSON": (
        {"request": REQUEST, "response": text('{"name": "get_weather", "arguments": {"city": "Chur"}}')},
        "malformed call (foreign_format)",
    ),
}


@pytest.mark.parametrize("case", SKIPPED)
def test_what_cannot_be_gold_is_skipped_with_its_line_and_reason(imported, tmp_path: Path, case: str) -> None:
    row, reason = SKIPPED[case]
    turns, found = imported(row, SHAPES["bodies"])
    assert [turn.turn_id for turn in turns] == ["2"]
    (line,) = found.skipped
    assert line.startswith(f"{tmp_path}/log.jsonl:1: ")
    assert reason in line


def test_ids_are_kept_and_tries_of_one_request_told_apart(imported) -> None:
    row = SHAPES["bodies"]
    turns, _ = imported({**row, "id": "a"}, {**row, "id": "a"}, {**row, "custom_id": "b"}, row)
    assert [turn.turn_id for turn in turns] == ["a", "a#2", "b", "4"]


def test_turns_of_one_conversation_are_one_session(imported) -> None:
    later = [SYSTEM, USER, ANSWER, {"role": "tool", "tool_call_id": "1", "content": "{}"}]
    other = [SYSTEM, {"role": "user", "content": "Hello"}]
    rows = [{"request": {**REQUEST, "messages": messages}, "response": RESPONSE} for messages in (later, other)]
    turns, _ = imported(SHAPES["bodies"], *rows, {**SHAPES["bodies"], "metadata": {"session_id": 7}})
    first, second, third, fourth = (turn.session_id for turn in turns)
    assert first == second != third
    assert fourth == "7"
    assert [turn.position for turn in turns] == [1, 3, 1, 1]


def grown(clock: str, *messages: dict[str, Any]) -> dict[str, Any]:
    """A request whose system prompt holds a clock, answered with text."""
    system = {"role": "system", "content": f"It is {clock}."}
    return {"request": {"messages": [system, *messages], "tools": TOOLS}, "response": text("Which day?")}


def test_growing_histories_are_one_session_whatever_the_clock_and_the_order_of_lines(imported) -> None:
    bern, basel = USER, {"role": "user", "content": "Weather in Basel?"}
    said, today = {"role": "assistant", "content": "Which day?"}, {"role": "user", "content": "Today"}
    rows = [
        grown("10:02", bern, said, today),
        grown("10:00", bern),
        grown("10:00", basel),
        grown("10:09", basel, said, today),
    ]
    turns, found = imported(*rows)
    first, second, third, fourth = (turn.session_id for turn in turns)
    assert first == second != third == fourth
    assert len(found.sessions) == 2


def test_a_trace_that_is_new_for_each_request_does_not_tear_a_conversation_apart(imported) -> None:
    said, today = {"role": "assistant", "content": "Which day?"}, {"role": "user", "content": "Today"}
    rows = [{**grown("10:00", USER), "trace_id": "a"}, {**grown("10:01", USER, said, today), "trace_id": "b"}]
    turns, _ = imported(*rows)
    assert [turn.session_id for turn in turns] == ["a", "a"]


SAID = {"role": "assistant", "content": "Dry."}
RESULT = {"role": "function", "name": "get_weather", "content": "{}"}


@pytest.mark.parametrize(
    ("answer", "history"),
    [
        (of(LEGACY, "function_call"), [LEGACY, RESULT]),
        (RESPONSE, [LEGACY, RESULT]),
        (text("<think>Rain?</think>Dry."), [SAID, USER]),
        (text("Dry."), [{**SAID, "content": "<think>Rain?</think>\n\nDry."}, USER]),
    ],
)
def test_a_history_may_hold_the_older_form_of_a_call_and_leave_thinking_out(imported, answer, history) -> None:
    first, second = grown("10:00", USER), grown("10:01", USER, *history)
    turns, _ = imported({**first, "response": answer}, second)
    assert turns[0].session_id == turns[1].session_id


def test_the_system_text_of_a_request_comes_first(imported) -> None:
    turns, _ = imported({"request": {"system": "Be short.", "messages": [USER], "tools": TOOLS}, "response": ANSWER})
    assert [message["role"] for message in turns[0].messages] == ["system", "user"]


def test_gold_that_its_schema_refuses_is_listed_and_kept(imported, tmp_path: Path) -> None:
    bad = {"function": {"name": "get_weather", "arguments": '{"town": "Bern"}'}}
    turns, found = imported({"request": REQUEST, "response": of({**ANSWER, "tool_calls": [bad]})})
    assert len(turns) == 1
    assert found.bad_gold == [f"{tmp_path}/log.jsonl:1: 1: get_weather: arguments: 'city' is a required property"]


def test_lone_surrogates_are_replaced_and_depth_without_end_is_refused(imported) -> None:
    turns, _ = imported({"request": {**REQUEST, "messages": [{"role": "user", "content": "\ud800"}]}, "output": "Hm."})
    assert turns[0].messages[0]["content"] == "\ufffd"
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(UserError, match=r"log.jsonl:1: cannot be imported \(nested deeper than 64\)"):
        imported({"request": REQUEST, "response": RESPONSE, "trace": deep})


def test_a_log_without_any_turn_is_an_error_with_the_first_reason(imported) -> None:
    with pytest.raises(UserError, match=r"no turns are left; the first skipped line is .*log.jsonl:1: there is no ans"):
        imported({"request": REQUEST})


def test_the_command_imports_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "log.jsonl", tmp_path / "turns.jsonl"
    rows = [SHAPES["bodies"], SKIPPED["status"][0]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["import", "openai-log", str(path), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    counts = {"turns": 1, "sessions": 1, "without_tools": 0, "skipped": 1, "bad_gold": 0}
    assert json.loads(captured.out) == {**counts, "out": str(out)}
    assert f"{path}:2: the request failed with status 500" in captured.err
