"""Counts that no answer can have, and what is told of answers that are none of the usual."""

import json
from typing import Any

import pytest

from callproof.calls import ToolCall, render
from callproof.scoring import Answer, Outcome, Tally, judge
from callproof.scoring.answer import relieved
from callproof.scoring.counts import contradiction
from callproof.turns import GoldCall, Turn, catalog_of

TOOLS: tuple[dict[str, Any], ...] = (
    {"type": "function", "function": {"name": "now", "parameters": {"properties": {"n": {"type": "integer"}}}}},
)
TURN = Turn(
    turn_id="s/1", session_id="s", position=1, messages=(), tools=TOOLS, gold=(GoldCall(name="now", arguments={}),)
)
CALL = render([ToolCall(name="now", arguments={})])


def judged(text: str = CALL, **answer: Any) -> Outcome:
    return judge(TURN, Answer(text=text, **answer), "m", catalog_of(TURN))


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ({"exact_matches": 7}, "counts: exact_matches is 7, more than name_matches, 1"),
        ({"no_call_turn": 1}, "counts: turn is not the sum of call_turn, no_call_turn, either_turn"),
        (
            {"infra": 1},
            "counts: turn is not the sum of answered_call_turn, answered_no_call_turn, answered_either_turn, infra",
        ),
        (
            {"attempted_call_turn": 0},
            "counts: attempted is not the sum of attempted_call_turn, attempted_no_call_turn, attempted_either_turn",
        ),
        ({"unjudged": 1}, "counts: schema_valid and unjudged are more than known, 1"),
        ({"empty": 1}, "counts: empty is 1, where there is an attempt or no answer"),
        ({"gold_calls": 5, "predicted_calls": 1}, "counts: gold_calls is 5, where gold holds 1"),
        ({"exact": 0}, "counts: exact is 0, where the outcome is ok"),
        (
            {"infra": 1, "answered_call_turn": 0, "attempted_call_turn": 0, "attempted": 0},
            "counts: infra is 1, where the outcome is ok",
        ),
        (
            {"exact_matches": 0},
            "per_tool: gold_calls, name_matches and exact_matches are not those of the turn",
        ),
    ],
)
def test_counts_that_no_answer_can_have_are_told(counts: dict[str, int], problem: str) -> None:
    right = judged()
    assert contradiction(right.counts, right.per_tool, 1, "ok") is None
    assert contradiction(right.counts.model_copy(update=counts), right.per_tool, 1, "ok") == problem


def test_counts_of_a_tool_contradict_each_other_or_are_missing() -> None:
    right = judged()
    more = {"now": right.per_tool["now"].model_copy(update={"name_matches": 2})}
    problem = "per_tool: 'now': name_matches is 2, more than gold_calls, 1"
    assert contradiction(right.counts, more, 1, "ok") == problem
    missing = "per_tool: gold_calls, name_matches and exact_matches are not those of the turn"
    assert contradiction(right.counts, {}, 1, "ok") == missing


def test_counts_that_an_earlier_version_did_not_write_are_0() -> None:
    row = judged().model_dump(mode="json")
    later = ("either_turn", "answered_either_turn", "attempted_either_turn", "empty", "unjudged")
    assert [row["counts"].pop(name) for name in later] == [0] * 5
    assert row.pop("repeat") == 0
    read = Outcome.model_validate_json(json.dumps(row))
    assert (read.counts, read.repeat) == (judged().counts, 0)


def test_labels_notations_and_what_was_asked_again_are_counted() -> None:
    texts = {CALL: 2, "No.": 3}
    outcomes = [judged(text) for text, times in texts.items() for _ in range(times)] + [judged("", error="gone")] * 4
    tally = Tally.of(one.model_copy(update={"turn_id": f"s/{number}"}) for number, one in enumerate(outcomes))
    assert tally.labels == {"infra_error": 4, "missed_call": 3, "ok": 2}
    assert tally.notations == {None: 3, "hermes": 2}
    assert tally.retried == 0


def test_slices_come_by_kind_then_in_natural_order() -> None:
    asked = TURN.model_copy(update={"tags": ("z", "b")})
    free = asked.model_copy(update={"turn_id": "s/2", "position": 12, "gold": (), "any_call": True})
    quiet = free.model_copy(update={"turn_id": "s/3", "position": 3, "any_call": False})
    tally = Tally.of(judge(turn, Answer(text=CALL), "m", catalog_of(turn)) for turn in (free, asked, quiet))
    assert {name: rows.tolist() for name, rows in tally.slices.items()} == {
        "tool=now": [0], "gold_calls=any": [1], "gold_calls=0": [2], "gold_calls=1": [0],
        "position=1": [0], "position=3": [2], "position=9-16": [1],
        "catalog_size=1": [0, 1, 2], "tag=b": [0, 1, 2], "tag=z": [0, 1, 2],
    }  # fmt: skip
    kinds = [name.partition("=")[0] for name in tally.slices]
    assert list(dict.fromkeys(kinds)) == ["tool", "gold_calls", "position", "catalog_size", "tag"]
    assert len(kinds) == 10
    assert list(tally.slices)[1:7] == [
        "gold_calls=0", "gold_calls=any", "gold_calls=1", "position=1", "position=3", "position=9-16",
    ]  # fmt: skip


def test_answers_that_took_more_than_one_request_are_counted() -> None:
    requests = (None, 1, 2, 5)
    outcomes = [
        judged(requests=number).model_copy(update={"turn_id": f"s/{place}"}) for place, number in enumerate(requests)
    ]
    assert Tally.of(outcomes).retried == 2


def test_an_answer_that_no_process_could_judge_is_relieved_of_its_schemas_and_then_of_its_verdict() -> None:
    wrong = Answer(text=render([ToolCall(name="now", arguments={"n": "one"})]))
    labels = []
    for overruns in range(3):
        outcome = judge(TURN, *_relieved(wrong, overruns))
        labels.append(outcome.outcome)
    assert labels == ["schema_invalid", "wrong_args", "infra_error"]
    assert outcome.reasons == ("no answer: judging takes too long",)
    assert outcome.answer.text == wrong.text


def _relieved(answer: Answer, overruns: int) -> tuple[Answer, str, Any]:
    answer, catalog = relieved(answer, catalog_of(TURN), overruns)
    return answer, "m", catalog
