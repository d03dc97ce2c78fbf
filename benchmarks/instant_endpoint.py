"""An OpenAI-compatible endpoint that answers at once: every chat completion is the same bytes, nothing is parsed.

A streamed completion has CHUNKS events, PACE_S apart, so that a client that keeps up reads them one by one.

    python benchmarks/instant_endpoint.py        # prints its URL, and serves until stdin ends

It speaks HTTP/1.1 over a bare asyncio protocol, so that the client is what is measured.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MODEL = "tiny"
ANSWER = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bern", "days": 2}}\n</tool_call>'
_STREAMED = re.compile(rb'"stream":\s*true')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


def _response(value: Any, status: str = "200 OK") -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_CHOICE = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
_USAGE = {"prompt_tokens": 400, "completion_tokens": 30, "total_tokens": 430}
_COMPLETION = {"id": "x", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [_CHOICE]}
_ROUTES = {
    b"/v1/chat/completions": _response({**_COMPLETION, "usage": _USAGE}),
    b"/v1/models": _response({"object": "list", "data": [{"id": MODEL, "object": "model"}]}),
    b"/version": _response({"version": "instant"}),
}
CHUNKS, PACE_S = 64, 0.002


def _event(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-0123456789abcdef", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"


def _streamed(events: list[bytes]) -> list[bytes]:
    """What goes over the wire, piece by piece: head, events as HTTP chunks, end."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [head, *(b"%x\r\n%b\r\n" % (len(event), event) for event in events), b"0\r\n\r\n"]


_STREAM = _streamed(
    [
        _event({"role": "assistant", "content": ""}),
        *(_event({"content": f" word{number}"}) for number in range(CHUNKS - 2)),
        _event({"content": "."}, "stop"),
        b"data: " + json.dumps({"choices": [], "usage": _USAGE}).encode() + b"\n\n",
        b"data: [DONE]\n\n",
    ]
)
_NOT_FOUND = _response({"error": {"message": "not found"}}, "404 Not Found")


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < total:
                return
            path = bytes(self._received[: self._received.index(b"\r\n")].split(b" ")[1])
            streamed = bool(_STREAMED.search(self._received, end, total))
            del self._received[:total]
            self._write(iter(_STREAM if streamed else [_ROUTES.get(path, _NOT_FOUND)]))

    def _write(self, pieces: Iterator[bytes]) -> None:
        """One piece now, and the next a little later."""
        assert self._transport is not None
        if (piece := next(pieces, None)) is not None and not self._transport.is_closing():
            self._transport.write(piece)
            asyncio.get_running_loop().call_later(PACE_S, self._write, pieces)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextmanager
def instant_endpoint() -> Iterator[str]:
    """Run an endpoint in its own process for the block; gives its URL."""
    command = [sys.executable, str(Path(__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate()


if __name__ == "__main__":
    asyncio.run(_serve())
