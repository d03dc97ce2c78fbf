"""The one thin, timed client of an OpenAI-compatible endpoint, shared by replay and bench.

An answer that is bad as an answer is data. Only what never became an answer is tried again: transport errors, 429,
5xx, and bodies that are no chat completion. Whatever happens, `chat` and `stream` return a `Reply`.

Times are those of `vllm bench serve`: the clock starts just before the request is written, and each SSE event with a
choice in it (the role chunk too) is a chunk.
"""

import asyncio
import contextlib
import email.utils
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from callproof.completions import Completion, NoCompletion, StreamedCompletion, load_json
from callproof.errors import UserError
from callproof.outcomes import Answer
from callproof.turns import Turn

API_KEY_VARIABLES = ("CALLPROOF_API_KEY", "VLLM_API_KEY", "OPENAI_API_KEY")
MAX_PAUSE_S = 30.0
KEEPALIVE_S = 4.0  # below the 5 s after which vLLM closes an idle connection
PROBE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of one request; times are `time.perf_counter()` seconds of the last attempt.

    `chunk_times` is empty unless streamed. `finished` is when the body had been read, the usage chunk and `[DONE]`
    included; end-to-end latency as `vllm bench serve` has it ends at `chunk_times[-1]`.
    """

    answer: Answer
    status: int | None
    attempts: int
    sent: float
    chunk_times: tuple[float, ...]
    finished: float


class _Failure(Exception):
    """One attempt that brought no answer."""

    def __init__(self, message: str, status: int | None = None, final: bool = False, pause: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.final, self.pause = status, final, pause


class Endpoint:
    """An asynchronous context manager over one shared session.

    Args:
        base_url: `http://host:port`, with or without `/v1`.
        api_key: default: the first of CALLPROOF_API_KEY, VLLM_API_KEY, OPENAI_API_KEY that is set.
        timeout_s: of one attempt, in seconds, from sending to the last byte.
        retries: attempts after the first.
        limit: requests in flight; further ones wait before their clock starts.

    Raises:
        UserError: `base_url` is no http or https URL.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        retries: int = 4,
        limit: int = 256,
    ) -> None:
        self.root = _root(base_url)
        self._key = api_key or next((key for name in API_KEY_VARIABLES if (key := os.environ.get(name))), None)
        self._timeout_s, self._retries = timeout_s, retries
        self._slots = asyncio.Semaphore(limit)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            headers={"Authorization": f"Bearer {self._key.strip()}"} if self._key else None,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.close()

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use `async with Endpoint(...)`")
        return self._session

    async def models(self) -> list[dict[str, Any]]:
        """The model cards of GET /v1/models.

        Raises:
            UserError: nothing answers there, the key is refused, or it is no OpenAI-compatible endpoint.
        """
        url = f"{self.root}/v1/models"
        try:
            async with self._open.get(url, timeout=aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, OSError) as error:
            mend = "start it (python -m serve --config ...) or correct --endpoint"
            raise UserError(url, f"no endpoint answers ({_cause(error)})", mend) from None
        if status in (401, 403):
            raise UserError(url, f"the endpoint refuses the API key (HTTP {status})", "set CALLPROOF_API_KEY")
        with contextlib.suppress(NoCompletion, LookupError, TypeError, AttributeError):
            cards = load_json(body)["data"]
            if status == 200 and all(isinstance(card.get("id"), str) for card in cards):
                return list(cards)
        problem = f"is no OpenAI-compatible endpoint (HTTP {status}: {_excerpt(body)})"
        raise UserError(url, problem, "correct --endpoint")

    async def version(self) -> str | None:
        """The server's version where it tells (vLLM's GET /version), otherwise None."""
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
        with contextlib.suppress(aiohttp.ClientError, OSError, NoCompletion, LookupError, TypeError):
            async with self._open.get(f"{self.root}/version", timeout=timeout) as response:
                return str(load_json(await response.read())["version"])

    async def chat(self, payload: dict[str, Any]) -> Reply:
        """POST /v1/chat/completions, read in one piece; a failed request is a reply with `answer.error`."""
        return await self._with_retries(payload, _read_whole)

    async def stream(self, payload: dict[str, Any]) -> Reply:
        """The same over server-sent events; `payload` says `"stream": true` (see `request`)."""
        return await self._with_retries(payload, _read_events)

    async def _with_retries(self, payload: dict[str, Any], read: "_Reader") -> Reply:
        for attempt in range(1, self._retries + 2):
            async with self._slots:
                reply, failure = await self._attempt(payload, read)
            reply = replace(reply, attempts=attempt)
            if failure is None or failure.final or attempt > self._retries:
                return reply
            await asyncio.sleep(max(failure.pause, _backoff(attempt)))
        raise AssertionError("retries < 0")

    async def _attempt(self, payload: dict[str, Any], read: "_Reader") -> tuple[Reply, _Failure | None]:
        chunk_times: list[float] = []
        sent = time.perf_counter()
        try:
            status, completion = await self._post(payload, read, chunk_times)
        except _Failure as failure:
            finished = time.perf_counter()
            answer = Answer(text="", error=str(failure), latency_s=finished - sent)
            return Reply(answer, failure.status, 1, sent, tuple(chunk_times), finished), failure
        finished = time.perf_counter()
        return Reply(_answer(completion, finished - sent), status, 1, sent, tuple(chunk_times), finished), None

    async def _post(self, payload: dict[str, Any], read: "_Reader", chunk_times: list[float]) -> tuple[int, Completion]:
        status = None
        try:
            async with self._open.post(f"{self.root}/v1/chat/completions", json=payload) as response:
                status = response.status
                if status != 200:
                    raise await _refusal(response)
                return status, await read(response, chunk_times)
        except NoCompletion as error:
            raise _Failure(str(error), error.status or status, final=error.final) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Failure(_cause(error), status) from None


def request(turn: Turn, model: str, *, max_tokens: int, temperature: float, stream: bool = False) -> dict[str, Any]:
    """The one wire payload of replay and bench, raw channel.

    The model is shown the turn's tools, and `tool_choice: "none"` makes vLLM hand its text back unparsed.
    """
    payload: dict[str, Any] = {
        "model": model,
        "messages": list(turn.messages),
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": 0,
    }
    if turn.tools:
        payload |= {"tools": list(turn.tools), "tool_choice": "none"}
    if stream:
        payload |= {"stream": True, "stream_options": {"include_usage": True}}
    return payload


async def require_models(endpoint: Endpoint, names: Iterable[str]) -> None:
    """Raise a UserError unless the endpoint is up and serves every one of `names`."""
    served = [card["id"] for card in await endpoint.models()]
    for name in names:
        if name not in served:
            mend = f"served there: {', '.join(served) or 'nothing'}"
            raise UserError(f"--model {name}", f"is not served at {endpoint.root}", mend)


_Reader = Callable[[aiohttp.ClientResponse, list[float]], Awaitable[Completion]]


async def _read_whole(response: aiohttp.ClientResponse, _: list[float]) -> Completion:
    return Completion.of_body(await response.read())


async def _read_events(response: aiohttp.ClientResponse, chunk_times: list[float]) -> Completion:
    streamed = StreamedCompletion()
    async for data in _events(response.content):
        if streamed.add(data):
            chunk_times.append(time.perf_counter())
    return streamed.completion()


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The data of each server-sent event, as soon as its line is complete (OpenAI's streams have one line an event)."""
    rest = b""
    async for piece in content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()


async def _refusal(response: aiohttp.ClientResponse) -> _Failure:
    body, status = await response.read(), response.status
    final = status < 500 and status != 429
    return _Failure(f"HTTP {status}: {_excerpt(body)}", status, final, _retry_after(response.headers))


def _answer(completion: Completion, latency_s: float) -> Answer:
    return Answer(
        text=completion.text,
        finish_reason=completion.finish_reason,
        usage=completion.usage,
        tool_calls=completion.tool_calls,
        latency_s=latency_s,
    )


def _root(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UserError(f"--endpoint {base_url}", "is no http URL", "write it as http://127.0.0.1:8000")
    return base_url.rstrip("/").removesuffix("/v1").rstrip("/")


def _retry_after(headers: Any) -> float:
    """Seconds that the server asks to wait (a number, or an HTTP date), at most MAX_PAUSE_S; 0 where it does not."""
    value = headers.get("Retry-After", "")
    with contextlib.suppress(ValueError):
        return min(max(float(value), 0.0), MAX_PAUSE_S)
    with contextlib.suppress(ValueError, TypeError):
        return min(max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0), MAX_PAUSE_S)
    return 0.0


def _backoff(attempt: int) -> float:
    return min(0.25 * 2**attempt, 8.0) * random.uniform(0.5, 1.0)


def _cause(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _excerpt(body: bytes) -> str:
    return " ".join(body[:400].decode("utf-8", "replace").split()) or "empty body"
