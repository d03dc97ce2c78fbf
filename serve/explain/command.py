"""`serve explain`: ask the arms on a running server, or on one that is started for it, and say which layer differs."""

import asyncio
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from callproof.config import RunConfig
from callproof.console import say
from callproof.endpoint import Endpoint, api_key_from, served_name
from callproof.errors import UserError
from callproof.records import replacing
from callproof.turns import readable_format

from ..operate import Subject, pool
from ..operate.subject import Refused
from ..start import (
    Server,
    check_adapter,
    environment,
    make_plan,
    of_config,
    of_option,
    require_wheel,
    start_command,
    vllm_yaml,
)
from .asking import IDENTITY, Arms, hear
from .identity import write_identity
from .judge import Evidence, judge
from .reference import NoReference, Training, compare, refer
from .report import Explanation


class Unanswered(Exception):
    """Server or transformers could not be asked."""


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        endpoint: of a running server; None: one is started.
        model: the served name of the adapter.
        limit: of turns.
        log: of a server that is started.
        timeout: seconds for its start.
    """

    endpoint: str | None
    model: str
    limit: int
    log: Path
    timeout: float


def explain(config: RunConfig, training: Training, options: Options) -> Explanation:
    """Compare all arms.

    Raises:
        UserError: no server can be started, or the adapter is not there or not served.
        Unanswered: no server can be asked, it tells no tokens, or transformers does not answer.
    """
    with nullcontext(options.endpoint) if options.endpoint else _server(config, training, options) as url:
        try:
            return asyncio.run(_explained(url, config, training, options))
        except (Refused, NoReference) as error:
            raise Unanswered(str(error)) from None


async def _explained(url: str, config: RunConfig, training: Training, options: Options) -> Explanation:
    refusal = _refusal(config, training.config)
    settings, limits = config.eval, (config.serve.max_model_len, config.eval.max_tokens)
    key, base = api_key_from(settings.api_key_env), config.model.served_name
    async with Endpoint(url, api_key=key, timeout_s=settings.timeout_s, max_body=settings.max_body) as endpoint:
        arms = await _arms(endpoint, base, options.model)
        turns = pool([config], options.limit)
        subject = Subject(endpoint, base, [options.model], turns, *limits, readable_format(config))
        say(f"asking {', '.join(arms.values())} on {len(turns)} turns at {endpoint.root}")
        heard = await hear(subject, arms)
    say("asking transformers")
    reference = await refer(heard, training, with_adapter=refusal is None)
    cells = (*compare(heard, reference), *heard.cells)
    verdict = judge(Evidence({(cell.arm, cell.way): cell for cell in cells}, reference.fits, refusal))
    return Explanation(
        endpoint=endpoint.root,
        base=base,
        adapter=options.model,
        turns=len(turns),
        verdict=verdict,
        cells=cells,
        fits=reference.fits,
    )


async def _arms(endpoint: Endpoint, base: str, adapter: str) -> Arms:
    try:
        names = [card["id"] for card in await endpoint.models()]
    except UserError as error:
        raise Unanswered(str(error)) from None
    arms: Arms = {"base": base, "adapter": adapter}
    for model in arms.values():
        served_name(model, names, f"model {model}", endpoint.root)
    return {**arms, "identity": IDENTITY} if IDENTITY in names else arms


def _refusal(config: RunConfig, path: Path) -> str | None:
    """Why the adapter of a configuration cannot be served as it was trained, if so; a missing one is an error."""
    if not config.adapter_dir.is_dir():
        raise UserError(config.adapter_dir, "there is no adapter", f"train it: callproof train --config {path}")
    try:
        check_adapter(path, config)
    except UserError as error:
        return str(error)
    return None


@contextmanager
def _server(config: RunConfig, training: Training, options: Options) -> Iterator[str]:
    """A vLLM with the adapter, and beside it one that changes nothing, for the block; gives its URL."""
    wheel = require_wheel()
    with tempfile.TemporaryDirectory() as folder:
        identity = Path(folder) / IDENTITY
        write_identity(config.adapter_dir, identity)
        sources = [of_config(training.config, training.overrides), of_option(f"{IDENTITY}={identity}")]
        plan = make_plan(sources, wheel.device, host="127.0.0.1", port=_free_port())
        file = options.log.with_name("explain.yaml")
        with replacing(file) as out:
            out.write(vllm_yaml(plan).encode())
        say(f"starting vLLM (log {options.log})")
        with Server(start_command(plan, wheel, file), environment(plan), options.log) as server:
            server.wait_until_healthy(plan.url, options.timeout, lambda *_: None)
            yield plan.url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
