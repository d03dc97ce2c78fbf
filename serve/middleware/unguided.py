"""Requests that only a grammar could answer get HTTP 400 and a sentence, for a base that no grammar can guide.

vLLM's own backend for such a base (see serve/start/guided.py) fails inside the engine, which clients see as HTTP 500,
an error of the server that many of them repeat. What this does not recognise still ends there.
"""

import json
from collections.abc import Iterator
from typing import Any

from .asgi import App, Message, Receive, Send, body_of, given_on, object_of

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
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
        messages = await body_of(receive)
        if keys := list(guided_keys(object_of(messages))):
            await _refuse(send, keys)
        else:
            await self._app(scope, given_on(messages, receive), send)


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
