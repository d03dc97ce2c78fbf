"""The beginnings of a conversation, as hashes: one for each message of the assistant, of all that was said up to it.

Two conversations share a beginning where everybody said the same, however it is written down. The system prompt does
not count, since it often holds a clock; nor do ids of calls and thinking, which clients rewrite or leave out.
"""

import contextlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from callproof.calls import without_think
from callproof.calls.formats import FORMATS

from ..reading.dialects import INSTRUCTIONS

Message = Mapping[str, Any]
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str)

_THINKING = [tag for tags in FORMATS["hermes"].thoughts for tag in tags]


class Beginning(NamedTuple):
    """A hash of 64 bits, and whether the assistant's message that ends this beginning carries its thinking."""

    hash: int
    thinks: bool


def beginnings(messages: Iterable[Message], name: str | None = None) -> Iterator[Beginning]:
    """Each beginning of a conversation that ends with a message of the assistant, the shortest first.

    Args:
        messages: in OpenAI's form or in callproof's own.
        name: of the conversation, where it has one; under another name nothing is shared.
    """
    running = blake2b(_ENCODER.encode(name).encode("utf-8", "surrogatepass"), digest_size=8)
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role in INSTRUCTIONS:
            continue
        content = content if isinstance(content, str) else _text(content)
        visible = content
        if role == "assistant" and any(map(content.__contains__, _THINKING)):
            visible = without_think(content) or ""
        said, calls = visible.strip(), _calls(message)
        called = _ENCODER.encode(calls) if calls else ""
        running.update(f"{_role(role)} {len(said)} {said}{len(called)} {called}".encode("utf-8", "surrogatepass"))
        if role == "assistant":
            yield Beginning(int.from_bytes(running.digest()), visible != content or _has_thinking(message))


def hashes_of(told: Iterable[Beginning]) -> bytes:
    """The hashes of beginnings as an array (`Q`), in bytes."""
    return array("Q", [beginning.hash for beginning in told]).tobytes()


def opening(messages: Iterable[Message]) -> int:
    """A hash of the conversation up to the first message of the user, system prompt included."""
    said: list[Any] = []
    for message in messages:
        said.append([_role(message.get("role")), _text(message.get("content"))])
        if message.get("role") == "user":
            break
    return hash_of(["opening", said])


def hash_of(value: object) -> int:
    """64 bits of a JSON value, key order ignored."""
    return int.from_bytes(blake2b(_ENCODER.encode(value).encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _role(role: Any) -> Any:
    return "tool" if role == "function" else role


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _has_thinking(message: Message) -> bool:
    return bool(message.get("thinking") or message.get("reasoning") or message.get("reasoning_content"))


def _calls(message: Message) -> list[Any]:
    calls, call = message.get("tool_calls"), message.get("function_call")
    return [_call(call) for call in calls or (call,) if isinstance(call, dict)] if calls or call is not None else []


def _call(call: dict[str, Any]) -> list[Any]:
    function = call.get("function")
    written = function if isinstance(function, dict) else call
    arguments = written.get("arguments")
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError, RecursionError):  # what is no JSON is compared as text
            arguments = json.loads(arguments)
    return [written.get("name"), arguments or {}]
