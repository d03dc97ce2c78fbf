from typing import Any

import pytest

from callproof.catalog import DIFFERENT, EQUAL, RELAXED, Shape, Tool, compare
from callproof.catalog.formats import instant

INSTANT = {"type": "string", "format": "date-time", "x-match": {"instant": True}}
CLOCK = {"type": "string", "format": "time", "x-match": {"instant": True}}


def compared(schema: dict[str, Any], left: Any, right: Any) -> int:
    """The verdict on two values of a property `v`, the same in both directions."""
    shape = Tool(name="t", parameters={"type": "object", "properties": {"v": schema}}).shape.property("v")
    verdict = compare(left, right, shape)
    assert compare(right, left, shape) == verdict
    return verdict


@pytest.mark.parametrize(
    ("left", "right"),
    [(9007199254740993, 9007199254740992.0), (9007199254740993, 9007199254740992), (10**400, 1e308), (0.3, 0.1 + 0.2)],
)
def test_numbers_are_compared_exactly(left: float, right: float) -> None:
    assert compared({}, left, right) == DIFFERENT


@pytest.mark.parametrize(
    ("tolerance", "left", "right", "verdict"),
    [
        (0.1, 1.0, 1.1, RELAXED),
        (0.1, 1.0, 1.1000001, DIFFERENT),
        (0.01, 20.0, 19.99, RELAXED),
        (0.05, 0.3, 0.35, RELAXED),
        (0.5, 1, 1.5, RELAXED),
        (1, 9007199254740993, 9007199254740992.0, RELAXED),
        (0.5, 9007199254740993, 9007199254740992.0, DIFFERENT),
        (0, 1, 1.0, EQUAL),
        (0, 1, 2, DIFFERENT),
        (5, 10**400, 10**400 + 5, RELAXED),
        (5, 10**400, 1.5, DIFFERENT),
        (1e308, float("inf"), 1.0, DIFFERENT),
        (1, 1, True, DIFFERENT),
    ],
)
def test_a_tolerance_holds_up_to_its_boundary_in_decimals(
    tolerance: float, left: float, right: float, verdict: int
) -> None:
    assert compared({"x-match": {"tolerance": tolerance}}, left, right) == verdict


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00+00:00"),
        ("2026-01-05T10:00:00Z", "2026-01-05T12:00+02:00"),
        ("2026-01-05T23:30:00-01:00", "2026-01-06T00:30:00z"),
        ("2026-01-05T10:00:00", "2026-01-05T10:00"),
        ("2026-01-05T10:00:00", "2026-01-05 10:00:00.000"),
        ("2026-01-05T10:00:00.5Z", "2026-01-05t10:00:00.50Z"),
    ],
)
def test_texts_of_one_instant_are_relaxed_matches_where_the_tool_says_so(left: str, right: str) -> None:
    assert compared(INSTANT, left, right) == RELAXED
    assert compared({**INSTANT, "x-match": {"instant": False}}, left, right) == DIFFERENT
    assert compared({"type": "string", "format": "date-time"}, left, right) == DIFFERENT


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00"),
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:01Z"),
        ("2026-01-05T10:00:00Z", "2026-01-06T10:00:00Z"),
        ("2026-01-05T23:59:60Z", "2026-01-06T00:00:00Z"),
        ("2026-01-05T10:00:00Z", "2026-01-05"),
        ("today", "now"),
        ("2026-02-30T10:00", "2026-02-30T10:00:00"),
    ],
)
def test_other_instants_and_texts_of_none_are_different(left: str, right: str) -> None:
    assert compared(INSTANT, left, right) == DIFFERENT


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        ("14:30", "14:30:00", RELAXED),
        ("14:30Z", "14:30:00+00:00", RELAXED),
        ("00:30+01:00", "23:30Z", RELAXED),
        ("14:30", "14:30", EQUAL),
        ("14:30", "14:30Z", DIFFERENT),
        ("14:30", "14:31", DIFFERENT),
        ("14:30", "2:30 pm", DIFFERENT),
    ],
)
def test_times_of_day_likewise(left: str, right: str, verdict: int) -> None:
    assert compared(CLOCK, left, right) == verdict


def test_an_instant_is_counted_from_the_first_day() -> None:
    moment = instant("0001-01-02T00:01:00+00:02", "date-time")
    assert moment is not None
    assert (moment.seconds, moment.zoned, moment.leap) == (86400 - 60, True, False)
    assert instant("0001-01-02T00:01:00", "date") is None


def test_the_first_items_of_a_list_have_their_own_shapes() -> None:
    loose = {"x-match": {"case": False}}
    schema = {"prefixItems": [loose, {}], "items": {"x-match": {"tolerance": 1}}}
    assert compared(schema, ["A", "b", 1], ["a", "b", 2]) == RELAXED
    assert compared(schema, ["A", "b", 1], ["a", "B", 1]) == DIFFERENT
    assert compared(schema, ["A", "b", "C"], ["A", "b", "c"]) == DIFFERENT
    older = {"items": [loose, {}], "additionalItems": {"x-match": {"tolerance": 1}}}
    shape = Shape(older, None)
    assert compare(["A", "b", 1], ["a", "b", 2], shape) == RELAXED
    assert compare(["A", "b", 1], ["A", "B", 1], shape) == DIFFERENT


def test_the_constants_of_a_value_choose_between_alternatives() -> None:
    car = {"properties": {"kind": {"const": "car"}, "doors": {"default": 4}}}
    van = {"properties": {"kind": {"enum": ["van"]}, "doors": {"default": 2}}}
    schema = {"anyOf": [car, van, {"type": "null"}]}
    assert compared(schema, {"kind": "car"}, {"kind": "car", "doors": 4}) == EQUAL
    assert compared(schema, {"kind": "van"}, {"kind": "van", "doors": 2}) == EQUAL
    assert compared(schema, {"kind": "van"}, {"kind": "van", "doors": 4}) == DIFFERENT
    assert compared(schema, {"kind": "car"}, {"kind": "van"}) == DIFFERENT
    assert compared(schema, {}, {"doors": 4}) == DIFFERENT


def test_unordered_lists_are_paired_off_whole_where_that_is_possible() -> None:
    # 1 is equal to 1 and near 1.5, 0.5 is near 1 alone: the equal pair would leave 0.5 and 1.5 over
    schema = {"type": "array", "x-unordered": True, "items": {"x-match": {"tolerance": 0.5}}}
    assert compared(schema, [1, 0.5], [1, 1.5]) == RELAXED
    assert compared(schema, [1, 0.4], [1, 1.5]) == DIFFERENT
