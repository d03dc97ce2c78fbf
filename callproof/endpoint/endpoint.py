"""The one thin, timed client of an OpenAI-compatible endpoint, shared by replay and bench.

`chat` and `stream` make one attempt and never raise for what comes back: they return a `Reply`, which says whether
another attempt may help (after transport errors, 429, 5xx and failures that the server reports in the body).

Times are those of `vllm bench serve`: the clock starts just before the request is written, and each SSE event with a
choice in it (the role chunk too) is a chunk.
"""

import asyncio
import contextlib
import email.utils
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic_core import to_json
from yarl import URL

from callproof.calls import Completion, NoCompletion, StreamedCompletion, load_json, may_succeed_later
from callproof.config import EvalConfig
from callproof.console import say_once
from callproof.errors import UserError
from callproof.scoring import Answer

from .address import API_KEY_VARIABLES, api_key_from, authorization_of, root_of
from .optional_keys import TOKEN_IDS, loss_of, refused_keys, without_keys
from .reply import Failure, Reply
from .wire import MAX_BODY, Oversized, Redirected, Wire, no_response

if TYPE_CHECKING:  # slow to import, and needed only where something is asked
    import aiohttp

MAX_PAUSE_S = 30.0
PROBE_TIMEOUT_S = 10.0
_JSON = {"Content-Type": "application/json"}

_Chunk = tuple[float, str, int]  # when it came, what it added to the text, and whether it carried a piece (1 or 0)
_Reader = Callable[["aiohttp.ClientResponse", list[_Chunk]], Awaitable[Completion]]


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
        timeout_s: as given.
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
        self.root, self.timeout_s = root_of(base_url), timeout_s
        self._url = URL(f"{self.root}/v1/chat/completions")
        self._key = api_key or api_key_from()
        self.authorization = authorization_of(base_url, self._key)
        self._wire = Wire(self.root, timeout_s, self.authorization, max_body)
        self._slots = asyncio.Semaphore(limit)
        self.warnings: list[str] = []
        self._refused: set[str] = set()

    @classmethod
    def of(cls, base_url: str, settings: EvalConfig, limit: int | None = None) -> Self:
        """The endpoint at a URL with the key, timeout and limits of a configuration's `eval` section.

        Args:
            limit: requests in flight; default: `settings.concurrency`.

        Raises:
            UserError: as the class does, or the variable that `settings.api_key_env` names is not set.
        """
        return cls(
            base_url,
            api_key=api_key_from(settings.api_key_env),
            timeout_s=settings.timeout_s,
            limit=settings.concurrency if limit is None else limit,
            max_body=settings.max_body,
        )

    async def __aenter__(self) -> Self:
        await self._wire.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._wire.__aexit__(kind, error, trace)

    async def models(self) -> list[dict[str, Any]]:
        """The model cards of GET /v1/models; none, which is said, where the server does not list its models.

        Raises:
            UserError: nothing listens there, the key is refused, or the endpoint is not OpenAI-compatible.
        """
        url = f"{self.root}/v1/models"
        status, body = await self.ask("/v1/models")
        if status in (401, 403):
            mend = f"set {API_KEY_VARIABLES[0]}, or the variable that `eval.api_key_env` names"
            raise UserError(url, f"the endpoint refuses the API key (HTTP {status})", mend)
        cards = _cards(body) if status == 200 else []
        if cards is None:
            problem = f"is no OpenAI-compatible endpoint (HTTP {status}: {self.safe(_excerpt(body))})"
            raise UserError(url, problem, "correct --endpoint")
        if not cards:
            self.warn(f"{url} lists no models (HTTP {status}), so names are taken as they are given")
        return cards

    def warn(self, warning: str) -> None:
        """Say a warning, and keep it, once."""
        if warning not in self.warnings:
            self.warnings.append(warning)
            say_once(f"warning: {warning}")

    async def ask(
        self,
        path: str,
        payload: dict[str, Any] | None = None,
        timeout_s: float = PROBE_TIMEOUT_S,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of the answer to GET `path`, or to POST where there is a payload.

        Raises:
            UserError: nothing answers there.
        """
        from aiohttp import ClientTimeout

        method, url = "GET" if payload is None else "POST", self.root + path
        timeout = ClientTimeout(total=timeout_s)
        try:
            options = {"json": payload, "timeout": timeout, "headers": headers}
            async with await self._wire.send(method, url, **options) as response:
                return response.status, await self._wire.read(response)
        except (Oversized, Redirected) as error:
            raise UserError(url, str(error), "correct --endpoint") from None
        except no_response() as error:
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
        except (Failure, NoCompletion) as error:
            raise NoAnswer(f"{self.root}{path}: {self.safe(str(error))}") from None
        except no_response() as error:
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
        return await self.written(await self._ask(payload, self._read_whole), payload["model"])

    async def stream(self, payload: dict[str, Any]) -> Reply:
        """The same over server-sent events; `payload` says `"stream": true` (see `request`)."""
        return await self.written(await self.stream_only(payload), payload["model"])

    async def stream_only(self, payload: dict[str, Any]) -> Reply:
        """`stream` without the text of token ids: nothing but the stream itself is asked for."""
        return await self._ask(payload, self._read_events)

    async def written(self, reply: Reply, model: str) -> Reply:
        """The reply with the text of the answer's tokens, where it has them; one that failed if that cannot be had."""
        if reply.tokens is None:
            return reply
        try:
            text = await self.text_of(reply.tokens, model)
        except NoAnswer as error:
            answer = Answer(error=self.safe(str(error)), latency_s=reply.answer.latency_s)
            return replace(reply, answer=answer, status=None, again=True, tokens=None)
        answer = reply.answer.model_copy(update={"text": text, "thinking": ""})
        return replace(reply, answer=answer, tokens=None, from_tokens=True)

    async def _ask(self, payload: dict[str, Any], read: "_Reader") -> Reply:
        chunks: list[_Chunk] = []
        called = time.perf_counter()
        again, pause_s, tokens = False, 0.0, None
        async with self._slots:
            sent = time.perf_counter()
            try:
                while True:
                    known = self.known(payload)
                    try:
                        status, completion = await self._post(known, read, chunks)
                        break
                    except Failure as failure:
                        if not self.learns(known, failure.status, str(failure)):
                            raise
                    sent = time.perf_counter()
                finished = time.perf_counter()
                tokens = completion.tokens if TOKEN_IDS in known else None
                answer = Answer.of(completion, finished - sent)
            except Failure as failure:
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
            tokens=tokens,
        )

    def leave_out(self, key: str, loss: bool = True) -> None:
        """Send no request with this key from now on; where there is a `loss`, it is said once."""
        self._refused.add(key)
        if loss:
            self.warn(loss_of(self.root, key))

    @property
    def left_out(self) -> tuple[str, ...]:
        """The keys that are left out, in the order of the alphabet."""
        return tuple(sorted(self._refused))

    def known(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload without the keys that the server refuses."""
        return without_keys(payload, self._refused) if self._refused else payload

    def learns(self, payload: dict[str, Any], status: int | None, message: str) -> bool:
        """Whether an error of the server refuses keys that a request can do without; `known` then leaves them out.

        What is lost by that is said once.
        """
        refused = refused_keys(payload, status, message)
        for key in sorted(refused):
            self.leave_out(key)
        return bool(refused)

    async def as_written(self, completion: Completion, payload: dict[str, Any]) -> Completion:
        """The completion itself, or a new one with the text of its tokens, where the request asks for them.

        Raises:
            NoAnswer: the server tells the tokens, and does not give their text.
        """
        if TOKEN_IDS not in payload or completion.tokens is None:
            return completion
        return replace(completion, text=await self.text_of(completion.tokens, payload["model"]), thinking="")

    async def _post(self, payload: dict[str, Any], read: "_Reader", chunks: "list[_Chunk]") -> tuple[int, Completion]:
        status = None
        try:
            async with await self._send(self._url, payload) as response:
                status = response.status
                if status != 200:
                    raise await self._refusal(response)
                return status, await read(response, chunks)
        except NoCompletion as error:
            raise Failure(str(error), error.status or status, error.again) from None
        except (Oversized, Redirected) as error:
            raise Failure(str(error), status, again=False) from None
        except no_response() as error:
            raise Failure(_cause(error), status, again=True) from None

    async def _send(self, url: URL | str, payload: dict[str, Any]) -> "aiohttp.ClientResponse":
        return await self._wire.send("POST", url, data=to_json(payload), headers=_JSON)

    async def _read_whole(self, response: "aiohttp.ClientResponse", _: "list[_Chunk]") -> Completion:
        return Completion.of_body(await self._wire.read(response))

    async def _read_events(self, response: "aiohttp.ClientResponse", chunks: "list[_Chunk]") -> Completion:
        streamed = StreamedCompletion()
        async for data in _events(self._wire.pieces(response)):
            moment, before = time.perf_counter(), streamed.pieces
            if streamed.add(data):
                chunks.append((moment, streamed.texts[-1], streamed.pieces - before))
        return streamed.completion()

    async def _refusal(self, response: "aiohttp.ClientResponse") -> Failure:
        body, status = await self._wire.read(response), response.status
        again = may_succeed_later(status)
        return Failure(f"HTTP {status}: {_excerpt(body)}", status, again, _retry_after(response.headers))

    def safe(self, text: str) -> str:
        """The words of a server with the API key masked: some servers echo the request."""
        for secret in filter(None, (self._key, self.authorization)):
            text = text.replace(secret, "***")
        return text


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


def _cards(body: bytes) -> list[dict[str, Any]] | None:
    """The cards in the body of /v1/models, in `data` or bare; None if it holds no list of them."""
    with contextlib.suppress(NoCompletion, LookupError, TypeError, AttributeError):
        value = load_json(body)
        cards = (value if isinstance(value, list) else value["data"]) or []
        if all(isinstance(card.get("id"), str) for card in cards):
            return list(cards)
    return None


def _excerpt(body: bytes) -> str:
    return " ".join(body[:400].decode("utf-8", "replace").split()) or "empty body"
