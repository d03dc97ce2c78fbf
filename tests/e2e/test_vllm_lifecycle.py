"""Runtime loading on a real vLLM: an alias moves while it is asked, and no request is refused."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Deployment, run_verb
from fake_vllm import hammered

from callproof.config import load
from callproof.endpoint import Endpoint, request
from callproof.turns import eval_turns
from serve.operate import Version, publish
from serve.operate import promotion as lifecycle

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def live(deployment: Deployment) -> Iterator[Deployment]:
    """The server; afterwards it serves what it served before."""
    before = {card.name: card.path for card in asyncio.run(lifecycle.served(deployment.url))}
    yield deployment
    asyncio.run(_restore(deployment.url, Path(before["car_sales"])))
    for card in asyncio.run(lifecycle.served(deployment.url)):
        if card.name not in before:
            run_verb("serve", "unload", card.name, "--endpoint", deployment.url)


async def _restore(url: str, path: Path) -> None:
    async with Endpoint(url) as endpoint:
        await lifecycle.move(endpoint, "car_sales", path)


@pytest.fixture(scope="module")
def other(trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The insurance adapter as if it were the next version of car_sales."""
    return publish("car_sales", str(load(trained["insurance"]).output_dir), tmp_path_factory.mktemp("versions"))


def test_a_version_is_loaded_listed_and_unloaded(live: Deployment, other: Version) -> None:
    asyncio.run(lifecycle.load(live.url, other))
    (card,) = [card for card in asyncio.run(lifecycle.served(live.url)) if card.name == other.name]
    assert (card.path, card.parent) == (str(other.path), "tiny")
    run_verb("serve", "unload", other.name, "--endpoint", live.url)
    assert other.name not in [card.name for card in asyncio.run(lifecycle.served(live.url))]


async def _move_under_load(url: str, alias: str, version: Version, config_path: Path) -> tuple[set[int], list[str]]:
    """Statuses of all requests, and one answer before and after the move, beside the version's own."""
    config = load(config_path)
    turn = eval_turns(config)[0]
    payloads = {name: request(turn, name, max_tokens=24, temperature=0.0) for name in (alias, version.name)}
    async with Endpoint(url) as endpoint:

        async def text(name: str) -> str:
            return (await endpoint.chat(payloads[name])).answer.text

        before = await text(alias)
        async with hammered(lambda: endpoint.ask("/v1/chat/completions", payloads[alias], 120)) as answers:
            await asyncio.sleep(2)
            await lifecycle.move(endpoint, alias, version.path)
            await asyncio.sleep(2)
        return {status for status, _ in answers}, [before, await text(alias), await text(version.name)]


def test_no_request_is_refused_while_the_alias_moves(live: Deployment, other: Version) -> None:
    asyncio.run(lifecycle.load(live.url, other))
    statuses, (before, after, version) = asyncio.run(
        _move_under_load(live.url, "car_sales", other, live.configs["car_sales"])
    )
    assert statuses == {200}
    assert before != after
    assert after == version


def test_a_candidate_that_does_not_pass_leaves_the_alias_alone(live: Deployment, tmp_path: Path) -> None:
    config = live.configs["car_sales"]
    where = ("--endpoint", live.url, "--config", config)
    run_verb("evaluate", *where, "--model", "car_sales", "--limit-sessions", "4", "--run-id", "a", "--out", tmp_path)
    before = asyncio.run(lifecycle.served(live.url))
    adapter = load(config).output_dir
    kept = ("--runs", tmp_path, "--versions", tmp_path / "versions", "--limit-sessions", "4", "--turns", "4")
    done = run_verb("serve", "promote", "car_sales", adapter, *where, "--baseline", "a", *kept, code=4)
    assert json.loads(done.stdout.splitlines()[-1])["stopped_by"] == "gate"
    assert asyncio.run(lifecycle.served(live.url)) == before
