"""The open loop against a real local server, checked with the moments that the server itself recorded."""

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from bench_turns import SETTINGS, turns
from fake_endpoint import FakeEndpoint, Script

from bench.figures import Sample, level_figures, samples_of
from bench.load import Arrival
from bench.measure import Bench, Options


def run(fake: FakeEndpoint, rate: float, count: int, arrival: str = "constant", cap: int | None = None) -> Bench:
    burst = int(arrival.partition(":")[2] or 1)
    options = Options(rates=(rate,), arrival=Arrival(arrival, burst=burst), max_in_flight=cap)
    bench = Bench(fake.url, SETTINGS, {"tiny": turns(count, 1)}, [], count, options)
    asyncio.run(bench.run())
    return bench


def by_moment(bench: Bench) -> list[Sample]:
    return sorted(samples_of(bench.levels[0]), key=lambda sample: sample.due_s or 0.0)


def stalling(begins_s: float, lasts_s: float) -> Callable[[dict[str, Any]], Script]:
    """From `begins_s` after the first measured request on, answers wait until the stall is over."""
    first: list[float] = []

    def answer(_: dict[str, Any]) -> Script:
        first.append(time.perf_counter())  # the second is the first measured one, after the warm-up
        since = first[-1] - first[min(1, len(first) - 1)] - begins_s
        return Script("x", first_delay_s=lasts_s - since if 0 <= since < lasts_s else 0.0)

    return answer


def test_a_stall_is_charged_to_every_request_that_was_due_in_it() -> None:
    with FakeEndpoint(stalling(begins_s=0.5, lasts_s=1.0)) as fake:
        samples = by_moment(run(fake, rate=20, count=40))
    in_stall = [one for one in samples if 0.6 < (one.due_s or 0.0) < 1.45]
    over = [(one.e2e_from_schedule_ms or 0.0) - (1500 - 1000 * (one.due_s or 0.0)) for one in in_stall]
    assert len(in_stall) == 16
    assert min(over) >= 0  # none ends before the stall does
    assert statistics.median(over) < 200


def test_requests_are_sent_at_their_moments_however_long_earlier_ones_take() -> None:
    with FakeEndpoint(Script("x", first_delay_s=1.5)) as fake:
        bench = run(fake, rate=20, count=20)
        gaps = [moment - fake.arrivals[1] for moment in fake.arrivals[1:]]
        assert fake.most_in_flight == 20
    assert gaps == pytest.approx([number / 20 for number in range(20)], abs=0.4)
    assert bench.levels[0].ended - bench.levels[0].begun < 4


def test_a_limit_holds_requests_back_and_the_schedule_still_charges_them() -> None:
    with FakeEndpoint(Script("x", first_delay_s=0.2)) as fake:
        samples = by_moment(run(fake, rate=1000, count=6, cap=1))
        assert fake.most_in_flight == 1
    last = samples[-1]
    assert last.e2e_ms is not None
    assert last.e2e_ms < 700
    assert last.delay_ms >= 1000 - 10
    assert last.e2e_from_schedule_ms == pytest.approx(last.e2e_ms + last.delay_ms)
    assert last.late_ms is not None
    assert last.late_ms < last.delay_ms / 2  # the wait for the slot is not the generator's


def test_a_burst_arrives_together() -> None:
    with FakeEndpoint(Script("x", first_delay_s=0.3)) as fake:
        run(fake, rate=8, count=8, arrival="burst:4")
        moments = fake.arrivals[1:]
    assert moments[3] - moments[0] < 0.2
    assert moments[4] - moments[3] > 0.25


def test_latencies_agree_with_the_server_s_own_record_within_milliseconds() -> None:
    script = Script(chunks=("a", "b", "c", "d"), first_delay_s=0.1, chunk_delay_s=0.06)
    with FakeEndpoint(script) as fake:
        bench = run(fake, rate=5, count=12)
        replies = sorted((reply for _, reply in bench.levels[0].replies), key=lambda reply: reply.sent)
        written = [fake.writes[number] for number in range(1, 13)]
    behind = [
        1000 * (seen - wrote)
        for reply, moments in zip(replies, written, strict=True)
        for seen, wrote in zip(reply.chunk_times, moments, strict=True)
    ]
    assert len(behind) == 12 * 5
    assert min(behind) >= 0
    assert statistics.median(behind) < 5
    row = level_figures(bench.levels[0], samples_of(bench.levels[0]))["overall"]
    firsts = [1000 * (moments[0] - reply.sent) for reply, moments in zip(replies, written, strict=True)]
    assert row["ttft_p50_ms"] == pytest.approx(statistics.median(firsts), abs=5)
    assert row["ttft_p50_ms"] >= 100


def test_the_generator_tells_how_late_it_was_itself() -> None:
    with FakeEndpoint(Script("x")) as fake:
        bench = run(fake, rate=50, count=10)
    lateness = level_figures(bench.levels[0], samples_of(bench.levels[0]))["lateness"]
    assert 0 <= lateness["p50_ms"] <= lateness["p99_ms"] <= lateness["max_ms"]


def test_a_generator_that_is_held_up_says_that_it_lags() -> None:
    with FakeEndpoint(Script("x")) as fake:
        options = Options(rates=(50.0,), arrival=Arrival("constant"))
        bench = Bench(fake.url, SETTINGS, {"tiny": turns(10, 1)}, [], 10, options)

        async def held_up() -> None:
            async def block() -> None:
                while not bench.levels:
                    await asyncio.sleep(0.001)
                time.sleep(0.3)

            await asyncio.gather(bench.run(), block())

        asyncio.run(held_up())
    lateness = level_figures(bench.levels[0], samples_of(bench.levels[0]))["lateness"]
    assert lateness["lags"]
    assert lateness["max_ms"] > 50
