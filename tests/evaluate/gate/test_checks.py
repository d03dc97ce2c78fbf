"""One check of the gate at a time, on differences that are written down here."""

from typing import Any

import pytest

from callproof.console.ci import Status
from callproof.scoring import Difference, Estimate, Spread
from evaluate.gate.checks import Pair, margin_check


@pytest.mark.parametrize(
    ("metric", "difference", "status"),
    [
        ("turn_exact", (0.0, -0.01, 0.01), "pass"),
        ("turn_exact", (-0.1, -0.15, -0.05), "fail"),
        ("turn_exact", (0.0, -0.02, 0.02), "inconclusive"),
        ("turn_exact", (0.0, -0.03, 0.03), "inconclusive"),
        ("turn_exact", (-0.03, -0.06, -0.02), "inconclusive"),
        ("hallucination_rate", (0.1, 0.05, 0.15), "fail"),
        ("hallucination_rate", (-0.1, -0.15, -0.05), "pass"),
        ("unknown_tool_rate", (0.1, 0.05, 0.15), "fail"),
        ("unknown_tool_rate", (-0.1, -0.15, -0.05), "pass"),
        ("false_abstention", (0.1, 0.05, 0.15), "fail"),
        ("infra_error_rate", (0.1, 0.05, 0.15), "fail"),
        ("parse_rate", (0.1, 0.05, 0.15), "pass"),
    ],
)
def test_the_limits_the_margin_and_the_direction_of_the_metric_decide(metric: str, difference, status: Status):
    pair = Pair(estimate(0.9), estimate(0.9))
    assert margin_check(metric, 0.02, pair, change(metric, *difference), 30).status == status


def estimate(value: float | None, applicable: bool = True) -> Estimate:
    return Estimate(value=value, n=100, low=None, high=None, clusters=50, applicable=applicable)


def change(metric: str, value: float | None, lower: float | None, upper: float | None, **more: Any) -> Difference:
    limits = {"low": lower, "high": upper, "lower_one_sided": lower, "upper_one_sided": upper}
    counts = {"n": 100, "clusters": 50, "discordant": 1, "discordant_clusters": 1, "unpaired": 0}
    return Difference.model_validate({"metric": metric, "value": value, **limits, **counts, **more})


def test_a_metric_that_a_side_has_not_is_no_pass_and_one_that_the_turns_cannot_have_is_not_applicable():
    def status(before: Estimate, after: Estimate) -> str:
        value = None if None in (before.value, after.value) else 0.0
        difference = change("turn_exact", value, value and -0.01, value and 0.01)
        return margin_check("turn_exact", 0.02, Pair(before, after), difference, 30).status

    assert status(estimate(0.5), estimate(None)) == "inconclusive"
    assert status(estimate(None), estimate(0.5)) == "inconclusive"
    assert status(estimate(None), estimate(None)) == "inconclusive"
    assert status(estimate(None, applicable=False), estimate(None, applicable=False)) == "not applicable"
    assert status(estimate(0.5), estimate(None, applicable=False)) == "inconclusive"


def test_without_a_discordant_session_the_sessions_needed_are_those_of_students_t_squared_over_the_margin():
    alike = Spread(0.0, 1.0, 1.0, 50)
    # t at 95 % with 136 degrees of freedom is 1.6561: squared and divided by 137 it is 0.02002, by 138 0.01987
    assert alike.sessions_needed(0.02) == 138
    assert alike.sessions_needed(-0.02) == 138
    assert alike.sessions_needed(0.0) is None


def test_the_side_of_the_limit_that_has_to_move_decides_how_many_sessions_it_takes():
    lopsided = Spread(0.0, 1.0, 0.25, 50)
    near, far = lopsided.sessions_needed(0.02), lopsided.sessions_needed(-0.02)
    assert (near, far) == (138, 36)  # 1.6896 squared times 0.25 is 0.7137, by 36 sessions 0.0198


def test_with_many_sessions_four_times_as_many_halve_the_distance():
    noisy = Spread(0.01, 0.0, 0.0, 1000)
    near, far = noisy.sessions_needed(0.005), noisy.sessions_needed(0.01)
    assert near is not None
    assert far is not None
    assert near / far == pytest.approx(4, rel=0.01)
    # 1,000 sessions are 1.645 x 0.01 off, and n sessions that times the root of 1,000 / n
    assert far == pytest.approx(1000 * 1.645**2, rel=0.01)


def test_as_few_sessions_as_bring_the_limit_within_the_distance_are_needed():
    # t at 95 % with 3 degrees of freedom is 2.3534: squared and divided by 4 sessions it is 1.385; 2.1318 with 4: 0.909
    assert Spread(0.0, 1.0, 1.0, 50).sessions_needed(1.0) == 5


@pytest.mark.parametrize(
    ("difference", "reason", "margin_needed"),
    [
        ((0.0, -0.0401, 0.0401), "a margin of 0 asks for a proven gain", 0.041),
        ((-0.001, -0.04, 0.03), "a margin of 0 asks for a proven gain", 0.04),
        ((0.001, -0.04, 0.042), "too few turns to tell", 0.04),
        ((0.01, 0.0, 0.02), "too few turns to tell", None),
        ((0.0, -1.0, 1.0), "a margin of 0 asks for a proven gain", None),
    ],
)
def test_a_margin_of_0_needs_a_gain_that_more_turns_could_prove(difference, reason: str, margin_needed: float | None):
    pair = Pair(estimate(0.9), estimate(0.9))
    found = margin_check("turn_exact", 0.0, pair, change("turn_exact", *difference), 30)
    assert found.status == "inconclusive"
    assert found.reason.startswith(reason)
    assert found.margin_needed == margin_needed
