"""The service level, and the search for the highest rate that keeps it."""

import asyncio

import pytest

from bench.figures import Sample, figures
from bench.load import Job, Level, Slo, parse_slo
from bench.measure.find_rate import HighestRate, find_rate, trial_of
from callproof.endpoint import Reply
from callproof.errors import UserError
from callproof.scoring import Answer
from callproof.turns import Turn

SLO = Slo(ttft=200, tpot=50, e2e=1000)
TURN = Turn(turn_id="t", session_id="s", position=1, messages=(), tools=None, gold=())


def sample(ttft: float = 100, e2e: float = 500, tokens: int = 11, delay: float = 0.0, outcome: str = "ok") -> Sample:
    return Sample.model_validate(
        {
            "model": "m", "turn_id": "t", "started_s": 0.0, "ttft_ms": ttft, "e2e_ms": e2e, "itl_ms": (),
            "output_tokens": tokens, "outcome": outcome, "error": None, "delay_ms": delay,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "kept"),
    [
        (sample(), True),
        (sample(ttft=200, e2e=700), True),
        (sample(ttft=200.001), False),
        (sample(e2e=601, ttft=100), False),
        (sample(e2e=1000, tokens=1), True),
        (sample(e2e=1000.1, tokens=1), False),
        (sample(delay=100), True),
        (sample(delay=101), False),
    ],
)
def test_every_limit_counts_and_time_before_sending_too(request_: Sample, kept: bool) -> None:
    assert SLO.kept(request_) is kept


def test_goodput_counts_requests_in_time_and_correct_goodput_the_right_ones_of_them() -> None:
    samples = [sample(), sample(ttft=900), sample(outcome="wrong_args"), sample()]
    row = figures(samples, 2.0, SLO)
    assert (row["request_goodput"], row["correct_goodput"], row["correct_per_s"]) == (1.5, 1.0, 1.5)
    assert figures(samples, 2.0)["request_goodput"] is None


@pytest.mark.parametrize("text", ["", "ttft", "ttft=0", "ttft=-1", "ttft=nan", "itl=5", "ttft=1,ttft=2", "e2e=inf"])
def test_limits_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="write it as ttft=200,tpot=50,e2e=2000"):
        parse_slo(text)


def test_limits_are_read_in_any_order_and_number() -> None:
    assert parse_slo("e2e=2000, ttft=1.5") == Slo(ttft=1.5, e2e=2000)


def served(rate: float, capacity: float, count: int = 400) -> Level:
    """A queue with one server that takes `1 / capacity` seconds a request, asked at a constant rate."""
    level, free = Level(None, planned=count, begun=0.0, rate=rate), 0.0
    for number in range(count):
        due = number / rate
        free = max(free, due) + 1 / capacity
        level.replies.append((Job("m", TURN, {}, due_s=due), Reply(Answer(), 200, due, (free,), free)))
        level.ended = free
    return level


def search(first: float, capacity: float, slo: Slo, count: int = 400) -> HighestRate:
    async def measure(rate: float) -> Level:
        return served(rate, capacity, count)

    return asyncio.run(find_rate(first, slo, measure))


@pytest.mark.parametrize("first", [1.0, 37.0, 500.0])
def test_the_search_ends_within_ten_per_cent_of_a_queue_s_capacity(first: float) -> None:
    answer = search(first, capacity=50.0, slo=Slo(e2e=100))
    assert answer.rate is not None
    assert answer.above is not None
    assert answer.rate < 56
    assert answer.above > 50
    assert answer.above / answer.rate <= 1.1
    assert f"{answer.above:g} req/s is too high" in answer.words


def test_an_answer_is_sure_only_where_both_sides_are_clear() -> None:
    assert search(10.0, capacity=50.0, slo=Slo(e2e=100)).sure
    assert not search(10.0, capacity=50.0, slo=Slo(e2e=100), count=100).sure


def test_where_no_rate_is_low_enough_that_is_the_answer() -> None:
    answer = search(4.0, capacity=50.0, slo=Slo(e2e=1))
    assert (answer.rate, answer.sure) == (None, False)
    assert "no rate down to" in answer.words


def test_where_no_rate_is_too_high_the_answer_is_not_sure() -> None:
    answer = search(1.0, capacity=1e6, slo=Slo(e2e=1000))
    assert answer.above is None
    assert not answer.sure


def test_requests_without_an_answer_break_the_service_level() -> None:
    level = served(10.0, capacity=1000.0, count=20)
    assert trial_of([sample() for _ in level.replies[:18]], 10.0, 20, SLO).share == 0.9


@pytest.mark.parametrize(("in_time", "kept"), [(20, True), (19, True), (18, False)])
def test_a_rate_is_kept_where_19_of_20_requests_are_in_time(in_time: int, kept: bool) -> None:
    samples = [sample() for _ in range(in_time)] + [sample(ttft=900) for _ in range(20 - in_time)]
    trial = trial_of(samples, 10.0, 20, SLO)
    assert (trial.share, trial.holds) == (in_time / 20, kept)
