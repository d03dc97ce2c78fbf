"""Several right answers, and calls that need not be made: verdicts and counts worked out by hand."""

from typing import Any

import pytest

from callproof.calls import ToolCall, render
from callproof.catalog import Catalog
from callproof.scoring import Answer, Outcome, Tally, judge, match, summarise
from callproof.scoring.counts import contradiction
from callproof.turns import GoldCall, Turn, catalog_of

XY = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}}
TOOLS: tuple[dict[str, Any], ...] = tuple(
    {"type": "function", "function": {"name": name, "parameters": XY}} for name in "fgh"
)


def gold(name: str, optional: bool = False, **arguments: Any) -> GoldCall:
    return GoldCall(name=name, arguments=arguments, optional_call=optional)


def turn(*answers: tuple[GoldCall, ...], session: str = "s", **more: Any) -> Turn:
    return Turn(
        turn_id=f"{session}/1",
        session_id=session,
        position=1,
        messages=({"role": "user", "content": "?"},),
        tools=more.pop("tools", TOOLS),
        gold=answers[0],
        alternatives=answers[1:],
        **more,
    )


def judged(asked: Turn, *calls: GoldCall, text: str = "Well.", **more: Any) -> Outcome:
    said = render([ToolCall(name=call.name, arguments=call.arguments) for call in calls]) if calls else text
    outcome = judge(asked, more.pop("answer", Answer(text=said, finish_reason="stop")), "m", catalog_of(asked), **more)
    assert contradiction(outcome.counts, outcome.per_tool, len(outcome.gold), outcome.outcome) is None
    return outcome


F1, F2, G, H = gold("f", x=1), gold("f", x=2), gold("g"), gold("h")
MAY_F1, MAY_G = gold("f", True, x=1), gold("g", True)

# right answers, calls of the model -> outcome, number of the alternative, (gold, name matches, exact matches)
ALTERNATIVES: dict[str, tuple[list[tuple[GoldCall, ...]], tuple[GoldCall, ...], str, int, tuple[int, int, int]]] = {
    "the recorded one": ([(F1,), (G,)], (F1,), "ok", 0, (1, 1, 1)),
    "the other": ([(F1,), (G,)], (G,), "ok", 1, (1, 1, 1)),
    "one of two calls": ([(F1,), (G, H)], (H, G), "ok", 1, (2, 2, 2)),
    "parts of both are no answer": ([(F1, G), (F2, H)], (F1, H), "wrong_args", 1, (2, 2, 1)),
    "an answer in full before more exact pairs": ([(F1, G, H), (F1, G)], (F1, G), "ok", 1, (2, 2, 2)),
    "most exact pairs": ([(F2, G), (F1, G)], (F1, G, H), "extra_call", 1, (2, 2, 2)),
    "then most names": ([(G,), (F1,)], (F2,), "wrong_args", 1, (1, 1, 0)),
    "then most equal arguments": (
        [(gold("f", x=1, y=1),), (gold("f", x=2, y=2),)], (gold("f", x=2, y=3),), "wrong_args", 1, (1, 1, 0),
    ),
    "then fewest calls left over": ([(F1, G, H), (F1, G)], (F1,), "missed_call", 1, (2, 1, 1)),
    "then the first": ([(F1,), (G,)], (H,), "wrong_tool", 0, (1, 0, 0)),
    "no call is right too": ([(F1,), ()], (), "ok", 1, (0, 0, 0)),
    "or a call where none was recorded": ([(), (F1,)], (F1,), "ok", 1, (1, 1, 1)),
    "a wrong call where either is right": ([(F1,), ()], (F2,), "wrong_args", 0, (1, 1, 0)),
    "another call where either is right": ([(F1,), ()], (G,), "extra_call", 1, (0, 0, 0)),
    "twice the right call": ([(G,), (F1,)], (F1, F1), "extra_call", 1, (1, 1, 1)),
    "never the same gold call twice": ([(F1,), (F1, F1)], (F1, F1), "ok", 1, (2, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "calls", "outcome", "number", "counts"), ALTERNATIVES.values(), ids=list(ALTERNATIVES)
)
def test_the_best_of_several_right_answers_counts(answers, calls, outcome, number, counts) -> None:
    found = judged(turn(*answers), *calls)
    assert (found.outcome, found.alternative) == (outcome, number)
    assert (found.counts.gold_calls, found.counts.name_matches, found.counts.exact_matches) == counts
    assert found.counts.predicted_calls == len(calls)


# gold, calls of the model -> outcome, calls that it was compared with
OPTIONAL: dict[str, tuple[tuple[GoldCall, ...], tuple[GoldCall, ...], str, str]] = {
    "left out": ((F1, MAY_G), (F1,), "ok", "f"),
    "made": ((F1, MAY_G), (F1, G), "ok", "fg"),
    "made twice": ((F1, MAY_G), (F1, G, G), "extra_call", "fg"),
    "made with other arguments": ((MAY_F1, G), (F2, G), "wrong_args", "fg"),
    "alone, left out": ((MAY_F1,), (), "ok", ""),
    "alone, made": ((MAY_F1,), (F1,), "ok", "f"),
    "in the place of the needed one": ((G, MAY_F1), (F1,), "missed_call", "gf"),
    "never in the place of an equal one that is needed": ((MAY_F1, F1), (F1,), "ok", "f"),
    "nor of one that is needed, if neither fits": ((gold("f", True, x=3), F1), (F2,), "wrong_args", "f"),
    "both of two equal ones": ((MAY_F1, F1), (F1, F1), "ok", "ff"),
    "another tool": ((MAY_F1,), (H,), "extra_call", ""),
    "the needed one missing": ((F1, MAY_G), (), "missed_call", "f"),
}


@pytest.mark.parametrize(("expected", "calls", "outcome", "compared"), OPTIONAL.values(), ids=list(OPTIONAL))
@pytest.mark.parametrize("order", ["any", "strict"])
@pytest.mark.parametrize("profile", ["strict", "bfcl"])
def test_an_optional_call_is_neither_missed_nor_extra(expected, calls, outcome, compared, order, profile) -> None:
    found = judged(turn(expected, order=order), *calls, profile=profile)
    assert found.outcome == outcome
    assert "".join(call.name for call in found.gold) == compared
    assert found.counts.gold_calls == len(compared)
    assert found.alternative is None


def test_a_strict_order_holds_for_optional_calls() -> None:
    asked = turn((F1, MAY_G), order="strict")
    assert judged(turn((F1, MAY_G)), G, F1).outcome == "ok"
    assert judged(asked, G, F1).outcome == "extra_call"


def test_an_exact_optional_pair_is_worth_more_than_an_inexact_needed_one() -> None:
    found = match([F2], [F1, gold("f", True, x=2)], Catalog(tools=()))
    assert ([pair.gold for pair in found.pairs], found.missing, found.exact) == ([1], (0,), False)


def test_relaxed_matches_give_way_to_strict_ones_in_another_answer() -> None:
    loose = {"type": "object", "properties": {"x": {"type": "string", "x-match": {"case": False}}}}
    tools = ({"type": "function", "function": {"name": "f", "parameters": loose}},)
    found = judged(turn((gold("f", x="A"),), (gold("f", x="a"),), tools=tools), gold("f", x="a"))
    assert (found.outcome, found.alternative, found.counts.relaxed_matches) == ("ok", 1, 0)


def test_no_answer_is_held_against_the_recorded_calls() -> None:
    found = judged(turn((F1,), ()), answer=Answer(error="refused"))
    assert (found.outcome, found.alternative, found.counts.gold_calls) == ("infra_error", 0, 1)


def test_a_malformed_attempt_is_a_parse_error_where_either_is_right() -> None:
    found = judged(turn((F1,), ()), text="<tool_call>{</tool_call>")
    assert (found.outcome, found.labels) == ("parse_error", ("parse_error",))
    assert judged(turn(()), text="<tool_call>{</tool_call>").labels == ("parse_error", "hallucinated_call")


def test_an_empty_answer_is_not_right_where_no_call_is_one_of_several_answers() -> None:
    assert judged(turn((F1,), ()), text="").outcome == "empty"


EXPECTATIONS = {
    "each calls": ([(F1,), (G,)], (True, True)),
    "one does not": ([(F1,), ()], (False, True)),
    "all may be left out": ([(MAY_F1,)], (False, True)),
    "one call is needed": ([(MAY_F1, G), (H,)], (True, True)),
    "none calls": ([(), ()], (False, False)),
}


@pytest.mark.parametrize(("answers", "expected"), EXPECTATIONS.values(), ids=list(EXPECTATIONS))
def test_a_turn_expects_a_call_where_every_right_answer_makes_one(answers, expected) -> None:
    asked = turn(*answers)
    assert (asked.expects_call, asked.allows_call) == expected
    counts = judged(asked, F1).counts
    kind = "call" if expected[0] else "either" if expected[1] else "no_call"
    for name in ("call", "no_call", "either"):
        flags = [getattr(counts, f"{start}{name}_turn") for start in ("", "answered_", "attempted_")]
        assert flags == [int(name == kind)] * 3


def test_turns_that_allow_both_say_nothing_about_the_decision_to_call() -> None:
    """Two turns expect a call (one called), two expect none (one called), four allow both (all called)."""
    outcomes = [
        judged(turn((F1,), session="a"), F1),
        judged(turn((F1,), session="b")),
        judged(turn((), session="c"), F1),
        judged(turn((), session="d")),
        *(judged(turn((F1,), (), session=name), F1) for name in "efgh"),
    ]
    figures = summarise(Tally.of(outcomes))
    values = {name: (figures[name].value, figures[name].n) for name in figures}
    assert values["decision_precision"] == (1 / 2, 2)
    assert values["decision_recall"] == (1 / 2, 2)
    assert values["decision_f1"] == (1 / 2, 2)
    assert values["hallucination_rate"] == (1 / 2, 2)
    assert values["false_abstention"] == (1 / 2, 2)
    assert values["turn_exact"] == (6 / 8, 8)
    assert values["name_recall"] == (5 / 6, 6)


def test_the_tally_says_which_answers_were_given() -> None:
    answers = [(F1,), (G,), ()]
    given = [(F1,), (F1,), (), (H,)]
    tally = Tally.of(judged(turn(*answers, session=str(n)), *calls) for n, calls in enumerate(given))
    assert tally.alternatives == {0: 2, 2: 1}


@pytest.mark.parametrize("written", ["ignore", {"ignore": True}])
def test_a_field_may_say_that_it_does_not_count(written: Any) -> None:
    note = {"type": "string", "maxLength": 9, "x-match": written}
    inner = {"type": "object", "properties": {"note": note, "day": {"type": "integer"}}}
    parameters = {"type": "object", "properties": {"day": {"type": "integer"}, "note": note, "in": inner}}
    tools = ({"type": "function", "function": {"name": "f", "parameters": parameters}},)
    asked = turn((gold("f", day=1, note="a", **{"in": {"note": "b", "day": 2}}),), tools=tools)
    right = judged(asked, gold("f", day=1, note="other", **{"in": {"day": 2}}))
    assert (right.outcome, right.counts.relaxed_matches) == ("ok", 0)
    assert (right.counts.gold_args, right.counts.predicted_args, right.counts.matched_args) == (2, 2, 2)
    assert judged(asked, gold("f", day=1, **{"in": {"note": "x", "day": 2}})).outcome == "ok"
    assert judged(asked, gold("f", day=1, **{"in": {"note": "b", "day": 3}})).outcome == "wrong_args"
    assert judged(asked, gold("f", day=1, note="too long a note", **{"in": {"day": 2}})).outcome == "schema_invalid"
    assert not catalog_of(asked).unusable
