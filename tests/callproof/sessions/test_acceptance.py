"""What else is right than the recorded calls: read as it is written, refused where it is not meant, never trained."""

import json
from pathlib import Path
from typing import Any

import pytest

from callproof.catalog import Catalog
from callproof.config import PromptConfig
from callproof.errors import UserError
from callproof.sessions import Acceptance, GoldCall, Session, read_sessions, to_session
from callproof.turns import conversation

USER = {"role": "user", "content": "A table on Monday?"}
RECORDED = {"date": "2026-05-04", "note": "by the window", "zone": "CET"}
ACCEPT = {"date": {"any_of": ["2026-5-4", "Monday"]}, "note": {"ignore": True}, "zone": {"optional": True}}
ANSWER: dict[str, Any] = {
    "role": "assistant",
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "book", "arguments": RECORDED}, "accept": ACCEPT},
        {"id": "b", "function": {"name": "log", "arguments": "{}"}, "optional": True},
    ],
    "alternatives": [[{"name": "ask", "arguments": {"what": "day"}, "accept": {"what": {"ignore": True}}}], []],
}


def read(answer: Any, **more: Any) -> Session:
    return to_session({"messages": [USER, answer], **more}, "f.jsonl:3", "f")


def test_accepted_values_optional_calls_and_alternatives_are_gold_beside_the_recorded_calls() -> None:
    message = read(ANSWER).messages[1]
    assert [call.model_dump() for call in message.tool_calls] == [
        {"name": "book", "arguments": RECORDED},
        {"name": "log", "arguments": {}},
    ]
    assert message.gold == (
        GoldCall(
            name="book",
            arguments=RECORDED,
            any_of={"date": ("2026-5-4", "Monday")},
            optional=("zone",),
            ignore=("note",),
        ),
        GoldCall(name="log", optional_call=True),
    )
    assert message.alternatives == ((GoldCall(name="ask", arguments={"what": "day"}, ignore=("what",)),), ())


def test_a_response_and_calls_without_function_around_them_carry_it_too() -> None:
    flat = {"name": "book", "arguments": RECORDED, "accept": ACCEPT, "optional": False}
    record = {"request": {"messages": [USER]}, "response": {"tool_calls": [flat], "alternatives": [[]]}}
    message = to_session(record, "f.jsonl:3", "f").messages[1]
    assert message.gold[0].any_of == {"date": ("2026-5-4", "Monday")}
    assert (message.gold[0].optional_call, message.alternatives) == (False, ((),))


def test_null_and_empty_say_nothing() -> None:
    call = {"name": "log", "arguments": {}, "accept": None, "optional": None}
    message = read({"role": "assistant", "tool_calls": [call], "alternatives": []}).messages[1]
    assert (message.acceptances, message.alternatives) == ((), ())
    assert read({"role": "assistant", "content": "Hm.", "alternatives": None}).messages[1].alternatives == ()


def test_a_session_is_written_as_it_is_read(tmp_path: Path) -> None:
    session = read(ANSWER)
    path = tmp_path / "sessions.jsonl"
    path.write_text(json.dumps(session.record()))
    assert [again for _, again in read_sessions(path)] == [session]
    assert "accept" in path.read_text()


def test_what_is_trained_and_what_a_server_is_asked_hold_none_of_it() -> None:
    bare = {**ANSWER, "tool_calls": [{"function": call["function"]} for call in ANSWER["tool_calls"]]}
    del bare["alternatives"]
    session, recorded = read(ANSWER), read(bare)
    assert session != recorded
    assert session.trained == recorded
    assert session.trained.record() == recorded.record()
    for catalog in ("tools", "text"):
        config = PromptConfig(catalog=catalog)
        asked = [conversation(one, "You book.", Catalog(tools=()), config) for one in (session, recorded)]
        assert asked[0] == asked[1]
        assert not {"accept", "alternatives", "optional", "acceptances"} & set(str(asked[0].model_dump()).split("'"))


def called(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{"function": {"name": "book", "arguments": RECORDED}, **more}]}


def dated(rule: Any) -> dict[str, Any]:
    return called(accept={"date": rule})


FUNCTION = {"name": "book", "arguments": RECORDED}
MISPLACED: dict[str, tuple[Any, str]] = {
    "accept of a message": ({**called(), "accept": {}}, "messages.1.accept: unknown key; keys of role"),
    "alternatives of a call": (
        called(alternatives=[[]]),
        "messages.1.tool_calls.0.alternatives: unknown key; keys of a",
    ),
    "accept inside function": (
        {"role": "assistant", "tool_calls": [{"function": {**FUNCTION, "accept": ACCEPT}}]},
        "messages.1.tool_calls.0.function.accept: is misplaced; write accept beside function",
    ),
    "optional inside function": (
        {"role": "assistant", "tool_calls": [{"function": {**FUNCTION, "optional": True}}]},
        "function.optional: is misplaced; write optional beside function",
    ),
    "any_of of a call": (called(any_of={}), "messages.1.tool_calls.0.any_of: unknown key; keys of a call"),
    "a list": (called(accept=["date"]), "tool_calls.0.accept: expected an object of arguments, got list"),
    "a value in place of a rule": (
        called(accept={"date": "Monday"}),
        "accept.date: expected an object, got str; write",
    ),
    "a misspelt rule": (
        dated({"anyof": []}),
        "accept.date.anyof: unknown key; keys of an accepted argument: any_of, optional, ignore",
    ),
    "any_of without a list": (dated({"any_of": "x"}), "date.any_of: expected a list of values, got str"),
    "an empty rule": (dated({}), "accept.date: accepts nothing, got {}"),
    "no values": (dated({"any_of": []}), "accept.date: accepts nothing"),
    "false alone": (dated({"ignore": False}), "accept.date: accepts nothing"),
    "ignore of a number": (dated({"ignore": 1}), "date.ignore: expected true or false, got 1"),
    "optional of a text": (dated({"optional": "no"}), "date.optional: expected true or false"),
    "ignored and listed": (dated({"ignore": True, "any_of": [1]}), "accept.date: ignore takes any value"),
    "optional, but not given": (
        called(accept={"zoen": {"optional": True}}),
        "accept.zoen: optional, but the call does not give this argument",
    ),
    "optional call of a text": (called(optional="yes"), "tool_calls.0.optional: expected true or false, got 'yes'"),
    "alternatives of the user": (
        {"role": "user", "content": "a", "alternatives": [[]]},
        "alternatives: unknown key; keys of",
    ),
    "alternatives no list": ({**called(), "alternatives": {}}, "messages.1.alternatives: expected a list of answers"),
    "one answer in place of a list": (
        {**called(), "alternatives": [FUNCTION]},
        "messages.1.alternatives.0: expected a list of calls, got dict",
    ),
    "a text in an alternative": (
        {**called(), "alternatives": [["f"]]},
        "alternatives.0.0: expected a call object, got str",
    ),
    "a misspelt key in an alternative": (
        {**called(), "alternatives": [[{**FUNCTION, "accepts": {}}]]},
        "messages.1.alternatives.0.0.accepts: unknown key; keys of a call: ",
    ),
    "a call without a name in an alternative": (
        {**called(), "alternatives": [[{"arguments": {}}]]},
        "alternatives.0.0: name",
    ),
}


@pytest.mark.parametrize(("answer", "message"), MISPLACED.values(), ids=list(MISPLACED))
def test_what_is_misspelt_or_misplaced_is_refused_with_its_place_and_what_is_valid(answer: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        read(answer)
    assert str(error.value).startswith("f.jsonl:3: ")
    assert message in str(error.value)


def test_acceptances_belong_to_calls_and_alternatives_to_the_assistant() -> None:
    session = read(called())
    messages = session.model_dump()["messages"]
    messages[1]["acceptances"] = [Acceptance(), Acceptance()]
    with pytest.raises(ValueError, match=r"messages\.1: expected an acceptance for each of its calls"):
        Session(session_id="s", messages=messages)
    messages[1]["acceptances"] = []
    messages[0]["alternatives"] = [[]]
    with pytest.raises(ValueError, match=r"messages\.0: only the assistant has alternatives"):
        Session(session_id="s", messages=messages)
