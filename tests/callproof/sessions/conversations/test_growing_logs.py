"""Lines of one conversation are one session: each answer is learnt once, from the line that knows it best."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared_data import SHARED

from callproof.errors import UserError
from callproof.sessions import Session, read_sessions

TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
OTHER = {"type": "function", "function": {"name": "book", "parameters": {"type": "object"}}}
Read = Callable[..., list[Session]]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def line(*messages: dict[str, Any], clock: str = "10:00", tools: Any = (TOOL,), **more: Any) -> dict[str, Any]:
    """A request with all but the last message, which is the response."""
    request = {"system": f"It is {clock}.", "messages": list(messages[:-1]), "tools": list(tools), **more}
    return {"request": request, "response": messages[-1]}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def sessions(*rows: dict[str, Any], session_key: str | None = None) -> list[Session]:
        path = tmp_path / "log.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return [session for _, session in read_sessions(path, session_key=session_key)]

    return sessions


def learnt(session: Session) -> list[str]:
    return [message.content for message in session.messages if message.role == "assistant" and message.train]


A, B, C = [user("a"), said("A")], [user("b"), said("B")], [user("c"), said("C")]


def test_a_history_that_grew_is_its_last_line_whatever_the_clock_and_the_order(read, capsys) -> None:
    rows = [line(*A, *B, clock="10:01"), line(*A), line(*C), line(*A, *B, *C, clock="10:02")]
    lone, whole = read(*rows)
    assert (learnt(lone), learnt(whole)) == (["C"], ["A", "B", "C"])
    assert (
        "2 sessions of 2 conversations made of 4 lines: 2 are in others, each learnt whole" in capsys.readouterr().err
    )


def test_a_branch_is_a_session_of_the_same_conversation_that_learns_its_own_answers_alone(read) -> None:
    branch, whole = read(line(*A), line(*A, *C), line(*A, *B, *C))
    assert (learnt(branch), learnt(whole)) == (["C"], ["A", "B", "C"])
    assert branch.group == whole.group
    assert branch.session_id != whole.session_id


def test_a_conversation_keeps_its_name_as_it_goes_on(read) -> None:
    (before,), (after,) = read(line(*A)), read(line(*A), line(*A, *B))
    assert before.group == after.group


def test_thinking_that_a_history_has_lost_is_learnt_from_the_line_that_has_it(read) -> None:
    first, whole = read(line(user("a"), said("A", reasoning_content="Hm.")), line(*A, *B))
    assert (learnt(first), learnt(whole)) == (["A"], ["B"])
    assert first.messages[1].thinking == "Hm."


def test_an_answer_is_learnt_with_the_tools_that_it_was_given_with(read) -> None:
    first, whole = read(line(*A), line(*A, *B, tools=[TOOL, OTHER]))
    assert (learnt(first), learnt(whole)) == (["A"], ["B"])


def test_an_answer_that_is_no_gold_is_learnt_from_no_later_line_either(read) -> None:
    (whole,) = read(line(*A, tool_choice="none"), line(*A, *B))
    assert learnt(whole) == ["B"]


def test_names_decide_where_lines_have_them(read) -> None:
    named = [{**line(*A), "session_id": "x"}, {**line(*A, *B), "session_id": "y"}, {**line(*C), "session_id": "x"}]
    sessions = read(*named)
    assert [(session.session_id, session.group) for session in sessions] == [("x", "x"), ("y", "y"), ("x#3", "x")]


def test_a_key_names_the_conversation_of_records_of_any_form(read) -> None:
    rows = [{"messages": talk, "metadata": {"trace_id": name}} for talk, name in ((A, "1"), (C, "1"), ([*A, *B], "2"))]
    sessions = read(*rows, session_key="metadata.trace_id")
    assert [(session.group, learnt(session)) for session in sessions] == [("1", ["A"]), ("1", ["C"]), ("2", ["A", "B"])]
    with pytest.raises(UserError, match=r"log.jsonl:1: metadata.other: expected the name of its conversation .*None"):
        read(*rows, session_key="metadata.other")


def test_whole_conversations_are_merged_where_one_goes_on_and_kept_where_they_are_equal(read) -> None:
    assert [learnt(session) for session in read({"messages": A}, {"messages": [*A, *B]})] == [["A", "B"]]
    assert [learnt(session) for session in read({"messages": A}, {"messages": A})] == [["A"], ["A"]]
    named = [{"session_id": "1", "messages": A}, {"session_id": "2", "messages": [*A, *B]}]
    assert [learnt(session) for session in read(*named)] == [["A"], ["A", "B"]]


def test_a_session_that_is_learnt_in_part_is_written_and_read_back(read) -> None:
    branch = read(line(*A), line(*A, *C), line(*A, *B, *C))[0]
    assert read(branch.record()) == [branch]


@pytest.mark.skipif(not (SHARED / "cases").exists(), reason="needs the shared cases")
def test_fifteen_lines_of_a_shared_log_are_three_sessions_of_five_answers() -> None:
    sessions = [session for _, session in read_sessions(SHARED / "cases" / "growing_log.jsonl")]
    assert [len(learnt(session)) for session in sessions] == [5, 5, 5]


@pytest.mark.skipif(not (SHARED / "cases").exists(), reason="needs the shared cases")
def test_lines_of_a_shared_log_that_hold_no_gold_are_left_out_and_counted(capsys) -> None:
    path = SHARED / "cases" / "log_tool_choice_none.jsonl"
    assert [session.session_id for _, session in read_sessions(path)] == ["forced", "no_tools", "wrapped_think"]
    said_of = capsys.readouterr().err
    for reason in ("tool_choice: none", "the answer was filtered", "malformed call (foreign_format)"):
        assert reason in said_of


def test_a_logged_turn_in_several_messages_is_one_answer_of_its_session(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    talk = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "I look."}, call,
            {"role": "function", "name": "f", "content": "1"}]  # fmt: skip
    first = {"request": {"messages": talk, "tools": tools}, "response": {"role": "assistant", "content": "One."}}
    grown = [*talk, first["response"], {"role": "user", "content": "again"}]
    second = {
        "request": {"messages": grown, "tools": tools},
        "response": {"role": "assistant", "content": "One still."},
    }
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, second)))
    ((_, session),) = read_sessions(path)
    answers = [message for message in session.messages if message.role == "assistant"]
    assert [(message.content, len(message.tool_calls), message.train) for message in answers] == [
        ("I look.", 1, True), ("One.", 0, True), ("One still.", 0, True),
    ]  # fmt: skip
