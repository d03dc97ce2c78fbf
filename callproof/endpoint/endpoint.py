"""The one thin, timed client of an OpenAI-compatible endpoint, shared by replay and bench.

`chat` and `stream` make one attempt and never raise for what comes back: they return a `Reply`, which says whether
another attempt may help (after transport errors, 429, 5xx and failures that the server reports in the body).

Times are those of `vllm bench serve`: the clock starts just before the request is written, and each SSE event with a
choice in it (the role chunk too) is a chunk.
"""

import asyncio
import contextlib
import difflib
import email.utils
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import aiohttp
from pydantic_core import to_json
from yarl import URL

from callproof.calls import Completion, NoCompletion, StreamedCompletion, load_json, may_succeed_later
from callproof.console import say_once
from callproof.errors import UserError
from callproof.scoring import Answer

from .address import API_KEY_VARIABLES, api_key_from, authorization_of, root_of
from .chat_request import KEEP_TAGS, TOKEN_IDS, refused_keys, without_keep_tags
from .wire import MAX_BODY, Oversized, Redirected, Wire

MAX_PAUSE_S = 30.0
_JSON = {"Content-Type": "application/json"}
PROBE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of one attempt; times are `time.perf_counter()` seconds.

    `chunk_times` and `chunk_texts` (what each chunk added to the text) are empty unless streamed. `finished` is when
    the whole body had been read, usage chunk and `[DONE]` included; the end-to-end latency of `vllm bench serve` ends
    at `chunk_times[-1]`. `again`: there is no answer, but another attempt may bring one, after the `pause_s` seconds
    that the server asked for. `pieces`: how many chunks carried a piece of the answer; those that only give the role or
    the finish reason do not; `first_piece`: the number of the first that did, from 0. `waited_s`: how long the request
    waited in this process for a free slot, before `sent`. `from_tokens`: the text is that of the token ids, not what
    the server's parsers left of it.
    """

    answer: Answer
    status: int | None
    sent: float
    chunk_times: tuple[float, ...]
    finished: float
    again: bool = False
    pause_s: float = 0.0
    chunk_texts: tuple[str, ...] = ()
    pieces: int = 0
    first_piece: int | None = None
    waited_s: float = 0.0
    from_tokens: bool = False


class _Failure(Exception):
    """One attempt that brought no answer; fields as in `Reply`."""

    def __init__(self, message: str, status: int | None, again: bool, pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.again, self.pause_s = status, again, pause_s


class NoAnswer(Exception):
    """Why a request for something other than a chat completion failed."""


class Endpoint:
    """An asynchronous context manager over one shared session.

    Args:
        base_url: `http://host:port`, with or without `/v1`; a user and password in it are sent in place of a key.
        api_key: default: see `api_key_from`. It is sent, and never written or shown.
        timeout_s: of one attempt, in seconds, from sending to the last byte.
        limit: requests in flight; further ones wait before their clock starts.
        max_body: bytes of an answer, decompressed; a longer one is no answer.

    Attributes:
        root: the URL without `/v1` and credentials.
        authorization: the header's value, or None; a secret.
        warnings: what the server does not take, a line each; such a key is left out from then on.

    Raises:
        UserError: `base_url` is no http or https URL, or the key cannot be sent.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        limit: int = 256,
        max_body: int = MAX_BODY,
    ) -> None:
        self.root = root_of(base_url)
        self._url = URL(f"{self.root}/v1/chat/completions")
        self._key = api_key or api_key_from()
        self.authorization = authorization_of(base_url, self._key)
        self._wire = Wire(self.root, timeout_s, self.authorization, max_body)
        self._slots = asyncio.Semaphore(limit)
        self.warnings: list[str] = []
        self._refused: set[str] = set()

    async def __aenter__(self) -> Self:
        await self._wire.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._wire.__aexit__(kind, error, trace)

    async def models(self) -> list[dict[str, Any]]:
        """The model cards of GET /v1/models.

        Raises:
            UserError: nothing listens there, the key is refused, or the endpoint is not OpenAI-compatible.
        """
        url = f"{self.root}/v1/models"
        status, body = await self.ask("/v1/models")
        if status in (401, 403):
            mend = f"set {API_KEY_VARIABLES[0]}, or the variable that `eval.api_key_env` names"
            raise UserError(url, f"the endpoint refuses the API key (HTTP {status})", mend)
        with contextlib.suppress(NoCompletion, LookupError, TypeError, AttributeError):
            cards = load_json(body)["data"]
            if status == 200 and all(isinstance(card.get("id"), str) for card in cards):
                return list(cards)
        problem = f"is no OpenAI-compatible endpoint (HTTP {status}: {self.safe(_excerpt(body))})"
        raise UserError(url, problem, "correct --endpoint")

    async def ask(
        self, path: str, payload: dict[str, Any] | None = None, timeout_s: float = PROBE_TIMEOUT_S
    ) -> tuple[int, bytes]:
        """Status and body of the answer to GET `path`, or to POST where there is a payload.

        Raises:
            UserError: nothing answers there.
        """
        method, url = "GET" if payload is None else "POST", self.root + path
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with await self._wire.send(method, url, json=payload, timeout=timeout) as response:
                return response.status, await self._wire.read(response)
        except (Oversized, Redirected) as error:
            raise UserError(url, str(error), "correct --endpoint") from None
        except (aiohttp.ClientError, OSError) as error:
            mend = "start it (callproof serve --config ...) or correct --endpoint"
            raise UserError(url, f"no endpoint answers ({_cause(error)})", mend) from None

    async def read(self, path: str) -> str:
        """The text at GET `path`; empty if the request fails."""
        with contextlib.suppress(UserError):
            status, body = await self.ask(path)
            return body.decode("utf-8", "replace") if status == 200 else ""
        return ""

    async def probe(self, path: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object at GET `path`, or at POST where there is a payload; empty if the request fails."""
        with contextlib.suppress(UserError, NoCompletion):
            status, body = await self.ask(path, payload)
            value = load_json(body)
            if status == 200 and isinstance(value, dict):
                return value
        return {}

    async def post(self, path: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The JSON object at POST `path`; counts as one of the requests in flight.

        Raises:
            NoAnswer: no answer, a status other than 200, or a body that is not a JSON object.
        """
        async with self._slots:
            return await self._object(path, payload)

    async def text_of(self, tokens: Sequence[int], model: str) -> str:
        """The text of token ids, special tokens included, by vLLM's POST /detokenize; raises NoAnswer."""
        if not tokens:
            return ""
        text = (await self._object("/detokenize", {"model": model, "tokens": tokens})).get("prompt")
        if not isinstance(text, str):
            raise NoAnswer(f"{self.root}/detokenize: the answer holds no text")
        return text

    async def _object(self, path: str, payload: dict[str, Any]) -> dict[str, Any]:
        try:
            async with await self._send(self.root + path, payload) as response:
                if response.status != 200:
                    raise await self._refusal(response)
                value = load_json(await self._wire.read(response))
        except (_Failure, NoCompletion) as error:
            raise NoAnswer(f"{self.root}{path}: {self.safe(str(error))}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"{self.root}{path}: {_cause(error)}") from None
        if not isinstance(value, dict):
            raise NoAnswer(f"{self.root}{path}: expected a JSON object, got {type(value).__name__}")
        return value

    async def version(self) -> str | None:
        """The version that the server gives at GET /version, as vLLM does; otherwise None."""
        version = (await self.probe("/version")).get("version")
        return None if version is None else str(version)

    async def chat(self, payload: dict[str, Any]) -> Reply:
        """POST /v1/chat/completions, read in one piece; a failed request is a reply with `answer.error`.

        Where the payload asks for token ids and the server tells them, their text is the answer's.
        """
        return await self._ask(payload, self._read_whole)

    async def stream(self, payload: dict[str, Any]) -> Reply:
        """The same over server-sent events; `payload` says `"stream": true` (see `request`)."""
        return await self._ask(payload, self._read_events)

    async def _ask(self, payload: dict[str, Any], read: "_Reader") -> Reply:
        chunks: list[_Chunk] = []
        called = time.perf_counter()
        again, pause_s, from_tokens = False, 0.0, False
        async with self._slots:
            sent = time.perf_counter()
            try:
                while True:
                    known = self.known(payload)
                    try:
                        status, completion = await self._post(known, read, chunks)
                        break
                    except _Failure as failure:
                        if not self.learns(known, failure.status, str(failure)):
                            raise
                    sent = time.perf_counter()
                finished = time.perf_counter()
                written = await self._written(completion, known)
                from_tokens = written is not completion
                answer = Answer.of(written, finished - sent)
            except _Failure as failure:
                finished = time.perf_counter()
                answer = Answer(text="", error=self.safe(str(failure)), latency_s=finished - sent)
                status, again, pause_s = failure.status, failure.again, failure.pause_s
        return Reply(
            answer,
            status,
            sent,
            chunk_times=tuple(moment for moment, _, _ in chunks),
            finished=finished,
            again=again,
            pause_s=pause_s,
            chunk_texts=tuple(text for _, text, _ in chunks),
            pieces=sum(piece for _, _, piece in chunks),
            first_piece=next((number for number, (_, _, piece) in enumerate(chunks) if piece), None),
            waited_s=sent - called,
            from_tokens=from_tokens,
        )

    def leave_out(self, key: str) -> None:
        """Send no request with this key from now on."""
        self._refused.add(key)

    def known(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload without the keys that the server refuses."""
        return {key: value for key, value in payload.items() if key not in self._refused} if self._refused else payload

    def learns(self, payload: dict[str, Any], status: int | None, message: str) -> bool:
        """Whether an error of the server refuses keys that only vLLM knows, `known` then leaves them out.

        What is lost by that is said once.
        """
        refused = refused_keys(payload, status, message)
        if KEEP_TAGS in refused - self._refused:
            self.warnings.append(without_keep_tags(self.root))
            say_once(f"warning: {self.warnings[0]}")
        self._refused |= refused
        return bool(refused)

    async def as_written(self, completion: Completion, payload: dict[str, Any]) -> Completion:
        """The completion itself, or a new one with the text of its tokens, where the request asks for them.

        Raises:
            NoAnswer: the server tells the tokens, and does not give their text.
        """
        if TOKEN_IDS not in payload or completion.tokens is None:
            return completion
        return replace(completion, text=await self.text_of(completion.tokens, payload["model"]), thinking="")

    async def _written(self, completion: Completion, payload: dict[str, Any]) -> Completion:
        try:
            return await self.as_written(completion, payload)
        except NoAnswer as error:
            raise _Failure(str(error), None, again=True) from None

    async def _post(self, payload: dict[str, Any], read: "_Reader", chunks: "list[_Chunk]") -> tuple[int, Completion]:
        status = None
        try:
            async with await self._send(self._url, payload) as response:
                status = response.status
                if status != 200:
                    raise await self._refusal(response)
                return status, await read(response, chunks)
        except NoCompletion as error:
            raise _Failure(str(error), error.status or status, error.again) from None
        except (Oversized, Redirected) as error:
            raise _Failure(str(error), status, again=False) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Failure(_cause(error), status, again=True) from None

    async def _send(self, url: URL | str, payload: dict[str, Any]) -> aiohttp.ClientResponse:
        return await self._wire.send("POST", url, data=to_json(payload), headers=_JSON)

    async def _read_whole(self, response: aiohttp.ClientResponse, _: "list[_Chunk]") -> Completion:
        return Completion.of_body(await self._wire.read(response))

    async def _read_events(self, response: aiohttp.ClientResponse, chunks: "list[_Chunk]") -> Completion:
        streamed = StreamedCompletion()
        async for data in _events(self._wire.pieces(response)):
            moment, before = time.perf_counter(), streamed.pieces
            if streamed.add(data):
                chunks.append((moment, streamed.texts[-1], streamed.pieces - before))
        return streamed.completion()

    async def _refusal(self, response: aiohttp.ClientResponse) -> _Failure:
        body, status = await self._wire.read(response), response.status
        again = may_succeed_later(status)
        return _Failure(f"HTTP {status}: {_excerpt(body)}", status, again, _retry_after(response.headers))

    def safe(self, text: str) -> str:
        """The words of a server with the API key masked: some servers echo the request."""
        for secret in filter(None, (self._key, self.authorization)):
            text = text.replace(secret, "***")
        return text


async def require_models(endpoint: Endpoint, names: Iterable[str]) -> None:
    """Raise a UserError unless the endpoint is up and serves every one of `names`."""
    served = [card["id"] for card in await endpoint.models()]
    for name in names:
        served_name(name, served, f"--model {name}", endpoint.root)


def served_name(name: str, served: Iterable[str], where: str, root: str) -> str:
    """Return `name`, one of the `served` models.

    Raises:
        UserError: it is not served; the error at `where` suggests the nearest name.
    """
    served = list(served)
    if name in served:
        return name
    near = difflib.get_close_matches(name, served, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise UserError(where, f"is not served at {root}", f"{meant}served there: {', '.join(served) or 'nothing'}")


_Chunk = tuple[float, str, int]  # when it came, what it added to the text, and whether it carried a piece (1 or 0)
_Reader = Callable[[aiohttp.ClientResponse, list[_Chunk]], Awaitable[Completion]]


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each server-sent event, as soon as its line is complete; OpenAI's streams use one line per event."""
    open_line: list[bytes] = []
    async for piece in pieces:
        first, *lines = piece.split(b"\n")
        open_line.append(first)
        if not lines:
            continue
        whole, open_line = b"".join(open_line), [lines.pop()]
        for line in (whole, *lines):
            if line.startswith(b"data:"):
                yield line[5:].strip()


def _retry_after(headers: Any) -> float:
    """Seconds to wait by the Retry-After header (a number or an HTTP date), at most MAX_PAUSE_S; 0 without one."""
    value = headers.get("Retry-After", "")
    with contextlib.suppress(ValueError):
        return min(max(0.0, float(value)), MAX_PAUSE_S)
    with contextlib.suppress(ValueError, TypeError):
        return min(max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time()), MAX_PAUSE_S)
    return 0.0


def _cause(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _excerpt(body: bytes) -> str:
    return " ".join(body[:400].decode("utf-8", "replace").split()) or "empty body"
