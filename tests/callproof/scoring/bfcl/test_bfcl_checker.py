"""BFCL's comparison, rule by rule; tests/evaluate/importers/test_bfcl_data.py holds it against published verdicts."""

from typing import Any

import pytest

from callproof.calls import ToolCall
from callproof.catalog import Catalog, Tool
from callproof.scoring.bfcl import bfcl_differences, match_bfcl
from callproof.turns import GoldCall

STRING, INTEGER, NUMBER, BOOLEAN = ({"type": name} for name in ("string", "integer", "number", "boolean"))
OBJECT = {"type": "object", "properties": {"a": STRING, "b": INTEGER}}


def listed(item: Any) -> dict[str, Any]:
    return {"type": "array", "items": item}


def catalog(*required: str, **properties: Any) -> Catalog:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return Catalog(tools=(Tool(name="t", parameters=parameters), Tool(name="u", parameters={"type": "object"})))


def gold(*values: Any, optional: bool = False) -> GoldCall:
    """`t(v=...)` with these accepted values."""
    return GoldCall(
        name="t",
        arguments={"v": values[0]} if values else {},
        any_of={"v": values[1:]} if values[1:] else {},
        optional=("v",) if optional else (),
    )


def valid(wanted: GoldCall, got: dict[str, Any], tools: Catalog) -> bool:
    return match_bfcl([ToolCall(name="t", arguments=got)], [wanted], tools).exact


@pytest.mark.parametrize(
    ("schema", "accepted", "got"),
    [
        (STRING, ["April 1, 2024"], "april 1 2024"),
        (STRING, ["-5"], "5"),
        (STRING, ["2024-11-1"], "2024-1-11"),
        (STRING, ["it's"], 'it"s'),
        (STRING, ["a", "b"], "B"),
        (NUMBER, [5.0], 5),
        (NUMBER, [5], 5),
        (NUMBER, [5], 5.0),
        (INTEGER, [5.0], 5.0),
        (INTEGER, ["n"], "n"),
        (BOOLEAN, [True], True),
        (listed(STRING), [["A b", "c"]], ["ab", "C"]),
        (listed(NUMBER), [[1, 2]], [1, 2]),
        (listed(NUMBER), [[1.0, 2.0]], [1.0, 2.0]),
        (listed(INTEGER), [[1], [2]], [2]),
        (listed(INTEGER), [[1]], [1]),
        (OBJECT, [{"a": "X y", "b": 1}], {"b": 1, "a": "xy"}),
        (OBJECT, [{"b": 1}], {"a": "", "b": 1}),
        (listed(OBJECT), [[{"a": "x"}, {"b": 1}]], [{"a": "X"}, {"b": 1}]),
        ({}, ["x"], "X"),
        ({}, [5], 5),
        ({"type": "string", "enum": ["Gold"]}, ["gold"], "GOLD"),
    ],
)
def test_what_bfcl_accepts(schema: Any, accepted: list[Any], got: Any) -> None:
    assert valid(gold(*accepted), {"v": got}, catalog(v=schema))


@pytest.mark.parametrize(
    ("schema", "accepted", "got"),
    [
        (STRING, ["a;b"], "ab"),
        (STRING, ["5"], 5),
        (STRING, ["é"], "e\u0301"),
        (INTEGER, [5], 5.0),
        (INTEGER, [1], True),
        (INTEGER, ["Total"], "total"),
        (NUMBER, [5.0], "5.0"),
        (NUMBER, [5.0], 10**400),
        (BOOLEAN, [True], 1),
        (listed(NUMBER), [[1.0, 2.0]], [1, 2]),
        (listed(INTEGER), [[1, 2]], [2, 1]),
        (listed(INTEGER), [[1]], ["1"]),
        (listed(INTEGER), [[1]], "1"),
        (listed(listed(STRING)), [[["a"]]], [["A"]]),
        (OBJECT, [{"a": "x", "b": 1}], {"a": "x"}),
        (OBJECT, [{"a": "x"}], {"a": "x", "b": 1}),
        (OBJECT, [{"a": "x"}], {"a": "x", "unknown": ""}),
        (OBJECT, [{"a": ["X"]}], {"a": ["x"]}),
        (listed(OBJECT), [[{"a": "x"}]], [{"a": "x"}, {"a": "x"}]),
        (listed(OBJECT), [[{"a": "x"}]], ["x"]),
        (STRING, ["x"], None),
    ],
)
def test_what_bfcl_refuses(schema: Any, accepted: list[Any], got: Any) -> None:
    assert not valid(gold(*accepted), {"v": got}, catalog(v=schema))


def test_what_is_optional_may_be_left_out_or_empty_unless_it_is_required() -> None:
    wanted = gold("x", optional=True)
    assert valid(wanted, {}, catalog(v=STRING))
    assert valid(wanted, {"v": ""}, catalog(v=STRING))
    assert not valid(wanted, {}, catalog("v", v=STRING))
    assert not valid(gold("x"), {}, catalog(v=STRING))


def test_what_is_optional_alone_takes_no_value() -> None:
    assert valid(gold(optional=True), {}, catalog(v=STRING))
    assert valid(gold(optional=True), {"v": ""}, catalog(v=STRING))
    assert not valid(gold(optional=True), {"v": "x"}, catalog(v=STRING))
    assert not valid(gold(optional=True), {"v": ""}, catalog(v=INTEGER))
    assert valid(gold(["x"], optional=True), {"v": []}, catalog(v=listed(STRING)))


def test_an_argument_that_gold_or_the_schema_lacks_is_refused_even_at_its_default() -> None:
    tools = catalog(v=STRING, w={"type": "integer", "default": 1})
    assert not valid(gold("x"), {"v": "x", "w": 1}, tools)
    assert not valid(gold("x"), {"v": "x"}, catalog())


def test_ignored_arguments_are_not_compared() -> None:
    wanted = GoldCall(name="t", arguments={"v": "x", "w": 1}, ignore=("w",))
    assert valid(wanted, {"v": "x", "w": 2}, catalog(v=STRING, w=INTEGER))


def calls(*names_and_values: tuple[str, str]) -> list[ToolCall]:
    return [ToolCall(name=name, arguments={"v": value} if name == "t" else {}) for name, value in names_and_values]


def test_calls_match_in_any_order_and_in_equal_number() -> None:
    wanted, tools = [gold("x"), gold("y"), GoldCall(name="u")], catalog(v=STRING)
    assert match_bfcl(calls(("u", ""), ("t", "y"), ("t", "x")), wanted, tools).exact
    assert not match_bfcl(calls(("t", "y"), ("t", "x")), wanted, tools).exact
    surplus = match_bfcl(calls(("u", ""), ("t", "y"), ("t", "x"), ("t", "x")), wanted, tools)
    assert (surplus.exact, surplus.surplus, surplus.missing) == (False, (3,), ())


def test_matching_is_greedy_so_that_a_right_answer_may_fail() -> None:
    wanted, tools = [gold("x", "y"), gold("x")], catalog(v=STRING)
    assert match_bfcl(calls(("t", "y"), ("t", "x")), wanted, tools).exact
    assert not match_bfcl(calls(("t", "x"), ("t", "y")), wanted, tools).exact


def test_calls_left_over_are_paired_by_name_and_their_arguments_counted() -> None:
    tools = catalog(v=STRING, w=INTEGER)
    wanted = GoldCall(name="t", arguments={"v": "x", "w": 1})
    matching = match_bfcl([ToolCall(name="t", arguments={"v": "X", "w": 2, "z": 0})], [wanted], tools)
    (pair,) = matching.pairs
    assert (pair.exact, pair.gold_args, pair.predicted_args, pair.matched_args) == (False, 2, 3, 1)
    assert match_bfcl(calls(("u", "")), [wanted], tools).missing == (0,)


def test_differences_name_the_arguments_that_are_refused() -> None:
    tools = catalog("r", v=STRING, w=listed(NUMBER), r=STRING)
    wanted = GoldCall(name="t", arguments={"v": "x", "w": [1.0]})
    predicted = ToolCall(name="t", arguments={"v": "X", "w": [1], "z": 0})
    assert [str(found) for found in bfcl_differences(wanted, predicted, tools)] == [
        "w: expected [1.0], got [1]",
        "z: expected nothing, got 0",
        'r: expected "any value", got nothing',
    ]
