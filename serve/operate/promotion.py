"""Adapters of a running server: load, unload, list, and promote, over vLLM's runtime loading.

A version is loaded as `name@<hash>`; clients ask for `name`, the alias. What vLLM 0.32 does when an alias moves (read
in its `entrypoints/openai/models/serving.py` and `lora/worker_manager.py`), and what is made of it here:

- Loading a name that is loaded is refused (400). With `load_inplace` it is done at once, but requests in flight go on
  with other weights in the middle of an answer, and the flag sticks to the name: the worker reads the adapter from disk
  again in every step from then on (vLLM issue 33791).
- Unload, then load: requests in flight end on the old weights, new ones get new weights and a new cache key. Between
  the two the name is unknown.
- All three take one fair lock a name, and a request for an unknown name waits for that lock too and then looks again
  (with runtime loading on). So `move` sends three requests: the old version once more in place, which changes nothing
  and holds the lock while it is read, then unload and load, which queue behind it in this order. A request that finds
  the name gone queues behind the load, and is answered by the new version.

Were the three taken in another order, the load is refused, the old version answers on, and `move` tries again. One
server process has one lock: vLLM itself refuses runtime loading with several.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callproof.config import RunConfig
from callproof.endpoint import Endpoint, api_key_from
from callproof.errors import EXIT_PASS, UserError
from callproof.records import Record

from .doctor import diagnose, show
from .versions import Version

LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
LOAD_TIMEOUT_S = 300.0
BETWEEN_S = 0.001
TRIES = 3
Say = Callable[[str], None]


class Served(Record):
    """One model card: the base has no parent."""

    name: str
    path: str | None = None
    parent: str | None = None


@dataclass(frozen=True)
class Promotion:
    """What a candidate has to pass; `baseline` as `evaluate gate` takes it."""

    endpoint: str
    config_path: Path
    config: RunConfig
    overrides: tuple[str, ...]
    baseline: str
    runs: Path
    limit_sessions: int | None
    turns: int


class Promoted(Record):
    """What became of a candidate. `stopped_by`: the step that it did not pass, and that step's exit code."""

    name: str
    version: str
    promoted: bool
    stopped_by: str | None = None
    exit_code: int = EXIT_PASS
    run: str | None = None


async def served(url: str) -> list[Served]:
    """Base and adapters; raises a UserError where nothing answers."""
    async with Endpoint(url) as endpoint:
        return await _served(endpoint)


async def load(url: str, version: Version) -> None:
    """Load a version under its own name; nothing is done where it is loaded already.

    Raises:
        UserError: nothing answers, the server has no runtime loading, or it refuses the adapter.
    """
    async with Endpoint(url) as endpoint:
        await _load(endpoint, version)


async def unload(url: str, name: str) -> None:
    """Make the server forget a name; raises a UserError where it does not know it."""
    async with Endpoint(url) as endpoint:
        await _unload(endpoint, name)


async def promote(promotion: Promotion, name: str, version: Version, say: Say) -> Promoted:
    """Load a version, check it, evaluate and gate it, and only then move the alias `name` to it.

    Whatever stops it, an error or Ctrl-C too: the alias serves on what it served, and the version is unloaded.

    Raises:
        UserError: as `load`; or wrong configuration.
    """
    key = api_key_from(promotion.config.eval.api_key_env)
    async with Endpoint(promotion.endpoint, api_key=key) as endpoint, _candidate(endpoint, version):
        run = promotion.runs / f"promote-{version.name.replace('@', '-')}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        known = [name] if await _path_of(endpoint, name) else []
        for step, passes in (("doctor", _diagnose), ("evaluate", _evaluate), ("gate", _gate)):
            say(f"{version.name}: {step}")
            if code := await passes(promotion, [*known, version.name], run):
                say(f"{version.name} is not promoted: {step} ended with exit code {code}")
                told = {"promoted": False, "stopped_by": step, "exit_code": code, "run": _if_made(run)}
                return Promoted(name=name, version=version.name, **told)
        await move(endpoint, name, version.path)
        say(f"{name} is now {version.name}")
        return Promoted(name=name, version=version.name, promoted=True, run=_if_made(run))


@asynccontextmanager
async def _candidate(endpoint: Endpoint, version: Version) -> AsyncIterator[None]:
    """The version is loaded under its own name inside the block, and forgotten after it, as it was before."""
    there = any(card.name == version.name for card in await _served(endpoint))
    await _load(endpoint, version)
    try:
        yield
    finally:
        if not there:
            await _unload(endpoint, version.name)


async def move(endpoint: Endpoint, alias: str, path: Path) -> None:
    """Let `alias` be the adapter at `path`; no request for it is refused meanwhile (see the module's text).

    Raises:
        UserError: the server refuses; the alias is what it was before.
    """
    before = await _path_of(endpoint, alias)
    if before == str(path):
        return
    if before is None:
        await _post(endpoint, LOAD, {"lora_name": alias, "lora_path": str(path)})
        return
    answer = b""
    for _ in range(TRIES):
        status, answer = await _swap(endpoint, alias, before, str(path))
        if status == 200 and await _path_of(endpoint, alias) == str(path):
            return
        if await _path_of(endpoint, alias) is None:
            await _post(endpoint, LOAD, {"lora_name": alias, "lora_path": before})
    problem = f"{alias} does not move to {path}: {_text(answer)}"
    raise UserError(endpoint.root, problem, f"it is still {before}; see the server's log")


async def _swap(endpoint: Endpoint, alias: str, before: str, after: str) -> tuple[int, bytes]:
    """What the server says to the load. Connections are opened beforehand, so that requests arrive as they are sent."""
    bodies: tuple[tuple[str, dict[str, Any]], ...] = (
        (LOAD, {"lora_name": alias, "lora_path": before, "load_inplace": True}),
        (UNLOAD, {"lora_name": alias}),
        (LOAD, {"lora_name": alias, "lora_path": after}),
    )
    await asyncio.gather(*(endpoint.models() for _ in bodies))
    sent = []
    for path, body in bodies:
        sent.append(asyncio.create_task(endpoint.ask(path, body, LOAD_TIMEOUT_S)))
        await asyncio.sleep(BETWEEN_S)
    *_, last = await asyncio.gather(*sent)
    return last


async def _diagnose(promotion: Promotion, names: list[str], _: Path) -> int:
    configs, silent = [promotion.config], lambda _: None
    diagnosis = await diagnose(promotion.endpoint, configs, names, promotion.turns, progress=silent)
    show(diagnosis)
    return diagnosis.exit_code


async def _evaluate(promotion: Promotion, names: list[str], run: Path) -> int:
    where = ("--endpoint", promotion.endpoint, "--config", promotion.config_path, "--out", run.parent)
    limit = ("--limit-sessions", promotion.limit_sessions) if promotion.limit_sessions else ()
    return await _verb(*where, "--model", names[-1], "--run-id", run.name, *limit, *promotion.overrides)


async def _gate(promotion: Promotion, names: list[str], run: Path) -> int:
    options = ("--config", promotion.config_path, "--runs", promotion.runs, "--candidate-model", names[-1])
    return await _verb("gate", promotion.baseline, run, *options, *promotion.overrides)


async def _verb(*words: object) -> int:
    """The exit code of `callproof evaluate`; what it prints goes to stderr, for the last line of stdout is ours."""
    command = [sys.executable, "-m", "callproof", "evaluate", *map(str, words)]
    process = await asyncio.create_subprocess_exec(*command, stdout=sys.stderr.fileno())
    try:
        return await process.wait()
    except asyncio.CancelledError:
        await process.wait()
        raise


def _if_made(run: Path) -> str | None:
    return str(run) if run.is_dir() else None


async def _served(endpoint: Endpoint) -> list[Served]:
    cards = await endpoint.models()
    return [Served(name=card["id"], path=card.get("root"), parent=card.get("parent")) for card in cards]


async def _path_of(endpoint: Endpoint, name: str) -> str | None:
    return next((card.path for card in await _served(endpoint) if card.name == name), None)


async def _load(endpoint: Endpoint, version: Version) -> None:
    if await _path_of(endpoint, version.name) != str(version.path):
        await _post(endpoint, LOAD, {"lora_name": version.name, "lora_path": str(version.path)})


async def _unload(endpoint: Endpoint, name: str) -> None:
    await _post(endpoint, UNLOAD, {"lora_name": name})


async def _post(endpoint: Endpoint, path: str, body: dict[str, Any]) -> None:
    status, answer = await endpoint.ask(path, body, LOAD_TIMEOUT_S)
    if status == 200:
        return
    where = f"{endpoint.root}{path}"
    if status in (404, 405) and b"lora" not in answer.lower():
        raise UserError(where, "the server loads no adapters while it runs", "start it with --runtime-loads N")
    raise UserError(where, f"{body['lora_name']}: HTTP {status}: {_text(answer)}", "see the server's log")


def _text(answer: bytes) -> str:
    """What an error says, as vLLM writes it or as it came."""
    try:
        return str(json.loads(answer)["error"]["message"])[:300]
    except (ValueError, LookupError, TypeError):
        return answer[:300].decode("utf-8", "replace") or "no reason given"
