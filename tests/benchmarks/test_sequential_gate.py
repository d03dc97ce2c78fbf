import math
from statistics import NormalDist

import numpy as np
import pytest

from benchmarks.sequential_gate import RULES, Design, judged, row_of, signs, verdicts, whole_gate
from evaluate.gate import EARLY_LEVEL, looks


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        (240, (30, 60, 90, 120, 150, 180, 210)),
        (60, (8, 15, 23, 30, 38, 45, 53)),
        (5, (2, 3, 4)),
        (2, ()),
        (1, ()),
    ],
)
def test_looks_are_at_each_eighth(sessions: int, expected: tuple[int, ...]) -> None:
    assert looks(sessions) == expected


def test_the_early_looks_spend_at_most_1_2_per_cent_and_add_half_a_point_to_the_end() -> None:
    # Of normal increments alone, no code of the gate: sums of eight equal steps, held against the level's quantile.
    rng = np.random.default_rng(1)
    steps = rng.standard_normal((200_000, 8))
    scores = steps.cumsum(axis=1) / np.sqrt(np.arange(1, 9))
    early = (scores[:, :7] > NormalDist().inv_cdf(EARLY_LEVEL)).any(axis=1)
    end = scores[:, 7] > NormalDist().inv_cdf(0.95)
    assert early.mean() <= 0.012
    assert (early | end).mean() <= 0.055


def test_without_a_change_it_stops_at_the_look_where_the_limit_falls_below_the_margin() -> None:
    # t^2 / k with t at 99.75 %: 9.2 points of 90 sessions, 14.2 of 60.
    zeros, ones = np.zeros((3, 240)), np.ones((3, 240))
    found = judged((zeros, ones), 0.1)
    assert found.sessions.tolist() == [90, 90, 90]
    assert found.until.tolist() == [1, 1, 1]


def test_where_nothing_is_sure_the_fixed_verdict_stands() -> None:
    design = Design(None, 0.0, 60, 2, 0.1)
    found = verdicts(design, -0.1, 500, seed=3)
    late = ~found.early
    assert (found.sessions[late] == 60).all()
    assert (found.until[late] == found.fixed[late]).all()


@pytest.mark.parametrize(
    "design",
    [Design(None, 0.0, 120, 5, 0.05), Design("spread", 0.0, 150, 2, 0.05), Design("collapse", 0.03, 400, 2, 0.05)],
)
def test_wrong_verdicts_are_hardly_more_than_the_fixed_gates(design: Design) -> None:
    worse = verdicts(design, -design.margin, 2_000, seed=4)
    for sign in (1, -1):
        fixed, until, early = worse.shares(sign)
        assert until <= fixed + 0.01
        assert early <= 0.02
        assert until <= 0.07


def test_a_clear_truth_takes_no_more_than_half_of_the_sessions() -> None:
    row = row_of(Design("spread", 0.0, 400, 2, 0.05))
    for found, sign in ((row.same, 1), (row.clear, -1)):
        assert (found.until == sign).all()
        assert found.sessions.mean() <= 200  # 163 pass without a turn that differs; then comes the look at 200


def test_a_gate_of_several_metrics_passes_no_more_often_than_its_worst_metric() -> None:
    found, alone = whole_gate(0.05, 0.0, 500)
    assert (found.until == 1).mean() <= min(alone) <= 0.07


def test_a_bettor_who_sees_no_loss_needs_about_the_rule_of_three() -> None:
    # The best bet grows by 1 / (1 - 0.05) each session at most: ln(20) / -ln(1 - 0.05) is 58.4.
    found = judged((np.zeros((1, 400)), np.ones((1, 400))), 0.05, RULES["betting, 5 %"])
    assert math.log(20) / -math.log(0.95) < found.sessions[0] < 140


def test_a_single_session_says_nothing() -> None:
    assert signs((np.zeros((1, 1)), np.ones((1, 1))), 0.5, 0.95).tolist() == [0]
