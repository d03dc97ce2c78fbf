"""Chat's client against servers that never end, send too much, or point elsewhere."""

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, Script
from raw_server import HEAD, bomb, endless, server

from callproof.config import RunConfig
from serve.talk.answerer import Answerer, Said

PAYLOAD = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def problem(url: str, **limits: Any) -> str:
    config = RunConfig.model_validate({"name": "a", "data": {"domain": Path("d")}, "eval": limits})

    async def ask() -> str:
        answerer, said = Answerer(url, config), Said()
        async for _ in answerer.ask(dict(PAYLOAD), said):
            pass
        await answerer.close()
        return said.problem or ""

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("body", "reason"), [(endless, "longer than eval.max_answer_mib"), (bomb, "compressed (gzip)")]
)
def test_an_answer_cannot_fill_the_memory(body: Any, reason: str) -> None:
    with server(body) as (url, _):
        assert reason in problem(url, max_answer_mib=1)


def test_an_answer_that_drips_ends_at_the_timeout_as_a_whole() -> None:
    def dripping(client: socket.socket, _: int) -> None:
        client.sendall(HEAD + b"Connection: close\r\n\r\n")
        while True:
            client.sendall(b'data: {"choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n')
            time.sleep(0.05)

    with server(dripping) as (url, _):
        began = time.monotonic()
        assert problem(url, timeout_s=1) == "the answer had not ended after 1 s (eval.timeout_s)"
    assert time.monotonic() - began < 10


def test_a_conversation_is_not_sent_where_an_answer_points() -> None:
    with FakeEndpoint() as other:
        place = {"Location": other.url + "/v1/chat/completions"}
        with FakeEndpoint(faults=[Script(status=307, headers=place, body=b"")]) as fake:
            assert problem(fake.url)
        assert other.requests == []
