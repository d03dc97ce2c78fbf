"""The endpoints of a replay behind one interface, with retries, back-off and fail-over to the next endpoint."""

import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Self

from callproof.config import EvalConfig
from callproof.endpoint import Endpoint, Reply, require_models
from callproof.errors import UserError

MAX_BACKOFF_S = 8.0

Rest = Callable[[float], Awaitable[bool]]


class Fleet:
    """An asynchronous context manager over endpoints that serve the same models.

    Args:
        urls: one or more; each takes `settings.concurrency` requests at a time, and gets the API key.
        settings: limits, and the variable that holds the key.

    Raises:
        UserError: a URL is no http URL or is given twice, or there is no key where the settings name one.
    """

    def __init__(self, urls: Sequence[str], settings: EvalConfig) -> None:
        self.endpoints = [Endpoint.of(url, settings) for url in urls]
        roots = [endpoint.root for endpoint in self.endpoints]
        if len(set(roots)) != len(roots):
            raise UserError("--endpoint", f"one URL is given twice ({', '.join(roots)})", "give each once")
        self._retries = settings.retries
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for endpoint in self.endpoints:
            await self._open.enter_async_context(endpoint)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def require(self, models: Iterable[str]) -> None:
        """Raise a UserError unless every endpoint is up and serves every one of `models`."""
        for endpoint in self.endpoints:
            await require_models(endpoint, models)

    async def chat(self, payload: dict[str, Any], home: int, rest: Rest) -> tuple[Reply, int]:
        """Ask the endpoint `home`; after a failure that may pass, ask the next one, up to `retries` times.

        Args:
            payload: the request.
            home: number of the endpoint that is asked first.
            rest: waits the given seconds, and returns whether to go on.

        Returns:
            The last reply, with the number of requests in its answer, and the number of the endpoint that gave it,
            which is the session's home from now on.
        """
        for attempt in range(self._retries + 1):
            reply = await self.endpoints[home].chat(payload)
            last = attempt == self._retries
            if last or not reply.again or not await rest(pause_s(attempt, reply.pause_s)):
                return replace(reply, answer=reply.answer.model_copy(update={"requests": attempt + 1})), home
            home = (home + 1) % len(self.endpoints)
        raise AssertionError("retries < 0")


def pause_s(attempt: int, wanted_s: float) -> float:
    """Seconds to wait after the failed `attempt` (from 0): doubling from 0.5, or as the server wants, with jitter."""
    backoff = min(0.5 * 2**attempt, MAX_BACKOFF_S) * random.uniform(0.5, 1.0)
    return max(backoff, wanted_s * random.uniform(1.0, 1.1))
