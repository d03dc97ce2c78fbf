"""Several endpoints, retries and their pauses, against real local servers."""

import asyncio
import time
from collections import defaultdict
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, Script
from weather import Domain, right

from callproof.config import EvalConfig
from callproof.endpoint import Reply
from callproof.errors import UserError
from evaluate.cli import main
from evaluate.replay import Fleet
from evaluate.replay.fleet import pause_s
from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]

PAYLOAD = {"model": "tiny", "messages": []}


def ask(*urls: str, going_on: bool = True, **settings: Any) -> tuple[Reply, int, list[float]]:
    """One request at home 0 -> its last reply, where that came from, and the pauses that were made."""
    pauses: list[float] = []

    async def rest(seconds: float) -> bool:
        pauses.append(seconds)
        return going_on

    async def once() -> tuple[Reply, int]:
        async with Fleet(urls, EvalConfig(**settings)) as fleet:
            return await fleet.chat(PAYLOAD, 0, rest)

    return *asyncio.run(once()), pauses


def replay(domain: Domain, *fakes: FakeEndpoint, words: tuple[str, ...] = ()) -> int:
    urls = [word for fake in fakes for word in ("--endpoint", fake.url)]
    return main([*urls, "--config", str(domain.config), "--model", "tiny", "--run-id", "r", *words])


def sessions_of(fake: FakeEndpoint) -> dict[str, list[int]]:
    """Session (by its system prompt) -> lengths of the conversations that were asked, in order."""
    order: dict[str, list[int]] = defaultdict(list)
    for request in fake.requests:
        order[request["messages"][0]["content"]].append(len(request["messages"]))
    return order


def test_exhausted_retries_give_the_last_failure() -> None:
    with FakeEndpoint(faults=[Script(drop=True), Script(status=500, body=b"boom")]) as fake:
        reply, _, pauses = ask(fake.url, retries=1)
    assert (reply.status, reply.answer.error, len(pauses)) == (500, "HTTP 500: boom", 1)


def test_pauses_grow_and_a_wanted_one_is_kept() -> None:
    faults = [Script(status=503), Script(status=429, headers={"Retry-After": "6"}), Script(drop=True)]
    faults.append(Script(drop=True))  # the first one met a kept connection, and is sent again at once
    with FakeEndpoint("Hello.", faults=faults) as fake:
        reply, _, pauses = ask(fake.url, retries=3)
    assert reply.answer.text == "Hello."
    for pause, (low, high) in zip(pauses, [(0.25, 0.5), (6, 6.6), (1, 2)], strict=True):
        assert low <= pause <= high


def test_no_two_clients_come_back_at_the_same_time() -> None:
    assert len({pause_s(0, 0.0) for _ in range(100)}) == 100
    assert len({pause_s(0, 5.0) for _ in range(100)}) == 100
    assert max(pause_s(50, 0.0) for _ in range(100)) <= 8


def test_a_stop_ends_the_retries() -> None:
    with FakeEndpoint(Script(status=500)) as fake:
        reply, _, pauses = ask(fake.url, retries=3, going_on=False)
    assert (len(fake.requests), len(pauses), reply.status) == (1, 1, 500)


def test_an_endpoint_given_twice_is_refused() -> None:
    with pytest.raises(UserError, match="given twice"):
        Fleet(["http://h:1", "http://h:1/v1"], EvalConfig())


def test_two_endpoints_share_the_load_and_each_session_stays_at_one(domain: Domain) -> None:
    def answer(payload: dict[str, Any]) -> Script:
        return Script(right(payload), first_delay_s=0.01)

    with FakeEndpoint(answer) as one, FakeEndpoint(answer) as other:
        assert replay(domain, one, other, words=("--concurrency", "4")) == 0
    parts = sessions_of(one), sessions_of(other)
    assert not set(parts[0]) & set(parts[1])
    assert len(parts[0]) + len(parts[1]) == 40
    assert min(len(part) for part in parts) >= 8
    assert all(lengths == [2, 6] for part in parts for lengths in part.values())
    assert max(one.most_in_flight, other.most_in_flight) <= 4
    assert Run(domain.runs / "r").info().endpoints == (one.url, other.url)


def test_an_endpoint_that_dies_loses_no_turn_and_keeps_no_session(make_domain: Any) -> None:
    domain = make_domain(sessions=8, eval={"retries": 2, "timeout_s": 5})
    with FakeEndpoint(right) as alive, FakeEndpoint(Script(drop=True)) as dead:
        assert replay(domain, dead, alive, words=("--concurrency", "1")) == 0
    assert len(alive.requests) == 16
    assert all(length == 2 for lengths in sessions_of(dead).values() for length in lengths)


def test_an_endpoint_that_is_down_at_the_start_is_told(domain: Domain) -> None:
    words = ("--endpoint", "http://127.0.0.1:9")
    with FakeEndpoint(right) as fake, pytest.raises(UserError, match=r"127.0.0.1:9/v1/models: no endpoint answers"):
        replay(domain, fake, words=words)


def test_endpoints_of_different_versions_are_warned_of(domain: Domain) -> None:
    with FakeEndpoint(right) as one, FakeEndpoint(right, version="0.9") as other:
        replay(domain, one, other, words=("--limit-sessions", "1"))
    info = Run(domain.runs / "r").info()
    assert info.server_version == "0.9, fake"
    assert info.warnings == ("the endpoints differ in their versions: 0.9, fake",)


def test_a_request_does_not_wait_for_one_that_hangs() -> None:
    with FakeEndpoint("Hello.", faults=[Script(hang=True)]) as fake:
        began = time.perf_counter()
        reply, _, _ = ask(fake.url, retries=1, timeout_s=0.5)
    assert reply.answer.text == "Hello."
    assert time.perf_counter() - began < 5
