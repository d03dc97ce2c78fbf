"""Spoiled input costs one line that names the place and the mend: never a traceback, never lost data."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.sessions import to_session
from callproof.sessions.sources import MAX_RECORD
from callproof.turns import eval_turns

TOOL = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}},
}
USER = {"role": "user", "content": "Where?"}
ANSWER = {"role": "assistant", "content": "Here."}


def said(*messages: Any, **more: Any) -> bytes:
    return json.dumps({"session_id": "bad", "messages": list(messages), **more}).encode()


def called(arguments: Any, name: Any = "find") -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": name, "arguments": arguments}}]}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


GOOD = said(USER, ANSWER, session_id="good")
SPOILED: dict[str, tuple[bytes, str]] = {
    "bad JSON": (b'{"session_id": "bad", "messages": [}', ":2: malformed JSON (Expecting value)"),
    "cut off": (said(USER, ANSWER)[:-20], ":2: malformed JSON"),
    "two objects": (b"{} {nope", ":2: malformed JSON (Expecting property name"),
    "a key twice": (b'{"messages": [], "messages": []}', ":2: malformed JSON (an object has a key twice)"),
    "NaN": (said(USER, called({})).replace(b'{}', b'{"place": NaN}'), ":2: malformed JSON (NaN is no JSON)"),
    "a long number": (b'{"session_id": ' + b"9" * 5000 + b"}", ":2: malformed JSON (a number of 5000 digits)"),
    "a list": (b"[1]", ":2: expected a JSON object, got list"),
    "a text": (b'"hello"', ":2: expected a JSON object, got str"),
    "NUL bytes": (b"\0" * 40, ":2: holds NUL bytes"),
    "Latin-1": ('{"session_id": "Zürich"}'.encode("latin-1"), ":2: is not UTF-8 (byte 17)"),
    "UTF-16": (GOOD.decode().encode("utf-16-le"), ":2: holds NUL bytes"),
    "10 MB line": (said({**USER, "content": "x" * 10_000_000}), ":2: a record of more than 8,388,608 bytes"),
    "duplicate id": (GOOD, ":2: session_id 'good' is already at"),
    "empty id": (said(USER, ANSWER, session_id=""), ":2: session_id: expected an id"),
    "id of a wrong type": (said(USER, ANSWER, session_id=[1]), ":2: session_id: expected an id"),
    "unknown form": (b'{"prompt": "a"}', ":2: a record of no known form, its keys are 'prompt'; known forms"),
    "no keys": (b"{}", ":2: a record of no known form, its keys are none"),
    "unknown key of a message": (said({**USER, "text": "a"}), ":2: messages.0.text: unknown key"),
    "messages no list": (said(USER).replace(b"[", b"{\"a\": ").replace(b"]", b"}"), "messages: expected a list"),
    "no messages": (said(), ":2: messages: expected at least one message"),
    "a message that is text": (said("Where?"), ":2: messages.0: expected a message object, got str"),
    "unknown role": (said({"role": "robot", "content": "x"}), ":2: messages.0.role: expected system, developer"),
    "no role": (said({"content": "x"}), ":2: messages.0.role: expected system"),
    "no content": (said({"role": "user"}), ":2: messages.0.content: expected text, got nothing"),
    "a number as content": (said({"role": "user", "content": 5}), ":2: messages.0.content: expected text, got int"),
    "an image": (
        said({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}),
        ":2: messages.0.content.0: expected a part of type text, got 'image_url'",
    ),
    "half a character": (
        b'{"session_id": "bad", "messages": [{"role": "user", "content": "\\ud83d"}]}',
        ":2: messages.0.content: holds half a surrogate pair",
    ),
    "no user": (said(ANSWER), "messages: expected a message of the user, got none"),
    "calls of the user": (said({**USER, "tool_calls": [1]}), ":2: messages.0: only the assistant calls tools"),
    "calls no list": (said(USER, {"role": "assistant", "tool_calls": "find"}), "messages.1.tool_calls: expected a"),
    "a call without name": (said(USER, called({}, None)), ":2: messages.1.tool_calls.0: name: "),
    "string arguments with bad JSON": (said(USER, called('{"place": ')), "tool_calls.0: Value error, arguments are no"),
    "string arguments that are a list": (said(USER, called("[1]")), ":2: messages.1.tool_calls.0: arguments: "),
    "arguments of a wrong type": (said(USER, called(["x"])), ":2: messages.1.tool_calls.0: arguments: "),
    "arguments too deep": (said(USER, called(nested(80))), "tool_calls.0: Value error, nested deeper than 64"),
    "a record too deep": (said(USER, metadata=nested(200)), ":2: nested deeper than 128"),
    "a line too deep": (b"[" * 100_000, ":2: malformed JSON (nested too deep)"),
    "unknown tool": (said(USER, called({}, "fnid")), ":2: message 1: call of 'fnid' is rejected: unknown tool 'fnid'"),
    "wrong argument type": (said(USER, called({"place": 3})), "call of 'find' is rejected: place: 3 is not of type"),
    "malformed call in the text": (
        said(USER, {"role": "assistant", "content": "<tool_call>{nope}</tool_call>"}),
        ":2: messages.1.content: a malformed <tool_call> (invalid_json): <tool_call>{nope}</tool_call>",
    ),
    "unclosed call in the text": (
        said(USER, {"role": "assistant", "content": '<tool_call>{"name": "find"}'}),
        ":2: messages.1.content: a <think> or <tool_call> that nothing closes",
    ),
    "calls twice": (
        said(USER, {**called({}), "content": '<tool_call>{"name": "find"}</tool_call>'}),
        ":2: messages.1: calls in its text and in tool_calls",
    ),
    "result without call": (said(USER, {"role": "tool", "content": "x"}), ":2: messages.1: a tool result without"),
    "result of another call": (
        said(USER, called({}), {"role": "tool", "tool_call_id": "d", "content": "x"}),
        ":2: messages.2.tool_call_id: expected a call that waits for its result ('c'), got 'd'",
    ),
    "tools no list": (said(USER, ANSWER, tools={"a": 1}), ":2: tools: expected a list of tools, got an object"),
    "tools with bad JSON": (said(USER, ANSWER, tools="[{"), ":2: tools: malformed JSON"),
    "a tool without name": (said(USER, ANSWER, tools=[{"type": "function"}]), ":2: tools: tool 0 has no `function`"),
    "a tool twice": (said(USER, ANSWER, tools=[TOOL, TOOL]), ":2: tools: Value error, 2 tools have the name 'find'"),
    "tags of a wrong type": (said(USER, ANSWER, tags="a"), ":2: tags: "),
    "unknown speaker": (b'{"conversations": [{"from": "me", "value": "x"}]}', ":2: conversations.0.from: expected"),
    "a value that is no text": (b'{"conversations": [{"from": "human", "value": 5}]}', "conversations.0.content: exp"),
    "a catalog in the text cut off": (
        b'{"system": "<tools>[{</tools>", "messages": [{"role": "user", "content": "x"}]}',
        ":2: tools: malformed JSON",
    ),
    "context of a wrong type": (b'{"input": "a", "context": [1], "response": "b"}', ":2: context: expected text or a"),
    "an empty response": (b'{"instruction": "a", "response": " "}', ":2: response: expected text that is not empty"),
    "text that is no ChatML": (b'{"text": "### Human: hi"}', ":2: text: expected a turn in ChatML"),
}  # fmt: skip


@pytest.fixture
def refusal(tmp_path) -> Callable[[bytes], str]:
    """The bytes of a sessions file -> the one line that refuses them."""
    (tmp_path / "system_prompt.md").write_text("You help.\n")
    (tmp_path / "tools.json").write_text(json.dumps([TOOL]))
    config = RunConfig.model_validate({"name": "demo", "data": {"domain": str(tmp_path), "eval": "eval.jsonl"}})

    def refuse(content: bytes) -> str:
        (tmp_path / "eval.jsonl").write_bytes(content)
        with pytest.raises(UserError) as caught:
            eval_turns(config)
        line = str(caught.value)
        assert line.startswith(f"{tmp_path / 'eval.jsonl'}")
        assert "\n" not in line
        assert "; " in line
        assert len(line) < 1500
        return line

    return refuse


@pytest.mark.parametrize("case", SPOILED)
def test_a_spoiled_line_is_one_line_with_place_and_mend(case: str, refusal) -> None:
    content, expected = SPOILED[case]
    assert expected in refusal(GOOD + b"\n" + content + b"\n")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"[]", b" "])
def test_a_file_that_holds_nothing_is_refused(content: bytes, refusal) -> None:
    assert "is empty, holds no sessions" in refusal(content)


def test_a_byte_order_mark_is_no_mistake(refusal) -> None:
    assert ":2: malformed JSON" in refusal(b"\xef\xbb\xbf" + GOOD + b"\n{")


def test_a_line_of_many_bytes_is_not_held_to_be_refused(refusal) -> None:
    assert ":1: a record of more than" in refusal(b'{"a": "' + b"x" * (3 * MAX_RECORD))


def test_an_array_with_a_long_item_is_refused_where_it_begins(refusal) -> None:
    text = json.dumps([json.loads(GOOD), {"text": "x" * (3 * MAX_RECORD)}])
    assert ":1: a record of more than" in refusal(text.encode())


def test_a_tool_with_a_schema_that_is_none_is_named_once_and_stops_nothing(tmp_path, capsys) -> None:
    tools = [TOOL, {"name": "odd", "parameters": {"type": "objekt"}}]
    (tmp_path / "system_prompt.md").write_text("You help.\n")
    (tmp_path / "eval.jsonl").write_bytes(b"\n".join(said(USER, ANSWER, tools=tools, session_id=name) for name in "ab"))
    config = RunConfig.model_validate({"name": "demo", "data": {"domain": str(tmp_path), "eval": "eval.jsonl"}})
    assert len(eval_turns(config)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"{tmp_path / 'eval.jsonl'}:1: tools: the calls of tool 'odd' are not checked: parameters.type"
    )


BEDROCK = {
    "messages": [{"role": "user", "content": [{"text": "Warm?"}]}, {"role": "assistant", "content": [{"text": "Yes."}]}]
}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            json.dumps({"chat_template_kwargs": {"xml_tools": 1.0}, "messages": [USER, ANSWER]}).encode(),
            ":2: chat_template_kwargs.xml_tools: ",
        ),
        (b'{"input": "{\\"\\ud83d\\": 1}", "output": "Yes."}', ":2: input: holds half a surrogate pair"),
        (json.dumps({"prompt": [], "chosen": ["{}", ANSWER], "rejected": [ANSWER]}).encode(), ":2: "),
    ],
)
def test_odd_values_in_known_places_are_one_line_too(content: bytes, expected: str, refusal) -> None:
    assert expected in refusal(GOOD + b"\n" + content + b"\n")


@pytest.mark.parametrize("schema", ["", None, {"json": None}])
def test_a_tool_of_bedrock_without_a_schema_is_no_traceback(schema: Any) -> None:
    tools = {"tools": [{"toolSpec": {"name": "find", "inputSchema": schema}}]}
    record = {**BEDROCK, "toolConfig": tools}
    if schema == "":
        with pytest.raises(UserError, match="log:1: tools"):
            to_session(record, "log:1", "s")
    else:
        tools_read = to_session(record, "log:1", "s").tools
        assert tools_read is not None
        assert [tool.name for tool in tools_read.tools] == ["find"]


def test_two_turns_of_calls_in_a_row_are_read_back_as_two() -> None:
    text = {"role": "assistant", "content": '<tool_call>{"name": "find", "arguments": {}}</tool_call>'}
    session = to_session({"messages": [USER, text, text], "tools": [TOOL]}, "log:1", "s")
    assert to_session(session.record(), "log:1", "s") == session


def test_every_block_of_tools_in_a_system_prompt_is_read() -> None:
    blocks = [f"<tools>{json.dumps({**TOOL, 'function': {'name': name}})}</tools>" for name in ("find", "book")]
    system = {"role": "system", "content": "Help.\n" + "\n".join(blocks)}
    session = to_session({"messages": [system, USER, ANSWER]}, "log:1", "s")
    assert session.tools is not None
    assert ([tool.name for tool in session.tools.tools], session.system) == (["find", "book"], "Help.")


def test_tools_in_tags_and_tools_written_out_are_both_read() -> None:
    find, book, pay = ({**TOOL, "function": {**TOOL["function"], "name": name}} for name in ("find", "book", "pay"))
    system = f"Help.\n<tools>{json.dumps(find)}</tools>\nMore:\n{json.dumps([book, find])}\nLast:\n{json.dumps([pay])}"
    session = to_session({"messages": [{"role": "system", "content": system}, USER, ANSWER]}, "log:1", "s")
    assert session.tools is not None
    assert [tool.name for tool in session.tools.tools] == ["find", "book", "pay"]
    assert (session.system or "").split() == ["Help.", "More:", "Last:"]
