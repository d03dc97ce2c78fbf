"""What only a grammar could answer is refused where no grammar can guide the base; all else is left as it is."""

import asyncio
import json
from typing import Any

import pytest

from serve.middleware import Unguided


async def asked(body: bytes, path: str = "/v1/chat/completions", pieces: int = 3) -> tuple[int, bytes]:
    """What an application that echoes its requests answers behind the middleware, as ASGI has it."""
    size = len(body) // pieces + 1
    parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    incoming = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def echo(_: dict[str, Any], receive: Any, send: Any) -> None:
        heard, more = b"", True
        while more:
            message = await receive()
            heard, more = heard + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": heard})

    await Unguided(echo)({"type": "http", "method": "POST", "path": path}, receive, send)
    return sent[0]["status"], sent[1]["body"]


NAMED = {"type": "function", "function": {"name": "search"}}


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"tool_choice": "required"}, "tool_choice: required"),
        ({"tool_choice": NAMED}, "tool_choice: a named function"),
        ({"response_format": {"type": "json_object"}}, "response_format: json_object"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format: json_schema"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format: json_schema"),
        ({"structured_outputs": {"regex": "a"}}, "structured_outputs"),
    ],
)
def test_what_only_a_grammar_could_answer_is_refused_with_the_key(body: dict[str, Any], key: str) -> None:
    status, answer = asyncio.run(asked(json.dumps({"messages": [], **body}).encode()))
    error = json.loads(answer)["error"]
    assert (status, error["code"], error["param"]) == (400, 400, key.partition(":")[0])
    assert error["message"].startswith(f"{key} cannot be had: ")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tool_choice": "auto", "parallel_tool_calls": False},
        {"tool_choice": "none", "response_format": {"type": "text"}},
        {"tool_choice": None, "response_format": None, "structured_outputs": None},
        {"messages": [{"role": "user", "content": '"tool_choice": "required"'}]},
    ],
)
def test_all_else_reaches_the_application_as_it_was_sent(body: dict[str, Any]) -> None:
    sent = json.dumps(body).encode()
    assert asyncio.run(asked(sent)) == (200, sent)


@pytest.mark.parametrize("sent", [b"", b"[1]", b"{", b'{"tool_choice": ', b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_for_the_application_to_refuse(sent: bytes) -> None:
    assert asyncio.run(asked(sent)) == (200, sent)


def test_other_paths_are_left_alone() -> None:
    sent = b'{"tool_choice": "required"}'
    assert asyncio.run(asked(sent, path="/tokenize")) == (200, sent)
