"""The closed loop against a real local server with scripted delays."""

import asyncio
from collections import Counter

import pytest
from bench_turns import SETTINGS, turns
from fake_endpoint import FakeEndpoint, Script

from bench.figures import level_figures, samples_of
from bench.load import make_jobs
from bench.measure import Bench, Options
from callproof.config import EvalConfig


def run(fake: FakeEndpoint, levels: list[int], models: tuple[str, ...] = ("tiny",), count: int = 8) -> Bench:
    bench = Bench(fake.url, SETTINGS, dict.fromkeys(models, turns(count, 1)), levels, count)
    asyncio.run(bench.run())
    return bench


def test_scripted_delays_come_out_as_ttft_itl_and_e2e() -> None:
    script = Script(chunks=("a", "b", "c", "d"), first_delay_s=0.15, chunk_delay_s=0.05)
    with FakeEndpoint(script) as fake:
        (level,) = run(fake, [2]).levels
    row = level_figures(level, samples_of(level))["overall"]
    assert 150 <= row["ttft_p50_ms"] < 300
    assert 45 <= row["itl_p50_ms"] < 120
    assert 300 <= row["e2e_p50_ms"] < 700
    assert row["tpot_p50_ms"] == pytest.approx((row["e2e_p50_ms"] - row["ttft_p50_ms"]) / 3, rel=0.3)
    assert level.ended - level.begun >= 8 / 2 * 0.3


def test_each_level_keeps_its_number_of_requests_in_flight_and_no_more() -> None:
    with FakeEndpoint(Script("x", first_delay_s=0.03)) as fake:
        for concurrency in (1, 3):
            fake.most_in_flight = 0
            run(fake, [concurrency])
            assert fake.most_in_flight == concurrency


def test_every_model_is_warmed_up_before_the_clock_runs() -> None:
    with FakeEndpoint(models=["tiny", "cars"]) as fake:
        bench = run(fake, [1], models=("tiny", "cars"))
    assert [payload["model"] for payload in fake.requests[:2]] == ["tiny", "cars"]
    assert len(fake.requests) == 2 + 16
    assert len(bench.levels[0].replies) == 16


def test_failed_requests_are_errors_and_are_not_tried_again() -> None:
    dropped_again = [Script(drop=True), Script(drop=True)]  # a kept connection that was closed is tried once more
    answers = iter([Script("warm-up"), Script(status=503), *dropped_again, *[Script("ok")] * 6])
    with FakeEndpoint(lambda _: next(answers)) as fake:
        (level,) = run(fake, [1]).levels
    samples = samples_of(level)
    assert [sample.outcome for sample in samples] == ["infra_error", "infra_error", *["ok"] * 6]
    assert "HTTP 503" in (samples[0].error or "")


def test_a_hung_stream_ends_with_the_timeout() -> None:
    scripts = iter([Script("warm-up"), Script(hang=True)])
    with FakeEndpoint(lambda _: next(scripts)) as fake:
        bench = Bench(fake.url, EvalConfig(timeout_s=0.3), {"tiny": turns(1, 1)}, [1], 1)
        asyncio.run(bench.run())
    assert samples_of(bench.levels[0])[0].error == "timed out"


def test_a_cancelled_bench_keeps_what_has_come_back() -> None:
    async def cut_off(bench: Bench) -> None:
        async with asyncio.timeout(0.5):
            await bench.run()

    with FakeEndpoint(Script("x", first_delay_s=0.1)) as fake:
        bench = Bench(fake.url, SETTINGS, {"tiny": turns(50, 1)}, [1, 2], 50)
        with pytest.raises(TimeoutError):
            asyncio.run(cut_off(bench))
    (level,) = bench.levels
    assert 1 <= len(level.replies) < 10
    assert level.partial
    assert level_figures(level, samples_of(level))["overall"]["requests"] == len(level.replies)


def test_a_session_stays_in_order_and_its_turns_lie_apart() -> None:
    jobs = make_jobs({"tiny": turns(8, 3)}, 24, 4, SETTINGS)
    order = [job.turn.turn_id for job in jobs]
    assert order[:8] == ["s0/0", "s1/0", "s2/0", "s3/0", "s0/1", "s1/1", "s2/1", "s3/1"]
    assert len(set(order)) == 24


def test_the_number_of_requests_is_per_model_and_models_take_turns() -> None:
    jobs = make_jobs({"tiny": turns(8, 1), "cars": turns(2, 1)}, 5, 4, SETTINGS)
    assert [job.model for job in jobs] == ["tiny", "cars", "tiny", "cars", "tiny", "tiny", "tiny"]


def test_the_payload_is_the_one_of_replay_streamed() -> None:
    with FakeEndpoint() as fake:
        run(fake, [1], count=1)
    assert fake.requests[1] == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "0 0"}],
        "max_tokens": SETTINGS.max_tokens,
        "temperature": 0.0,
        "seed": 0,
        "skip_special_tokens": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_mix_shares_the_requests_out_by_weight() -> None:
    with FakeEndpoint(models=["tiny", "cars"]) as fake:
        options = Options(mix={"tiny": 3.0, "cars": 1.0})
        bench = Bench(fake.url, SETTINGS, dict.fromkeys(("tiny", "cars"), turns(9, 1)), [2], 9, options)
        asyncio.run(bench.run())
    assert Counter(job.model for job, _ in bench.levels[0].replies) == {"tiny": 9, "cars": 3}


def test_each_level_has_its_number_of_live_models_and_the_same_number_of_requests() -> None:
    models = ("a", "b", "c", "d")
    with FakeEndpoint(models=models) as fake:
        bench = Bench(fake.url, SETTINGS, dict.fromkeys(models, turns(8, 1)), [2], 8, Options(live=(1, 2, 4)))
        asyncio.run(bench.run())
    requests_by_model = [Counter(job.model for job, _ in level.replies) for level in bench.levels]
    assert requests_by_model == [{"a": 8}, {"a": 4, "b": 4}, dict.fromkeys(models, 2)]
    assert [level.live for level in bench.levels] == [1, 2, 4]


def test_a_warm_cache_has_seen_every_prompt_once_before_the_first_level() -> None:
    with FakeEndpoint() as fake:
        bench = Bench(fake.url, SETTINGS, {"tiny": turns(6, 1)}, [1, 2], 6, Options(cache="warm"))
        asyncio.run(bench.run())
        prompts = [payload["messages"][0]["content"] for payload in fake.requests]
    assert Counter(prompts[1:7]) == {f"{number} 0": 1 for number in range(6)}
    assert len(prompts) == 1 + 6 + 2 * 6
    assert [len(level.replies) for level in bench.levels] == [6, 6]


def test_a_server_that_dies_ends_the_bench_and_what_it_answered_is_kept() -> None:
    async def dying(bench: Bench, fake: FakeEndpoint) -> None:
        async def kill() -> None:
            while len(fake.requests) < 4:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(fake.__exit__)

        await asyncio.gather(bench.run(), kill())

    fake = FakeEndpoint(Script("x", first_delay_s=0.1))
    with fake:
        bench = Bench(fake.url, SETTINGS, {"tiny": turns(12, 1)}, [1, 2, 4], 12)
        asyncio.run(dying(bench, fake))
    assert bench.stopped is not None
    assert "no endpoint answers" in bench.stopped
    (level,) = bench.levels
    outcomes = [sample.outcome for sample in samples_of(level)]
    assert outcomes[0] == "ok"
    assert outcomes[-1] == "infra_error"


def test_a_stream_that_hangs_or_breaks_half_way_is_an_error_and_the_others_go_on() -> None:
    scripts = iter([Script("warm-up"), Script(chunks=("a", "b"), chunk_delay_s=9.0), Script("a b c", drop_after=2)])
    with FakeEndpoint(lambda _: next(scripts, Script("ok"))) as fake:
        bench = Bench(fake.url, EvalConfig(timeout_s=1.5), {"tiny": turns(5, 1)}, [1], 5)
        asyncio.run(bench.run())
    samples = samples_of(bench.levels[0])
    assert [sample.outcome for sample in samples] == ["infra_error", "infra_error", "ok", "ok", "ok"]
    assert samples[0].error == "timed out"
    assert bench.stopped is None
