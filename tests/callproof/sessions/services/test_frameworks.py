"""One conversation as frameworks, gateways and tracing tools write it; what is wanted is written by hand."""

import copy
import json
import random
from contextlib import suppress
from functools import reduce
from typing import Any

import pytest
from seen_sessions import seen

from callproof.errors import UserError
from callproof.sessions import to_session

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FLAT = {"name": "get_weather", "description": "w", "parameters": SCHEMA}
TOOLS = [{"type": "function", "function": FLAT}]
ROME = {"city": "Rome"}
ROME_TEXT = '{"city": "Rome"}'
ASKED = {"role": "user", "content": "Warm in Rome?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": ROME_TEXT}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
CHOICES = {"choices": [{"message": CALLED, "finish_reason": "tool_calls"}]}
ONE_CALL = ["tools: get_weather", "user: Warm in Rome?", 'assistant:  get_weather{"city": "Rome"}']
WHOLE = [*ONE_CALL, "tool: 20", "assistant: Yes."]


def vercel(*parts: dict[str, Any], role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "content": list(parts)}


def invoked(city: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool-get_weather", "toolCallId": city, "input": {"city": city}, **more}


def page(*parts: dict[str, Any]) -> dict[str, Any]:
    asked = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Warm in Rome?"}]}
    return {"messages": [asked, {"id": "m2", "role": "assistant", "parts": list(parts)}], "tools": TOOLS}


TEXT = {"type": "text", "text": "Yes.", "state": "done"}
DONE = {"state": "output-available", "output": 20}
CONVERSATIONS: dict[str, dict[str, Any]] = {
    "Vercel, for models": {
        "messages": [
            ASKED,
            vercel({"type": "tool-call", "toolCallId": "c1", "toolName": "get_weather", "input": ROME}),
            vercel(
                {
                    "type": "tool-result",
                    "toolCallId": "c1",
                    "toolName": "get_weather",
                    "output": {"type": "json", "value": 20},
                },
                role="tool",
            ),
            vercel({"type": "text", "text": "Yes."}),
        ],
        "tools": TOOLS,
    },
    "Vercel, of a page": page({"type": "step-start"}, invoked("Rome", **DONE), {"type": "step-start"}, TEXT),
    "Vercel, of a page, no steps": page(invoked("Rome", **DONE), TEXT),
    "Vercel, version 4": {
        "messages": [
            ASKED,
            {
                "role": "assistant",
                "content": "Yes.",
                "toolInvocations": [
                    {"state": "result", "toolCallId": "c1", "toolName": "get_weather", "args": ROME, "result": 20}
                ],
            },
        ],
        "tools": TOOLS,
    },
    "Pydantic AI": {
        "messages": [
            {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "Warm in Rome?"}]},
            {
                "kind": "response",
                "parts": [
                    {"part_kind": "tool-call", "tool_name": "get_weather", "args": ROME_TEXT, "tool_call_id": "c1"}
                ],
            },
            {
                "kind": "request",
                "parts": [
                    {"part_kind": "tool-return", "tool_name": "get_weather", "content": 20, "tool_call_id": "c1"}
                ],
            },
            {"kind": "response", "parts": [{"part_kind": "text", "content": "Yes."}]},
        ],
        "tools": TOOLS,
    },
    "roles with a hyphen": {
        "tools": TOOLS,
        "conversations": [
            {"from": "human", "value": "Warm in Rome?"},
            {"from": "function-call", "value": json.dumps({"name": "get_weather", "arguments": ROME})},
            {"from": "function-response", "value": "20"},
            {"from": "gpt", "value": "Yes."},
        ],
    },
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_of_a_framework_is_read(name: str) -> None:
    lines = seen(to_session(CONVERSATIONS[name], "log:1", "log:1"))
    assert [line.replace("tool: get_weather", "tool:") for line in lines] == WHOLE


REQUESTS: dict[str, dict[str, Any]] = {
    "LiteLLM's spend log": {"messages": [ASKED], "response": CHOICES, "optional_params": {"tools": TOOLS}},
    "LangSmith's parameters": {
        "inputs": {"messages": [ASKED]},
        "outputs": {"generations": [[{"message": CALLED}]]},
        "extra": {"invocation_params": {"tools": TOOLS}},
    },
    "Ollama": {
        "request": {"messages": [ASKED], "tools": TOOLS},
        "response": {
            "message": {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "get_weather", "arguments": ROME}}],
            },
            "done": True,
            "done_reason": "stop",
        },
    },
    "a request of the Responses API": {
        "request": {"input": "Warm in Rome?", "tools": [{"type": "function", **FLAT}]},
        "response": {
            "status": "completed",
            "output": [{"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": ROME_TEXT}],
        },
    },
    "a request of Gemini": {
        "request": {
            "contents": [{"role": "user", "parts": [{"text": "Warm in Rome?"}]}],
            "tools": [{"functionDeclarations": [FLAT]}],
        },
        "response": {
            "candidates": [
                {
                    "content": {"parts": [{"functionCall": {"name": "get_weather", "args": ROME}}]},
                    "finishReason": "STOP",
                }
            ]
        },
    },
    "a request of Bedrock": {
        "request": {
            "messages": [{"role": "user", "content": [{"text": "Warm in Rome?"}]}],
            "toolConfig": {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}}]},
        },
        "response": {
            "output": {
                "message": {
                    "role": "assistant",
                    "content": [{"toolUse": {"toolUseId": "c", "name": "get_weather", "input": ROME}}],
                }
            },
            "stopReason": "tool_use",
        },
    },
    "a span of OpenTelemetry": {
        "attributes": {
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Warm in Rome?"}]}],
            "gen_ai.output.messages": json.dumps(
                [
                    {
                        "role": "assistant",
                        "parts": [{"type": "tool_call", "id": "c", "name": "get_weather", "arguments": ROME}],
                        "finish_reason": "tool_call",
                    }
                ]
            ),
            "gen_ai.tool.definitions": [{"type": "function", **FLAT}],
        }
    },
}


@pytest.mark.parametrize("as_text", [False, True], ids=["objects", "JSON text"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_and_its_answer_are_read_with_the_tools_wherever_they_stand(name: str, as_text: bool) -> None:
    record = REQUESTS[name]
    if as_text:
        record = {key: json.dumps(value) if key in ("request", "response") else value for key, value in record.items()}
    assert seen(to_session(record, "log:1", "log:1")) == ONE_CALL


@pytest.mark.parametrize("asked", ["prompt", "instruction"])
@pytest.mark.parametrize("answer", [ROME_TEXT, '{"output": [1]}'])
def test_an_answer_that_is_json_text_stays_text_where_no_request_stands_beside_it(asked: str, answer: str) -> None:
    session = to_session({asked: "As JSON, please.", "response": answer}, "log:1", "log:1")
    assert seen(session) == ["user: As JSON, please.", f"assistant: {answer}"]


def test_no_call_of_ollama_is_lost() -> None:
    def line(*calls: Any) -> dict[str, Any]:
        message = {"role": "assistant", "content": "", "tool_calls": list(calls)}
        asked = {"messages": [ASKED], "tools": TOOLS}
        return {"request": asked, "response": {"message": message, "done": True, "done_reason": "stop"}}

    text = {"function": {"name": "get_weather", "arguments": ROME_TEXT}}
    both = to_session(line(text, {"function": {"name": "get_weather", "arguments": {"city": "Bern"}}}), "l:1", "l:1")
    assert seen(both)[-1] == 'assistant:  get_weather{"city": "Rome"} get_weather{"city": "Bern"}'
    for broken in ("x", {"function": "x"}, {"function": {"name": "get_weather", "arguments": [1]}}):
        with pytest.raises(UserError, match="l:1"):
            to_session(line(text, broken), "l:1", "l:1")


def test_calls_of_one_step_of_a_page_stay_together_and_those_of_two_apart() -> None:
    step = {"type": "step-start"}
    both = page(step, invoked("Rome", **DONE), invoked("Bern", state="output-available", output=9), step, TEXT)
    assert seen(to_session(both, "log:1", "log:1"))[2:] == [
        'assistant:  get_weather{"city": "Rome"} get_weather{"city": "Bern"}',
        "tool: 20",
        "tool: 9",
        "assistant: Yes.",
    ]
    apart = page(step, invoked("Rome", **DONE), step, invoked("Bern", state="output-error", errorText="no"), TEXT)
    assert seen(to_session(apart, "log:1", "log:1"))[2:] == [
        'assistant:  get_weather{"city": "Rome"}',
        "tool: 20",
        'assistant:  get_weather{"city": "Bern"}',
        "tool: no",
        "assistant: Yes.",
    ]


def test_a_call_that_was_still_being_written_is_refused() -> None:
    with pytest.raises(UserError, match="tool-get_weather"):
        to_session(page(invoked("Rome", state="input-streaming")), "log:1", "log:1")


def test_instructions_that_every_request_of_pydantic_ai_repeats_are_told_once() -> None:
    asked = {"kind": "request", "instructions": "Be brief.", "parts": [{"part_kind": "user-prompt", "content": "Hi"}]}
    parts = [{"part_kind": "thinking", "content": "hm"}, {"part_kind": "text", "content": "Hi."}]
    answer = {"kind": "response", "parts": parts}
    again = {**asked, "parts": [{"part_kind": "user-prompt", "content": "Bye"}]}
    session = to_session({"messages": [asked, answer, again, answer]}, "log:1", "log:1")
    assert seen(session) == ["system: Be brief.", "user: Hi", "assistant: (hm) Hi.", "user: Bye", "assistant: (hm) Hi."]


def test_the_plan_of_cohere_is_thinking() -> None:
    planned = {"role": "assistant", "tool_plan": "I look.", "tool_calls": [CALL]}
    session = to_session({"messages": [ASKED, planned], "tools": TOOLS}, "log:1", "log:1")
    assert session.messages[-1].thinking == "I look."


@pytest.mark.parametrize(
    "text",
    [
        "Observation: 20",
        "OBSERVATION:\n20\n",
        "Tool result: 20",
        "FUNCTION RESPONSE: 20",
        "[TOOL_RESULTS] 20 [/TOOL_RESULTS]",
        "<function_response>20</function_response>",
        "<tool_results>\n20\n</tool_results>",
        "```tool_output\n20\n```",
    ],
)
def test_a_message_of_the_user_that_is_marked_as_a_result_is_one_where_a_call_waits_for_it(text: str) -> None:
    marked, yes = {"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}
    react = {"role": "assistant", "content": f"Action: get_weather\nAction Input: {ROME_TEXT}"}
    for called in (CALLED, react):
        session = to_session({"messages": [ASKED, called, marked, yes], "tools": TOOLS}, "log:1", "log:1")
        assert seen(session) == WHOLE
    unasked = to_session({"messages": [ASKED, yes, marked, yes], "tools": TOOLS}, "log:1", "log:1")
    assert seen(unasked)[3] == f"user: {text}"


@pytest.mark.parametrize("text", ["Observation deck tickets?", "My observation: 20", "<tool_results>20"])
def test_words_of_the_user_that_only_resemble_a_result_stay_the_users(text: str) -> None:
    session = to_session({"messages": [ASKED, CALLED, {"role": "user", "content": text}], "tools": TOOLS}, "l:1", "l:1")
    assert seen(session)[-1] == f"user: {text}"


JUNK = (None, 0, 1.5, True, "", "x", "{", "[]", [], {}, [None], [[]], {"a": 1}, "length", {"role": "user"})


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside of one."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, item in items for inner in places(item, (*path, key)))]


@pytest.mark.parametrize("seed", range(12))
def test_a_record_of_which_any_values_are_others_is_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    records = [*CONVERSATIONS.values(), *REQUESTS.values()]
    for _ in range(100):
        record = copy.deepcopy(chance.choice(records))
        for *path, last in chance.sample([place for place in places(record) if place], chance.randint(1, 3)):
            parent = reduce(lambda value, key: value[key] if key_in(value, key) else {}, path, record)
            if key_in(parent, last):
                parent[last] = chance.choice(JUNK)
        with suppress(UserError):  # any other exception fails
            to_session(record, "log:1", "log:1")


def key_in(value: Any, key: Any) -> bool:
    inside = isinstance(value, dict) and key in value
    return inside or (isinstance(value, list) and isinstance(key, int) and key < len(value))
