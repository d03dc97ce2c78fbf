"""The load: closed loops, where each answer makes room for the next request, and open loops, which follow a schedule.

In an open loop each request is sent when it is due, whatever happened to earlier ones. So a server that stalls is
charged for everything that was due meanwhile (no coordinated omission). Nothing is judged while the clock runs. A
failed request counts as failed and is not sent again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest
from typing import Any

from callproof.config import EvalConfig
from callproof.endpoint import Endpoint, Reply, request
from callproof.scoring import Channel
from callproof.turns import HERMES, CallFormat, Turn

from .mix import shared_out


@dataclass(frozen=True, slots=True)
class Job:
    """One turn to send to one model.

    Attributes:
        due_s: in an open loop, the seconds after the level began; otherwise None.
        format: the name of the format in which the model writes calls.
        channel: over which they come.
    """

    model: str
    turn: Turn
    payload: dict[str, Any]
    due_s: float | None = None
    format: str = "hermes"
    channel: Channel = "raw"


@dataclass(slots=True)
class Level:
    """The replies at one load, in the order in which they ended; times are `time.perf_counter()` seconds.

    Attributes:
        concurrency: requests in flight of a closed loop; None in an open one.
        planned: how many requests the level has.
        rate: planned requests per second; None in a closed loop, or if a trace is replayed unscaled.
        live: how many models share the level, if that is varied.
    """

    concurrency: int | None
    planned: int
    begun: float = 0.0
    ended: float = 0.0
    replies: list[tuple[Job, Reply]] = field(default_factory=list)
    rate: float | None = None
    arrival: str | None = None
    live: int | None = None

    @property
    def partial(self) -> bool:
        return len(self.replies) < self.planned

    @property
    def name(self) -> str:
        """The load in words, such as `4 in flight` or `2 req/s poisson`."""
        if self.concurrency is not None:
            load = f"{self.concurrency} in flight"
        else:
            load = str(self.arrival) if self.rate is None else f"{self.rate:g} req/s {self.arrival}"
        return load if self.live is None else f"{load}, {self.live} live"


def make_jobs(
    turns: dict[str, list[Turn]],
    requests: int,
    width: int,
    settings: EvalConfig,
    mix: Mapping[str, float] | None = None,
    seed: int = 0,
    format: CallFormat = HERMES,
    channel: Channel = "raw",
) -> list[Job]:
    """The first `requests` turns of each model, alternating between models, or in the shares of `mix`.

    The turns of a session stay in order, with those of `width` - 1 other sessions (if there are as many) between them,
    as if `width` customers talked at once.
    """
    lists = {
        model: [_job(model, turn, settings, format, channel) for turn in _interleaved(model_turns[:requests], width)]
        for model, model_turns in turns.items()
    }
    if mix is None:
        return [job for together in zip_longest(*lists.values()) for job in together if job is not None]
    order = shared_out(mix, {model: len(jobs) for model, jobs in lists.items()}, seed)
    rest = {model: iter(jobs) for model, jobs in lists.items()}
    return [next(rest[model]) for model in order]


def _job(model: str, turn: Turn, settings: EvalConfig, format: CallFormat, channel: Channel) -> Job:
    sampling = {"max_tokens": settings.max_tokens, "temperature": settings.temperature}
    payload = request(turn, model, **sampling, stream=True, format=format, channel=channel)
    return Job(model, turn, payload, format=format.name, channel=channel)


def _interleaved(turns: Sequence[Turn], width: int) -> Iterator[Turn]:
    sessions: dict[str, list[Turn]] = {}
    for turn in turns:
        sessions.setdefault(turn.session_id, []).append(turn)
    queue = list(sessions.values())
    for at in range(0, len(queue), width):
        rounds = zip_longest(*queue[at : at + width])
        yield from (turn for turn in chain.from_iterable(rounds) if turn is not None)


def salted(jobs: Iterable[Job], salt: str) -> list[Job]:
    """The same jobs with vLLM's `cache_salt`, so that they find nothing in the prefix cache from earlier requests."""
    return [replace(job, payload={**job.payload, "cache_salt": salt}) for job in jobs]


def scheduled(jobs: Iterable[Job], moments: Iterable[float]) -> list[Job]:
    """The same jobs with their due times; as many as there are of both."""
    return [replace(job, due_s=moment) for job, moment in zip(jobs, moments, strict=False)]


async def run_level(endpoint: Endpoint, jobs: Sequence[Job], level: Level, landed: Callable[[], None]) -> None:
    """Send all jobs and add the replies to `level`, which keeps those that came before a cancellation.

    Where the text of an answer is that of its tokens, it is asked for when the level has ended.
    """

    async def ask(job: Job) -> None:
        level.replies.append((job, await endpoint.stream_only(job.payload)))
        level.ended = time.perf_counter()
        landed()

    level.begun = level.ended = time.perf_counter()
    try:
        if level.concurrency is None:
            await _open_loop(jobs, level.begun, ask)
        else:
            await _closed_loop(jobs, level.concurrency, ask)
    finally:
        level.replies[:] = [(job, await endpoint.written(reply, job.model)) for job, reply in level.replies]


_Ask = Callable[[Job], Any]


async def _closed_loop(jobs: Sequence[Job], concurrency: int, ask: _Ask) -> None:
    queue = deque(jobs)

    async def client() -> None:
        while queue:
            await ask(queue.popleft())

    async with asyncio.TaskGroup() as clients:
        for _ in range(min(concurrency, len(jobs))):
            clients.create_task(client())


async def _open_loop(jobs: Sequence[Job], begun: float, ask: _Ask) -> None:
    async with asyncio.TaskGroup() as requests:
        for job in jobs:
            wait = begun + (job.due_s or 0.0) - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            requests.create_task(ask(job))


async def warm_up(endpoint: Endpoint, jobs: Sequence[Job]) -> None:
    """Send one request to each model, one after the other, so that adapters are loaded before the clock runs."""
    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(job.model, job)
    for job in first.values():
        await endpoint.stream(job.payload)
