"""The search for the highest rate at which answers stay right, on servers whose turning point is known."""

import asyncio
from collections.abc import Callable

import pytest

from bench.figures import QualityLimit, judged
from bench.load import Job, Level, Slo
from bench.measure.find_rate import Alone, HighestRate, find_rate
from callproof.endpoint import Reply
from callproof.scoring import Answer
from callproof.turns import Turn

SESSIONS, SERVICE_S = 40, 0.1
EASY = Slo(e2e=1000)
RIGHT, WRONG = "Hello.", '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
JOBS = [
    Job("m", Turn(turn_id=f"s{n}/1", session_id=f"s{n}", position=1, messages=(), tools=None, gold=()), {})
    for n in range(SESSIONS)
]
Wrong = Callable[[int, int], bool]
"""Number of a request and requests in flight, itself included -> whether its answer is wrong."""


def served(rate: float, wrong: Wrong, capacity: float = 1e9) -> Level:
    """A tenth of a second for each request, once a queue with one server has let it in; asked at a constant rate."""
    level, free = Level(None, planned=SESSIONS, begun=0.0, rate=rate, arrival="constant"), 0.0
    for number, job in enumerate(JOBS):
        due = number / rate
        free = max(free, due) + 1 / capacity
        in_flight = 1 + sum(due - earlier / rate < SERVICE_S - 1e-9 for earlier in range(number))
        answer = Answer(text=WRONG if wrong(number, in_flight) else RIGHT, finish_reason="stop")
        level.replies.append((Job("m", job.turn, {}, due_s=due), Reply(answer, 200, due, (free + SERVICE_S,), free)))
    return level


def search(wrong: Wrong, capacity: float = 1e9, slo: Slo = EASY) -> HighestRate:
    async def measure(rate: float) -> Level:
        return served(rate, wrong, capacity)

    alone = Alone(judged(served(1.0, lambda *_: False)), 1 / SERVICE_S, QualityLimit(0.08, 30))
    return asyncio.run(find_rate(5.0, slo, measure, alone))


def half_above_three(number: int, in_flight: int) -> bool:
    return in_flight > 3 and number % 2 == 0


def test_the_rate_at_which_half_of_the_answers_turn_wrong_is_found():
    answer = search(half_above_three)
    # three are in flight up to 3 / 0.1 s = 30 req/s; 28.3 is the root of 20 * 40, 30.8 that of 28.3 * 33.6
    assert [trial.rate for trial in answer.trials] == [5, 10, 20, 40, 28.3, 33.6, 30.8]
    assert (answer.rate, answer.above) == (28.3, 30.8)
    verdicts = {trial.rate: trial.quality.verdict for trial in answer.trials if trial.quality}
    assert verdicts == {5: "right", 10: "right", 20: "right", 28.3: "right", 30.8: "worse", 33.6: "worse", 40: "worse"}
    assert "30.8 req/s is too high: answers: worse, turn_exact" in answer.words


def test_where_answers_stay_right_the_service_level_decides():
    answer = search(lambda *_: False, capacity=25.0, slo=Slo(e2e=300))
    # at 25 req/s nothing waits; at 28.3 the last of 40 requests is late by 40 / 25 - 39 / 28.3 = 0.22 s, 0.32 in all
    assert all(trial.quality and trial.quality.verdict == "right" for trial in answer.trials)
    assert answer.above is not None
    assert answer.rate is not None
    assert 25 <= answer.rate < answer.above < 30
    assert "is too high for the service level" in answer.words


def test_where_both_hold_at_every_rate_no_higher_one_was_tried_and_that_is_not_sure():
    answer = search(lambda *_: False)
    assert (answer.rate, answer.above, answer.sure) == (5 * 2.0**8, None, False)
    assert "no higher rate was tried" in answer.words


def test_a_rate_at_which_too_little_is_known_is_not_right_and_the_answer_says_how_much_is_missing():
    answer = search(lambda number, in_flight: in_flight > 3 and number == 20)
    assert (answer.rate, answer.above, answer.sure) == (28.3, 30.8, False)
    assert "30.8 req/s is open: not enough turns, turn_exact 97.5 %, alone 100.0 %: -2.5 points" in answer.words
    assert "about 34 more sessions would settle it; not sure" in answer.words


def test_where_no_rate_is_right_the_search_ends_at_a_quarter_of_the_rate_alone():
    answer = search(lambda number, _: number % 2 == 0)
    assert [trial.rate for trial in answer.trials] == [5, 2.5]
    assert (answer.rate, answer.sure) == (None, False)
    assert "no rate down to 2.5 req/s shows the service level for 95% of the requests and answers" in answer.words


@pytest.mark.parametrize(("low", "sure"), [(0.9, False), (0.96, True)])
def test_to_be_sure_the_service_level_must_be_sure_too(low: float, sure: bool):
    trial = search(half_above_three).trials[0].model_copy(update={"share": 0.97, "low": low})
    assert trial.surely_holds is sure
