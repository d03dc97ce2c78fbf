"""What tools that record requests write: a request and its response; traces of LangSmith, Langfuse, OpenTelemetry."""

from collections.abc import Iterator
from typing import Any

from ..reading.dialects import listed
from ..reading.refusal import kind, refuse, require_whole
from .form import OTEL_INPUT, Form, Placed, Record, Shape, answer_of, has, is_talk, placed

_RESPONSE_METADATA = frozenset("id type object created model usage finish_reason stop_reason stop_sequence".split())
_ASKED = ("input", "question", "query", "prompt")


def _agent_session(record: Record, where: str) -> Iterator[Placed]:
    """The messages of a request and of its response; other keys of the request (model, temperature) are ignored."""
    request, response = record["request"], record["response"]
    if not isinstance(request, dict):
        refuse(f"{where}: request", f"expected an object, got {kind(request)}")
    if request.get("system") is not None:
        yield "request.system", {"role": "system", "content": request["system"]}
    yield from placed(listed(request.get("messages"), f"{where}: request.messages"), "request.messages")
    yield from _response(response, where)
    require_whole(response)


def _response(response: Any, where: str) -> Iterator[Placed]:
    if isinstance(response, dict) and isinstance(output := response.get("output"), dict):
        response = output.get("message")
    if isinstance(response, dict) and isinstance(response.get("choices"), list):
        yield from answer_of(response, "response", where)
        return
    if not isinstance(response, dict) or response.get("role", "assistant") != "assistant":
        refuse(f"{where}: response", "expected a message of the assistant", 'write {"role": "assistant", "content"}')
    if not any(response.get(key) for key in ("content", "tool_calls", "function_call", "refusal")):
        refuse(f"{where}: response", "expected content or tool_calls, got neither")
    message = {key: value for key, value in response.items() if key not in _RESPONSE_METADATA}
    yield "response", {"role": "assistant", **message}


def _langsmith(record: Record, where: str) -> Iterator[Placed]:
    yield from _run(record["inputs"], "inputs", record["outputs"], "outputs", where)


def _langfuse(record: Record, where: str) -> Iterator[Placed]:
    yield from _run(record["input"], "input", record["output"], "output", where)


def _run(inputs: Any, asked: str, outputs: Any, answered: str, where: str) -> Iterator[Placed]:
    """What went into a run and what came out; a result that repeats what went in is the whole conversation."""
    before, after = list(_asked(inputs, asked, where)), list[Placed]()
    try:
        after.extend(answer_of(outputs, answered, where))
    finally:
        yield from _whole_run(before, after)


def _whole_run(before: list[Placed], after: list[Placed]) -> list[Placed]:
    messages = [message for _, message in before]
    repeats = len(after) > len(before) and [message for _, message in after][: len(before)] == messages
    return after if repeats else [*before, *after]


def _asked(inputs: Any, path: str, where: str) -> Iterator[Placed]:
    messages = inputs.get("messages") if isinstance(inputs, dict) else inputs
    if isinstance(messages, list) and len(messages) == 1 and isinstance(messages[0], list):
        messages, path = messages[0], f"{path}.0"
    if isinstance(inputs, dict) and isinstance(inputs.get("system"), str):
        yield f"{path}.system", {"role": "system", "content": inputs["system"]}
    if messages is None and isinstance(inputs, dict):
        key = next((key for key in _ASKED if isinstance(inputs.get(key), str)), None)
        if key:
            yield f"{path}.{key}", {"role": "user", "content": inputs[key]}
            return
    yield from placed(listed(messages, f"{where}: {path}"), path)


_OTEL_SYSTEM, _OTEL_OUTPUT = "gen_ai.system_instructions", "gen_ai.output.messages"


def _otel(record: Record, where: str) -> Iterator[Placed]:
    """What went into a model and what came out, as OpenTelemetry's conventions for generative AI write it."""
    if record.get(_OTEL_SYSTEM):
        parts = listed(record[_OTEL_SYSTEM], f"{where}: {_OTEL_SYSTEM}", "parts")
        yield _OTEL_SYSTEM, {"role": "system", "content": list(map(_otel_part, parts))}
    for key in (OTEL_INPUT, _OTEL_OUTPUT):
        for place, message in placed(listed(record.get(key) or [], f"{where}: {key}"), key):
            if not isinstance(message, dict):
                refuse(f"{where}: {place}", f"expected an object, got {kind(message)}")
            parts = listed(message.get("parts"), f"{where}: {place}.parts", "parts")
            yield place, {"role": message.get("role"), "content": list(map(_otel_part, parts))}
    require_whole(*record.get(_OTEL_OUTPUT) or ())


def _otel_part(part: Any) -> Any:
    """A part typed as Anthropic types it."""
    if not isinstance(part, dict):
        return part
    content = part.get("content")
    if part.get("type") == "text":
        return {"type": "text", "text": content}
    if part.get("type") == "reasoning":
        return {"type": "thinking", "thinking": content}
    if part.get("type") == "tool_call_response":
        answer = next((part[key] for key in ("response", "result") if part.get(key) is not None), None)
        return {"type": "tool_result", "tool_use_id": part.get("id"), "content": answer}
    return part


def is_agent_session(record: Record) -> bool:
    """Whether a response is a message that no API for chat completions writes: Anthropic's, Bedrock's, or no role."""
    response = record.get("response")
    if not isinstance(record.get("request"), dict) or not isinstance(response, dict) or "choices" in response:
        return False
    if isinstance(output := response.get("output"), dict):
        return isinstance(output.get("message"), dict)
    return isinstance(response.get("content"), list) or ("role" not in response and bool(response.get("tool_calls")))


def _is_langfuse(shape: Shape) -> bool:
    asked = shape.record.get("input")
    return shape.record.get("output") is not None and (
        is_talk(asked) or (isinstance(asked, dict) and "messages" in asked)
    )


FORMS = (
    Form("agent_session", "a request and its response", ("request", "response"), has("request", "response"),
         _agent_session),
    Form("otel", "OpenTelemetry spans", (OTEL_INPUT, _OTEL_OUTPUT, _OTEL_SYSTEM), has(OTEL_INPUT), _otel),
    Form("langsmith", "LangSmith runs", ("inputs", "outputs"), has("inputs", "outputs"), _langsmith),
    Form("langfuse", "Langfuse traces", ("input", "output"), _is_langfuse, _langfuse),
)  # fmt: skip
