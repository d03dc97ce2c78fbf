"""Outcomes with BFCL's comparison, and of turns where any call is right."""

from typing import Any

import pytest

from callproof.calls import ToolCall, render
from callproof.scoring import Answer, MatchProfile, Outcome, judge
from callproof.turns import GoldCall, Turn, catalog_of

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"metal": {"type": "string", "enum": ["Gold"]}, "grams": {"type": "integer", "default": 1}},
    "required": ["metal"],
}
TOOLS = ({"type": "function", "function": {"name": "buy", "parameters": PARAMETERS}},)
GOLD = GoldCall(name="buy", arguments={"metal": "gold"})


def judged(text: str, *gold: GoldCall, profile: MatchProfile = "strict", any_call: bool = False) -> Outcome:
    message = {"role": "user", "content": "Gold!"}
    turn = Turn(turn_id="t", session_id="s", position=1, messages=(message,), tools=TOOLS, gold=gold, any_call=any_call)
    return judge(turn, Answer(text=text), "m", catalog_of(turn), profile=profile)


def call(name: str = "buy", **arguments: Any) -> str:
    return render([ToolCall(name=name, arguments=arguments)])


BROKEN = "<tool_call>{</tool_call>"

# text, gold -> labels of the strict profile, labels of BFCL's
PROFILES: dict[str, tuple[str, tuple[GoldCall, ...], list[str], list[str]]] = {
    "case and enum": (call(metal="GOLD."), (GOLD,), ["schema_invalid", "wrong_args"], ["ok"]),
    "the default written out": (call(metal="Gold", grams=1), (GOLD,), ["wrong_args"], ["wrong_args"]),
    "a malformed call where none is due": (BROKEN, (), ["parse_error", "hallucinated_call"], ["ok"]),
    "a malformed call beside one, where none is due": (
        call(metal="Gold") + BROKEN,
        (),
        ["parse_error", "hallucinated_call"],
        ["ok"],
    ),
    "a call where none is due": (call("sell"), (), ["unknown_tool", "hallucinated_call"], ["hallucinated_call"]),
    "no call where none is due": ("Hm.", (), ["ok"], ["ok"]),
    "a malformed call beside the right one": (
        call(metal="gold") + BROKEN,
        (GOLD,),
        ["parse_error", "schema_invalid"],
        ["parse_error"],
    ),
    "no call": ("Hm.", (GOLD,), ["missed_call"], ["missed_call"]),
    "another tool": (call("sell"), (GOLD,), ["unknown_tool", "wrong_tool"], ["unknown_tool", "wrong_tool"]),
    "one too many": (
        call(metal="gold") * 2,
        (GOLD,),
        ["schema_invalid", "extra_call"],
        ["extra_call"],
    ),
}


@pytest.mark.parametrize("case", PROFILES)
def test_each_profile_has_its_own_labels(case: str) -> None:
    text, gold, strict, bfcl = PROFILES[case]
    assert list(judged(text, *gold).labels) == strict
    found = judged(text, *gold, profile="bfcl")
    assert list(found.labels) == bfcl
    assert bool(found.reasons) == (bfcl != ["ok"]) != bool(found.counts.exact)


def test_the_default_written_out_is_equal_by_schema_alone() -> None:
    wanted = GoldCall(name="buy", arguments={"metal": "Gold"})
    assert judged(call(metal="Gold", grams=1), wanted).outcome == "ok"
    found = judged(call(metal="Gold", grams=1), wanted, profile="bfcl")
    assert found.reasons == ("buy: grams: expected nothing, got 1",)


# text -> labels of the strict profile, labels of BFCL's, where any call is right
ANY_CALL: dict[str, tuple[str, list[str], list[str]]] = {
    "a valid call": (call(metal="Gold"), ["ok"], ["ok"]),
    "two valid calls": (call(metal="Gold") * 2, ["ok"], ["ok"]),
    "no call": ("Which metal?", ["missed_call"], ["missed_call"]),
    "invalid arguments": (call(), ["schema_invalid"], ["ok"]),
    "unknown tool": (call("sell"), ["unknown_tool"], ["ok"]),
    "malformed": (BROKEN, ["parse_error"], ["parse_error"]),
    "malformed beside a valid one": (call(metal="Gold") + BROKEN, ["parse_error"], ["parse_error"]),
}


@pytest.mark.parametrize("case", ANY_CALL)
def test_where_any_call_is_right_only_its_validity_counts(case: str) -> None:
    text, strict, bfcl = ANY_CALL[case]
    for found, labels in (
        (judged(text, any_call=True), strict),
        (judged(text, any_call=True, profile="bfcl"), bfcl),
    ):
        assert list(found.labels) == labels
        assert bool(found.reasons) == (labels != ["ok"])


def test_any_call_counts_for_the_decision_and_not_for_the_names() -> None:
    counts = judged(call(metal="Gold"), any_call=True).counts
    assert (counts.call_turn, counts.no_call_turn, counts.attempted_call_turn) == (1, 0, 1)
    assert (counts.predicted_calls, counts.gold_calls, counts.name_matches) == (0, 0, 0)
    assert (counts.parsed, counts.known, counts.schema_valid) == (1, 1, 1)
    missed = judged("Which metal?", any_call=True)
    assert (missed.counts.answered_call_turn, missed.counts.attempted) == (1, 0)
    assert missed.reasons == ("missing: any call",)
