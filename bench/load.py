"""A closed loop: a fixed number of requests is in flight, and each that ends makes room for the next.

Nothing is judged while the clock runs. A failed request counts as failed and is not tried again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

from callproof.config import EvalConfig
from callproof.endpoint import Endpoint, Reply, request
from callproof.turns import Turn


@dataclass(frozen=True, slots=True)
class Job:
    """One turn that is asked of one model."""

    model: str
    turn: Turn
    payload: dict[str, Any]


@dataclass(slots=True)
class Level:
    """What came back at one concurrency, in order of arrival; times are `time.perf_counter()` seconds."""

    concurrency: int
    planned: int
    begun: float = 0.0
    ended: float = 0.0
    replies: list[tuple[Job, Reply]] = field(default_factory=list)

    @property
    def partial(self) -> bool:
        return len(self.replies) < self.planned


def make_jobs(turns: dict[str, list[Turn]], requests: int, width: int, settings: EvalConfig) -> list[Job]:
    """The first `requests` turns of each model, models taking turns.

    A session's turns stay in order and at least `width` requests apart where there are that many sessions, as if
    `width` customers talked at once.
    """
    lists = [
        [_job(model, turn, settings) for turn in _interleaved(every[:requests], width)]
        for model, every in turns.items()
    ]
    return [job for together in zip_longest(*lists) for job in together if job is not None]


def _job(model: str, turn: Turn, settings: EvalConfig) -> Job:
    payload = request(turn, model, max_tokens=settings.max_tokens, temperature=settings.temperature, stream=True)
    return Job(model, turn, payload)


def _interleaved(turns: Sequence[Turn], width: int) -> Iterator[Turn]:
    sessions: dict[str, list[Turn]] = {}
    for turn in turns:
        sessions.setdefault(turn.session_id, []).append(turn)
    queue = list(sessions.values())
    for at in range(0, len(queue), width):
        rounds = zip_longest(*queue[at : at + width])
        yield from (turn for turn in chain.from_iterable(rounds) if turn is not None)


def salted(jobs: Iterable[Job], salt: str) -> list[Job]:
    """The same jobs with a prefix cache of their own (`cache_salt` of vLLM), so that no earlier request warmed it."""
    return [Job(job.model, job.turn, {**job.payload, "cache_salt": salt}) for job in jobs]


async def run_level(endpoint: Endpoint, jobs: Sequence[Job], level: Level, landed: Callable[[], None]) -> None:
    """Ask all jobs with `level.concurrency` in flight; `level` also holds what came back before a cancellation."""
    queue = deque(jobs)

    async def client() -> None:
        while queue:
            job = queue.popleft()
            level.replies.append((job, await endpoint.stream(job.payload)))
            level.ended = time.perf_counter()
            landed()

    level.begun = level.ended = time.perf_counter()
    async with asyncio.TaskGroup() as clients:
        for _ in range(min(level.concurrency, len(jobs))):
            clients.create_task(client())


async def warm_up(endpoint: Endpoint, jobs: Sequence[Job]) -> None:
    """One request after another to each model, so that its adapter is loaded before the clock runs."""
    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(job.model, job)
    for job in first.values():
        await endpoint.stream(job.payload)
