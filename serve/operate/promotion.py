"""Load, unload, list and promote adapters on a running server, through vLLM's runtime loading.

A version is loaded as `name@<hash>`; clients ask for `name`, the alias. How vLLM 0.32 behaves when an alias moves (read
in its `entrypoints/openai/models/serving.py` and `lora/worker_manager.py`), and what follows for `move`:

- Loading a name that is already loaded is refused (HTTP 400). With `load_inplace` it succeeds at once, but answers that
  are being generated switch weights midway, and the flag sticks to the name: from then on the worker reads the adapter
  from disk again in every step (vLLM issue 33791).
- Unloading and then loading lets requests in flight finish on the old weights, and gives new ones the new weights and a
  new cache key. Between the two, the name is unknown.
- All three operations take one fair lock per name. With runtime loading on, a request for an unknown name waits for
  that lock too and looks again. So `move` sends three requests at once: load the old version in place (which changes
  nothing, but holds the lock while the files are read), unload, load the new version. The last two queue behind the
  first, and a request that finds the name gone queues behind them and is answered by the new version.
- A request looks its adapter up once more after its prompt was rendered, and waits for no lock there: of moves under
  load, one in ten refused a request with HTTP 404. The client can do nothing about that; the server that `serve`
  starts asks such a request again (serve/middleware/moving.py), a bare `vllm serve` refuses it.

If the server takes the three in another order, the load is refused, the old version keeps answering, and `move` tries
again. The lock belongs to one server process; vLLM itself refuses runtime loading with several.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callproof.config import RunConfig
from callproof.endpoint import Endpoint
from callproof.errors import EXIT_PASS, UserError
from callproof.records import Record

from ..middleware import LOAD, UNLOAD
from .doctor import diagnose, show
from .versions import Version

LOAD_TIMEOUT_S = 300.0
BETWEEN_S = 0.001
TRIES = 3
Say = Callable[[str], None]


class Served(Record):
    """One entry of /v1/models; the base has no parent."""

    name: str
    path: str | None = None
    parent: str | None = None


@dataclass(frozen=True)
class Promotion:
    """What a candidate has to pass. `baseline` is a run, or whatever else `evaluate gate` takes as its baseline."""

    endpoint: str
    config_path: Path
    config: RunConfig
    overrides: tuple[str, ...]
    baseline: str
    runs: Path
    limit_sessions: int | None
    turns: int


class Promoted(Record):
    """The result. `stopped_by` names the step that the candidate did not pass, `exit_code` is that step's."""

    name: str
    version: str
    promoted: bool
    stopped_by: str | None = None
    exit_code: int = EXIT_PASS
    run: str | None = None


async def served(url: str) -> list[Served]:
    """All models of the server; raises a UserError if nothing answers at `url`."""
    async with Endpoint(url) as endpoint:
        return await _served(endpoint)


async def load(url: str, version: Version) -> None:
    """Load a version under its own name, unless it is loaded already.

    Raises:
        UserError: nothing answers, runtime loading is off, or the server refuses the adapter.
    """
    async with Endpoint(url) as endpoint:
        await _load(endpoint, version)


async def unload(url: str, name: str) -> None:
    """Unload an adapter; raises a UserError if the server does not know the name."""
    async with Endpoint(url) as endpoint:
        await _unload(endpoint, name)


async def promote(promotion: Promotion, name: str, version: Version, say: Say) -> Promoted:
    """Load a version, run the doctor, evaluate and gate it, and only then point the alias `name` at it.

    Whatever stops it, errors and Ctrl-C included, the alias keeps its adapter and the version is unloaded.

    Raises:
        UserError: as `load` does, or for a wrong configuration.
    """
    settings = promotion.config.eval
    async with Endpoint.of(promotion.endpoint, settings) as endpoint, _candidate(endpoint, version):
        run = promotion.runs / f"promote-{re.sub('[@/]', '-', version.name)}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        known = [name] if await _path_of(endpoint, name) else []
        for step, passes in (("doctor", _diagnose), ("evaluate", _evaluate), ("gate", _gate)):
            say(f"{version.name}: {step}")
            if code := await passes(promotion, [*known, version.name], run):
                say(f"{version.name} is not promoted: {step} ended with exit code {code}")
                stop = {"promoted": False, "stopped_by": step, "exit_code": code, "run": _if_made(run)}
                return Promoted(name=name, version=version.name, **stop)
        await move(endpoint, name, version.path)
        say(f"{name} is now {version.name}")
        return Promoted(name=name, version=version.name, promoted=True, run=_if_made(run))


@asynccontextmanager
async def _candidate(endpoint: Endpoint, version: Version) -> AsyncIterator[None]:
    """Load the version under its own name for the block, and unload it afterwards unless it was loaded before."""
    there = any(card.name == version.name for card in await _served(endpoint))
    await _load(endpoint, version)
    try:
        yield
    finally:
        if not there:
            await _unload(endpoint, version.name)


async def move(endpoint: Endpoint, alias: str, path: Path) -> None:
    """Point `alias` at the adapter in `path`; the head of this module has what becomes of requests meanwhile.

    Raises:
        UserError: the server refuses; the alias then serves what it served before.
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
    problem = f"{alias} cannot be moved to {path}: {_text(answer)}"
    raise UserError(endpoint.root, problem, f"it is still {before}; see the server's log")


async def _swap(endpoint: Endpoint, alias: str, before: str, after: str) -> tuple[int, bytes]:
    """Send the three requests of `move`; returns the status and body of the last.

    Connections are opened beforehand, so that the requests arrive in the order in which they are sent.
    """
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
    """Run `callproof evaluate`; returns its exit code. Its output goes to stderr, as our stdout ends with our JSON."""
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
        raise UserError(where, "this server cannot load adapters while it runs", "start it with --runtime-loads N")
    raise UserError(where, f"{body['lora_name']}: HTTP {status}: {_text(answer)}", "see the server's log")


def _text(answer: bytes) -> str:
    """The message of an error body: vLLM's `error.message`, or the body itself."""
    try:
        return str(json.loads(answer)["error"]["message"])[:300]
    except (ValueError, LookupError, TypeError):
        return answer[:300].decode("utf-8", "replace") or "no reason given"
