"""Messages of Pydantic AI: requests and responses, whose parts are messages of their own."""

from collections.abc import Iterable, Iterator
from typing import Any

_TOOL = ("tool-return", "retry-prompt")


def is_pydantic_ai(message: Any) -> bool:
    """Whether a message is written as Pydantic AI dumps it."""
    return (
        isinstance(message, dict)
        and message.get("kind") in ("request", "response")
        and isinstance(message.get("parts"), list)
        and all(isinstance(part, dict) and isinstance(part.get("part_kind"), str) for part in message["parts"])
    )


def plain_pydantic_ai(messages: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """The messages in OpenAI's form that those of Pydantic AI are, each with the number of the one that it comes from.

    A request repeats the agent's `instructions`: they are told where they differ from those before.
    """
    instructions = None
    for number, message in enumerate(messages):
        if not is_pydantic_ai(message):
            yield number, message
            continue
        if (told := message.get("instructions")) and told != instructions:
            instructions = told
            yield number, {"role": "system", "content": told}
        if message["kind"] == "response":
            yield number, _answer(message["parts"])
        else:
            yield from ((number, _asked(part)) for part in message["parts"])


def _asked(part: dict[str, Any]) -> dict[str, Any]:
    kind, content = part["part_kind"], part.get("content")
    if kind in _TOOL and part.get("tool_name"):
        more = {"is_error": True} if kind == "retry-prompt" else {}
        named = {"tool_call_id": part.get("tool_call_id"), "name": part["tool_name"]}
        return {"role": "tool", **named, "content": content, **more}
    role = {"system-prompt": "system", "user-prompt": "user", "retry-prompt": "user"}.get(kind, kind)
    return {"role": role, "content": content}


def _answer(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A response as parts that are typed as Anthropic types them."""
    return {"role": "assistant", "content": list(map(_typed, parts))}


def _typed(part: dict[str, Any]) -> dict[str, Any]:
    kind, content = part["part_kind"], part.get("content")
    if kind == "text":
        return {"type": "text", "text": content}
    if kind == "thinking":
        return {"type": "thinking", "thinking": content or ""}
    if kind == "tool-call":
        named = {"id": part.get("tool_call_id"), "name": part.get("tool_name")}
        return {"type": "tool_use", **named, "input": part.get("args")}
    return {"type": kind}
