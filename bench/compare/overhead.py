"""The verb `overhead`: the same load on a server without LoRA, on the base of one with LoRA, and on its adapter.

Ratios are geometric means over blocks, with 95 % limits from a bootstrap over blocks (bench/compare/ratios.py).
"""

import argparse
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from callproof.config import EvalConfig, load
from callproof.console import Steps, last_line, say
from callproof.endpoint import Endpoint, require_models, without_credentials
from callproof.errors import EXIT_INTERRUPTED, EXIT_INVALID, EXIT_PASS, UserError
from callproof.records import write_json
from callproof.turns import HERMES, CallFormat, Turn, readable_format

from ..figures import figures, samples_of
from ..load import Job, Level, make_jobs, run_level, salted, warm_up
from ..measure import run_until_interrupted, turns_of
from ..report import SCHEMA_VERSION, device_of, print_overhead, sampling, stamped, versions, writable
from .ratios import paired_ratio

ARMS = ("nolora", "base", "adapter")
FIGURES = ("tokens_per_s", "req_per_s", "ttft_p50_ms", "tpot_p50_ms", "e2e_p50_ms")

Block = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Arm:
    """A model at an endpoint."""

    name: str
    url: str
    model: str


def parse_arms(text: str, endpoint: str) -> list[Arm]:
    """The arms of `--arms`, such as `nolora=URL,base=NAME,adapter=NAME`.

    Raises:
        UserError: an arm is unknown or comes twice, or `base` or `adapter` is missing.
    """
    values: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name not in ARMS or not value or name in values:
            raise UserError(f"--arms {text}", f"expected each of {', '.join(ARMS)} once, got {part.strip()!r}", _MEND)
        values[name] = value
    if missing := [name for name in ARMS[1:] if name not in values]:
        raise UserError(f"--arms {text}", f"has no {missing[0]}", _MEND)
    urls = {"nolora": values.get("nolora", ""), "base": endpoint, "adapter": endpoint}
    models = {"nolora": values["base"], "base": values["base"], "adapter": values["adapter"]}
    return [Arm(name, urls[name], models[name]) for name in ARMS if name in values]


_MEND = "write it as nolora=URL,base=NAME,adapter=NAME"


@dataclass
class Overhead:
    """The measurement. `blocks`: the figures (see bench.figures.stats) of each arm, for every complete block."""

    arms: list[Arm]
    turns: list[Turn]
    settings: EvalConfig
    requests: int
    concurrency: int
    number: int
    format: CallFormat = HERMES
    blocks: list[Block] = field(default_factory=list)
    server_version: str | None = None

    async def run(self) -> None:
        """Measure all blocks."""
        async with AsyncExitStack() as stack:
            endpoints: dict[str, Endpoint] = {}
            for url in dict.fromkeys(arm.url for arm in self.arms):
                endpoint = Endpoint.of(url, self.settings, self.concurrency)
                endpoints[url] = await stack.enter_async_context(endpoint)
            for arm in self.arms:
                await require_models(endpoints[arm.url], [arm.model])
                await warm_up(endpoints[arm.url], self._jobs(arm, "warm-up"))
            self.server_version = await endpoints[self.arms[-1].url].version()
            for number in range(self.number):
                turn = number % len(self.arms)
                order = self.arms[turn:] + self.arms[:turn]
                self.blocks.append({arm.name: await self._block(endpoints[arm.url], arm, number) for arm in order})
                say(f"block {number + 1} of {self.number}")

    def _jobs(self, arm: Arm, salt: str) -> list[Job]:
        jobs = make_jobs({arm.model: self.turns}, self.requests, self.concurrency, self.settings, format=self.format)
        long = [replace(job, payload={**job.payload, "ignore_eos": True}) for job in jobs]
        return salted(long, f"{salt}-{time.time_ns()}")

    async def _block(self, endpoint: Endpoint, arm: Arm, number: int) -> dict[str, Any]:
        jobs = self._jobs(arm, f"{arm.name}-{number}")
        level = Level(self.concurrency, planned=len(jobs))
        with Steps(f"block {number + 1}, {arm.name}", level.planned) as progress:
            await run_level(endpoint, jobs, level, progress.advance)
        samples = samples_of(level)
        for error in dict.fromkeys(sample.error for sample in samples if sample.error):
            say(f"{arm.name}: {error}")
        return figures(samples, level.ended - level.begun)


def ratios(blocks: list[Block]) -> dict[str, dict[str, dict[str, float] | None]]:
    """`adapter/base`, `adapter/nolora`, `base/nolora` -> figure -> ratio with 95 % limits.

    A ratio is None if a block lacks the figure or there are fewer than two blocks.
    """
    names = [name for name in ARMS if blocks and name in blocks[0]]
    pairs = [(later, earlier) for earlier, later in combinations(names, 2)]
    return {f"{top}/{bottom}": {name: _ratio(blocks, top, bottom, name) for name in FIGURES} for top, bottom in pairs}


def _ratio(blocks: list[Block], top: str, bottom: str, name: str) -> dict[str, float] | None:
    values = [(block[top][name], block[bottom][name]) for block in blocks]
    if len(values) < 2 or not all(above and below for above, below in values):
        return None
    ratio, low, high = paired_ratio([above / below for above, below in values])
    return {"ratio": ratio, "low": low, "high": high}


def act(args: argparse.Namespace) -> int:
    """Measure; complete blocks are saved before the exit code is returned."""
    configs = [load(path, args.overrides) for path in args.config]
    config = configs[0]
    url = args.endpoint or f"http://{config.serve.host}:{config.serve.port}"
    arms = parse_arms(args.arms, url)
    for option in ("blocks", "requests", "concurrency", "tokens"):
        if (value := getattr(args, option)) < 1:
            raise UserError(f"--{option} {value}", "is less than 1", "give a whole number from 1")
    out = writable(args.out or stamped("overhead"))
    settings = config.eval.model_copy(update={"max_tokens": args.tokens})
    turns = turns_of(configs, [arms[-1].model])[arms[-1].model]
    overhead = Overhead(arms, turns, settings, args.requests, args.concurrency, args.blocks, readable_format(config))
    interrupted = run_until_interrupted(overhead.run())
    if interrupted and not overhead.blocks:
        raise KeyboardInterrupt
    return _finish(_report(overhead, args.device, interrupted), out)


def _report(overhead: Overhead, device: str | None, interrupted: bool) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "overhead",
        **device_of(overhead.arms[-1].url, device),
        "partial": interrupted,
        "arms": {arm.name: {"url": without_credentials(arm.url), "model": arm.model} for arm in overhead.arms},
        "concurrency": overhead.concurrency,
        "sampling": {**sampling(overhead.settings), "ignore_eos": True},
        "versions": versions(overhead.server_version),
        "ratios": ratios(overhead.blocks),
        "blocks": overhead.blocks,
    }


def _finish(report: dict[str, Any], out: Path) -> int:
    write_json(out, report)
    print_overhead(report)
    print(f"written to {out}{' (partial: interrupted)' if report['partial'] else ''}", file=sys.stderr)
    last_line({"out": str(out), **{key: value for key, value in report.items() if key != "blocks"}})
    if report["partial"]:
        return EXIT_INTERRUPTED
    failed = sum(arm["errors"] for block in report["blocks"] for arm in block.values())
    if failed:
        print(f"{failed} requests failed: the ratios compare different loads", file=sys.stderr)
    return EXIT_INVALID if failed else EXIT_PASS
