"""What records hold in other words: notations of calls, results, tools, masks; and nothing is lost in silence."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from seen_sessions import seen

from callproof.errors import UserError
from callproof.sessions import read_sessions, to_session
from callproof.sessions.forms import form_named, own_form

PARAMETERS = {"type": "object", "properties": {"x": {"type": "integer"}}}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in ("look", "ask")]
USER = {"role": "user", "content": "q"}
LOOK = '{"name": "look", "arguments": {"x": 1}}'
CALLED = 'assistant:  look{"x": 1}'


def talk(*messages: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"messages": [USER, *messages], **beside}


def said(text: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def lines(record: dict[str, Any]) -> list[str]:
    return [line for line in seen(to_session(record, "log:1", "log:1")) if not line.startswith("tools:")]


def refusal(record: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        to_session(record, "log:1", "log:1")
    assert str(caught.value).startswith("log:1: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>{LOOK}</tool_call>",
        f"<tool_call>[{LOOK}]</tool_call>",
        "<tool_call>{'name': 'look', 'arguments': {'x': 1}}</tool_call>",
        '<tool_call>{"name": "look", "args": {"x": 1}, "id": "a"}</tool_call>',
        "<tool_call>\n<function=look>\n<parameter=x>\n1\n</parameter>\n</function>\n</tool_call>",
        "<tool_call>look\n<arg_key>x</arg_key>\n<arg_value>1</arg_value>\n</tool_call>",
        f"<TOOLCALL>[{LOOK}]</TOOLCALL>",
        '<functioncall> {"name": "look", "arguments": \'{"x": 1}\'} <|endoftext|>',
        '<function=look>{"x": 1}</function>',
        '<|python_tag|>{"name": "look", "parameters": {"x": 1}}',
        f"[TOOL_CALLS] [{LOOK}]",
        '[TOOL_CALLS]look[ARGS]{"x": 1}',
        LOOK,
        f"```json\n{LOOK}\n```",
        '{"tool_calls": [{"function": {"name": "look", "arguments": "{\\"x\\": 1}"}}]}',
        "[look(x=1)]",
        "look(x=1)",
        'Action: look\nAction Input: {"x": 1}',
        '<|channel|>commentary to=functions.look <|constrain|>json<|message|>{"x": 1}<|call|>',
        '<function_calls>\n<invoke name="look">\n<parameter name="x">1</parameter>\n</invoke>\n</function_calls>',
    ],
)
def test_a_call_in_the_text_is_a_call_in_every_known_notation(text: str) -> None:
    assert lines(talk(said(text), tools=TOOLS)) == ["user: q", CALLED]


@pytest.mark.parametrize(
    "text",
    [
        "The tag `<tool_call>` opens a call, `</tool_call>` closes it.",
        'Write "<|python_tag|>" before it.',
        "I think [see note (1)] it is (really) so.",
        '{"name": "Bern", "population": 133000}',
        '[{"name": "Bern"}, {"name": "Thun"}]',
        "<b>Bold</b>, <s>struck</s> and x < y.",
        "Use `look(x=1)` for it.",
    ],
)
def test_text_that_is_no_call_stays_text(text: str) -> None:
    assert lines(talk(said(text), tools=TOOLS)) == ["user: q", f"assistant: {text}"]


@pytest.mark.parametrize(
    "text",
    [
        f"The answer is {LOOK}.",
        '<tool_call>{"name": "look", "argz": {"x": 1}}</tool_call>',
        f"<tool_call>{LOOK}",
        "Action: search\nAction Input: weather",
        f'Action: look\nAction Input: {{"x": 1}}\nObservation: 3\nThought: {LOOK}',
    ],
)
def test_what_looks_like_a_call_and_cannot_be_read_is_refused(text: str) -> None:
    assert "messages.1.content: a" in refusal(talk(said(text), tools=TOOLS))


@pytest.mark.parametrize("key", ["arguments", "args", "parameters", "input", "kwargs"])
@pytest.mark.parametrize("wrap", [lambda call: call, lambda call: {"type": "function", "function": call}])
@pytest.mark.parametrize("value", [{"x": 1}, '{"x": 1}'])
def test_arguments_are_kept_under_every_name(key: str, wrap: Any, value: Any) -> None:
    call = wrap({"name": "look", key: value})
    assert lines(talk({"role": "assistant", "tool_calls": [call]})) == ["user: q", CALLED]


def test_calls_may_be_json_text() -> None:
    calls = json.dumps([{"name": "look", "arguments": {"x": 1}}])
    assert lines(talk({"role": "Assistant", "tool_calls": calls})) == ["user: q", CALLED]


def test_what_json_has_not_is_text_in_the_metadata() -> None:
    values = {"day": date(2026, 5, 4), "score": float("nan"), "at": datetime(2026, 5, 4, 9, 30)}
    session = to_session(talk(said("a"), **values), "log:1", "log:1")
    assert session.metadata == {"day": "2026-05-04", "score": None}
    assert session.at == "2026-05-04T09:30:00"


def test_arguments_that_differ_or_hide_are_refused() -> None:
    both = {"name": "look", "arguments": {"x": 1}, "args": {"x": 2}}
    assert "its arguments differ in arguments and args" in refusal(talk({"role": "assistant", "tool_calls": [both]}))
    hidden = {"function": {"name": "look", "argz": {"x": 1}}}
    assert "tool_calls.0.function.argz: unknown key" in refusal(talk({"role": "assistant", "tool_calls": [hidden]}))


@pytest.mark.parametrize("role", ["tool", "tool_response", "observation", "ipython", "function"])
@pytest.mark.parametrize(
    ("content", "text"),
    [({"a": 1}, '{"a": 1}'), ([1, 2], "[1, 2]"), (3, "3"), (None, ""), ([{"type": "text", "text": "a"}], "a")],
)
def test_a_result_may_be_any_value(role: str, content: Any, text: str) -> None:
    record = talk({"role": "assistant", "tool_calls": [{"name": "look"}]}, {"role": role, "content": content})
    assert lines(record)[2] == f"tool: {text}"


def test_results_in_a_turn_of_the_user_are_results_and_what_follows_is_the_user_s() -> None:
    calls = f"<tool_call>{LOOK}</tool_call>" * 2
    answer = {"role": "user", "content": "<tool_response>1</tool_response>\n<tool_response>2</tool_response>\nAnd now?"}
    assert lines(talk(said(calls), answer, said("x")))[2:] == ["tool: 1", "tool: 2", "user: And now?", "assistant: x"]
    assert "a tool result without a call" in refusal({"messages": [answer]})
    assert "text before its <tool_response>" in refusal(
        talk(said(calls), {**answer, "content": f"So: {answer['content']}"})
    )


@pytest.mark.parametrize(
    "end", ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>", "<｜end▁of▁sentence｜>", "<turn|>"]
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_token_that_ends_a_turn_is_refused_in_a_text(end: str, role: str) -> None:
    assert f"holds {end!r}, which ends a turn" in refusal({"messages": [USER, {"role": role, "content": f"a{end}b"}]})


@pytest.mark.parametrize("mask", [{"weight": 0}, {"train": False}, {"loss": False}, {"loss_scale": 0.0}])
def test_a_masked_answer_is_context_only(mask: dict) -> None:
    record = talk(said("a", **mask), USER, said("b", **dict.fromkeys(mask, 1)))
    assert lines(record) == ["user: q", "-assistant: a", "user: q", "assistant: b"]
    session = to_session(record, "log:1", "log:1")
    assert to_session(session.record(), "log:1", "log:1") == session


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (said("a", weight=0.5), "messages.1.weight: expected 0 or 1"),
        (said("a", weight=0, train=True), "messages.1: weight and train say different things"),
        ({**USER, "train": True}, "messages.1.train: only the assistant's messages are trained"),
        (said(""), "messages.1: an answer without text and without calls"),
        (said("a", refusal="b"), "messages.1.refusal: a refusal beside other text"),
    ],
)
def test_a_message_that_says_something_in_between_is_refused(message: dict, problem: str) -> None:
    assert problem in refusal(talk(message))


def test_all_unknown_keys_of_a_source_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    good = talk(said("a"), id="good")
    bad = [talk(said("a", audio={"id": number}), id=str(number)) for number in range(5)]
    worse = talk({"role": "assistant", "tool_calls": [{"name": "f", "argz": 1}]}, said("b", mood="x"), id="worse")
    path.write_text("\n".join([json.dumps(good), *map(json.dumps, bad), "{nope", json.dumps(worse)]))
    with pytest.raises(UserError) as caught:
        list(read_sessions(path))
    line = str(caught.value)
    assert line.startswith(
        f"{path}:2: messages.1.audio: unknown key (5 times: {path}:2: messages.1.audio, "
        f"{path}:3: messages.1.audio, {path}:4: messages.1.audio, ...); {path}:7: malformed JSON"
    )
    assert f"{path}:8: messages.1.tool_calls.0.argz: unknown key" in line
    assert f"{path}:8: messages.2.mood: unknown key" in line


def test_how_a_source_was_read_is_said_in_one_line_each(tmp_path: Path, capsys) -> None:
    path = tmp_path / "log.jsonl"
    records = [talk(said("a"), id=str(number), split="x") for number in range(3)]
    asked = {"query": "q", "answers": "[]", "tools": [{**TOOLS[0]["function"], "returns": {}}]}
    path.write_text("\n".join(map(json.dumps, [*records, asked])))
    assert len(list(read_sessions(path))) == 4
    assert capsys.readouterr().err.splitlines() == [
        f"{path}: read as: OpenAI messages, 3 sessions; xLAM, 1 session",
        f"{path}: keys kept in metadata: split (3)",
        f"{path}: keys of tools that are not read: returns (1)",
        f"{path}: 1 without an answer: nothing to learn, nothing to judge",
    ]


SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}}


@pytest.mark.parametrize(
    "tools",
    [
        [{"name": "f", "parameters": SCHEMA}],
        json.dumps([{"name": "f", "parameters": SCHEMA}]),
        [json.dumps({"name": "f", "parameters": SCHEMA})],
        str([{"name": "f", "description": None, "parameters": SCHEMA}]),
        {"f": SCHEMA},
        {"f": {"description": "d", "parameters": SCHEMA}},
        [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}],
        [{"name": "f", "inputSchema": SCHEMA, "title": "F"}],
        [{"name": "f", "input_schema": SCHEMA}],
        [
            {
                "functionDeclarations": [
                    {"name": "f", "parameters": {"type": "OBJECT", "properties": {"x": {"type": "STRING"}}}}
                ]
            }
        ],
        [{"toolSpec": {"name": "f", "inputSchema": {"json": SCHEMA}}}],
        [{"name": "f", "parameters": json.dumps(SCHEMA)}],
        [{"name": "f", "parameters": {"type": "dict", "properties": {"x": {"type": "str"}}}}],
    ],
)
def test_tools_of_every_shape_are_one_catalog(tools: Any) -> None:
    session = to_session(talk(said("a"), tools=tools), "log:1", "log:1")
    assert session.tools is not None
    (tool,) = session.tools.tools
    assert (tool.name, tool.parameters) == ("f", SCHEMA)


@pytest.mark.parametrize(
    ("written", "schema"),
    [
        ("str", {"type": "string"}),
        ("int, optional", {"type": "integer"}),
        ("str, optional, defaults to 'x'", {"type": "string"}),
        ("List[str]", {"type": "array", "items": {"type": "string"}}),
        ("list", {"type": "array"}),
        ("Dict[str, float]", {"type": "object", "additionalProperties": {"type": "number"}}),
        ("Optional[bool]", {"anyOf": [{"type": "boolean"}, {"type": "null"}]}),
        ("Union[int, List[int]]", {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
        ("int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("Tuple[float, ...]", {"type": "array", "items": {"type": "number"}}),
        ("Set[int], optional", {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        ("Literal['a', 'b']", {"enum": ["a", "b"]}),
    ],
)
def test_a_pseudo_type_becomes_a_schema(written: str, schema: dict) -> None:
    tools = [
        {"name": "f", "description": "d", "parameters": {"x": {"type": written}, "y": {"type": "int", "default": 1}}}
    ]
    session = to_session(talk(said("a"), tools=tools), "log:1", "log:1")
    assert session.tools is not None
    required = {} if "ptional" in written else {"required": ["x"]}
    assert session.tools.tools[0].parameters == {
        "type": "object", "properties": {"x": schema, "y": {"type": "integer", "default": 1}}, **required,
        "additionalProperties": False,
    }  # fmt: skip


def test_a_type_without_a_translation_leaves_its_tool_unjudged(capsys) -> None:
    tools = [{"name": "f", "description": "d", "parameters": {"x": {"type": "Callable[[int], int]"}}}]
    to_session(talk(said("a"), tools=tools), "log:1", "log:1")
    assert "the calls of tool 'f' are not checked: parameters.properties.x.type" in capsys.readouterr().err


def test_a_duplicate_tool_and_a_result_without_a_call_are_one_line() -> None:
    line = refusal(talk({"role": "tool", "content": "x"}, tools=[TOOLS[0], TOOLS[0]]))
    assert "messages.1: a tool result without a call before it" in line
    assert "2 tools have the name 'look'" in line


def test_a_tag_inside_the_arguments_of_a_call_in_text_is_kept() -> None:
    text = 'In "<b>" style: <tool_call>{"name": "look", "arguments": {"tag": "<div>", "marks": ["[INST]"]}}</tool_call>'
    session = to_session(talk({"role": "assistant", "content": text}), "log:1", "log:1")
    message = session.messages[-1]
    assert message.content == 'In "<b>" style:'
    assert message.tool_calls[0].arguments == {"tag": "<div>", "marks": ["[INST]"]}


def test_a_null_response_beside_an_output_is_no_response() -> None:
    record = {"instruction": "Say hi.", "response": None, "output": "Hi."}
    assert to_session(record, "log:1", "log:1").messages[-1].content == "Hi."


def test_a_conversation_may_be_named_by_a_number_and_by_nothing_else() -> None:
    assert to_session(talk(said("a"), conversation=7), "log:1", "log:1").conversation == "7"
    with pytest.raises(UserError, match="log:1: conversation: expected the name of a conversation, got dict"):
        to_session(talk(said("a"), conversation={"id": 7}), "log:1", "log:1")


@pytest.mark.parametrize(
    ("form", "record"),
    [("xlam", {"query": "Hi", "tools": "[]"}), ("trl_preference", {"prompt": "Hi"}), ("answered", {"messages": []})],
)
def test_a_forced_form_is_refused_where_a_record_has_only_its_first_key(form: str, record: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"log:1: no record of the form {form}"):
        own_form(record, "log:1", "log:1", form_named(form))


def test_a_call_that_is_broken_json_is_no_depth() -> None:
    record = {"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": ["{broken"]}]}
    with pytest.raises(UserError, match="expected a call as JSON"):
        to_session(record, "log:1", "log:1")
