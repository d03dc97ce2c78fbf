"""Streams a served model's answers through the openai package, the client that most of its users have."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from callproof.calls import (
    Completion,
    NoCompletion,
    StreamedCompletion,
    ToolCall,
    parse_served,
    render,
    writable,
)
from callproof.config import RunConfig
from callproof.console import say
from callproof.endpoint import BEYOND_OPENAI, Endpoint, NoAnswer, channel_words, choose_channel, probe
from callproof.errors import UserError
from callproof.scoring import Channel
from callproof.turns import eval_turns, readable_format

if TYPE_CHECKING:
    from openai import AsyncOpenAI

UNKNOWN_TO_OPENAI = (*BEYOND_OPENAI, "chat_template_kwargs")
"""Keys of a request that vLLM takes and the openai package does not know."""


class Said:
    """What a model has said so far. It is kept when the request breaks off.

    Args:
        format: of `callproof.calls.formats`, in which calls that come parsed are written.

    Attributes:
        problem: why the answer is incomplete; None if it is not.
    """

    def __init__(self, format: str = "hermes") -> None:
        self._format = format
        self._streamed = StreamedCompletion()
        self._finish_reason: str | None = None
        self._raw: str | None = None
        self.problem: str | None = None

    @property
    def text(self) -> str:
        """What was streamed; after the end, the text of the answer's tokens where the server tells them."""
        return writable("".join(self._streamed.texts) if self._raw is None else self._raw)

    @property
    def finish_reason(self) -> str | None:
        """The server's finish reason; `length` for an answer that broke off."""
        return self._finish_reason or "length"

    def add(self, event: Any) -> bool:
        """Take the next event; returns whether it carried a choice. Raises NoCompletion."""
        return self._streamed.add_value(event)

    def end(self) -> Completion:
        """Check the answer after its last event; calls that came parsed are added to the text.

        Raises:
            NoCompletion: the stream broke off, or a parsed call cannot be read.
        """
        completion = self._streamed.completion()
        self._finish_reason = completion.finish_reason
        if completion.tool_calls and completion.tokens is None:
            answer = parse_served(completion.tool_calls, "", completion.finish_reason, self._format)
            calls = [call for call in answer.calls if isinstance(call, ToolCall)]
            if len(calls) < len(answer.calls):
                raise NoCompletion(f"the server parsed a call that cannot be read: {completion.tool_calls[-1]}")
            self.replace("\n".join(filter(None, (completion.text, render(calls, self._format)))))
        return completion

    def replace(self, text: str) -> None:
        """Take the raw text in place of what was streamed."""
        self._raw = text


class Answerer:
    """An endpoint and its client, which does not retry and ignores proxies; the key comes from the environment.

    Raises:
        UserError: `url` is no http URL, or the key is not usable.
    """

    def __init__(self, url: str, config: RunConfig) -> None:
        self._url, self._config, self._settings = url, config, config.eval
        self._timeout_s, self._max_body = config.eval.timeout_s, config.eval.max_body
        self._endpoint = self._connect()
        self._client: AsyncOpenAI | None = None

    @property
    def root(self) -> str:
        return self._endpoint.root

    def _connect(self) -> Endpoint:
        return Endpoint.of(self._url, self._settings)

    async def close(self) -> None:
        """Close the client's connections, if any were opened."""
        if self._client:
            await self._client.close()

    async def models(self) -> list[str]:
        """The served names; raises a UserError as `Endpoint.models` does."""
        async with self._connect() as endpoint:
            return [card["id"] for card in await endpoint.models()]

    async def channel(self, model: str) -> Channel:
        """Over which channel calls come: raw, unless a few requests show that the server gives no raw text.

        vLLM gives it, and so does `callproof train endpoint`: they are not asked, nor is a server where there are no
        eval turns to ask it.

        Raises:
            UserError: it can give neither, or not the one of the configuration.
        """
        settings, turns = self._settings, []
        with contextlib.suppress(UserError):
            turns = eval_turns(self._config)
        async with self._connect() as endpoint:
            cards = await endpoint.models()
            if not turns or any(card.get("owned_by") in ("vllm", "callproof") for card in cards):
                return "served" if settings.channel == "served" else "raw"
            sampling = {"max_tokens": settings.max_tokens, "temperature": settings.temperature}
            server = await probe(endpoint, {model: turns}, readable_format(self._config), **sampling)
        chosen = choose_channel([server], settings.channel)
        for key in server.left_out:
            self._endpoint.leave_out(key)
        for line in channel_words([server], chosen):
            say(line)
        return "raw" if chosen == "both" else chosen

    async def ask(self, payload: dict[str, Any], said: Said) -> AsyncIterator[None]:
        """Send a request and add the answer to `said`; yields after each piece. An error is kept in `said.problem`."""
        from openai import APIError, OpenAIError

        try:
            async with asyncio.timeout(self._timeout_s), contextlib.aclosing(self._events(payload)) as events:
                async for event in events:
                    if said.add(event):
                        yield
            await self._end(said, payload["model"])
        except TimeoutError:
            said.problem = f"the answer had not ended after {self._timeout_s:g} s (eval.timeout_s)"
        except (NoCompletion, NoAnswer, OpenAIError, ValueError) as error:
            cause = error.__cause__ if isinstance(error, APIError) else None
            problem = " ".join(f"{error} {cause or ''}".split())[:400]
            said.problem = self._endpoint.safe(problem)

    async def _end(self, said: Said, model: str) -> None:
        """Where the server tells token ids, take their text: its parsers may take calls out of what they stream."""
        tokens = said.end().tokens
        if tokens is not None:
            async with self._connect() as endpoint:
                said.replace(await endpoint.text_of(tokens, model))

    async def _events(self, payload: dict[str, Any]) -> AsyncGenerator[Any, None]:
        from openai import BaseModel

        async with await self._begin(payload) as chunks:
            async for chunk in chunks:
                yield chunk.to_dict(mode="json", warnings=False) if isinstance(chunk, BaseModel) else chunk

    async def _begin(self, payload: dict[str, Any]) -> Any:
        """The stream of an answer; keys that the server refuses are left out from then on."""
        from openai import APIStatusError, Omit

        headers = {"Authorization": self._endpoint.authorization or Omit()}
        while True:
            sent = self._endpoint.known(payload)
            known = {key: value for key, value in sent.items() if key not in UNKNOWN_TO_OPENAI}
            beyond = {key: sent[key] for key in UNKNOWN_TO_OPENAI if key in sent}
            try:
                return await self._open().chat.completions.create(**known, extra_body=beyond, extra_headers=headers)
            except APIStatusError as error:
                if not self._endpoint.learns(sent, error.status_code, str(error)):
                    raise

    def _open(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        from .bounded import BoundedTransport

        if self._client is None:
            self._client = AsyncOpenAI(
                base_url=f"{self.root}/v1",
                api_key="replaced by the header of each request",
                max_retries=0,
                timeout=self._timeout_s,
                http_client=DefaultAsyncHttpxClient(
                    transport=BoundedTransport(self._max_body),
                    headers={"Accept-Encoding": "identity"},
                    trust_env=False,
                    follow_redirects=False,
                    timeout=self._timeout_s,
                ),
            )
        return self._client
