from typing import Literal

import numpy as np
import pytest

from benchmarks.gate_power import (
    Cell,
    Scenario,
    bounds,
    decisions,
    errors_of,
    few_sessions_table,
    limits,
    rejections,
    simulate,
    steady_changes,
    whole_gate,
)
from callproof.scoring import Countable, Tally, differences
from callproof.scoring.counts import Counts

SCENARIO = Scenario(sessions=60, turns=8, accuracy=0.8)


def test_without_a_true_change_the_gate_rejects_about_one_in_twenty_and_tests_that_ignore_sessions_more() -> None:
    found = rejections(SCENARIO, sets=600)
    for share in (found.worse, found.better, found.two_sided):
        assert 0.005 <= share <= 0.07
    assert min(found.naive, found.mcnemar) > 0.09


def test_a_candidate_that_is_worse_by_just_the_margin_passes_about_one_time_in_twenty() -> None:
    passed, failed = decisions(bounds(simulate(SCENARIO, sets=600, effect=-0.05, seed=3)), margin=0.05)
    assert 0.005 <= passed <= 0.07
    assert 0.005 <= failed <= 0.07


@pytest.mark.parametrize("effect", [0.05, -0.05])
def test_an_effect_is_as_large_as_it_is_said_to_be(effect: float) -> None:
    gains, turns = simulate(SCENARIO, sets=600, effect=effect, seed=4).sums
    assert gains.sum() / turns.sum() == pytest.approx(effect, abs=0.005)


def tally(right: np.ndarray, counted: np.ndarray) -> Tally:
    """Of booleans (sessions, turns)."""
    zeros = dict.fromkeys(Counts.model_fields, 0) | {"turn": 1, "no_call_turn": 1, "answered_no_call_turn": 1}
    return Tally.of(
        Countable.model_validate({
            "turn_id": f"{session}/{turn}", "session_id": str(session), "model": "m", "channel": "raw",
            "position": turn, "tags": (), "catalog_size": 1, "gold": (), "reasons": (), "per_tool": {}, "answer": {},
            "outcome": "ok" if right[session, turn] else "wrong_args",
            "counts": zeros | {"exact": int(right[session, turn])},
        })
        for session, turn in np.argwhere(counted)
    )  # fmt: skip


def test_the_simulated_bounds_are_those_of_the_gate() -> None:
    pairs = simulate(Scenario(sessions=60, turns=8, accuracy=0.8, kept=0.6), sets=3, effect=-0.03, seed=5)
    for number, simulated in enumerate(bounds(pairs).T):
        counted = pairs.counted[number, 0]
        candidate, baseline = (tally(side, counted) for side in pairs.right[number])
        found = differences(candidate, baseline)["turn_exact"]
        expected = [found.low, found.high, found.lower_one_sided, found.upper_one_sided]
        assert simulated == pytest.approx(expected, rel=1e-6)


CASES = [(1, 1), (5, 1), (20, 1), (30, 1), (37, 2), (60, 2), (90, 5), (137, 1), (150, 1), (200, 2), (250, 5)]


@pytest.mark.parametrize("margin", [0.02, 0.05])
@pytest.mark.parametrize("kind", ["spread", "collapse"])
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_a_steady_baseline_passes_a_candidate_that_is_worse_by_just_the_margin_in_no_more_than_7_per_cent(
    margin: float, kind: Literal["spread", "collapse"], noise: float
) -> None:
    for sessions, turns in CASES:
        worse = steady_changes(Cell(margin, kind, noise, sessions, turns), margin, 2_000, np.random.default_rng(8))
        passed, _ = decisions(limits(*worse), margin)
        assert passed <= 0.08, (sessions, turns)  # 7 %, and two standard errors of 2,000 simulated pairs


def test_the_bootstrap_passes_such_a_candidate_in_a_quarter_of_the_cases_on_readmes_74_turns() -> None:
    found = errors_of(Cell(0.02, "spread", 0.0, 37, 2), 400, 400)
    assert found.false_pass == 0.0
    assert 0.17 <= found.bootstrap_false_pass <= 0.31


def test_limits_of_few_sessions_seldom_exclude_0_where_nothing_changed() -> None:
    rows = [row.split(" | ")[1] for row in list(few_sessions_table(400))[2:]]
    assert all(float(share.rstrip("%")) <= 7 for share in rows)


def test_a_gate_of_several_metrics_passes_no_more_often_than_its_worst_metric() -> None:
    for losses in ((0.05, 0.0), (0.0, 0.05), (0.05, 0.05)):
        *alone, together = whole_gate(*losses, 1_000)
        assert together <= min(alone) <= 0.07
