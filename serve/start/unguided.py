"""An ASGI middleware for vLLM's `--middleware`: requests that only a grammar could answer get HTTP 400 and a sentence.

vLLM's own backend for such a base (see guided.py) fails inside the engine, which clients see as HTTP 500, an error of
the server that many of them repeat. What this does not recognise still ends there.
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
LIMIT = 2**24
"""Bytes of a body that are looked at; a longer one is passed on."""
_FREE = (None, "none", "auto")
_TEXT = (None, "text")


def guided_keys(body: dict[str, Any]) -> Iterator[str]:
    """The settings of a request that demand a grammar, as `key` or `key: value`."""
    choice = body.get("tool_choice")
    if choice not in _FREE:
        yield f"tool_choice: {choice if isinstance(choice, str) else 'a named function'}"
    text = body.get("text")
    for key, form in (("response_format", body.get("response_format")), ("text.format", _get(text, "format"))):
        if _get(form, "type") not in _TEXT:
            yield f"{key}: {_get(form, 'type')}"
    if body.get("structured_outputs"):
        yield "structured_outputs"


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


class Unguided:
    """Wraps an ASGI application whose base no grammar can guide."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        messages = await _body(receive)
        if keys := list(guided_keys(_object(messages))):
            await _refuse(send, keys)
            return

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, again, send)


async def _body(receive: Receive) -> list[Message]:
    """The messages of a request, up to its end or LIMIT."""
    messages: list[Message] = []
    size, more = 0, True
    while more and size <= LIMIT:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
        more = messages[-1].get("more_body", False)
    return messages


def _object(messages: list[Message]) -> dict[str, Any]:
    """The JSON object of a body; empty where there is none: what is wrong with it is the application's to say."""
    try:
        value = json.loads(b"".join(message.get("body", b"") for message in messages))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


async def _refuse(send: Send, keys: list[str]) -> None:
    said = (
        f"{', '.join(keys)} cannot be had: a token of this base has no text of its own, so no grammar can guide it;"
        " ask with tool_choice auto, and check the answer against its schema"
    )
    error = {"message": said, "type": "BadRequestError", "param": keys[0].partition(":")[0], "code": 400}
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})
