"""Streams a served model's answers through the openai package, the client that most of its users have."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from callproof.calls import NoCompletion, StreamedCompletion, writable
from callproof.config import RunConfig
from callproof.console import say_once
from callproof.endpoint import KEEP_TAGS, Endpoint, api_key_from, refuses_keep_tags, without_keep_tags

if TYPE_CHECKING:
    from openai import AsyncOpenAI

BEYOND_OPENAI = (KEEP_TAGS, "chat_template_kwargs")
"""Keys of a request that vLLM takes and the openai package does not know."""


class Said:
    """What a model has said so far. It is kept when the request breaks off.

    Attributes:
        problem: why the answer is incomplete; None if it is not.
    """

    def __init__(self) -> None:
        self._streamed = StreamedCompletion()
        self._finish_reason: str | None = None
        self.problem: str | None = None

    @property
    def text(self) -> str:
        return writable("".join(self._streamed.texts))

    @property
    def finish_reason(self) -> str | None:
        """The server's finish reason; `length` for an answer that broke off."""
        return self._finish_reason or "length"

    def add(self, event: Any) -> bool:
        """Take the next event; returns whether it carried a choice. Raises NoCompletion."""
        return self._streamed.add_value(event)

    def end(self) -> None:
        """Check the answer after its last event; raises NoCompletion if the stream broke off."""
        completion = self._streamed.completion()
        self._finish_reason = completion.finish_reason
        if completion.tool_calls:
            raise NoCompletion("the server parsed calls itself though tool_choice is 'none'; they are not read")


class Answerer:
    """An endpoint and its client, which does not retry and ignores proxies; the key comes from the environment.

    Raises:
        UserError: `url` is no http URL, or the key is not usable.
    """

    def __init__(self, url: str, config: RunConfig) -> None:
        self._timeout_s, self._max_body = config.eval.timeout_s, config.eval.max_body
        key = api_key_from(config.eval.api_key_env)
        self._endpoint = Endpoint(url, api_key=key, timeout_s=self._timeout_s, max_body=self._max_body)
        self._client: AsyncOpenAI | None = None
        self._refuses = False

    @property
    def root(self) -> str:
        return self._endpoint.root

    async def close(self) -> None:
        """Close the client's connections, if any were opened."""
        if self._client:
            await self._client.close()

    async def models(self) -> list[str]:
        """The served names; raises a UserError as `Endpoint.models` does."""
        async with self._endpoint as endpoint:
            return [card["id"] for card in await endpoint.models()]

    async def ask(self, payload: dict[str, Any], said: Said) -> AsyncIterator[None]:
        """Send a request and add the answer to `said`; yields after each piece. An error is kept in `said.problem`."""
        from openai import APIError, OpenAIError

        try:
            async with asyncio.timeout(self._timeout_s), contextlib.aclosing(self._events(payload)) as events:
                async for event in events:
                    if said.add(event):
                        yield
            said.end()
        except TimeoutError:
            said.problem = f"the answer had not ended after {self._timeout_s:g} s (eval.timeout_s)"
        except (NoCompletion, OpenAIError, ValueError) as error:
            cause = error.__cause__ if isinstance(error, APIError) else None
            problem = " ".join(f"{error} {cause or ''}".split())[:400]
            said.problem = self._endpoint.safe(problem)

    async def _events(self, payload: dict[str, Any]) -> AsyncGenerator[Any, None]:
        from openai import APIStatusError, BaseModel, Omit

        if self._refuses:
            payload = {key: value for key, value in payload.items() if key != KEEP_TAGS}
        headers = {"Authorization": self._endpoint.authorization or Omit()}
        beyond = {key: value for key, value in payload.items() if key in BEYOND_OPENAI}
        known = {key: value for key, value in payload.items() if key not in BEYOND_OPENAI}
        create = self._open().chat.completions.create
        try:
            stream = await create(**known, extra_body=beyond, extra_headers=headers)
        except APIStatusError as error:
            if KEEP_TAGS not in beyond or not refuses_keep_tags(error.status_code, str(error)):
                raise
            self._refuses = True
            say_once(f"warning: {without_keep_tags(self.root)}")
            del beyond[KEEP_TAGS]
            stream = await create(**known, extra_body=beyond, extra_headers=headers)
        async with stream as chunks:
            async for chunk in chunks:
                yield chunk.to_dict(mode="json", warnings=False) if isinstance(chunk, BaseModel) else chunk

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
