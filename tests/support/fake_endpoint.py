"""A real OpenAI-compatible HTTP server on this machine whose answers, delays and faults a test scripts.

with FakeEndpoint(answer=lambda payload: "Hello.", models=["tiny"]) as fake:
    ...  # fake.url, fake.requests
"""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web


@dataclass(frozen=True)
class Script:
    """One answer, or one fault.

    `text` is streamed in `chunks` (default: one piece a word) and carried whole otherwise. Delays are in seconds:
    before the first byte, and before each chunk of text. Faults: `status` other than 200; `body` sent as it is;
    `drop` closes the connection without an answer; `drop_after` closes it after that many streamed chunks (or half of
    a whole body); `garbage` is sent in place of HTTP; `hang` never answers. Where token ids are asked for, they are the
    bytes of `raw` (default: the text) and, unless the answer was cut, one more that ends it, each with `logprob`; None:
    they are not told.
    """

    text: str = ""
    raw: str | None = None
    chunks: tuple[str, ...] | None = None
    finish_reason: str | None = "stop"
    tool_calls: tuple[dict[str, Any], ...] | None = None
    usage: dict[str, Any] | None = None
    logprob: float | None = -0.5
    first_delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    drop: bool = False
    drop_after: int | None = None
    garbage: bytes | None = None
    hang: bool = False

    @property
    def pieces(self) -> tuple[str, ...]:
        return self.chunks or tuple(re.findall(r"\S*\s*", self.text)[:-1]) or ("",)

    @property
    def counted(self) -> dict[str, Any]:
        tokens = len(self.pieces)
        return self.usage or {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}


def called(payload: dict[str, Any]) -> Script:
    """A call of the first tool without arguments, parsed unless `tool_choice` is none; without tools: a word."""
    tools = payload.get("tools")
    if not tools:
        return Script("No.")
    name = tools[0]["function"]["name"]
    if payload.get("tool_choice") == "none":
        return Script(f'<tool_call>\n{{"name": "{name}", "arguments": {{}}}}\n</tool_call>')
    call = {"id": "p", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return Script("", tool_calls=(call,), finish_reason="tool_calls")


class FakeEndpoint:
    """A context manager; the server runs in a thread of its own on a free port.

    Args:
        answer: payload -> text or Script; a text answers every request.
        models: ids of /v1/models; another model in a request gets 404, as vLLM says it.
        faults: scripts used up first, one a request, before `answer` is asked.
        api_key: where given, requests without it get 401.
        template: whether /tokenize puts the tools into the prompt, or a function from its payload to what it does put
            there; None: there is no /tokenize.
        tokenized: a body that /tokenize answers with in place of tokens.
        tokenize_delay_s: before /tokenize answers, seconds.
        version: what /version tells.
        probed: payload -> what requests of callproof's probe get, and nothing else; the default answers as a vLLM does:
            a call, as text or parsed as `tool_choice` says. None: they are answered as any other request is.

    Attributes:
        probes: the payloads of the probe, where `probed` answers them.
        requests: the others, in order of arrival; `arrivals`: when they came (`time.perf_counter()`).
        writes: number of a streamed request -> when each of its events with a choice was written.
    """

    def __init__(
        self,
        answer: Callable[[dict[str, Any]], str | Script] | str | Script = "Hello.",
        models: Iterable[str] = ("tiny",),
        faults: Iterable[Script] = (),
        api_key: str | None = None,
        template: Literal["with tools", "without tools"] | Callable[[dict[str, Any]], Any] | None = "with tools",
        tokenized: bytes | None = None,
        tokenize_delay_s: float = 0.0,
        version: str = "fake",
        probed: Callable[[dict[str, Any]], Script] | None = lambda payload: called(payload),
    ) -> None:
        self._answer, self._models, self._api_key = answer, list(models), api_key
        self._template, self._told_version, self._probed = template, version, probed
        self.probes: list[dict[str, Any]] = []
        self._tokenized, self._tokenize_delay_s = tokenized, tokenize_delay_s
        self._tokenizing = self.most_tokenizing = 0
        self._faults: Iterator[Script] = iter(list(faults))
        self.requests: list[dict[str, Any]] = []
        self.arrivals: list[float] = []
        self.writes: dict[int, list[float]] = {}
        self.authorizations: set[str | None] = set()
        self.in_flight = self.most_in_flight = 0
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=2**28, middlewares=[self._authorise])
        app.router.add_get("/health", self._health)
        app.router.add_get("/version", self._version)
        app.router.add_get("/v1/models", self._list_models)
        if self._template:
            app.router.add_post("/tokenize", self._tokenize)
            app.router.add_post("/detokenize", self._detokenize)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._add_routes(app)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()

    def _add_routes(self, app: web.Application) -> None:
        """For servers that do more; see fake_vllm.py."""

    async def _admit(self, payload: dict[str, Any]) -> Script | None:
        """The refusal of a request, if it is refused."""
        if payload.get("model") in self._models:
            return None
        message = f"The model `{payload.get('model')}` does not exist."
        error = {"error": {"message": message, "type": "NotFoundError", "param": "model", "code": 404}}
        return Script(status=404, body=json.dumps(error).encode())

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.authorizations.add(request.headers.get("Authorization"))
        if self._api_key and request.headers.get("Authorization") != f"Bearer {self._api_key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        return await handler(request)

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": self._told_version})

    async def _tokenize(self, request: web.Request) -> web.Response:
        payload = await request.json()
        self._tokenizing += 1
        self.most_tokenizing = max(self.most_tokenizing, self._tokenizing)
        await asyncio.sleep(self._tokenize_delay_s)
        self._tokenizing -= 1
        if self._tokenized is not None:
            return web.Response(body=self._tokenized, content_type="application/json")
        tokens = prompt_tokens(self._shown(payload))
        strings = [f"<{token:02x}>" for token in tokens] if payload.get("return_token_strs") else None
        return web.json_response({"tokens": tokens, "count": len(tokens), "token_strs": strings})

    def _shown(self, payload: dict[str, Any]) -> Any:
        if callable(self._template):
            return self._template(payload)
        shown = ("messages", "tools") if self._template == "with tools" else ("messages",)
        return {key: payload[key] for key in shown if key in payload}

    async def _detokenize(self, request: web.Request) -> web.Response:
        return web.json_response({"prompt": bytes((await request.json())["tokens"]).decode(errors="replace")})

    async def _list_models(self, _: web.Request) -> web.Response:
        cards = [{"id": name, "object": "model", "owned_by": "fake", "parent": None} for name in self._models]
        return web.json_response({"object": "list", "data": cards})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        payload = await request.json()
        if self._probed and request.headers.get("User-Agent") == "callproof-probe":
            self.probes.append(payload)
            return await self._play(
                request, {**payload, "number": -1}, await self._admit(payload) or self._probed(payload)
            )
        self.requests.append(payload)
        self.arrivals.append(time.perf_counter())
        payload = {**payload, "number": len(self.arrivals) - 1}
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._play(request, payload, await self._script(payload))
        finally:
            self.in_flight -= 1

    async def _script(self, payload: dict[str, Any]) -> Script:
        fault = next(self._faults, None) or await self._admit(payload)
        if fault is not None:
            return fault
        answer = self._answer(payload) if callable(self._answer) else self._answer
        return Script(text=answer) if isinstance(answer, str) else answer

    async def _play(self, request: web.Request, payload: dict[str, Any], script: Script) -> web.StreamResponse:
        if script.hang:
            await self._stop.wait()
        await asyncio.sleep(script.first_delay_s)
        if script.drop:
            return _drop(request)
        if script.garbage is not None:
            assert request.transport is not None
            request.transport.write(script.garbage)
            return _drop(request, flush=True)
        if script.body is not None or script.status != 200:
            return web.Response(status=script.status, headers=script.headers, body=script.body or b"{}")
        if payload.get("stream"):
            return await self._stream(request, payload, script)
        body = json.dumps(_completion(payload, script)).encode()
        if script.drop_after is None:
            return web.Response(body=body, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        return _drop(request)

    async def _stream(self, request: web.Request, payload: dict[str, Any], script: Script) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async for number, event in _events(payload, script):
            if number == script.drop_after:
                return _drop(request)
            if b'"delta"' in event:
                self.writes.setdefault(payload["number"], []).append(time.perf_counter())
            await response.write(b"data: " + event + b"\n\n")
        await response.write_eof()
        return response


def prompt_tokens(shown: Any) -> list[int]:
    """The tokens of a prompt that shows these messages and tools: the bytes of its JSON."""
    return list(json.dumps(shown, ensure_ascii=False).encode())


def _drop(request: web.Request, flush: bool = False) -> web.Response:
    assert request.transport is not None
    (request.transport.close if flush else request.transport.abort)()
    return web.Response()


def _message(script: Script) -> dict[str, Any]:
    calls = list(script.tool_calls) if script.tool_calls else None
    return {"role": "assistant", "content": script.text or "".join(script.chunks or ()), "tool_calls": calls}


def _tokens(script: Script) -> list[int]:
    """The bytes of what the model wrote, and one that ends it unless it was cut."""
    written = script.raw if script.raw is not None else script.text or "".join(script.chunks or ())
    return [*written.encode(errors="surrogatepass"), *([0] if script.finish_reason == "stop" else [])]


def _completion(payload: dict[str, Any], script: Script) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "message": _message(script), "finish_reason": script.finish_reason}
    if payload.get("return_token_ids") and script.logprob is not None:
        tokens = _tokens(script)
        content = [{"token": chr(token), "logprob": script.logprob} for token in tokens]
        choice |= {"token_ids": tokens, "logprobs": {"content": content}}
    head = {"id": "fake", "object": "chat.completion", "model": payload["model"]}
    return {**head, "choices": [choice], "usage": script.counted}


def _chunk(
    payload: dict[str, Any],
    delta: dict[str, Any],
    finish_reason: str | None = None,
    tokens: list[int] | None = None,
) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason} | ({"token_ids": tokens} if tokens else {})
    if payload.get("logprobs") and delta.get("content"):
        choice["logprobs"] = {"content": [{"token": delta["content"], "logprob": -0.5}]}
    head = {"id": "fake", "object": "chat.completion.chunk", "model": payload["model"]}
    return json.dumps({**head, "choices": [choice]}).encode()


async def _events(payload: dict[str, Any], script: Script) -> AsyncIterator[tuple[int, bytes]]:
    """(number, data) of each event in vLLM's order: role, text, tool calls, finish, usage, [DONE]."""
    yield 0, _chunk(payload, {"role": "assistant", "content": ""})
    number = 0
    for number, piece in enumerate(script.pieces, start=1):
        await asyncio.sleep(script.chunk_delay_s)
        last = number == len(script.pieces) and not script.tool_calls
        tokens = _tokens(script) if last and payload.get("return_token_ids") else None
        yield number, _chunk(payload, {"content": piece}, script.finish_reason if last else None, tokens)
    for index, call in enumerate(script.tool_calls or ()):
        delta = {"tool_calls": [{"index": index, **call}]}
        yield number + 1 + index, _chunk(payload, delta, script.finish_reason)
    if (payload.get("stream_options") or {}).get("include_usage"):
        yield number + 100, json.dumps({"choices": [], "usage": script.counted}).encode()
    yield number + 101, b"[DONE]"
