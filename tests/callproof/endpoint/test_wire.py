"""Servers that hang up, redirect, never end or send too much, over real sockets."""

import asyncio
import json
import socket
import time
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, Script
from raw_server import EVENTS, HEAD, bomb, endless, server

from callproof.endpoint import Endpoint, Reply
from callproof.errors import UserError

PAYLOAD = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def chunked(client: socket.socket, _: int) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\nKeep-Alive: timeout=5, max=100\r\n\r\n"
    client.sendall(head + b"%x\r\n" % len(EVENTS) + EVENTS + b"\r\n0\r\n\r\n")
    time.sleep(0.01)


def ask(url: str, times: int = 1, **options: Any) -> list[Reply]:
    async def all_of_them() -> list[Reply]:
        async with Endpoint(url, **options) as endpoint:
            return [await endpoint.stream(PAYLOAD) for _ in range(times)]

    return asyncio.run(all_of_them())


def test_a_server_that_closes_kept_connections_costs_no_answer() -> None:
    with server(chunked) as (url, connections):
        replies = ask(url, 40)
    assert [reply.answer.error for reply in replies] == [None] * 40
    assert len(connections) == 40


def test_a_server_that_closes_without_an_answer_is_asked_once() -> None:
    with server(lambda *_: None) as (url, connections):
        [reply] = ask(url)
    assert "ServerDisconnected" in (reply.answer.error or "")
    assert len(connections) == 1


@pytest.mark.parametrize("body", [endless, bomb])
def test_a_body_over_the_limit_is_no_answer_and_is_not_asked_for_again(body: Any) -> None:
    with server(body) as (url, _):
        [reply] = ask(url, max_body=2**20)
    assert reply.answer.error == "the answer is longer than 1 MiB (eval.max_answer_mib)"
    assert not reply.again


def test_a_stream_that_never_ends_ends_at_the_timeout_as_a_whole() -> None:
    def dripping(client: socket.socket, _: int) -> None:
        client.sendall(HEAD + b"Connection: close\r\n\r\n")
        while True:
            client.sendall(b"data: {}\n\n"[:2])
            time.sleep(0.05)

    with server(dripping) as (url, _):
        began = time.monotonic()
        [reply] = ask(url, timeout_s=0.5)
    assert reply.answer.error == "timed out"
    assert time.monotonic() - began < 5


def test_a_conversation_is_not_sent_where_an_answer_points() -> None:
    with FakeEndpoint() as other:
        place = {"Location": other.url.replace("//", "//user:secret@") + "/v1/chat/completions"}
        with FakeEndpoint(faults=[Script(status=307, headers=place, body=b"")]) as fake:
            [reply] = ask(fake.url)
        assert reply.answer.error == f"HTTP 307 redirects to {other.url[7:]}, which is not asked"
        assert not reply.again
        assert other.requests == []


def test_a_list_of_models_elsewhere_is_refused_with_the_host() -> None:
    def elsewhere(client: socket.socket, _: int) -> None:
        client.sendall(b"HTTP/1.1 302 Found\r\nLocation: https://login.example/x?key=1\r\nContent-Length: 0\r\n\r\n")

    async def models(url: str) -> None:
        async with Endpoint(url) as endpoint:
            await endpoint.models()

    with (
        server(elsewhere) as (url, _),
        pytest.raises(UserError, match=r"redirects to login\.example, which is not asked"),
    ):
        asyncio.run(models(url))


def test_an_event_over_many_pieces_is_one_event() -> None:
    def slowly(client: socket.socket, _: int) -> None:
        client.sendall(HEAD + b"Connection: close\r\n\r\n")
        for at in range(0, len(EVENTS), 7):
            client.sendall(EVENTS[at : at + 7])
            time.sleep(0.001)

    with server(slowly) as (url, _):
        [reply] = ask(url)
    assert reply.answer.text == "hello"


def test_proxies_of_the_environment_are_used_for_other_machines_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def proxy(client: socket.socket, _: int) -> None:
        seen.append("asked")
        body = json.dumps({"data": [{"id": "tiny"}]}).encode()
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async def models(url: str) -> list[dict[str, Any]]:
        async with Endpoint(url) as endpoint:
            return await endpoint.models()

    with server(proxy) as (url, _), FakeEndpoint(models=["own"]) as fake:
        monkeypatch.setenv("http_proxy", url)
        assert [card["id"] for card in asyncio.run(models("http://far.example:8000"))] == ["tiny"]
        assert [card["id"] for card in asyncio.run(models(fake.url))] == ["own"]
    assert seen == ["asked"]
