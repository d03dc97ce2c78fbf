import numpy as np
import pytest

from benchmarks.gate_power import Scenario, bounds, decisions, rejections, simulate
from callproof.scoring import Countable, Tally, differences
from callproof.scoring.counts import Counts

SCENARIO = Scenario(sessions=60, turns=8, accuracy=0.8)


def test_without_a_true_change_the_gate_rejects_about_one_in_twenty_and_tests_that_ignore_sessions_more() -> None:
    found = rejections(SCENARIO, sets=600)
    for share in (found.worse, found.better, found.clustered):
        assert 0.03 <= share <= 0.07
    assert min(found.naive, found.mcnemar) > 0.09


def test_a_candidate_that_is_worse_by_just_the_margin_passes_about_one_time_in_twenty() -> None:
    passed, failed = decisions(bounds(simulate(SCENARIO, sets=600, effect=-0.05, seed=3)), margin=0.05)
    assert 0.03 <= passed <= 0.07
    assert 0.03 <= failed <= 0.07


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
    for number, limits in enumerate(bounds(pairs).T):
        counted = pairs.counted[number, 0]
        candidate, baseline = (tally(side, counted) for side in pairs.right[number])
        found = differences(candidate, baseline)["turn_exact"]
        expected = [found.low, found.high, found.lower_one_sided, found.upper_one_sided]
        assert limits == pytest.approx(expected, abs=0.004)
