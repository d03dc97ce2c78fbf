"""GenAI spans as OTLP JSON: exports of OpenTelemetry's own packages, reduced, in both forms, and others by hand."""

import json
from typing import Any

import pytest
from runs_plugin import TOOLS, Command, read_lines, write_json, write_lines

from callproof.errors import UserError

pytest_plugins = ["runs_plugin"]

DEFINITIONS = [{"name": "get_weather", "description": "Weather.", "parameters": TOOLS[0]["function"]["parameters"],
                "type": "function"}]  # fmt: skip
PARIS = {"role": "user", "parts": [{"content": "Weather in Paris?", "type": "text"}], "name": None}


def text(value: str) -> dict[str, Any]:
    return {"stringValue": value}


def attributes(**values: Any) -> list[dict[str, Any]]:
    """Attributes of a span; what is no text is written as JSON, as opentelemetry-util-genai 1.3b0 does."""
    items = ((key.replace("__", "."), value) for key, value in values.items())
    return [{"key": key, "value": text(value if isinstance(value, str) else json.dumps(value))} for key, value in items]


def export(span_id: str, listed: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    span = {"traceId": "30e4", "spanId": span_id, "name": "chat", "kind": 3, "attributes": listed, "status": {}, **more}
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}


def calling(city: str) -> dict[str, Any]:
    return {"arguments": {"city": city}, "name": "get_weather", "id": "c1", "type": "tool_call"}


def asked(span_id: str, model: str, messages: list[Any], parts: list[Any], reason: str, **more: Any) -> dict[str, Any]:
    output = [{"role": "assistant", "parts": parts, "finish_reason": reason, "name": None}]
    listed = attributes(
        gen_ai__operation__name="chat", gen_ai__request__model=model, gen_ai__input__messages=messages,
        gen_ai__output__messages=output, gen_ai__tool__definitions=DEFINITIONS,
        gen_ai__system_instructions=[{"content": "Be brief.", "type": "text"}], **more,
    )  # fmt: skip
    return export(span_id, listed)


def conversation(model: str, city: str) -> list[dict[str, Any]]:
    history = [
        PARIS,
        {"role": "assistant", "parts": [calling("Paris")]},
        {"role": "tool", "parts": [{"response": "blue", "id": "c1", "type": "tool_call_response"}]},
        {"role": "user", "parts": [{"content": "Hello!", "type": "text"}]},
    ]
    return [
        asked(f"{model}1", model, [PARIS], [calling(city)], "tool_call"),
        asked(f"{model}2", model, history, [{"content": "Hi!", "type": "text"}], "stop"),
    ]


def test_two_models_asked_the_same_are_held_against_each_other(evaluate: Command, score: Command) -> None:
    write_lines("spans.jsonl", *conversation("tiny", "Paris"), *conversation("other", "Milan"))
    with pytest.raises(UserError, match=r"answers of several models \(other, tiny\).*give --gold-from MODEL"):
        evaluate("import", "runs", "spans.jsonl", "--out", "imported")
    said = evaluate("import", "runs", "spans.jsonl", "--gold-from", "tiny", "--out", "imported")
    assert (said.counts["form"], said.counts["turns"], said.counts["sessions"]) == ("otel", 2, 1)
    assert said.counts["answers"] == {"tiny": 2, "other": 2}
    assert "the answers of tiny are the gold, so that its own figures say nothing" in said.told
    figures = score("imported").counts["models"]
    assert (figures["tiny"]["turn_exact"], figures["other"]["turn_exact"]) == (1, 0.5)
    messages = read_lines("imported/turns.jsonl")[1]["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "user"]
    assert messages[3] == {"role": "tool", "tool_call_id": "c1", "content": "blue"}


def test_spans_of_one_model_are_turns_with_their_answers_as_gold(evaluate: Command) -> None:
    write_lines("spans.jsonl", *conversation("tiny", "Paris"), *conversation("tiny", "Paris"))
    said = evaluate("import", "runs", "spans.jsonl", "--out", "imported")
    assert (said.counts["turns"], said.counts["answers"]) == (2, {"tiny": 2})
    assert read_lines("imported/turns.jsonl")[0]["gold"][0]["arguments"] == {"city": "Paris"}


def value(item: Any) -> dict[str, Any]:
    if isinstance(item, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": value(inner)} for key, inner in item.items()]}}
    if isinstance(item, list):
        return {"arrayValue": {"values": [value(inner) for inner in item]}}
    return {"intValue": str(item)} if isinstance(item, int) else text(item)


def record(span_id: str, name: str, body: Any) -> dict[str, Any]:
    """A log record as opentelemetry-instrumentation-openai-v2 2.3b0 emits it, exported as OTLP JSON."""
    one = {"traceId": "30e4", "spanId": span_id, "eventName": name, "body": value(body),
           "attributes": attributes(gen_ai__system="openai")}  # fmt: skip
    return {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": [one]}]}]}


CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}


def write_events() -> None:
    """The older form: the spans name the model, and log records in another file hold the messages."""
    spoken = attributes(gen_ai__operation__name="chat", gen_ai__request__model="tiny")
    failed = {"status": {"code": 2, "message": "broken"}}
    write_lines("otel/spans.jsonl", export("d582", spoken), export("96be", spoken), export("779b", spoken, **failed))
    system, paris = {"content": "Be brief."}, {"content": "Weather in Paris?"}
    chosen = {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": [CALL]}}
    last = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi!"}}
    write_lines(
        "otel/logs.jsonl",
        record("d582", "gen_ai.system.message", system),
        record("d582", "gen_ai.user.message", paris),
        record("d582", "gen_ai.choice", chosen),
        record("96be", "gen_ai.system.message", system),
        record("96be", "gen_ai.user.message", paris),
        record("96be", "gen_ai.assistant.message", {"tool_calls": [CALL]}),
        record("96be", "gen_ai.tool.message", {"content": "blue", "id": "c1"}),
        record("96be", "gen_ai.user.message", {"content": "Hello!"}),
        record("96be", "gen_ai.choice", last),
        record("779b", "gen_ai.user.message", {"content": "Break"}),
    )


def test_the_older_events_are_joined_with_their_spans(evaluate: Command, score: Command) -> None:
    write_events()
    words = ["import", "runs", "otel", "--out", "imported"]
    assert "calls are expected, and the record brings no tools: give --tools" in evaluate(*words).told
    said = evaluate(*words, "--tools", write_json("tools.json", TOOLS))
    assert (said.counts["turns"], said.counts["answers"], said.counts["left_out"]) == (2, {"tiny": 2}, 1)
    assert "the answer that would be its gold is none (the request failed: broken)" in said.told
    assert score("imported").counts["models"]["tiny"]["turn_exact"] == 1
    turns = read_lines("imported/turns.jsonl")
    assert turns[0]["gold"][0]["arguments"] == {"city": "Paris"}
    assert [message["role"] for message in turns[1]["messages"]] == ["system", "user", "assistant", "tool", "user"]


def test_what_was_not_captured_or_is_no_text_is_left_out(evaluate: Command) -> None:
    image = {"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "file:///a.png"}]}
    silent = export("none", attributes(gen_ai__operation__name="chat", gen_ai__request__model="tiny"))
    cut = asked("cut", "tiny", [{**PARIS, "name": "other"}, PARIS], [{"content": "It", "type": "text"}], "length")
    rows = [
        *conversation("tiny", "Paris"),
        silent,
        cut,
        asked("image", "tiny", [image], [calling("Paris")], "tool_call"),
    ]
    tool = export("tool", attributes(gen_ai__operation__name="execute_tool", gen_ai__tool__name="get_weather"))
    write_lines("spans.jsonl", *rows, tool, record("lost", "gen_ai.user.message", {"content": "Hello"}))
    said = evaluate("import", "runs", "spans.jsonl", "--out", "imported")
    assert (said.counts["turns"], said.counts["left_out"]) == (2, 4)
    for reason in (
        "it does not hold its messages: their content was not captured (the first: spans.jsonl:3: span none)",
        "the answer that would be its gold is none (the answer was cut off)",
        "a message holds uri, and only text can be asked again",
        "its log records belong to a span that is not in these files",
    ):
        assert f"1 records are left out: {reason}" in said.told


def test_events_in_the_span_are_read_like_log_records(evaluate: Command) -> None:
    spoken = attributes(gen_ai__operation__name="chat", gen_ai__request__model="tiny")
    events = [
        {"name": "gen_ai.user.message", "attributes": attributes(gen_ai__event__content={"content": "Hello!"})},
        {
            "name": "gen_ai.choice",
            "attributes": attributes(index="0", finish_reason="stop", message={"content": "Hi!"}),
        },
    ]
    write_lines("spans.jsonl", export("a", spoken, events=events))
    assert evaluate("import", "runs", "spans.jsonl", "--out", "imported").counts["without_tools"] == 1
    assert read_lines("imported/answers.jsonl")[0]["answer"]["text"] == "Hi!"
