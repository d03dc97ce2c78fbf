import itertools
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callproof.calls import ToolCall
from callproof.catalog import DIFFERENT, EQUAL, RELAXED, Catalog, Tool, assign
from callproof.scoring import match, pair_differences
from callproof.scoring.match import Matching
from callproof.turns import GoldCall


def catalog(**properties: Any) -> Catalog:
    return Catalog(tools=(Tool(name="t", parameters={"type": "object", "properties": properties}), Tool(name="u")))


def verdict(schema: dict[str, Any], gold: dict[str, Any], predicted: dict[str, Any]) -> int:
    """How `t(**predicted)` compares with `t(**gold)` where the property `v` has this schema."""
    matching = match([ToolCall(name="t", arguments=predicted)], [GoldCall(name="t", arguments=gold)], catalog(v=schema))
    (pair,) = matching.pairs
    return (RELAXED if pair.relaxed else EQUAL) if pair.exact else DIFFERENT


def of_values(schema: dict[str, Any], gold: Any, predicted: Any) -> int:
    return verdict(schema, {"v": gold}, {"v": predicted})


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (0, -0.0),
        (2**60, float(2**60)),
        ("é", "e\u0301"),
        ({"a": 1, "b": [1, {"c": None}]}, {"b": [1.0, {"c": None}], "a": 1}),
        ([], []),
        (None, None),
        (True, True),
    ],
)
def test_equal_values(left: Any, right: Any) -> None:
    assert of_values({}, left, right) == of_values({}, right, left) == EQUAL


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (True, 1),
        (False, 0),
        (True, 1.0),
        ("5", 5),
        ("-5", "5"),
        ("2024-11-1", "2024-1-11"),
        ("a", "A"),
        ("a b", "a  b"),
        ("a", "a "),
        ("ﬁ", "fi"),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ([], None),
        ({}, []),
        ({"a": None}, {}),
        (None, False),
        (1, 1.0000001),
        (2**53, 2**53 + 1),
        ("", None),
    ],
)
def test_different_values(left: Any, right: Any) -> None:
    assert of_values({}, left, right) == of_values({}, right, left) == DIFFERENT


def test_omitted_equals_the_default_in_both_directions() -> None:
    schema = {"default": 3}
    assert verdict(schema, {}, {"v": 3.0}) == verdict(schema, {"v": 3}, {}) == EQUAL
    assert verdict(schema, {}, {"v": 4}) == verdict(schema, {"v": 4}, {}) == DIFFERENT
    assert verdict({}, {}, {"v": 3}) == verdict({}, {"v": None}, {}) == DIFFERENT


def test_defaults_count_at_every_level_and_in_lists() -> None:
    inner = {"properties": {"deep": {"properties": {"d": {"default": "x"}}}}}
    assert of_values({"items": inner}, [{"deep": {}}], [{"deep": {"d": "x"}}]) == EQUAL
    assert of_values({"items": inner}, [{"deep": {"d": "x"}}], [{"deep": {}}]) == EQUAL
    assert of_values({"items": inner}, [{"deep": {"d": "y"}}], [{"deep": {}}]) == DIFFERENT
    assert of_values({"additionalProperties": inner}, {"a": {"deep": {}}}, {"a": {"deep": {"d": "x"}}}) == EQUAL


def test_an_object_as_default_is_itself_completed_by_defaults() -> None:
    schema = {"default": {}, "properties": {"a": {"default": 1}}}
    assert verdict(schema, {}, {"v": {"a": 1}}) == EQUAL


def test_null_is_omitted_only_where_it_is_declared() -> None:
    declared = {"x-null-omitted": True}
    assert verdict(declared, {}, {"v": None}) == verdict(declared, {"v": None}, {}) == EQUAL
    assert verdict({**declared, "default": 3}, {"v": 3}, {"v": None}) == EQUAL
    assert verdict({"default": None}, {}, {"v": None}) == EQUAL


def test_lists_are_unordered_only_where_it_is_declared() -> None:
    declared = {"x-unordered": True}
    assert of_values(declared, [1, 2, 2], [2, 1, 2]) == EQUAL
    assert of_values(declared, [1, 2, 2], [2, 1, 1]) == DIFFERENT
    assert of_values(declared, [[1, 2]], [[2, 1]]) == DIFFERENT
    assert of_values({"items": declared}, [[1, 2]], [[2, 1]]) == EQUAL


def test_unordered_lists_find_the_pairing_that_relaxations_need() -> None:
    schema = {"x-unordered": True, "items": {"x-match": {"tolerance": 1}}}
    assert of_values(schema, [1, 2], [2, 3]) == RELAXED
    assert of_values(schema, [1, 2], [2, 1]) == EQUAL
    assert of_values(schema, [1, 2], [3, 3]) == DIFFERENT


@pytest.mark.parametrize(
    ("relaxation", "left", "right"),
    [
        ({"case": False}, "Zürich STRASSE", "zürich Straße"),
        ({"whitespace": False}, " a\tb ", "a b"),
        ({"case": False, "whitespace": False}, "A  b", "a B "),
        ({"tolerance": 0.5}, 1, 1.5),
    ],
)
def test_a_relaxation_counts_only_where_it_is_declared_and_is_reported_apart(
    relaxation: Any, left: Any, right: Any
) -> None:
    assert of_values({"x-match": relaxation}, left, right) == RELAXED
    assert of_values({"x-match": relaxation}, left, left) == EQUAL
    assert of_values({"x-match": {}}, left, right) == DIFFERENT
    assert of_values({"properties": {"a": {"x-match": relaxation}}}, {"a": left}, {"a": right}) == RELAXED
    assert of_values({"properties": {"a": {"x-match": relaxation}}}, {"b": left}, {"b": right}) == DIFFERENT


def test_no_relaxation_makes_types_equal() -> None:
    every = {"x-match": {"case": False, "whitespace": False, "tolerance": 9}}
    assert of_values(every, "5", 5) == of_values(every, True, 1) == of_values(every, 10**400, 1.5) == DIFFERENT


@pytest.mark.parametrize(
    "wrapped",
    [
        {"$ref": "#/$defs/list"},
        {"allOf": [{"$ref": "#/$defs/list"}]},
        {"anyOf": [{"$ref": "#/$defs/list"}, {"type": "null"}]},
        {"oneOf": [{"type": "null"}, {"type": "array", "x-unordered": True}]},
    ],
)
def test_declarations_are_found_behind_references_and_nullable_forms(wrapped: dict[str, Any]) -> None:
    schema = {"$defs": {"list": {"type": "array", "x-unordered": True}}, "properties": {"v": wrapped}}
    tools = Catalog(tools=(Tool(name="t", parameters=schema),))
    gold, predicted = GoldCall(name="t", arguments={"v": [1, 2]}), ToolCall(name="t", arguments={"v": [2, 1]})
    assert match([predicted], [gold], tools).exact


def test_a_recursive_schema_is_compared_to_any_depth() -> None:
    schema = {"properties": {"v": {"$ref": "#"}, "d": {"default": 1}}}
    tools = Catalog(tools=(Tool(name="t", parameters=schema),))
    gold, predicted = (
        GoldCall(name="t", arguments={"v": {"v": {}}}),
        ToolCall(name="t", arguments={"v": {"v": {"d": 1}, "d": 1}}),
    )
    assert match([predicted], [gold], tools).exact


def test_any_of_gives_further_accepted_values() -> None:
    gold = GoldCall(name="t", arguments={"v": "CHF"}, any_of={"v": ("Franken", ["CHF"]), "w": (1,)})
    for arguments in ({"v": "CHF"}, {"v": "Franken"}, {"v": ["CHF"]}, {"v": "CHF", "w": 1}):
        assert match([ToolCall(name="t", arguments=arguments)], [gold], catalog()).exact
    for arguments in ({"v": "EUR"}, {}, {"v": "CHF", "w": 2}):
        assert not match([ToolCall(name="t", arguments=arguments)], [gold], catalog()).exact


def test_optional_arguments_may_be_left_out_and_are_compared_where_they_are_written() -> None:
    gold = GoldCall(name="t", arguments={"v": 1, "w": 2}, any_of={"w": (3,)}, optional=("w",))
    for arguments in ({"v": 1}, {"v": 1, "w": 2}, {"v": 1, "w": 3}):
        assert match([ToolCall(name="t", arguments=arguments)], [gold], catalog()).exact
    for arguments in ({"v": 1, "w": 4}, {"v": 1, "w": None}, {"w": 2}):
        assert not match([ToolCall(name="t", arguments=arguments)], [gold], catalog()).exact


def test_what_is_optional_alone_is_right_only_left_out_or_at_its_default() -> None:
    gold, tools = GoldCall(name="t", optional=("v", "w")), catalog(v={"default": 5})
    for arguments in ({}, {"v": 5}):
        assert match([ToolCall(name="t", arguments=arguments)], [gold], tools).exact
    for arguments in ({"v": 6}, {"w": ""}):
        assert not match([ToolCall(name="t", arguments=arguments)], [gold], tools).exact


def test_an_optional_argument_that_is_left_out_counts_as_matched() -> None:
    gold = GoldCall(name="t", arguments={"v": 1, "w": 2}, optional=("w",))
    (pair,) = match([ToolCall(name="t", arguments={"v": 1})], [gold], catalog()).pairs
    assert (pair.gold_args, pair.predicted_args, pair.matched_args) == (2, 2, 2)


def test_ignored_arguments_neither_differ_nor_count() -> None:
    gold = GoldCall(name="t", arguments={"v": 1, "note": "a"}, ignore=("note", "more"))
    (pair,) = match([ToolCall(name="t", arguments={"v": 1, "note": "b", "more": 2})], [gold], catalog()).pairs
    assert (pair.exact, pair.gold_args, pair.predicted_args, pair.matched_args) == (True, 1, 1, 1)


def test_arguments_are_counted_on_the_side_that_writes_them() -> None:
    tools = catalog(same={}, default={"default": 1}, other={})
    gold = GoldCall(name="t", arguments={"same": 1, "default": 1, "other": 1, "missing": 1})
    (pair,) = match([ToolCall(name="t", arguments={"same": 1, "other": 2, "extra": 3})], [gold], tools).pairs
    assert (pair.gold_args, pair.predicted_args, pair.matched_args) == (4, 4, 2)


def test_differences_name_the_deepest_place() -> None:
    gold = GoldCall(name="t", arguments={"v": {"lines": [{"n": 1}, {"n": 2}], "day": "Fri"}, "w": 1})
    predicted = ToolCall(name="t", arguments={"v": {"lines": [{"n": 1}, {"n": 3}]}, "x": "ü"})
    assert [str(found) for found in pair_differences(gold, predicted, catalog())] == [
        "v.lines[1].n: expected 2, got 3",
        'v.day: expected "Fri", got nothing',
        "w: expected 1, got nothing",
        'x: expected nothing, got "ü"',
    ]


def calls(*names_and_values: tuple[str, int]) -> list[ToolCall]:
    return [ToolCall(name=name, arguments={"a": value, "b": 0}) for name, value in names_and_values]


def golds(*names_and_values: tuple[str, int]) -> list[GoldCall]:
    return [GoldCall(name=call.name, arguments=call.arguments) for call in calls(*names_and_values)]


def pairs(matching: Matching) -> list[tuple[int, int]]:
    return [(pair.gold, pair.predicted) for pair in matching.pairs]


def test_exact_pairs_come_first_where_a_greedy_match_would_lose_one() -> None:
    matching = match(calls(("t", 2), ("t", 1)), golds(("t", 1), ("t", 3)), catalog())
    assert pairs(matching) == [(0, 1), (1, 0)]


def test_duplicates_count_and_surplus_is_left_over() -> None:
    matching = match(calls(("t", 1), ("t", 1), ("u", 1)), golds(("t", 1)), catalog())
    assert len(matching.pairs) == 1
    assert len(matching.surplus) == 2
    assert not matching.exact
    assert match(calls(("t", 1)), golds(("t", 1), ("t", 1)), catalog()).missing == (1,)


def test_calls_of_different_names_never_pair() -> None:
    matching = match(calls(("t", 1)), golds(("u", 1)), catalog())
    assert (matching.pairs, matching.surplus, matching.missing) == ((), (0,), (0,))


def test_no_calls_on_either_side_are_exact() -> None:
    assert match([], [], catalog()).exact


def test_order_counts_only_where_the_turn_says_so() -> None:
    predicted, gold = calls(("t", 1), ("u", 1)), golds(("u", 1), ("t", 1))
    assert match(predicted, gold, catalog()).exact
    strict = match(predicted, gold, catalog(), "strict")
    assert len(strict.pairs) == len(strict.surplus) == len(strict.missing) == 1
    assert match(predicted, [gold[1], gold[0]], catalog(), "strict").exact


def test_strict_order_keeps_the_best_pairs_that_do_not_cross() -> None:
    predicted, gold = calls(("u", 1), ("t", 1), ("t", 2), ("u", 2)), golds(("t", 1), ("t", 2), ("u", 1), ("u", 2))
    assert pairs(match(predicted, gold, catalog(), "strict")) == [(0, 1), (1, 2), (3, 3)]


def test_a_strict_pair_is_preferred_to_a_relaxed_one() -> None:
    tools = catalog(a={"x-match": {"tolerance": 1}})
    matching = match(calls(("t", 1), ("t", 2)), golds(("t", 2), ("t", 1)), tools)
    assert pairs(matching) == [(0, 1), (1, 0)]
    assert not any(pair.relaxed for pair in matching.pairs)


@given(st.lists(st.lists(st.integers(0, 20), min_size=4, max_size=4), min_size=1, max_size=4), st.booleans())
def test_the_assignment_weighs_as_much_as_the_best_of_all(weights: list[list[int]], turned: bool) -> None:
    grid = [list(row) for row in zip(*weights, strict=True)] if turned else weights
    found = assign(grid)
    best = max(
        sum(weights[row][column] for row, column in enumerate(columns))
        for columns in itertools.permutations(range(4), len(weights))
    )
    assert len(found) == min(len(grid), len(grid[0]))
    assert len({row for row, _ in found}) == len({column for _, column in found}) == len(found)
    assert sum(grid[row][column] for row, column in found) == best


small_calls = st.lists(st.tuples(st.sampled_from("tu"), st.integers(0, 2)), max_size=4)


@given(small_calls, small_calls, st.sampled_from(["any", "strict"]))
def test_no_other_matching_has_more_exact_pairs(predicted: Any, gold: Any, order: Any) -> None:
    matching = match(calls(*predicted), golds(*gold), catalog(), order)

    def exact(ways: tuple[int, ...], rows: tuple[int, ...]) -> int:
        return sum(gold[row] == predicted[column] for row, column in zip(rows, ways, strict=True))

    orders = itertools.permutations if order == "any" else itertools.combinations
    best = max(
        exact(ways, rows)
        for size in range(min(len(predicted), len(gold)) + 1)
        for rows in itertools.combinations(range(len(gold)), size)
        for ways in orders(range(len(predicted)), size)
    )
    assert sum(pair.exact for pair in matching.pairs) == best
    assert len(matching.pairs) + len(matching.surplus) == len(predicted)
    assert len(matching.pairs) + len(matching.missing) == len(gold)


@given(small_calls, small_calls)
def test_the_order_of_calls_changes_no_count(predicted: Any, gold: Any) -> None:
    def counts(matching: Matching) -> tuple[int, ...]:
        return len(matching.pairs), sum(p.exact for p in matching.pairs), sum(p.matched_args for p in matching.pairs)

    forward = match(calls(*predicted), golds(*gold), catalog())
    assert counts(forward) == counts(match(calls(*reversed(predicted)), golds(*reversed(gold)), catalog()))


def test_two_hundred_calls_against_twenty_are_fast() -> None:
    rng = random.Random(1)
    predicted = calls(*(("t", rng.randrange(50)) for _ in range(200)))
    gold = golds(*(("t", rng.randrange(50)) for _ in range(20)))
    started = time.process_time()
    for order in ("any", "strict"):
        match(predicted, gold, catalog(), order)
    assert time.process_time() - started < 1
