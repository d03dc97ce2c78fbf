"""The ASGI protocol as far as the middlewares speak it: types, and a request's body taken out and given on."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LIMIT = 2**24
"""Bytes of a body that are looked at; of a longer one the rest is passed on unseen."""


async def body_of(receive: Receive) -> list[Message]:
    """The messages of a request, up to its end or LIMIT."""
    messages: list[Message] = []
    size, more = 0, True
    while more and size <= LIMIT:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
        more = messages[-1].get("more_body", False)
    return messages


def object_of(messages: list[Message]) -> dict[str, Any]:
    """The JSON object of a body; empty where there is none: what is wrong with it is the application's to say."""
    try:
        value = json.loads(b"".join(message.get("body", b"") for message in messages))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def given_on(messages: list[Message], receive: Receive) -> Receive:
    """A `receive` that gives `messages` first."""
    left = iter(messages)

    async def receive_again() -> Message:
        return next(left, None) or await receive()

    return receive_again
