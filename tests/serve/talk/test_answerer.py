"""Chat's client against servers that never end, send too much, or point elsewhere."""

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, Script
from other_servers import OtherServer
from raw_server import HEAD, bomb, endless, server

from callproof.calls import ToolCall, parse
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


def test_a_call_that_the_server_takes_out_of_the_stream_is_there_in_the_end() -> None:
    async def ask(url: str) -> str:
        config = RunConfig.model_validate({"name": "a", "data": {"domain": Path("d")}})
        answerer, said = Answerer(url, config), Said()
        async for _ in answerer.ask({**PAYLOAD, "return_token_ids": True}, said):
            assert said.text in ("", "Well. ")
        await answerer.close()
        assert said.problem is None
        return said.text

    with FakeEndpoint(Script("Well. ", raw="Well. <tool_call>{}</tool_call>")) as fake:
        assert asyncio.run(ask(fake.url)) == "Well. <tool_call>{}</tool_call>"


def test_calls_that_come_parsed_are_read_as_the_model_writes_them() -> None:
    call = '<tool_call>{"name": "get_weather", "arguments": {"city": "Bern"}}</tool_call>'
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]

    async def ask(url: str) -> tuple[str | None, str]:
        config = RunConfig.model_validate({"name": "a", "data": {"domain": Path("d")}})
        answerer, said = Answerer(url, config), Said("hermes")
        async for _ in answerer.ask({**PAYLOAD, "tools": tools, "seed": 0, "max_tokens": 9}, said):
            pass
        await answerer.close()
        return said.problem, said.text

    with OtherServer(lambda _: call, parses="always", refuses=["seed"]) as fake:
        problem, text = asyncio.run(ask(fake.url))
    assert (problem, parse(text)) == (None, [ToolCall(name="get_weather", arguments={"city": "Bern"})])


@pytest.mark.parametrize(("options", "channel"), [({}, "raw"), ({"none": "hides tools"}, "served")])
def test_chat_asks_over_the_channel_that_calls_come_over(options: Any, channel: str, tmp_path: Path) -> None:
    session = {
        "session_id": "s",
        "messages": [
            {"role": "user", "content": "Weather in Bern"},
            {"role": "assistant", "tool_calls": [{"name": "get_weather", "arguments": {"city": "Bern"}}]},
        ],
    }
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "eval.jsonl").write_text(json.dumps(session) + "\n")
    (tmp_path / "tools.json").write_text(json.dumps(tools))
    (tmp_path / "system_prompt.md").write_text("You tell the weather.\n")
    values = {"name": "a", "data": {"domain": tmp_path}, "serve": {"tool_call_parser": "hermes"}}
    config = RunConfig.model_validate(values)
    call = '<tool_call>{"name": "get_weather", "arguments": {"city": "Bern"}}</tool_call>'
    with OtherServer(lambda _: call, **options) as fake:
        assert asyncio.run(Answerer(fake.url, config).channel("tiny")) == channel
