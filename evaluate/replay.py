"""Replay: the turns of a configuration are asked of each model at an endpoint, and judged as the answers land.

The turns of one session go one after another, so that each finds the prompt of the one before in the server's prefix
cache; sessions go side by side. What could not be answered is an outcome too (`infra_error`), and asked again by
`--resume`.
"""

import asyncio
import shlex
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from callproof.catalog import read_catalog
from callproof.config import EvalConfig, RunConfig, load
from callproof.endpoint import Endpoint, request, require_models
from callproof.errors import EXIT_INTERRUPTED, UserError
from callproof.outcomes import Outcome, catalog_of, judge
from callproof.turns import Turn, eval_turns
from evaluate.progress import Progress, say
from evaluate.runs import OutcomeLog, Run, RunInfo, identify, keep_answered, now, write_turns

CHANNEL = "raw"


@dataclass(frozen=True)
class Plan:
    """One run that is to be made: a configuration, its turns and the models that they are asked of."""

    config: RunConfig
    config_path: Path
    turns: list[Turn]
    models: tuple[str, ...]
    run: Run

    @property
    def sampling(self) -> dict[str, Any]:
        """What of `callproof.endpoint.request` changes answers."""
        settings = self.config.eval
        return {"max_tokens": settings.max_tokens, "temperature": settings.temperature, "seed": 0}

    def info(self, endpoint: str, version: str | None) -> RunInfo:
        return RunInfo(
            run_id=self.run.path.name,
            name=self.config.name,
            models=self.models,
            identity=identify(self.turns, self.sampling, CHANNEL),
            turns=len(self.turns),
            sessions=len({turn.session_id for turn in self.turns}),
            config=self.config.model_dump(mode="json"),
            endpoint=endpoint,
            server_version=version,
            started=now(),
        )


def plan(config_path: Path, run: Run, models: Sequence[str], overrides: dict[str, Any]) -> Plan:
    """Read and check everything that a run needs but the endpoint.

    Args:
        overrides: fields of `EvalConfig` that the command line sets.

    Raises:
        UserError: a file is missing or malformed, or a gold call that its catalog rejects.
    """
    config = load(config_path)
    config = config.model_copy(update={"eval": config.eval.model_copy(update=overrides)})
    return Plan(config, config_path, eval_turns(config, read_catalog(config.data.tools_path)), tuple(models), run)


async def ask_all(plans: Sequence[Plan], url: str, resume: bool) -> None:
    """Check the endpoint, then make each run in turn; nothing is written before the check.

    Raises:
        UserError: the endpoint is down or does not serve a model, or a run cannot be begun or resumed.
    """
    settings = plans[0].config.eval
    async with Endpoint(
        url, timeout_s=settings.timeout_s, retries=settings.retries, limit=settings.concurrency
    ) as endpoint:
        await require_models(endpoint, plans[0].models)
        version = await endpoint.version()
        for each in plans:
            with each.run:
                done = _begin(each, each.info(without_credentials(url), version), resume)
                await _ask(each, endpoint, done)


def check_presence(run: Run, resume: bool) -> None:
    """Raise a UserError where a run is in the way, or there is none to resume."""
    if run.exists and not resume:
        raise UserError(run.path, "there is a run already", "finish it with --resume, or choose another --run-id")
    if resume and not run.exists:
        raise UserError(run.path, "there is no run to resume", "leave --resume out, or correct --run-id")


def _begin(plan: Plan, info: RunInfo, resume: bool) -> list[Outcome]:
    """Write run.json and the turns, or check that they are those of the run to resume; returns what is answered."""
    run = plan.run
    check_presence(run, resume)
    if not resume:
        write_turns(run.turns_path, plan.turns)
        run.write_info(info)
        return []
    begun = run.info()
    if problems := begun.identity.differences(info.identity):
        raise UserError(run.path, f"was begun with another {problems[0]}", "begin a new run")
    if begun.models != info.models:
        asked = " ".join(f"--model {model}" for model in begun.models)
        raise UserError(run.path, "was begun with other models", f"resume it with {asked}")
    return keep_answered(run.outcomes_path)


async def _ask(plan: Plan, endpoint: Endpoint, done: Iterable[Outcome]) -> None:
    done = list(done)
    units = _units(plan, {(outcome.model, outcome.turn_id) for outcome in done})
    with (
        Progress(plan.config.name, len(plan.turns) * len(plan.models), done) as progress,
        OutcomeLog(plan.run.outcomes_path) as log,
    ):

        def land(outcome: Outcome) -> None:
            log.append(outcome)
            progress.advance(outcome)

        workers = min(plan.config.eval.concurrency, len(units))
        tasks = [asyncio.create_task(_work(units, endpoint, plan.config.eval, land)) for _ in range(workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
    plan.run.write_info(plan.run.info().model_copy(update={"finished": now()}))


_Unit = tuple[str, list[Turn]]


def _units(plan: Plan, answered: set[tuple[str, str]]) -> deque[_Unit]:
    """(model, turns of one session that it has not answered), model by model."""
    sessions: dict[str, list[Turn]] = {}
    for turn in plan.turns:
        sessions.setdefault(turn.session_id, []).append(turn)
    return deque(
        (model, rest)
        for model in plan.models
        for turns in sessions.values()
        if (rest := [turn for turn in turns if (model, turn.turn_id) not in answered])
    )


async def _work(units: deque[_Unit], endpoint: Endpoint, settings: EvalConfig, land: Callable[[Outcome], None]) -> None:
    while units:
        model, turns = units.popleft()
        for turn in turns:
            payload = request(turn, model, max_tokens=settings.max_tokens, temperature=settings.temperature)
            reply = await endpoint.chat(payload)
            land(judge(turn, reply.answer, model, catalog_of(turn), channel=CHANNEL))


def run_all(plans: Sequence[Plan], url: str, resume: bool) -> int:
    """Make all runs; 0, or 130 when interrupted, after saying how to go on."""
    try:
        asyncio.run(ask_all(plans, url, resume))
    except KeyboardInterrupt:
        for each in plans:
            if each.run.exists and each.run.info().finished is None:
                say(f"interrupted; to go on: {_resume_command(each, url)}")
        return EXIT_INTERRUPTED
    return 0


def _resume_command(plan: Plan, url: str) -> str:
    words = ["python", "-m", "evaluate", "--endpoint", without_credentials(url), "--config", str(plan.config_path)]
    for model in plan.models:
        words += ["--model", model]
    if plan.config.eval.max_sessions:
        words += ["--limit-sessions", str(plan.config.eval.max_sessions)]
    return shlex.join([*words, "--out", str(plan.run.path.parent), "--run-id", plan.run.path.name, "--resume"])


def without_credentials(url: str) -> str:
    """A URL as it may be written down: `http://key@host` without the key."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
