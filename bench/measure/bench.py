"""One bench, from warm-up to the last level."""

import asyncio
import re
import signal
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from callproof.config import EvalConfig
from callproof.console import Steps, say
from callproof.endpoint import Abilities, Endpoint, channel_words, choose_channel, probe, require_models
from callproof.errors import UserError
from callproof.scoring import Channel
from callproof.turns import HERMES, CallFormat, Turn

from ..figures import ErrorLimit, QualityLimit, judged
from ..load import Arrival, Job, Level, Slo, make_jobs, run_level, salted, scheduled, warm_up
from .find_rate import Alone, HighestRate, find_rate

_MAX_LORAS = re.compile(r'^vllm:lora_requests_info\{[^}]*max_lora="(\d+)"', re.MULTILINE)


@dataclass(frozen=True)
class Options:
    """What is varied beyond concurrency.

    Args:
        mix: weights of the models; None: they alternate.
        seed: for the mix and the arrivals.
        rates: requests per second of open loops, one level each; empty: closed loops, or an unscaled trace.
        arrival: pattern of open loops; None: closed loops.
        max_in_flight: limit of an open loop.
        cache: `cold`: each level starts with nothing in the prefix cache, if the server is vLLM; `warm`: every prompt
            is sent once before the first level.
        slo: the service level that goodput counts.
        find_rate: search for the highest rate that meets it, starting at the first of `rates`.
        quality: what the answers are held to in the search; None: it does not look at them.
        live: how many of the models share a level, one level each; empty: all models.
        blocks: how many times the levels are run, one round after another.
        max_errors: how many failed requests are borne; None: any number.
    """

    mix: dict[str, float] | None = None
    seed: int = 0
    rates: tuple[float, ...] = ()
    arrival: Arrival | None = None
    max_in_flight: int | None = None
    cache: Literal["cold", "warm"] = "cold"
    slo: Slo | None = None
    find_rate: bool = False
    quality: QualityLimit | None = None
    live: tuple[int, ...] = ()
    blocks: int = 1
    max_errors: ErrorLimit | None = None


@dataclass
class _Load:
    """The load of a level: either `concurrency`, or the options' arrival pattern at `rate`."""

    jobs: list[Job]
    concurrency: int | None = None
    rate: float | None = None
    live: int | None = None


@dataclass
class Bench:
    """One run: what to send, and what has come back so far.

    Args:
        turns: model -> its turns.
        concurrencies: of closed loops, in order.
        requests: the maximum number of turns per model and level; with `options.live`, per level, shared by the models.
        format: in which the models write calls.

    Attributes:
        channel: over which answers are asked, raw or, where that cannot be had, served.
        abilities: what the server can, as a few requests showed.
        stopped: why the bench ended before the last level; None if it did not.
        highest_rate: the result of `options.find_rate`.
    """

    url: str
    settings: EvalConfig
    turns: dict[str, list[Turn]]
    concurrencies: list[int]
    requests: int
    options: Options = field(default_factory=Options)
    format: CallFormat = HERMES
    channel: Channel = field(default="raw", init=False)
    abilities: Abilities | None = field(default=None, init=False)
    levels: list[Level] = field(default_factory=list, init=False)
    server_version: str | None = field(default=None, init=False)
    max_loras: int | None = field(default=None, init=False)
    cold_cache: bool = field(default=False, init=False)
    stopped: str | None = field(default=None, init=False)
    highest_rate: HighestRate | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.jobs = self._make_jobs(list(self.turns), self.requests)
        if self.options.quality:
            self.options.quality.check(job.turn.session_id for job in self.jobs)

    @property
    def turn_ids(self) -> dict[str, list[str]]:
        """Model -> the ids of its turns, in the order in which they are sent."""
        return {model: [job.turn.turn_id for job in self.jobs if job.model == model] for model in self.turns}

    def _make_jobs(self, models: list[str], requests: int) -> list[Job]:
        turns = {model: self.turns[model] for model in models}
        mix = self.options.mix and {model: self.options.mix[model] for model in models}
        width = max(self.concurrencies, default=1)
        how = mix, self.options.seed, self.format, self.channel
        return make_jobs(turns, requests, width, self.settings, *how)

    def _loads(self) -> Iterator[_Load]:
        for live in self.options.live or (None,):
            jobs = self.jobs
            if live is not None:
                jobs = self._make_jobs(list(self.turns)[:live], max(1, self.requests // live))
            if self.options.arrival is None:
                yield from (_Load(jobs, concurrency=concurrency, live=live) for concurrency in self.concurrencies)
            else:
                yield from (_Load(jobs, rate=rate, live=live) for rate in self.options.rates or (None,))

    async def run(self) -> None:
        """Check the endpoint, warm up, and run every level. After a cancellation `levels` holds what was measured."""
        async with self.connect() as endpoint:
            await self.prepare(endpoint)
            for _ in range(self.options.blocks):
                await self.block(endpoint)

    def connect(self) -> Endpoint:
        cap = self.options.max_in_flight or len(self.jobs)
        limit = max(self.concurrencies, default=1) if self.options.arrival is None else cap
        return Endpoint.of(self.url, self.settings, limit)

    async def block(self, endpoint: Endpoint) -> None:
        """Run every level once, or the search for a rate; levels are skipped once the server is gone."""
        if self.options.find_rate:
            await self._search(endpoint)
        else:
            for load in self._loads():
                if self.stopped is None:
                    await self._measure(endpoint, load)
        slots = _MAX_LORAS.search(await endpoint.read("/metrics"))
        self.max_loras = int(slots[1]) if slots else self.max_loras

    async def prepare(self, endpoint: Endpoint) -> None:
        """Check that the endpoint serves the models, choose the channel, and warm up."""
        await require_models(endpoint, self.turns)
        self.cold_cache = "vllm" in (await self._choose_channel(endpoint)).owners and self.options.cache == "cold"
        await warm_up(endpoint, self._salted(self.jobs, "warm-up"))
        if self.options.cache == "warm":
            level = Level(max(self.concurrencies, default=1), planned=len(self.jobs))
            with Steps("warming the cache", level.planned) as progress:
                await run_level(endpoint, self.jobs, level, progress.advance)

    async def _choose_channel(self, endpoint: Endpoint) -> Abilities:
        """What the server can, and the jobs for the channel that this leaves."""
        settings = self.settings
        sampling = {"max_tokens": settings.max_tokens, "temperature": settings.temperature}
        self.abilities = await probe(endpoint, self.turns, self.format, **sampling)
        chosen = choose_channel([self.abilities], settings.channel)
        self.channel, self.server_version = "raw" if chosen == "both" else chosen, self.abilities.version
        self.jobs = self._make_jobs(list(self.turns), self.requests)
        for line in channel_words([self.abilities], self.channel):
            say(line)
        return self.abilities

    async def _search(self, endpoint: Endpoint) -> None:
        if not (self.options.slo and self.options.rates):
            raise ValueError("a search needs a service level and a first rate")

        async def measure(rate: float | None) -> Level:
            load = _Load(self.jobs, rate=rate, concurrency=1 if rate is None else None)
            level = await self._measure(endpoint, load)
            if self.stopped is not None:
                raise _ServerGone
            return level

        first, slo, limit = self.options.rates[0], self.options.slo, self.options.quality
        try:
            alone = _alone(await measure(None), limit) if limit else None
            self.highest_rate = await find_rate(first, slo, measure, alone)
        except _ServerGone:
            say("the search ends here: the server is gone")

    def _salted(self, jobs: list[Job], name: str) -> list[Job]:
        return salted(jobs, f"{name}-{time.time_ns()}") if self.cold_cache else jobs

    async def _measure(self, endpoint: Endpoint, load: _Load) -> Level:
        jobs, arrival = load.jobs, self.options.arrival
        if load.concurrency is None and arrival is not None:
            jobs = scheduled(jobs, arrival.moments(len(jobs), load.rate, self.options.seed))
        level = Level(load.concurrency, planned=len(jobs), rate=load.rate, live=load.live)
        level.arrival = None if load.concurrency or arrival is None else arrival.name
        self.levels.append(level)
        with Steps(level.name, level.planned) as progress:
            await run_level(endpoint, self._salted(jobs, level.name), level, progress.advance)
        say(f"{level.name}: {level.planned} requests in {level.ended - level.begun:.1f} s")
        await self._check_alive(endpoint, level)
        return level

    async def _check_alive(self, endpoint: Endpoint, level: Level) -> None:
        """Set `stopped` if connections failed and the server no longer answers."""
        if any(reply.status is None for _, reply in level.replies):
            try:
                await endpoint.models()
            except UserError as error:
                self.stopped = f"the server is gone: {error}"


def _alone(level: Level, limit: QualityLimit) -> Alone:
    outcomes = judged(level)
    answered = sum(not outcome.counts.infra for outcome in outcomes)
    if not answered:
        raise UserError("--quality", "no request was answered with one in flight", "see the server's log")
    return Alone(outcomes, answered / (level.ended - level.begun), limit)


class _ServerGone(Exception):
    """Ends a search because the server no longer answers."""


def run_until_interrupted(work: Coroutine[Any, Any, None]) -> bool:
    """Run a coroutine; returns whether Ctrl-C or SIGTERM ended it. Requests in flight are dropped."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        return True
    return False
