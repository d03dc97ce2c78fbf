"""Figures from replies whose times are known to the millisecond."""

from dataclasses import replace

import numpy as np
import pytest

from bench.figures import figures, judged, level_figures, quality_against_lowest, samples_of
from bench.load import Job, Level
from callproof.endpoint import Reply
from callproof.scoring import Answer
from callproof.turns import GoldCall, Turn

TOOL = {"type": "function", "function": {"name": "now", "description": None, "parameters": None}}
RIGHT, WRONG = '<tool_call>{"name": "now"}</tool_call>', "I do not know."


def turn(number: int) -> Turn:
    message = {"role": "user", "content": "What time is it?"}
    name = f"s{number}"
    return Turn(
        turn_id=f"{name}/1",
        session_id=name,
        position=1,
        messages=(message,),
        tools=(TOOL,),
        gold=(GoldCall(name="now"),),
    )


def reply(sent: float, *gaps: float, text: str = RIGHT, tokens: int | None = None, error: str | None = None) -> Reply:
    """Chunks after the given gaps in seconds; the body ends 5 s after the last of them."""
    times, at = [], sent
    for gap in gaps:
        at += gap
        times.append(at)
    usage = None if tokens is None else {"completion_tokens": tokens}
    answer = Answer(text=text, usage=usage, error=error)
    return Reply(answer, 200 if error is None else None, sent, tuple(times), at + 5.0)


def level_of(*replies: Reply, models: tuple[str, ...] = ("tiny",), ended: float = 110.0) -> Level:
    level = Level(concurrency=2, planned=len(replies), begun=100.0, ended=ended)
    for number, one in enumerate(replies):
        level.replies.append((Job(models[number % len(models)], turn(number), {}), one))
    return level


def test_ttft_ends_at_the_first_event_and_e2e_at_the_last_not_at_the_end_of_the_body() -> None:
    (sample,) = samples_of(level_of(reply(101.0, 0.2, 0.1, 0.3, tokens=3)))
    assert (sample.ttft_ms, sample.e2e_ms, sample.itl_ms) == (200.0, 600.0, (100.0, 300.0))
    assert sample.started_s == 1.0


def test_tpot_divides_the_time_after_the_first_event_by_the_tokens_after_the_first() -> None:
    (sample,) = samples_of(level_of(reply(100.0, 0.2, 0.1, 0.3, tokens=5)))
    assert sample.tpot_ms == pytest.approx(100.0)


@pytest.mark.parametrize("tokens", [0, 1])
def test_an_answer_of_one_token_has_no_tpot(tokens: int) -> None:
    (sample,) = samples_of(level_of(reply(100.0, 0.2, 0.1, tokens=tokens)))
    assert sample.tpot_ms is None


def test_without_usage_every_event_that_carries_a_piece_of_the_answer_counts_as_a_token() -> None:
    streamed = replace(reply(100.0, 0.1, 0.1, 0.1), pieces=2)
    (sample,) = samples_of(level_of(streamed))
    assert sample.output_tokens == 2


def test_first_content_is_told_beside_the_first_event() -> None:
    streamed = replace(reply(100.0, 0.045, 0.196, 0.02, tokens=2), first_piece=1)
    (sample,) = samples_of(level_of(streamed))
    assert (sample.ttft_ms, sample.ttfc_ms) == (45.0, 241.0)


@pytest.mark.parametrize(("requests", "few"), [(1, True), (99, True), (100, False)])
def test_the_p99_of_fewer_than_a_hundred_is_marked(requests: int, few: bool) -> None:
    level = level_of(*(reply(100.0, 0.1, tokens=1) for _ in range(requests)))
    row = figures(samples_of(level), 10.0)
    assert row["p99_of_few"] == (["ttft", "e2e"] if few else [])


def test_percentiles_interpolate_between_samples() -> None:
    level = level_of(*(reply(100.0, ttft / 1000, tokens=1) for ttft in range(1, 102)))
    row = figures(samples_of(level), 10.0)
    assert (row["ttft_p50_ms"], row["ttft_p90_ms"], row["ttft_p99_ms"]) == pytest.approx((51.0, 91.0, 100.0), abs=0.01)


def test_times_have_three_places() -> None:
    level = level_of(*(reply(100.0, ttft, tokens=1) for ttft in (0.0010001, 0.0010002, 0.0010006)))
    row = figures(samples_of(level), 10.0)
    assert (row["ttft_p50_ms"], row["ttft_p90_ms"]) == (1.0, 1.001)  # of 1.0002 and 1.00052 milliseconds


def test_latencies_of_a_request_have_three_places_and_its_moments_six() -> None:
    level = level_of(reply(100.0 + 1 / 3, 0.00123456, 0.00123412))
    level.replies = [(replace(job, due_s=1 / 7), one) for job, one in level.replies]
    (sample,) = samples_of(level)
    assert (sample.started_s, sample.due_s) == (0.333333, 0.142857)
    assert (sample.ttft_ms, sample.e2e_ms, sample.itl_ms) == (1.235, 2.469, (1.234,))
    assert sample.delay_ms == 190.476


def test_outcomes_of_other_requests_are_refused() -> None:
    level = level_of(reply(100.0, 0.1), reply(100.0, 0.1))
    with pytest.raises(ValueError, match="shorter"):
        samples_of(level, judged(level)[:1])


def test_rates_are_over_the_whole_time_of_the_level() -> None:
    level = level_of(reply(100.0, 0.1, 0.1, tokens=20), reply(101.0, 0.1, 0.1, tokens=10, text=WRONG))
    row = level_figures(level, samples_of(level))["overall"]
    assert (row["req_per_s"], row["tokens_per_s"], row["correct_per_s"]) == (0.2, 3.0, 0.1)
    assert (row["exact"], row["turn_exact"]) == (1, 0.5)


def test_a_failed_request_is_counted_and_has_no_latency() -> None:
    level = level_of(reply(100.0, 0.1, tokens=1), reply(100.0, 9.0, error="timed out", text=""))
    row = level_figures(level, samples_of(level))["overall"]
    assert (row["requests"], row["errors"], row["exact"], row["turn_exact"]) == (2, 1, 1, 0.5)
    assert row["req_per_s"] == 0.1
    assert row["ttft_p99_ms"] == 100.0
    cut = samples_of(level)[1]
    assert (cut.ttft_ms, cut.e2e_ms, cut.itl_ms, cut.output_tokens, cut.prompt_tokens) == (None, None, (), 0, None)


def test_the_models_rates_add_up_to_the_overall_rate() -> None:
    level = level_of(*(reply(100.0, 0.1, 0.1, tokens=2) for _ in range(5)), models=("tiny", "car_sales"))
    row = level_figures(level, samples_of(level))
    assert {model: part["requests"] for model, part in row["models"].items()} == {"tiny": 3, "car_sales": 2}
    for key in ("req_per_s", "tokens_per_s", "correct_per_s"):
        assert sum(part[key] for part in row["models"].values()) == pytest.approx(row["overall"][key], abs=0.001)


def test_mean_and_std_are_those_of_numpy_as_in_vllm_bench_serve() -> None:
    level = level_of(*(reply(100.0, ttft / 1000, tokens=1) for ttft in (10, 20, 60)))
    row = figures(samples_of(level), 1.0)
    assert (row["ttft_mean_ms"], row["ttft_std_ms"]) == pytest.approx((30.0, np.std([10, 20, 60])), abs=0.001)


def test_total_throughput_counts_prompts_and_is_unknown_where_the_server_does_not_count_them() -> None:
    counted = reply(100.0, 0.1, 0.1, tokens=20)
    usage = {"completion_tokens": 20, "prompt_tokens": 80}
    whole = replace(counted, answer=counted.answer.model_copy(update={"usage": usage}))
    row, unknown = (figures(samples_of(level_of(whole, one)), 10.0) for one in (whole, counted))
    assert (row["prompt_tokens"], row["total_token_throughput"]) == (160, 20.0)
    assert (unknown["prompt_tokens"], unknown["total_token_throughput"]) == (None, None)


def test_time_to_first_valid_call_is_a_figure_of_the_turns_that_have_one() -> None:
    streamed = replace(reply(100.0, 0.1, 0.1, 0.1, 0.1), chunk_texts=("", RIGHT[:10], RIGHT[10:], " "))
    row = figures(samples_of(level_of(streamed, reply(100.0, 0.1, text=WRONG))), 1.0)
    assert row["ttfvc_p50_ms"] == 300.0


def test_latency_from_the_schedule_adds_what_passed_before_sending() -> None:
    level = level_of(reply(101.0, 0.2, 0.3), reply(102.0, 0.2, 0.3))
    level.concurrency = None
    level.replies = [
        (replace(job, due_s=0.75), replace(one, waited_s=0.05 * number))
        for number, (job, one) in enumerate(level.replies)
    ]
    samples = samples_of(level)
    assert [(one.delay_ms, one.late_ms, one.e2e_from_schedule_ms) for one in samples] == [
        (250.0, 250.0, 750.0),
        (1250.0, 1200.0, 1750.0),
    ]
    figures_of_level = level_figures(level, samples)
    assert figures_of_level["lateness"]["lags"]
    assert figures_of_level["overall"]["e2e_p50_ms"] == 500.0
    assert figures_of_level["overall"]["e2e_from_schedule_p50_ms"] == 1250.0


def test_quality_is_compared_turn_by_turn_with_the_lowest_load() -> None:
    low = level_of(*(reply(100.0, 0.1) for _ in range(40)))
    high = level_of(*(reply(100.0, 0.1, text=RIGHT if number % 4 else WRONG) for number in range(40)))
    high.concurrency = 16
    same, worse = low, quality_against_lowest([(high, judged(high)), (low, judged(low))])
    assert worse[1] is None
    assert worse[0] is not None
    overall = worse[0]["overall"]
    assert worse[0]["against"] == "2 in flight"
    assert overall["value"] == -0.25
    assert -0.46 < overall["low"] < -0.25 < overall["high"] < -0.04
    assert (overall["n"], overall["clusters"]) == (40, 40)
    unchanged = quality_against_lowest([(same, judged(same)), (high, judged(same))])[1]
    assert unchanged is not None
    assert unchanged["overall"]["value"] == 0.0
    # t at 97.5 % with 39 degrees of freedom is 2.0227: squared and divided by 40 sessions it is 0.1023
    assert unchanged["models"]["tiny"]["low"] == pytest.approx(-0.1023, rel=1e-3)


def test_the_lowest_load_is_that_of_the_fewest_requests_then_models_and_needs_a_level() -> None:
    assert quality_against_lowest([]) == []
    levels = []
    for concurrency, rate, live in ((4, None, 1), (2, None, 8), (2, None, 4), (None, 2.5, None)):
        level = level_of(reply(100.0, 0.1))
        level.concurrency, level.rate, level.live = concurrency, rate, live
        levels.append((level, judged(level)))
    found = quality_against_lowest(levels)
    assert [row and row["against"] for row in found] == [levels[2][0].name, levels[2][0].name, None, levels[2][0].name]


def test_shares_have_four_places() -> None:
    level = level_of(*(reply(100.0, 0.1, text=text) for text in (RIGHT, WRONG, WRONG)))
    assert figures(samples_of(level), 3.0)["turn_exact"] == 0.3333
    assert figures(samples_of(level), 3.0)["correct_per_s"] == 0.3333


def test_no_sample_gives_no_figure_instead_of_zero() -> None:
    row = figures([], 0.0)
    assert row["req_per_s"] is None
    assert row["turn_exact"] is None
    assert row["e2e_p50_ms"] is None
