"""Calls that no schema can judge: compared with gold as any other, counted, said, and never `schema_invalid`."""

from typing import Any

import pytest

from callproof.calls import ToolCall, render
from callproof.scoring import METRICS, Answer, Outcome, Tally, judge, summarise
from callproof.scoring.counts import contradiction
from callproof.turns import GoldCall, Turn, catalog_of

TOOLS: tuple[dict[str, Any], ...] = (
    {"type": "function", "function": {"name": "odd", "parameters": {"type": "object", "properties": None}}},
    {"type": "function", "function": {"name": "good", "parameters": {"properties": {"n": {"type": "integer"}}}}},
)


def outcome(gold: list[ToolCall], answer: list[ToolCall], turn_id: str = "s/1") -> Outcome:
    calls = tuple(GoldCall(name=call.name, arguments=call.arguments) for call in gold)
    turn = Turn(turn_id=turn_id, session_id="s", position=1, messages=(), tools=TOOLS, gold=calls)
    return judge(turn, Answer(text=render(answer), finish_reason="stop"), "m", catalog_of(turn))


def odd(n: Any) -> ToolCall:
    return ToolCall(name="odd", arguments={"n": n})


def good(n: Any) -> ToolCall:
    return ToolCall(name="good", arguments={"n": n})


@pytest.mark.parametrize(
    ("gold", "answer", "labels", "valid", "unjudged"),
    [
        ([odd(1)], [odd(1)], ["ok"], 0, 1),
        ([odd(1)], [odd("1")], ["wrong_args"], 0, 1),
        ([good(1), odd(1)], [odd(1), good(1)], ["ok"], 1, 1),
        ([good(1), odd(1)], [odd(1), good("1")], ["schema_invalid", "wrong_args"], 0, 1),
        ([], [odd(1), odd(2)], ["hallucinated_call"], 0, 2),
    ],
)
def test_an_unjudged_call_is_compared_counted_and_said(
    gold: list[ToolCall], answer: list[ToolCall], labels: list[str], valid: int, unjudged: int
) -> None:
    judged = outcome(gold, answer)
    assert list(judged.labels) == labels
    assert (judged.counts.schema_valid, judged.counts.unjudged) == (valid, unjudged)
    assert judged.reasons[0].startswith("odd: not checked against its schema: parameters.properties is no usable")
    assert contradiction(judged.counts, judged.per_tool, len(gold), judged.outcome) is None


def test_unjudged_calls_are_no_part_of_schema_valid_and_have_a_rate() -> None:
    outcomes = [outcome([good(1), odd(1)], [good(1), odd(1)])]
    outcomes.append(outcome([good(1), odd(1)], [good("1"), odd(1)], "s/3"))
    # 4 known calls: 2 unjudged, 1 valid, 1 invalid
    estimates = summarise(Tally.of(outcomes))
    assert (estimates["schema_valid"].value, estimates["schema_valid"].n) == (0.5, 2)
    assert (estimates["unjudged_rate"].value, estimates["unjudged_rate"].n) == (0.5, 4)
    assert not METRICS["unjudged_rate"].higher_is_better


def test_counts_with_more_calls_judged_than_made_are_refused() -> None:
    judged = outcome([odd(1)], [odd(1)])
    counts = judged.counts.model_copy(update={"schema_valid": 1})
    problem = contradiction(counts, judged.per_tool, 1, "ok")
    assert problem == "counts: schema_valid and unjudged are more than known, 1"


PARTS = """name_matches gold_calls, name_matches predicted_calls, exact_matches name_matches,
    answered_call_turn call_turn, answered_no_call_turn no_call_turn, attempted_call_turn answered_call_turn,
    attempted attempts, text_beside attempted, parsed attempts, known parsed, schema_valid known, unclosed parsed,
    decoded_strings parsed, predicted_calls parsed, relaxed_matches exact_matches, matched_args gold_args,
    matched_args predicted_args"""


@pytest.mark.parametrize(("part", "whole"), [pair.split() for pair in PARTS.split(",")])
def test_counts_of_which_a_part_is_more_than_the_whole_are_refused(part: str, whole: str) -> None:
    judged = outcome([good(1)], [good(1)])
    counts = judged.counts.model_copy(update={part: 3, whole: 2})
    problem = contradiction(counts, judged.per_tool, 1, "ok")
    assert problem is not None
    assert problem.startswith("counts: ")


def test_of_many_reasons_the_first_twenty_are_kept() -> None:
    unknown = [ToolCall(name=f"t{number}", arguments={}) for number in range(25)]
    assert len(outcome([good(1)], unknown).reasons) == 20
