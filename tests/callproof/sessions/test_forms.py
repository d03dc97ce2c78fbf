"""Every form of a record says the same session, and what it brings with it stays as it was."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

from callproof.calls import render_tools, split_tools
from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.sessions import FORMS, Session, form_named, read_sessions, to_session
from callproof.sessions.forms import Form, own_form

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": None, "parameters": PARAMETERS}}
NOW = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": None}}
CALL = {"name": "weather", "arguments": {"city": "Zürich"}}
BLOCK = f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>"
DOC = (ROOT / "docs" / "reference" / "data.md").read_text(encoding="utf-8")


def read(record: dict[str, Any]) -> Session:
    return to_session(record, "log.jsonl:3", "log.jsonl:3")


def refusal(record: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        read(record)
    assert str(caught.value).startswith("log.jsonl:3: ")
    return str(caught.value)


def openai(call: dict[str, Any], call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {**call, "arguments": json.dumps(call["arguments"])}}


TALK = [
    {"role": "user", "content": "Warm?"},
    {"role": "assistant", "content": None, "tool_calls": [openai(CALL, "x")]},
    {"role": "tool", "tool_call_id": "x", "content": '{"celsius": 24}'},
    {"role": "assistant", "content": "Yes."},
]
CHATML = (
    f"<|im_start|>system\nBe brief.\n\n{render_tools([TOOL])}<|im_end|>\n<|im_start|>user\nWarm?<|im_end|>\n"
    f"<|im_start|>assistant\n{BLOCK}<|im_end|>\n"
    '<|im_start|>user\n<tool_response>\n{"celsius": 24}\n</tool_response><|im_end|>\n'
    "<|im_start|>assistant\nYes.<|im_end|>\n"
)
SAME: dict[str, dict[str, Any]] = {
    "messages": {"messages": [{"role": "system", "content": "Be brief."}, *TALK], "tools": [TOOL]},
    "developer": {"messages": [{"role": "developer", "content": "Be brief."}, *TALK], "tools": json.dumps([TOOL])},
    "agent session": {
        "request": {"system": "Be brief.", "tools": [TOOL], "messages": TALK[:-1], "temperature": 0},
        "response": {**TALK[-1], "stop_reason": "end_turn"},
    },
    "Hermes": {
        "conversations": [
            {"from": "system", "value": f"Be brief.<tools>{json.dumps([TOOL])}</tools>"},
            {"from": "human", "value": "Warm?"},
            {"from": "gpt", "value": BLOCK},
            {"from": "tool", "value": '<tool_response>\n{"celsius": 24}\n</tool_response>'},
            {"from": "gpt", "value": "Yes."},
        ]
    },
    "text": {"text": CHATML},
    "tools without function": {
        "system": "Be brief.",
        "messages": TALK,
        "tools": [{"name": "weather", "input_schema": PARAMETERS}],
    },
}


@pytest.mark.parametrize("form", SAME)
def test_every_form_of_a_session_reads_the_same(form: str) -> None:
    session = read(SAME[form])
    assert session.record() == {
        "session_id": "log.jsonl:3",
        "system": "Be brief.",
        "tools": [TOOL],
        "messages": [
            {"role": "user", "content": "Warm?"},
            {"role": "assistant", "tool_calls": [{**CALL, "id": "0"}]},
            {"role": "tool", "content": '{"celsius": 24}'},
            {"role": "assistant", "content": "Yes."},
        ],
    }


@pytest.mark.parametrize("form", SAME)
def test_a_session_is_read_back_from_its_own_record(form: str) -> None:
    session = read({**SAME[form], "id": 7, "tags": ["a"]})
    assert session.session_id == "7"
    assert to_session(json.loads(json.dumps(session.record())), "again", "again") == session


@pytest.mark.parametrize(
    ("record", "asked", "answer"),
    [
        ({"input": "Q?", "response": "A."}, "Q?", "A."),
        ({"input": "Q?", "context": ["one", "two"], "response": "A."}, "one\n\ntwo\n\nQ?", "A."),
        ({"input": "Q?", "context": None, "response": "A."}, "Q?", "A."),
        ({"instruction": "Do.", "response": "Done."}, "Do.", "Done."),
        ({"instruction": "Do.", "input": "this", "output": "Done."}, "Do.\n\nthis", "Done."),
        ({"instruction": "Do.", "input": "", "response": "Done."}, "Do.", "Done."),
    ],
)
def test_a_question_is_one_message_and_its_response_another(record: dict, asked: str, answer: str) -> None:
    assert [message.content for message in read(record).messages] == [asked, answer]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"session_id": "s", "instance_id": "i"}, "s"),
        ({"instance_id": "i", "task_id": "t"}, "i"),
        ({"task_id": 12}, "12"),
        ({"id": None}, "log.jsonl:3"),
    ],
)
def test_the_first_id_that_is_there_names_the_session(ids: dict, expected: str) -> None:
    assert read({**ids, "messages": TALK}).session_id == expected


def test_results_in_another_order_keep_their_calls() -> None:
    calls = [openai({"name": "now", "arguments": {}}, "a"), openai(CALL, "b")]
    results = [{"role": "tool", "tool_call_id": call_id, "content": call_id} for call_id in ("b", "a")]
    session = read({"messages": [TALK[0], {"role": "assistant", "tool_calls": calls}, *results]})
    assert [message.answers for message in session.messages[2:]] == [1, 0]
    assert to_session(session.record(), "again", "again") == session


def test_results_without_ids_go_to_the_call_of_their_name() -> None:
    calls = [{"name": "now", "arguments": {}}, CALL]
    results = [{"role": "tool", "name": name, "content": ""} for name in ("weather", "now")]
    session = read({"messages": [TALK[0], {"role": "assistant", "tool_calls": calls}, *results]})
    assert [message.answers for message in session.messages[2:]] == [1, 0]


def test_several_hermes_results_in_one_value_are_several_messages() -> None:
    value = "".join(f'<tool_response>{{"name": "{n}", "content": 1}}</tool_response>\n' for n in ("weather", "now"))
    both = f'{BLOCK}\n<tool_call>{{"name": "now"}}</tool_call>'
    entries = [("human", "Both"), ("gpt", both), ("tool", value)]
    session = read({"conversations": [{"from": told, "value": text} for told, text in entries]})
    assert [message.name for message in session.messages[2:]] == ["weather", "now"]


def test_thinking_and_text_beside_a_call_are_kept() -> None:
    told = f"<think>Which city?</think>\nLet me see. {BLOCK}"
    message = read({"messages": [TALK[0], {"role": "assistant", "content": told}]}).messages[1]
    assert message.content == "<think>Which city?</think>\n\nLet me see."
    assert [call.name for call in message.tool_calls] == ["weather"]


def test_messages_of_the_assistant_in_a_row_stay_apart() -> None:
    session = read(
        {"request": {"messages": [TALK[0], TALK[3]]}, "response": {"role": "assistant", "content": "Sunny."}}
    )
    assert [message.content for message in session.messages] == ["Warm?", "Yes.", "Sunny."]


def test_tools_that_differ_from_session_to_session_survive_untouched() -> None:
    schema = {"type": "object", "properties": {"n": {"type": ["integer", "null"], "default": None, "enum": [1, None]}}}
    other = {"type": "function", "function": {"name": "count", "description": None, "parameters": schema}}
    kept = [read({"id": str(number), "messages": TALK, "tools": tools}).record()["tools"] for number, tools in
            enumerate(([TOOL], [other, NOW], []))]  # fmt: skip
    assert kept == [[TOOL], [other, NOW], []]


def test_words_about_tools_in_a_system_prompt_are_no_catalog() -> None:
    text = "Signatures stand within <tools></tools> tags, such as <tools>none yet</tools>."
    session = read({"system": text, "messages": TALK})
    assert (session.system, session.tools) == (text, None)


def test_a_catalog_in_the_system_text_yields_to_the_tools_beside_it() -> None:
    session = read({"system": f"Hi. <tools>{json.dumps([NOW])}</tools>", "tools": [TOOL], "messages": TALK})
    assert session.system == "Hi."
    assert [tool.name for tool in (session.tools.tools if session.tools else ())] == ["weather"]


def test_tools_as_text_are_read_back() -> None:
    assert split_tools(f"Hello.\n\n{render_tools([TOOL, NOW])}") == ("Hello.", [TOOL, NOW])


def test_an_unknown_form_lists_the_known_ones() -> None:
    error = refusal({"prompt": "a"})
    for needed in (
        "messages",
        "conversations",
        "request, response",
        "instruction, input, context, output, response",
        "input, context, response, output",
        "text",
    ):
        assert needed in error


def test_rendered_text_of_another_template_is_refused_with_its_place() -> None:
    assert "got '<s>[INST] Hello [/INST]" in refusal({"text": "<s>[INST] Hello [/INST] Hi</s>"})


EXAMPLES = dict(re.findall(r"\(`(\w+)`\)\n\n```json\n(.*?)```", DOC, re.DOTALL))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_the_documentation_has_an_example_of_every_form_and_each_is_recognised(form: Form) -> None:
    record = json.loads(EXAMPLES[form.name])
    assert own_form(record, "here", "here").form == form.title
    assert own_form(record, "here", "here", form).form == form.title
    assert read(record).messages[-1].role == "assistant"


def test_the_documentation_names_no_form_that_is_not_there() -> None:
    assert EXAMPLES.keys() == {form.name for form in FORMS}


def test_an_unknown_name_of_a_form_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no form is named 'alpaca'; known: openai_preference, .*xlam"):
        list(read_sessions(tmp_path, form="alpaca"))


def test_a_record_that_has_not_the_forced_form_is_refused() -> None:
    with pytest.raises(UserError, match=r"here: no record of the form xlam, its keys are 'messages'; mend data.form"):
        own_form({"messages": TALK}, "here", "here", form_named("xlam"))


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL))
def test_the_configurations_of_the_documentation_are_valid(block: str) -> None:
    assert RunConfig.model_validate(yaml.safe_load(block)).name == "demo"
