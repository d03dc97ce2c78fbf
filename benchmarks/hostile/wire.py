"""Chat completions over the wire: bodies and streams, spoiled, cut into pieces or late, in memory and over HTTP."""

import asyncio
import json
import socket
import time
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

from raw_server import server

from callproof.calls import Completion, NoCompletion, StreamedCompletion
from callproof.endpoint import Endpoint

from .trial import CHARACTERS, MARKS, Trial, dumped, json_value, plain_text, spoiled_text, spoiled_value

OVER_HTTP = 0.02
"""Share of trials that go over a socket; the others are read in memory."""
HEADS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
    b"HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\n",
    b"HTTP/1.1 500 Oh\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/9.9 200 OK\r\n",
    b"\x16\x03\x01",
    b"",
)
PAYLOAD = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
TIMEOUT_S = 0.5


def trial(rng: Random) -> Trial:
    """One answer of a server."""
    done = Trial()
    message = _message(rng)
    body = _body(message, rng.choice(("stop", "length", "tool_calls", None)))
    events = _events(rng, body)
    if rng.random() < OVER_HTTP:
        _over_http(done, rng, body, events)
    elif rng.random() < 0.4:
        whole = done.run(body, lambda: Completion.of_body(json.dumps(body).encode()))
        streamed = done.run(events, lambda: _streamed(events))
        done.expect(whole is None or _bare(whole) == _bare(streamed), "streamed, it is another answer", (body, events))
    else:
        text = spoiled_text(rng, dumped(rng, spoiled_value(rng, body)), (*MARKS, *CHARACTERS)).encode(errors="replace")
        done.run(text, lambda: Completion.of_body(text), NoCompletion)
        spoiled = [dumped(rng, spoiled_value(rng, json.loads(event))).encode() for event in events]
        rng.shuffle(spoiled)
        done.run(spoiled, lambda: _streamed(spoiled), NoCompletion)
    return done


def _message(rng: Random) -> dict[str, Any]:
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": dumped(rng, json_value(rng))}}
        for n in range(rng.choice((0, 0, 1, 2)))
    ]
    text = plain_text(rng)
    return {"role": "assistant", "content": text} | ({"tool_calls": calls} if calls else {})


def _body(message: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": {"total_tokens": 3}}


def _events(rng: Random, body: dict[str, Any]) -> list[bytes]:
    """The body as the data of events, its texts cut anywhere."""
    choice, deltas = body["choices"][0], [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _pieces(rng, choice["message"]["content"])]
    for index, call in enumerate(choice["message"].get("tool_calls", ())):
        function = call["function"]
        deltas.append({"tool_calls": [{"index": index, **call, "function": {**function, "arguments": ""}}]})
        for piece in _pieces(rng, function["arguments"]):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"] or "stop"}]})
    chunks.append({"choices": [], "usage": body["usage"]})
    return [json.dumps(chunk).encode() for chunk in chunks]


def _pieces(rng: Random, text: str) -> list[str]:
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(4)))
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _streamed(events: list[bytes]) -> Completion:
    streamed = StreamedCompletion()
    for event in events:
        streamed.add(event)
    return streamed.completion()


def _bare(completion: Completion) -> Completion:
    """Without what a stream says in other words."""
    return replace(completion, finish_reason=None)


class _Play:
    """What the server writes next: pieces of bytes, an empty one for a pause that is too long."""

    pieces: tuple[bytes, ...] = ()

    def __call__(self, client: socket.socket, _: int) -> None:
        for piece in self.pieces:
            client.sendall(piece)
            time.sleep(0 if piece else 2 * TIMEOUT_S)


@cache
def _stage() -> tuple[_Play, str]:
    """A server for the whole process, and its URL."""
    play = _Play()
    _SERVERS.append(server(play))
    return play, _SERVERS[-1].__enter__()[0]


_SERVERS: list[Any] = []


def _over_http(done: Trial, rng: Random, body: dict[str, Any], events: list[bytes]) -> None:
    """The answer over a socket in pieces, whole or spoiled: an answer, or a reply with its error, in time."""
    play, url = _stage()
    stream, head = rng.random() < 0.5, HEADS[rng.choice((0, 1, rng.randrange(len(HEADS))))]
    content = (
        b"".join(b"data: %s\n\n" % event for event in [*events, b"[DONE]"]) if stream else json.dumps(body).encode()
    )
    sound = head in HEADS[:2] and rng.random() < 0.4
    if not sound:
        content = spoiled_text(rng, content.decode(), MARKS).encode(errors="replace") * rng.choice((1, 1, 300))
    length = len(content) + (0 if sound else rng.choice((0, 0, -1, 7, 10**12)))
    raw = head + rng.choice((b"Content-Length: %d\r\n" % length, b"Connection: close\r\n")) + b"\r\n" + content
    cuts = sorted(rng.randrange(len(raw) + 1) for _ in range(3))
    pieces = [raw[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True) if begin < end]
    late = not sound and rng.random() < 0.05
    play.pieces = (*pieces[:1], b"", *pieces[1:]) if late else tuple(pieces)
    timeout_s = 60.0 if sound else TIMEOUT_S
    reply = done.run(raw[:3000], lambda: asyncio.run(_asked(url, stream, timeout_s)))
    done.counts["over HTTP"] += 1
    if reply is not None and sound:
        done.expect(reply.answer.error is None, f"a sound answer fails: {reply.answer.error}", raw)
        done.expect(reply.answer.text == body["choices"][0]["message"]["content"], "another text", raw)


async def _asked(url: str, stream: bool, timeout_s: float) -> Any:
    async with Endpoint(url, timeout_s=timeout_s) as endpoint:
        return await (endpoint.stream(PAYLOAD | {"stream": True}) if stream else endpoint.chat(dict(PAYLOAD)))
