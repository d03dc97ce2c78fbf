"""One bench from warm-up to the last level."""

import time

from bench.load import Job, Level, make_jobs, run_level, salted, warm_up
from callproof.config import EvalConfig
from callproof.endpoint import Endpoint, require_models
from callproof.turns import Turn


class Bench:
    """One run: what is asked, and what has come back so far.

    Args:
        turns: of each model.
        levels: concurrencies, in order.
        requests: turns of each model at each level, at most.
        blocks: how many times the levels are run, one round after another.
    """

    def __init__(
        self,
        url: str,
        settings: EvalConfig,
        turns: dict[str, list[Turn]],
        levels: list[int],
        requests: int,
        blocks: int = 1,
    ) -> None:
        self.url, self.turns, self.concurrencies, self.blocks = url, turns, levels, blocks
        self.settings = settings
        self.jobs = make_jobs(turns, requests, max(levels), settings)
        self.levels: list[Level] = []
        self.server_version: str | None = None
        self.cold_cache = False

    @property
    def asked(self) -> dict[str, list[str]]:
        """The ids of each model's turns, in the order in which they are asked."""
        return {model: [job.turn.turn_id for job in self.jobs if job.model == model] for model in self.turns}

    async def run(self) -> None:
        """Check the endpoint, warm up, and run every level; `levels` holds what there is when it is cancelled."""
        async with self.connect() as endpoint:
            await self.prepare(endpoint)
            for _ in range(self.blocks):
                await self.block(endpoint)

    def connect(self) -> Endpoint:
        return Endpoint(self.url, timeout_s=self.settings.timeout_s, limit=max(self.concurrencies))

    async def prepare(self, endpoint: Endpoint) -> None:
        """Check the endpoint, and warm up."""
        await require_models(endpoint, self.turns)
        self.server_version = await endpoint.version()
        self.cold_cache = any(card.get("owned_by") == "vllm" for card in await endpoint.models())
        await warm_up(endpoint, self._jobs("warm-up"))

    async def block(self, endpoint: Endpoint) -> None:
        """Run every level once."""
        for concurrency in self.concurrencies:
            level = Level(concurrency, planned=len(self.jobs))
            self.levels.append(level)
            await self._level(endpoint, level)

    def _jobs(self, name: str) -> list[Job]:
        return salted(self.jobs, f"{name}-{time.time_ns()}") if self.cold_cache else self.jobs

    async def _level(self, endpoint: Endpoint, level: Level) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"{level.concurrency} in flight", total=level.planned)
            await run_level(endpoint, self._jobs(str(level.concurrency)), level, lambda: progress.advance(task))
        seconds = level.ended - level.begun
        console.print(f"{level.concurrency} in flight: {level.planned} requests in {seconds:.1f} s", highlight=False)
