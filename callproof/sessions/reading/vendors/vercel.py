"""Messages of the Vercel AI SDK: those for models (parts of type `tool-call`), and those of its pages.

A page's message of the assistant has the whole turn in its parts, steps with their calls, results and text in order, or
(version 4) in `toolInvocations` before its text.
"""

from collections.abc import Iterator
from typing import Any

_UNSAID = ("id", "createdAt", "revisionId", "metadata", "providerOptions", "experimental_attachments", "annotations")
"""Keys of a message that no model is shown."""
_ANSWERED = ("output-available", "output-error", "result")
_CALLED = ("input-available", "call")


def is_vercel(message: dict[str, Any]) -> bool:
    """Whether a message is written as the Vercel AI SDK does."""
    return isinstance(message.get("toolInvocations"), list) or any(map(_is_own, _parts(message)))


def plain_vercel(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The messages with typed parts, as Anthropic has them, that a message is."""
    rest = {key: value for key, value in message.items() if key not in (*_UNSAID, "parts", "toolInvocations")}
    parts = _parts(message)
    if (invocations := message.get("toolInvocations")) and not any(_invocation(part) for part in parts):
        text = message.get("content")
        words = parts or ([{"type": "text", "text": text}] if text else [])
        parts = [*_of_invocations(invocations), *words]
    yield from ({**rest, "content": content} for content in _steps(parts))


def _parts(message: dict[str, Any]) -> list[Any]:
    key = "parts" if isinstance(message.get("parts"), list) else "content"
    parts = message.get(key)
    return parts if isinstance(parts, list) else []


def _is_own(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    return part.get("type") in ("tool-call", "tool-result", "step-start") or _invocation(part) is not None


def _of_invocations(invocations: list[Any]) -> Iterator[dict[str, Any]]:
    """The calls of version 4 as parts, with a mark between those of two steps."""
    step = None
    for number, invocation in enumerate(invocations):
        other = invocation.get("step") if isinstance(invocation, dict) else None
        if number and other != step:
            yield {"type": "step-start"}
        step = other
        yield {"type": "tool-invocation", "toolInvocation": invocation}


def _steps(parts: list[Any]) -> Iterator[list[Any]]:
    """The parts of each message: what the assistant says and calls up to its results, then those, and so on."""
    said: list[Any] = []
    answers: list[Any] = []
    for part in parts:
        begins = isinstance(part, dict) and part.get("type") == "step-start"
        called, answer = ([], []) if begins else _typed(part)
        if answers and (begins or not answer):
            yield from (said, answers) if said else (answers,)
            said, answers = [], []
        said += called
        answers += answer
    yield from filter(None, (said, answers))


def _typed(part: Any) -> tuple[list[Any], list[Any]]:
    """What the assistant says or calls in a part, and what a tool answers in it."""
    if (invocation := _invocation(part)) is None:
        invocation = part if isinstance(part, dict) else {}
    part_type, state = invocation.get("type"), invocation.get("state")
    call = {
        "type": "tool_use",
        "id": invocation.get("toolCallId"),
        "name": invocation.get("toolName"),
        "input": invocation.get("input", invocation.get("args")),
    }
    if part_type == "tool-call" or state in _CALLED:
        return [call], []
    if part_type == "tool-result":
        return [], [_result(invocation)]
    if state in _ANSWERED:
        return [call], [_result(invocation)]
    return [part], []


def _invocation(part: Any) -> dict[str, Any] | None:
    """The call, with its result once that is there, of a page's part; None of any other."""
    if not isinstance(part, dict):
        return None
    part_type = part.get("type")
    if part_type == "tool-invocation" and isinstance(inner := part.get("toolInvocation"), dict):
        return {**inner, "type": "invocation"}
    if part_type == "dynamic-tool":
        return {**part, "type": "invocation"}
    if isinstance(part_type, str) and part_type.startswith("tool-") and "state" in part and "toolCallId" in part:
        return {**part, "type": "invocation", "toolName": part_type.removeprefix("tool-")}
    return None


def _result(result: dict[str, Any]) -> dict[str, Any]:
    value = result.get("output", result.get("result"))
    failed = result.get("isError") is True or result.get("state") == "output-error"
    if result.get("state") == "output-error":
        value = result.get("errorText")
    elif isinstance(value, dict) and value.keys() == {"type", "value"}:
        failed = failed or str(value["type"]).startswith("error")
        value = value["value"]
    named = {"tool_use_id": result.get("toolCallId"), "name": result.get("toolName")}
    return {"type": "tool_result", **named, "content": value, **({"is_error": True} if failed else {})}
